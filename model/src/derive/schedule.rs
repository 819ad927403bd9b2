//! The faults of a behaviour, each with what an outside observer sees before it.

use crate::cluster::sight::Sight;
use crate::cluster::{Action, Cluster, Names, State};
use crate::vocabulary::event::Configuration;
use crate::vocabulary::fault::{Class, Fault};

use super::few_faults::hits_in_cycle;
use super::goal::{Hit, StateClass};

/// How to lead a cluster somewhere: the skeleton of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The rules by which it leads there.
    pub edition: &'static str,
    /// The one of them that has to be broken for it.
    pub mutant: Option<&'static str>,
    /// Number of nodes; `n1` leads when it begins.
    pub nodes: u8,
    /// `primary_start_timeout` is zero.
    pub start_timeout_is_zero: bool,
    /// How the cluster is configured.
    pub configuration: Configuration,
    /// The faults, in their order.
    pub steps: Vec<Step>,
    /// What is seen after the last one, until it has led there.
    pub then: Vec<String>,
    /// Steps of the model.
    pub length: usize,
}

/// One fault of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which one.
    pub fault: Fault,
    /// The node that it hits, `n1` or `n2`; nobody if it hits all of them.
    pub node: Option<String>,
    /// What that node is then: `leader` or `member`; or `cluster`.
    pub target: &'static str,
    /// Which process uses its data directory then: `primary`, `standby`, `starting`, `single-user`, `rewinding`, `copying`, `down`.
    pub class: &'static str,
    /// What has been seen last, since the fault before; nothing if the fault comes at once.
    pub when: Option<String>,
    /// The same, to be told apart by programs.
    pub sight: Option<Sight>,
    /// It has to hit an agent in the middle of a cycle: no such moment can be chosen from outside.
    pub in_cycle: bool,
}

impl Schedule {
    /// The faults of a behaviour.
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
                // What is the fault's own effect is no moment to wait for.
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

    /// Its faults, ends of faults not counted.
    pub fn faults(&self) -> usize {
        self.steps.iter().filter(|step| step.fault.class() != Class::Free).count()
    }

    /// Every moment of it can be chosen from outside.
    pub fn is_controllable(&self) -> bool {
        self.steps.iter().all(|step| !step.in_cycle)
    }
}
