//! The log of a container (its standard output and error), followed over restarts of the container and breaks of the
//! stream.
//!
//! Docker keeps all that a container has written, so a stream that broke is opened anew where it stopped, and nothing
//! is missed. Docker repeats a log from a whole second on: lines of that second that were read before are recognized.
//! Only if Docker's store does not go on where reading stopped, or the stream could not be opened again, something is
//! missing, and that time is a gap.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use pghaspec_model::vocabulary::event::Source;

use super::allowance::Allowance;
use super::clock;
use super::recorder::Recorder;
use crate::run::error::RunDirError;

/// Pause before a stream is opened anew, and between two looks at a container that does not run.
const AGAIN: Duration = Duration::from_millis(100);
/// Pause between two looks at a container that is not heard any more.
const STILL: Duration = Duration::from_millis(500);

/// The time for which a container may be silent: Docker may answer only with its first line.
const SILENCE: Duration = Duration::from_secs(24 * 3600);

/// One line of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The text, without Docker's time before it.
    pub text: String,
    /// The arrival of the line before this one, and of this one; nanoseconds of the run.
    pub received: [u64; 2],
}

/// The container whose log it is, and the observations that depend on it.
#[derive(Clone, Debug)]
pub struct Speaker {
    /// Name of the container.
    pub container: String,
    /// The node, if the container is one.
    pub node: Option<String>,
    /// The source of the observations that the log carries: it has a gap while the log is not heard.
    pub of: Source,
    /// MiB that are heard of it, if there is a limit.
    pub most_mib: Option<u32>,
}

/// The end of a container, as Docker tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code.
    pub code: Option<i32>,
    /// A process of it was killed for want of memory.
    pub out_of_memory: bool,
}

/// The log of a container, which is copied to a file.
pub struct ContainerLog {
    docker: Docker,
    recorder: Recorder,
    speaker: Speaker,
    raw: RawLog,
    place: Place,
    /// The arrival of the last line, or the time when following began; nanoseconds of the run.
    last: u64,
    /// The reason why the stream broke, until it is heard again.
    deaf: Option<String>,
    /// What the container may still say; `None` for one that may say all it likes.
    allowance: Option<Allowance>,
    /// Since when nothing is heard any more, since it has said too much.
    silenced: Option<u64>,
}

