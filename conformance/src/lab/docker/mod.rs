//! Docker Engine, as the lab talks to it: containers and networks of one scenario, commands in containers, images.

pub mod agent_image;
pub mod container;
pub mod network;
pub mod sandbox;
pub mod sweep;

use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::StreamExt;
use testcontainers::core::client::docker_client_instance;

use super::error::LabError;

/// The remedy for whatever the machine lacks.
const SETUP: &str = "run ci/setup";

/// The most that a command may print, bytes: in a node it may be any program by that name.
const PRINTED: usize = 4 << 20;
/// The time that a command may take, on a machine with much else to do.
const COMMAND: Duration = Duration::from_secs(180);

/// Exit code and output of a command in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Exit code.
    pub code: i64,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// A client of the Docker Engine that testcontainers uses.
///
/// # Errors
/// The engine does not answer.
pub async fn connect() -> Result<Docker, LabError> {
    let silent = |error: &dyn std::fmt::Display| {
        LabError::environment(format!("Docker Engine does not answer: {error}"), format!("start it, or {SETUP}"))
    };
    let docker = docker_client_instance().await.map_err(|error| silent(&error))?;
    docker.ping().await.map_err(|error| silent(&error))?;
    Ok(docker)
}

/// Digest of a local image, `sha256:…`.
///
/// # Errors
/// There is no such image on this machine. No image is ever pulled: all of them are built here.
pub async fn image_digest(docker: &Docker, image: &str) -> Result<String, LabError> {
    let missing = |why: &str| LabError::environment(format!("image {image} {why}"), SETUP);
    match docker.inspect_image(image).await {
        Ok(found) => found.id.ok_or_else(|| missing("has no digest")),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Err(missing("is not there")),
        Err(error) => Err(failed(format!("looking for image {image}"))(error)),
    }
}

/// Turns an error of Docker while `doing` something into the lab's.
pub fn failed(doing: impl Into<String>) -> impl FnOnce(Error) -> LabError {
    let doing = doing.into();
    move |error| failed_with(&doing, &error.to_string())
}

/// Turns words of Docker while `doing` something into the lab's error.
pub fn failed_with(doing: &str, words: &str) -> LabError {
    let message = format!("{doing}: {words}");
    if words.contains("no space left on device") {
        LabError::environment(message, "make room on Docker's disk, for instance with docker image prune")
    } else if words.contains("could not find an available") {
        LabError::environment(message, "remove unused networks with docker network prune")
    } else {
        LabError::harness(message)
    }
}

/// Runs a command in a running container and waits for its end.
///
/// # Errors
/// Docker cannot run it, it prints without end, or it does not end. A command that fails is no error, see
/// [`Output::code`].
pub async fn exec(docker: &Docker, container: &str, command: &[&str]) -> Result<Output, LabError> {
    match tokio::time::timeout(COMMAND, exec_for_ever(docker, container, command)).await {
        Ok(done) => done,
        Err(_) => {
            let (limit, shown) = (COMMAND.as_secs(), command.join(" "));
            Err(LabError::harness(format!("running `{shown}` in {container}: it does not end within {limit} s")))
        }
    }
}

async fn exec_for_ever(docker: &Docker, container: &str, command: &[&str]) -> Result<Output, LabError> {
    let doing = || failed(format!("running `{}` in {container}", command.join(" ")));
    let options = CreateExecOptions {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(command.to_vec()),
        ..CreateExecOptions::default()
    };
    let created = docker.create_exec(container, options).await.map_err(doing())?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    if let StartExecResults::Attached { mut output, .. } = docker.start_exec(&created.id, None).await.map_err(doing())?
    {
        // The stream ends when the command does.
        while let Some(frame) = output.next().await {
            match frame.map_err(doing())? {
                LogOutput::StdErr { message } => stderr.extend_from_slice(&message),
                other => stdout.extend_from_slice(other.as_ref()),
            }
            if stdout.len() + stderr.len() > PRINTED {
                let shown = command.join(" ");
                let message = format!("running `{shown}` in {container}: it prints more than {} MiB", PRINTED >> 20);
                return Err(LabError::harness(message));
            }
        }
    }
    let ended = docker.inspect_exec(&created.id).await.map_err(doing())?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
    Ok(Output { code: ended.exit_code.unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::error::Trouble;

    #[test]
    fn what_the_machine_lacks_is_told_from_what_the_lab_does_wrong() {
        assert_eq!(failed_with("a", "write x: no space left on device").trouble, Trouble::Environment);
        assert_eq!(failed_with("a", "conflict").trouble, Trouble::Harness);
    }
}
