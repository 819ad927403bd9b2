//! The kill table of the mutants: the assumption and the property that show each, or why none can.
//!
//! The tests check every row, so the table is the proof that each property can fail.

use super::assumption::Assumption;
use super::assumption::Assumption::*;
use crate::mutants::Mutant;
use crate::vocabulary::property::Property;
use crate::vocabulary::property::Property::*;

impl Mutant {
    /// The assumption under which, by the rules of the edition `ideal`, the property breaks with the mutant and holds
    /// without it.
    pub fn shown(self) -> Option<(Assumption, Property)> {
        Some(match self {
            Mutant::ForgetsCrashRecovery => (TwoCrashes, CrashRecoveryOnce),
            Mutant::DisablesWatchdogEarly => (OneCrash, WatchdogWhileWritable),
            Mutant::OverwritesLock => (OneCrash, SingleLockOwner),
            Mutant::StartsWithoutSignal => (OneCrash, OneWritableLeader),
            Mutant::RaceIgnoresKey => (OneCrash, OneWritableLeader),
            Mutant::PromotesWithoutUpdate => (TwoCrashes, WritableNeedsLock),
            Mutant::AlwaysSingleUser => (NoWatchdog, CrashedNodeRejoins),
            Mutant::NeverSingleUser => (NoWatchdog, CrashedNodeRejoins),
            Mutant::FailsOverAnyway => (TwoCrashes, BoundedAsyncLoss),
            Mutant::AssumesLock => (NoWatchdog, CrashedNodeRejoins),
            Mutant::AssumesRunning => (NoWatchdog, CrashedNodeRejoins),
            Mutant::RemovesAnyway => (OneCrash, DataDirectoryKept),
            Mutant::TrustsKeepalive => (OneCrash, OneWritableLeader),
            Mutant::IgnoresDcsError => (CutOff, CrashedNodeRejoins),
            Mutant::StaysPrimary => (NoWatchdog, CrashedNodeRejoins),
            Mutant::PromotesAnybody => (Synchronous, NoLostSyncCommit),
            Mutant::PublishesStandbyEarly => (Synchronous, NoLostSyncCommit),
            Mutant::ForgetsStandbyFirst => (Synchronous, NoLostSyncCommit),
            Mutant::PromotesStandbyLeader => (StandbyCluster, StandbyClusterReadOnly),
            Mutant::ForgetsWatchdog => (OneCrash, WatchdogWhileWritable),
            Mutant::NeverEndsCrashRecovery => (HangingTasks, UnstartableLeaderYields),
            Mutant::KeepsLockAfterFailedStart => (FullDisk, UnstartableLeaderYields),
            Mutant::RemovesLockFile => (Orphans, CrashRecoveryAlone),
            Mutant::NeverHasLock => (FullDisk, UnstartableLeaderYields),
            Mutant::AssumesPrimaryRole => (StandbyCluster, StandbyClusterReadOnly),
            Mutant::AlwaysRewinds => (OneCrash, CrashedNodeRejoins),
            Mutant::AssumesRewindExecuted => (CutOff, CrashedNodeRejoins),
            Mutant::NeverChecksDivergence => (CutOff, CrashedNodeRejoins),
            Mutant::ForgetsRecovering => (FullDisk, UnstartableLeaderYields),
            Mutant::ForgetsDemotion => (OneCrash, LeaderEventually),
            Mutant::RewindsUnclean => (NoWatchdog, CrashedNodeRejoins),
            Mutant::NeverStartsPrimary => (NoWatchdog, CrashedNodeRejoins),
            Mutant::SkipsCrashedRecovery => (OtherCrashes, WatchdogWhileWritable),
            Mutant::ComparesOnChangeOnly => (NoWatchdog, CrashedNodeRejoins),
            Mutant::UpdateErrorIsNo => (CutOff, WatchdogWhileWritable),
            Mutant::ComparesNumbers => (TwoCrashes, NoSilentDivergence),
            Mutant::IgnoresOrphans => (Orphans, KeyReleasedAfterStop),
            Mutant::ArmsWatchdogLate => (FrozenAgents, OneWritableLeader),
            Mutant::ForgetsWhilePending => (FailingTasks, CrashRecoveryOnce),
            Mutant::RewindsBlindly => (TwoCrashes, CleanBeforeRewind),
            Mutant::TakesLockBlindly => (StaleReads, BoundedAsyncLoss),
            _ => return None,
        })
    }

    /// The `primary_start_timeout`, in ticks, with which [`Property::FailoverBound`] breaks in the model with clocks
    /// and holds without the mutant.
    pub fn shown_by_clocks(self) -> Option<u8> {
        match self {
            Mutant::KeepsLock | Mutant::NeverHasLock | Mutant::ForgetsDemotion => Some(0),
            Mutant::AlwaysSingleUser | Mutant::NeverStartsPrimary => Some(2),
            _ => None,
        }
    }

    /// The reason why no property of this model tells the mutant from the honest rules; none if one does.
    pub fn equivalent(self) -> Option<&'static str> {
        Some(match self {
            Mutant::AssumesRefresh => {
                "the snapshot of the same step names this node: a refresh could only renew what is alive"
            }
            Mutant::IgnoresBackupLabel => {
                "what it does to the copy is found, since branches are compared, and the copy is replaced by another \
                 one"
            }
            Mutant::PromotesAfterLoss => {
                "with a watchdog the lock is not lost before the promotion without a reset; without one, the honest \
                 rules break the same property"
            }
            Mutant::IgnoresSignalFile => {
                "what this process ran as a primary has no standby.signal until it is demoted, and then its role is \
                 another one"
            }
            Mutant::AssumesCrashed => {
                "whoever was the primary and has just refreshed the lock may start it, whatever it died of"
            }
            Mutant::NeverRewinds => "what is started unrewound is rewound as a running standby, a cycle later",
            Mutant::AssumesUnlocked => {
                "single-user recovery is run where it is superfluous, and diverged data is replaced as before"
            }
            Mutant::CannotRewind => "what is started unrewound is rewound as a running standby, a cycle later",
            Mutant::KeepsWatchdog => {
                "a watchdog that stays armed on a standby resets it only when its agent is dead or frozen"
            }
            Mutant::ForgetsReload => {
                "every start that is decided on the older snapshot is one as a standby, and the next cycle puts it \
                 right"
            }
            Mutant::ForgetsRewindReset => "the promotion that follows resets it",
            Mutant::ForgetsSyncNames => {
                "the names count only while the node is a primary, and its promotion clears them"
            }
            Mutant::IgnoresStandbyCluster => {
                "whom to follow is looked up once more, by `_get_node_to_follow`, which knows of the standby cluster"
            }
            Mutant::WalkNeverStops => {
                "where branches are compared the history is not walked; by the rules of 2.1.2 it costs a needless \
                 rewind"
            }
            Mutant::KeepsFailedRole => {
                "the role counts only for a Postgres that has run since, and then it is set anew"
            }
            Mutant::OldPrimaryRaces => {
                "only a primary that nobody stopped can race: with a watchdog there is none, and without one the \
                 honest rules break the same property"
            }
            Mutant::PrefersSingleUser => "it costs time and a timeline number, which no property forbids",
            _ => return None,
        })
    }
}
