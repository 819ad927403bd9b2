//! Schedules: the faults of a behaviour, each with what an outside observer sees before it.

use crate::cluster::sight::Sight;
use crate::cluster::{Action, Cluster, Names, State};
use crate::vocabulary::event::Configuration;
use crate::vocabulary::fault::{Class, Fault};

use super::few_faults::hits_in_cycle;
use super::goal::{Hit, StateClass};

/// A schedule that leads a cluster to a goal: the skeleton of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The id of the edition whose rules lead there.
    pub edition: &'static str,
    /// The id of the mutant, if a rule has to be broken.
    pub mutant: Option<&'static str>,
    /// The number of nodes; `n1` leads at the beginning.
    pub nodes: u8,
    /// `primary_start_timeout` is zero.
    pub start_timeout_is_zero: bool,
    /// The configuration of the cluster.
    pub configuration: Configuration,
    /// The faults, in order.
    pub steps: Vec<Step>,
    /// The sights after the last fault, until the goal is reached.
    pub then: Vec<String>,
    /// The number of steps of the model.
    pub length: usize,
}

/// One fault of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The fault.
    pub fault: Fault,
    /// The node that it hits, `n1` or `n2`; `None` if it hits all of them.
    pub node: Option<String>,
    /// The role of that node at that moment: `leader` or `member`; or `cluster`.
    pub target: &'static str,
    /// The process that uses its data directory at that moment: `primary`, `standby`, `starting`, `single-user`,
    /// `rewinding`, `copying`, `down`.
    pub class: &'static str,
    /// The last sight since the fault before; `None` if the fault follows at once.
    pub when: Option<String>,
    /// The same sight, for programs.
    pub sight: Option<Sight>,
    /// True if it has to hit an agent in the middle of a cycle: no such moment can be chosen from outside.
    pub in_cycle: bool,
}

impl Schedule {
    /// The schedule of a behaviour.
    pub fn of(cluster: &Cluster, init: &State, behaviour: &[(Action, State)]) -> Schedule {
        let settings = &cluster.settings;
        let names = Names::numbered();
        let mut steps = Vec::new();
        let mut seen: Vec<Sight> = Vec::new();
        let mut before = init;
        for (action, after) in behaviour {
            let mut sights = cluster.shows(before, *action, after);
            if let Action::Fault(fault, id) = *action
                && fault != Fault::LeaseExpires
            {
                let hit = Hit::of(before, fault, id);
                steps.push(Step {
                    fault,
                    node: (hit != Hit::Cluster).then(|| names.of(id).to_owned()),
                    target: hit.id(),
                    class: StateClass::of(before, fault, id).id(),
                    when: seen.last().map(|sight| sight.text(&names)),
                    sight: seen.last().copied(),
                    in_cycle: hits_in_cycle(cluster, before, fault, id),
                });
                // The fault's own effects are no moments to wait for.
                seen.clear();
                sights.clear();
            }
            seen.extend(sights);
            before = after;
        }
        Schedule {
            edition: settings.edition.id(),
            mutant: settings.mutant.map(|mutant| mutant.id()),
            nodes: settings.nodes,
            start_timeout_is_zero: init.start_timeout_is_zero,
            configuration: settings.configuration(),
            steps,
            then: seen.iter().map(|sight| sight.text(&names)).collect(),
            length: behaviour.len(),
        }
    }

    /// The number of faults, ends of faults not counted.
    pub fn faults(&self) -> usize {
        self.steps.iter().filter(|step| step.fault.class() != Class::Free).count()
    }

    /// True if every moment of it can be chosen from outside.
    pub fn is_controllable(&self) -> bool {
        self.steps.iter().all(|step| !step.in_cycle)
    }
}
