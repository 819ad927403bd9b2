//! Every row of the decision tables of `recover()` is reached in the cluster, with the row's own message: patroni 2.1.2
//! `ha.py` 310-363 and 4.1.5 `ha.py` 583-706.

use std::collections::BTreeSet;
use std::sync::Mutex;

use pghaspec_model::cluster::{Action, At, Budget, Cluster, NodeId, Settings, StartTimeouts, State};
use pghaspec_model::engine::{Inspect, Options, search};
use pghaspec_model::recover::branch::Branch;
use pghaspec_model::recover::branch::Branch::*;
use pghaspec_model::recover::dialogue::{Answer, Leader, Question, Stop};
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::verify::assumption::Assumption;
use pghaspec_model::vocabulary::fault::Fault;
use pghaspec_model::vocabulary::fault::Fault::*;

const OWN: bool = false;
const STANDBY: bool = true;

/// The number of the row, its branch, whether it is a row of standby clusters, and the agent's message.
type Row = (&'static str, Branch, bool, &'static str);

/// The rows that both releases have, with the same message.
const ROWS: [Row; 8] = [
    ("1", FailOver, OWN, "stopped PostgreSQL to fail over after a crash"),
    ("2", CrashRecovery, OWN, "doing crash recovery in a single user mode"),
    (
        "2, refused",
        CrashRecovery,
        OWN,
        "Failed to run doing crash recovery in a single user mode, restart is already in progress",
    ),
    ("3", StartReadOnly, OWN, "starting as readonly because i had the session lock"),
    ("4", Rewind, OWN, "running pg_rewind from the leader"),
    ("4, refused", Rewind, OWN, "Failed to run running pg_rewind from the leader, restart is already in progress"),
    ("5", Reinitialize, OWN, "reinitializing due to diverged timelines"),
    ("6", StartSecondary, OWN, "starting as a secondary"),
];

/// The rows of standby clusters.
const STANDBY_ROWS: [Row; 3] = [
    ("7", Rewind, STANDBY, "running pg_rewind from the remote one"),
    ("8", StartStandbyLeader, STANDBY, "starting as a standby leader because i had the session lock"),
    ("10", StartSecondary, STANDBY, "starting as a secondary"),
];

const ROWS_OF_2_1_2: [Row; 1] =
    [("9", FollowRemote, STANDBY, "trying to follow a remote master because standby cluster is unhealthy")];

const ROWS_OF_4_1: [Row; 3] = [
    ("1b", StartPrimary, OWN, "starting primary after failure"),
    ("4a", CrashRecoveryBeforeRewind, OWN, "doing crash recovery in a single user mode"),
    ("9", FollowRemote, STANDBY, "trying to follow a remote member because standby cluster is unhealthy"),
];

/// The start timeout with which a standby is started (the third argument of `follow`): that of a lease holder if the
/// lock was refreshed at the beginning, whoever has it by now.
const TIMEOUTS: [(&str, Branch, Option<bool>); 4] = [
    ("3 with a timeout", StartReadOnly, Some(false)),
    ("3 with a timeout of zero", StartReadOnly, Some(true)),
    ("3 without a timeout", StartReadOnly, None),
    ("6 without a timeout", StartSecondary, None),
];

/// Collects the rows that steps reach.
struct Rows<'a> {
    rows: &'a [Row],
    seen: Mutex<BTreeSet<&'static str>>,
}

fn name(leader: Leader) -> String {
    match leader {
        Leader::Nobody => "nobody",
        Leader::Member(_) => "the leader",
        Leader::Remote => "the remote one",
    }
    .to_owned()
}

impl Inspect<Cluster> for Rows<'_> {
    fn step(&self, cluster: &Cluster, before: &State, action: Action, after: &State) -> u64 {
        if let Some(decision) = cluster.decision_of(before, action) {
            let words = decision.message(cluster.rules(), name);
            let row = (decision.branch, cluster.settings.standby_cluster, words.as_str());
            let known = self.rows.iter().find(|(_, branch, standby, words)| (*branch, *standby, *words) == row);
            self.seen.lock().unwrap().extend(known.map(|(number, ..)| number));
        }
        for (number, branch, zero) in TIMEOUTS {
            let begins = first_answer(cluster, before, action, after) == Some(zero.is_some())
                && zero.is_none_or(|zero| zero == before.start_timeout_is_zero);
            let new = begins && !self.seen.lock().unwrap().contains(number);
            if new && ends_in(cluster, after, action.node(), branch, 3) {
                self.seen.lock().unwrap().insert(number);
            }
        }
        0
    }
}

