//! The comparison of two data directories: does the local one have to be rewound to follow the leader?
//!
//! The vectors are all trees of up to three WAL records, with every pair of places in them, and every state that
//! pg_control can tell.

use pghaspec_model::cluster::single_functions::{Comparison, LeaderIs, SingleFunctions};
use pghaspec_model::cluster::{Point, Record, Rewind, Wal};
use pghaspec_model::recover::control::ControlState;
use serde_json::{Value, json};

use super::compare::Difference;

/// The number of records in the largest trees.
const RECORDS: usize = 3;
/// The LSN at which the shared past ends.
const BASE: u64 = 0x300_0000;
/// The length of a record, in bytes.
const RECORD: u64 = 0x100;
/// The length of a checkpoint's record, in bytes.
const CHECKPOINT: u64 = 0x80;

/// One comparison, as it is put to the released code.
#[derive(Clone, Debug)]
pub struct RewindVector(Comparison);

/// A vector and the outcome of the released code.
#[derive(Clone, Debug)]
pub struct RewindRun {
    /// The vector.
    pub vector: RewindVector,
    /// The state of the decision afterwards: `need`, `not-need`, …
    pub knows: String,
    /// A rewind is needed and possible.
    pub possible: bool,
}

/// All vectors.
pub fn vectors() -> Vec<RewindVector> {
    let mut all = Vec::new();
    let mut trees = vec![Wal::new(1)];
    for _ in 0..RECORDS {
        let mut larger = Vec::new();
        for tree in &trees {
            let records = tree.records().count() as Point;
            for after in 0..=records {
                for record in [Record::Acknowledged, Record::Promotion, Record::Checkpoint] {
                    let mut grown = *tree;
                    grown.append(after, record);
                    larger.push(grown);
                }
            }
        }
        for tree in trees.drain(..) {
            compare_all(&tree, &mut all);
        }
        trees = larger;
    }
    for tree in trees {
        compare_all(&tree, &mut all);
    }
    all
}

fn compare_all(wal: &Wal, all: &mut Vec<RewindVector>) {
    let points = 0..=wal.records().count() as Point;
    let states = [None].into_iter().chain(ControlState::ALL.map(Some));
    for local in points.clone() {
        for leader in points.clone() {
            let mut add = |running, control, locked, leader_is, rewind| {
                let wal = *wal;
                all.push(RewindVector(Comparison { wal, local, leader, running, control, locked, leader_is, rewind }));
            };
            add(true, Some(ControlState::InArchiveRecovery), true, LeaderIs::Primary, Rewind::Check);
            for control in states.clone() {
                add(false, control, true, LeaderIs::Primary, Rewind::Check);
            }
            // All other states do not look at the data.
            if wal.records().count() <= 1 {
                for rewind in
                    [Rewind::Initial, Rewind::Check, Rewind::Need, Rewind::NotNeed, Rewind::Success, Rewind::Failed]
                {
                    let control = Some(ControlState::ShutDown);
                    add(false, control, false, LeaderIs::Unreachable, rewind);
                    for leader_is in [LeaderIs::Primary, LeaderIs::InRecovery, LeaderIs::Standby, LeaderIs::Unreachable]
                    {
                        add(false, control, true, leader_is, rewind);
                    }
                }
            }
        }
    }
}

fn lsn(position: u8) -> u64 {
    BASE + RECORD * u64::from(position)
}

impl RewindVector {
    /// The vector as the harness reads it.
    pub fn json(&self) -> Value {
        let Comparison { wal, local, leader, running, control, locked, leader_is, rewind } = &self.0;
        let (end, timeline) = (lsn(wal.position(*local)), wal.timeline_at(*local));
        let newest = wal.timeline_at(*leader);
        let history: Vec<_> =
            (1..newest).filter_map(|timeline| Some((timeline, lsn(wal.switch(*leader, timeline)?)))).collect();
        json!({
            "running": running,
            "control": control.map(ControlState::text),
            "checkpoint_lsn": end - CHECKPOINT,
            "checkpoint_timeline": timeline,
            "checkpoint_end": end,
            "min_recovery_lsn": end,
            "min_recovery_timeline": timeline,
            "replay_lsn": end,
            "replay_timeline": timeline,
            "leader": locked.then(|| json!({
                "name": "n1",
                "role": if *leader_is == LeaderIs::Standby { "replica" } else { "primary" },
                "reachable": *leader_is != LeaderIs::Unreachable,
                "in_recovery": matches!(leader_is, LeaderIs::InRecovery | LeaderIs::Standby),
                "timeline": newest,
                "history": history,
            })),
            "state": knows(*rewind),
        })
    }
}

fn knows(rewind: Rewind) -> &'static str {
    match rewind {
        Rewind::Initial => "initial",
        Rewind::Check => "check",
        Rewind::Need => "need",
        Rewind::NotNeed => "not-need",
        Rewind::Success => "success",
        Rewind::Failed => "failed",
    }
}

impl RewindRun {
    /// The vector in words, each of its inputs in a line.
    pub fn words(&self) -> Vec<String> {
        let Comparison { wal, local, leader, running, control, locked, leader_is, rewind } = &self.vector.0;
        let end = |point: Point| format!("{:#x} on timeline {}", lsn(wal.position(point)), wal.timeline_at(point));
        let newest = wal.timeline_at(*leader);
        let switches = (1..newest).filter_map(|timeline| {
            Some(format!("timeline {timeline} until {:#x}", lsn(wal.switch(*leader, timeline)?)))
        });
        let history: Vec<_> = switches.collect();
        let control = control.map_or("absent", ControlState::text);
        let runs = if *running { "running" } else { "not running" };
        let leader_is = if *locked { format!("{leader_is:?}") } else { "nobody".into() };
        vec![
            format!("local data: {}; Postgres {runs}, pg_control '{control}'", end(*local)),
            format!("leader: {leader_is}, {}; history: {}", end(*leader), history.join(", ")),
            format!("the agent knew: {}", knows(*rewind)),
        ]
    }

    /// The first difference, if there is one.
    pub fn compare(&self, alone: &SingleFunctions) -> Option<Difference> {
        let (needed, after) = alone.rewind_needed(&self.vector.0);
        let words = |knows: &str, possible: bool| {
            format!("knows '{knows}', a rewind is {}", if possible { "needed" } else { "not needed or not possible" })
        };
        let (released, ours) = (words(&self.knows, self.possible), words(knows(after), needed));
        (released != ours).then_some(Difference { at: 0, released, ours })
    }
}
