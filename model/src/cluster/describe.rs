//! States and steps in words, and behaviours as sequence diagrams.

use crate::engine::Path;
use crate::engine::diagram::{Chart, Mark, Row};
use crate::recover::dialogue::{Answer, Leader, Question, Stop, Task};
use crate::rules::edition::Words;
use crate::vocabulary::fault::Fault;

use super::Cluster;
use super::action::Action;
use super::state::wal::{Point, Record};
use super::state::*;

/// The names of the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Vec<String>);

impl Names {
    /// The names `n1`, `n2`, `n3`.
    pub fn numbered() -> Self {
        Names((1..=MAX_NODES).map(|number| format!("n{number}")).collect())
    }

    /// The names in a recorded history, in the order of the model's nodes.
    pub fn new(names: Vec<String>) -> Self {
        Names(names)
    }

    /// The name of a node.
    pub fn of(&self, id: NodeId) -> &str {
        self.0.get(usize::from(id)).map_or("?", String::as_str)
    }

    /// The number of the node with this name.
    pub fn id(&self, name: &str) -> Option<NodeId> {
        self.0.iter().position(|known| known == name).and_then(|index| NodeId::try_from(index).ok())
    }
}

impl Cluster {
    /// A step in words, with the question that an answer belongs to, or the message of a decision.
    pub fn step_text(&self, names: &Names, before: &State, step: Action) -> String {
        let at = before.nodes[usize::from(step.node())].agent.as_ref().map(|agent| agent.at);
        let node = names.of(step.node());
        match (step, at) {
            (Action::Answer(_, answer), Some(At::Recover(position))) => match self.automaton().at(position) {
                Err(Stop::Ask(question)) => {
                    let line = self.line_of(question);
                    format!("{node}: recover(): {} → {}{line}", question_text(question), answer_text(names, answer))
                }
                _ => action(names, step),
            },
            (Action::Decide(_), Some(At::Recover(position))) => match self.automaton().at(position) {
                Ok(decision) => {
                    let seen = before.nodes[usize::from(step.node())].agent.as_ref().and_then(|agent| agent.seen);
                    let name = |_| seen.map_or("nobody", |leader| names.of(leader)).to_owned();
                    format!("{node}: recover() returns '{}'", decision.message(self.rules(), name))
                }
                _ => action(names, step),
            },
            (Action::Decide(_), Some(At::Rewinding)) => format!("{node}: agent says that it mends its data"),
            _ => action(names, step),
        }
    }
}

impl Cluster {
    /// The line of the original that asks a question: of 2.1.2, the annotated listing, or of 4.1.5 for all later rules.
    fn line_of(&self, question: Question) -> String {
        match (question.lines(), self.rules().words) {
            (Some((Some(line), _)), Words::Master) => format!("  [2.1.2 ha.py {line}]"),
            (Some((_, line)), Words::Member) => format!("  [4.1.5 ha.py {line}]"),
            _ => String::new(),
        }
    }

    /// A behaviour as a sequence diagram, with one lane for etcd and one for each node.
    pub fn chart(&self, names: &Names, path: &Path<State, Action>) -> Chart {
        let lanes = ["etcd".to_owned()].into_iter().chain(self.node_ids().map(|id| names.of(id).to_owned())).collect();
        let mut before = &path.init;
        let mut rows: Vec<Row> = Vec::new();
        for (action, after) in &path.steps {
            let node = names.of(action.node());
            let strip = |words: String| words.strip_prefix(&format!("{node}: ")).unwrap_or(&words).to_owned();
            let of_node = |words: String| words.strip_prefix(&format!("{node} ")).unwrap_or(&words).to_owned();
            rows.push(Row {
                lane: 1 + usize::from(action.node()),
                to: (before.leader != after.leader || matches!(action, Action::Cycle(_))).then_some(0),
                text: strip(self.step_text(names, before, *action)),
                notes: difference(names, before, after).into_iter().map(of_node).collect(),
                mark: if matches!(action, Action::Fault(..)) { Mark::Fault } else { Mark::Step },
            });
            before = after;
        }
        if let Some(last) = rows.last_mut() {
            last.mark = Mark::Broken;
        }
        let timeout = if path.init.start_timeout_is_zero { "zero" } else { "positive" };
        let title = format!(
            "edition {}, primary_start_timeout {timeout}; n1 leads, the others follow",
            self.settings.edition.id()
        );
        Chart { title, lanes, rows }
    }
}

