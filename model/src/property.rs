//! The safety properties that every run of every agent is held to.

use serde::Serialize;

/// A property of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Property {
    /// No two nodes can commit client writes at the same time.
    OneWritableLeader,
    /// A node becomes writable only while it holds the leader lock.
    WritableNeedsLock,
    /// Single-user crash recovery starts at most once per recovery episode of one agent process.
    CrashRecoveryOnce,
}

impl Property {
    /// All of them.
    pub const ALL: [Property; 3] =
        [Property::OneWritableLeader, Property::WritableNeedsLock, Property::CrashRecoveryOnce];

    /// The stable name, as in command lines, files and certificates.
    pub fn id(self) -> &'static str {
        match self {
            Property::OneWritableLeader => "one-writable-leader",
            Property::WritableNeedsLock => "writable-needs-lock",
            Property::CrashRecoveryOnce => "crash-recovery-once",
        }
    }

    /// The property of that name.
    pub fn from_id(id: &str) -> Option<Property> {
        Property::ALL.into_iter().find(|property| property.id() == id)
    }

    /// It is about steps, not about states.
    pub fn is_of_steps(self) -> bool {
        self == Property::WritableNeedsLock
    }

    /// What it says.
    pub fn describe(self) -> &'static str {
        match self {
            Property::OneWritableLeader => "no two nodes can commit client writes at the same time",
            Property::WritableNeedsLock => "a node becomes writable only while it holds the leader lock",
            Property::CrashRecoveryOnce => {
                "single-user crash recovery starts at most once per recovery episode of one agent process"
            }
        }
    }
}
