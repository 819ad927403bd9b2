//! `pghaspec check --matrix`: every edition under every set of assumptions, compared with what is committed.

use std::path::Path;
use std::sync::Mutex;

use pghaspec_model::assumption::Assumption;
use pghaspec_model::edition::Edition;
use pghaspec_model::matrix::{Row, differences, markdown};
use serde::Serialize;

use crate::cli::{Failure, print};

/// What is committed, in the forms for programs and for people.
const COMMITTED: &str = include_str!("../../../../model/assumptions.json");
const JSON: &str = "assumptions.json";
const MARKDOWN: &str = "ASSUMPTIONS.md";

#[derive(Serialize)]
struct Document {
    rows: Vec<Row>,
    /// Where they differ from the committed ones.
    differences: Vec<String>,
}

pub fn run(write: Option<&Path>, threads: usize, json: bool) -> Result<u8, Failure> {
    let jobs: Vec<(Assumption, Edition)> =
        Edition::ALL.into_iter().flat_map(|edition| Assumption::ALL.map(|assumption| (assumption, edition))).collect();
    let rows = explore_all(&jobs, threads);
    if let Some(folder) = write {
        // A row a line: what changed is to be seen in a comparison of versions.
        let lines: Result<Vec<_>, _> = rows.iter().map(serde_json::to_string).collect();
        let lines = lines.map_err(|error| Failure::harness(format!("cannot write JSON: {error}")))?;
        for (name, content) in [(JSON, format!("[\n{}\n]\n", lines.join(",\n"))), (MARKDOWN, markdown(&rows))] {
            let file = folder.join(name);
            std::fs::write(&file, content)
                .map_err(|error| Failure::environment(format!("writing {}: {error}", file.display())))?;
        }
        eprintln!("written: {JSON} and {MARKDOWN} in {}", folder.display());
        return Ok(0);
    }
    let committed: Vec<Row> = serde_json::from_str(COMMITTED)
        .map_err(|error| Failure::harness(format!("the committed matrix cannot be read: {error}")))?;
    let document = Document { differences: differences(&committed, &rows), rows };
    let differs = !document.differences.is_empty();
    print(json, &document, || {
        let mut text = markdown(&document.rows);
        text += if differs { "\nDIFFERS from the committed matrix:\n" } else { "\nas committed\n" };
        for line in &document.differences {
            text += &format!("  {line}\n");
        }
        text
    })?;
    Ok(u8::from(differs))
}

/// Explores the rows, several at once, in their order.
fn explore_all(jobs: &[(Assumption, Edition)], threads: usize) -> Vec<Row> {
    let next = Mutex::new(jobs.iter().enumerate());
    let rows = Mutex::new(vec![None; jobs.len()]);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let job = next.lock().expect("nobody panics while taking a job").next();
                    let Some((place, &(assumption, edition))) = job else { break };
                    let row = Row::explore(assumption, edition);
                    eprintln!("{:>4} of {}  {} under {}", place + 1, jobs.len(), edition.id(), assumption.id());
                    rows.lock().expect("nobody panics while storing a row")[place] = Some(row);
                }
            });
        }
    });
    rows.into_inner().expect("all threads have ended").into_iter().flatten().collect()
}