/// A step in words.
pub(super) fn action(names: &Names, action: Action) -> String {
    let node = names.of(action.node());
    let what: String = match action {
        Action::Fault(Fault::LeaseExpires, _) => "lease expires, and the leader key with it".into(),
        Action::Fault(fault, _) => format!("FAULT {}", fault.id()),
        Action::WatchdogResets(_) => "watchdog resets the node".into(),
        Action::Cycle(_) => "agent reads the cluster from etcd and acts on it".into(),
        Action::Compare(_, Some(true)) => "agent compares timelines with the leader: diverged".into(),
        Action::Compare(_, Some(false)) => "agent compares timelines with the leader: not diverged".into(),
        Action::Compare(_, None) => "agent cannot compare timelines with the leader".into(),
        Action::Acquire(_) => "agent tries to create the leader key".into(),
        Action::Answer(_, answer) => format!("recover() is answered {}", answer_text(names, answer)),
        Action::Decide(_) => "recover() decides".into(),
        Action::Demoted(_) => "demotion goes on: a standby will be started".into(),
        Action::SingleUserStarts(_) => "postgres --single starts".into(),
        Action::SingleUserEnds(_) => "postgres --single ends well".into(),
        Action::PostmasterStarts(_) => "postmaster starts".into(),
        Action::PostmasterReady(_) => "Postgres accepts connections".into(),
        Action::PostmasterStops(_) => "Postgres is stopped".into(),
        Action::RewindStarts(_) => "pg_rewind starts".into(),
        Action::RewindEnds(_) => "pg_rewind ends well".into(),
        Action::Promote(_) => "Postgres is promoted".into(),
        Action::TaskEnds(_) => "background task ends".into(),
        Action::Replicate(_) => "standby receives what its source has".into(),
        Action::Forget(_) => "forgets that it agreed to a leader without the DCS".into(),
        Action::OrphansEnd(_) => "the last backend of the dead postmaster ends".into(),
        Action::Update(_) => "agent refreshes the leader lock".into(),
        Action::Enforce(_) => "agent, which has the lock, sees to it that its node leads".into(),
        Action::CopyStarts(_) => "data directory is emptied, pg_basebackup starts".into(),
        Action::CopyEnds(_) => "pg_basebackup ends".into(),
        Action::Commit(_) => "a client commits".into(),
        Action::Request(_) => "an operator asks for a restart: the background slot is taken".into(),
        Action::Pause => return "operator: the cluster goes into maintenance".into(),
        Action::Resume => return "operator: the maintenance ends".into(),
        Action::RemoteCommit => return "a client of the remote primary commits".into(),
        Action::RemoteFailover => {
            return "another node takes over from the remote primary, without the last record".into();
        }
    };
    format!("{node}: {what}")
}

/// An answer in words.
pub fn answer_text(names: &Names, answer: Answer) -> String {
    match answer {
        Answer::Done => "done".into(),
        Answer::Bool(true) => "yes".into(),
        Answer::Bool(false) => "no".into(),
        Answer::Seconds(seconds) => format!("{seconds} s"),
        Answer::Control(Some(state)) => format!("'{}'", state.text()),
        Answer::Control(None) => "nothing".into(),
        Answer::Source(Leader::Nobody) => "nobody".into(),
        Answer::Source(Leader::Member(id)) => names.of(id).into(),
        Answer::Source(Leader::Remote) => "the remote primary".into(),
        Answer::Scheduled => "the slot is free".into(),
        Answer::Busy(task) => format!("the slot is busy with '{}'", task.text()),
        Answer::DcsError => "the DCS is not accessible".into(),
    }
}

