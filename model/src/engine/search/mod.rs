//! Exact breadth-first search over packed states.
//!
//! The queue is worked off in blocks, in two stages. First the states of a block are expanded into buffers of packed
//! successors, one buffer for each shard of the visited set (`expand.rs`). Then each shard absorbs its buffer: what is
//! new gets into the set (`visited.rs`). While one block is absorbed the next is expanded, and the threads share both
//! kinds of work. New states are queued in the order in which one thread, going from state to state and from action to
//! action, would have discovered them. So counts, depth, coverage and counterexamples are the same for any number of
//! threads.
//!
//! | file | contents |
//! | --- | --- |
//! | `interface.rs` | the options, what a search looks for, and its results |
//! | `expand.rs` | the first stage: a chunk of states, expanded into buffers of successors |
//! | `visited.rs` | the second stage: the visited set, in shards |
//! | `table.rs` | a visited set that holds small states themselves |
//! | `index.rs` | a visited set that holds the numbers of wide states |
//! | `discoveries.rs` | what the search was asked to look for, and where it was first seen |

mod discoveries;
mod expand;
mod index;
mod interface;
mod table;
mod visited;

use std::ops::Range;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::path::Trail;
use super::segments::Spill;
use super::spec::{Spec, Word};
use discoveries::Discoveries;
use expand::{Expansion, Successor, expand};
use index::Index;
use table::Table;
use visited::{Shard, VisitedSet, Words, index32, shard};

pub use interface::{Exploration, Inspect, Limit, Nothing, Options, Progress};

/// States that one thread expands at a time: enough to keep the memory busy, few enough for their successors to stay in
/// the processor's cache.
const CHUNK: usize = 1 << 12;
/// Chunks in a block, for each of several threads. The threads wait for each other at the end of a block; on a busy
/// machine a thread may be kept from running for some milliseconds, and a block should take several times as long. With
/// one thread a block is one chunk.
const CHUNKS: usize = 8;
/// The largest packed state, in bytes, that is stored in the visited set as well as in the trail. With states of this
/// size the set is little larger than with their numbers, and a look-up that has found the slot has found the state.
const SMALL: usize = 16;

