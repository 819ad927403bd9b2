//! The checkers that are compared, and the way to run each.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::process::{Workshop, on_path, run};
use crate::{Counts, Measurement, rust};

/// A checker with its order of search and its form of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checker {
    Engine,
    EngineTwoThreads,
    EngineSymmetry,
    StaterightBfs,
    StaterightDfs,
    StaterightBfsPacked,
    StaterightDfsPacked,
    SpinDfs,
    SpinBfs,
    Tlc,
}

/// A checker that is ready to run on a size.
pub enum Prepared {
    Rust(&'static str, u8),
    Spin { pan: PathBuf, arguments: Vec<String> },
    Tlc { jar: PathBuf, room: PathBuf },
}

/// The reason why a checker is not ready.
pub enum Missing {
    /// It is not installed; how to get it.
    Tool(String),
    /// A step of the preparation failed.
    Error(String),
}

impl Checker {
    pub const ALL: [Checker; 10] = [
        Checker::Engine,
        Checker::EngineTwoThreads,
        Checker::EngineSymmetry,
        Checker::StaterightBfs,
        Checker::StaterightDfs,
        Checker::StaterightBfsPacked,
        Checker::StaterightDfsPacked,
        Checker::SpinDfs,
        Checker::SpinBfs,
        Checker::Tlc,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Checker::Engine => "pghaspec",
            Checker::EngineTwoThreads => "pghaspec, 2 threads",
            Checker::EngineSymmetry => "pghaspec, symmetry",
            Checker::StaterightBfs | Checker::StaterightBfsPacked => "stateright BFS",
            Checker::StaterightDfs | Checker::StaterightDfsPacked => "stateright DFS",
            Checker::SpinDfs => "SPIN DFS",
            Checker::SpinBfs => "SPIN BFS",
            Checker::Tlc => "TLC",
        }
    }

    pub fn model(self) -> &'static str {
        match self {
            Checker::Engine | Checker::EngineTwoThreads | Checker::EngineSymmetry => "packed",
            Checker::StaterightBfsPacked | Checker::StaterightDfsPacked => "packed",
            Checker::StaterightBfs | Checker::StaterightDfs => "idiomatic",
            Checker::SpinDfs | Checker::SpinBfs => "Promela",
            Checker::Tlc => "TLA+",
        }
    }

    /// The largest number of resource managers for this checker.
    pub fn most(self) -> u8 {
        // Ten million states would take TLC ten minutes.
        if self == Checker::Tlc { 8 } else { 9 }
    }

    /// Compiles or writes the files that the checker needs.
    pub fn prepare(self, n: u8, workshop: &Workshop) -> Result<Prepared, Missing> {
        match self {
            Checker::Engine => Ok(Prepared::Rust("engine", n)),
            Checker::EngineTwoThreads => Ok(Prepared::Rust("engine-two-threads", n)),
            Checker::EngineSymmetry => Ok(Prepared::Rust("engine-symmetry", n)),
            Checker::StaterightBfs => Ok(Prepared::Rust("stateright-bfs", n)),
            Checker::StaterightDfs => Ok(Prepared::Rust("stateright-dfs", n)),
            Checker::StaterightBfsPacked => Ok(Prepared::Rust("stateright-bfs-packed", n)),
            Checker::StaterightDfsPacked => Ok(Prepared::Rust("stateright-dfs-packed", n)),
            Checker::SpinDfs | Checker::SpinBfs => spin(self == Checker::SpinBfs, n, workshop),
            Checker::Tlc => tlc(n, workshop),
        }
    }
}

