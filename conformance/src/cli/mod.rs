//! The command line `pghaspec`, a module for each of its commands.
//!
//! Exit codes: 0 conforms, or as expected; 1 a violation was found; 2 bad usage or input; 3 the environment lacks
//! something; 4 inconclusive, or the harness failed. With `--json`, standard output carries one JSON document and
//! nothing else.
//!
//! | file | what |
//! | --- | --- |
//! | `certify.rs` | `certify`: scenarios against an agent, on containers |
//! | `defects.rs` | `defects`: each scenario against the agent that fails it |
//! | `scenario_run.rs` | one scenario of either, from its file to its result |
//! | `judge.rs` | `judge`: recorded histories |
//! | `report.rs` | `report`: results from evidence |
//! | `verify.rs` | `verify`: a certificate against its evidence |
//! | `sign.rs` | `sign`: a signature for a certificate |
//! | `scenarios.rs` | `scenarios`: the coverage matrix, and the derived schedules |
//! | `diff.rs` | `diff`: the specification against released code |
//! | `model/` | `check`, `timing`, `explore` and `simulate`: the model alone |
//! | `list.rs` | `list`: all that has a name |
//! | `bounds.rs` | bounds of numbers, folders and memory that options name |
//! | `schema.rs` | `schema`: the shapes of the files that people write |
//! | `doctor.rs` | `doctor`: what this machine has and lacks |

mod bounds;
mod certify;
mod defects;
mod diff;
mod doctor;
mod judge;
mod list;
mod model;
mod report;
mod scenario_run;
mod scenarios;
mod schema;
mod sign;
mod verify;

use std::error::Error;
use std::fmt;
use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use serde::Serialize;

use crate::certificate::NoCertificate;
use crate::fixtures;
use crate::history::HistoryError;
use crate::input::{self, InputError};
use crate::interrupt;
use crate::lab::{LabError, Trouble};
use crate::manifest::Manifest;
use crate::rules;
use crate::run::error::RunDirError;
use crate::untrusted::escape;
use pghaspec_model::rules::edition::Edition;

/// Model-checked specification and conformance tests for PostgreSQL high-availability agents.
#[derive(Parser)]
#[command(name = "pghaspec", version, about, after_long_help = ENVIRONMENT)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The variables that the program reads.
const ENVIRONMENT: &str = "Environment:
  DOCKER_HOST            another Docker Engine than the local one
  PGHASPEC_FIXTURES      another folder of scenarios, agents and images than the program's own
  PGHASPEC_KEY_PASSWORD  the password of the secret key of `sign`
  PGHASPEC_CACHE         the folder into which `diff` installs releases, instead of ~/.cache/pghaspec
  PGHASPEC_PYTHON        the Python that `diff` runs released code with, instead of python3
  XDG_CACHE_HOME         the folder of caches, in which the program unpacks its own fixtures, instead of ~/.cache";

#[derive(Subcommand)]
enum Command {
    /// Explore every behaviour of the model and hold it to the safety properties.
    Check(model::check::Args),
    /// Explore the cluster with clocks: whether one leader at a time follows from loop_wait, retry_timeout and ttl, and
    /// how long a failover takes.
    Timing(model::timing::Args),
    /// Compare the specification with released agents' own code, function by function.
    ///
    /// Each release of patroni is installed once from the package index into a cache. Its own functions are run through
    /// every sequence of answers that they can be given, ours through the same, and all that is asked, done and said
    /// has to agree.
    Diff(diff::Args),
    /// Walk through the model in a browser, step by step.
    ///
    /// Serves stateright's Explorer on 127.0.0.1 until Ctrl-C. Each step shows what it changed, each state what every
    /// node and agent holds, each path its sequence diagram.
    ///
    /// Only what is looked at is computed: nothing is searched in the background. The button "Run to completion" does
    /// start a search of the whole model, one thread that cannot be stopped but with Ctrl-C: about half a minute and 50
    /// MiB for two nodes, more for three. What it finds is linked, and is not the shortest way: `pghaspec check` finds
    /// that.
    Explore(model::explore::Args),
    /// Run scenarios against an agent on real containers and judge it.
    Certify(certify::Args),
    /// Run each scenario against the agent that is said to fail it, on real containers, and say which of them do.
    ///
    /// A scenario that nobody can fail proves nothing. The pairs are in fixtures/failed_by.toml: seeded defects of an
    /// agent, and releases that are known to be wrong. Exit code 1 if a defect gets through.
    Defects(defects::Args),
    /// Judge recorded histories, without containers.
    Judge(judge::Args),
    /// Make the results of recorded runs again from their evidence, and put the parts of a split run together.
    Report(report::Args),
    /// Make the certificate of a run again from its evidence, and say whether it is what it says.
    ///
    /// Exit code 0: it is, whatever its verdict (see --require). 1: it is not, or a requirement is not met. 2: there is
    /// no certificate that this program can judge.
    Verify(verify::Args),
    /// Sign the certificate of a run, once it verifies, or make a pair of keys.
    Sign(sign::Args),
    /// Show the schedules of faults that a suite needs, and the committed scenarios that cover them.
    Scenarios(scenarios::Args),
    /// Write random behaviours of the model, recorded as if a lab had watched them. The judge accepts them, but not
    /// those of most mutants.
    Simulate(model::simulate::Args),
    /// List what there is.
    List(list::Args),
    /// Print the JSON Schema of a file that people write, for an editor.
    Schema(schema::Args),
    /// Say what this machine has and lacks, and how to mend it.
    Doctor(doctor::Args),
}