/// A question as the agent's code asks it.
pub fn question_text(question: Question) -> String {
    match question {
        Question::DisableWatchdog => "watchdog.disable()".into(),
        Question::HasLock => "has_lock()".into(),
        Question::UpdateLock => "update_lock()".into(),
        Question::StartTimeout => "primary_start_timeout".into(),
        Question::IsFailoverPossible => "is_failover_possible()".into(),
        Question::DemoteImmediate => "demote('immediate')".into(),
        Question::ControlData => "pg_controldata".into(),
        Question::LoadCluster => "load_cluster_from_dcs()".into(),
        Question::RewindNeeded => "rewind_or_reinitialize_needed_and_possible()".into(),
        Question::RunAsync(task) => format!("run '{}' in the background", task.text()),
        other => other.id().into(),
    }
}

/// The changes of a step, one line each.
pub fn difference(names: &Names, before: &State, after: &State) -> Vec<String> {
    let mut lines = Vec::new();
    if before.leader != after.leader {
        lines.push(match after.leader {
            None => "leader key: none".into(),
            Some(key) => format!(
                "leader key: {}{}",
                names.of(key.holder),
                if key.lease == Lease::Orphaned { ", nobody keeps its lease alive" } else { "" }
            ),
        });
    }
    if before.sync != after.sync {
        let standby = |key: SyncKey| key.standby.map_or("none".to_owned(), |standby| names.of(standby).to_owned());
        lines.extend(after.sync.map(|key| format!("/sync: leader {}, standby {}", names.of(key.leader), standby(key))));
    }
    for (was, is, begins, ends) in [
        (before.paused, after.paused, "the cluster is in maintenance", "the maintenance is over"),
        (before.dcs_down, after.dcs_down, "the DCS is down", "the DCS is up"),
        (before.nodes_cut, after.nodes_cut, "the nodes do not reach each other", "the nodes reach each other"),
    ] {
        if was != is {
            lines.push(if is { begins } else { ends }.into());
        }
    }
    if before.stalled != after.stalled {
        lines.extend(after.stalled.map(|read| stalled_text(names, &read)));
        lines.extend(
            before
                .stalled
                .filter(|_| after.stalled.is_none())
                .map(|read| format!("{} reads the keys of the moment", names.of(read.node))),
        );
    }
    for (index, (was, is)) in before.nodes.iter().zip(&after.nodes).enumerate() {
        let node = names.of(index as NodeId);
        let mut say = |what: &str, old: String, new: String| {
            if old != new {
                lines.push(format!("{node} {what}: {old} → {new}"));
            }
        };
        let control = |node: &Node| node.control.map_or("nothing", |control| control.text()).to_owned();
        say("Postgres", server_text(before, was), server_text(after, is));
        say("pg_control", control(was), control(is));
        say("follows", upstream_text(names, was.upstream), upstream_text(names, is.upstream));
        say("commits wait for", named(names, was.sync_names), named(names, is.sync_names));
        say("watchdog", armed(was.watchdog), armed(is.watchdog));
        say("disk", room(was.disk_full), room(is.disk_full));
        say("way to the DCS", reach_text(was.dcs), reach_text(is.dcs));
        match (&was.agent, &is.agent) {
            (Some(_), None) => lines.push(format!("{node} agent: dead")),
            (None, Some(_)) => lines.push(format!("{node} agent: started")),
            (Some(was), Some(is)) => {
                let mut say = |what: &str, old: String, new: String| {
                    if old != new {
                        lines.push(format!("{node} agent's {what}: {old} → {new}"));
                    }
                };
                say("role", was.role.text().into(), is.role.text().into());
                say("view of Postgres", was.health.text().into(), is.health.text().into());
                say("rewind state", was.rewind.text().into(), is.rewind.text().into());
                say(
                    "crash recovery started",
                    was.crash_recovery_started.to_string(),
                    is.crash_recovery_started.to_string(),
                );
                say("background task", task_text(was.task()), task_text(is.task()));
                say("lease", alive(was.leased), alive(is.leased));
                say("process", frozen(was.frozen), frozen(is.frozen));
                say("failsafe mode", on(was.failsafe), on(is.failsafe));
                if let Some(seen) = is.seen.filter(|_| was.seen != is.seen) {
                    lines.push(format!("{node} agent sees the leader key name {}", names.of(seen)));
                }
            }
            (None, None) => {}
        }
    }
    lines
}