impl ContainerLog {
    /// The log of a container, to be copied to `file`.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn new(docker: Docker, recorder: Recorder, speaker: Speaker, file: &Path) -> Result<ContainerLog, RunDirError> {
        let (raw, last) = (RawLog::create(file)?, recorder.clock().now());
        let docker = docker.with_timeout(SILENCE);
        let (allowance, place) = (speaker.most_mib.map(Allowance::of_mib), Place::default());
        Ok(ContainerLog { docker, recorder, speaker, raw, place, last, deaf: None, allowance, silenced: None })
    }

    /// Follows the log until the container ends: each line goes to the file with Docker's time before it, and to
    /// `take`. Called again, it goes on where it stopped. What passes the container's allowance is not heard.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn follow(&mut self, mut take: impl FnMut(Line)) -> Result<(), RunDirError> {
        while self.silenced.is_none() {
            match self.read(&mut take).await? {
                None => break,
                // Nothing is read any more: a stream that is not read out costs nothing when it is dropped.
                Some(Broken::TooMuch(why)) => self.silence(&why)?,
                Some(Broken::Stream(why)) => {
                    self.deaf = Some(why);
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        self.deaf = None;
        while self.silenced.is_some() && self.runs().await {
            tokio::time::sleep(STILL).await;
        }
        Ok(())
    }

    /// Hears nothing from now on.
    fn silence(&mut self, why: &str) -> Result<(), RunDirError> {
        let now = self.recorder.clock().now();
        self.gap(now, &format!("{why}; the rest is not heard"));
        self.silenced = Some(now);
        self.raw.write(&format!("pghaspec: the container's log goes on, and is not kept: {why}"))
    }

    /// Reads the log to its end, or until the stream breaks; returns the reason why it broke.
    async fn read(&mut self, take: &mut impl FnMut(Line)) -> Result<Option<Broken>, RunDirError> {
        let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).timestamps(true);
        let options = options.since(self.place.second).build();
        let mut stream = self.docker.logs(&self.speaker.container, Some(options));
        let (mut out, mut err) = (Lines::default(), Lines::default());
        let mut repeated = self.place.lines;
        while let Some(frame) = stream.next().await {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => return Ok(Some(Broken::Stream(error.to_string()))),
            };
            let now = self.recorder.clock().now();
            let (lines, bytes) = match &frame {
                LogOutput::StdErr { message } => (err.push(message), message.len()),
                other => (out.push(other.as_ref()), other.as_ref().len()),
            };
            // What is repeated was counted before.
            let allowance = self.allowance.as_mut().filter(|_| repeated == 0);
            if let Some(Err(why)) = allowance.map(|allowance| allowance.take(bytes, self.place.second)) {
                return Ok(Some(Broken::TooMuch(why)));
            }
            for line in lines {
                let new = self.place.is_new(&line, &mut repeated);
                match (new, self.deaf.take()) {
                    (New::No, _) => continue,
                    (New::Yes, _) => {}
                    (New::AfterLost, broken) => {
                        let why = broken.unwrap_or_else(|| "it was opened anew".to_owned());
                        self.gap(now, &format!("Docker does not tell the log from where it stopped ({why})"));
                    }
                }
                self.raw.write(&line)?;
                let text = line.split_once(' ').map_or(line.as_str(), |(_docker_time, text)| text);
                take(Line { text: text.to_owned(), received: [self.last, now] });
                self.last = now;
            }
        }
        Ok(None)
    }

    /// Waits until the container runs, at once if it does.
    pub async fn until_it_runs(&self) {
        while !self.runs().await {
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// The moment up to which the log was read: the container was there until then.
    pub fn heard_at(&self) -> u64 {
        self.last
    }

    /// The end of the container; `None` while it runs, or if Docker does not know it any more.
    pub async fn how_it_ended(&self) -> Option<Ended> {
        let found = self.docker.inspect_container(&self.speaker.container, None).await;
        let state = found.ok().and_then(|found| found.state)?;
        let code = state.exit_code.and_then(|code| i32::try_from(code).ok()).filter(|code| (0..=255).contains(code));
        let out_of_memory = state.oom_killed.unwrap_or(false);
        (!state.running.unwrap_or(false)).then_some(Ended { code, out_of_memory })
    }

    /// Says whether the container runs.
    async fn runs(&self) -> bool {
        let found = self.docker.inspect_container(&self.speaker.container, None).await;
        found.ok().and_then(|found| found.state).and_then(|state| state.running).unwrap_or(false)
    }

    fn gap(&self, until: u64, why: &str) {
        let Speaker { container, node, of, .. } = &self.speaker;
        self.recorder.gap_within(node.as_deref(), [self.last, until], *of, format!("log of {container}: {why}"));
    }
}

impl Drop for ContainerLog {
    fn drop(&mut self) {
        if let Some(why) = self.deaf.take() {
            self.gap(self.recorder.clock().now(), &format!("its stream broke and was not heard again: {why}"));
        }
        if let Some(since) = self.silenced {
            self.last = since;
            self.gap(self.recorder.clock().now(), "it was not heard any more");
        }
    }
}

/// The reason why a log is not read on.
enum Broken {
    /// The stream broke, and can be opened anew.
    Stream(String),
    /// The container has said too much.
    TooMuch(String),
}

/// The place up to which a log was read.
#[derive(Default)]
struct Place {
    /// The newest whole second of Docker's times, since 1970.
    second: i32,
    /// The number of lines that were read from that second on.
    lines: usize,
    /// The last of these lines.
    last: String,
}

/// The novelty of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum New {
    /// The line was read before.
    No,
    /// The line is new.
    Yes,
    /// The line is new, and lines before it are lost.
    AfterLost,
}

