//! The rule that each mutant breaks, in words.

use super::Mutant;

impl Mutant {
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
                "update_lock notices that its lease has ended, since 2.1.6, and fails if another node has the key by then, since 3.0.3 (patroni 4.1.5 dcs/etcd3.py _update_leader)"
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
                "a lock holder whose start failed is no longer a primary in its own eyes (patroni 2.1.2 ha.py 1249-1250, 4.1.5 ha.py 2073-2075)"
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
            Mutant::TakesLockBlindly => {
                "the lock is created only if /status and /sync are still as they were read (proposed; no release does)"
            }
            Mutant::PrefersSingleUser => {
                "with a start timeout of zero and nobody to fail over to, a crashed primary is started as a primary (proposed; no release does)"
            }
        }
    }
}
