//! The report: the comparison in tables.

use std::fs;
use std::time::Duration;

use crate::Measurement;
use crate::checkers::Checker;

/// A row of the comparison.
pub struct Row {
    pub checker: Checker,
    pub n: u8,
    pub outcome: Outcome,
}

/// The outcome of a row.
pub enum Outcome {
    /// The median of a number of runs.
    Measured(Measurement, usize),
    /// The tool is not installed; how to get it.
    Absent(String),
    /// It counted something else than the others, or failed.
    Wrong(String),
}

impl Measurement {
    /// Distinct states for each second of CPU time.
    fn rate(&self) -> f64 {
        self.counts.states as f64 / self.cost.cpu.as_secs_f64().max(0.000_001)
    }
}

fn measured(rows: &[Row], checker: Checker, n: u8) -> Option<Measurement> {
    rows.iter().find(|row| row.checker == checker && row.n == n).and_then(|row| match row.outcome {
        Outcome::Measured(measured, _) => Some(measured),
        _ => None,
    })
}

/// Prints the measurements, and how they compare.
pub fn print(rows: &[Row]) {
    let mut table = vec![
        ["tool", "model", "n", "states", "steps", "CPU s", "wall s", "states/CPU s", "B/state", "RSS B/state", "runs"]
            .map(String::from)
            .to_vec(),
    ];
    for Row { checker, n, outcome } in rows {
        let mut line = vec![checker.name().to_string(), checker.model().to_string(), n.to_string()];
        match outcome {
            Outcome::Measured(measured, runs) => {
                let (counts, cost) = (measured.counts, measured.cost);
                line.extend([
                    grouped(counts.states),
                    grouped(counts.transitions),
                    seconds(cost.cpu),
                    seconds(cost.wall),
                    grouped(measured.rate() as u64),
                    measured.bytes.map_or("–".to_string(), |bytes| bytes.to_string()),
                    (cost.peak / counts.states).to_string(),
                    runs.to_string(),
                ]);
            }
            Outcome::Absent(hint) => line.push(hint.clone()),
            Outcome::Wrong(error) => line.push(format!("WRONG: {error}")),
        }
        table.push(line);
    }
    println!();
    print_table(&table);

    // With --quick there is only the smallest size.
    let n = if rows.iter().any(|row| row.n == 8) { 8 } else { 7 };
    let Some(ours) = measured(rows, Checker::Engine, n) else { return };
    let mut table = vec![vec![
        "tool".into(),
        "model".into(),
        format!("pghaspec is faster by (n = {n})"),
        "rate of 9 / rate of 8".into(),
    ]];
    for checker in Checker::ALL.into_iter().filter(|checker| *checker != Checker::EngineSymmetry) {
        let Some(other) = measured(rows, checker, n) else { continue };
        let larger = measured(rows, checker, 9).filter(|_| n == 8);
        table.push(vec![
            checker.name().into(),
            checker.model().into(),
            format!("{:.2}", ours.rate() / other.rate()),
            larger.map_or("–".into(), |larger| format!("{:.2}", larger.rate() / other.rate())),
        ]);
    }
    println!();
    print_table(&table);
}

/// Prints the targets of the engine, and whether they are met.
pub fn targets(rows: &[Row], duel: &[(Duration, Duration)]) {
    let rate = |checker, n| measured(rows, checker, n).map(|measured| measured.rate());
    let best = |checkers: &[Checker]| checkers.iter().filter_map(|checker| rate(*checker, 8)).reduce(f64::max);
    let ours = measured(rows, Checker::Engine, 8);
    let our_rate = rate(Checker::Engine, 8);
    let against = |other: Option<f64>| Some(our_rate? / other?);
    let faster = duel.iter().filter(|(one, two)| two < one).count();
    let lines = [
        ("states per CPU second, n = 8", our_rate, 1_500_000.0, true),
        ("bytes for each state, n = 8", ours.and_then(|ours| ours.bytes).map(|bytes| bytes as f64), 40.0, false),
        (
            "times the rate of stateright, idiomatic",
            against(best(&[Checker::StaterightBfs, Checker::StaterightDfs])),
            4.0,
            true,
        ),
        (
            "times the rate of stateright, packed",
            against(best(&[Checker::StaterightBfsPacked, Checker::StaterightDfsPacked])),
            1.0,
            true,
        ),
        ("times the rate of SPIN", against(best(&[Checker::SpinDfs, Checker::SpinBfs])), 3.0, true),
        (
            "rate of n = 9 to that of n = 8",
            rate(Checker::Engine, 9).zip(our_rate).map(|(nine, eight)| nine / eight),
            0.67,
            true,
        ),
        (
            "milliseconds with symmetry, n = 9",
            measured(rows, Checker::EngineSymmetry, 9).map(|symmetry| symmetry.cost.wall.as_secs_f64() * 1000.0),
            50.0,
            false,
        ),
        ("runs of ten in which two threads are faster, n = 9", Some(faster as f64), 10.0, true),
    ];
    let mut table = vec![["target", "measured", "wanted", ""].map(String::from).to_vec()];
    for (name, value, bound, at_least) in lines {
        let sign = if at_least { "≥" } else { "≤" };
        let met = value.map(|value| if at_least { value >= bound } else { value <= bound });
        table.push(vec![
            name.into(),
            value.map_or("–".into(), short),
            format!("{sign} {}", short(bound)),
            met.map_or("not measured", |met| if met { "met" } else { "MISSED" }).into(),
        ]);
    }
    println!();
    print_table(&table);
    let walls: Vec<String> = duel.iter().map(|(one, two)| format!("{}/{}", seconds(*one), seconds(*two))).collect();
    println!("\none thread / two threads, seconds on the clock: {}", walls.join("  "));
}

fn print_table(table: &[Vec<String>]) {
    let columns = table[0].len();
    let full: Vec<&Vec<String>> = table.iter().filter(|line| line.len() == columns).collect();
    let widths: Vec<usize> = (0..columns)
        .map(|column| full.iter().map(|line| line[column].chars().count()).max().expect("a head"))
        .collect();
    for line in table {
        let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| match column {
            _ if line.len() < columns && column + 1 == line.len() => cell.clone(),
            0 | 1 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

fn seconds(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.1 { format!("{seconds:.4}") } else { format!("{seconds:.2}") }
}

fn short(value: f64) -> String {
    if value >= 1000.0 { grouped(value as u64) } else { format!("{}", (value * 100.0).round() / 100.0) }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The machine in one line.
pub fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("machine: {cores} cores, {}\nbefore: load {}", model.unwrap_or("unknown"), load())
}

/// Load averages of the last 1, 5 and 15 minutes.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
