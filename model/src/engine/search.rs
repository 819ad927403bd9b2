//! Exact breadth-first search over packed states.
//!
//! The queue is worked off in blocks. The states of a block are expanded, by several threads if wanted, into buffers of packed
//! successors, one buffer for each shard of the set of known states; then each shard takes up what is new in it. Blocks, and what is in
//! them, are taken in the order of the queue, and what is new is queued in the order in which one thread would have found it.
//! So counts, depth, coverage and counterexamples are the same for any number of threads.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::path::{Path, Trail};
use super::spec::{Spec, Word};
use super::table::{Segments, Table};

/// States that are expanded together: enough to keep the memory busy, few enough to stay in the cache.
const BLOCK: usize = 1 << 10;
/// The same for several threads, which have to be started for each block.
const WIDE_BLOCK: usize = 1 << 16;

/// How to search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Threads.
    pub threads: usize,
    /// Explore only canonical states.
    pub symmetry: bool,
    /// Stop after this many steps from an initial state.
    pub depth: Option<usize>,
    /// Stop after this long.
    pub time: Option<Duration>,
    /// Stop when the search holds this many bytes.
    pub memory: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Options { threads: 1, symmetry: false, depth: None, time: None, memory: None }
    }
}

/// Why a search ended before every state was expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`Options::depth`]
    Depth,
    /// [`Options::time`]
    Time,
    /// [`Options::memory`]
    Memory,
}

/// Where a search stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Distinct states so far.
    pub states: usize,
    /// Of them, not yet expanded.
    pub queue: usize,
    /// Steps from an initial state to those that are being expanded.
    pub depth: usize,
    /// Bytes held.
    pub bytes: usize,
    /// Since the search began.
    pub elapsed: Duration,
}

/// What to look for. A finding is a bit; for each bit a shortest path to its first occurrence is kept.
pub trait Inspect<M: Spec>: Sync {
    /// Findings in a state, asked once for each.
    fn state(&self, _model: &M, _state: &M::State) -> u64 {
        0
    }

    /// Findings in a step, asked for each.
    fn step(&self, _model: &M, _before: &M::State, _action: M::Action, _after: &M::State) -> u64 {
        0
    }

    /// Called now and then.
    fn progress(&self, _progress: &Progress) {}
}

/// Looks for nothing.
pub struct Nothing;

impl<M: Spec> Inspect<M> for Nothing {}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Exploration<S, A> {
    /// Distinct states; with symmetry, distinct orbits.
    pub states: usize,
    /// Steps from expanded states.
    pub transitions: usize,
    /// Steps on the longest of the shortest paths.
    pub depth: usize,
    /// Expanded states in which nothing can happen, and a shortest path to one.
    pub deadlocks: usize,
    /// A shortest path to a deadlock.
    pub deadlock: Option<Path<S, A>>,
    /// `None` if every state was expanded.
    pub incomplete: Option<Limit>,
    /// States that were not expanded.
    pub unexpanded: usize,
    /// Bytes held at the end.
    pub bytes: usize,
    /// For each bit that was found, a shortest path to it.
    pub found: Vec<Option<Path<S, A>>>,
}

impl<S, A> Exploration<S, A> {
    /// Bytes held for each state.
    pub fn bytes_per_state(&self) -> usize {
        self.bytes.div_ceil(self.states.max(1))
    }
}

/// A packed successor and where it came from.
#[derive(Clone, Copy)]
struct Successor<W> {
    word: W,
    hash: u64,
    parent: u32,
    /// Position among all successors of its block, which orders what several shards found.
    order: u32,
}

/// What one thread made of its part of a block.
struct Expanded<W> {
    shards: Vec<Vec<Successor<W>>>,
    transitions: usize,
    deadlocks: usize,
    deadlock: Option<u32>,
    /// Bits found in steps, with the first parent and its action's place.
    found: Vec<(u32, u32, u16)>,
    seen: u64,
}

