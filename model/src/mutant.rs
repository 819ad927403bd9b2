//! Named mutants: one rule broken on purpose.
//!
//! A check that cannot fail proves nothing. Each mutant in [`Mutant::UNSAFE`] breaks at least one safety property of the
//! cluster model. Those in [`Mutant::DEVIANT`] break a rule of `recover` without breaking safety in this model; the judge
//! uses both to name the rule that an agent's behaviour breaks.

use crate::control::ControlState;
use crate::dialogue::{Answer, Question};
use crate::edition::{LockUpdate, Rules};
use crate::property::Property;

/// One rule broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutant {
    /// `recover` does not remember that it already ran single-user recovery.
    ForgetsCrashRecovery,
    /// The watchdog is given up before the crashed primary is started again (the rule before 3.0.4, with the start of 3.0.4).
    DisablesWatchdogEarly,
    /// `update_lock` writes over a leader key that names another node (the rule of 2.1.6 to 3.0.2).
    OverwritesLock,
    /// `follow` starts Postgres without standby.signal: it comes up as a primary.
    StartsWithoutSignal,
    /// The leader race writes the key even if somebody else got it in the meantime.
    RaceIgnoresKey,
    /// A node that once saw its name in the leader key promotes itself without refreshing the lock.
    PromotesWithoutUpdate,
    /// `is_failover_possible` says no inside `recover`.
    KeepsLock,
    /// `recover` never believes that its Postgres crashed as a primary.
    AlwaysSingleUser,
    /// `recover` never runs single-user recovery: pg_control always looks clean.
    NeverSingleUser,
    /// `is_failover_possible` says yes inside `recover`.
    FailsOverAnyway,
    /// `recover` starts a crashed primary without looking whether the lock could be refreshed.
    AssumesRefresh,
    /// `recover` believes that it has the lock.
    AssumesLock,
    /// `recover` believes that a postmaster runs, and rewinds a standby that was not shut down.
    AssumesRunning,
    /// `recover` wipes a diverged data directory whatever the configuration says.
    RemovesAnyway,
    /// `recover` runs single-user recovery on a restored base backup (the rule before 4.1.3).
    IgnoresBackupLabel,
    /// The update of the lock does not notice that the lease has ended (the rule before 2.1.6).
    TrustsKeepalive,
    /// A primary whose agent does not reach the DCS stays one.
    IgnoresDcsError,
    /// A primary without the lock stays one.
    StaysPrimary,
    /// A promotion is not called off when the lock is lost.
    PromotesAfterLoss,
    /// Anybody may lead in synchronous mode.
    PromotesAnybody,
    /// The synchronous standby may lead before it has everything.
    PublishesStandbyEarly,
    /// Postgres forgets the synchronous standby before it may no longer lead.
    ForgetsStandbyFirst,
    /// The leader of a standby cluster is promoted.
    PromotesStandbyLeader,
    /// A node is promoted without a watchdog.
    ForgetsWatchdog,
    /// Single-user recovery has no end (the rule before 2.0.1).
    NeverEndsCrashRecovery,
    /// The lock is kept when Postgres could not be started.
    KeepsLockAfterFailedStart,
    /// The lock file and the shared memory of a dead postmaster are cleared away before its backends have ended.
    RemovesLockFile,
}

impl Mutant {
    /// Those that break a safety property of the cluster model.
    pub const UNSAFE: [Mutant; 6] = [
        Mutant::ForgetsCrashRecovery,
        Mutant::DisablesWatchdogEarly,
        Mutant::OverwritesLock,
        Mutant::StartsWithoutSignal,
        Mutant::RaceIgnoresKey,
        Mutant::PromotesWithoutUpdate,
    ];

    /// Those that only behave differently.
    pub const DEVIANT: [Mutant; 4] =
        [Mutant::KeepsLock, Mutant::AlwaysSingleUser, Mutant::NeverSingleUser, Mutant::FailsOverAnyway];

