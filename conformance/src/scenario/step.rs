//! The steps of a scenario: an event that is awaited, then a fault that is made or ended, and its target.

use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::fault::Fault;
use serde::Deserialize;

use super::catalogue::{self, Entry, Hits, is_trap};
use super::how::{Child, Direction, During, How, Key, Outage};
use super::when::{Target, When};

/// One step. Steps follow one another: the next is begun when this one has taken effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The event that must be seen before, since the step before was begun; without one it is time at once.
    pub when: Option<When>,
    /// The action that is taken then.
    pub action: Action,
    /// The nodes, or what else is hit.
    pub target: Target,
    /// The particulars.
    pub how: How,
}

/// The action of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A fault, or its end. A trap ([`is_trap`]) strikes later: when the process starts that it lies in wait for.
    Fault(Fault),
    /// A benign fault, which must change nothing, or its end.
    Disturbance(Disturbance),
    /// A trap that strikes every time is taken away.
    Lift(Fault),
    /// Nothing: only the event is awaited, before what follows or before the faults are ended.
    Await,
}

impl Action {
    /// Its name, that of what is made or ended.
    pub fn name(self) -> &'static str {
        match self {
            Action::Fault(fault) | Action::Lift(fault) => fault.id(),
            Action::Disturbance(disturbance) => disturbance.id(),
            Action::Await => "await",
        }
    }
}

/// The step as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    when: Option<When>,
    fault: Option<Fault>,
    disturbance: Option<Disturbance>,
    lift: Option<Fault>,
    target: Option<Target>,
    #[serde(default)]
    every: bool,
    during: Option<During>,
    outage: Option<Outage>,
    process: Option<Child>,
    direction: Option<Direction>,
    lasts_s: Option<u32>,
    #[serde(default)]
    stopped: bool,
    delay_ms: Option<u32>,
    skew_s: Option<i32>,
}

/// The problem of a step, and its remedy.
type Trouble = (String, &'static str);

impl Written {
    /// The step that is meant.
    ///
    /// # Errors
    /// The problem of the step, and its remedy.
    pub(super) fn checked(self, before: &[Step]) -> Result<Step, Trouble> {
        let Written {
            when, target, every, during, outage, process, direction, lasts_s, stopped, delay_ms, skew_s, ..
        } = self;
        let how = How { every, during, outage, process, direction, lasts_s, stopped, delay_ms, skew_s };
        let action = match (self.fault, self.disturbance, self.lift) {
            (Some(fault), None, None) => Action::Fault(fault),
            (None, Some(disturbance), None) => Action::Disturbance(disturbance),
            (None, None, Some(fault)) => Action::Lift(fault),
            (None, None, None) if when.is_some() && target.is_none() => Action::Await,
            _ => {
                let help = "say one of `fault`, `disturbance` and `lift`, or only `when`";
                return Err(("a step does one thing".into(), help));
            }
        };
        let target = match (target, action) {
            (Some(target), _) => target,
            (None, Action::Await) => Target::All,
            (None, _) => return Err(("nobody is named whom it hits".into(), "say `target`")),
        };
        let step = Step { when, action, target, how };
        step.check(before)?;
        Ok(step)
    }
}

impl Step {
    fn check(&self, before: &[Step]) -> Result<(), Trouble> {
        let awaits = self.when.as_ref().and_then(When::at);
        if before.is_empty() && [Some(self.target), awaits].into_iter().flatten().any(Target::refers_to_the_first_hit) {
            return Err(("nobody was hit before the first step".into(), "name `leader`, `standby` or `standbys`"));
        }
        let entry = match self.action {
            Action::Fault(fault) => {
                Some(catalogue::of_fault(fault).map_err(|reason| (reason.why.into(), reason.instead))?)
            }
            Action::Disturbance(disturbance) => Some(catalogue::of_disturbance(disturbance)),
            Action::Lift(_) | Action::Await => None,
        };
        self.check_target(entry.map_or(Hits::Nodes, |entry| entry.hits))?;
        self.check_before(before)?;
        self.check_particulars(entry)
    }

    fn check_target(&self, hits: Hits) -> Result<(), Trouble> {
        if hits == self.target.hits() {
            return Ok(());
        }
        let help = match hits == Hits::Dcs || self.target.hits() == Hits::Dcs {
            true => "what is done to the DCS has the target `etcd`, all else has another one",
            false => "`remote-failover` has the target `remote`, and all else another one",
        };
        Err((format!("{} cannot be done to that target", self.name()), help))
    }

    /// Checks that what a step ends has begun in a step before.
    fn check_before(&self, before: &[Step]) -> Result<(), Trouble> {
        match self.action {
            Action::Disturbance(Disturbance::OrphansContinued) if !before.iter().any(|step| step.how.stopped) => {
                let help = "let a step before leave orphans with `stopped = true`";
                Err(("no orphan was stopped that could go on".into(), help))
            }
            Action::Lift(fault) if !before.iter().any(|step| step.action == Action::Fault(fault) && step.how.every) => {
                let help = "lift what a step before laid with `every = true`";
                Err((format!("no trap for {} strikes every time", fault.id()), help))
            }
            Action::Fault(_) | Action::Disturbance(_) | Action::Lift(_) | Action::Await => Ok(()),
        }
    }

    fn check_particulars(&self, entry: Option<Entry>) -> Result<(), Trouble> {
        let Entry { takes, needs, .. } = entry.unwrap_or(Entry::NOTHING);
        let given = self.how.given();
        let fits = |key: &Key| takes.contains(key) && (*key != Key::Every || self.lies_in_wait());
        if let Some(key) = given.iter().find(|key| !fits(key)) {
            return Err((format!("`{}` says nothing about {}", key.id(), self.name()), "leave it out"));
        }
        if let Some(key) = needs.iter().find(|key| !given.contains(key)) {
            return Err((format!("{} wants `{}`", self.name(), key.id()), "say how much"));
        }
        Ok(())
    }

    /// Says whether the step lays a trap.
    fn lies_in_wait(&self) -> bool {
        match self.action {
            Action::Fault(fault) => is_trap(fault, &self.how),
            Action::Disturbance(_) | Action::Lift(_) | Action::Await => false,
        }
    }

    /// Name of the action.
    pub fn name(&self) -> &'static str {
        self.action.name()
    }
}
