//! Possible truths and their steps: a graph that is unfolded on demand.

use super::{Channels, Observable};
use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap};

/// A possible truth: a state that may be the true one, and those changes of the last step that were not yet observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Config<P> {
    /// The packed state. Its timelines are relative to the set that it belongs to.
    pub state: P,
    /// The number of a list of sights, 0 for the empty list.
    pub pending: u32,
}

/// A step: the number of the list of sights that it shows, and of the truth after it, with nothing pending.
pub(super) type Edge = (u32, u32);

/// The reason why a state cannot be packed.
pub(super) const TOO_MUCH_WAL: &str = "the nodes' WAL differs by more promotions than the model can tell apart";

/// Bytes that a table holds for each entry besides the entry itself, roughly.
pub(super) const SLOT: usize = 24;

/// Bytes that the allocator holds for each piece of memory besides what was asked for, roughly.
pub(super) const ALLOCATION: usize = 16;

pub(super) struct Graph<M: Observable> {
    pub model: M,
    configs: IndexSet<Config<M::Packed>, FxBuildHasher>,
    edges: Vec<Option<Box<[Edge]>>>,
    /// Steps that happen only where they were recorded. Unfolded only for truths before such a record.
    recorded: FxHashMap<u32, Box<[Edge]>>,
    edge_count: usize,
    /// The number of truths whose steps were computed.
    pub unfolded: u64,
    /// Lists of sights, each sorted; number 0 is the empty list.
    lists: IndexSet<Vec<M::Sight>, FxBuildHasher>,
    channels: Vec<Channels>,
}

impl<M: Observable> Graph<M> {
    pub fn new(model: M) -> Self {
        let mut graph = Graph {
            model,
            configs: IndexSet::default(),
            edges: Vec::new(),
            recorded: FxHashMap::default(),
            edge_count: 0,
            unfolded: 0,
            lists: IndexSet::default(),
            channels: Vec::new(),
        };
        graph.list(Vec::new());
        graph
    }

    /// The approximate number of bytes held.
    pub fn bytes(&self) -> usize {
        self.configs.capacity() * (size_of::<Config<M::Packed>>() + SLOT)
            + self.edges.capacity() * size_of::<Option<Box<[Edge]>>>()
            + self.recorded.capacity() * (size_of::<(u32, Box<[Edge]>)>() + SLOT)
            + self.edges.len() * ALLOCATION
            + self.edge_count * size_of::<Edge>()
    }

    /// Forgets all truths and their numbers.
    pub fn clear(&mut self) {
        self.configs = IndexSet::default();
        self.edges = Vec::new();
        self.recorded = FxHashMap::default();
        self.edge_count = 0;
    }

    /// The number of a list of sights.
    pub fn list(&mut self, mut sights: Vec<M::Sight>) -> u32 {
        sights.sort_unstable();
        let channels = sights.iter().fold(Channels::NONE, |all, sight| all.and(M::channels(*sight)));
        let (index, new) = self.lists.insert_full(sights);
        if new {
            self.channels.push(channels);
        }
        index as u32
    }

    pub fn sights(&self, list: u32) -> &[M::Sight] {
        &self.lists[list as usize]
    }

    /// The channels that show a list of sights.
    pub fn channels(&self, list: u32) -> Channels {
        self.channels[list as usize]
    }

    /// The list without the sight at `position`.
    pub fn without(&mut self, list: u32, position: usize) -> u32 {
        let mut sights = self.sights(list).to_vec();
        sights.remove(position);
        self.list(sights)
    }

    pub fn config(&self, number: u32) -> Config<M::Packed> {
        self.configs[number as usize]
    }

    pub fn state(&self, number: u32) -> M::State {
        self.model.read(self.config(number).state)
    }

    pub fn number(&mut self, config: Config<M::Packed>) -> u32 {
        let (index, new) = self.configs.insert_full(config);
        if new {
            self.edges.push(None);
        }
        index as u32
    }

    fn step(&mut self, before: &M::State, action: M::Action) -> Result<Edge, &'static str> {
        let after = self.model.next_state(before, action).expect("every action leads somewhere");
        let sights = self.model.sights(before, action, &after);
        let list = self.list(sights);
        let state = self.model.written(&after).ok_or(TOO_MUCH_WAL)?;
        Ok((list, self.number(Config { state, pending: 0 })))
    }

    /// The steps from a truth with nothing pending, without those that happen only where they were recorded.
    pub fn edges(&mut self, number: u32) -> Result<&[Edge], &'static str> {
        if self.edges[number as usize].is_none() {
            let edges = self.unfolded(number, false)?;
            self.edges[number as usize] = Some(edges);
        }
        Ok(self.edges[number as usize].as_deref().expect("it was just made"))
    }

    /// The steps from such a truth that happen only where they were recorded.
    pub fn recorded(&mut self, number: u32) -> Result<&[Edge], &'static str> {
        if !self.recorded.contains_key(&number) {
            let edges = self.unfolded(number, true)?;
            self.recorded.insert(number, edges);
        }
        Ok(&self.recorded[&number])
    }

    fn unfolded(&mut self, number: u32, recorded: bool) -> Result<Box<[Edge]>, &'static str> {
        self.unfolded += 1;
        let before = self.state(number);
        let mut actions = Vec::new();
        self.model.actions(&before, &mut actions);
        let mut edges = Vec::new();
        actions.retain(|action| self.model.is_recorded(*action) == recorded);
        for action in actions {
            let (list, next) = self.step(&before, action)?;
            // A step that nobody sees and that changes nothing is left out.
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
