//! `pghaspec diff`: compares the specification with the code of released agents.

use std::path::PathBuf;
use std::sync::Mutex;

use pghaspec_model::mutants::Mutant;
use serde::Serialize;

use super::{Failure, bounds, print};
use crate::fixtures;
use crate::manifest::Row;
use crate::patroni_oracle::environment::Environment;
use crate::patroni_oracle::oracle::Region;
use crate::patroni_oracle::record::Function;
use crate::patroni_oracle::release::{Extent, ReleaseComparison, compare_release, survivors};
use crate::patroni_oracle::{DiffError, ErrorKind, table};
use crate::run::spec::SPEC_SHA256;

/// The committed table of releases, in the forms for programs and for people.
const COMMITTED: &str = include_str!("../../../fixtures/oracle/releases.json");
const JSON: &str = "releases.json";
const MARKDOWN: &str = "RELEASES.md";

#[derive(clap::Args)]
pub struct Args {
    /// A release of patroni, such as 4.1.5; may be given several times. All that are known if not given.
    #[arg(long = "release", value_name = "VERSION", value_parser = bounds::release)]
    releases: Vec<String>,
    /// A function to compare, such as recover; may be given several times. All that the release has if not given. Rules
    /// on which only the others depend are then not decided.
    #[arg(long = "function", value_name = "NAME", conflicts_with = "write")]
    functions: Vec<String>,
    /// Break one rule of ours on purpose (`pghaspec list mutants`): the releases that depend on it are then not
    /// explained any more.
    #[arg(long, value_name = "ID", conflicts_with = "write")]
    mutant: Option<String>,
    /// Say which of the model's mutants of `recover` the newest of these releases tells from the honest one.
    #[arg(long)]
    mutants: bool,
    /// Say which jumps of the released functions were taken.
    #[arg(long)]
    coverage: bool,
    /// Write what was found into this folder (fixtures/oracle) instead of comparing it with what is committed.
    #[arg(long, value_name = "FOLDER", value_parser = bounds::folder)]
    write: Option<PathBuf>,
    /// Releases at a time, 1 to 64; as many as there are processors if not given.
    #[arg(long, value_name = "N", value_parser = bounds::threads)]
    jobs: Option<usize>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    version: &'static str,
    spec_sha256: &'static str,
    releases: Vec<Entry>,
    /// The differences from the committed table.
    differences: Vec<String>,
    /// Mutants of `recover` that the newest release does not catch; absent if not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    mutants: Option<Mutants>,
}

#[derive(Serialize)]
struct Entry {
    release: String,
    /// `explained`, `unexplained`, or `error`
    result: &'static str,
    /// The newest edition that explains it, or the nearest.
    edition: Option<String>,
    /// Number of runs that were compared.
    vectors: usize,
    /// Number of runs that were not, since the model has no such world.
    outside: usize,
    /// The functions that it has, and how each was compared.
    functions: Vec<Covered>,
    /// Number of compared runs that are not explained.
    mismatches: usize,
    /// Its row of the table.
    found: Option<Row>,
    /// The simplest run that is not explained, question by question.
    examples: Vec<Vec<String>>,
    /// The jumps of the released functions that were taken, if asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    coverage: Vec<Region>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
struct Covered {
    function: &'static str,
    /// File below `patroni/`, and line.
    begins: String,
    /// Number of runs that were compared.
    vectors: usize,
    inputs: &'static str,
    compared: &'static str,
}

#[derive(Serialize)]
struct Mutants {
    release: String,
    caught: Vec<&'static str>,
    survived: Vec<&'static str>,
}

impl From<DiffError> for Failure {
    fn from(error: DiffError) -> Failure {
        let failure = match error.kind {
            ErrorKind::Usage => Failure::usage(&error),
            ErrorKind::Environment => Failure::environment(&error),
            ErrorKind::Harness => Failure::harness(&error),
        };
        failure.caused_by(error)
    }
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let mutant = match &args.mutant {
        None => None,
        Some(id) => Some(super::known("mutant", id, Mutant::from_id, &Mutant::ALL.map(Mutant::id))?),
    };
    let all = Function::ALL.map(Function::id);
    let named = args.functions.iter().map(|id| super::known("function", id, Function::from_id, &all));
    let named = named.collect::<Result<Vec<Function>, Failure>>()?;
    let is_compared = |function: &Function| named.is_empty() || named.contains(function);
    let functions: Vec<Function> = Function::ALL.into_iter().filter(is_compared).collect();
    // Before the minutes that it takes, not after them.
    if let Some(folder) = &args.write {
        std::fs::create_dir_all(folder)
            .map_err(|error| Failure::environment(format!("--write {}: {error}", folder.display())))?;
    }
    let environment = Environment::prepare()?;
    let releases = if args.releases.is_empty() { known()? } else { args.releases.clone() };
    let wanted = Extent { functions: &functions, mutant, coverage: args.coverage };
    let found = in_parallel(&environment, &releases, args.jobs.unwrap_or_else(bounds::processors), wanted);

