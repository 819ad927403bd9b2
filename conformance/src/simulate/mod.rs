//! Simulated histories: random behaviours of the model, recorded as if a lab had watched them.
//!
//! The judge must accept those of an edition, and refuse those of a mutant that show a broken rule.

mod scribe;

use std::collections::BTreeSet;

use pghaspec_model::belief::{Behaviour, Belief, Channels, Choices, Difference, Limits, Start};
use pghaspec_model::cluster::{Action, Budget, Cluster, Grain, NodeId, Settings, StartTimeouts, State, WalDetail};
use pghaspec_model::vocabulary::event::{
    Event, KeyChange, Kind, Leadership, Mechanism, Phase, Run, ServerState, Source, Watchdog,
};
use pghaspec_model::vocabulary::property::Property;

use scribe::{Scribe, name, server, watchdogs};

use crate::judge::model::query::with_unknown_memory;

/// Nanoseconds before and after a behaviour in which nothing happens.
const MARGIN: u64 = 1_000_000_000;

/// The greatest width of an interval on either side, in nanoseconds: an eighth of the longest pause between two steps.
const BLUR: u64 = 40_000_000;

/// These settings as far as an outsider can tell them, which is how the judge asks the model: clients write all the
/// time, nobody counts records or faults, and what takes time in a real cluster is a step of its own.
pub fn outside(settings: Settings) -> Settings {
    let unlimited = |budget: u8| if budget > 0 { Budget::UNLIMITED } else { 0 };
    let budget = Budget {
        process: unlimited(settings.budget.process),
        task: unlimited(settings.budget.task),
        network: unlimited(settings.budget.network),
        ..Budget::NONE
    };
    Settings { wal: WalDetail::Timelines, grain: Grain::Observable, as_observed: true, budget, ..settings }
}

/// The outcome of the search for a history that tells a mutant from the honest rules.
pub enum Distinction {
    /// A history in which this many steps lead to something that no honest agent shows.
    By {
        /// Number of steps of the shortest such behaviour.
        steps: usize,
        /// That behaviour, and the steps after it.
        history: Vec<Event>,
    },
    /// There is none: all that the mutant does was explored, so many pairs of its states and what can be known of them.
    Never(usize),
    /// Not known: so many pairs were explored, and there are more.
    Unknown(usize),
}

/// The random behaviours of one model.
pub struct Simulation {
    zero: Option<Cluster>,
    positive: Option<Cluster>,
    settings: Settings,
    /// No step breaks a safety property.
    keeps_properties: bool,
}

/// A random behaviour as it was recorded.
pub struct Simulated {
    /// The recording.
    pub history: Vec<Event>,
    /// The number of steps that were taken. Fewer than were asked for, if no further step was possible.
    pub steps: usize,
    /// The safety properties that it breaks.
    pub broken: BTreeSet<Property>,
}

impl Simulation {
    /// The behaviours of a model with these settings, as far as an outsider can tell them.
    ///
    /// Without a mutant they are the honest ones: of the steps that the rules of an edition allow, no step is taken
    /// that breaks a safety property, which every edition does where enough goes wrong.
    pub fn new(settings: Settings) -> Self {
        let keeps_properties = settings.mutant.is_none();
        let settings = outside(settings);
        let with = |start_timeouts| Cluster::new(Settings { start_timeouts, ..settings.clone() });
        Simulation {
            zero: (settings.start_timeouts != StartTimeouts::Positive).then(|| with(StartTimeouts::Zero)),
            positive: (settings.start_timeouts != StartTimeouts::Zero).then(|| with(StartTimeouts::Positive)),
            settings,
            keeps_properties,
        }
    }

    /// The same with all steps that the rules allow, also those that break a safety property.
    pub fn with_breaches(self) -> Self {
        Simulation { keeps_properties: false, ..self }
    }

    /// The history of this seed. With equal settings and steps it is always the same.
    pub fn history(&self, seed: u64, steps: usize) -> Vec<Event> {
        self.walk(seed, steps).history
    }

    /// The behaviour of this seed. With equal settings and steps it is always the same.
    pub fn walk(&self, seed: u64, steps: usize) -> Simulated {
        let mut choices = Choices::new(seed);
        let zero = match (&self.zero, &self.positive) {
            (Some(_), Some(_)) => choices.once_in(2),
            (zero, _) => zero.is_some(),
        };
        let cluster = if zero { &self.zero } else { &self.positive };
        let cluster = cluster.as_ref().expect("a simulation has a start timeout");
        let leader = choices.below(u64::from(self.settings.nodes)) as NodeId;
        let timeline = 1 + choices.below(3) as u8;
        let init = cluster.healthy(leader, timeline, zero);
        let may = |before: &State, action, after: &State| {
            !self.keeps_properties || broken(cluster, before, action, after).is_empty()
        };
        let behaviour = Behaviour::random(cluster, init, &mut choices, steps, 2 * MARGIN, BLUR, may);
        let steps = behaviour.steps.len();
        let mut before = &behaviour.init;
        let mut breaches = BTreeSet::new();
        for (action, after) in &behaviour.steps {
            breaches.extend(broken(cluster, before, *action, after));
            before = after;
        }
        Simulated {
            history: self.written(&behaviour, self.run(seed, steps, zero), leader, timeline),
            steps,
            broken: breaches,
        }
    }