pub(super) fn server_text(state: &State, node: &Node) -> String {
    let timeline = state.wal.timeline_at(node.data);
    let orphans = if node.orphans { ", and a backend of a dead postmaster" } else { "" };
    let hung = if node.hung { ", hung" } else { "" };
    let server = match node.server {
        Server::Down => "down".into(),
        Server::Starting if node.signal => format!("starting as a standby on timeline {timeline}"),
        Server::Starting => format!("starting as a primary on timeline {timeline}"),
        Server::Standby => format!("standby on timeline {timeline}, {}", data_text(state, node.data)),
        Server::Primary => format!("writable primary on timeline {timeline}, {}", data_text(state, node.data)),
        Server::SingleUser => "single-user mode".into(),
        Server::Rewinding => "being rewound".into(),
        Server::Copying => "being copied".into(),
    };
    format!("{server}{hung}{orphans}")
}

/// The records after the shared past, one letter each: c commit, C acknowledged commit, P promotion, s checkpoint. Each
/// has its number, so that two promotions to one timeline can be told apart.
pub(super) fn data_text(state: &State, data: Point) -> String {
    let records: Vec<_> = state.wal.records().collect();
    let mut way: Vec<_> = state.wal.way(data).collect();
    way.reverse();
    let letters = way.into_iter().map(|point| {
        let letter = match records[usize::from(point) - 1].1 {
            Record::Commit => 'c',
            Record::Acknowledged => 'C',
            Record::Promotion => 'P',
            Record::Checkpoint => 's',
        };
        format!("{letter}{point}")
    });
    let data: Vec<_> = letters.collect();
    if data.is_empty() { "shared WAL only".into() } else { format!("WAL {}", data.join(" ")) }
}

pub(super) fn upstream_text(names: &Names, upstream: Upstream) -> String {
    match upstream {
        Upstream::Nobody => "nobody".into(),
        Upstream::Member(id) => names.of(id).into(),
        Upstream::Remote => "the remote primary".into(),
    }
}

/// The keys as a node with a stalled watch reads them.
pub(super) fn stalled_text(names: &Names, read: &Stalled) -> String {
    let leader = read.leader.map_or("nobody", |leader| names.of(leader));
    let sync = read.sync.map_or(String::new(), |key| {
        format!(", /sync leader {} and standby {}", names.of(key.leader), named(names, key.standby))
    });
    let lease = if read.session { " by its own lease" } else { "" };
    let announced = format!("position {}, timeline {}", read.status, read.history);
    format!("{} reads old keys: leader {leader}{lease}{sync}, {announced}", names.of(read.node))
}

fn named(names: &Names, id: Option<NodeId>) -> String {
    id.map_or("nobody".into(), |id| names.of(id).into())
}

fn alive(lease: bool) -> String {
    if lease { "alive" } else { "ended" }.into()
}

fn frozen(frozen: bool) -> String {
    if frozen { "frozen" } else { "runs" }.into()
}

fn on(mode: bool) -> String {
    if mode { "on" } else { "off" }.into()
}

fn room(full: bool) -> String {
    if full { "full" } else { "has room" }.into()
}

fn reach_text(reach: Reach) -> String {
    match reach {
        Reach::Both => "open",
        Reach::NoReplies => "answers are lost",
        Reach::Nothing => "cut",
    }
    .into()
}

pub(super) fn armed(watchdog: bool) -> String {
    if watchdog { "armed" } else { "off" }.into()
}

pub(super) fn task_text(task: Option<Task>) -> String {
    task.map_or("none".into(), |task| format!("'{}'", task.text()))
}