    let errors: Vec<u8> = found.iter().filter_map(|(_, found)| Some(code(found.as_ref().err()?))).collect();
    let compared: Vec<&ReleaseComparison> = found.iter().filter_map(|(_, found)| found.as_ref().ok()).collect();
    let rows: Vec<Row> = compared.iter().map(|compared| compared.row.clone()).collect();
    if let Some(folder) = &args.write {
        let rules: Vec<_> = compared.iter().map(|compared| compared.rules).collect();
        let lines: Result<Vec<_>, _> = rows.iter().map(serde_json::to_string).collect();
        let lines = lines.map_err(|error| Failure::harness(format!("cannot write JSON: {error}")))?;
        for (name, content) in
            [(JSON, format!("[\n{}\n]\n", lines.join(",\n"))), (MARKDOWN, table::markdown(&rows, &rules))]
        {
            let file = folder.join(name);
            std::fs::write(&file, content)
                .map_err(|error| Failure::environment(format!("writing {}: {error}", file.display())))?;
        }
        eprintln!("written: {JSON} and {MARKDOWN} in {}", folder.display());
    }
    let differences = match (&args.write, mutant) {
        (Some(_), _) | (_, Some(_)) => Vec::new(),
        (None, None) => {
            let committed = table::committed(COMMITTED)
                .map_err(|error| Failure::harness(format!("the committed releases cannot be read: {error}")))?;
            let whole = functions.len() == Function::ALL.len();
            rows.iter().flat_map(|row| table::differences(&committed, row, whole)).collect()
        }
    };
    let mutants = compared.last().filter(|_| args.mutants).map(|compared| {
        let survived = survivors(compared, &Mutant::of_recover());
        let caught = Mutant::of_recover().into_iter().filter(|mutant| !survived.contains(mutant));
        Mutants {
            release: compared.row.release.clone(),
            caught: caught.map(Mutant::id).collect(),
            survived: survived.iter().map(|mutant| mutant.id()).collect(),
        }
    });
    let bad = rows.iter().any(|row| row.mismatches > 0)
        || !differences.is_empty()
        || mutants.as_ref().is_some_and(|mutants| !mutants.survived.is_empty());
    let document = Document {
        version: env!("CARGO_PKG_VERSION"),
        spec_sha256: SPEC_SHA256,
        releases: found.iter().map(entry).collect(),
        differences,
        mutants,
    };
    print(args.json, &document, || text(&document))?;
    // A difference that was found decides before a release that could not be compared.
    Ok(if bad { 1 } else { errors.into_iter().max().unwrap_or(0) })
}

/// The releases that are compared unless some are named.
fn known() -> Result<Vec<String>, Failure> {
    let file = fixtures::oracle().join("releases.txt");
    let words = std::fs::read_to_string(&file)
        .map_err(|error| Failure::environment(format!("reading {}: {error}", file.display())))?;
    Ok(words.split_whitespace().map(str::to_owned).collect())
}

/// A release, and the outcome of its comparison.
type Outcome = (String, Result<ReleaseComparison, DiffError>);

/// Compares the releases, a few at a time; the results are in the order in which they were named.
fn in_parallel(environment: &Environment, releases: &[String], jobs: usize, wanted: Extent<'_>) -> Vec<Outcome> {
    let next = Mutex::new(releases.iter().enumerate());
    let done = Mutex::new(Vec::new());
    let work = || {
        while let Some((place, release)) = { next.lock().expect("nobody panics while taking a release").next() } {
            let mut found = compare_release(environment, release, wanted);
            if place + 1 < releases.len()
                && let Ok(compared) = &mut found
            {
                // Only the vectors of the last release are needed again.
                compared.vectors.vectors = Vec::new();
            }
            let mut done = done.lock().expect("nobody panics while handing over a release");
            done.push((place, (release.clone(), found)));
            eprint!("\r{} of {} releases", done.len(), releases.len());
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..jobs.min(releases.len()) {
            scope.spawn(work);
        }
        work();
    });
    eprintln!();
    let mut done = done.into_inner().expect("nobody panics while handing over a release");
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, found)| found).collect()
}

