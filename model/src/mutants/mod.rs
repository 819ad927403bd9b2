//! Named mutants: one rule broken on purpose.
//!
//! A check that cannot fail proves nothing. Each mutant breaks one rule of `recover`, of the agent around it, or of a release; which property
//! kills it, or why none can, is in `kill.rs`. Those in [`Mutant::UNSAFE`] and [`Mutant::DEVIANT`] are what the judge tries in order to name
//! the rule that an agent's behaviour breaks.

mod rule_texts;

use crate::recover::control::ControlState;
use crate::recover::dialogue::{Answer, Question};
use crate::rules::edition::{LockUpdate, Rules};

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
    /// `recover` wipes a diverged data directory whatever the configuration says, and does not rewind it.
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
    /// `recover` never believes that it has the lock.
    NeverHasLock,
    /// `recover` does not look for standby.signal before it starts a primary.
    IgnoresSignalFile,
    /// `recover` believes that its Postgres was a primary.
    AssumesPrimaryRole,
    /// `recover` believes that its Postgres crashed under it.
    AssumesCrashed,
    /// `recover` never finds that its data diverged.
    NeverRewinds,
    /// `recover` always finds that its data diverged.
    AlwaysRewinds,
    /// `recover` believes that nobody has the lock.
    AssumesUnlocked,
    /// `recover` believes that it has no pg_rewind.
    CannotRewind,
    /// `recover` believes that a rewind was just done.
    AssumesRewindExecuted,
    /// `recover` does not ask for a comparison of timelines.
    NeverChecksDivergence,
    /// `recover` does not give up the watchdog.
    KeepsWatchdog,
    /// `recover` decides on the snapshot with which its cycle began.
    ForgetsReload,
    /// `recover` does not remember that a start is under way.
    ForgetsRecovering,
    /// `recover` says that it fails over and keeps the lock.
    ForgetsDemotion,
    /// `recover` keeps the state of the rewind when it starts read-only.
    ForgetsRewindReset,
    /// `recover` keeps the synchronous standby of a former leader.
    ForgetsSyncNames,
    /// `recover` does not know that it is in a standby cluster.
    IgnoresStandbyCluster,
    /// Every node that is a timeline behind is taken for diverged (the rule of 2.1.2).
    WalkNeverStops,
    /// A killed standby is taken for one whose data nobody knows (the rule before 2.1.4).
    RewindsUnclean,
    /// A lock holder whose start failed takes itself for a primary.
    KeepsFailedRole,
    /// A crashed primary goes through single-user mode (the rule before 3.0.4).
    NeverStartsPrimary,
    /// A primary that crashed during crash recovery goes through single-user mode (the rule of 3.0.4).
    SkipsCrashedRecovery,
    /// A running primary of an old timeline takes the lock back (the rule before 3.1.0).
    OldPrimaryRaces,
    /// A standby compares timelines only when its configuration changes (the rule before 4.0.8).
    ComparesOnChangeOnly,
    /// A DCS that does not answer counts as a lock that is lost (the rule before 2.1.6).
    UpdateErrorIsNo,
    /// Data is compared by the number of its timeline (the rule of every release).
    ComparesNumbers,
    /// The lock is given up while a backend of the dead postmaster lives (the rule of every release).
    IgnoresOrphans,
    /// The watchdog is armed when the lock is there (the rule of every release).
    ArmsWatchdogLate,
    /// A pending rewind lets `recover` forget its crash recovery (the rule of every release).
    ForgetsWhilePending,
    /// The task that runs pg_rewind does not look at pg_control again (the rule of every release).
    RewindsBlindly,
    /// Whoever creates the leader key does not look whether what it read is old (the rule of every release).
    TakesLockBlindly,
    /// With a start timeout of zero a crashed primary without a candidate goes through single-user mode (the rule of every release).
    PrefersSingleUser,
}

impl Mutant {
    /// Those by which the judge names a breach of safety.
    pub const UNSAFE: [Mutant; 6] = [
        Mutant::ForgetsCrashRecovery,
        Mutant::DisablesWatchdogEarly,
        Mutant::OverwritesLock,
        Mutant::StartsWithoutSignal,
        Mutant::RaceIgnoresKey,
        Mutant::PromotesWithoutUpdate,
    ];

    /// Those by which the judge names a behaviour that is only different.
    pub const DEVIANT: [Mutant; 4] =
        [Mutant::KeepsLock, Mutant::AlwaysSingleUser, Mutant::NeverSingleUser, Mutant::FailsOverAnyway];

