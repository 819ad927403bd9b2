//! The variables that a manifest may use in its files and keys, with their values for a node of this cluster.

use serde_json::json;

use super::builder::{Builder, WATCHDOG};
use super::dcs::ETCD_PORT;
use super::remote::REMOTE;
use crate::lab::error::LabError;
use crate::manifest::{VARIABLES, render};

/// Name of the cluster, the same in every sandbox: each has an etcd of its own.
const SCOPE: &str = "pghaspec";

impl Builder<'_> {
    /// Fills the variables of a template in for a node.
    ///
    /// # Errors
    /// The template names an unknown variable.
    pub(super) fn filled(&self, template: &str, node: &str) -> Result<String, LabError> {
        let settings = &self.bed.scenario.settings;
        let value = |name: &str| {
            Some(match name {
                "scope" => SCOPE.to_owned(),
                "name" => node.to_owned(),
                "address" => self.bed.sandbox.name(node),
                "node_id" => node.trim_start_matches('n').to_owned(),
                "first" => if node == "n1" { "yes" } else { "no" }.to_owned(),
                "first_address" => self.bed.sandbox.name("n1"),
                "nodes" => {
                    let names = self.bed.scenario.node_names();
                    let all = names.iter().map(|name| format!("{name}={}", self.bed.sandbox.name(name)));
                    all.collect::<Vec<_>>().join(" ")
                }
                "etcd" => {
                    let members = self.etcd_parts();
                    let members = members.iter().map(|part| format!("{}:{ETCD_PORT}", self.bed.sandbox.name(part)));
                    members.collect::<Vec<_>>().join(",")
                }
                "loop_wait" => settings.loop_wait_s.to_string(),
                "ttl" => settings.ttl_s.to_string(),
                "retry_timeout" => settings.retry_timeout_s.to_string(),
                "primary_start_timeout" => settings.primary_start_timeout_s.to_string(),
                "maximum_lag_on_failover" => settings.maximum_lag_on_failover.to_string(),
                "synchronous_mode" => settings.synchronous_mode.to_string(),
                "failsafe_mode" => settings.failsafe_mode.to_string(),
                "check_timeline" => settings.check_timeline.to_string(),
                "use_pg_rewind" => settings.use_pg_rewind.to_string(),
                "remove_data_directory_on_diverged_timelines" => {
                    settings.remove_data_directory_on_diverged_timelines.to_string()
                }
                "restart_after_crash" => if settings.restart_after_crash { "on" } else { "off" }.to_owned(),
                "watchdog_mode" => settings.watchdog.id().to_owned(),
                "watchdog_device" => WATCHDOG.to_owned(),
                "standby_cluster" => self.remote_for_agents(),
                _ => return self.of_service(name).or_else(|| self.bed.manifest.variables.get(name).cloned()),
            })
        };
        render(template, value).map_err(|name| {
            LabError::harness(format!("`{{{{{name}}}}}` is no variable; known are: {}", VARIABLES.join(", ")))
        })
    }

    /// The address of a service, by its variable.
    fn of_service(&self, variable: &str) -> Option<String> {
        let name = variable.strip_prefix("service.")?;
        let service = self.bed.manifest.services.iter().find(|service| service.name == name)?;
        Some(self.bed.sandbox.name(&service.name))
    }

    /// The address of the remote primary for the agents, a JSON object; `null` if the cluster follows none.
    fn remote_for_agents(&self) -> String {
        match self.bed.scenario.settings.standby_cluster {
            false => "null".to_owned(),
            true => {
                json!({ "host": self.bed.sandbox.name(REMOTE), "port": self.bed.manifest.ports.postgres }).to_string()
            }
        }
    }
}