    /// The recording of a behaviour that began with this leader on this timeline.
    fn written(&self, behaviour: &Behaviour, run: Run, leader: NodeId, timeline: u8) -> Vec<Event> {
        let mut scribe = Scribe::new(self.settings.nodes, leader);
        scribe.write(0, None, Source::Harness, Kind::Run(Box::new(run)));
        scribe.phase(0, Phase::Bootstrap);
        let key = Kind::LeaderKey { change: KeyChange::Created, holder: Some(name(leader)), revision: 1, lease: 1 };
        scribe.write(1, None, Source::Etcd, key);
        for id in 0..self.settings.nodes {
            let primary = id == leader && !self.settings.standby_cluster;
            let state = if primary { ServerState::Primary } else { ServerState::Standby };
            scribe.write(2, Some(id), Source::Postgres, server(state, Some(u32::from(timeline))));
        }
        if behaviour.init.nodes[usize::from(leader)].watchdog {
            scribe.watchdog(2, leader, Watchdog::Armed);
        }
        scribe.phase(MARGIN, Phase::Ready);
        scribe.phase(MARGIN + 1, Phase::Fault);
        let mut observations = behaviour.observations.clone();
        observations.sort_by_key(|seen| (seen.at[1], seen.seq));
        let mut watchdogs = watchdogs(behaviour).into_iter().peekable();
        for observation in &observations {
            while let Some((at, id, change)) = watchdogs.next_if(|(at, ..)| *at <= observation.at[1]) {
                scribe.watchdog(at, id, change);
            }
            scribe.observe(observation, behaviour.shown_by(observation));
        }
        for (index, phase) in [Phase::Heal, Phase::Settled, Phase::ReadBack, Phase::End].into_iter().enumerate() {
            scribe.phase(behaviour.end + MARGIN + index as u64, phase);
        }
        scribe.events
    }

    /// Searches for a history that tells the mutant in `settings` from the honest rules: it begins with a shortest
    /// behaviour that no honest agent has, and goes on with `more` random steps.
    ///
    /// `honest` is a model of [`Simulation::honest`]; `settings` limits the faults, and `most` the pairs that are
    /// explored.
    pub fn told_apart(honest: &mut Belief, settings: &Settings, most: usize, more: usize, seed: u64) -> Distinction {
        let zero = honest.cluster().settings.start_timeouts == StartTimeouts::Zero;
        let start_timeouts = honest.cluster().settings.start_timeouts;
        let budget = Budget { commits: 0, operator: 0, ..settings.budget };
        let simulation = Simulation::new(Settings { start_timeouts, ..settings.clone() });
        let cluster = Cluster::new(Settings { budget, start_timeouts, ..outside(settings.clone()) });
        let states = with_unknown_memory(honest.cluster(), honest.cluster().healthy(0, 1, zero));
        let start = Start { states, timeline: 1, blind: Channels::NONE };
        let init = cluster.healthy(0, 1, zero);
        match honest.difference(&start, &cluster, init, most) {
            Difference::Shown(steps) => {
                let mut behaviour = Behaviour::along(&cluster, init, &steps, 2 * MARGIN);
                if more > 0 {
                    behaviour.go_on(&cluster, &mut Choices::new(seed), more, 0, |_, _, _| true);
                }
                let run = simulation.run(seed, behaviour.steps.len(), zero);
                Distinction::By { steps: steps.len(), history: simulation.written(&behaviour, run, 0, 1) }
            }
            Difference::None(pairs) => Distinction::Never(pairs),
            Difference::Limit(pairs) => Distinction::Unknown(pairs),
        }
    }

    /// The model of the honest rules with these settings as far as an outsider can tell them, with a start timeout of
    /// zero or not.
    pub fn honest(settings: &Settings, zero: bool) -> Belief {
        let start_timeouts = if zero { StartTimeouts::Zero } else { StartTimeouts::Positive };
        let settings = Settings { start_timeouts, mutant: None, ..outside(settings.clone()) };
        Belief::new(Cluster::new(settings), Limits::default())
    }

    fn run(&self, seed: u64, steps: usize, zero: bool) -> Run {
        let settings = &self.settings;
        let agent = match settings.mutant {
            Some(mutant) => format!("model with {}", mutant.id()),
            None => "model".to_owned(),
        };
        Run {
            run: format!("simulated-{seed}"),
            scenario: format!("simulated, {steps} steps"),
            agent,
            version: settings.edition.id().to_owned(),
            edition: Some(settings.edition.id().to_owned()),
            rules: Vec::new(),
            leadership: Leadership::Lease,
            claims: None,
            recovers_s: None,
            nodes: (0..settings.nodes).map(name).collect(),
            loop_wait_s: 10,
            ttl_s: 30,
            retry_timeout_s: 10,
            primary_start_timeout_s: if zero { 0 } else { 300 },
            configuration: settings.configuration(),
            process_observation: Mechanism::ProcConnector,
            observed: vec![
                Source::Harness,
                Source::Etcd,
                Source::Process,
                Source::Postgres,
                Source::AgentLog,
                Source::Watchdog,
            ],
        }
    }
}

/// The safety properties that a step breaks, or the state that it leads to.
pub fn broken(cluster: &Cluster, before: &State, action: Action, after: &State) -> Vec<Property> {
    let kept = |property: &Property| {
        !cluster.is_about(*property)
            || cluster.holds_in(*property, after) && cluster.holds_over(*property, before, action, after)
    };
    Property::ALL.into_iter().filter(|property| !kept(property)).collect()
}