/// The error that ends a command without its result.
#[derive(Debug)]
pub struct Failure {
    message: String,
    code: u8,
    /// The error that told of it, if one did; the message has its words.
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// Bad usage or input.
    pub fn usage(message: impl Display) -> Failure {
        Failure { message: message.to_string(), code: 2, source: None }
    }

    /// A certificate is not what it says.
    pub fn denied(message: impl Display) -> Failure {
        Failure { message: message.to_string(), code: 1, source: None }
    }

    /// The environment lacks something.
    pub fn environment(message: impl Display) -> Failure {
        Failure { message: message.to_string(), code: 3, source: None }
    }

    /// The harness failed.
    pub fn harness(message: impl Display) -> Failure {
        Failure { message: message.to_string(), code: 4, source: None }
    }

    fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Failure {
        self.source = Some(Box::new(source));
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<InputError> for Failure {
    fn from(error: InputError) -> Failure {
        Failure::usage(&error).caused_by(error)
    }
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Failure {
        Failure::usage(&error).caused_by(error)
    }
}

impl From<RunDirError> for Failure {
    fn from(error: RunDirError) -> Failure {
        Failure::environment(&error).caused_by(error)
    }
}

impl From<NoCertificate> for Failure {
    fn from(error: NoCertificate) -> Failure {
        match error {
            NoCertificate::Older => Failure::usage(format!("{error}; help: run `pghaspec certify` anew")),
            NoCertificate::Input(error) => error.into(),
            NoCertificate::File(error) => error.into(),
        }
    }
}

impl From<LabError> for Failure {
    fn from(error: LabError) -> Failure {
        let failure = match error.trouble {
            Trouble::Environment => Failure::environment(&error),
            Trouble::Manifest => Failure::usage(&error),
            Trouble::Harness | Trouble::Node | Trouble::Interrupted => Failure::harness(&error),
        };
        failure.caused_by(error)
    }
}

/// The JSON Schemas of the files that people write, by the names of their committed files.
pub fn schemas() -> [(&'static str, serde_json::Value); 4] {
    schema::all()
}

/// The command line as data, for the page that documents it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    // What leaves containers behind is ended in order, from its first moment on.
    if matches!(command, Command::Certify(_) | Command::Defects(_))
        && let Err(why) = interrupt::listen()
    {
        return told(&Failure::environment(why));
    }
    if let Err((problem, help)) = fixtures::prepare() {
        return told(&Failure::environment(format!("{problem}; help: {help}")));
    }
    let outcome = match command {
        Command::Check(args) => model::check::run(&args),
        Command::Timing(args) => model::timing::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Explore(args) => model::explore::run(&args),
        Command::Certify(args) => certify::run(&args),
        Command::Defects(args) => defects::run(&args),
        Command::Judge(args) => judge::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Sign(args) => sign::run(&args),
        Command::Scenarios(args) => scenarios::run(&args),
        Command::Simulate(args) => model::simulate::run(&args),
        Command::List(args) => list::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Doctor(args) => doctor::run(&args),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => told(&failure),
    }
}

/// Tells of a failure, and returns its exit code.
fn told(failure: &Failure) -> ExitCode {
    warn(&failure);
    ExitCode::from(failure.code)
}

/// Tells of trouble, on standard error. A terminal that is gone is told nothing.
fn warn(trouble: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "pghaspec: {}", escape::terminal(&trouble.to_string()));
}

/// Prints a document, as JSON or as text.
fn print(json: bool, document: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Failure> {
    let mut words = if json {
        let document = serde_json::to_string_pretty(document);
        escape::json(&document.map_err(|error| Failure::harness(format!("cannot write JSON: {error}")))?)
    } else {
        escape::terminal(&text())
    };
    if !words.ends_with('\n') {
        words.push('\n');
    }
    // A reader that has seen enough (`| head`) is no error.
    match std::io::stdout().write_all(words.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::environment(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// A path in JSON, which has no place for bytes that are no text.
fn as_text<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// The edition that an agent is held to; the newest one if it names none.
fn edition_of(manifest: &Manifest) -> Result<Edition, Failure> {
    let Some(edition) = &manifest.edition else { return Ok(rules::NEWEST) };
    known("edition", edition, Edition::from_id, &Edition::ALL.map(Edition::id))
}

/// The thing that a user named, among all that are known.
fn known<T>(kind: &str, word: &str, find: impl Fn(&str) -> Option<T>, all: &[&str]) -> Result<T, Failure> {
    let told = || format!("{}; help: use one of: {}", input::unknown(kind, word, all.iter().copied()), all.join(", "));
    find(word).ok_or_else(|| Failure::usage(told()))
}
