//! The agent's image, built by the command of its manifest when it is wanted for the first time.
//!
//! That command is any program of this machine, run as its user: that of a foreign manifest is run only when the user
//! says so.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use crate::lab::docker;
use crate::lab::error::{LabError, Trouble};
use crate::lab::wait::interrupted;
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::untrusted::escape;

/// The number of last lines of a failed build that are reported.
const LAST_LINES: usize = 8;
/// Most bytes of a line that are kept.
const WIDTH: usize = 400;
/// The time in which the processes of a build may end after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);
/// The time for which output is read after the build has ended: something that it left behind may hold the pipe.
const REST: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(50);

/// The permission to run the command that builds an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// It is run: it is the project's own, or the user allowed it.
    Allowed,
    /// It is not run: it is a stranger's.
    Refused,
}

/// The remedy where an agent's image is missing.
pub fn remedy(manifest: &Manifest) -> String {
    let image = &manifest.image;
    match manifest.build.is_empty() {
        true => format!(
            "make it with docker pull {image} or docker build --tag {image} FOLDER, or name the command that builds it \
             in the manifest (`build = […]`)"
        ),
        false => format!("build it with: {}", shown(manifest)),
    }
}

/// Makes sure that the agent's image is there: builds it with the command of its manifest if it is not.
///
/// # Errors
/// [`Trouble::Environment`] when it may not or cannot be built, with the last lines of the build.
pub async fn ensure_agent_image(manifest: &Manifest, build: Build, progress: &Progress) -> Result<(), LabError> {
    let docker = docker::connect().await?;
    let missing = match docker::image_digest(&docker, &manifest.image, &remedy(manifest)).await {
        Ok(_) => return Ok(()),
        Err(missing) => missing,
    };
    let Some((program, arguments)) = manifest.build.split_first() else { return Err(missing) };
    let shown = shown(manifest);
    if build == Build::Refused {
        return Err(LabError::environment(
            format!(
                "image {} is not there, and the manifest would build it with a command of its own, which runs on this \
                 machine as you: {shown}",
                manifest.image
            ),
            "look at that command, and allow it with --allow-build; or make the image yourself",
        ));
    }
    let report = progress.lane("images");
    progress.say(&format!("{} {} has no image here yet; building it: {shown}", manifest.name, manifest.version));
    report.doing(&format!("building {}", manifest.image));
    let failed = |words: &str| LabError {
        trouble: Trouble::Environment,
        message: format!("{} cannot be built ({shown}): {words}", manifest.image),
        help: None,
        logs: None,
    };
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that all of its processes can be ended, and a Ctrl-C of the terminal comes to us.
        .process_group(0)
        .spawn()
        .map_err(|error| failed(&error.to_string()))?;
    let mut group = Group::of(child);
    let told = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            // Told again, so that it shows how long it takes.
            report.doing(&format!("building {}", manifest.image));
        }
    };
    let ended = tokio::select! {
        ended = group.ended() => Ok(ended),
        never = told => never,
        error = interrupted() => Err(error),
    };
    report.done();
    let (words, status) = match ended {
        Ok(ended) => ended,
        Err(interrupted) => {
            group.end().await;
            return Err(interrupted);
        }
    };
    let status = status.map_err(|error| failed(&error.to_string()))?;
    if !status.success() {
        return Err(failed(&format!("{status}\n{}", words.join("\n"))));
    }
    progress.say(&format!("built {}", manifest.image));
    docker::image_digest(&docker, &manifest.image, &remedy(manifest)).await.map(drop)
}

/// The command that builds the image, safe for a terminal.
fn shown(manifest: &Manifest) -> String {
    escape::terminal(&manifest.build.join(" "))
}

/// The processes of a build: the command and all that it starts, unless they leave its group.
struct Group {
    child: Child,
    id: Option<Pid>,
}

impl Group {
    fn of(child: Child) -> Group {
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        Group { child, id }
    }

