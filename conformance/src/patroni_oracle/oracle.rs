//! The harness of `fixtures/oracle/`: runs the released functions, and reads what they asked, did and said.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Stdio;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::environment::{Environment, PYTHON_VARIABLE};
use super::record::{Function, Run};
use super::rewinds;
use super::rewinds::{RewindRun, RewindVector};
use super::stderr::{HarnessFailure, of_harness};
use super::vector::Vector;
use super::world::WorldRun;
use super::{DiffError, ErrorKind};
use crate::digest::hex;

/// All runs of one release, as vectors to be compared.
#[derive(Debug, Default)]
pub struct Vectors {
    /// The vectors that are compared.
    pub vectors: Vec<Vector>,
    /// Number of runs in worlds that the model does not have, by reason.
    pub outside: BTreeMap<&'static str, usize>,
    /// Functions that the release does not have.
    pub absent: Vec<Function>,
    /// File and line where each function begins.
    pub places: BTreeMap<Function, String>,
    /// For each function that is compared by its effects, a digest of all that it asked, did and said, in order: 12
    /// hexadecimal digits.
    pub digests: BTreeMap<Function, String>,
}

/// Drives functions of a release through every sequence of answers that they can be given.
///
/// # Errors
/// The harness cannot be run, or met code that it does not know.
pub fn drive(
    environment: &Environment,
    release: &str,
    folder: &Path,
    functions: &[Function],
) -> Result<Vectors, DiffError> {
    let mut found = Vectors::default();
    let harness = |message: String| DiffError::new(ErrorKind::Harness, format!("patroni {release}: {message}"));
    let mut rewinds = rewinds::vectors().into_iter();
    let input: String = rewinds.as_slice().iter().map(|vector| format!("{}\n", vector.json())).collect();
    let names: Vec<&str> = functions.iter().map(|function| function.id()).collect();
    let (mut finished, mut counted, mut record) = (0, 0_u64, Sha256::new());
    lines(environment, release, folder, &names, input, |line| {
        if let Ok((name, end, place)) = serde_json::from_str::<(String, Value, String)>(line) {
            let function = Function::from_id(&name).ok_or_else(|| harness(format!("a function `{name}`")))?;
            if names.get(finished) != Some(&function.id()) {
                return Err(harness(format!("{name} ended, and it was not its turn")));
            }
            if end == "absent" {
                found.absent.push(function);
            } else if end.as_u64() != Some(counted) {
                return Err(harness(format!("{counted} runs of {name} arrived, {end} were sent")));
            } else {
                found.places.insert(function, place);
                let digest = record.finalize_reset();
                if function.is_of_world() {
                    found.digests.insert(function, hex(&digest[..6]));
                }
            }
            (finished, counted) = (finished + 1, 0);
            return Ok(());
        }
        counted += 1;
        record.update(line);
        record.update("\n");
        let function = names.get(finished).and_then(|id| Function::from_id(id));
        let function = function.ok_or_else(|| harness("a run after the last function".into()))?;
        let parsed = match function {
            Function::RewindDecision => rewound(&mut rewinds, line).map(Vector::Rewind),
            _ if function.is_dialogue() => Run::parse(function, line).map(Vector::Dialogue),
            _ => WorldRun::parse(function, line).map(Vector::World),
        };
        let vector = parsed.map_err(|why| harness(format!("{why}, in {line}")))?;
        match vector.outside() {
            Some(why) => *found.outside.entry(why).or_default() += 1,
            None => found.vectors.push(vector),
        }
        Ok(())
    })?;
    if finished != names.len() {
        return Err(harness(format!("the harness ended after {finished} of {} functions", names.len())));
    }
    let rewound = functions.contains(&Function::RewindDecision) && !found.absent.contains(&Function::RewindDecision);
    if rewinds.len() > 0 && rewound {
        return Err(harness(format!("{} comparisons of data directories were not answered", rewinds.len())));
    }
    Ok(found)
}

/// The next vector, with the answer of the released code.
fn rewound(vectors: &mut impl Iterator<Item = RewindVector>, line: &str) -> Result<RewindRun, String> {
    let vector = vectors.next().ok_or("more answers than vectors")?;
    let (_, _, outcome, extras): (Value, Value, Value, Value) =
        serde_json::from_str(line).map_err(|error| error.to_string())?;
    let knows = outcome["says"].as_str().ok_or("nothing is said")?.to_owned();
    let possible = extras["possible"].as_bool().ok_or("whether a rewind is possible is not said")?;
    Ok(RewindRun { vector, knows, possible })
}

