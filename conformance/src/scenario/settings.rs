//! The settings of the agent and its Postgres that a scenario wants.

use pghaspec_model::vocabulary::event::Configuration;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::features;
use crate::input::within;

/// Settings of the agent, in the words of Patroni. A setting that is absent has Patroni's default, but pg_rewind is
/// used.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Seconds between two cycles of the agent.
    #[schemars(range(min = 1, max = 600), example = 1)]
    pub loop_wait_s: u32,
    /// Seconds that a lease lives without a keepalive.
    #[schemars(range(min = 3, max = 3600), example = 20)]
    pub ttl_s: u32,
    /// Seconds that the agent retries an operation.
    #[schemars(range(min = 1, max = 600), example = 3)]
    pub retry_timeout_s: u32,
    /// Seconds that a crashed primary may take to start before the lock is given up.
    #[schemars(range(max = 86_400), example = 300)]
    pub primary_start_timeout_s: u32,
    /// Seconds that the lab waits for each event that a step names, and for the cluster to settle after the faults,
    /// before it gives up and reads the rows back that there are.
    #[serde(default = "default_settle")]
    #[schemars(range(min = 1, max = 3600))]
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
    #[schemars(range(max = 1_099_511_627_776_u64))]
    pub maximum_lag_on_failover: u64,
    /// `check_timeline`
    #[serde(default)]
    pub check_timeline: bool,
    /// `restart_after_crash` of Postgres: a postmaster goes on after one of its backends was killed.
    #[serde(default = "yes")]
    pub restart_after_crash: bool,
}

/// The need of a leader for a watchdog.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
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

/// The range of a setting, and the reason for it.
struct Range {
    key: &'static str,
    of: fn(&Settings) -> u64,
    from: u64,
    to: u64,
    why: &'static str,
}

/// The ranges of the settings that are numbers; [`Settings`] says the same in its schema.
const RANGES: [Range; 6] = [
    Range {
        key: "loop_wait_s",
        of: |settings| settings.loop_wait_s.into(),
        from: 1,
        to: 600,
        why: "a cycle takes time, and a lease outlives several of them",
    },
    Range {
        key: "ttl_s",
        of: |settings| settings.ttl_s.into(),
        from: 3,
        to: 3600,
        why: "loop_wait_s + 2 * retry_timeout_s fit into it, and a failover is waited for that long",
    },
    Range {
        key: "retry_timeout_s",
        of: |settings| settings.retry_timeout_s.into(),
        from: 1,
        to: 600,
        why: "twice this time has to fit into ttl_s",
    },
    Range {
        key: "primary_start_timeout_s",
        of: |settings| settings.primary_start_timeout_s.into(),
        from: 0,
        to: 86_400,
        why: "0 gives up at once, and nobody waits for more than a day",
    },
    Range {
        key: "settle_s",
        of: |settings| settings.settle_s.into(),
        from: 1,
        to: 3600,
        why: "the lab waits so long for each step, and an hour is the most",
    },
    Range {
        key: "maximum_lag_on_failover",
        of: |settings| settings.maximum_lag_on_failover,
        from: 0,
        to: 1 << 40,
        why: "it is a number of bytes of WAL, and no node is a TiB behind",
    },
];

/// The key of a setting, its problem, and the remedy.
pub(super) type Trouble = (&'static str, String, String);

impl Settings {
    /// The first setting that cannot be, or contradicts another one.
    ///
    /// # Errors
    /// Its key, the problem, and the remedy.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        for Range { key, of, from, to, why } in RANGES {
            within(of(self), from, to, why).map_err(|(problem, help)| (key, problem, help))?;
        }
        let (wait, retry, ttl) = (self.loop_wait_s, self.retry_timeout_s, self.ttl_s);
        if wait + 2 * retry > ttl {
            let problem = format!("loop_wait_s {wait} + 2 * retry_timeout_s {retry} is more than ttl_s {ttl}");
            let help = format!("write ttl_s = {} or more, or lower the others", wait + 2 * retry);
            return Err(("ttl_s", problem, help));
        }
        if self.settle_s < ttl {
            let problem = format!("{} is less than ttl_s {ttl}: a lease ends after that only", self.settle_s);
            return Err(("settle_s", problem, format!("write settle_s = {} or more", 2 * ttl)));
        }
        if self.watchdog == WatchdogMode::Off && !self.watchdog_present {
            let problem = "says nothing where `watchdog` is \"off\"".to_owned();
            return Err(("watchdog_present", problem, "write watchdog = \"required\", or leave it out".to_owned()));
        }
        Ok(())
    }

    /// The features that an agent must have for these settings, each with the setting that asks for it.
    pub(super) fn features(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        [
            (self.watchdog != WatchdogMode::Off, "watchdog", features::WATCHDOG),
            (self.failsafe_mode, "failsafe_mode", features::FAILSAFE),
            (self.standby_cluster, "standby_cluster", features::STANDBY_CLUSTER),
        ]
        .into_iter()
        .filter_map(|(is_wanted, key, feature)| is_wanted.then_some((key, feature)))
    }

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
