//! Editions: named sets of the rules that releases changed.
//!
//! A manifest claims one of them, and the model is built from it. An edition is written as what it changed in the one
//! before.

use serde::Serialize;

/// The treatment by `update_lock()` of a lease that has ended, or that is not the one on the key (patroni
/// `dcs/etcd3.py`, `_update_leader`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockUpdate {
    /// Up to 2.1.5 (2.1.2 lines 771-783): an ended lease goes unnoticed and the update claims success; a key under
    /// another lease is written over, whoever holds it.
    TrustsKeepalive,
    /// 2.1.6 to 3.0.2: whoever believes to hold the lock writes the key, whatever it says by now; an ended lease is
    /// replaced.
    Overwrites,
    /// From 3.0.3 (4.1.5 lines 1031-1053): the key is written if it names this node, created if absent, left alone
    /// otherwise.
    ComparesAndSwaps,
}

/// The words of the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Words {
    /// Before 3.0.0: "a remote master".
    Master,
    /// From 3.0.0: "a remote member".
    Member,
}

/// The rules that releases changed. A field is true, or has its later value, from the release in its comment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Rules {
    /// 2.1.6, 3.0.3: see [`LockUpdate`].
    pub lock_update: LockUpdate,
    /// 2.1.2: a leader is asked whether it is still in recovery before data is compared with it. Before, its member key
    /// was believed, which says so when the promotion is ordered (no difference where promotion is one step).
    pub asks_leader_for_recovery: bool,
    /// 2.1.3: the walk through the leader's timeline history stops at the local timeline (#2221). Before (2.1.2 only),
    /// every node that was one timeline behind was taken for diverged.
    pub timeline_walk_stops: bool,
    /// 2.1.4: a standby that was not shut down cleanly goes through single-user recovery before pg_rewind (#2252).
    pub crash_recovery_before_rewind: bool,
    /// 2.1.4: the data directory is wiped only where the configuration says so (#2304).
    pub reinitialize_needs_setting: bool,
    /// 3.0.0: a node that is not the leader clears its synchronous standby names (#2524).
    pub clears_sync_names: bool,
    /// 3.0.4: a crashed primary that holds the lock is started as a primary (#2726).
    pub starts_crashed_primary: bool,
    /// 3.0.4: the watchdog stays armed until it is certain that Postgres is not started as a primary.
    pub watchdog_disabled_late: bool,
    /// 3.1.0: also a primary that crashed during crash recovery is started as a primary (#2763).
    pub starts_from_crash_recovery: bool,
    /// 3.1.0: starting read-only with the lock forgets the state of the rewind (#2776).
    pub read_only_resets_rewind: bool,
    /// 3.0.4: the lock is looked at before the standby cluster (no difference but in the order of the questions).
    pub lock_before_standby_cluster: bool,
    /// 4.1.3: no single-user recovery of a restored base backup (#3577).
    pub skips_backup_label: bool,
    /// 2.1.6: a DCS that does not answer the update of the lock is an error that ends the cycle (#2484). Before, the
    /// update just failed.
    pub update_lock_raises: bool,
    /// 3.1.0: a running primary without the lock does not race for it if its timeline is older than the last one
    /// announced (#2776).
    pub old_primary_does_not_race: bool,
    /// In all releases but 3.0.3 and 3.0.4: nobody races for the lock while a primary answers. Those two take it for a
    /// standby.
    pub primary_stops_race: bool,
    /// 4.1.1, 4.0.8, 3.3.9: a standby whose timeline is behind the leader's compares them, also if its configuration
    /// does not change.
    pub compares_when_behind: bool,
    /// 2.0.1: single-user recovery is ended at the start timeout if somebody can take over (#1720).
    pub limits_crash_recovery: bool,
    /// 2.0.2: in maintenance nothing is called off or stopped because the lock was lost while the background slot is
    /// busy.
    pub long_action_heeds_pause: bool,
    /// 2.1.2: who may lead in synchronous mode is looked at where candidates are asked, not by whoever asks for them
    /// (no difference but in the order of the questions).
    pub candidates_know_sync: bool,
    /// Proposed: with a start timeout of zero and nobody to fail over to, a crashed primary is started as a primary.
    pub starts_primary_without_candidate: bool,
    /// Proposed: data is compared by the fork of the WAL that it is on and not by the number of its timeline, which two
    /// promotions may share.
    pub compares_branches: bool,
    /// Proposed: while a backend of the dead postmaster lives, the lock is kept and the watchdog stays armed.
    pub waits_for_orphans: bool,
    /// Proposed: the watchdog is armed before the lock is taken or refreshed, so that an agent that is frozen in
    /// between does not promote.
    pub watchdog_before_lock: bool,
    /// Proposed: that crash recovery was started is forgotten only when Postgres is up again, also while a rewind is
    /// pending.
    pub remembers_crash_recovery: bool,
    /// Proposed: the task that runs pg_rewind looks at pg_control once more, and leaves alone what was not shut down
    /// cleanly.
    pub rewind_checks_shutdown: bool,
    /// Proposed: the transaction that creates the leader key compares `/status` and `/sync` with what was read, so that
    /// nobody leads on the strength of old keys.
    pub lock_needs_current_keys: bool,
    /// 3.0.0: words of the messages.
    pub words: Words,
}

