//! Where the steps of a scenario lead, as it is written: whom each fault hits, and in which state that node is then.

use pghaspec_model::derive::hits_cluster;
use pghaspec_model::vocabulary::event::{Process, ServerState};
use pghaspec_model::vocabulary::fault::{Class, Fault};

use crate::scenario::{Action, Scenario, Step, Target, When, is_trap};

/// A fault, whom it hits, and in which state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The fault.
    pub fault: Fault,
    /// `leader`, `member` or `cluster`.
    pub target: &'static str,
    /// Which process uses the data directory of the node; of the leader, if everybody is hit.
    pub class: &'static str,
}

impl Place {
    /// The name of the derived item that it is.
    pub fn id(&self) -> String {
        let Place { fault, target, class } = self;
        match fault.class() {
            Class::Free => format!("fault/{}/{target}", fault.id()),
            _ => format!("fault/{}/{target}/{class}", fault.id()),
        }
    }
}

/// What is known of the cluster from the scenario's text: the node that was hit first, and one of the others, which leads if that one does not.
struct Known {
    /// The first step hit the leader.
    hit_leader: bool,
    /// The node that was hit first leads.
    crashed_leads: bool,
    /// Nobody is known to lead.
    nobody: bool,
    /// What who leads is, when all is well.
    leader: &'static str,
    crashed: &'static str,
    other: &'static str,
    /// Traps that have not struck yet, each with whether it was laid for the node that was hit first.
    laid: Vec<(Fault, bool)>,
    /// Whether the agent is dead, of the node that was hit first and of the others.
    agentless: [bool; 2],
}

/// Where the faults of a scenario strike, in their order.
pub fn places(scenario: &Scenario) -> Vec<Place> {
    let leader = if scenario.settings.standby_cluster { "standby" } else { "primary" };
    let first = scenario.steps.first().map(|step| step.target);
    let hit_leader = matches!(first, Some(Target::Leader | Target::All | Target::Etcd | Target::Remote) | None);
    let (crashed, other) = if hit_leader { (leader, "standby") } else { ("standby", leader) };
    let laid = Vec::new();
    let mut known = Known {
        hit_leader,
        crashed_leads: hit_leader,
        nobody: false,
        leader,
        crashed,
        other,
        laid,
        agentless: [false; 2],
    };
    let mut places: Vec<Place> = scenario.steps.iter().flat_map(|step| known.take(step)).collect();
    places.extend(known.strikes(None));
    places
}

impl Known {
    fn take(&mut self, step: &Step) -> Vec<Place> {
        if let Some(when) = &step.when {
            self.learn(when);
        }
        let Action::Fault(fault) = step.action else { return Vec::new() };
        let mut places = Vec::new();
        if is_trap(fault, &step.how) {
            self.laid.extend(self.hits(step.target).into_iter().map(|crashed| (fault, crashed)));
            return places;
        }
        for crashed in self.hits(step.target) {
            let leads = !self.nobody && crashed == self.crashed_leads;
            let class = if crashed { self.crashed } else { self.other };
            let leader = if self.crashed_leads { self.crashed } else { self.other };
            places.push(match hits_cluster(fault) {
                true => Place { fault, target: "cluster", class: if self.nobody { "no-leader" } else { leader } },
                false => Place { fault, target: if leads { "leader" } else { "member" }, class },
            });
            let after = match fault {
                Fault::PostmasterKilled | Fault::OrphansLeft | Fault::NodeKilled | Fault::DiskFull => Some("down"),
                Fault::BackendCrashed => Some("starting"),
                _ => None,
            };
            if let Some(after) = after {
                *(if crashed { &mut self.crashed } else { &mut self.other }) = after;
            }
        }
        places.dedup();
        // What a trap was laid for starts when its agent does, or when what ran before has died under the eyes of a living agent.
        for crashed in self.hits(step.target) {
            let agentless = &mut self.agentless[usize::from(crashed)];
            let springs = match fault {
                Fault::AgentRestarted | Fault::NodeKilled => true,
                Fault::PostmasterKilled => !*agentless,
                _ => false,
            };
            *agentless = match fault {
                Fault::AgentKilled => true,
                Fault::AgentRestarted => false,
                _ => *agentless,
            };
            if springs {
                places.extend(self.strikes(Some((fault, crashed))));
            }
        }
        places
    }

