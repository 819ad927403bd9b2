//! The definition of a check: name, sentence, observers, agents, runs, and the functions that judge.
//!
//! A definition stands beside the functions of its check, and the registry lists them all. Command line, documentation
//! and the files that name checks read the same definitions.

use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::event::{Leadership, Run, Source, WITH_CONTROL};
use pghaspec_model::vocabulary::property::Property;

use crate::history::History;
use crate::history::parts::{Carry, Recording};
use crate::judge::facts::deaths::Death;
use crate::judge::facts::ledger::Ledger;
use crate::judge::model::query::Query;
use crate::judge::verdict::{Check, Verdict};
use crate::scenario::Expect;

/// A check that the judge makes.
pub struct Definition {
    /// Its name and its sentence.
    pub name: Name,
    /// The observers by whose events it judges; [`Definition::unobserved`] is the outcome where they do not tell
    /// everything.
    pub needs: &'static [Source],
    /// The agents that it can judge.
    pub agents: Agents,
    /// The runs that it applies to.
    pub applies: Applies,
    /// The cases in which it is inconclusive, but for missing observers and gaps, as a clause that follows
    /// "inconclusive where".
    pub inconclusive: &'static str,
    /// The events that it needs from earlier parts of a long history.
    pub carries: &'static [&'static Carry],
    /// The functions that judge.
    pub asked: Asked,
}

/// The name of a check.
pub enum Name {
    /// It holds a run to a property of the specification, and is named after it.
    Property(Property),
    /// It has a name of its own.
    Own {
        /// The stable name, as in reports and files.
        id: &'static str,
        /// One sentence on what holds if it passes.
        says: &'static str,
    },
}

/// The agents that a check can judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agents {
    /// Any agent.
    Any,
    /// Agents with an authority.
    Authority,
    /// Agents whose leader has a lease.
    Lease,
    /// Agents that claim this feature, or an edition, which promises it.
    Claims(&'static str),
    /// Agents that log which branch of `recover()` they take.
    SaysBranches,
    /// Agents that claim an edition of the specification.
    Edition,
}

/// The runs that a check applies to.
pub enum Applies {
    /// All runs.
    Always,
    /// Clusters that follow no primary elsewhere.
    Writable,
    /// Standby clusters.
    StandbyCluster,
    /// Writable clusters in synchronous mode.
    Synchronous,
    /// Writable clusters in asynchronous mode.
    Asynchronous,
    /// Writable clusters in which a watchdog is required.
    WatchdogRequired,
    /// Histories whose format tells the control files.
    ControlFiles,
    /// Scenarios that demand it.
    Demanded {
        /// The key in the scenario.
        key: &'static str,
        /// The scenario has it.
        by: fn(&Expect) -> bool,
    },
    /// Histories whose scenario is not known.
    UnknownScenario,
    /// No history: the check is about the run as a whole, and its result comes from the run's folder.
    RunFolder,
}

/// The functions that judge.
pub enum Asked {
    /// Asked of each part of a history: nothing that must never happen did. The worst part counts.
    EachPart(fn(&History) -> Check),
    /// Asked when all parts were read.
    AtTheEnd(fn(&End) -> Check),
    /// Asked of each part, and at the end, where there may be nothing to add; the worst counts.
    Both(fn(&History) -> Check, fn(&End) -> Option<Check>),
    /// Not asked of events.
    OfTheFolder,
}

/// All that is known of a history when its last part was read.
pub struct End<'e> {
    /// The last part, with what was carried on from all others.
    pub last: &'e History,
    /// The edition that the agent is held to.
    pub edition: Edition,
    /// The scenario's demands on an agent with these rules, if the scenario is known.
    pub expect: Option<&'e Expect>,
    /// The clients' writes and what became of them; the error says why too little is known.
    pub ledger: &'e Result<Ledger<'e>, String>,
    /// The history as the model's observations; the error says why the model cannot be asked.
    pub query: &'e Result<Query, String>,
    /// The whole recording.
    pub recording: &'e Recording<'e>,
    /// Deaths that no fault of the scenario caused.
    pub deaths: &'e [Death],
}

