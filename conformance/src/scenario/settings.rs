//! The settings of the agent and its Postgres that a scenario wants.

use pghaspec_model::vocabulary::event::Configuration;
use serde::Deserialize;

/// Settings of the agent, in the words of Patroni. A setting that is absent has Patroni's default, but pg_rewind is
/// used.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Seconds between two cycles of the agent.
    pub loop_wait_s: u32,
    /// Seconds that a lease lives without a keepalive.
    pub ttl_s: u32,
    /// Seconds that the agent retries an operation.
    pub retry_timeout_s: u32,
    /// Seconds that a crashed primary may take to start before the lock is given up.
    pub primary_start_timeout_s: u32,
    /// Seconds that the lab waits for each event that a step names, and for the cluster to settle after the faults,
    /// before it gives up and reads the rows back that there are.
    #[serde(default = "default_settle")]
    pub settle_s: u32,
    /// `watchdog.mode`
    #[serde(default)]
    pub watchdog: WatchdogMode,
    /// Each node has a watchdog device. Without one, an agent that requires it may not lead.
    #[serde(default = "yes")]
    pub watchdog_present: bool,
    /// `synchronous_mode`
    #[serde(default)]
    pub synchronous_mode: bool,
    /// `failsafe_mode`
    #[serde(default)]
    pub failsafe_mode: bool,
    /// `postgresql.use_pg_rewind`
    #[serde(default = "yes")]
    pub use_pg_rewind: bool,
    /// `postgresql.remove_data_directory_on_diverged_timelines`
    #[serde(default)]
    pub remove_data_directory_on_diverged_timelines: bool,
    /// `standby_cluster`: the cluster follows a remote primary, which the lab makes.
    #[serde(default)]
    pub standby_cluster: bool,
    /// `maximum_lag_on_failover`, bytes
    #[serde(default = "default_lag")]
    pub maximum_lag_on_failover: u64,
    /// `check_timeline`
    #[serde(default)]
    pub check_timeline: bool,
    /// `restart_after_crash` of Postgres: a postmaster goes on after one of its backends was killed.
    #[serde(default = "yes")]
    pub restart_after_crash: bool,
}

/// The need of a leader for a watchdog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WatchdogMode {
    /// No watchdog is used.
    #[default]
    Off,
    /// A watchdog is used where there is one.
    Automatic,
    /// A node without a watchdog may not lead.
    Required,
}

impl WatchdogMode {
    /// Patroni's word for the mode.
    pub fn id(self) -> &'static str {
        match self {
            WatchdogMode::Off => "off",
            WatchdogMode::Automatic => "automatic",
            WatchdogMode::Required => "required",
        }
    }
}

impl Settings {
    /// The settings as a history records them.
    pub fn configuration(&self, etcd_members: u32) -> Configuration {
        Configuration {
            synchronous_mode: self.synchronous_mode,
            failsafe_mode: self.failsafe_mode,
            standby_cluster: self.standby_cluster,
            watchdog_required: self.watchdog == WatchdogMode::Required,
            watchdog_automatic: self.watchdog == WatchdogMode::Automatic,
            watchdog_present: self.has_watchdog(),
            use_pg_rewind: self.use_pg_rewind,
            remove_data_directory_on_diverged_timelines: self.remove_data_directory_on_diverged_timelines,
            maximum_lag_on_failover: self.maximum_lag_on_failover,
            check_timeline: self.check_timeline,
            restart_after_crash: self.restart_after_crash,
            etcd_members,
        }
    }

    /// Says whether the lab gives each node a watchdog.
    pub fn has_watchdog(&self) -> bool {
        self.watchdog != WatchdogMode::Off && self.watchdog_present
    }
}

fn yes() -> bool {
    true
}

fn default_settle() -> u32 {
    120
}

fn default_lag() -> u64 {
    Configuration::default().maximum_lag_on_failover
}