    /// All of them, those of earlier releases and of the proposals included.
    pub const ALL: [Mutant; 59] = [
        Mutant::ForgetsCrashRecovery,
        Mutant::DisablesWatchdogEarly,
        Mutant::OverwritesLock,
        Mutant::StartsWithoutSignal,
        Mutant::RaceIgnoresKey,
        Mutant::PromotesWithoutUpdate,
        Mutant::KeepsLock,
        Mutant::AlwaysSingleUser,
        Mutant::NeverSingleUser,
        Mutant::FailsOverAnyway,
        Mutant::AssumesRefresh,
        Mutant::AssumesLock,
        Mutant::AssumesRunning,
        Mutant::RemovesAnyway,
        Mutant::IgnoresBackupLabel,
        Mutant::TrustsKeepalive,
        Mutant::IgnoresDcsError,
        Mutant::StaysPrimary,
        Mutant::PromotesAfterLoss,
        Mutant::PromotesAnybody,
        Mutant::PublishesStandbyEarly,
        Mutant::ForgetsStandbyFirst,
        Mutant::PromotesStandbyLeader,
        Mutant::ForgetsWatchdog,
        Mutant::NeverEndsCrashRecovery,
        Mutant::KeepsLockAfterFailedStart,
        Mutant::RemovesLockFile,
        Mutant::NeverHasLock,
        Mutant::IgnoresSignalFile,
        Mutant::AssumesPrimaryRole,
        Mutant::AssumesCrashed,
        Mutant::NeverRewinds,
        Mutant::AlwaysRewinds,
        Mutant::AssumesUnlocked,
        Mutant::CannotRewind,
        Mutant::AssumesRewindExecuted,
        Mutant::NeverChecksDivergence,
        Mutant::KeepsWatchdog,
        Mutant::ForgetsReload,
        Mutant::ForgetsRecovering,
        Mutant::ForgetsDemotion,
        Mutant::ForgetsRewindReset,
        Mutant::ForgetsSyncNames,
        Mutant::IgnoresStandbyCluster,
        Mutant::WalkNeverStops,
        Mutant::RewindsUnclean,
        Mutant::KeepsFailedRole,
        Mutant::NeverStartsPrimary,
        Mutant::SkipsCrashedRecovery,
        Mutant::OldPrimaryRaces,
        Mutant::ComparesOnChangeOnly,
        Mutant::UpdateErrorIsNo,
        Mutant::ComparesNumbers,
        Mutant::IgnoresOrphans,
        Mutant::ArmsWatchdogLate,
        Mutant::ForgetsWhilePending,
        Mutant::RewindsBlindly,
        Mutant::TakesLockBlindly,
        Mutant::PrefersSingleUser,
    ];

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
            Mutant::NeverHasLock => "never-has-lock",
            Mutant::IgnoresSignalFile => "ignores-signal-file",
            Mutant::AssumesPrimaryRole => "assumes-primary-role",
            Mutant::AssumesCrashed => "assumes-crashed",
            Mutant::NeverRewinds => "never-rewinds",
            Mutant::AlwaysRewinds => "always-rewinds",
            Mutant::AssumesUnlocked => "assumes-unlocked",
            Mutant::CannotRewind => "cannot-rewind",
            Mutant::AssumesRewindExecuted => "assumes-rewind-executed",
            Mutant::NeverChecksDivergence => "never-checks-divergence",
            Mutant::KeepsWatchdog => "keeps-watchdog",
            Mutant::ForgetsReload => "forgets-reload",
            Mutant::ForgetsRecovering => "forgets-recovering",
            Mutant::ForgetsDemotion => "forgets-demotion",
            Mutant::ForgetsRewindReset => "forgets-rewind-reset",
            Mutant::ForgetsSyncNames => "forgets-sync-names",
            Mutant::IgnoresStandbyCluster => "ignores-standby-cluster",
            Mutant::WalkNeverStops => "walk-never-stops",
            Mutant::RewindsUnclean => "rewinds-unclean",
            Mutant::KeepsFailedRole => "keeps-failed-role",
            Mutant::NeverStartsPrimary => "never-starts-primary",
            Mutant::SkipsCrashedRecovery => "skips-crashed-recovery",
            Mutant::OldPrimaryRaces => "old-primary-races",
            Mutant::ComparesOnChangeOnly => "compares-on-change-only",
            Mutant::UpdateErrorIsNo => "update-error-is-no",
            Mutant::ComparesNumbers => "compares-numbers",
            Mutant::IgnoresOrphans => "ignores-orphans",
            Mutant::ArmsWatchdogLate => "arms-watchdog-late",
            Mutant::ForgetsWhilePending => "forgets-while-pending",
            Mutant::RewindsBlindly => "rewinds-blindly",
            Mutant::TakesLockBlindly => "takes-lock-blindly",
            Mutant::PrefersSingleUser => "prefers-single-user",
        }
    }

    /// The mutant of that name.
    pub fn from_id(id: &str) -> Option<Mutant> {
        Mutant::ALL.into_iter().find(|mutant| mutant.id() == id)
    }

    /// Those that change what `recover` asks, does or decides, in an edition whose rules are those of a release.
    pub fn of_recover() -> Vec<Mutant> {
        let differs = |mutant: &Mutant| {
            let asks = Question::ALL.into_iter().any(|question| mutant.instead_of(question).is_some());
            asks || matches!(
                mutant,
                Mutant::DisablesWatchdogEarly
                    | Mutant::IgnoresBackupLabel
                    | Mutant::RewindsUnclean
                    | Mutant::NeverStartsPrimary
                    | Mutant::SkipsCrashedRecovery
                    | Mutant::NeverEndsCrashRecovery
            )
        };
        Mutant::ALL.into_iter().filter(differs).collect()
    }

    /// Changes the rules, if it is a rule of another release that it brings back.
    pub fn change(self, rules: &mut Rules) {
        match self {
            Mutant::DisablesWatchdogEarly => rules.watchdog_disabled_late = false,
            Mutant::OverwritesLock => rules.lock_update = LockUpdate::Overwrites,
            Mutant::TrustsKeepalive => rules.lock_update = LockUpdate::TrustsKeepalive,
            Mutant::IgnoresBackupLabel => rules.skips_backup_label = false,
            Mutant::NeverEndsCrashRecovery => rules.limits_crash_recovery = false,
            Mutant::WalkNeverStops => rules.timeline_walk_stops = false,
            Mutant::RewindsUnclean => rules.crash_recovery_before_rewind = false,
            Mutant::NeverStartsPrimary => rules.starts_crashed_primary = false,
            Mutant::SkipsCrashedRecovery => rules.starts_from_crash_recovery = false,
            Mutant::OldPrimaryRaces => rules.old_primary_does_not_race = false,
            Mutant::ComparesOnChangeOnly => rules.compares_when_behind = false,
            Mutant::UpdateErrorIsNo => rules.update_lock_raises = false,
            Mutant::ComparesNumbers => rules.compares_branches = false,
            Mutant::IgnoresOrphans => rules.waits_for_orphans = false,
            Mutant::ArmsWatchdogLate => rules.watchdog_before_lock = false,
            Mutant::ForgetsWhilePending => rules.remembers_crash_recovery = false,
            Mutant::RewindsBlindly => rules.rewind_checks_shutdown = false,
            Mutant::TakesLockBlindly => rules.lock_needs_current_keys = false,
            Mutant::PrefersSingleUser => rules.starts_primary_without_candidate = false,
            _ => {}
        }
    }

    /// What the mutant's `recover` believes instead of asking; `None` where it asks like everybody else.
    pub fn instead_of(self, question: Question) -> Option<Answer> {
        match (self, question) {
            (Mutant::ForgetsCrashRecovery, Question::CrashRecoveryExecuted) => Some(Answer::Bool(false)),
            (Mutant::RemovesAnyway, Question::CanRewind) => Some(Answer::Bool(false)),
            (Mutant::KeepsLock, Question::IsFailoverPossible) => Some(Answer::Bool(false)),
            (Mutant::FailsOverAnyway, Question::IsFailoverPossible) => Some(Answer::Bool(true)),
            (Mutant::AlwaysSingleUser, Question::IsCrashed) => Some(Answer::Bool(false)),
            (Mutant::NeverSingleUser, Question::ControlData) => {
                Some(Answer::Control(Some(ControlState::ShutDownInRecovery)))
            }
            (Mutant::NeverHasLock, Question::HasLock) => Some(Answer::Bool(false)),
            (Mutant::IgnoresSignalFile, Question::RecoveryConfExists) => Some(Answer::Bool(false)),
            (Mutant::AssumesPrimaryRole, Question::WasPrimary) => Some(Answer::Bool(true)),
            (Mutant::AssumesCrashed, Question::IsCrashed) => Some(Answer::Bool(true)),
            (Mutant::NeverRewinds, Question::RewindNeeded) => Some(Answer::Bool(false)),
            (Mutant::AlwaysRewinds, Question::RewindNeeded) => Some(Answer::Bool(true)),
            (Mutant::AssumesUnlocked, Question::IsUnlocked) => Some(Answer::Bool(true)),
            (Mutant::CannotRewind, Question::CanRewind) => Some(Answer::Bool(false)),
            (Mutant::AssumesRewindExecuted, Question::RewindExecuted) => Some(Answer::Bool(true)),
            (Mutant::NeverChecksDivergence, Question::TriggerDivergenceCheck) => Some(Answer::Done),
            (Mutant::KeepsWatchdog, Question::DisableWatchdog) => Some(Answer::Done),
            (Mutant::ForgetsReload, Question::LoadCluster) => Some(Answer::Done),
            (Mutant::ForgetsRecovering, Question::SetRecovering) => Some(Answer::Done),
            (Mutant::ForgetsDemotion, Question::DemoteImmediate) => Some(Answer::Done),
            (Mutant::ForgetsRewindReset, Question::ResetRewind) => Some(Answer::Done),
            (Mutant::ForgetsSyncNames, Question::ClearSynchronousStandbyNames) => Some(Answer::Done),
            (Mutant::IgnoresStandbyCluster, Question::IsStandbyCluster) => Some(Answer::Bool(false)),
            (Mutant::AssumesRefresh, Question::UpdateLock)
            | (Mutant::AssumesLock, Question::HasLock)
            | (Mutant::AssumesRunning, Question::IsRunning)
            | (Mutant::RemovesAnyway, Question::RemoveOnDivergence) => Some(Answer::Bool(true)),
            _ => None,
        }
    }
}

/// The answers that `recover()` takes for granted: those of the mutant, if there is one.
pub fn instead_of(mutant: Option<Mutant>) -> impl Fn(Question) -> Option<Answer> {
    move |question| mutant?.instead_of(question)
}