/// A released function, and the jumps in it that the vectors take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// File below `patroni/`.
    pub file: String,
    /// Class and function.
    pub function: String,
    /// Number of ways out of lines that have several.
    pub branches: usize,
    /// Number of those that were taken.
    pub taken: usize,
    /// Lines that were not reached.
    pub missing_lines: Vec<u32>,
    /// Ways that were not taken, from line to line; the second is negative if the way leaves the function.
    pub missing_branches: Vec<(i64, i64)>,
}

/// Drives functions of a release as [`drive`] does, and measures only which of their jumps are taken.
///
/// # Errors
/// As of [`drive`].
pub fn coverage(
    environment: &Environment,
    release: &str,
    folder: &Path,
    functions: &[Function],
) -> Result<Vec<Region>, DiffError> {
    let input: String = rewinds::vectors().iter().map(|vector| format!("{}\n", vector.json())).collect();
    let arguments: Vec<&str> =
        ["--coverage"].into_iter().chain(functions.iter().map(|function| function.id())).collect();
    let mut regions = Vec::new();
    lines(environment, release, folder, &arguments, input, |line| {
        let (file, function, branches, taken, missing_lines, missing_branches) = serde_json::from_str(line)
            .map_err(|error| DiffError::new(ErrorKind::Harness, format!("patroni {release}: {error}, in {line}")))?;
        regions.push(Region { file, function, branches, taken, missing_lines, missing_branches });
        Ok(())
    })?;
    Ok(regions)
}

/// The line of one run that is repeated, with the place of each question in the released code.
///
/// # Errors
/// As of [`drive`], or the run cannot be repeated.
pub fn again(
    environment: &Environment,
    release: &str,
    folder: &Path,
    function: Function,
    choices: &[u8],
) -> Result<String, DiffError> {
    let choices: Vec<String> = choices.iter().map(u8::to_string).collect();
    let arguments = ["--again", function.id(), &choices.join(",")];
    let mut found = None;
    lines(environment, release, folder, &arguments, String::new(), |line| {
        found = Some(line.to_owned());
        Ok(())
    })?;
    found.ok_or_else(|| DiffError::new(ErrorKind::Harness, format!("patroni {release}: a run could not be repeated")))
}

/// Runs the harness and hands over each line of its output.
fn lines(
    environment: &Environment,
    release: &str,
    folder: &Path,
    arguments: &[&str],
    input: String,
    mut take: impl FnMut(&str) -> Result<(), DiffError>,
) -> Result<(), DiffError> {
    let trouble = |error: std::io::Error| {
        let message = format!("running the harness on patroni {release}: {error}");
        DiffError::new(ErrorKind::Environment, message).caused_by(error)
    };
    let mut child = environment
        .command(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(trouble)?;
    // It reads beside what it writes, and may end without having read all: then its output says why.
    let stdin = child.stdin.take();
    let writing = std::thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
    // Its complaints are read beside its output, so that neither can fill up and stop it.
    let stderr = child.stderr.take();
    let complaints = std::thread::spawn(move || {
        let mut words = String::new();
        stderr.map(|mut stderr| stderr.read_to_string(&mut words));
        words
    });
    let mut taken = Ok(());
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.map_err(trouble)?;
            taken = take(&line);
            if taken.is_err() {
                let _ = child.kill();
                break;
            }
        }
    }
    let status = child.wait().map_err(trouble)?;
    let words = complaints.join().unwrap_or_default();
    let _ = writing.join();
    taken?;
    if status.success() {
        return Ok(());
    }
    let (last, failure) = of_harness(&words);
    let (kind, message) = match failure {
        HarnessFailure::Import => {
            let message = format!(
                "patroni {release} cannot be imported by this Python: {last}; help: remove {} to have it installed \
                 again, or name another Python in {PYTHON_VARIABLE}",
                folder.display()
            );
            (ErrorKind::Environment, message)
        }
        HarnessFailure::Unforeseen => {
            let problem = "asks for what the harness does not know, so nothing can be concluded";
            (ErrorKind::Harness, format!("patroni {release} {problem}: {last}"))
        }
        HarnessFailure::Other => {
            (ErrorKind::Harness, format!("the harness failed on patroni {release} ({status}): {last}"))
        }
    };
    Err(DiffError::new(kind, message))
}
