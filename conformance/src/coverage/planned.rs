//! The places where the faults of a scenario strike, as it is written: whom each fault hits, and in which state that
//! node is then. The coverage matrix compares them with the derived schedules.

use pghaspec_model::cluster::Server;
use pghaspec_model::derive::{Hit, StateClass, hits_cluster};
use pghaspec_model::vocabulary::event::{Process, ServerState};
use pghaspec_model::vocabulary::fault::Fault;

use super::item_id::ItemId;
use crate::scenario::{Action, Scenario, Step, Target, When, is_trap};

/// A fault, whom it hits, and in which state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The fault.
    pub fault: Fault,
    /// The target: the leader, another member, or everybody.
    pub target: Hit,
    /// The process that uses the data directory of the node; of the leader, if everybody is hit.
    pub class: StateClass,
}

impl Place {
    /// The name of the derived item that it is.
    pub fn id(&self) -> ItemId {
        ItemId::fault(self.fault, self.target, self.class)
    }
}

/// The state of the cluster as far as the scenario's text tells it: of the node that was hit first, and of one of the
/// others, which leads if the first does not.
struct Situation {
    /// The first step hit the leader.
    hit_leader: bool,
    /// The node that was hit first leads.
    crashed_leads: bool,
    /// Nobody is known to lead.
    nobody: bool,
    /// The state of the leader's Postgres when all is well.
    leader: Server,
    crashed: Server,
    other: Server,
    /// Traps that have not struck yet, each with whether it was laid for the node that was hit first.
    laid: Vec<(Fault, bool)>,
    /// True if the agent is dead: of the others, and of the node that was hit first.
    agentless: [bool; 2],
}

/// The places where the faults of a scenario strike, in their order.
pub fn places(scenario: &Scenario) -> Vec<Place> {
    let leader = if scenario.settings.standby_cluster { Server::Standby } else { Server::Primary };
    let first = scenario.steps.first().map(|step| step.target);
    let hit_leader = matches!(first, Some(Target::Leader | Target::All | Target::Etcd | Target::Remote) | None);
    let (crashed, other) = if hit_leader { (leader, Server::Standby) } else { (Server::Standby, leader) };
    let mut situation = Situation {
        hit_leader,
        crashed_leads: hit_leader,
        nobody: false,
        leader,
        crashed,
        other,
        laid: Vec::new(),
        agentless: [false; 2],
    };
    let mut places: Vec<Place> = scenario.steps.iter().flat_map(|step| situation.take(step)).collect();
    places.extend(situation.strikes(None));
    places
}

impl Situation {
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
            places.push(if hits_cluster(fault) {
                let leader = if self.crashed_leads { self.crashed } else { self.other };
                let class = if self.nobody { StateClass::NoLeader } else { StateClass::Server(leader) };
                Place { fault, target: Hit::Cluster, class }
            } else {
                let server = if crashed { self.crashed } else { self.other };
                Place { fault, target: self.role(crashed), class: StateClass::Server(server) }
            });
            let after = match fault {
                Fault::PostmasterKilled | Fault::OrphansLeft | Fault::NodeKilled | Fault::DiskFull => {
                    Some(Server::Down)
                }
                Fault::BackendCrashed => Some(Server::Starting),
                _ => None,
            };
            if let Some(after) = after {
                *(if crashed { &mut self.crashed } else { &mut self.other }) = after;
            }
        }
        places.dedup();
        // What a trap was laid for starts when its agent does, or when what ran before has died under the eyes of a
        // living agent.
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

    /// The role of the node that was hit first, or of the others.
    fn role(&self, crashed: bool) -> Hit {
        if !self.nobody && crashed == self.crashed_leads { Hit::Leader } else { Hit::Member }
    }

    /// The places where traps strike: those that this fault springs at this node, or all that are left.
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
        let (now, later): (Vec<_>, Vec<_>) = self.laid.iter().partition(|(trap, crashed)| springs(*trap, *crashed));
        self.laid = later;
        let place = |(fault, crashed)| Place {
            fault,
            target: self.role(crashed),
            class: StateClass::Server(match fault {
                Fault::SingleUserFails | Fault::SingleUserHangs | Fault::AgentKilled => Server::SingleUser,
                Fault::RewindFails => Server::Rewinding,
                _ => Server::Starting,
            }),
        };
        now.into_iter().map(place).collect()
    }

    /// The nodes that a target means: true for the node that was hit first, false for the others.
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
        let mut set = |target: Target, server: Server| {
            let crashed = match target {
                Target::FirstHit => true,
                Target::Leader => self.crashed_leads,
                _ => false,
            };
            *(if crashed { &mut self.crashed } else { &mut self.other }) = server;
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
                let (leads, follows) = (self.leader, Server::Standby);
                (self.crashed, self.other) = if self.crashed_leads { (leads, follows) } else { (follows, leads) };
            }
            When::Starts(one) => set(
                one.at,
                match one.process {
                    Process::SingleUser => Server::SingleUser,
                    Process::PgRewind => Server::Rewinding,
                    Process::PgBasebackup => Server::Copying,
                    Process::Postmaster => Server::Starting,
                    Process::Agent => return,
                },
            ),
            When::Ends(one) if one.process != Process::Agent => set(one.at, Server::Down),
            When::Server { at, is } => set(
                *at,
                match is {
                    ServerState::Primary | ServerState::ReadOnlyPrimary => Server::Primary,
                    ServerState::Standby => Server::Standby,
                    ServerState::Starting => Server::Starting,
                    ServerState::Refused => Server::Down,
                    ServerState::Unknown => return,
                },
            ),
            When::Struck(Fault::StartFails | Fault::SingleUserFails | Fault::RewindFails) => {
                set(Target::FirstHit, Server::Down);
            }
            When::Ends(_) | When::TtlOver | When::Takes { .. } | When::Says { .. } | When::Struck(_) => {}
        }
    }
}