    /// Where traps strike: those that this fault springs at this node, or all that are left.
    fn strikes(&mut self, by: Option<(Fault, bool)>) -> Vec<Place> {
        let springs = |trap: Fault, crashed: bool| match by {
            None => true,
            Some((_, node)) if node != crashed => false,
            // Single-user mode and pg_rewind are for a node whose agent has come back, in all that is written down so.
            Some((fault, _)) => {
                fault == Fault::AgentRestarted
                    || matches!(trap, Fault::StartFails | Fault::StartHangs | Fault::PostmasterKilled)
            }
        };
        let (now, later) = self.laid.iter().partition(|(trap, crashed)| springs(*trap, *crashed));
        self.laid = later;
        let now: Vec<(Fault, bool)> = now;
        let place = |(fault, crashed)| Place {
            fault,
            target: if !self.nobody && crashed == self.crashed_leads { "leader" } else { "member" },
            class: match fault {
                Fault::SingleUserFails | Fault::SingleUserHangs | Fault::AgentKilled => "single-user",
                Fault::RewindFails => "rewinding",
                _ => "starting",
            },
        };
        now.into_iter().map(place).collect()
    }

    /// Whether the node that was hit first is meant, or the others, or both.
    fn hits(&self, target: Target) -> Vec<bool> {
        match target {
            Target::Leader => vec![self.crashed_leads],
            Target::FirstHit => vec![true],
            Target::Other | Target::Others | Target::NewLeader => vec![false],
            Target::Standby | Target::Standbys => vec![!self.hit_leader && self.crashed_leads == self.hit_leader],
            Target::All => vec![true, false],
            Target::Etcd | Target::Remote => vec![self.crashed_leads],
        }
    }

    fn learn(&mut self, when: &When) {
        let mut set = |target: Target, class: &'static str| {
            let crashed = match target {
                Target::FirstHit => true,
                Target::Leader => self.crashed_leads,
                _ => false,
            };
            *(if crashed { &mut self.crashed } else { &mut self.other }) = class;
        };
        match when {
            When::LeaderKeyGone => self.nobody = true,
            When::LeaderElsewhere | When::WriteElsewhere | When::LedElsewhere => {
                (self.nobody, self.crashed_leads) = (false, !self.hit_leader);
                if self.hit_leader {
                    self.other = self.leader;
                }
            }
            When::Healthy => {
                self.nobody = false;
                let (leads, follows) = (self.leader, "standby");
                (self.crashed, self.other) = if self.crashed_leads { (leads, follows) } else { (follows, leads) };
            }
            When::Starts(one) => set(
                one.at,
                match one.process {
                    Process::SingleUser => "single-user",
                    Process::PgRewind => "rewinding",
                    Process::PgBasebackup => "copying",
                    Process::Postmaster => "starting",
                    Process::Agent => return,
                },
            ),
            When::Ends(one) if one.process != Process::Agent => set(one.at, "down"),
            When::Server { at, is } => set(
                *at,
                match is {
                    ServerState::Primary => "primary",
                    ServerState::Standby => "standby",
                    ServerState::Starting => "starting",
                    ServerState::Refused => "down",
                    ServerState::Unknown => return,
                },
            ),
            When::Struck(Fault::StartFails | Fault::SingleUserFails | Fault::RewindFails) => {
                set(Target::FirstHit, "down");
            }
            When::Ends(_) | When::TtlOver | When::Takes { .. } | When::Says { .. } | When::Struck(_) => {}
        }
    }
}