    /// The stable name, as in command lines and files.
    pub fn id(self) -> &'static str {
        match self {
            Mutant::ForgetsCrashRecovery => "forgets-crash-recovery",
            Mutant::DisablesWatchdogEarly => "disables-watchdog-early",
            Mutant::OverwritesLock => "overwrites-lock",
            Mutant::StartsWithoutSignal => "starts-without-signal",
            Mutant::RaceIgnoresKey => "race-ignores-key",
            Mutant::PromotesWithoutUpdate => "promotes-without-update",
            Mutant::KeepsLock => "keeps-lock",
            Mutant::AlwaysSingleUser => "always-single-user",
            Mutant::NeverSingleUser => "never-single-user",
            Mutant::FailsOverAnyway => "fails-over-anyway",
            Mutant::AssumesRefresh => "assumes-refresh",
            Mutant::AssumesLock => "assumes-lock",
            Mutant::AssumesRunning => "assumes-running",
            Mutant::RemovesAnyway => "removes-anyway",
            Mutant::IgnoresBackupLabel => "ignores-backup-label",
            Mutant::TrustsKeepalive => "trusts-keepalive",
            Mutant::IgnoresDcsError => "ignores-dcs-error",
            Mutant::StaysPrimary => "stays-primary",
            Mutant::PromotesAfterLoss => "promotes-after-loss",
            Mutant::PromotesAnybody => "promotes-anybody",
            Mutant::PublishesStandbyEarly => "publishes-standby-early",
            Mutant::ForgetsStandbyFirst => "forgets-standby-first",
            Mutant::PromotesStandbyLeader => "promotes-standby-leader",
            Mutant::ForgetsWatchdog => "forgets-watchdog",
            Mutant::NeverEndsCrashRecovery => "never-ends-crash-recovery",
            Mutant::KeepsLockAfterFailedStart => "keeps-lock-after-failed-start",
            Mutant::RemovesLockFile => "removes-lock-file",
        }
    }

    /// The unsafe or deviant mutant of that name.
    pub fn from_id(id: &str) -> Option<Mutant> {
        Mutant::UNSAFE.into_iter().chain(Mutant::DEVIANT).find(|mutant| mutant.id() == id)
    }

    /// The rule that it breaks, as a sentence about what an agent must do, with its place in the listing.
    pub fn rule(self) -> &'static str {
        match self {
            Mutant::ForgetsCrashRecovery => {
                "single-user crash recovery runs at most once before Postgres is started (patroni 2.1.2 ha.py 329-331, 4.1.5 ha.py 584-585)"
            }
            Mutant::DisablesWatchdogEarly => {
                "the watchdog stays armed while a crashed primary is started again (patroni 4.1.5 ha.py 650-664, since 3.0.4)"
            }
            Mutant::OverwritesLock => {
                "update_lock leaves a leader key alone that names another node (patroni 4.1.5 dcs/etcd3.py _update_leader, since 3.0.3)"
            }
            Mutant::StartsWithoutSignal => {
                "without the leader lock, Postgres is started as a standby only (patroni 2.1.2 ha.py 353-361, 4.1.5 ha.py 683-705)"
            }
            Mutant::RaceIgnoresKey => {
                "the leader key is taken only where there is none (patroni 4.1.5 dcs/etcd3.py attempt_to_acquire_leader)"
            }
            Mutant::PromotesWithoutUpdate => {
                "a lock holder refreshes the lock before it promotes (patroni 4.1.5 ha.py 1828-1849)"
            }
            Mutant::KeepsLock => {
                "with primary_start_timeout 0 and a healthy candidate, the lock is given up instead of restarting Postgres (patroni 2.1.2 ha.py 316-322, 4.1.5 ha.py 635-643)"
            }
            Mutant::AlwaysSingleUser => {
                "a primary that crashed under this agent, with the lock held and a positive start timeout, is started as a primary, without single-user mode and without a new timeline (patroni 4.1.5 ha.py 650-661, since 3.0.4)"
            }
            Mutant::NeverSingleUser => {
                "a data directory that was not shut down cleanly goes through single-user recovery before it is started as a standby (patroni 2.1.2 ha.py 328-334, 4.1.5 ha.py 666-673)"
            }
            Mutant::FailsOverAnyway => {
                "the lock is given up only if a healthy candidate is reachable (patroni 2.1.2 ha.py 319, 4.1.5 ha.py 638)"
            }
            Mutant::AssumesRefresh => {
                "what a crashed primary does with the lock, it does after the lock was refreshed just now (patroni 2.1.2 ha.py 314, 4.1.5 ha.py 633)"
            }
            Mutant::AssumesLock => {
                "a node has the lock if the leader key in its snapshot names it (patroni 2.1.2 ha.py 314, 340, 356, 4.1.5 ha.py 633, 678)"
            }
            Mutant::AssumesRunning => {
                "a standby that was not shut down cleanly goes through single-user recovery before pg_rewind (patroni 4.1.5 ha.py 595-600, since 2.1.4)"
            }
            Mutant::RemovesAnyway => {
                "the data directory is removed only where remove_data_directory_on_diverged_timelines says so (patroni 4.1.5 ha.py 605, since 2.1.4)"
            }
            Mutant::IgnoresBackupLabel => {
                "a restored base backup is not run in single-user mode (patroni 4.1.5 ha.py 667-672, since 4.1.3)"
            }
            Mutant::TrustsKeepalive => {
                "update_lock fails if the lease has ended and another node has the key (patroni 4.1.5 dcs/etcd3.py _update_leader, since 2.1.6)"
            }
            Mutant::IgnoresDcsError => {
                "a primary whose agent does not reach the DCS is demoted (patroni 2.1.2 ha.py 1484-1491, 4.1.5 ha.py 2352-2367)"
            }
            Mutant::StaysPrimary => "a primary without the lock is demoted (patroni 4.1.5 ha.py 1866-1869, 770-775)",
            Mutant::PromotesAfterLoss => {
                "a promotion is called off when the lock is lost (patroni 2.1.2 ha.py 1217-1222, 4.1.5 ha.py 2038-2043)"
            }
            Mutant::PromotesAnybody => {
                "in synchronous mode only a node that /sync names races for the lock (patroni 4.1.5 ha.py 1559-1564)"
            }
            Mutant::PublishesStandbyEarly => {
                "/sync names a standby only after commits wait for it and it has everything (patroni 4.1.5 ha.py 963-979)"
            }
            Mutant::ForgetsStandbyFirst => {
                "/sync forgets a standby before commits stop to wait for it (patroni 4.1.5 ha.py 953-960)"
            }
            Mutant::PromotesStandbyLeader => {
                "the leader of a standby cluster is never promoted (patroni 4.1.5 ha.py 1840-1847)"
            }
            Mutant::ForgetsWatchdog => {
                "a node is promoted only with the watchdog armed (patroni 4.1.5 ha.py 1116-1124)"
            }
            Mutant::NeverEndsCrashRecovery => {
                "single-user recovery is ended at the start timeout if somebody can take over (patroni 4.1.5 ha.py 2028-2034, since 2.0.1)"
            }
            Mutant::KeepsLockAfterFailedStart => {
                "the lock is given up when Postgres could not be started (patroni 2.1.2 ha.py 1245-1254, 4.1.5 ha.py 2068-2078)"
            }
            Mutant::RemovesLockFile => {
                "nothing is started in a data directory that a backend still uses (PostgreSQL CreateLockFile, PGSharedMemoryCreate)"
            }
        }
    }

    /// Changes the rules, if it is a rule of another release that it brings back.
    pub(crate) fn change(self, rules: &mut Rules) {
        match self {
            Mutant::DisablesWatchdogEarly => rules.watchdog_disabled_late = false,
            Mutant::OverwritesLock => rules.lock_update = LockUpdate::Overwrites,
            Mutant::TrustsKeepalive => rules.lock_update = LockUpdate::TrustsKeepalive,
            Mutant::IgnoresBackupLabel => rules.skips_backup_label = false,
            _ => {}
        }
    }

    /// Properties of which at least one breaks; empty for deviants.
    pub fn kills(self) -> &'static [Property] {
        match self {
            Mutant::ForgetsCrashRecovery => &[Property::CrashRecoveryOnce],
            Mutant::DisablesWatchdogEarly
            | Mutant::OverwritesLock
            | Mutant::RaceIgnoresKey
            | Mutant::PromotesWithoutUpdate => &[Property::OneWritableLeader, Property::WritableNeedsLock],
            Mutant::StartsWithoutSignal => &[Property::OneWritableLeader, Property::WritableNeedsLock],
            _ => &[],
        }
    }

    /// What the mutant's `recover` believes instead of asking; `None` where it asks like everybody else.
    pub fn instead_of(self, question: Question) -> Option<Answer> {
        match (self, question) {
            (Mutant::ForgetsCrashRecovery, Question::CrashRecoveryExecuted) => Some(Answer::Bool(false)),
            (Mutant::KeepsLock, Question::IsFailoverPossible) => Some(Answer::Bool(false)),
            (Mutant::FailsOverAnyway, Question::IsFailoverPossible) => Some(Answer::Bool(true)),
            (Mutant::AlwaysSingleUser, Question::IsCrashed) => Some(Answer::Bool(false)),
            (Mutant::NeverSingleUser, Question::ControlData) => {
                Some(Answer::Control(Some(ControlState::ShutDownInRecovery)))
            }
            (Mutant::AssumesRefresh, Question::UpdateLock)
            | (Mutant::AssumesLock, Question::HasLock)
            | (Mutant::AssumesRunning, Question::IsRunning)
            | (Mutant::RemovesAnyway, Question::RemoveOnDivergence) => Some(Answer::Bool(true)),
            _ => None,
        }
    }
}
