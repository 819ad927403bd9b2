//! Mutants of the specification: each breaks one rule on purpose.
//!
//! A check that cannot fail proves nothing. Each mutant breaks one rule of `recover()`, of the agent around it, or of a
//! release. Which property kills it, or why none can, stands in [`verify`](crate::verify), where the properties are
//! checked. The judge looks for a mutant that explains what an agent did, those of [`Mutant::UNSAFE`] first, to name
//! the rule that the agent broke.

mod changes;

pub use changes::instead_of;

vocabulary! {
    /// One rule broken on purpose; those of earlier releases and of the proposals are among them.
    pub enum Mutant (
        /// The rule that it breaks: what an agent must do, and where the listing says so.
        pub rule: &'static str,
    ) {
        ForgetsCrashRecovery = "forgets-crash-recovery",
            "`recover` does not remember that it already ran single-user recovery",
            rule: "single-user crash recovery runs at most once before Postgres is started (patroni 2.1.2 ha.py \
                   329-331, 4.1.5 ha.py 584-585)";
        DisablesWatchdogEarly = "disables-watchdog-early",
            "the watchdog is given up before the crashed primary is started again (the rule before 3.0.4, with the \
             start of 3.0.4)",
            rule: "the watchdog stays armed while a crashed primary is started again (patroni 4.1.5 ha.py 650-664, \
                   since 3.0.4)";
        OverwritesLock = "overwrites-lock",
            "`update_lock` writes over a leader key that names another node (the rule of 2.1.6 to 3.0.2)",
            rule: "update_lock leaves a leader key alone that names another node (patroni 4.1.5 dcs/etcd3.py \
                   _update_leader, since 3.0.3)";
        StartsWithoutSignal = "starts-without-signal",
            "`follow` starts Postgres without standby.signal: it comes up as a primary",
            rule: "without the leader lock, Postgres is started as a standby only (patroni 2.1.2 ha.py 353-361, 4.1.5 \
                   ha.py 683-705)";
        RaceIgnoresKey = "race-ignores-key",
            "the leader race writes the key even if somebody else got it in the meantime",
            rule: "the leader key is taken only where there is none (patroni 4.1.5 dcs/etcd3.py \
                   attempt_to_acquire_leader)";
        PromotesWithoutUpdate = "promotes-without-update",
            "a node that once saw its name in the leader key promotes itself without refreshing the lock",
            rule: "a lock holder refreshes the lock before it promotes (patroni 4.1.5 ha.py 1828-1849)";
        KeepsLock = "keeps-lock",
            "`is_failover_possible` says no inside `recover`",
            rule: "with primary_start_timeout 0 and a healthy candidate, the lock is given up instead of restarting \
                   Postgres (patroni 2.1.2 ha.py 316-322, 4.1.5 ha.py 635-643)";
        AlwaysSingleUser = "always-single-user",
            "`recover` never believes that its Postgres crashed as a primary",
            rule: "a primary that crashed under this agent, with the lock held and a positive start timeout, is \
                   started as a primary, without single-user mode and without a new timeline (patroni 4.1.5 ha.py \
                   650-661, since 3.0.4)";
        NeverSingleUser = "never-single-user",
            "`recover` never runs single-user recovery: pg_control always looks clean",
            rule: "a data directory that was not shut down cleanly goes through single-user recovery before it is \
                   started as a standby (patroni 2.1.2 ha.py 328-334, 4.1.5 ha.py 666-673)";
        FailsOverAnyway = "fails-over-anyway",
            "`is_failover_possible` says yes inside `recover`",
            rule: "the lock is given up only if a healthy candidate is reachable (patroni 2.1.2 ha.py 319, 4.1.5 ha.py \
                   638)";
        AssumesRefresh = "assumes-refresh",
            "`recover` starts a crashed primary without looking whether the lock could be refreshed",
            rule: "what a crashed primary does with the lock, it does after the lock was refreshed just now (patroni \
                   2.1.2 ha.py 314, 4.1.5 ha.py 633)";
        AssumesLock = "assumes-lock",
            "`recover` believes that it has the lock",
            rule: "a node has the lock if the leader key in its snapshot names it (patroni 2.1.2 ha.py 314, 339, 356, \
                   4.1.5 ha.py 633, 678)";
        AssumesRunning = "assumes-running",
            "`recover` believes that a postmaster runs, and rewinds a standby that was not shut down",
            rule: "a standby that was not shut down cleanly goes through single-user recovery before pg_rewind \
                   (patroni 4.1.5 ha.py 595-600, since 2.1.4)";
        RemovesAnyway = "removes-anyway",
            "`recover` wipes a diverged data directory whatever the configuration says, and does not rewind it",
            rule: "the data directory is removed only where remove_data_directory_on_diverged_timelines says so \
                   (patroni 4.1.5 ha.py 605, since 2.1.4)";
        IgnoresBackupLabel = "ignores-backup-label",
            "`recover` runs single-user recovery on a restored base backup (the rule before 4.1.3)",
            rule: "a restored base backup is not run in single-user mode (patroni 4.1.5 ha.py 667-672, since 4.1.3)";
        TrustsKeepalive = "trusts-keepalive",
            "the update of the lock does not notice that the lease has ended (the rule before 2.1.6)",
            rule: "update_lock notices that its lease has ended, since 2.1.6, and fails if another node has the key by \
                   then, since 3.0.3 (patroni 4.1.5 dcs/etcd3.py _update_leader)";
        IgnoresDcsError = "ignores-dcs-error",
            "a primary whose agent does not reach the DCS stays one",
            rule: "a primary whose agent does not reach the DCS is demoted (patroni 2.1.2 ha.py 1484-1491, 4.1.5 ha.py \
                   2352-2367)";
        StaysPrimary = "stays-primary",
            "a primary without the lock stays one",
            rule: "a primary without the lock is demoted (patroni 4.1.5 ha.py 1867-1869, 762-767)";
        PromotesAfterLoss = "promotes-after-loss",
            "a promotion is not called off when the lock is lost",
            rule: "a promotion is called off when the lock is lost (patroni 2.1.2 ha.py 1217-1222, 4.1.5 ha.py \
                   2038-2043)";
        PromotesAnybody = "promotes-anybody",
            "anybody may lead in synchronous mode",
            rule: "in synchronous mode only a node that /sync names races for the lock (patroni 4.1.5 ha.py 1561-1566)";
        PublishesStandbyEarly = "publishes-standby-early",
            "the synchronous standby may lead before it has everything",
            rule: "/sync names a standby only after commits wait for it and it has everything (patroni 4.1.5 ha.py \
                   963-979)";
        ForgetsStandbyFirst = "forgets-standby-first",
            "Postgres forgets the synchronous standby before it may no longer lead",
            rule: "/sync forgets a standby before commits stop to wait for it (patroni 4.1.5 ha.py 953-960)";
        PromotesStandbyLeader = "promotes-standby-leader",
            "the leader of a standby cluster is promoted",
            rule: "the leader of a standby cluster is never promoted (patroni 4.1.5 ha.py 1837-1844)";
        ForgetsWatchdog = "forgets-watchdog",
            "a node is promoted without a watchdog",
            rule: "a node is promoted only with the watchdog armed (patroni 4.1.5 ha.py 1116-1124)";
        NeverEndsCrashRecovery = "never-ends-crash-recovery",
            "single-user recovery has no end (the rule before 2.0.1)",
            rule: "single-user recovery is ended at the start timeout if somebody can take over (patroni 4.1.5 ha.py \
                   2028-2034, since 2.0.1)";
        KeepsLockAfterFailedStart = "keeps-lock-after-failed-start",
            "the lock is kept when Postgres could not be started",
            rule: "the lock is given up when Postgres could not be started (patroni 2.1.2 ha.py 1245-1254, 4.1.5 ha.py \
                   2068-2078)";
        RemovesLockFile = "removes-lock-file",
            "the lock file and the shared memory of a dead postmaster are cleared away before its backends have ended",
            rule: "nothing is started in a data directory that a backend still uses (PostgreSQL CreateLockFile, \
                   PGSharedMemoryCreate)";
        NeverHasLock = "never-has-lock",
            "`recover` never believes that it has the lock",
            rule: "a node has the lock if the leader key in its snapshot names it (patroni 2.1.2 ha.py 314, 339, 356, \
                   4.1.5 ha.py 633, 678)";
        IgnoresSignalFile = "ignores-signal-file",
            "`recover` does not look for standby.signal before it starts a primary",
            rule: "what was a standby is not started as a primary (patroni 4.1.5 ha.py 655, since 3.0.4)";
        AssumesPrimaryRole = "assumes-primary-role",
            "`recover` believes that its Postgres was a primary",
            rule: "only what this process ran as a primary is started as one (patroni 4.1.5 ha.py 654, since 3.0.4)";
        AssumesCrashed = "assumes-crashed",
            "`recover` believes that its Postgres crashed under it",
            rule: "only what this process saw running is started as a primary (patroni 4.1.5 ha.py 653, since 3.0.4)";
        NeverRewinds = "never-rewinds",
            "`recover` never finds that its data diverged",
            rule: "data that diverged is rewound before it is started as a standby (patroni 2.1.2 ha.py 298-303, 4.1.5 \
                   ha.py 591-603)";
        AlwaysRewinds = "always-rewinds",
            "`recover` always finds that its data diverged",
            rule: "data is rewound only if it diverged (patroni 2.1.2 ha.py 298, 4.1.5 ha.py 591)";
        AssumesUnlocked = "assumes-unlocked",
            "`recover` believes that nobody has the lock",
            rule: "single-user recovery needs an unlocked cluster or pg_rewind (patroni 2.1.2 ha.py 330, 4.1.5 ha.py \
                   584)";
        CannotRewind = "cannot-rewind",
            "`recover` believes that it has no pg_rewind",
            rule: "pg_rewind is used where it can be (patroni 2.1.2 ha.py 301, 4.1.5 ha.py 594)";
        AssumesRewindExecuted = "assumes-rewind-executed",
            "`recover` believes that a rewind was just done",
            rule: "timelines are compared again unless a rewind was just done (patroni 2.1.2 ha.py 340, 4.1.5 ha.py \
                   683)";
        NeverChecksDivergence = "never-checks-divergence",
            "`recover` does not ask for a comparison of timelines",
            rule: "without the lock, timelines are compared before Postgres is started (patroni 2.1.2 ha.py 341, 4.1.5 \
                   ha.py 684)";
        KeepsWatchdog = "keeps-watchdog",
            "`recover` does not give up the watchdog",
            rule: "the watchdog is given up when Postgres is not going to be a primary (patroni 2.1.2 ha.py 312, 4.1.5 \
                   ha.py 639, 664)";
        ForgetsReload = "forgets-reload",
            "`recover` decides on the snapshot with which its cycle began",
            rule: "the cluster is read again before it is decided how to start (patroni 2.1.2 ha.py 336, 4.1.5 ha.py \
                   675)";
        ForgetsRecovering = "forgets-recovering",
            "`recover` does not remember that a start is under way",
            rule: "the cycle after a start looks whether it failed (patroni 2.1.2 ha.py 362, 4.1.5 ha.py 660, 705)";
        ForgetsDemotion = "forgets-demotion",
            "`recover` says that it fails over and keeps the lock",
            rule: "to fail over is to give up the lock (patroni 2.1.2 ha.py 321, 4.1.5 ha.py 641)";
        ForgetsRewindReset = "forgets-rewind-reset",
            "`recover` keeps the state of the rewind when it starts read-only",
            rule: "a start as a leader forgets what was known of a rewind (patroni 4.1.5 ha.py 679, since 3.1.0)";
        ForgetsSyncNames = "forgets-sync-names",
            "`recover` keeps the synchronous standby of a former leader",
            rule: "a node that is not the leader has no synchronous standby (patroni 4.1.5 ha.py 700-701, since 3.0.0)";
        IgnoresStandbyCluster = "ignores-standby-cluster",
            "`recover` does not know that it is in a standby cluster",
            rule: "in a standby cluster the leader follows the remote primary (patroni 2.1.2 ha.py 339, 4.1.5 ha.py \
                   678)";
        WalkNeverStops = "walk-never-stops",
            "every node that is a timeline behind is taken for diverged (the rule of 2.1.2)",
            rule: "the walk through the leader's timeline history stops at the local timeline (patroni \
                   postgresql/rewind.py, since 2.1.3)";
        RewindsUnclean = "rewinds-unclean",
            "a killed standby is taken for one whose data nobody knows (the rule before 2.1.4)",
            rule: "a standby that was not shut down cleanly goes through single-user recovery before pg_rewind \
                   (patroni 4.1.5 ha.py 595-600, since 2.1.4)";
        KeepsFailedRole = "keeps-failed-role",
            "a lock holder whose start failed takes itself for a primary",
            rule: "a lock holder whose start failed is no longer a primary in its own eyes (patroni 2.1.2 ha.py \
                   1249-1250, 4.1.5 ha.py 2073-2075)";
        NeverStartsPrimary = "never-starts-primary",
            "a crashed primary goes through single-user mode (the rule before 3.0.4)",
            rule: "a primary that crashed under this agent, with the lock held and a positive start timeout, is \
                   started as a primary (patroni 4.1.5 ha.py 650-661, since 3.0.4)";
        SkipsCrashedRecovery = "skips-crashed-recovery",
            "a primary that crashed during crash recovery goes through single-user mode (the rule of 3.0.4)",
            rule: "also a primary that crashed during crash recovery is started as a primary (patroni 4.1.5 ha.py 651, \
                   since 3.1.0)";
        OldPrimaryRaces = "old-primary-races",
            "a running primary of an old timeline takes the lock back (the rule before 3.1.0)",
            rule: "a running primary without the lock does not race if its timeline is older than the last one \
                   announced (patroni 4.1.5 ha.py 1519-1530, since 3.1.0)";
        ComparesOnChangeOnly = "compares-on-change-only",
            "a standby compares timelines only when its configuration changes (the rule before 4.0.8)",
            rule: "a standby whose timeline is behind the leader's compares them (patroni 4.1.5 ha.py 801-804, since \
                   4.0.8)";
        UpdateErrorIsNo = "update-error-is-no",
            "a DCS that does not answer counts as a lock that is lost (the rule before 2.1.6)",
            rule: "a DCS that does not answer the update of the lock ends the cycle with an error (patroni 4.1.5 ha.py \
                   394-395, since 2.1.6)";
        ComparesNumbers = "compares-numbers",
            "data is compared by the number of its timeline (the rule of every release)",
            rule: "data is compared by its branch (proposed; no release does)";
        IgnoresOrphans = "ignores-orphans",
            "the lock is given up while a backend of the dead postmaster lives (the rule of every release)",
            rule: "while a backend of the dead postmaster lives, the lock is kept and the watchdog stays armed \
                   (proposed; no release does)";
        ArmsWatchdogLate = "arms-watchdog-late",
            "the watchdog is armed when the lock is there (the rule of every release)",
            rule: "the watchdog is armed before the lock is taken (proposed; no release does)";
        ForgetsWhilePending = "forgets-while-pending",
            "a pending rewind lets `recover` forget its crash recovery (the rule of every release)",
            rule: "that crash recovery was started is forgotten only when Postgres is up (proposed; no release does)";
        RewindsBlindly = "rewinds-blindly",
            "the task that runs pg_rewind does not look at pg_control again (the rule of every release)",
            rule: "pg_rewind is run only on what was shut down cleanly (proposed; no release does)";
        TakesLockBlindly = "takes-lock-blindly",
            "whoever creates the leader key does not look whether what it read is old (the rule of every release)",
            rule: "the lock is created only if /status and /sync are still as they were read (proposed; no release \
                   does)";
        PrefersSingleUser = "prefers-single-user",
            "with a start timeout of zero a crashed primary without a candidate goes through single-user mode (the \
             rule of every release)",
            rule: "with a start timeout of zero and nobody to fail over to, a crashed primary is started as a primary \
                   (proposed; no release does)";
    }
}

impl Mutant {
    /// The mutants that break safety and that the judge tries first: the first of [`Mutant::ALL`].
    pub const UNSAFE: [Mutant; 6] = [
        Mutant::ForgetsCrashRecovery,
        Mutant::DisablesWatchdogEarly,
        Mutant::OverwritesLock,
        Mutant::StartsWithoutSignal,
        Mutant::RaceIgnoresKey,
        Mutant::PromotesWithoutUpdate,
    ];

    /// The next ones: their behaviour is different rather than unsafe.
    pub const DEVIANT: [Mutant; 4] =
        [Mutant::KeepsLock, Mutant::AlwaysSingleUser, Mutant::NeverSingleUser, Mutant::FailsOverAnyway];
}
