//! Editions: named sets of rules, each rule a switch with the release that changed it.

use serde::Serialize;

/// How `update_lock()` treats a lease that has ended, or that is not the one on the key (patroni `dcs/etcd3.py`,
/// `_update_leader`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LockUpdate {
    /// Up to 2.1.5 (2.1.2 lines 771-783): an ended lease goes unnoticed and the update claims success; a key under another
    /// lease is written over, whoever holds it.
    TrustsKeepalive,
    /// 2.1.6 to 3.0.2: an ended lease is replaced and the key is written, whoever holds it.
    Overwrites,
    /// From 3.0.3 (4.1.5 lines 1030-1053): the key is written if it names this node, created if absent, left alone otherwise.
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
    /// See [`LockUpdate`].
    pub lock_update: LockUpdate,
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
    /// 3.1.0: the lock is looked at before the standby cluster (no difference but in the order of the questions).
    pub lock_before_standby_cluster: bool,
    /// 4.1.3: no single-user recovery of a restored base backup (#3577).
    pub skips_backup_label: bool,
    /// 4.0.4: a lock holder whose start failed is no longer a primary in its own eyes.
    pub failed_start_demotes: bool,
    /// Words of the messages.
    pub words: Words,
}

/// A named set of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edition {
    /// Patroni 2.1.2, the annotated listing; its known timeline-walk defect included.
    V2_1_2,
    /// Patroni 4.1 (4.1.3 and later), the default.
    V4_1,
}

impl Edition {
    /// All of them, oldest first.
    pub const ALL: [Edition; 2] = [Edition::V2_1_2, Edition::V4_1];

    /// The stable name, as in command lines and files.
    pub fn id(self) -> &'static str {
        match self {
            Edition::V2_1_2 => "2.1.2",
            Edition::V4_1 => "4.1",
        }
    }

    /// The edition of that name.
    pub fn from_id(id: &str) -> Option<Edition> {
        Edition::ALL.into_iter().find(|edition| edition.id() == id)
    }

    /// One sentence on what it is.
    pub fn describe(self) -> &'static str {
        match self {
            Edition::V2_1_2 => "patroni 2.1.2, the annotated listing (ha.py 310-363)",
            Edition::V4_1 => "patroni 4.1.3 and later (ha.py 609-706 in 4.1.5)",
        }
    }

    /// Its rules.
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
                failed_start_demotes: false,
                words: Words::Master,
            },
            Edition::V4_1 => Rules {
                lock_update: LockUpdate::ComparesAndSwaps,
                timeline_walk_stops: true,
                crash_recovery_before_rewind: true,
                reinitialize_needs_setting: true,
                clears_sync_names: true,
                starts_crashed_primary: true,
                watchdog_disabled_late: true,
                starts_from_crash_recovery: true,
                read_only_resets_rewind: true,
                lock_before_standby_cluster: true,
                skips_backup_label: true,
                failed_start_demotes: true,
                words: Words::Member,
            },
        }
    }
}
