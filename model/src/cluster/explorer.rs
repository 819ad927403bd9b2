//! The cluster for stateright's Explorer: every state, step and path in words.
//!
//! The Explorer prints states and actions by themselves, without their model. But a state of [`Cluster`] alone cannot
//! say what an agent's position in `recover()` means, or which property its step has broken, and an answer does not
//! contain its question. So the states and actions here carry what is needed to describe them. There are as many states
//! as in [`Cluster`], unless a step breaks a property: the state after that step is distinguished from the same state
//! reached by other steps.

use std::fmt;
use std::fmt::{Debug, Formatter, Write};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use stateright::Model;

use crate::engine::Path;
use crate::engine::diagram::{Mark, svg};
use crate::recover::dialogue::{Leader, Stop};
use crate::vocabulary::property::Property;

use super::describe::{armed, data_text, server_text, stalled_text, task_text, upstream_text};
use super::{
    Action, Agent, At, Budget, Cluster, Health, Lease, Names, Node, NodeId, Reach, Rewind, Settings, State, difference,
    question_text,
};

/// The model of a cluster with readable states and actions.
#[derive(Clone, Debug)]
pub struct ReadableCluster(Arc<Cluster>);

impl ReadableCluster {
    /// Builds the model.
    pub fn new(settings: Settings) -> Self {
        ReadableCluster(Arc::new(Cluster::new(settings)))
    }

    fn readable(&self, step: Option<(&State, Action)>, state: State) -> ReadableState {
        let holds = |property: &Property| {
            !self.0.is_about(*property)
                || self.0.holds_in(*property, &state)
                    && step.is_none_or(|(before, action)| self.0.holds_over(*property, before, action, &state))
        };
        let broken = Property::ALL.into_iter().filter(|property| !holds(property)).collect();
        ReadableState { cluster: Arc::clone(&self.0), state, broken }
    }
}

/// A state whose [`Debug`] output is in words.
#[derive(Clone)]
pub struct ReadableState {
    cluster: Arc<Cluster>,
    state: State,
    /// The properties that are broken in this state, or were by the step to it.
    broken: Vec<Property>,
}

impl ReadableState {
    /// The state itself.
    pub fn state(&self) -> &State {
        &self.state
    }
}

impl PartialEq for ReadableState {
    fn eq(&self, other: &Self) -> bool {
        (&self.state, &self.broken) == (&other.state, &other.broken)
    }
}

impl Hash for ReadableState {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        (&self.state, &self.broken).hash(hasher);
    }
}

/// A step together with the state in which it is taken; its [`Debug`] output is in words.
#[derive(Clone, PartialEq)]
pub struct ReadableAction {
    action: Action,
    before: ReadableState,
}

impl Debug for ReadableAction {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.before.cluster.step_text(&Names::numbered(), &self.before.state, self.action))
    }
}

/// The conditions of [`Property::ALL`], in that order: stateright takes plain functions, which cannot hold a property
/// as a value.
const CONDITIONS: [fn(&ReadableCluster, &ReadableState) -> bool; Property::ALL.len()] = [
    holds::<0>,
    holds::<1>,
    holds::<2>,
    holds::<3>,
    holds::<4>,
    holds::<5>,
    holds::<6>,
    holds::<7>,
    holds::<8>,
    holds::<9>,
    holds::<10>,
    holds::<11>,
    holds::<12>,
    holds::<13>,
    holds::<14>,
    holds::<15>,
    holds::<16>,
];

fn holds<const PLACE: usize>(_: &ReadableCluster, state: &ReadableState) -> bool {
    !state.broken.contains(&Property::ALL[PLACE])
}

impl Model for ReadableCluster {
    type State = ReadableState;
    type Action = ReadableAction;

    fn init_states(&self) -> Vec<ReadableState> {
        self.0.init_states().into_iter().map(|state| self.readable(None, state)).collect()
    }

    fn actions(&self, before: &ReadableState, actions: &mut Vec<ReadableAction>) {
        let mut possible = Vec::new();
        self.0.actions(&before.state, &mut possible);
        actions.extend(possible.into_iter().map(|action| ReadableAction { action, before: before.clone() }));
    }

    fn next_state(&self, before: &ReadableState, step: ReadableAction) -> Option<ReadableState> {
        let after = self.0.next_state(&before.state, step.action)?;
        Some(self.readable(Some((&before.state, step.action)), after))
    }

    fn format_action(&self, step: &ReadableAction) -> String {
        format!("{step:?}")
    }

    fn format_step(&self, before: &ReadableState, step: ReadableAction) -> Option<String> {
        let words = format!("{step:?}");
        let after = self.next_state(before, step)?;
        let lines = self.0.changes(&Names::numbered(), &before.state, &after.state);
        let nothing = if lines.is_empty() { "\n  changes nothing" } else { "" };
        let lines: String = lines.iter().map(|line| format!("\n  {line}")).collect();
        Some(format!("{words}{nothing}{lines}{}", broken_text(&after.broken)))
    }

