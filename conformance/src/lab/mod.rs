//! The lab: brings a real cluster up, injects the faults of a scenario, and records what an outside observer sees. It judges nothing.

mod error;

use std::path::PathBuf;

use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::rundir::RunDir;
use crate::scenario::Scenario;

pub use error::{LabError, Trouble};

/// What a caller may ask of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Leave containers and networks behind, for a look inside. The next [`sweep`] removes them.
    pub keep: bool,
}

/// A scenario that ran to its end. Whether the agent did well is the judge's business.
#[derive(Clone, Debug, PartialEq)]
pub struct Completed {
    /// Folder of the scenario's evidence.
    pub dir: PathBuf,
    /// The recorded history, `events.jsonl` in it.
    pub events: PathBuf,
    /// Seconds from the first container to the end of the read-back, cleanup not counted.
    pub seconds: f64,
    /// Digest of the agent's image, `sha256:…`.
    pub image_digest: String,
}

/// Runs a scenario against an agent and records it below `dir`.
///
/// Containers and networks of the run are removed at its end, be it success, an error, Ctrl-C or SIGTERM. After a SIGKILL of the harness
/// they stay until the next [`sweep`]. Several scenarios may run at once.
///
/// # Errors
/// [`Trouble::Environment`] when the machine lacks something, [`Trouble::Harness`] when the lab could not do its work, and
/// [`Trouble::Interrupted`] on Ctrl-C. What was recorded until then stays.
pub async fn run(
    _scenario: &Scenario,
    _manifest: &Manifest,
    _dir: &RunDir,
    _options: Options,
    _progress: &Progress,
) -> Result<Completed, LabError> {
    Err(LabError::harness("the lab is not built yet"))
}

/// Removes the containers and networks of runs whose owner is dead: nobody holds the lock of their folder. Returns how many there were.
///
/// # Errors
/// Docker does not answer.
pub async fn sweep() -> Result<usize, LabError> {
    Ok(0)
}
