//! Named mutants: one rule broken on purpose.
//!
//! A check that cannot fail proves nothing. Each mutant breaks one rule of `recover`, of the agent around it, or of a release; which property
//! kills it, or why none can, is in `kill.rs`. Those in [`Mutant::UNSAFE`] and [`Mutant::DEVIANT`] are what the judge tries in order to name
//! the rule that an agent's behaviour breaks.

use crate::control::ControlState;
use crate::dialogue::{Answer, Question};
use crate::edition::{LockUpdate, Rules};

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
    /// A lock holder whose start failed takes itself for a primary (the rule before 4.0.4).
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
    pub const ALL: [Mutant; 58] = [
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
            Mutant::PrefersSingleUser => "prefers-single-user",
        }
    }

    /// The mutant of that name.
    pub fn from_id(id: &str) -> Option<Mutant> {
        Mutant::ALL.into_iter().find(|mutant| mutant.id() == id)
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
            Mutant::NeverHasLock => {
                "a node has the lock if the leader key in its snapshot names it (patroni 2.1.2 ha.py 314, 340, 356, 4.1.5 ha.py 633, 678)"
            }
            Mutant::IgnoresSignalFile => {
                "what was a standby is not started as a primary (patroni 4.1.5 ha.py 655, since 3.0.4)"
            }
            Mutant::AssumesPrimaryRole => {
                "only what this process ran as a primary is started as one (patroni 4.1.5 ha.py 654, since 3.0.4)"
            }
            Mutant::AssumesCrashed => {
                "only what this process saw running is started as a primary (patroni 4.1.5 ha.py 653, since 3.0.4)"
            }
            Mutant::NeverRewinds => {
                "data that diverged is rewound before it is started as a standby (patroni 2.1.2 ha.py 295-300, 4.1.5 ha.py 591-603)"
            }
            Mutant::AlwaysRewinds => "data is rewound only if it diverged (patroni 2.1.2 ha.py 295, 4.1.5 ha.py 591)",
            Mutant::AssumesUnlocked => {
                "single-user recovery needs an unlocked cluster or pg_rewind (patroni 2.1.2 ha.py 330, 4.1.5 ha.py 584)"
            }
            Mutant::CannotRewind => "pg_rewind is used where it can be (patroni 2.1.2 ha.py 297, 4.1.5 ha.py 594)",
            Mutant::AssumesRewindExecuted => {
                "timelines are compared again unless a rewind was just done (patroni 2.1.2 ha.py 341, 4.1.5 ha.py 684)"
            }
            Mutant::NeverChecksDivergence => {
                "without the lock, timelines are compared before Postgres is started (patroni 2.1.2 ha.py 342, 4.1.5 ha.py 685)"
            }
            Mutant::KeepsWatchdog => {
                "the watchdog is given up when Postgres is not going to be a primary (patroni 2.1.2 ha.py 312, 4.1.5 ha.py 639, 664)"
            }
            Mutant::ForgetsReload => {
                "the cluster is read again before it is decided how to start (patroni 2.1.2 ha.py 336, 4.1.5 ha.py 675)"
            }
            Mutant::ForgetsRecovering => {
                "the cycle after a start looks whether it failed (patroni 2.1.2 ha.py 362, 4.1.5 ha.py 660, 705)"
            }
            Mutant::ForgetsDemotion => "to fail over is to give up the lock (patroni 2.1.2 ha.py 321, 4.1.5 ha.py 641)",
            Mutant::ForgetsRewindReset => {
                "a start as a leader forgets what was known of a rewind (patroni 4.1.5 ha.py 679, since 3.1.0)"
            }
            Mutant::ForgetsSyncNames => {
                "a node that is not the leader has no synchronous standby (patroni 4.1.5 ha.py 700-701, since 3.0.0)"
            }
            Mutant::IgnoresStandbyCluster => {
                "in a standby cluster the leader follows the remote primary (patroni 2.1.2 ha.py 340, 4.1.5 ha.py 678)"
            }
            Mutant::WalkNeverStops => {
                "the walk through the leader's timeline history stops at the local timeline (patroni postgresql/rewind.py, since 2.1.3)"
            }
            Mutant::RewindsUnclean => {
                "a standby that was not shut down cleanly goes through single-user recovery before pg_rewind (patroni 4.1.5 ha.py 595-600, since 2.1.4)"
            }
            Mutant::KeepsFailedRole => {
                "a lock holder whose start failed is no longer a primary in its own eyes (patroni 4.1.5 ha.py 2073-2075, since 4.0.4)"
            }
            Mutant::NeverStartsPrimary => {
                "a primary that crashed under this agent, with the lock held and a positive start timeout, is started as a primary (patroni 4.1.5 ha.py 650-661, since 3.0.4)"
            }
            Mutant::SkipsCrashedRecovery => {
                "also a primary that crashed during crash recovery is started as a primary (patroni 4.1.5 ha.py 651, since 3.1.0)"
            }
            Mutant::OldPrimaryRaces => {
                "a running primary without the lock does not race if its timeline is older than the last one announced (patroni 4.1.5 ha.py 1519-1530, since 3.1.0)"
            }
            Mutant::ComparesOnChangeOnly => {
                "a standby whose timeline is behind the leader's compares them (patroni 4.1.5 ha.py 799-804, since 4.0.8)"
            }
            Mutant::UpdateErrorIsNo => {
                "a DCS that does not answer the update of the lock ends the cycle with an error (patroni 4.1.5 ha.py 396-399, since 2.1.6)"
            }
            Mutant::ComparesNumbers => "data is compared by its branch (proposed; no release does)",
            Mutant::IgnoresOrphans => {
                "while a backend of the dead postmaster lives, the lock is kept and the watchdog stays armed (proposed; no release does)"
            }
            Mutant::ArmsWatchdogLate => "the watchdog is armed before the lock is taken (proposed; no release does)",
            Mutant::ForgetsWhilePending => {
                "that crash recovery was started is forgotten only when Postgres is up (proposed; no release does)"
            }
            Mutant::RewindsBlindly => "pg_rewind is run only on what was shut down cleanly (proposed; no release does)",
            Mutant::PrefersSingleUser => {
                "with a start timeout of zero and nobody to fail over to, a crashed primary is started as a primary (proposed; no release does)"
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
            Mutant::WalkNeverStops => rules.timeline_walk_stops = false,
            Mutant::RewindsUnclean => rules.crash_recovery_before_rewind = false,
            Mutant::KeepsFailedRole => rules.failed_start_demotes = false,
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
