//! The fault vocabulary: one meaning in the model, the same one in the lab.

use serde::{Deserialize, Serialize};

/// A fault that the environment inflicts on a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// SIGKILL hits the postmaster. Its backends end with it; `postmaster.pid` and `pg_control` stay as they were.
    PostmasterKilled,
    /// SIGKILL hits the agent. Postgres goes on without it.
    AgentKilled,
    /// The agent's process is started again after it was killed.
    AgentRestarted,
    /// Crash recovery in single-user mode ends with an error and leaves the data directory as it was.
    SingleUserFails,
    /// The lease ends because nobody kept it alive for `ttl`; the leader key goes with it.
    LeaseExpires,
}

impl Fault {
    /// All of them, in the order of their declaration.
    pub const ALL: [Fault; 5] = [
        Fault::PostmasterKilled,
        Fault::AgentKilled,
        Fault::AgentRestarted,
        Fault::SingleUserFails,
        Fault::LeaseExpires,
    ];

    /// The stable name, as in command lines and files.
    pub fn id(self) -> &'static str {
        match self {
            Fault::PostmasterKilled => "postmaster-killed",
            Fault::AgentKilled => "agent-killed",
            Fault::AgentRestarted => "agent-restarted",
            Fault::SingleUserFails => "single-user-fails",
            Fault::LeaseExpires => "lease-expires",
        }
    }

    /// One sentence on what it does.
    pub fn describe(self) -> &'static str {
        match self {
            Fault::PostmasterKilled => "SIGKILL hits the postmaster; its backends end with it",
            Fault::AgentKilled => "SIGKILL hits the agent; Postgres goes on without it",
            Fault::AgentRestarted => "a killed agent is started again",
            Fault::SingleUserFails => "crash recovery in single-user mode ends with an error",
            Fault::LeaseExpires => "a lease that nobody keeps alive ends, and the leader key with it",
        }
    }
}
