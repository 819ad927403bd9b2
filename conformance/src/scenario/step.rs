//! The steps of a scenario: an event that is awaited, then a fault that is made or ended, and its target.

use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::fault::Fault;
use schemars::JsonSchema;
use serde::Deserialize;

use super::catalogue::{self, Entry, Hits, is_trap};
use super::how::{Child, Direction, During, How, Key, Outage};
use super::when::{Target, When};
use super::words;
use crate::input::within;

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

/// A step: an event that is awaited, then a fault that is made or ended, and its target.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Step")]
pub(super) struct Written {
    /// The event that must be seen before, since the step before was begun; without it, at once.
    when: Option<When>,
    /// A fault to make or to end (`pghaspec list faults`).
    #[serde(default)]
    #[schemars(schema_with = "words::fault")]
    fault: Option<Fault>,
    /// A benign fault to make or to end: it must change nothing.
    #[serde(default)]
    #[schemars(schema_with = "words::disturbance")]
    disturbance: Option<Disturbance>,
    /// A trap to take away that a step before laid with `every = true`.
    #[serde(default)]
    #[schemars(schema_with = "words::fault")]
    lift: Option<Fault>,
    /// The nodes, or what else is hit.
    target: Option<Target>,
    /// A trap strikes every time, until it is lifted or the run heals; else once.
    #[serde(default)]
    every: bool,
    /// A trap strikes in the midst of this.
    during: Option<During>,
    /// The way in which the DCS goes down.
    outage: Option<Outage>,
    /// The process that crashes.
    process: Option<Child>,
    /// The packets that are lost, seen from the target.
    direction: Option<Direction>,
    /// Seconds that an orphan goes on committing.
    #[schemars(range(min = 1, max = 600), example = 30)]
    lasts_s: Option<u32>,
    /// The orphan is stopped until `orphans-continued`.
    #[serde(default)]
    stopped: bool,
    /// Milliseconds that each direction takes longer.
    #[schemars(range(min = 1, max = 60_000), example = 100)]
    delay_ms: Option<u32>,
    /// Seconds that the clock jumps, ahead or back.
    #[schemars(range(min = -86_400, max = 86_400), example = 3600)]
    skew_s: Option<i32>,
}

/// The key of a step that is wrong, empty for the step itself, the problem, and its remedy.
pub(super) type Trouble = (&'static str, String, String);

fn no<T>(key: &'static str, problem: impl Into<String>, help: impl Into<String>) -> Result<T, Trouble> {
    Err((key, problem.into(), help.into()))
}

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
                return no("", "a step does one thing", help);
            }
        };
        let target = match (target, action) {
            (Some(target), _) => target,
            (None, Action::Await) => Target::All,
            (None, _) => {
                return no("target", "nobody is named whom it hits", "say `target = \"leader\"`, or another one");
            }
        };
        let step = Step { when, action, target, how };
        step.check(before)?;
        Ok(step)
    }
}