impl Place {
    /// Takes a line in. `repeated` is the number of lines still to come that were read before.
    fn is_new(&mut self, line: &str, repeated: &mut usize) -> New {
        let mut new = New::Yes;
        if *repeated > 0 {
            *repeated -= 1;
            if *repeated > 0 || line == self.last {
                return New::No;
            }
            new = New::AfterLost;
            self.lines = 0;
        }
        let stamp = line.split_once(' ').map_or(line, |(stamp, _)| stamp);
        let second = clock::realtime_of(stamp).and_then(|at| i32::try_from(at / 1_000_000_000).ok());
        if let Some(second) = second.filter(|second| *second > self.second) {
            (self.second, self.lines) = (second, 0);
        }
        if second.is_none_or(|second| second == self.second) {
            self.lines += 1;
            self.last = line.to_owned();
        }
        new
    }
}

/// The file that a log is copied to.
struct RawLog {
    file: File,
    path: PathBuf,
}

impl RawLog {
    fn create(path: &Path) -> Result<RawLog, RunDirError> {
        match OpenOptions::new().create(true).truncate(true).write(true).open(path) {
            Ok(file) => Ok(RawLog { file, path: path.to_path_buf() }),
            Err(error) => Err(RunDirError::new(format!("making {}", path.display()), error)),
        }
    }

    fn write(&mut self, line: &str) -> Result<(), RunDirError> {
        self.file
            .write_all(format!("{line}\n").as_bytes())
            .map_err(|error| RunDirError::new(format!("writing {}", self.path.display()), error))
    }
}

/// The pieces of a stream, put together to lines.
#[derive(Default)]
pub struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes a piece in; returns the lines that are whole now.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        let whole: Vec<u8> = self.rest.drain(..=end).collect();
        String::from_utf8_lossy(&whole[..end]).split('\n').map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"a\nb"), ["a"]);
        assert!(lines.push(b"c").is_empty());
        assert_eq!(lines.push(b"\n\nd\n"), ["bc", "", "d"]);
    }

    fn line(second: u32, text: &str) -> String {
        format!("2026-01-31T12:00:{second:02}.123456789Z {text}")
    }

    /// The novelty of each line of a stream that was opened anew, after some were read.
    fn again(read: &[String], told: &[String]) -> Vec<New> {
        let mut place = Place::default();
        for line in read {
            assert_eq!(place.is_new(line, &mut 0), New::Yes);
        }
        let mut repeated = place.lines;
        told.iter().map(|line| place.is_new(line, &mut repeated)).collect()
    }

    #[test]
    fn what_was_read_before_is_recognized() {
        let read = [line(1, "a"), line(2, "b"), line(2, "b"), line(2, "c")];
        // Docker tells the second again in which reading stopped.
        let told = [line(2, "b"), line(2, "b"), line(2, "c"), line(2, "c"), line(3, "d")];
        assert_eq!(again(&read, &told), [New::No, New::No, New::No, New::Yes, New::Yes]);
        assert_eq!(again(&[], &told[..1]), [New::Yes]);
        // What the clock set back is told again only from that second on.
        let read = [line(2, "a"), line(1, "b"), line(2, "c")];
        assert_eq!(again(&read, &[line(2, "a"), line(2, "c"), line(2, "d")]), [New::No, New::No, New::Yes]);
    }

    #[test]
    fn what_the_store_lost_is_noticed() {
        let read = [line(2, "a"), line(2, "b")];
        assert_eq!(again(&read, &[line(4, "x"), line(4, "y")]), [New::No, New::AfterLost]);
        assert_eq!(again(&read[..1], &[line(4, "x"), line(4, "y")]), [New::AfterLost, New::Yes]);
    }
}