/// A piece of work that any thread can do.
enum Job<'a, W, K> {
    Expand(Range<usize>, &'a mut Expansion<W>),
    Absorb(usize, &'a mut Shard<W, K>),
}

/// Explores every state of `model`, within the limits.
pub fn search<M: Spec>(model: &M, options: Options, inspect: &impl Inspect<M>) -> Exploration<M::State, M::Action> {
    search_spilling(model, options, inspect, None)
}

/// Explores every state of `model`, within the limits, and spills to `spill` when memory runs short: when half of
/// [`Options::memory`] is taken, or from the beginning if there is no such limit. Then the queue and the parents of the
/// states move out of memory; the visited set, which every step needs, stays. That set holds small states itself. Of
/// wide states it holds their places in the queue, which then has to stay as well. The results do not depend on
/// spilling.
pub fn search_spilling<M: Spec>(
    model: &M,
    options: Options,
    inspect: &impl Inspect<M>,
    spill: Option<&dyn Spill>,
) -> Exploration<M::State, M::Action> {
    if size_of::<M::Packed>() > SMALL {
        explore::<M, Index>(model, options, inspect, spill)
    } else {
        explore::<M, Table<M::Packed>>(model, options, inspect, spill)
    }
}

fn explore<M: Spec, K: VisitedSet<M::Packed>>(
    model: &M,
    options: Options,
    inspect: &impl Inspect<M>,
    spill: Option<&dyn Spill>,
) -> Exploration<M::State, M::Action> {
    let started = Instant::now();
    let threads = options.threads.max(1);
    let chunks = if threads == 1 { 1 } else { CHUNKS * threads };
    let mut shards: Vec<Shard<M::Packed, K>> = (0..threads).map(|_| Shard::new()).collect();
    let mut trail = Trail::new(options.symmetry, K::LOOKS_UP, spill);
    let mut discoveries = Discoveries::new();
    for state in model.init_states().into_iter().filter(|state| model.within_boundary(state)) {
        let state = if options.symmetry { model.canonical(&state) } else { state };
        let word = model.pack(&state);
        let hash = word.spread();
        if shards[shard(hash, threads)].visited.insert(word, hash, None, Words::of(&trail.states)) {
            let index = index32(trail.states.len());
            trail.push(word, index);
        }
    }

    let (mut transitions, mut deadlocks, mut deadlock) = (0, 0, None);
    let (mut next, mut depth, mut level_end) = (0, 0, trail.states.len());
    let (mut incomplete, mut spill_error) = (None, None);
    // The block that is being expanded, and the block before it, of `in_flight` states, which is being absorbed.
    let mut expanded: Vec<Expansion<M::Packed>> = (0..chunks).map(|_| Expansion::new(threads)).collect();
    let mut absorbing: Vec<Expansion<M::Packed>> = (0..chunks).map(|_| Expansion::new(threads)).collect();
    let mut in_flight = 0;
    let mut last_report = started;
    loop {
        if next == level_end && in_flight == 0 {
            if next == trail.states.len() {
                break;
            }
            depth += 1;
            level_end = trail.states.len();
        }
        let tables: usize = shards.iter().map(|shard| shard.visited.bytes()).sum();
        let short = options.memory.is_none_or(|most| tables + trail.bytes() >= most / 2);
        // If nothing will be expanded now, nothing has to be moved, and a full disk cuts nothing off.
        if next < level_end
            && incomplete.is_none()
            && (short || trail.bytes_away() > 0)
            && let Err(error) = trail.spill(next..level_end.min(next + chunks * CHUNK))
        {
            incomplete = Some(Limit::Spill);
            spill_error = Some(error.to_string());
        }
        let bytes = tables + trail.bytes();
        if next < level_end && incomplete.is_none() {
            // The block in flight will be absorbed, and then about as much again from the next block.
            let coming = |number: usize| 2 * absorbing.iter().map(|part| part.shards[number].len()).sum::<usize>();
            let most = shards
                .iter()
                .enumerate()
                .map(|(number, shard)| shard.visited.bytes_with(coming(number)))
                .sum::<usize>();
            incomplete = limit(&options, depth, started, most + trail.bytes());
        }
        if incomplete.is_some() && in_flight == 0 {
            break;
        }
        if last_report.elapsed() >= Duration::from_secs(1) {
            last_report = Instant::now();
            let (states, elapsed) = (trail.states.len(), started.elapsed());
            inspect.progress(&Progress {
                states,
                queue: states - next,
                depth,
                bytes,
                spilled: trail.bytes_away(),
                elapsed,
            });
        }
        // A block never reaches into the next level, so that depth is exact.
        let end = if incomplete.is_some() { next } else { level_end.min(next + chunks * CHUNK) };
        let block = next..end;

        let discovered = discoveries.discovered;
        let ranges = block.clone().step_by(CHUNK).map(|start| start..end.min(start + CHUNK));
        let expand_jobs = ranges.zip(&mut expanded).map(|(range, out)| Job::Expand(range, out));
        let take_jobs = shards.iter_mut().enumerate().map(|(number, shard)| Job::Absorb(number, shard));
        let jobs: Vec<_> = take_jobs.chain(expand_jobs).collect();
        // Starting a thread takes as long as expanding some hundred states.
        let small = block.len() + in_flight < CHUNK;
        share(if small { 1 } else { threads }, jobs, |job| match job {
            Job::Expand(range, out) => expand(model, &options, inspect, &trail, range, discovered, out),
            Job::Absorb(number, shard) => shard.absorb(&absorbing, number, &trail.states),
        });

        for part in &mut absorbing {
            transitions += part.transitions;
            deadlocks += part.deadlocks;
            deadlock = deadlock.or(part.deadlock);
            part.found.iter().for_each(|(index, action, bits)| discoveries.note(*index, *action, *bits));
        }
        queue(&mut trail, &mut shards);
        absorbing.iter_mut().for_each(Expansion::clear);
        std::mem::swap(&mut absorbing, &mut expanded);
        (next, in_flight) = (end, block.len());
    }

    // States that were not expanded are inspected, too.
    let mut index = next;
    while index < trail.states.len() {
        for word in trail.states.fetch_on(index, spill) {
            discoveries.note(index32(index), None, inspect.state(model, &model.unpack(word)));
            index += 1;
        }
    }
    let bytes = trail.bytes() + shards.iter().map(|shard| shard.visited.bytes()).sum::<usize>();
    let path = |bit: usize| {
        let (index, action) = discoveries.first(model, &trail, bit)?;
        let shows =
            |before: &M::State, action, after: &M::State| inspect.step(model, before, action, after) >> bit & 1 == 1;
        Some(trail.path(model, index, action, shows))
    };
    Exploration {
        states: trail.states.len(),
        transitions,
        // At a limit, a part of the next level may have been discovered.
        depth: depth + usize::from(trail.states.len() > level_end),
        deadlocks,
        deadlock: deadlock.map(|index| trail.path(model, index, None, |_, _, _| true)),
        incomplete,
        unexpanded: trail.states.len() - next,
        bytes,
        spilled: trail.bytes_away(),
        spill_error,
        found: (0..64).map(path).collect(),
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

/// Works off all jobs, each on whichever thread is free; the calling thread is one of them.
fn share<J: Send>(threads: usize, jobs: Vec<J>, work: impl Fn(J) + Sync) {
    if threads == 1 {
        return jobs.into_iter().for_each(work);
    }
    let jobs = Mutex::new(jobs.into_iter());
    let next = || jobs.lock().expect("nobody panics while taking a job").next();
    let run = || {
        while let Some(job) = next() {
            work(job);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
}

/// Queues the new states of a block in the order in which one thread would have discovered them.
fn queue<W: Word, K>(trail: &mut Trail<'_, W>, shards: &mut [Shard<W, K>]) {
    let mut visit = |successor: Successor<W>| {
        let index = index32(trail.states.len());
        trail.push(successor.word, successor.parent);
        index
    };
    if let [only] = shards {
        only.fresh.drain(..).for_each(|fresh| _ = visit(fresh));
    } else {
        let mut places = vec![0; shards.len()];
        loop {
            let heads = shards.iter().zip(&places).enumerate();
            let first =
                heads.filter_map(|(number, (shard, place))| Some((shard.fresh.get(*place)?.when(), number))).min();
            let Some((_, number)) = first else { break };
            let index = visit(shards[number].fresh[places[number]]);
            shards[number].numbers.push(index);
            places[number] += 1;
        }
    }
}
