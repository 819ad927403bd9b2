//! An agent: its memory, and its place in its cycle.

use crate::recover::automaton::Position;
use crate::recover::dialogue::Task;

use super::NodeId;

/// The memory and the progress of one agent process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Agent {
    /// Its place in its cycle.
    pub at: At,
    /// The process is stopped, with all its threads.
    pub frozen: bool,
    /// Its lease is alive in the DCS.
    pub leased: bool,
    /// The DCS did not answer its last request: its lease and its watchdog are running down.
    pub warned: bool,
    /// The lease holder in the snapshot of this cycle; `None` between cycles.
    pub seen: Option<NodeId>,
    /// The role that it believes its Postgres has.
    pub role: Role,
    /// The state that it believes its Postgres is in.
    pub health: Health,
    /// Single-user recovery was started in this episode (`_crash_recovery_executed`).
    pub crash_recovery_started: bool,
    /// A start is under way, and the next cycle has to look at its outcome (`recovering`).
    pub recovering: bool,
    /// The state of the rewind (`postgresql/rewind.py`).
    pub rewind: Rewind,
    /// The background slot.
    pub slot: Option<Slot>,
    /// Failsafe mode: it leads with the consent of all members, or remembers its own consent to another leader.
    pub failsafe: bool,
}

/// A task in the background slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The task.
    pub task: Task,
    /// The task has started its process.
    pub begun: bool,
}

impl From<Task> for Slot {
    fn from(task: Task) -> Self {
        Slot { task, begun: false }
    }
}

/// The place of an agent in its cycle. Between two places other nodes, faults and background tasks may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// Between two cycles.
    Idle,
    /// The snapshot says that it leads; it will refresh the lock before anything else.
    Lead,
    /// The lock is refreshed or taken; it will make its node lead.
    Granted,
    /// Its background task is at work; it will refresh the lock.
    LongAction,
    /// Its Postgres is starting; it will refresh the lock.
    StartingUp,
    /// It is a standby of the leader in its snapshot, and will compare timelines with it.
    Compare,
    /// It has found that its standby diverged, and will log that it rewinds the standby or clones it anew.
    Rewinding,
    /// Nobody held the lock and no other node was healthier; it will try to take the lock.
    Race,
    /// `recover()` waits for an answer.
    Recover(Position),
    /// `demote('immediate')` has released the lock inside `recover()`; the standby is started next.
    Released(Position),
}

impl At {
    /// True if its next write depends on the keys as this cycle read them, however old they are by now.
    pub(in crate::cluster) fn compares_what_it_read(self) -> bool {
        matches!(self, At::Lead | At::Granted | At::Race)
    }
}

/// The role that an agent believes its Postgres has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `primary` (`master` before 4.0)
    Primary,
    /// `replica`
    Replica,
    /// `demoted`
    Demoted,
    /// `standby_leader`
    StandbyLeader,
}

/// The state that an agent believes its Postgres' process is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// `running` or `starting`
    Running,
    /// `crashed`
    Crashed,
    /// `stopped` or `start failed`
    Stopped,
}

/// The state of the rewind (patroni `postgresql/rewind.py`). `CHECKPOINT` is not distinguished from `INITIAL`: a task
/// that has to wait for the leader's checkpoint ends without doing anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rewind {
    /// Nothing is known.
    Initial,
    /// The timelines have to be compared.
    Check,
    /// The data diverged.
    Need,
    /// The data did not diverge.
    NotNeed,
    /// pg_rewind succeeded.
    Success,
    /// pg_rewind failed though the leader was healthy.
    Failed,
}

impl Role {
    /// The role in the agent's words.
    pub fn text(self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Replica => "replica",
            Role::Demoted => "demoted",
            Role::StandbyLeader => "standby leader",
        }
    }
}

impl Health {
    /// The state in the agent's words.
    pub fn text(self) -> &'static str {
        match self {
            Health::Running => "running",
            Health::Crashed => "crashed",
            Health::Stopped => "stopped",
        }
    }
}

impl Rewind {
    /// The state in words.
    pub fn text(self) -> &'static str {
        match self {
            Rewind::Initial => "initial",
            Rewind::Check => "check",
            Rewind::Need => "need",
            Rewind::NotNeed => "not needed",
            Rewind::Success => "success",
            Rewind::Failed => "failed",
        }
    }
}

impl Agent {
    /// The memory of a process that has just started.
    pub(in crate::cluster) fn started(role: Role, health: Health) -> Self {
        Agent {
            at: At::Idle,
            frozen: false,
            leased: true,
            warned: false,
            seen: None,
            role,
            health,
            crash_recovery_started: false,
            recovering: false,
            rewind: Rewind::Initial,
            slot: None,
            failsafe: false,
        }
    }

    /// The task in the background slot.
    pub fn task(&self) -> Option<Task> {
        self.slot.map(|slot| slot.task)
    }

    /// Ends the cycle: the snapshot is discarded.
    pub(in crate::cluster) fn rest(&mut self) {
        self.at = At::Idle;
        self.seen = None;
    }

    /// `trigger_check_diverged_lsn()`, where rewind or wiping is allowed.
    pub(in crate::cluster) fn trigger_divergence_check(&mut self, allowed: bool) {
        if allowed && self.rewind != Rewind::Need {
            self.rewind = Rewind::Check;
        }
    }
}
