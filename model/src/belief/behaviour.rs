//! Random behaviours of the cluster model, as an observer records them.
//!
//! `pghaspec simulate` writes them, and tests of the judge are fed with them.

use crate::cluster::sight::Sight;
use crate::cluster::{Action, Cluster, NodeId, State};
use crate::vocabulary::event::ServerState;

use super::{Observation, Seen};

/// A stream of pseudo-random choices: SplitMix64, written out so that a seed means the same in every release.
#[derive(Clone, Debug)]
pub struct Choices(u64);

impl Choices {
    /// The stream of this seed.
    pub fn new(seed: u64) -> Self {
        Choices(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True once in `times` times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A behaviour, and what was recorded of it.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// The initial state.
    pub init: State,
    /// The steps, each with the state that it leads to.
    pub steps: Vec<(Action, State)>,
    /// The observations, sorted by the start of their intervals.
    pub observations: Vec<Observation>,
    /// The end of the behaviour in ns.
    pub end: u64,
    /// The moment of each step in ns.
    pub moments: Vec<u64>,
    /// For each observation, by its `seq`, the number of the step that showed it; `None` for a probe.
    shown_by: Vec<Option<usize>>,
}

const MILLISECOND: u64 = 1_000_000;

/// One step in this many is a fault, if other steps are possible.
const FAULTS: u64 = 10;

/// One step in this many is preceded by a probe of each node.
const PROBES: u64 = 7;

/// The highest timeline of a random behaviour: one less than the model can count to.
const TIMELINES: u8 = u8::MAX - 1;

impl Behaviour {
    /// A random behaviour of `steps` steps, from `begin` ns on, of those that `may` be taken.
    ///
    /// Steps are up to 300 ms apart. What they show is recorded with intervals that are up to `blur` ns wide on either
    /// side; with 50 ms the order of two events of different observers is sometimes open. The first probe of each node
    /// comes before the first step, the last one after the last step.
    ///
    /// No step is taken after which the nodes' WAL would differ by more promotions than a belief can follow. The
    /// behaviour is shorter than was asked for if it comes to a state from which no step may be taken.
    pub fn random(
        cluster: &Cluster,
        init: State,
        choices: &mut Choices,
        steps: usize,
        begin: u64,
        blur: u64,
        may: impl Fn(&State, Action, &State) -> bool,
    ) -> Self {
        let mut behaviour = Behaviour::begun(init, begin);
        behaviour.probe(cluster, choices, blur);
        behaviour.go_on(cluster, choices, steps, blur, may);
        behaviour
    }

    fn begun(init: State, begin: u64) -> Self {
        let (steps, observations) = (Vec::new(), Vec::new());
        Behaviour { init, steps, observations, end: begin, moments: Vec::new(), shown_by: Vec::new() }
    }

    /// A given behaviour, its steps 300 ms apart, from `begin` ns on. What a step shows is recorded at its exact
    /// moment, and each node is probed after it.
    pub fn along(cluster: &Cluster, init: State, steps: &[(Action, State)], begin: u64) -> Self {
        let mut choices = Choices::new(0);
        let mut behaviour = Behaviour::begun(init, begin);
        for (action, after) in steps {
            behaviour.end += 200 * MILLISECOND;
            let before = behaviour.last();
            for sight in cluster.shows(&before, *action, after) {
                behaviour.record(Seen::Change(sight), &mut choices, 0);
            }
            behaviour.steps.push((*action, *after));
            behaviour.moments.push(behaviour.end);
            behaviour.end += 100 * MILLISECOND;
            behaviour.probe(cluster, &mut choices, 0);
        }
        behaviour.end += MILLISECOND;
        behaviour
    }

    /// Adds `steps` random steps, as [`Behaviour::random`] makes them.
    pub fn go_on(
        &mut self,
        cluster: &Cluster,
        choices: &mut Choices,
        steps: usize,
        blur: u64,
        may: impl Fn(&State, Action, &State) -> bool,
    ) {
        for _ in 0..steps {
            let state = self.last();
            let (faults, others): (Vec<_>, Vec<_>) = cluster
                .steps(&state)
                .into_iter()
                .filter(|(action, after)| can_be_followed(after) && may(&state, *action, after))
                .partition(|(action, _)| matches!(action, Action::Fault(..)));
            // Work that was begun is continued more often than not: a cycle in which nothing is to be done is no news.
            let (begun, idle): (Vec<_>, Vec<_>) =
                others.iter().copied().partition(|(action, _)| !matches!(action, Action::Cycle(_)));
            let others = if begun.is_empty() || idle.is_empty() || choices.once_in(2) { others } else { begun };
            let among = match (faults.is_empty(), others.is_empty()) {
                (true, true) => break,
                (false, false) if choices.once_in(FAULTS) => faults,
                (false, true) => faults,
                _ => others,
            };
            if choices.once_in(PROBES) {
                self.probe(cluster, choices, blur);
            }
            let (action, after) = among[choices.below(among.len() as u64) as usize];
            self.end += choices.below(300 * MILLISECOND);
            for sight in cluster.shows(&state, action, &after) {
                self.record(Seen::Change(sight), choices, blur);
            }
            self.steps.push((action, after));
            self.moments.push(self.end);
        }
        self.end += 2 * blur + MILLISECOND;
        self.probe(cluster, choices, blur);
        self.end += 2 * blur + MILLISECOND;
        self.observations.sort_by_key(|seen| (seen.at[0], seen.seq));
    }

    /// The current state.
    pub fn last(&self) -> State {
        self.steps.last().map_or(self.init, |(_, state)| *state)
    }

    /// The step that showed an observation: the state before, the action, and the state after it. `None` for a probe.
    pub fn shown_by(&self, observation: &Observation) -> Option<(State, Action, State)> {
        let number = (*self.shown_by.get(observation.seq as usize)?)?;
        let before = number.checked_sub(1).map_or(self.init, |last| self.steps[last].1);
        let (action, after) = self.steps[number];
        Some((before, action, after))
    }

    fn record(&mut self, what: Seen, choices: &mut Choices, blur: u64) {
        let mut some = || if choices.once_in(2) { choices.below(blur + 1) } else { 0 };
        let mut at = [self.end.saturating_sub(some()), self.end + some()];
        let seq = self.observations.len() as u64;
        let mut chain = 0;
        // The DCS itself puts its changes in order.
        if let Seen::Change(Sight::LeaderKey(_)) = what {
            chain = 1;
            if let Some(before) = self.observations.iter().rfind(|before| before.chain == chain) {
                at = [at[0].max(before.at[0]), at[1].max(before.at[1])];
            }
        }
        // Nobody is told of a later change first by the observer that tells of both.
        if let Some(before) = self.observations.iter().rfind(|before| observer(before.what) == observer(what)) {
            at[1] = at[1].max(before.at[1]);
        }
        self.observations.push(Observation { at, what, seq, chain });
        self.shown_by.push(matches!(what, Seen::Change(_)).then_some(self.steps.len()));
    }

    fn probe(&mut self, cluster: &Cluster, choices: &mut Choices, blur: u64) {
        let state = self.last();
        for id in cluster.node_ids() {
            self.record(looks(cluster, &state, id), choices, blur);
        }
    }
}

/// True if a belief can follow a behaviour to this state, and count its timelines.
fn can_be_followed(state: &State) -> bool {
    let highest = state.nodes.iter().map(|node| state.wal.timeline_at(node.data)).max().unwrap_or(0);
    state.can_be_followed() && highest.max(state.wal.timeline_at(state.remote)) <= TIMELINES
}

/// The observer that sees something, by kind and node. Each tells what it sees in the order in which it happens.
fn observer(what: Seen) -> (u8, NodeId) {
    match what {
        Seen::Change(Sight::Fault(..) | Sight::RemoteFailover) => (0, 0),
        Seen::Change(Sight::LeaderKey(_)) | Seen::Holder(_) | Seen::Blind(_) | Seen::Sighted(_) => (1, 0),
        Seen::Change(Sight::Started(_, id) | Sight::Exited(_, id)) => (2, id),
        Seen::Change(Sight::Said(_, id)) => (3, id),
        Seen::Looks(id, ..) | Seen::HasHadCycle(id) => (4, id),
    }
}

/// The result of a probe of a node.
pub(super) fn looks(cluster: &Cluster, state: &State, id: NodeId) -> Seen {
    let at = state.wal.timeline_at(state.nodes[usize::from(id)].data);
    let found = [ServerState::Primary, ServerState::Standby, ServerState::Starting, ServerState::Refused]
        .into_iter()
        .find(|&found| cluster.can_look_like(state, id, found, Some(at)))
        .unwrap_or(ServerState::Unknown);
    let answers = matches!(found, ServerState::Primary | ServerState::Standby);
    Seen::Looks(id, found, answers.then_some(u32::from(at)))
}
