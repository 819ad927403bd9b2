//! Runs the released functions under the harness, and reads what they asked, did and said.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Stdio;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::environment::Environment;
use super::record::{Function, Run};
use super::rewinds;
use super::rewinds::{RewindRun, RewindVector};
use super::vector::Vector;
use super::world::WorldRun;
use super::{DiffError, ErrorKind};

/// All vectors of one release.
#[derive(Debug, Default)]
pub struct Vectors {
    /// Those that are compared.
    pub vectors: Vec<Vector>,
    /// Worlds that the model does not have, by their reasons.
    pub outside: BTreeMap<&'static str, usize>,
    /// Functions that the release does not have.
    pub absent: Vec<Function>,
    /// Of each that it has, file and line where it begins.
    pub places: BTreeMap<Function, String>,
    /// Of those that are compared by their effects, a digest of all that they asked, did and said, in order: 12 hexadecimal digits.
    pub digests: BTreeMap<Function, String>,
}

/// Drives functions of a release through all that they can be answered.
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
                let digits = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
                if function.is_of_world() {
                    found.digests.insert(function, digits);
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

/// The next vector, with what the released code made of it.
fn rewound(vectors: &mut impl Iterator<Item = RewindVector>, line: &str) -> Result<RewindRun, String> {
    let vector = vectors.next().ok_or("more answers than vectors")?;
    let (_, _, outcome, extras): (Value, Value, Value, Value) =
        serde_json::from_str(line).map_err(|error| error.to_string())?;
    let knows = outcome["says"].as_str().ok_or("nothing is said")?.to_owned();
    let possible = extras["possible"].as_bool().ok_or("whether a rewind is possible is not said")?;
    Ok(RewindRun { vector, knows, possible })
}

/// A released function, and which of its branches the vectors take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Region {
    /// File below `patroni/`.
    pub file: String,
    /// Class and function.
    pub function: String,
    /// Branches: ways out of lines that have several.
    pub branches: usize,
    /// Of them, those that were taken.
    pub taken: usize,
    /// Lines that were not reached.
    pub missing_lines: Vec<u32>,
    /// Branches that were not taken, from line to line; negative if it leaves the function.
    pub missing_branches: Vec<(i64, i64)>,
}

/// Drives functions of a release as [`drive`] does, and looks only at which of its branches are taken.
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

/// One run again, as a line, with the place of each question in the released code.
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
        DiffError::new(ErrorKind::Environment, format!("running the harness on patroni {release}: {error}"))
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
    let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing").trim();
    if last.starts_with("ModuleNotFoundError") || last.starts_with("ImportError") || last.starts_with("SyntaxError") {
        let message = format!(
            "patroni {release} cannot be imported by this Python: {last}; remove {} to have it installed again, or name another Python",
            folder.display()
        );
        return Err(DiffError::new(ErrorKind::Environment, message));
    }
    let message = if last.contains("Unforeseen") {
        format!("patroni {release} asks for what the harness does not know, so nothing can be concluded: {last}")
    } else {
        format!("the harness failed on patroni {release} ({status}): {last}")
    };
    Err(DiffError::new(ErrorKind::Harness, message))
}
