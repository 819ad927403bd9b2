//! The throughput of the judge, on recorded histories that are repeated to a million events.
//!
//! ```text
//! cargo bench -p pghaspec --bench judge [-- --events N]
//! ```
//!
//! Each row is a trace, repeated, as a file of JSON lines. `whole` is all that `pghaspec judge` does with it: reading
//! it twice, refusing damage, every property on the events, durability, times, and the model. Below it are its reading,
//! and the model alone, by each edition that explains the trace; for that all events are held. The time is the CPU time
//! of one thread. The memory is the most that the process had at once meanwhile, beyond what it had before; what came
//! before is kept to what the row needs, so that of the model alone is its own.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use pghaspec::history::History;
use pghaspec::history::parts::Recording;

use pghaspec::judge::{Verdict, allowed, explaining_editions, judge_recording};
use pghaspec_model::rules::edition::Edition;

#[path = "../tests/judge/repeated.rs"]
mod repeated;

const TRACES: [(&str, &str); 2] =
    [("patroni-4.1.5", "leader-postmaster-killed"), ("patroni-4.1.5", "leader-postmaster-killed-start-timeout-0")];

fn trace((agent, scenario): (&str, &str)) -> History {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/traces/{agent}/{scenario}.jsonl"));
    History::read(&file).unwrap_or_else(|error| panic!("{error}"))
}

/// CPU seconds of this thread.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|cpu| cpu.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1e9
}

/// Bytes that the process has, by a line of its status: `VmRSS` now, `VmHWM` at most.
fn memory(which: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(which)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<f64>().ok()).unwrap_or(f64::NAN) * 1024.0
}

/// Does something, and prints its row.
fn row<T>(history: &str, events: usize, what: &str, work: impl FnOnce() -> T) -> T {
    // From here on the most that the process had is counted anew.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let (had, started) = (memory("VmRSS:"), cpu());
    let result = work();
    let (took, most) = (cpu() - started, memory("VmHWM:") - had);
    println!(
        "| {history} | {events} | {what} | {took:.2} | {:.0} | {:.0} |",
        events as f64 / took,
        most.max(0.0) / 1e6
    );
    result
}

fn write(file: &Path, events: &[pghaspec_model::vocabulary::event::Event]) {
    let mut out = BufWriter::new(File::create(file).expect("there is room for a file"));
    for event in events {
        serde_json::to_writer(&mut out, event).expect("events can be written");
        out.write_all(b"\n").expect("events can be written");
    }
    out.flush().expect("events can be written");
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let given = arguments.iter().position(|argument| argument == "--events").and_then(|at| arguments.get(at + 1));
    let events = given.map_or(1_000_000, |given| given.parse().expect("--events is followed by a number"));
    let folder = tempfile::tempdir().expect("there is room for files");
    println!("| history | events | what | CPU s | events per CPU s | MB at most |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for which in TRACES {
        let recorded = trace(which);
        let explaining = explaining_editions(&recorded).expect("the model can be asked");
        let file = folder.path().join(format!("{}.jsonl", which.1));
        let events = {
            let long = repeated::repeated(&recorded, events);
            write(&file, &long);
            long.len()
        };
        let open = || Recording::open(&file).unwrap_or_else(|error| panic!("{error}"));
        let whole = row(which.1, events, "whole: read, all checks, model", || {
            let judged = judge_recording(&open(), Edition::V4_1, None).unwrap_or_else(|error| panic!("{error:?}"));
            println!("at most {} events and {} ranges of rows were held", judged.held, judged.ranges);
            judged.judgement
        });
        // Whatever its scenario demands is left out.
        assert_eq!(whole.verdict, Verdict::Skipped, "{:#?}", whole.checks);
        drop(row(which.1, events, "read once, refusing damage", open));
        let history = History::read(&file).unwrap_or_else(|error| panic!("{error}"));
        for edition in Edition::ALL {
            let explains = explaining.contains(&edition);
            let ask = || allowed(&history, edition);
            let check = match explains {
                true => row(which.1, events, &format!("model: explained by edition {}", edition.id()), ask),
                false => ask(),
            };
            assert_eq!(check.verdict == Verdict::Pass, explains, "{}: {check:#?}", edition.id());
        }
    }
}
