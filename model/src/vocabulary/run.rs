//! The description of a run: the agent, the nodes, and their configuration.
//!
//! It is the first event of a history, from which a judge chooses the model.

use serde::{Deserialize, Serialize};

use super::event::Source;

/// The description of a run, with the settings that a judge needs to choose the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Unique name of the run.
    pub run: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Name of the agent.
    pub agent: String,
    /// Version of the agent.
    pub version: String,
    /// Edition of the specification that the agent claims; `None` if it claims none, and is held to what is asked of
    /// any agent and to `claims`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
    /// Rules in which its release differs from that edition, `rule: position` each.
    #[serde(default)]
    pub rules: Vec<String>,
    /// The way in which the agent's nodes agree on who leads.
    #[serde(default, skip_serializing_if = "Leadership::is_lease")]
    pub leadership: Leadership,
    /// Promises of an agent that claims no edition. An agent that claims one promises what that says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Vec<String>>,
    /// Seconds after the faults within which such an agent promises a leader that serves, and every node back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovers_s: Option<u32>,
    /// Names of the nodes; the order is that of the model's nodes.
    pub nodes: Vec<String>,
    /// Seconds between two cycles of the agent.
    pub loop_wait_s: u32,
    /// Seconds that a lease lives without a keepalive.
    pub ttl_s: u32,
    /// Seconds that the agent retries an operation.
    pub retry_timeout_s: u32,
    /// Seconds that a crashed primary may take to start before the lock is given up.
    pub primary_start_timeout_s: u32,
    /// The rest of the configuration; what is absent has the agent's default.
    #[serde(default)]
    pub configuration: Configuration,
    /// The way in which starts and ends of processes are observed.
    pub process_observation: Mechanism,
    /// The sources that really observe this run: what they did not record did not happen, but for their gaps.
    pub observed: Vec<Source>,
}

/// The way in which an agent's nodes agree on who leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leadership {
    /// A lock that ends with its lease.
    #[default]
    Lease,
    /// An authority that assigns the role, and takes it away.
    Assignment,
    /// Nobody says who leads: the leader is the only node that is found to be a primary.
    None,
}

impl Leadership {
    /// The word in files.
    pub fn id(self) -> &'static str {
        match self {
            Leadership::Lease => "lease",
            Leadership::Assignment => "assignment",
            Leadership::None => "none",
        }
    }

    fn is_lease(&self) -> bool {
        *self == Leadership::Lease
    }
}

/// A way to observe starts and ends of processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// The kernel reports each (Linux' process events connector).
    ProcConnector,
    /// Processes are looked for now and then: one that lives for a moment only may be missed, and how one ends is not
    /// seen.
    Polling,
}

/// The configuration of a cluster, in the words of Patroni. The default is Patroni's, but for pg_rewind, which every
/// agent here may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// `synchronous_mode`
    pub synchronous_mode: bool,
    /// `failsafe_mode`
    pub failsafe_mode: bool,
    /// The cluster follows a primary elsewhere.
    pub standby_cluster: bool,
    /// `watchdog.mode: required`
    pub watchdog_required: bool,
    /// `watchdog.mode: automatic`
    pub watchdog_automatic: bool,
    /// Each node has a watchdog device.
    pub watchdog_present: bool,
    /// `use_pg_rewind`
    pub use_pg_rewind: bool,
    /// `remove_data_directory_on_diverged_timelines`
    pub remove_data_directory_on_diverged_timelines: bool,
    /// `maximum_lag_on_failover`, bytes
    pub maximum_lag_on_failover: u64,
    /// `check_timeline`
    pub check_timeline: bool,
    /// `restart_after_crash` of Postgres
    pub restart_after_crash: bool,
    /// Members of the etcd cluster.
    pub etcd_members: u32,
}

impl Default for Configuration {
    fn default() -> Self {
        Configuration {
            synchronous_mode: false,
            failsafe_mode: false,
            standby_cluster: false,
            watchdog_required: false,
            watchdog_automatic: false,
            watchdog_present: false,
            use_pg_rewind: true,
            remove_data_directory_on_diverged_timelines: false,
            maximum_lag_on_failover: 1_048_576,
            check_timeline: false,
            restart_after_crash: true,
            etcd_members: 1,
        }
    }
}
