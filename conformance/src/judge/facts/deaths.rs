//! Deaths that no fault of the scenario caused: processes and nodes that ended by force, and who may have done it.
//!
//! Nobody tells who sent a signal, so it is known by exclusion: by the faults that were injected, by the kernel's count
//! of processes that it killed for want of memory, and by what the node's agent could do, and had a reason to do, at
//! that moment. What each of them excuses is said in [`strangers`](crate::judge::excuses::strangers).

use std::collections::BTreeSet;

use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Process, ServerState, Watchdog};
use pghaspec_model::vocabulary::fault::Fault;

use super::processes::{Life, lives};
use super::writable::proves_read_only;
use crate::history::{History, SECOND, describe, seconds};

/// A process that was killed may be reported gone so much later, nanoseconds.
const GONE: u64 = 60 * SECOND;

/// A server closes its sockets before it is reported gone: what a probe found so shortly before tells of its end.
const CLOSING: u64 = SECOND;

/// All processes of a node end with its first one, and the end of the node is reported no later than this.
const WITH_NODE: u64 = 10 * SECOND;

/// A server ends all of its processes because one of them was killed: those that it kills itself follow within this.
const SAME_CRASH: u64 = 10 * SECOND;

/// The kernel counts a process that it kills before that is gone, and the count is read up to so much later.
const COUNTED: u64 = 2 * SECOND;

const SIGKILL: i32 = 9;

/// SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS: who dies of these was not
/// asked to end. A Postgres that crashes is not the agent's doing either; an agent that crashes is.
const BY_FORCE: [i32; 10] = [4, 5, 6, 7, 8, SIGKILL, 11, 24, 25, 31];

/// The one that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dead {
    /// A process of a kind that is told apart.
    Process(Process),
    /// A child of a server that was in service.
    Child,
    /// The whole node.
    Node,
    /// Some process of the node that nobody saw.
    Unseen,
}

/// A death that no fault of the scenario caused.
#[derive(Clone, Debug)]
pub struct Death {
    /// The node.
    pub node: String,
    /// Who died there.
    pub dead: Dead,
    /// When, nanoseconds of the run.
    pub at: [u64; 2],
    /// `seq` of the event that tells it.
    pub seq: u64,
    /// The node's agent could have done it and had a reason to: it may be what its rules say.
    pub may_be_own: bool,
    /// The node was writable when it happened.
    pub writable: bool,
    /// Until when what it left behind may still write, nanoseconds of the run.
    pub until: u64,
    /// Nobody started an agent there again.
    pub agentless: bool,
    /// Of a whole node: whether Postgres and the agent ended with it, and not before.
    pub with_it: [bool; 2],
    /// Who died of what, in a sentence.
    pub words: String,
}

impl Death {
    /// Notes what a later part of the history tells of the node.
    pub fn goes_on(&mut self, part: &History) {
        let later = part.fresh().iter().filter(|event| {
            event.node.as_ref() == Some(&self.node) && event.at[0] > self.at[1] && event.seq > self.seq
        });
        for event in later {
            let over = match (&event.kind, self.dead) {
                (Kind::ProcessStarted { what, .. }, dead) => {
                    self.agentless &= *what != Process::Agent;
                    *what == Process::Postmaster && dead != Dead::Process(Process::Agent)
                }
                (_, Dead::Process(Process::Agent)) => proves_read_only(event),
                _ => false,
            };
            if over {
                self.until = self.until.min(event.at[1]);
            }
        }
    }

