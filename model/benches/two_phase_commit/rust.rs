//! The rows in Rust: each runs in a process of its own, which the comparison starts with hidden arguments.

use std::hash::Hash;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use pghaspec_model::engine::{Inspect, Options, search};
use stateright::{Checker as _, Model};

use crate::process::{peak_memory, run as run_process};
use crate::{Counts, Measurement};

#[path = "../../tests/engine/models/two_phase_commit.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod two_phase_commit;
use two_phase_commit::{Bits, Idiomatic, Packed};

/// A row that takes less is repeated within its process, because CPU time is counted in hundredths of a second.
const SHORT: Duration = Duration::from_millis(200);

/// Looks for what the property of the other checkers looks for.
struct Consistent;

impl Inspect<Packed> for Consistent {
    fn state(&self, model: &Packed, state: &Bits) -> u64 {
        u64::from(!model.consistent(*state))
    }
}

fn engine(n: u8, options: Options) -> (Counts, Option<u64>) {
    let exploration = search(&Packed(n), options, &Consistent);
    assert!(exploration.found[0].is_none(), "two-phase commit is consistent");
    let counts = Counts { states: exploration.states as u64, transitions: exploration.transitions as u64 };
    (counts, Some(exploration.bytes_per_state() as u64))
}

fn stateright<M>(model: M, breadth_first: bool) -> (Counts, Option<u64>)
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + std::fmt::Debug + Hash + PartialEq + Send + Sync,
    M::Action: Clone + std::fmt::Debug + PartialEq + Send + Sync,
{
    let (states, generated) = if breadth_first {
        let checker = model.checker().spawn_bfs().join();
        checker.assert_properties();
        (checker.unique_state_count(), checker.state_count())
    } else {
        let checker = model.checker().spawn_dfs().join();
        checker.assert_properties();
        (checker.unique_state_count(), checker.state_count())
    };
    (Counts { states: states as u64, transitions: generated as u64 - 1 }, None)
}

/// Runs a row in this process and prints what it counted.
pub fn run(checker: &str, n: u8) -> ExitCode {
    let once = || match checker {
        "engine" => engine(n, Options::default()),
        "engine-two-threads" => engine(n, Options { threads: 2, ..Options::default() }),
        "engine-symmetry" => engine(n, Options { symmetry: true, ..Options::default() }),
        "stateright-bfs" => stateright(Idiomatic(n), true),
        "stateright-dfs" => stateright(Idiomatic(n), false),
        "stateright-bfs-packed" => stateright(Packed(n), true),
        "stateright-dfs-packed" => stateright(Packed(n), false),
        other => panic!("no such row: {other}"),
    };
    let started = Instant::now();
    let (counts, bytes) = once();
    let mut times = 1;
    while started.elapsed() < SHORT {
        assert_eq!(once(), (counts, bytes), "every run counts the same");
        times += 1;
    }
    let (bytes, peak) = (bytes.unwrap_or(0), peak_memory("self"));
    println!("{} {} {bytes} {times} {peak}", counts.states, counts.transitions);
    ExitCode::SUCCESS
}

/// Runs a row in a process of its own.
pub fn measure(checker: &str, n: u8) -> Result<Measurement, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let (text, mut cost) = run_process(Command::new(this).args(["--row", checker, &n.to_string()]))?;
    let numbers: Vec<u64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let &[states, transitions, bytes, times, peak] = &numbers[..] else {
        return Err(format!("{checker} printed: {text}"));
    };
    let times = times as u32;
    (cost.cpu, cost.wall, cost.peak) = (cost.cpu / times, cost.wall / times, peak);
    Ok(Measurement { counts: Counts { states, transitions }, cost, bytes: (bytes > 0).then_some(bytes) })
}