    fn as_svg(&self, path: stateright::Path<ReadableState, ReadableAction>) -> Option<String> {
        let (states, actions): (Vec<_>, Vec<_>) = path.into_vec().into_iter().unzip();
        let broken: Vec<_> = states.iter().map(|state: &ReadableState| state.broken.clone()).collect();
        let mut states = states.into_iter().map(|state| state.state);
        let init = states.next()?;
        let actions = actions.into_iter().flatten().map(|step| step.action);
        let path = Path { init, steps: actions.zip(states).collect() };
        let mut chart = self.0.chart(&Names::numbered(), &path);
        // A chart is made for counterexamples, whose last step breaks something. This path may have broken nothing, or
        // something long ago.
        for (number, (row, (action, _))) in chart.rows.iter_mut().zip(&path.steps).enumerate() {
            let breaks = broken[number + 1].iter().any(|property| !broken[number].contains(property));
            row.mark = match action {
                _ if breaks => Mark::Broken,
                Action::Fault(..) => Mark::Fault,
                _ => Mark::Step,
            };
        }
        Some(svg(&chart))
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        // A liveness property is not broken by any single step, so the Explorer cannot show it.
        let conditions = Property::ALL.into_iter().zip(CONDITIONS);
        let shown = conditions.filter(|(property, _)| self.0.is_about(*property) && !property.is_liveness());
        shown.map(|(property, condition)| stateright::Property::always(property.id(), condition)).collect()
    }
}

impl Debug for ReadableState {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (names, state) = (Names::numbered(), &self.state);
        writeln!(f, "leader key: {}", key_text(&names, state))?;
        if let Some(key) = state.sync {
            let standby = key.standby.map_or("nobody", |standby| names.of(standby));
            writeln!(f, "/sync: leader {}, standby {standby}", names.of(key.leader))?;
        }
        writeln!(f, "{}", announced_text(state))?;
        for (is_so, words) in [
            (state.paused, "the cluster is in maintenance"),
            (state.dcs_down, "the DCS is down"),
            (state.nodes_cut, "the nodes do not reach each other"),
        ] {
            if is_so {
                writeln!(f, "{words}")?;
            }
        }
        if let Some(read) = &state.stalled {
            writeln!(f, "{}", stalled_text(&names, read))?;
        }
        if self.cluster.settings.standby_cluster {
            writeln!(f, "remote primary: {}", data_text(state, state.remote))?;
        }
        writeln!(f, "primary_start_timeout: {}", if state.start_timeout_is_zero { "zero" } else { "positive" })?;
        write!(f, "faults left: {}", budget_text(state.budget))?;
        for id in self.cluster.node_ids() {
            let node = &state.nodes[usize::from(id)];
            write!(f, "\n\n{}\n  Postgres: {}", names.of(id), server_text(state, node))?;
            write!(f, "\n  data: {}", files_text(state, node))?;
            write!(f, "\n  follows: {}", upstream_text(&names, node.upstream))?;
            if let Some(standby) = node.sync_names {
                write!(f, "; commits wait for {}", names.of(standby))?;
            }
            if node.disk_full {
                f.write_str("\n  the disk is full")?;
            }
            match node.dcs {
                Reach::Both => {}
                Reach::NoReplies => f.write_str("\n  the DCS's answers are lost")?,
                Reach::Nothing => f.write_str("\n  does not reach the DCS")?,
            }
            write!(f, "\n  postgres --single: started {} times in this recovery", node.single_user_starts)?;
            write!(f, "\n  watchdog: {}", armed(node.watchdog))?;
            f.write_str(&self.cluster.agent_text(&names, node))?;
        }
        f.write_str(&broken_text(&self.broken))
    }
}

impl Cluster {
    /// The changes of a step: those of [`difference`], and details that only a reader of whole states needs.
    fn changes(&self, names: &Names, before: &State, after: &State) -> Vec<String> {
        let mut lines = difference(names, before, after);
        if (before.status, before.history) != (after.status, after.history) {
            lines.push(announced_text(after));
        }
        if self.settings.standby_cluster && data_text(before, before.remote) != data_text(after, after.remote) {
            lines.push(format!("remote primary: {}", data_text(after, after.remote)));
        }
        for id in self.node_ids() {
            let files = |state: &State| files_text(state, &state.nodes[usize::from(id)]);
            if files(before) != files(after) {
                lines.push(format!("{} data: {}", names.of(id), files(after)));
            }
            let agent = |state: &State| state.nodes[usize::from(id)].agent;
            let (Some(was), Some(is)) = (agent(before), agent(after)) else { continue };
            if was.at != is.at {
                lines.push(format!("{} agent's next move: {}", names.of(id), self.place_text(names, &is)));
            }
            if was.warned != is.warned {
                let answers = if is.warned { "did not answer" } else { "answered" };
                lines.push(format!("the DCS {answers} {}'s agent", names.of(id)));
            }
            if was.recovering != is.recovering {
                let will = if is.recovering { "will look" } else { "has looked" };
                lines.push(format!("{} agent {will} whether its last start of Postgres failed", names.of(id)));
            }
            if was.slot != is.slot && was.task() == is.task() {
                lines.push(format!("{} background task: begun", names.of(id)));
            }
        }
        if before.budget != after.budget {
            lines.push(format!("faults left: {}", budget_text(after.budget)));
        }
        lines
    }