    /// The fault that it equals, if the model has one that can hit there.
    pub fn fault(&self) -> Option<Fault> {
        match self.dead {
            Dead::Process(Process::Postmaster) => Some(Fault::PostmasterKilled),
            Dead::Process(Process::SingleUser) => Some(Fault::SingleUserFails),
            Dead::Process(Process::PgRewind) => Some(Fault::RewindFails),
            Dead::Process(Process::Agent) => Some(Fault::AgentKilled),
            // The model knows crashes of a primary's children only.
            Dead::Child => self.writable.then_some(Fault::BackendCrashed),
            // The model ends a node with what is still there: without Postgres that is the end of its agent.
            Dead::Node => match self.with_it {
                [true, true] => Some(Fault::NodeKilled),
                [true, false] => Some(Fault::PostmasterKilled),
                [false, true] => Some(Fault::AgentKilled),
                [false, false] => None,
            },
            Dead::Process(Process::PgBasebackup) | Dead::Unseen => None,
        }
    }
}

/// The deaths that this part of a history tells, since the cluster was ready, in the order of recording.
pub fn deaths(history: &History) -> Vec<Death> {
    let mut all: Vec<Death> = history.run.nodes.iter().flat_map(|node| Node::of(history, node).deaths()).collect();
    let ready = history.phase(Phase::Ready).unwrap_or(0);
    all.retain(|death| death.at[1] >= ready);
    all.sort_by_key(|death| death.seq);
    all
}

/// All that was seen of a node. What each death is held to is kept apart: there may be as many deaths as events.
struct Node<'h> {
    history: &'h History,
    name: &'h str,
    events: Vec<&'h Event>,
    lives: Vec<Life<'h>>,
    /// Faults, and what its watchdog did.
    faults: Vec<&'h Event>,
    /// What probes found.
    probes: Vec<&'h Event>,
    /// What freezes and thaws its agent, if something froze it.
    of_agent: Vec<&'h Event>,
    /// The lives of its agents.
    agents: Vec<Life<'h>>,
    /// Faults of the cluster that are this node's, too.
    of_cluster: Vec<&'h Event>,
    /// Changes of the leader key.
    keys: Vec<&'h Event>,
}