/// Explores every state of `model`, within the limits.
pub fn search<M: Spec>(model: &M, options: Options, inspect: &impl Inspect<M>) -> Exploration<M::State, M::Action> {
    let started = Instant::now();
    let threads = options.threads.max(1);
    let mut tables: Vec<Table<M::Packed>> = (0..threads).map(|_| Table::new()).collect();
    let mut trail = Trail { states: Segments::new(), parents: Segments::new(), symmetry: options.symmetry };
    let mut found: Vec<Option<(u32, Option<u16>)>> = vec![None; 64];
    for state in model.init_states() {
        let state = if options.symmetry { model.canonical(&state) } else { state };
        let word = model.pack(&state);
        let hash = word.spread();
        if tables[shard(hash, threads)].insert(word, hash) {
            let index = index32(trail.states.len());
            trail.push(word, index);
            note(&mut found, inspect.state(model, &state), index, None);
        }
    }

    let (mut transitions, mut deadlocks, mut deadlock) = (0, 0, None);
    let (mut next, mut depth, mut level_end) = (0, 0, trail.states.len());
    let mut incomplete = None;
    let mut fresh: Vec<Vec<(u32, u32, M::Packed)>> = vec![Vec::new(); threads];
    let mut told = started;
    while next < trail.states.len() {
        if next == level_end {
            depth += 1;
            level_end = trail.states.len();
        }
        let bytes = trail.bytes() + tables.iter().map(Table::bytes).sum::<usize>();
        if let Some(limit) = limit(&options, depth, started, bytes) {
            incomplete = Some(limit);
            break;
        }
        if told.elapsed() >= Duration::from_secs(1) {
            told = Instant::now();
            let (states, elapsed) = (trail.states.len(), started.elapsed());
            inspect.progress(&Progress { states, queue: states - next, depth, bytes, elapsed });
        }
        // A block never reaches into the next level, so that depth is exact.
        let block = next..level_end.min(next + if threads == 1 { BLOCK } else { WIDE_BLOCK });
        let parts = expand_block(model, &options, inspect, &trail, block.clone(), threads);
        for part in &parts {
            transitions += part.transitions;
            deadlocks += part.deadlocks;
            deadlock = deadlock.or(part.deadlock);
            for &(bit, parent, action) in &part.found {
                note(&mut found, 1 << bit, parent, Some(action));
            }
        }
        take_up(&mut tables, &mut fresh, &parts);
        let mut queue = |parent: u32, word: M::Packed| {
            let index = index32(trail.states.len());
            trail.push(word, parent);
            note(&mut found, inspect.state(model, &model.unpack(word)), index, None);
        };
        merge(&mut fresh, |(_, parent, word)| queue(parent, word));
        next = block.end;
    }

    let bytes = trail.bytes() + tables.iter().map(Table::bytes).sum::<usize>();
    Exploration {
        states: trail.states.len(),
        transitions,
        depth,
        deadlocks,
        deadlock: deadlock.map(|index| trail.path(model, index, None)),
        incomplete,
        unexpanded: trail.states.len() - next,
        bytes,
        found: found.iter().map(|place| place.map(|(index, action)| trail.path(model, index, action))).collect(),
    }
}

fn limit(options: &Options, depth: usize, started: Instant, bytes: usize) -> Option<Limit> {
    if options.depth.is_some_and(|most| depth >= most) {
        return Some(Limit::Depth);
    }
    if options.memory.is_some_and(|most| bytes >= most) {
        return Some(Limit::Memory);
    }
    options.time.filter(|most| started.elapsed() >= *most).map(|_| Limit::Time)
}

fn note(found: &mut [Option<(u32, Option<u16>)>], mut bits: u64, index: u32, action: Option<u16>) {
    while bits != 0 {
        let bit = bits.trailing_zeros() as usize;
        bits &= bits - 1;
        found[bit].get_or_insert((index, action));
    }
}

/// The shard that a state belongs to: by other bits than those that choose its slot.
#[inline]
fn shard(hash: u64, shards: usize) -> usize {
    if shards == 1 { 0 } else { (hash >> 48) as usize % shards }
}

fn expand_block<M: Spec>(
    model: &M,
    options: &Options,
    inspect: &impl Inspect<M>,
    trail: &Trail<M::Packed>,
    block: Range<usize>,
    threads: usize,
) -> Vec<Expanded<M::Packed>> {
    // Starting a thread costs as much as expanding some hundred states.
    if threads == 1 || block.len() < 4 * BLOCK {
        return vec![expand(model, options, inspect, trail, block, threads)];
    }
    let part = block.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|worker| {
                let start = (block.start + worker * part).min(block.end);
                let range = start..(start + part).min(block.end);
                scope.spawn(move || expand(model, options, inspect, trail, range, threads))
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a model does not panic")).collect()
    })
}