    /// The progress, memory and beliefs of an agent.
    fn agent_text(&self, names: &Names, node: &Node) -> String {
        let Some(agent) = &node.agent else { return "\n  agent: dead".into() };
        let role = agent.role.text();
        let health = match agent.health {
            Health::Running => "runs",
            Health::Crashed => "crashed",
            Health::Stopped => "is stopped",
        };
        let frozen = if agent.frozen { "FROZEN before it " } else { "" };
        let mut text = format!("\n  agent: {frozen}{}", self.place_text(names, agent));
        let mut say = |words: &str| {
            let _ = write!(text, "\n    {words}");
        };
        say(&format!("believes: Postgres {health}, its role is {role}"));
        match (agent.at, agent.seen) {
            (At::Idle, None) => {}
            (_, None) => say("read from etcd: nobody holds the leader key"),
            (_, Some(holder)) => say(&format!("read from etcd: {} holds the leader key", names.of(holder))),
        }
        say(match agent.rewind {
            Rewind::Initial => "rewind: no reason known",
            Rewind::Check => "rewind: timelines have to be compared",
            Rewind::Need => "rewind: needed, the data diverged",
            Rewind::NotNeed => "rewind: not needed, the data did not diverge",
            Rewind::Success => "rewind: succeeded",
            Rewind::Failed => "rewind: failed",
        });
        match agent.slot {
            None => say("background: nothing"),
            Some(slot) if slot.begun => say(&format!("background: {}, begun", task_text(Some(slot.task)))),
            Some(slot) => say(&format!("background: {}, not begun", task_text(Some(slot.task)))),
        }
        if !agent.leased {
            say("its lease has ended");
        }
        if agent.warned {
            say("the DCS did not answer it last time");
        }
        if agent.failsafe {
            say("failsafe mode: leads, or agreed to a leader, without the DCS");
        }
        if agent.crash_recovery_started {
            say("remembers that it started crash recovery");
        }
        if agent.recovering {
            say("will look whether its last start of Postgres failed");
        }
        text
    }

    /// The place of an agent in its cycle, that is, its next action. Positions in `recover()` that ask the same
    /// question are distinguished by number.
    fn place_text(&self, names: &Names, agent: &Agent) -> String {
        match agent.at {
            At::Idle => "begins a cycle".into(),
            At::Lead => "refreshes the lock, as the leader".into(),
            At::Granted => "sees to it that it leads".into(),
            At::LongAction => "refreshes the lock while its background task works".into(),
            At::StartingUp => "refreshes the lock while Postgres starts".into(),
            At::Compare => "compares timelines with the leader".into(),
            At::Rewinding => "says that it rewinds".into(),
            At::Race => "tries to create the leader key".into(),
            At::Recover(position) => match self.automaton().at(position) {
                Err(Stop::Ask(question)) => format!("recover() asks {} (place {position})", question_text(question)),
                Ok(decision) => {
                    let name = |_: Leader| agent.seen.map_or("nobody", |leader| names.of(leader)).to_owned();
                    format!("recover() returns '{}' (place {position})", decision.message(self.rules(), name))
                }
                Err(_) => format!("recover() ends, the DCS is not accessible (place {position})"),
            },
            At::Released(position) => {
                format!("goes on with demote('immediate'), which has given up the lock (place {position} of recover())")
            }
        }
    }
}

fn key_text(names: &Names, state: &State) -> String {
    let holder = |id: NodeId| names.of(id).to_owned();
    match state.leader {
        None => "none".into(),
        Some(key) if key.lease == Lease::Kept => format!("{}, its agent keeps the lease alive", holder(key.holder)),
        Some(key) => format!("{}, nobody keeps its lease alive", holder(key.holder)),
    }
}

fn announced_text(state: &State) -> String {
    format!("/status: {} records; /history: timeline {}", state.status, state.history)
}

fn files_text(state: &State, node: &Node) -> String {
    let there = |file: bool| if file { "there" } else { "not there" };
    format!(
        "timeline {}, {}, pg_control '{}', standby.signal {}, backup_label {}",
        state.wal.timeline_at(node.data),
        data_text(state, node.data),
        node.control.map_or("nothing", |control| control.text()),
        there(node.signal),
        there(node.backup_label),
    )
}

fn budget_text(budget: Budget) -> String {
    let left = |words: &str, left: u8| match left {
        0 => None,
        Budget::UNLIMITED => Some(format!("{words} without limit")),
        left => Some(format!("{words} {left}")),
    };
    let Budget { process, task, network, commits, operator } = budget;
    let parts = [
        left("of processes", process),
        left("of tasks", task),
        left("of the network", network),
        left("commits", commits),
        left("operators' doings", operator),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "none".into() } else { parts.join(", ") }
}

fn broken_text(broken: &[Property]) -> String {
    broken.iter().map(|property| format!("\n\nBROKEN: {}: {}", property.id(), property.describe())).collect()
}
