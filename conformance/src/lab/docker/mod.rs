//! Docker Engine, as the lab talks to it: containers and networks of one scenario, commands in containers, images.
//!
//! Every request has a limit: an engine that stalls or goes away ends a run with those words, and hangs nothing. What
//! takes as long as it takes, a command in a container or the following of a log, ends when whoever waits for it does.

pub mod agent_image;
pub mod container;
pub mod network;
pub mod packages;
pub mod sandbox;
pub mod sweep;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures_util::StreamExt;

use super::error::LabError;

/// The remedy for whatever the machine lacks.
const SETUP: &str = "run ci/setup";

/// The most that a command may print, bytes: in a node it may be any program by that name.
const PRINTED: usize = 4 << 20;
/// The time that a command may take, on a machine with much else to do.
const COMMAND: Duration = Duration::from_secs(180);
/// The time in which an engine must say that it is there.
const HELLO: Duration = Duration::from_secs(5);
/// The time that a request may take. A machine that is too busy to be of use still makes a container in this time.
const REQUEST: Duration = Duration::from_secs(60);

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

/// A client of the Docker Engine that `DOCKER_HOST` names, or else of this machine's.
///
/// # Errors
/// The engine does not answer.
pub async fn connect() -> Result<Docker, LabError> {
    let host = host();
    let docker = Docker::connect_with_host(&host).map_err(|error| silent(&host, &error.to_string()))?;
    let docker = docker.with_timeout(REQUEST);
    match tokio::time::timeout(HELLO, docker.ping()).await {
        Ok(Ok(_)) => Ok(docker),
        Ok(Err(error)) => Err(silent(&host, &error.to_string())),
        Err(_) => Err(silent(&host, &format!("no answer within {} s", HELLO.as_secs()))),
    }
}

/// The address of the engine: `DOCKER_HOST`, or a socket where Docker, or Docker without root, puts it.
fn host() -> String {
    if let Some(host) = std::env::var("DOCKER_HOST").ok().filter(|host| !host.trim().is_empty()) {
        return host;
    }
    let below = |variable: &str, path: &str| Some(PathBuf::from(std::env::var_os(variable)?).join(path));
    let candidates = [
        Some(PathBuf::from("/var/run/docker.sock")),
        below("XDG_RUNTIME_DIR", "docker.sock"),
        below("XDG_RUNTIME_DIR", ".docker/run/docker.sock"),
        below("HOME", ".docker/run/docker.sock"),
        below("HOME", ".docker/desktop/docker.sock"),
    ];
    let socket = candidates.into_iter().flatten().find(|socket| socket.exists());
    format!("unix://{}", socket.as_deref().unwrap_or(Path::new("/var/run/docker.sock")).display())
}

/// Says whether the engine is this machine's own, and not one that is reached over a network.
fn is_local() -> bool {
    host().starts_with("unix://")
}

/// The error of an engine that does not answer.
fn silent(host: &str, words: &str) -> LabError {
    let message = format!("Docker Engine at {host} does not answer: {words}");
    LabError::environment(message, format!("start it, or {SETUP}"))
}

/// Digest of a local image, `sha256:…`; `help` says how it is made where it is missing.
///
/// # Errors
/// There is no such image on this machine. No image is ever pulled: what runs is what the user chose.
pub async fn image_digest(docker: &Docker, image: &str, help: &str) -> Result<String, LabError> {
    let missing = |why: &str| LabError::environment(format!("image {image} {why}"), help);
    match tokio::time::timeout(REQUEST, docker.inspect_image(image)).await {
        Ok(Ok(found)) => found.id.ok_or_else(|| missing("has no digest")),
        Ok(Err(Error::DockerResponseServerError { status_code: 404, .. })) => Err(missing("is not there")),
        Ok(Err(error)) => Err(failed(format!("looking for image {image}"))(error)),
        Err(_) => Err(stalled(&format!("looking for image {image}"))),
    }
}

/// Digest of a local image of the lab's own.
///
/// # Errors
/// As of [`image_digest`].
pub async fn own_image_digest(docker: &Docker, image: &str) -> Result<String, LabError> {
    image_digest(docker, image, SETUP).await
}

/// Asks Docker for something, with a limit.
///
/// # Errors
/// Docker refuses, or does not answer in time.
pub async fn asked<T>(doing: impl Into<String>, asking: impl Future<Output = Result<T, Error>>) -> Result<T, LabError> {
    match tokio::time::timeout(REQUEST, asking).await {
        Ok(answer) => answer.map_err(failed(doing)),
        Err(_) => Err(stalled(&doing.into())),
    }
}

/// The error of an engine that did not answer while `doing` something.
fn stalled(doing: &str) -> LabError {
    silent(&host(), &format!("{doing}: no answer within {} s", REQUEST.as_secs()))
}

/// Turns an error of Docker while `doing` something into the lab's.
pub fn failed(doing: impl Into<String>) -> impl FnOnce(Error) -> LabError {
    let doing = doing.into();
    move |error| match error {
        Error::RequestTimeoutError => stalled(&doing),
        Error::SocketNotFoundError(_) => silent(&host(), &format!("{doing}: {error}")),
        // The engine went away: there is nobody at its address.
        Error::HyperLegacyError { ref err } if err.is_connect() => silent(&host(), &format!("{doing}: {error}")),
        other => failed_with(&doing, &other.to_string()),
    }
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
    let doing = || format!("running `{}` in {container}", command.join(" "));
    let options = CreateExecOptions {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(command.to_vec()),
        ..CreateExecOptions::default()
    };
    let created = asked(doing(), docker.create_exec(container, options)).await?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    if let StartExecResults::Attached { mut output, .. } = asked(doing(), docker.start_exec(&created.id, None)).await? {
        // The stream ends when the command does.
        while let Some(frame) = output.next().await {
            match frame.map_err(failed(doing()))? {
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
    let ended = asked(doing(), docker.inspect_exec(&created.id)).await?;
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
        assert_eq!(failed("a")(Error::RequestTimeoutError).trouble, Trouble::Environment);
    }

    #[tokio::test]
    async fn an_engine_that_went_away_is_told_from_one_that_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let docker = Docker::connect_with_host(&format!("unix://{}", socket.display())).unwrap();
        drop(listener);
        let error = asked("listing", docker.version()).await.unwrap_err();
        assert_eq!(error.trouble, Trouble::Environment, "{error}");
        assert!(error.to_string().contains("does not answer: listing"), "{error}");
    }
}
