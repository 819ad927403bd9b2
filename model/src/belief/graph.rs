//! Possible truths and their steps: an automaton that is unfolded where it is looked at.

use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap};
use stateright::Model;

use crate::cluster::show::Sight;
use crate::cluster::{Action, Cluster, State};
use crate::engine::Spec;
use crate::fault::Fault;

use super::Channels;

/// A state in few words, its timelines relative to those of the set that it belongs to.
pub(super) type Packed = <Cluster as Spec>::Packed;

/// A possible truth: a state, and what the last step showed that was not seen yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Config {
    pub state: Packed,
    /// Number of a list of sights, 0 for none.
    pub pending: u32,
}

/// A step: number of the list of sights that it shows, and of the truth that it leads to, all of it seen.
pub(super) type Edge = (u32, u32);

/// A state that cannot be written down in few words: why.
pub(super) const TOO_MUCH_WAL: &str = "the nodes' WAL differs by more promotions than the model can tell apart";

#[derive(Clone)]
pub(super) struct Graph {
    pub cluster: Cluster,
    configs: IndexSet<Config, FxBuildHasher>,
    edges: Vec<Option<Box<[Edge]>>>,
    /// Looked at only where one was recorded.
    faults: FxHashMap<u32, Box<[Edge]>>,
    edge_count: usize,
    /// Lists of sights, sorted; number 0 is empty.
    lists: IndexSet<Vec<Sight>, FxBuildHasher>,
    channels: Vec<Channels>,
}

impl Graph {
    pub fn new(cluster: Cluster) -> Self {
        let mut graph = Graph {
            cluster,
            configs: IndexSet::default(),
            edges: Vec::new(),
            faults: FxHashMap::default(),
            edge_count: 0,
            lists: IndexSet::default(),
            channels: Vec::new(),
        };
        graph.list(Vec::new());
        graph
    }

    /// What it holds, roughly, in bytes.
    pub fn bytes(&self) -> usize {
        self.configs.len() * (size_of::<Config>() + 40) + self.edge_count * size_of::<Edge>()
    }

    /// Forgets all truths, and their numbers.
    pub fn clear(&mut self) {
        self.configs = IndexSet::default();
        self.edges = Vec::new();
        self.faults = FxHashMap::default();
        self.edge_count = 0;
    }

    /// Number of a list of sights.
    pub fn list(&mut self, mut sights: Vec<Sight>) -> u32 {
        sights.sort_unstable();
        let channels = sights.iter().fold(Channels::NONE, |all, sight| all.and(Channels::showing(*sight)));
        let (index, new) = self.lists.insert_full(sights);
        if new {
            self.channels.push(channels);
        }
        index as u32
    }

    pub fn sights(&self, list: u32) -> &[Sight] {
        &self.lists[list as usize]
    }

    /// Through which channels a list of sights is seen.
    pub fn channels(&self, list: u32) -> Channels {
        self.channels[list as usize]
    }

    /// The list without one of its sights.
    pub fn without(&mut self, list: u32, position: usize) -> u32 {
        let mut sights = self.sights(list).to_vec();
        sights.remove(position);
        self.list(sights)
    }

    pub fn config(&self, number: u32) -> Config {
        self.configs[number as usize]
    }

    pub fn state(&self, number: u32) -> State {
        self.unpack(self.config(number).state)
    }

    pub fn unpack(&self, packed: Packed) -> State {
        let mut state = self.cluster.unpack(packed);
        state.budget = self.cluster.settings.budget;
        state
    }

    /// The state in few words, without what nobody outside of the properties reads; nothing if it does not fit.
    pub fn pack(&self, state: &State) -> Option<Packed> {
        self.cluster.packed_for_belief(state)
    }

    pub fn number(&mut self, config: Config) -> u32 {
        let (index, new) = self.configs.insert_full(config);
        if new {
            self.edges.push(None);
        }
        index as u32
    }

    fn step(&mut self, before: &State, action: Action) -> Result<Edge, &'static str> {
        let after = self.cluster.next_state(before, action).expect("every action leads somewhere");
        let sights = self.cluster.shows(before, action, &after);
        let list = self.list(sights);
        let state = self.pack(&after).ok_or(TOO_MUCH_WAL)?;
        Ok((list, self.number(Config { state, pending: 0 })))
    }

    /// The steps from a truth of which all was seen, without faults: those happen only where they were recorded.
    pub fn edges(&mut self, number: u32) -> Result<&[Edge], &'static str> {
        if self.edges[number as usize].is_none() {
            let edges = self.unfolded(number, |action| !is_recorded_fault(action))?;
            self.edges[number as usize] = Some(edges);
        }
        Ok(self.edges[number as usize].as_deref().expect("it was just made"))
    }

    /// The faults that can hit now.
    pub fn faults(&mut self, number: u32) -> Result<&[Edge], &'static str> {
        if !self.faults.contains_key(&number) {
            let edges = self.unfolded(number, is_recorded_fault)?;
            self.faults.insert(number, edges);
        }
        Ok(&self.faults[&number])
    }

    fn unfolded(&mut self, number: u32, wanted: impl Fn(Action) -> bool) -> Result<Box<[Edge]>, &'static str> {
        let before = self.state(number);
        let mut actions = Vec::new();
        self.cluster.actions(&before, &mut actions);
        let mut edges = Vec::new();
        for action in actions.into_iter().filter(|action| wanted(*action)) {
            let (list, next) = self.step(&before, action)?;
            // A step that nobody sees and that changes nothing is no step.
            if list != 0 || next != number {
                edges.push((list, next));
            }
        }
        edges.sort_unstable();
        edges.dedup();
        self.edge_count += edges.len();
        Ok(edges.into_boxed_slice())
    }

    pub fn len(&self) -> usize {
        self.configs.len()
    }
}

/// A lease ends by itself.
fn is_recorded_fault(action: Action) -> bool {
    matches!(action, Action::Fault(fault, _) if fault != Fault::LeaseExpires)
}
