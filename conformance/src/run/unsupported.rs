//! The reasons for which a scenario says nothing about an agent: it asks for what the agent does not claim, or for what
//! its authority cannot suffer.

use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::{Leadership, Process, ServerState};
use pghaspec_model::vocabulary::fault::Fault;

use super::claims::Claims;
use super::spec::Spec;
use crate::features;
use crate::rules;
use crate::scenario::{Action, Outage, Scenario, Step, When};

impl Claims {
    /// The reason why a scenario says nothing about the agent, if there is one: it wants a feature that the manifest
    /// does not claim, a rule that the agent is not held to, a folder that the manifest does not name, an authority of
    /// another kind, or what only an edition promises.
    pub fn unsupported(&self, scenario: &Scenario, held_to: &Spec) -> Option<String> {
        let missing = scenario.needs.iter().find(|feature| !self.features.contains(*feature));
        if let Some(feature) = missing {
            return Some(format!("{} does not claim the feature `{feature}`", self.name));
        }
        if let Some(edition) = held_to.edition.as_deref() {
            let followed = Edition::from_id(edition).and_then(|edition| rules::of(edition, &held_to.rules).ok());
            let follows = |rule: &String| followed.is_some_and(|followed| rules::follows(&followed, rule));
            if let Some(rule) = scenario.rules.iter().find(|rule| !follows(rule)) {
                return Some(format!("{} {} does not follow the rule `{rule}`", self.name, self.version));
            }
        }
        if scenario.breaks(Fault::DiskFull) && !self.data_volume {
            return Some(format!("the manifest of {} does not say where data lies (`data_volume`)", self.name));
        }
        self.authority_lacks(scenario).or_else(|| self.edition_lacks(scenario, held_to))
    }

    /// The fault that the agent's authority cannot suffer, as a reason.
    fn authority_lacks(&self, scenario: &Scenario) -> Option<String> {
        use Fault::*;
        if self.authority.by_etcd() {
            return None;
        }
        let awaits_a_standby = |step: &Step| matches!(step.when, Some(When::Server { is: ServerState::Standby, .. }));
        if self.authority.semantics != Leadership::Lease
            && scenario.breaks(DcsDown)
            && scenario.steps.iter().any(awaits_a_standby)
        {
            return Some(format!(
                "`dcs-down` ends only a lease, and the leader of a cluster of {} has none",
                self.name
            ));
        }
        scenario.steps.iter().find_map(|step| {
            let (name, of_etcd) = match step.action {
                Action::Fault(fault @ LeaseLost) => (fault.id(), true),
                Action::Fault(fault @ (RequestsLost | RepliesLost | DcsReached | DcsDown | DcsUp)) => {
                    (fault.id(), false)
                }
                Action::Disturbance(one @ (Disturbance::EtcdLeaderMoved | Disturbance::EtcdCompacted)) => {
                    (one.id(), true)
                }
                Action::Disturbance(one @ (Disturbance::LinkSlowed | Disturbance::LinkRestored)) => (one.id(), false),
                _ => return None,
            };
            let of_etcd = of_etcd || step.how.outage == Some(Outage::QuorumLoss);
            match (of_etcd, self.authority.service) {
                (true, _) => Some(format!("`{name}` happens to etcd, and {} has none", self.name)),
                (false, false) => Some(format!("`{name}` hits an authority, and {} has none", self.name)),
                (false, true) => None,
            }
        })
    }

    /// The situation that an agent without an edition does not come into, or the setting that does not reach it, as a
    /// reason.
    fn edition_lacks(&self, scenario: &Scenario, held_to: &Spec) -> Option<String> {
        if held_to.edition.is_some() {
            return None;
        }
        let settings = &scenario.settings;
        if settings.synchronous_mode && !self.features.contains(features::SYNCHRONOUS) {
            return Some(format!("{} does not claim the feature `{}`", self.name, features::SYNCHRONOUS));
        }
        let unusual = [
            ("synchronous_mode", settings.synchronous_mode),
            ("check_timeline", settings.check_timeline),
            ("use_pg_rewind", !settings.use_pg_rewind),
            ("remove_data_directory_on_diverged_timelines", settings.remove_data_directory_on_diverged_timelines),
            ("restart_after_crash", !settings.restart_after_crash),
            ("primary_start_timeout", settings.primary_start_timeout_s == 0),
        ];
        if let Some((name, _)) = unusual.iter().find(|(name, is)| *is && !self.variables.contains(*name)) {
            return Some(format!("`{name}` does not reach {}: its manifest uses no such variable", self.name));
        }
        scenario.steps.iter().find_map(|step| self.step_lacks(step))
    }

    fn step_lacks(&self, step: &Step) -> Option<String> {
        use Fault::{SingleUserFails, SingleUserHangs};
        let of_single_user = |process: Process| process == Process::SingleUser;
        let single_user = matches!(step.action, Action::Fault(SingleUserFails | SingleUserHangs))
            || matches!(&step.when, Some(When::Starts(one) | When::Ends(one)) if of_single_user(one.process));
        let why = match &step.when {
            _ if single_user => "is about crash recovery in single-user mode",
            Some(When::Takes { .. }) => "awaits a branch of recover()",
            Some(When::Says { .. }) => "awaits words that its manifest gives a name",
            _ => return None,
        };
        Some(format!("it {why}, and {} claims no edition of the specification", self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::Manifest;
    use crate::run::plan::Plan;

    /// The scenarios that an agent runs, and those that say nothing about it with the reason.
    fn sorted(agent: &str) -> (Vec<String>, Vec<(String, String)>) {
        let manifest = Manifest::load(agent).unwrap();
        let (claims, spec) = (Claims::of(&manifest).unwrap(), Plan::new(&manifest, Vec::new()).spec);
        let (mut run, mut none) = (Vec::new(), Vec::new());
        for scenario in Scenario::all().unwrap() {
            match claims.unsupported(&scenario, &spec) {
                Some(why) => none.push((scenario.id, why)),
                None => run.push(scenario.id),
            }
        }
        (run, none)
    }

    #[test]
    fn a_scenario_is_run_or_says_why_it_is_not() {
        for agent in ["patroni-debian", "shell", "pg_auto_failover", "repmgr"] {
            let (run, none) = sorted(agent);
            assert_eq!(run.len() + none.len(), Scenario::all().unwrap().len());
            assert!(run.contains(&"nodes-cut".to_owned()) && run.contains(&"orphan-writer".to_owned()), "{agent}");
            assert!(none.iter().all(|(_, why)| !why.is_empty()));
        }
        let why = |agent: &str, id: &str| sorted(agent).1.into_iter().find(|(one, _)| one == id).map(|(_, why)| why);
        assert_eq!(why("shell", "leader-lease-lost"), None);
        let lease = why("pg_auto_failover", "leader-lease-lost").unwrap();
        assert_eq!(lease, "`lease-lost` happens to etcd, and pg_auto_failover has none");
        assert_eq!(why("pg_auto_failover", "leader-cut-from-dcs"), None);
        let down = why("pg_auto_failover", "dcs-down-stop").unwrap();
        assert_eq!(down, "`dcs-down` ends only a lease, and the leader of a cluster of pg_auto_failover has none");
        let cut = why("repmgr", "leader-cut-from-dcs").unwrap();
        assert_eq!(cut, "`requests-lost` hits an authority, and repmgr has none");
    }
}