/// The answer whether the lock counts, if `recover()` learns it in this step.
fn first_answer(cluster: &Cluster, before: &State, action: Action, after: &State) -> Option<bool> {
    let question = |state: &State| match state.nodes[usize::from(action.node())].agent.as_ref()?.at {
        At::Recover(position) => cluster.automaton().at(position).err(),
        _ => None,
    };
    match action {
        Action::Answer(_, Answer::Bool(refreshed)) => {
            (question(before) == Some(Stop::Ask(Question::UpdateLock))).then_some(refreshed)
        }
        // An agent that does not believe to have the lock does not ask: the cycle continues up to the reload.
        Action::Cycle(_) => (question(after) == Some(Stop::Ask(Question::LoadCluster))).then_some(false),
        _ => None,
    }
}

/// True if `recover()` may decide for the branch, with nothing but faults and their ends in between.
fn ends_in(cluster: &Cluster, state: &State, id: NodeId, branch: Branch, steps: u8) -> bool {
    let in_between = |action| matches!(action, Action::Answer(..) | Action::Decide(_) | Action::Fault(..));
    cluster.steps(state).into_iter().filter(|(action, _)| in_between(*action) && action.node() == id).any(
        |(action, after)| {
            let still = after.nodes[usize::from(id)].agent.is_some_and(|agent| matches!(agent.at, At::Recover(_)));
            cluster.branch_of(state, action) == Some(branch)
                || steps > 0 && still && ends_in(cluster, &after, id, branch, steps - 1)
        },
    )
}

/// Clusters that together reach every row.
fn clusters(edition: Edition) -> Vec<Settings> {
    let of = |faults: &[Fault], budget| Settings { budget, ..Settings::new(edition, 2) }.with_faults(faults);
    let crashes = [PostmasterKilled, AgentKilled, AgentRestarted, LeaseExpires];
    let busy = Budget { process: 2, operator: 1, ..Budget::NONE };
    let one_each = Budget { process: 1, network: 1, ..Budget::NONE };
    vec![
        of(&crashes, Budget { process: 2, commits: 1, ..Budget::NONE }),
        Settings { start_timeouts: StartTimeouts::Zero, ..of(&crashes, busy) },
        Assumption::StandbyCluster.settings(edition),
        Settings {
            remove_on_divergence: true,
            can_rewind: false,
            ..of(&crashes, Budget { process: 2, ..Budget::NONE })
        },
        // The lock that the agent reads is not the one that it requests.
        of(&[AgentKilled, AgentRestarted, RequestsLost, DcsReached, LeaseExpires], one_each),
        of(&[AgentKilled, AgentRestarted, WatchStalls, WatchResumes, LeaseExpires], one_each),
    ]
}

#[track_caller]
fn every_row_is_reached(edition: Edition, more: &[Row]) {
    let rows: Vec<Row> = ROWS.into_iter().chain(STANDBY_ROWS).chain(more.iter().copied()).collect();
    let looks = Rows { rows: &rows, seen: Mutex::new(BTreeSet::new()) };
    for settings in clusters(edition) {
        search(&Cluster::new(settings), Options { threads: 2, ..Options::default() }, &looks);
    }
    let seen = looks.seen.into_inner().unwrap();
    let all = rows.iter().map(|(number, ..)| *number).chain(TIMEOUTS.map(|(number, ..)| number));
    let missing: Vec<_> = all.filter(|number| !seen.contains(number)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "rows of {} that are not reached", edition.id());
}

#[test]
fn every_row_of_4_1_is_reached() {
    every_row_is_reached(Edition::V4_1, &ROWS_OF_4_1);
}

#[test]
fn every_row_of_2_1_2_is_reached() {
    every_row_is_reached(Edition::V2_1_2, &ROWS_OF_2_1_2);
}
