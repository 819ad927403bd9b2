//! A benchmark: this crate's engine and stateright's checkers on the same cluster model, with the same states, steps
//! and properties.
//!
//! ```text
//! cargo bench -p pghaspec-model --bench recover_cluster [-- --quick | --runs N]
//! ```
//!
//! Two nodes of edition 4.1 with two faults of processes, one of the network and one commit in one behaviour. Every row
//! runs in a process of its own and is measured by the CPU time that the system charges to it. The first rows explore
//! every state and have to agree on the numbers of states and steps; otherwise the comparison is void, and the command
//! ends with exit code 1. The last row has the same verdicts by exploring one state of all that behave alike. Finally
//! the targets are printed, and whether they are met; that changes no exit code. A target compares rows within each
//! round of runs, one of each row, and takes the median of these ratios. Results are in `benches/README.md`.
//!
//! | option | |
//! | --- | --- |
//! | `--quick` | one fault of a process, none of the network |
//! | `--runs N` | runs of each row, of which the median is printed; 5 unless given |

#[path = "two_phase_commit/process.rs"]
#[allow(dead_code, reason = "the other benchmark uses more of it")]
mod process;

use std::process::{Command, ExitCode};

use pghaspec_model::cluster::{Action, Budget, Cluster, Settings, State};
use pghaspec_model::engine::{Inspect, Options, Spec};
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::property::Property;
use stateright::{Checker, HasDiscoveries, Model, Property as Always};

/// The properties of states: stateright has no others.
const PROPERTIES: [Property; 3] =
    [Property::OneWritableLeader, Property::CrashRecoveryOnce, Property::NoSilentDivergence];

/// The argument of a row, and its name.
const ROWS: [(&str, &str); 7] = [
    ("engine", "this engine, 1 thread"),
    ("engine-two-threads", "this engine, 2 threads"),
    ("dfs-packed", "stateright DFS, states packed"),
    ("bfs-packed", "stateright BFS, states packed"),
    ("dfs", "stateright DFS"),
    ("bfs", "stateright BFS"),
    ("engine-alike", "this engine, one state of all that behave alike"),
];

fn cluster(quick: bool) -> Cluster {
    let network = u8::from(!quick);
    let budget = Budget { process: 1 + network, network, commits: 1, ..Budget::NONE };
    Cluster::new(Settings { budget, ..Settings::new(Edition::V4_1, 2) })
}

/// Looks for what the properties of the other checkers look for.
struct Broken;

impl Inspect<Cluster> for Broken {
    fn state(&self, cluster: &Cluster, state: &State) -> u64 {
        let broken = |property: &Property| !cluster.holds_in(*property, state);
        PROPERTIES.iter().enumerate().fold(0, |bits, (bit, property)| bits | u64::from(broken(property)) << bit)
    }
}

/// The same model with states in five words.
#[derive(Clone)]
struct Packed(Cluster);

impl Model for Packed {
    type State = [u64; 5];
    type Action = Action;

    fn init_states(&self) -> Vec<[u64; 5]> {
        self.0.init_states().iter().map(|state| self.0.pack(state)).collect()
    }

    fn actions(&self, state: &[u64; 5], actions: &mut Vec<Action>) {
        self.0.actions(&self.0.unpack(*state), actions);
    }

    fn next_state(&self, state: &[u64; 5], action: Action) -> Option<[u64; 5]> {
        self.0.next_state(&self.0.unpack(*state), action).map(|next| self.0.pack(&next))
    }

    fn properties(&self) -> Vec<Always<Self>> {
        vec![
            Always::always("anything", |_, _| true),
            Always::always(PROPERTIES[0].id(), |model: &Packed, state| model.holds(PROPERTIES[0], state)),
            Always::always(PROPERTIES[1].id(), |model: &Packed, state| model.holds(PROPERTIES[1], state)),
            Always::always(PROPERTIES[2].id(), |model: &Packed, state| model.holds(PROPERTIES[2], state)),
        ]
    }
}

impl Packed {
    fn holds(&self, property: Property, state: &[u64; 5]) -> bool {
        self.0.holds_in(property, &self.0.unpack(*state))
    }
}

/// The rows of stateright with the model as it is, and with packed states.
const PEERS: [(&str, [usize; 2]); 2] = [("", [4, 5]), (", states packed", [2, 3])];

/// The rate that this engine should have in comparison with the best of them.
const TARGET: f64 = 3.0;

/// States, steps, properties broken.
type Counts = (usize, usize, usize);

