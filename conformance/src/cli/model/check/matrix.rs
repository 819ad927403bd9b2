//! `pghaspec check --matrix`: explores every edition under every set of assumptions, and compares with the committed
//! matrix.

use std::path::Path;
use std::sync::Mutex;

use pghaspec_model::rules::edition::Edition;
use pghaspec_model::timed::table;
use pghaspec_model::verify::assumption::Assumption;
use pghaspec_model::verify::matrix::{Row, differences, markdown};
use serde::Serialize;

use crate::cli::{Failure, print};

/// The committed matrix, in the forms for programs and for people.
const COMMITTED: &str = include_str!("../../../../../model/assumptions.json");
const JSON: &str = "assumptions.json";
const MARKDOWN: &str = "docs/ASSUMPTIONS.md";
/// The committed answers of the model with clocks, in the same forms.
const COMMITTED_TIMING: &str = include_str!("../../../../../model/timing.json");
const TIMING_JSON: &str = "timing.json";
const TIMING_MARKDOWN: &str = "docs/TIMING.md";

#[derive(Serialize)]
struct Document {
    rows: Vec<Row>,
    timing: Vec<table::Row>,
    /// The differences from the committed rows.
    differences: Vec<String>,
}

pub fn run(write: Option<&Path>, threads: usize, json: bool) -> Result<u8, Failure> {
    let jobs: Vec<(Assumption, Edition)> =
        Edition::ALL.into_iter().flat_map(|edition| Assumption::ALL.map(|assumption| (assumption, edition))).collect();
    let rows = in_parallel(&jobs, threads, |&(assumption, edition)| {
        (Row::explore(assumption, edition), format!("{} under {}", edition.id(), assumption.id()))
    });
    let timing = in_parallel(&table::questions(), threads, |question| (question.answer(), question.to_string()));
    if let Some(folder) = write {
        // A row a line, so that a comparison of versions shows what changed.
        let lines: Result<Vec<_>, _> = rows.iter().map(serde_json::to_string).collect();
        let lines = lines.map_err(|error| Failure::harness(format!("cannot write JSON: {error}")))?;
        let timing_lines: Result<Vec<_>, _> = timing.iter().map(serde_json::to_string).collect();
        let timing_lines = timing_lines.map_err(|error| Failure::harness(format!("cannot write JSON: {error}")))?;
        let list = |lines: &[String]| format!("[\n{}\n]\n", lines.join(",\n"));
        for (name, content) in [
            (JSON, list(&lines)),
            (MARKDOWN, markdown(&rows)),
            (TIMING_JSON, list(&timing_lines)),
            (TIMING_MARKDOWN, table::markdown(&timing)),
        ] {
            let file = folder.join(name);
            std::fs::create_dir_all(file.parent().unwrap_or(folder))
                .and_then(|()| std::fs::write(&file, content))
                .map_err(|error| Failure::environment(format!("writing {}: {error}", file.display())))?;
        }
        eprintln!("written: {JSON}, {MARKDOWN}, {TIMING_JSON} and {TIMING_MARKDOWN} in {}", folder.display());
        return Ok(0);
    }
    let committed: Vec<Row> = serde_json::from_str(COMMITTED)
        .map_err(|error| Failure::harness(format!("the committed matrix cannot be read: {error}")))?;
    let committed_timing: Vec<table::Row> = serde_json::from_str(COMMITTED_TIMING)
        .map_err(|error| Failure::harness(format!("the committed answers about time cannot be read: {error}")))?;
    let mut differ = differences(&committed, &rows);
    differ.extend(table::differences(&committed_timing, &timing));
    let document = Document { differences: differ, rows, timing };
    let differs = !document.differences.is_empty();
    print(json, &document, || {
        let mut text = markdown(&document.rows) + "\n" + &table::markdown(&document.timing);
        text += if differs { "\nDIFFERS from the committed matrix:\n" } else { "\nas committed\n" };
        for line in &document.differences {
            text += &format!("  {line}\n");
        }
        text
    })?;
    Ok(u8::from(differs))
}

/// Does the jobs, several at once, and says on standard error which are done. The results are in the order of the jobs.
fn in_parallel<J: Sync, R: Send + Clone>(
    jobs: &[J],
    threads: usize,
    work: impl Fn(&J) -> (R, String) + Sync,
) -> Vec<R> {
    let next = Mutex::new(jobs.iter().enumerate());
    let results = Mutex::new(vec![None; jobs.len()]);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let job = next.lock().expect("nobody panics while taking a job").next();
                    let Some((place, job)) = job else { break };
                    let (result, name) = work(job);
                    eprintln!("{:>4} of {}  {name}", place + 1, jobs.len());
                    results.lock().expect("nobody panics while storing a result")[place] = Some(result);
                }
            });
        }
    });
    results.into_inner().expect("all threads have ended").into_iter().flatten().collect()
}