/// SPIN generates a checker in C, which gcc compiles. States are stored whole, and no step is left out by partial order
/// reduction.
fn spin(breadth_first: bool, n: u8, workshop: &Workshop) -> Result<Prepared, Missing> {
    if on_path("spin").is_none() {
        return Err(Missing::Tool("not installed: apt-get install spin".into()));
    }
    if on_path("gcc").is_none() {
        return Err(Missing::Tool("gcc is not installed: apt-get install gcc libc6-dev".into()));
    }
    let order = if breadth_first { "bfs" } else { "dfs" };
    let room = workshop.room(&format!("spin-{order}-{n}"));
    let model = room.join("two_phase_commit.pml");
    let write = fs::write(&model, include_str!("../two_phase_commit.pml"));
    write.map_err(|error| Missing::Error(error.to_string()))?;
    let generate = &mut Command::new("spin");
    run(generate.current_dir(&room).arg(format!("-DN={n}")).arg("-a").arg(&model)).map_err(Missing::Error)?;
    // Its counts are exact, but it prints only the first eight digits.
    let source = room.join("pan.c");
    let exact = fs::read_to_string(&source).map(|text| text.replace("%9.8g", "%9.0f"));
    exact.and_then(|text| fs::write(&source, text)).map_err(|error| Missing::Error(error.to_string()))?;
    let compile = &mut Command::new("gcc");
    let compile = compile.current_dir(&room).args(["-O2", "-DSAFETY", "-DNOREDUCE", "-o", "pan", "pan.c"]);
    if breadth_first {
        compile.arg("-DBFS");
    }
    run(compile).map_err(Missing::Error)?;
    // As many hash slots as states, or somewhat more; paths are no longer than 30 steps.
    let slots = if n < 9 { "-w22" } else { "-w24" };
    let arguments = vec!["-m1000".into(), slots.into()];
    Ok(Prepared::Spin { pan: room.join("pan"), arguments })
}

fn tlc(n: u8, workshop: &Workshop) -> Result<Prepared, Missing> {
    let hint = "not at hand: set TLA2TOOLS_JAR to a tla2tools.jar (github.com/tlaplus/tlaplus/releases)";
    let jar = std::env::var_os("TLA2TOOLS_JAR").map(PathBuf::from).ok_or_else(|| Missing::Tool(hint.into()))?;
    if on_path("java").is_none() {
        return Err(Missing::Tool("java is not installed: apt-get install default-jre-headless".into()));
    }
    let room = workshop.room(&format!("tlc-{n}"));
    let settings = include_str!("../TwoPhase.cfg").replace("N = 7", &format!("N = {n}"));
    for (name, text) in [("TwoPhase.tla", include_str!("../TwoPhase.tla")), ("TwoPhase.cfg", &settings)] {
        fs::write(room.join(name), text).map_err(|error| Missing::Error(error.to_string()))?;
    }
    Ok(Prepared::Tlc { jar, room })
}

impl Prepared {
    pub fn run(&self) -> Result<Measurement, String> {
        match self {
            Prepared::Rust(checker, n) => rust::measure(checker, *n),
            Prepared::Spin { pan, arguments } => {
                let (text, cost) = run(Command::new(pan).args(arguments))?;
                if !text.contains("errors: 0") {
                    return Err(format!("SPIN found errors: {text}"));
                }
                let states = number_before(&text, "states, stored");
                let generated = number_before(&text, "transitions (= stored+matched)");
                Ok(Measurement { counts: counts(states, generated, &text)?, cost, bytes: None })
            }
            Prepared::Tlc { jar, room } => {
                let command = &mut Command::new("java");
                command.current_dir(room).arg("-XX:+UseParallelGC").arg("-cp").arg(jar);
                let (text, cost) = run(command.args(["tlc2.TLC", "-workers", "1", "-deadlock", "TwoPhase.tla"]))?;
                if !text.contains("No error has been found") {
                    return Err(format!("TLC: {text}"));
                }
                // "… states generated, … distinct states found, 0 states left on queue."
                let end = text.lines().rev().find(|line| line.contains("distinct states found")).unwrap_or_default();
                let generated = number_before(end, "states generated");
                let states = number_before(end, "distinct states found");
                Ok(Measurement { counts: counts(states, generated, &text)?, cost, bytes: None })
            }
        }
    }
}

/// Both tools count the initial state as a step.
fn counts(states: Option<u64>, generated: Option<u64>, text: &str) -> Result<Counts, String> {
    let counts = states.zip(generated).map(|(states, generated)| Counts { states, transitions: generated - 1 });
    counts.ok_or_else(|| format!("no counts in: {text}"))
}

/// The number before some words; it may be grouped by commas.
fn number_before(text: &str, words: &str) -> Option<u64> {
    let before = text[..text.find(words)?].trim_end();
    let number = before.rsplit(char::is_whitespace).next()?;
    number.replace(',', "").parse().ok()
}