impl Definition {
    /// The stable name, as in reports and files.
    pub fn id(&self) -> &'static str {
        match self.name {
            Name::Property(property) => property.id(),
            Name::Own { id, .. } => id,
        }
    }

    /// One sentence on what holds if it passes.
    pub fn says(&self) -> &'static str {
        match self.name {
            Name::Property(property) => property.describe(),
            Name::Own { says, .. } => says,
        }
    }

    /// An outcome of this check.
    pub fn came_out(&self, verdict: Verdict, why: impl Into<String>) -> Check {
        Check::new(self.id(), verdict, why)
    }

    /// It came out right.
    pub fn pass(&self, why: impl Into<String>) -> Check {
        self.came_out(Verdict::Pass, why)
    }

    /// The agent did wrong.
    pub fn fail(&self, why: impl Into<String>) -> Check {
        self.came_out(Verdict::Fail, why)
    }

    /// It was not observed well enough.
    pub fn inconclusive(&self, why: impl Into<String>) -> Check {
        self.came_out(Verdict::Inconclusive, why)
    }

    /// Inconclusive, if the observers that it needs do not tell all that happened since the cluster got ready.
    pub fn unobserved(&self, history: &History) -> Option<Check> {
        history.unobserved(self.needs).map(|why| self.inconclusive(why))
    }
}

impl Agents {
    /// A noun phrase, as in the documentation.
    pub fn text(self) -> String {
        match self {
            Agents::Any => "any agent".into(),
            Agents::Authority => "agents with an authority, which tells who leads".into(),
            Agents::Lease => "agents whose leader has a lease".into(),
            Agents::Claims(feature) => format!("agents that claim `{feature}`, or an edition of the specification"),
            Agents::SaysBranches => "agents that log which branch of recover() they take".into(),
            Agents::Edition => "agents that claim an edition of the specification".into(),
        }
    }

    /// The reason why it says nothing about the agent of this run, if there is one.
    pub fn unsupported(self, run: &Run) -> Option<String> {
        let (agent, claims_none) = (&run.agent, run.edition.is_none());
        match self {
            Agents::Any => None,
            Agents::Authority => {
                (run.leadership == Leadership::None).then(|| format!("nobody tells who leads in a cluster of {agent}"))
            }
            Agents::Lease => (run.leadership != Leadership::Lease)
                .then(|| format!("the leader of a cluster of {agent} has no lease")),
            Agents::Claims(feature) => lacks(run, feature),
            Agents::SaysBranches | Agents::Edition => {
                claims_none.then(|| format!("{agent} claims no edition of the specification"))
            }
        }
    }
}

/// The reason why an agent is not held to a promise, if there is one.
pub fn lacks(run: &Run, feature: &str) -> Option<String> {
    let claims = run.claims.as_ref().filter(|_| run.edition.is_none())?;
    (!claims.iter().any(|claim| claim == feature)).then(|| format!("{} does not claim `{feature}`", run.agent))
}

impl Applies {
    /// The check applies to this history, or to a part of it. `expect` are the demands of its scenario, if that is
    /// known.
    pub fn to(&self, history: &History, expect: Option<&Expect>) -> bool {
        let configuration = &history.run.configuration;
        let writable = !configuration.standby_cluster;
        match self {
            Applies::Always => true,
            Applies::Writable => writable,
            Applies::StandbyCluster => configuration.standby_cluster,
            Applies::Synchronous => writable && configuration.synchronous_mode,
            Applies::Asynchronous => writable && !configuration.synchronous_mode,
            Applies::WatchdogRequired => writable && configuration.watchdog_required,
            Applies::ControlFiles => history.events.first().is_some_and(|event| event.v >= WITH_CONTROL),
            Applies::Demanded { by, .. } => expect.is_some_and(by),
            Applies::UnknownScenario => expect.is_none(),
            Applies::RunFolder => false,
        }
    }

    /// A noun phrase, as in the documentation.
    pub fn text(&self) -> String {
        match self {
            Applies::Always => "all runs".into(),
            Applies::Writable => "clusters that follow no primary elsewhere".into(),
            Applies::StandbyCluster => "standby clusters".into(),
            Applies::Synchronous => "clusters in synchronous mode".into(),
            Applies::Asynchronous => "clusters in asynchronous mode".into(),
            Applies::WatchdogRequired => "clusters in which a watchdog is required".into(),
            Applies::ControlFiles => format!("histories of format {WITH_CONTROL} or newer"),
            Applies::Demanded { key, .. } => format!("scenarios with `{key}` in [expect]"),
            Applies::UnknownScenario => "histories whose scenario is not known here".into(),
            Applies::RunFolder => "scenarios of a run".into(),
        }
    }
}