    /// Waits for the end of the command; returns its last lines on standard error, and how it ended.
    async fn ended(&mut self) -> (Vec<String>, std::io::Result<std::process::ExitStatus>) {
        let (mut out, mut err) = (LastLines::default(), LastLines::default());
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        let status = {
            let reading = async {
                tokio::join!(out.read(stdout), err.read(stderr));
            };
            tokio::pin!(reading);
            let status = tokio::select! {
                status = self.child.wait() => Some(status),
                () = &mut reading => None,
            };
            match status {
                Some(status) => {
                    let _ = tokio::time::timeout(REST, reading).await;
                    status
                }
                None => self.child.wait().await,
            }
        };
        (err.lines(), status)
    }

    /// Ends all of its processes: by SIGTERM, and by SIGKILL what is still there after a grace.
    async fn end(&mut self) {
        let Some(id) = self.id else { return };
        let _ = kill_process_group(id, Signal::TERM);
        let gone = async {
            loop {
                // A zombie counts as a process of the group until it is waited for.
                let _ = self.child.try_wait();
                if test_kill_process_group(id).is_err() {
                    return;
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let _ = tokio::time::timeout(GRACE, gone).await;
        let _ = kill_process_group(id, Signal::KILL);
        let _ = tokio::time::timeout(GRACE, self.child.wait()).await;
        self.id = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Only while the command itself is there is the number certainly its group's.
        if let (Some(id), Ok(None)) = (self.id, self.child.try_wait()) {
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

/// The last lines of a stream, whatever comes in it.
#[derive(Default)]
struct LastLines {
    kept: std::collections::VecDeque<Vec<u8>>,
    line: Vec<u8>,
}

impl LastLines {
    async fn read(&mut self, pipe: Option<impl AsyncRead + Unpin>) {
        let Some(mut pipe) = pipe else { return };
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut piece).await {
            self.take(&piece[..count]);
        }
    }

    fn take(&mut self, piece: &[u8]) {
        for byte in piece {
            match byte {
                b'\n' => self.end_line(),
                _ if self.line.len() < WIDTH => self.line.push(*byte),
                _ => {}
            }
        }
    }

    fn end_line(&mut self) {
        if self.kept.len() == LAST_LINES {
            self.kept.pop_front();
        }
        self.kept.push_back(std::mem::take(&mut self.line));
    }

    fn lines(mut self) -> Vec<String> {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.kept.iter().map(|line| escape::terminal(String::from_utf8_lossy(line).trim_end())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spawned(script: &str) -> Group {
        let command = ["-c", script];
        let mut command_of = Command::new("sh");
        let child = command_of.args(command).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Group::of(child.process_group(0).spawn().unwrap())
    }

    #[tokio::test]
    async fn the_last_lines_of_a_build_are_safe_to_show() {
        let script = "for i in $(seq 20); do printf 'line %s \\033[31m\\a\\302\\233\\n' $i >&2; done; \
                      head -c 100000 /dev/zero >&2; exit 3";
        let (lines, status) = spawned(script).ended().await;
        assert_eq!(status.unwrap().code(), Some(3));
        assert_eq!(lines.len(), LAST_LINES);
        assert!(lines.iter().all(|line| !line.chars().any(char::is_control) && line.len() <= 4 * WIDTH), "{lines:?}");
        assert!(lines[0].starts_with("line 14 "), "{lines:?}");
    }

    #[tokio::test]
    async fn what_a_build_leaves_behind_does_not_keep_it_from_ending() {
        let started = std::time::Instant::now();
        let mut group = spawned("sleep 600 & echo $! >&2; exit 0");
        let (lines, status) = group.ended().await;
        assert!(status.unwrap().success() && started.elapsed() < Duration::from_secs(60));
        let left = Pid::from_raw(lines[0].trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(left, Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn the_grandchildren_of_a_build_end_with_it() {
        for script in
            ["sleep 600 & sleep 601 & echo $$; wait", "trap '' TERM; (trap '' TERM; sleep 600) & echo $$; wait"]
        {
            let mut group = spawned(script);
            let id = group.id.unwrap();
            let mut said = [0; 1];
            group.child.stdout.as_mut().unwrap().read_exact(&mut said).await.unwrap();
            group.end().await;
            // What was adopted by init is buried soon.
            for _ in 0..100 {
                if test_kill_process_group(id).is_err() {
                    break;
                }
                tokio::time::sleep(LOOK).await;
            }
            assert!(test_kill_process_group(id).is_err(), "{script}");
        }
    }
}