fn code(error: &DiffError) -> u8 {
    match error.kind {
        ErrorKind::Usage => 2,
        ErrorKind::Environment => 3,
        ErrorKind::Harness => 4,
    }
}

fn entry((release, found): &Outcome) -> Entry {
    match found {
        Err(error) => Entry {
            release: release.clone(),
            result: "error",
            edition: None,
            vectors: 0,
            outside: 0,
            functions: Vec::new(),
            mismatches: 0,
            found: None,
            examples: Vec::new(),
            coverage: Vec::new(),
            error: Some(error.to_string()),
        },
        Ok(compared) => Entry {
            release: release.clone(),
            result: if compared.row.mismatches == 0 { "explained" } else { "unexplained" },
            edition: compared.row.editions.last().cloned(),
            vectors: compared.row.vectors.values().sum(),
            outside: compared.row.outside.values().sum(),
            functions: functions(compared),
            mismatches: compared.row.mismatches,
            found: Some(compared.row.clone()),
            examples: compared.example.clone().into_iter().collect(),
            coverage: compared.coverage.clone(),
            error: None,
        },
    }
}

fn functions(compared: &ReleaseComparison) -> Vec<Covered> {
    let places = compared.vectors.places.iter();
    let covered = |(function, place): (&Function, &String)| Covered {
        function: function.id(),
        begins: place.clone(),
        vectors: compared.row.vectors.get(function.id()).copied().unwrap_or(0),
        inputs: function.inputs(),
        compared: function.compared(),
    };
    places.map(covered).collect()
}

fn text(document: &Document) -> String {
    let mut text = format!("pghaspec {}, specification {}\n\n", document.version, &document.spec_sha256[..16]);
    for entry in &document.releases {
        let Some(row) = &entry.found else {
            text += &format!("{:<8} error        {}\n", entry.release, entry.error.as_deref().unwrap_or_default());
            continue;
        };
        let runs = entry.vectors;
        let rules = if row.rules.is_empty() { String::new() } else { format!("; {}", row.rules.join(", ")) };
        text += &format!(
            "{:<8} {:<12} edition {}{rules}; {runs} runs (the full product), {} left out",
            row.release,
            entry.result,
            row.editions.join(", "),
            entry.outside
        );
        text += &match row.mismatches {
            0 => "\n".to_owned(),
            many => format!(", {many} not explained; the simplest:\n"),
        };
        for line in entry.examples.iter().flatten() {
            text += &format!("    {line}\n");
        }
        for region in &entry.coverage {
            let missing = |what: &str, missing: Vec<String>| match missing.is_empty() {
                true => String::new(),
                false => format!("; not {what} {}", missing.join(", ")),
            };
            let branches = region.missing_branches.iter().map(|(from, to)| format!("{from} → {to}")).collect();
            text += &format!(
                "    {:<60} {:>3} of {:>3} branches{}{}\n",
                format!("{} {}", region.file, region.function),
                region.taken,
                region.branches,
                missing("reached: lines", region.missing_lines.iter().map(u32::to_string).collect()),
                missing("taken:", branches),
            );
        }
    }
    if let Some(mutants) = &document.mutants {
        let all = mutants.caught.len() + mutants.survived.len();
        text +=
            &format!("\nmutants of recover, against {}: {} of {all} caught\n", mutants.release, mutants.caught.len());
        for id in &mutants.survived {
            text += &format!("survives     {id}\n");
        }
    }
    if !document.differences.is_empty() {
        text += "\nnot as committed:\n";
        for line in &document.differences {
            text += &format!("    {line}\n");
        }
    }
    text
}