fn expand<M: Spec>(
    model: &M,
    options: &Options,
    inspect: &impl Inspect<M>,
    trail: &Trail<M::Packed>,
    range: Range<usize>,
    shards: usize,
) -> Expanded<M::Packed> {
    let mut out = Expanded {
        shards: vec![Vec::with_capacity(range.len() * 12 / shards); shards],
        transitions: 0,
        deadlocks: 0,
        deadlock: None,
        found: Vec::new(),
        seen: 0,
    };
    let mut actions = Vec::new();
    for index in range {
        let parent = index32(index);
        let state = model.unpack(trail.states.get(index));
        actions.clear();
        model.actions(&state, &mut actions);
        let before = out.transitions;
        for (place, &action) in actions.iter().enumerate() {
            let Some(after) = model.next_state(&state, action) else { continue };
            if !model.within_boundary(&after) {
                continue;
            }
            let mut new = inspect.step(model, &state, action, &after) & !out.seen;
            out.seen |= new;
            while new != 0 {
                out.found.push((new.trailing_zeros(), parent, place as u16));
                new &= new - 1;
            }
            let word = if options.symmetry { model.pack(&model.canonical(&after)) } else { model.pack(&after) };
            let hash = word.spread();
            let successor = Successor { word, hash, parent, order: out.transitions as u32 };
            out.shards[shard(hash, shards)].push(successor);
            out.transitions += 1;
        }
        if out.transitions == before {
            out.deadlocks += 1;
            out.deadlock.get_or_insert(parent);
        }
    }
    out
}

/// Puts the successors of a block into the tables; what is new goes to `fresh`, ordered within each shard.
fn take_up<W: Word>(tables: &mut [Table<W>], fresh: &mut [Vec<(u32, u32, W)>], parts: &[Expanded<W>]) {
    // Positions of later parts come after those of earlier ones.
    let mut first = 0;
    let starts: Vec<u32> = parts
        .iter()
        .map(|part| {
            let start = first;
            first += part.transitions as u32;
            start
        })
        .collect();
    let take = |shard: usize, table: &mut Table<W>, fresh: &mut Vec<(u32, u32, W)>| {
        fresh.clear();
        for (part, start) in parts.iter().zip(&starts) {
            for batch in part.shards[shard].chunks(64) {
                // Touching all slots of a batch before the first is needed lets their cache misses overlap.
                let mut touched = 0;
                for successor in batch {
                    touched += usize::from(table.first(successor.hash) == successor.word);
                }
                std::hint::black_box(touched);
                for successor in batch {
                    if table.insert(successor.word, successor.hash) {
                        fresh.push((start + successor.order, successor.parent, successor.word));
                    }
                }
            }
        }
    };
    let work: usize = parts.iter().map(|part| part.transitions).sum();
    if tables.len() == 1 || work < 16 * BLOCK {
        for (shard, (table, fresh)) in tables.iter_mut().zip(fresh).enumerate() {
            take(shard, table, fresh);
        }
        return;
    }
    let take = &take;
    std::thread::scope(|scope| {
        for (shard, (table, fresh)) in tables.iter_mut().zip(fresh).enumerate() {
            scope.spawn(move || take(shard, table, fresh));
        }
    });
}

/// Visits what the shards found in the order in which one thread would have found it.
fn merge<W: Copy>(fresh: &mut [Vec<(u32, u32, W)>], mut visit: impl FnMut((u32, u32, W))) {
    if let [only] = fresh {
        only.drain(..).for_each(visit);
        return;
    }
    let mut places = vec![0; fresh.len()];
    loop {
        let heads = fresh.iter().zip(&places).enumerate();
        let first = heads.filter_map(|(shard, (list, place))| Some((list.get(*place)?.0, shard))).min();
        let Some((_, shard)) = first else { return };
        visit(fresh[shard][places[shard]]);
        places[shard] += 1;
    }
}

fn index32(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 states fit into memory")
}