vocabulary! {
    /// A named set of rules, oldest first.
    pub enum Edition {
        /// With its known defect: the walk through the timeline history does not stop.
        V2_1_2 = "2.1.2", "patroni 2.1.2, the annotated listing (ha.py 310-363)";
        V3_0_2 = "3.0.2", "patroni 3.0.2, the last release whose update of the lock writes it over";
        V3_0_4 = "3.0.4", "patroni 3.0.4, the first release that starts a crashed primary as a primary";
        V3_1 = "3.1", "patroni 3.1";
        V4_0 = "4.0", "patroni 4.0 before 4.0.8";
        /// The default.
        V4_1 = "4.1", "patroni 4.1.3 and later (ha.py 609-706 in 4.1.5)";
        /// Under which assumptions it claims that, [`claimed_by_ideal`] says.
        ///
        /// [`claimed_by_ideal`]: crate::verify::assumption::Assumption::claimed_by_ideal
        Ideal = "ideal", "the newest rules and the changes that make every safety property hold";
    }
}

impl Edition {
    /// The rules of the edition: those of the one before it, and what changed.
    pub fn rules(self) -> Rules {
        match self {
            Edition::V2_1_2 => Rules {
                lock_update: LockUpdate::TrustsKeepalive,
                timeline_walk_stops: false,
                crash_recovery_before_rewind: false,
                reinitialize_needs_setting: false,
                clears_sync_names: false,
                starts_crashed_primary: false,
                watchdog_disabled_late: false,
                starts_from_crash_recovery: false,
                read_only_resets_rewind: false,
                lock_before_standby_cluster: false,
                skips_backup_label: false,
                update_lock_raises: false,
                old_primary_does_not_race: false,
                primary_stops_race: true,
                compares_when_behind: false,
                limits_crash_recovery: true,
                long_action_heeds_pause: true,
                candidates_know_sync: true,
                asks_leader_for_recovery: true,
                starts_primary_without_candidate: false,
                compares_branches: false,
                waits_for_orphans: false,
                watchdog_before_lock: false,
                remembers_crash_recovery: false,
                rewind_checks_shutdown: false,
                lock_needs_current_keys: false,
                words: Words::Master,
            },
            Edition::V3_0_2 => Rules {
                lock_update: LockUpdate::Overwrites,
                update_lock_raises: true,
                timeline_walk_stops: true,
                crash_recovery_before_rewind: true,
                reinitialize_needs_setting: true,
                clears_sync_names: true,
                words: Words::Member,
                ..Edition::V2_1_2.rules()
            },
            Edition::V3_0_4 => Rules {
                lock_update: LockUpdate::ComparesAndSwaps,
                starts_crashed_primary: true,
                watchdog_disabled_late: true,
                lock_before_standby_cluster: true,
                primary_stops_race: false,
                ..Edition::V3_0_2.rules()
            },
            Edition::V3_1 => Rules {
                starts_from_crash_recovery: true,
                read_only_resets_rewind: true,
                old_primary_does_not_race: true,
                primary_stops_race: true,
                ..Edition::V3_0_4.rules()
            },
            // What 4.0 changed is not among the rules of recovery.
            Edition::V4_0 => Edition::V3_1.rules(),
            Edition::V4_1 => Rules { skips_backup_label: true, compares_when_behind: true, ..Edition::V4_0.rules() },
            Edition::Ideal => Rules {
                starts_primary_without_candidate: true,
                compares_branches: true,
                waits_for_orphans: true,
                watchdog_before_lock: true,
                remembers_crash_recovery: true,
                rewind_checks_shutdown: true,
                lock_needs_current_keys: true,
                ..Edition::V4_1.rules()
            },
        }
    }
}