fn stateright<M>(model: M, breadth_first: bool) -> Counts
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + std::fmt::Debug + std::hash::Hash + PartialEq + Send + Sync,
    M::Action: Clone + std::fmt::Debug + PartialEq + Send + Sync,
{
    let inits = model.init_states().len();
    // It would stop once every property has a counterexample.
    let builder = model.checker().finish_when(HasDiscoveries::AllOf(["never"].into()));
    let counts = |checker: &dyn Fn() -> Counts| checker();
    if breadth_first {
        let checker = builder.spawn_bfs().join();
        counts(&|| (checker.unique_state_count(), checker.state_count() - inits, checker.discoveries().len()))
    } else {
        let checker = builder.spawn_dfs().join();
        counts(&|| (checker.unique_state_count(), checker.state_count() - inits, checker.discoveries().len()))
    }
}

fn engine(cluster: &Cluster, options: Options) -> Counts {
    let searched = cluster.search(options, &Broken, None);
    (searched.states, searched.transitions, searched.found.iter().flatten().count())
}

/// Runs a row in this process and prints what it counted.
fn run(row: &str, quick: bool) -> ExitCode {
    let cluster = cluster(quick);
    let (states, steps, broken) = match row {
        "engine" => engine(&cluster, Options::default()),
        "engine-two-threads" => engine(&cluster, Options { threads: 2, ..Options::default() }),
        "engine-alike" => engine(&cluster, Options { symmetry: true, ..Options::default() }),
        "bfs" => stateright(cluster, true),
        "dfs" => stateright(cluster, false),
        "bfs-packed" => stateright(Packed(cluster), true),
        "dfs-packed" => stateright(Packed(cluster), false),
        other => panic!("no such row: {other}"),
    };
    println!("{states} {steps} {broken}");
    ExitCode::SUCCESS
}

fn main() -> ExitCode {
    // Cargo adds --bench.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (quick, runs) = match arguments[..] {
        ["--row", row] => return run(row, false),
        ["--row", row, "--quick"] => return run(row, true),
        [] => (false, 5),
        ["--quick"] => (true, 5),
        ["--runs", runs] => (false, runs.parse().expect("--runs takes a number")),
        _ => {
            eprintln!("recover_cluster [--quick | --runs N]");
            return ExitCode::from(2);
        }
    };
    let this = std::env::current_exe().expect("this program has a path");
    // In turn, so that a busy moment of the machine hits all of them.
    let mut measured = vec![Vec::new(); ROWS.len()];
    for _ in 0..runs {
        for ((row, _), measured) in ROWS.iter().zip(&mut measured) {
            let mut command = Command::new(&this);
            command.args(["--row", row]).args(quick.then_some("--quick"));
            let (text, cost) = process::run(&mut command).expect("a row runs");
            measured.push((cost.cpu, cost.wall, cost.peak, text));
        }
    }
    let counts: Vec<&str> = measured[0][0].3.split_whitespace().collect();
    println!(
        "{} states, {} steps, {} of {} properties broken; median of {runs} runs",
        counts[0],
        counts[1],
        counts[2],
        PROPERTIES.len()
    );
    println!(
        "\n| checker | CPU s | s on the clock | MB | to the engine's CPU s, every state | \
         to those, one of all alike |\n\
         | --- | --- | --- | --- | --- | --- |"
    );
    let mut agree = true;
    let median = |row: usize| {
        let mut of: Vec<_> = measured[row].iter().map(|(cpu, wall, peak, _)| (*cpu, *wall, *peak)).collect();
        of.sort();
        of[of.len() / 2]
    };
    for (place, (row, name)) in ROWS.iter().enumerate() {
        let (cpu, wall, peak) = median(place);
        let (cpu, wall) = (cpu.as_secs_f64(), wall.as_secs_f64());
        let to = |row: usize| cpu / median(row).0.as_secs_f64();
        println!("| {name} | {cpu:.2} | {wall:.2} | {} | {:.1} | {:.1} |", peak >> 20, to(0), to(ROWS.len() - 1));
        let same = |text: &String| {
            let fields: Vec<&str> = text.split_whitespace().collect();
            if *row == "engine-alike" { fields[2] == counts[2] } else { fields == counts }
        };
        for (_, _, _, text) in measured[place].iter().filter(|(_, _, _, text)| !same(text)) {
            eprintln!("{name} counted {text}instead of {counts:?}");
            agree = false;
        }
    }
    println!("\n| target | measured | wanted | |\n| --- | --- | --- | --- |");
    // Other load on the machine slows all rows of a round down, so the ratio within a round says more than that of rows
    // of different rounds.
    let ratio = |row: usize| {
        let rounds = measured[row].iter().zip(&measured[0]);
        let mut of: Vec<f64> = rounds.map(|(peer, engine)| peer.0.as_secs_f64() / engine.0.as_secs_f64()).collect();
        of.sort_by(f64::total_cmp);
        of[of.len() / 2]
    };
    for (packed, rows) in PEERS {
        let times = rows.map(ratio).into_iter().fold(f64::INFINITY, f64::min);
        let met = if times >= TARGET { "met" } else { "MISSED" };
        println!("| times the rate of stateright{packed} | {times:.2} | ≥ {TARGET} | {met} |");
    }
    // Speed says nothing about correctness.
    if agree { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
