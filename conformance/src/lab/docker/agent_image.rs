//! The agent's image, built by the command of its manifest when it is wanted for the first time.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;

use crate::lab::docker;
use crate::lab::error::{LabError, Trouble};
use crate::lab::wait::interrupted;
use crate::manifest::Manifest;
use crate::progress::Progress;

/// The number of last lines of a failed build that are reported.
const LAST_LINES: usize = 8;

/// Makes sure that the agent's image is there: builds it with the command of its manifest if it is not.
///
/// # Errors
/// [`Trouble::Environment`] when it cannot be built, with the last lines of the build.
pub async fn ensure_agent_image(manifest: &Manifest, progress: &Progress) -> Result<(), LabError> {
    let docker = docker::connect().await?;
    let missing = match docker::image_digest(&docker, &manifest.image).await {
        Ok(_) => return Ok(()),
        Err(missing) => missing,
    };
    let Some((program, arguments)) = manifest.build.split_first() else { return Err(missing) };
    let shown = manifest.build.join(" ");
    let report = progress.lane("images");
    progress.say(&format!("{} {} has no image here yet; building it: {shown}", manifest.name, manifest.version));
    report.doing(&format!("building {}", manifest.image));
    let failed = |words: &str| LabError {
        trouble: Trouble::Environment,
        message: format!("{} cannot be built ({shown}): {words}", manifest.image),
        help: None,
        logs: None,
    };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(&error.to_string()))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let told = async {
        let mut ticks = tokio::time::interval(std::time::Duration::from_secs(1));
        loop {
            ticks.tick().await;
            // Told again, so that it shows how long it takes.
            report.doing(&format!("building {}", manifest.image));
        }
    };
    let built = async { tokio::join!(last_lines(stdout), last_lines(stderr), child.wait()) };
    let (_, words, status) = tokio::select! {
        built = built => built,
        never = told => never,
        error = interrupted() => return Err(error),
    };
    report.done();
    let status = status.map_err(|error| failed(&error.to_string()))?;
    if !status.success() {
        return Err(failed(&words.join("\n")));
    }
    progress.say(&format!("built {}", manifest.image));
    docker::image_digest(&docker, &manifest.image).await.map(drop)
}

/// Reads to the end and keeps the last lines.
async fn last_lines(pipe: Option<impl AsyncRead + Unpin>) -> Vec<String> {
    let mut kept = std::collections::VecDeque::new();
    let Some(pipe) = pipe else { return Vec::new() };
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if kept.len() == LAST_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
    kept.into()
}