impl Step {
    fn check(&self, before: &[Step]) -> Result<(), Trouble> {
        let awaits = self.when.as_ref().and_then(When::at);
        if before.is_empty() {
            for (key, at) in [("target", Some(self.target)), ("when", awaits)] {
                if at.is_some_and(Target::refers_to_the_first_hit) {
                    return no(key, "nobody was hit before the first step", "name `leader`, `standby` or `standbys`");
                }
            }
        }
        if let Some(When::Says { name, .. }) = &self.when
            && name.trim().is_empty()
        {
            return no("when", "the name of what is said is empty", "write a name of the manifest's `says`");
        }
        let entry = match self.action {
            Action::Fault(fault) => Some(
                catalogue::of_fault(fault).map_err(|reason| ("fault", reason.why.into(), reason.instead.to_owned()))?,
            ),
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
        no("target", format!("{} cannot be done to that target", self.name()), help)
    }

    /// Checks that what a step ends has begun in a step before.
    fn check_before(&self, before: &[Step]) -> Result<(), Trouble> {
        match self.action {
            Action::Disturbance(Disturbance::OrphansContinued) if !before.iter().any(|step| step.how.stopped) => {
                let help = "let a step before leave orphans with `stopped = true`";
                return no("disturbance", "no orphan was stopped that could go on", help);
            }
            Action::Lift(fault) if !before.iter().any(|step| step.action == Action::Fault(fault) && step.how.every) => {
                let help = "lift what a step before laid with `every = true`";
                return no("lift", format!("no trap for {} strikes every time", fault.id()), help);
            }
            Action::Fault(_) | Action::Disturbance(_) | Action::Lift(_) | Action::Await => {}
        }
        let Some((key, beginnings)) = self.ends() else { return Ok(()) };
        if before.iter().any(|step| beginnings.contains(&step.action)) {
            return Ok(());
        }
        let names: Vec<String> = beginnings.iter().map(|action| format!("`{}`", action.name())).collect();
        let problem = format!("{} ends nothing: no step before begins it", self.name());
        no(key, problem, format!("let a step before have {}", names.join(" or ")))
    }

    /// The key of the action that ends another one, and the actions of which a step before must have one.
    fn ends(&self) -> Option<(&'static str, Vec<Action>)> {
        use Disturbance::{ClockRestored, ClockSkewed, LinkRestored, LinkSlowed};
        use Fault::*;
        let faults = |all: &[Fault]| Some(("fault", all.iter().map(|fault| Action::Fault(*fault)).collect()));
        let disturbance = |one: Disturbance| Some(("disturbance", vec![Action::Disturbance(one)]));
        match self.action {
            Action::Fault(AgentThawed) => faults(&[AgentFrozen]),
            Action::Fault(AgentRestarted) => faults(&[AgentKilled, NodeKilled]),
            Action::Fault(DiskFreed) => faults(&[DiskFull]),
            Action::Fault(DcsReached) => faults(&[RequestsLost, RepliesLost]),
            Action::Fault(NodesJoined) => faults(&[NodesCut]),
            Action::Fault(DcsUp) => faults(&[DcsDown]),
            Action::Disturbance(LinkRestored) => disturbance(LinkSlowed),
            Action::Disturbance(ClockRestored) => disturbance(ClockSkewed),
            _ => None,
        }
    }

    fn check_particulars(&self, entry: Option<Entry>) -> Result<(), Trouble> {
        let Entry { takes, needs, .. } = entry.unwrap_or(Entry::NOTHING);
        let given = self.how.given();
        let fits = |key: &Key| takes.contains(key) && (*key != Key::Every || self.lies_in_wait());
        if let Some(key) = given.iter().find(|key| !fits(key)) {
            return no(key.id(), format!("`{}` says nothing about {}", key.id(), self.name()), "leave it out");
        }
        if let Some(key) = needs.iter().find(|key| !given.contains(key)) {
            let help = format!("say how much, such as `{} = 100`", key.id());
            return no(key.id(), format!("{} wants `{}`", self.name(), key.id()), help);
        }
        let How { lasts_s, delay_ms, skew_s, .. } = self.how;
        let wide = |key, value: i64, from: i64, to: i64, why: &str| {
            within(value, from, to, why).map(drop).or_else(|(problem, help)| no(key, problem, help))
        };
        wide("lasts_s", lasts_s.map_or(1, i64::from), 1, 600, "an orphan commits for seconds, ten minutes at most")?;
        wide(
            "delay_ms",
            delay_ms.map_or(1, i64::from),
            1,
            60_000,
            "packets are held for milliseconds, a minute at most",
        )?;
        wide("skew_s", skew_s.map_or(1, i64::from), -86_400, 86_400, "clocks jump by seconds, a day at most")?;
        match skew_s {
            Some(0) => no("skew_s", "a jump by 0 is none", "write seconds, ahead or back"),
            _ => Ok(()),
        }
    }

    /// Says whether the step lays a trap.
    fn lies_in_wait(&self) -> bool {
        match self.action {
            Action::Fault(fault) => is_trap(fault, &self.how),
            Action::Disturbance(_) | Action::Lift(_) | Action::Await => false,
        }
    }

    /// Says whether it is about a node beside the one that leads or was hit first.
    pub(super) fn names_another_node(&self) -> bool {
        let another = |target: Target| {
            use Target::*;
            matches!(target, Standby | Standbys | Other | Others | NewLeader)
        };
        let elsewhere = matches!(self.when, Some(When::LeaderElsewhere | When::WriteElsewhere | When::LedElsewhere));
        another(self.target) || elsewhere || self.when.as_ref().and_then(When::at).is_some_and(another)
    }

    /// Name of the action.
    pub fn name(&self) -> &'static str {
        self.action.name()
    }
}