impl<'h> Node<'h> {
    fn of(history: &'h History, name: &'h str) -> Node<'h> {
        let of_node = |event: &&Event| event.node.as_deref() == Some(name);
        let events: Vec<&Event> = history.events.iter().filter(of_node).collect();
        let of = |kept: fn(&Kind) -> bool| -> Vec<&Event> {
            events.iter().copied().filter(|event| kept(&event.kind)).collect()
        };
        let lives = lives(history, name);
        let freezes = |event: &&Event| matches!(event.kind, Kind::Fault { fault: Fault::AgentFrozen, .. });
        let is_frozen = events.iter().any(freezes);
        let of_all = |event: &&Event| event.node.as_deref().is_none_or(|node| node == name);
        let cluster = history.events.iter().filter(of_all);
        Node {
            history,
            name,
            faults: of(|kind| matches!(kind, Kind::Fault { .. } | Kind::Watchdog { .. })),
            probes: of(|kind| matches!(kind, Kind::Server { state, .. } if *state != ServerState::Unknown)),
            of_agent: of(|kind| {
                matches!(
                    kind,
                    Kind::Fault { fault: Fault::AgentFrozen | Fault::AgentThawed, .. }
                        | Kind::ProcessStarted { what: Process::Agent, .. }
                )
            })
            .into_iter()
            .filter(|_| is_frozen)
            .collect(),
            agents: lives.iter().filter(|life| life.what == Process::Agent).cloned().collect(),
            of_cluster: cluster.filter(|event| matches!(event.kind, Kind::Fault { .. })).collect(),
            keys: history.events.iter().filter(|event| matches!(event.kind, Kind::LeaderKey { .. })).collect(),
            lives,
            events,
        }
    }

    fn deaths(&self) -> Vec<Death> {
        let mut found = Vec::new();
        // Those that ended with the node.
        let mut with_node: BTreeSet<u64> = BTreeSet::new();
        for event in self.fresh() {
            let Kind::NodeEnded { out_of_memory, .. } = event.kind else { continue };
            let by_a_fault =
                |life: &Life| life.to.zip(life.signal).is_some_and(|(to, signal)| self.is_injected(life, to, signal));
            let ends = |life: &&Life| ends_with(life, event) && !by_a_fault(life);
            let ended: Vec<&Life> = self.lives.iter().filter(ends).collect();
            with_node.extend(ended.iter().filter_map(|life| life.end));
            let begun = ended.iter().filter_map(|life| life.to).map(|to| to[0]).min().unwrap_or(event.at[0]);
            let by_itself = |life: &&&Life| life.what == Process::Agent && life.signal != Some(SIGKILL);
            // An agent that ends and takes its node along has done so itself.
            if self.is_cut(begun, event.at[1]) || ended.iter().any(|life| by_itself(&life)) {
                continue;
            }
            let told = if out_of_memory { ", and the containers' engine says that it was out of memory" } else { "" };
            let at = [begun.min(event.at[1]), event.at[1]];
            let words = format!("the whole node {} ended{told}", self.name);
            let any = |of_agent: bool| ended.iter().any(|life| (life.what == Process::Agent) == of_agent);
            let with_it = [any(false), any(true)];
            found.push(Death { with_it, ..self.death(Dead::Node, at, event.seq, &words) });
        }
        for life in &self.lives {
            let (Some(to), Some(signal), Some(seq)) = (life.to, life.signal, life.end) else { continue };
            let by_force = if life.what == Process::Agent { signal == SIGKILL } else { BY_FORCE.contains(&signal) };
            let fresh = seq >= self.history.before.events;
            if !fresh || !by_force || with_node.contains(&seq) || self.is_injected(life, to, signal) {
                continue;
            }
            let process = describe::process(life.what);
            let words = format!("{process} of {} (process {}) ended by signal {signal}", self.name, life.pid);
            found.push(self.death(Dead::Process(life.what), to, seq, &words));
        }
        let mut crashed = 0;
        for event in self.fresh() {
            let Kind::ChildKilled { postmaster, pid, signal } = event.kind else { continue };
            let first = crashed == 0 || event.at[0] > crashed + SAME_CRASH;
            crashed = event.at[1];
            if !first || !BY_FORCE.contains(&signal) || self.is_of_its_server(event, postmaster) {
                continue;
            }
            let words = format!("a child of the postmaster of {} (process {pid}) ended by signal {signal}", self.name);
            found.push(self.death(Dead::Child, event.at, event.seq, &words));
        }
        self.for_want_of_memory(&mut found);
        found
    }

    fn fresh(&self) -> impl Iterator<Item = &'h Event> {
        self.events.iter().filter(|event| self.history.is_fresh(event)).copied()
    }

    /// The harness or a watchdog ended the node, and nothing was started there between that and its end.
    fn is_cut(&self, begun: u64, to: u64) -> bool {
        self.faults.iter().any(|event| {
            let cuts = matches!(
                event.kind,
                Kind::Fault { fault: Fault::NodeKilled, .. } | Kind::Watchdog { change: Watchdog::Fired, .. }
            );
            let started = |life: &Life| life.from[0] > event.at[1] && life.from[0] <= begun;
            cuts && event.at[0] <= to && !self.lives.iter().any(started)
        })
    }

    /// A fault that was injected explains this end.
    fn is_injected(&self, life: &Life, to: [u64; 2], signal: i32) -> bool {
        use Fault::{AgentKilled, DiskFull, NodeKilled, OrphansLeft, PostmasterKilled, RewindFails};
        use Fault::{SingleUserFails, StartFails};
        let hits = |event: &Event| match event.kind {
            Kind::Watchdog { change, .. } => change == Watchdog::Fired,
            Kind::Fault { fault: NodeKilled, .. } => true,
            Kind::Fault { fault: DiskFull, .. } => signal != SIGKILL,
            Kind::Fault { fault, .. } => match life.what {
                Process::Postmaster => matches!(fault, PostmasterKilled | OrphansLeft | StartFails),
                Process::SingleUser => fault == SingleUserFails,
                Process::PgRewind => fault == RewindFails,
                Process::PgBasebackup => false,
                Process::Agent => fault == AgentKilled,
            },
            _ => false,
        };
        // Who died of it was there before, and is reported gone soon.
        self.faults.iter().any(|event| {
            let then = life.from[0] <= event.at[1] && to[1] >= event.at[0] && to[0] <= event.at[1] + GONE;
            then && hits(event)
        })
    }

    /// A server whose child is killed by a fault, or that ends, or is ending, and so kills its children itself.
    fn is_of_its_server(&self, killed: &Event, postmaster: u32) -> bool {
        use Fault::{BackendCrashed, DiskFull, NodeKilled, OrphansLeft, PostmasterKilled, StartFails, StartHangs};
        let near = |event: &&&Event| killed.at[1] >= event.at[0] && killed.at[0] <= event.at[1] + GONE;
        let injected = self.faults.iter().filter(near).any(|event| match event.kind {
            Kind::Watchdog { change, .. } => change == Watchdog::Fired,
            Kind::Fault { fault, .. } => matches!(
                fault,
                BackendCrashed | DiskFull | NodeKilled | OrphansLeft | PostmasterKilled | StartFails | StartHangs
            ),
            _ => false,
        });
        let ended = self.lives.iter().any(|life| {
            let ends = life.to.is_some_and(|to| to[0] <= killed.at[1] + CLOSING && life.signal.is_some());
            life.pid == postmaster && ends
        });
        injected || ended || self.found(killed.at[0]).is_some_and(|state| !serves(state))
    }

    /// The kernel's count of processes that it killed for want of memory: whom it may have killed, or that nobody saw
    /// whom.
    fn for_want_of_memory(&self, found: &mut Vec<Death>) {
        for event in self.fresh() {
            let Kind::OutOfMemory { kills } = event.kind else { continue };
            let [from, to] = [event.at[0].saturating_sub(COUNTED), event.at[1] + COUNTED];
            let counted = match kills {
                1 => format!("the kernel killed a process of {} for want of memory then", self.name),
                _ => format!("the kernel killed {kills} processes of {} for want of memory then", self.name),
            };
            let mut seen = false;
            for death in found.iter_mut().filter(|death| death.at[1] >= from && death.at[0] <= to) {
                seen = true;
                death.may_be_own = false;
                death.words = format!("{}; {counted} (oom_kill rose by {kills})", death.words);
            }
            if !seen {
                let mut unseen = self.death(Dead::Unseen, event.at, event.seq, &counted);
                unseen.words = format!("{counted} (oom_kill rose by {kills}), and it was not seen which");
                unseen.may_be_own = false;
                found.push(unseen);
            }
        }
    }

    fn death(&self, dead: Dead, at: [u64; 2], seq: u64, words: &str) -> Death {
        let state = self.found(at[0]);
        let writable = state == Some(ServerState::Primary);
        let may_be_own = self.may_be_own(dead, at[0], state);
        // What it left behind, and whether somebody starts the agent again, later events tell.
        let leaves = matches!(dead, Dead::Process(Process::Postmaster | Process::Agent));
        let agentless = matches!(dead, Dead::Process(Process::Agent) | Dead::Node);
        let why = if may_be_own {
            "no fault of the scenario did that; its agent may have"
        } else if self.has_agent(at[0]) && dead != Dead::Process(Process::Agent) && dead != Dead::Node {
            "no fault of the scenario did that, its agent had no reason to that is known, and nobody tells who did"
        } else {
            "no fault of the scenario did that, and nobody tells who did"
        };
        Death {
            node: self.name.to_owned(),
            dead,
            with_it: [true; 2],
            at,
            seq,
            may_be_own,
            writable,
            until: if leaves { u64::MAX } else { at[1] },
            agentless,
            words: format!("{words} at {}: {why}", seconds(at[1])),
        }
    }

    /// The state in which a probe found the server last before it may have begun to end.
    fn found(&self, at: u64) -> Option<ServerState> {
        let before = self.probes.iter().filter(|event| event.at[0] + CLOSING <= at);
        let told = before.filter_map(|event| match event.kind {
            Kind::Server { state, .. } => Some((event.at, state)),
            _ => None,
        });
        told.max_by_key(|(at, _)| *at).map(|(_, state)| state)
    }

    /// An agent lived here then, and was not frozen.
    fn has_agent(&self, at: u64) -> bool {
        let lived = |life: &Life| life.from[0] <= at && life.to.is_none_or(|to| to[1] >= at);
        let frozen = self.of_agent.iter().filter(|event| event.at[0] <= at).filter_map(|event| match event.kind {
            Kind::Fault { fault: Fault::AgentFrozen, effect: Some(_) } => Some((event.at, true)),
            Kind::Fault { fault: Fault::AgentThawed, .. } => Some((event.at, false)),
            Kind::ProcessStarted { what: Process::Agent, .. } => Some((event.at, false)),
            _ => None,
        });
        let frozen = frozen.max_by_key(|(at, _)| *at).is_some_and(|(_, frozen)| frozen);
        !frozen && self.agents.iter().any(lived)
    }

    /// The node's agent could have done it, and had a reason to. Tools are its own: it may cancel them. A server that
    /// does not serve is one that it starts or stops, and gives up on. And a primary that has lost the lock, or whose
    /// agent is kept from the DCS, has to be stopped at once.
    fn may_be_own(&self, dead: Dead, at: u64, state: Option<ServerState>) -> bool {
        let reason = match dead {
            Dead::Process(Process::SingleUser | Process::PgRewind | Process::PgBasebackup) => true,
            Dead::Process(Process::Postmaster) => {
                let stopped = state.is_some_and(|state| !serves(state));
                stopped || state == Some(ServerState::Primary) && (self.lost_the_lock(at) || self.is_cut_off(at))
            }
            Dead::Process(Process::Agent) | Dead::Child | Dead::Node | Dead::Unseen => false,
        };
        reason && self.has_agent(at)
    }

    /// The leader key named somebody else, or nobody, when it had changed last.
    fn lost_the_lock(&self, at: u64) -> bool {
        let changes = self.keys.iter().filter_map(|event| match &event.kind {
            Kind::LeaderKey { holder, revision, .. } if event.at[0] <= at => Some((*revision, holder.as_deref())),
            _ => None,
        });
        let last = changes.max_by_key(|(revision, _)| *revision);
        last.is_some_and(|(_, holder)| holder != Some(self.name))
    }

    /// A fault that keeps the agent from the DCS has begun and has not ended.
    fn is_cut_off(&self, at: u64) -> bool {
        use Fault::{DcsDown, DcsReached, DcsUp, RepliesLost, RequestsLost, WatchResumes, WatchStalls};
        let last = |begins: &[Fault], ends: &[Fault]| {
            let faults = self.of_cluster.iter().filter(|event| event.at[0] <= at);
            let last = faults.filter_map(|event| match event.kind {
                Kind::Fault { fault, .. } if begins.contains(&fault) => Some((event.at, true)),
                Kind::Fault { fault, .. } if ends.contains(&fault) => Some((event.at, false)),
                _ => None,
            });
            last.max_by_key(|(at, _)| *at).is_some_and(|(_, begun)| begun)
        };
        last(&[RequestsLost, RepliesLost], &[DcsReached])
            || last(&[DcsDown], &[DcsUp])
            || last(&[WatchStalls], &[WatchResumes])
    }
}

/// A server in this state serves clients.
fn serves(state: ServerState) -> bool {
    state.is_up()
}

/// The process ended with its node.
fn ends_with(life: &Life, node: &Event) -> bool {
    life.to.is_some_and(|to| to[0] <= node.at[1] && to[0] + WITH_NODE >= node.at[1])
}
