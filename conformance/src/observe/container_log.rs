//! Following what a container writes to its standard output and error.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;

use super::clock::RunClock;
use crate::rundir::RunDirError;

/// One line of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What was written, without Docker's time before it.
    pub text: String,
    /// When the line before this one, and this one, came in; nanoseconds of the run.
    pub received: [u64; 2],
}

/// How a log ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// When the last line came in, or following began; nanoseconds of the run.
    pub last: u64,
    /// Why it broke off, if Docker did not say that it is at its end.
    pub error: Option<String>,
}

/// Follows all that a container writes, from its start to its end: each line goes to `file` with Docker's time before it, and to `take`.
///
/// # Errors
/// The file cannot be written.
pub async fn follow(
    docker: &Docker,
    container: &str,
    file: &Path,
    clock: RunClock,
    mut take: impl FnMut(Line),
) -> Result<Ended, RunDirError> {
    let mut raw = RawLog::create(file)?;
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).timestamps(true).build();
    let mut stream = docker.logs(container, Some(options));
    let (mut out, mut err) = (Lines::default(), Lines::default());
    let mut before = clock.now();
    while let Some(frame) = stream.next().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => return Ok(Ended { last: before, error: Some(error.to_string()) }),
        };
        let now = clock.now();
        let lines = match &frame {
            LogOutput::StdErr { message } => err.push(message),
            other => out.push(other.as_ref()),
        };
        for line in lines {
            raw.write(&line)?;
            let text = line.split_once(' ').map_or(line.as_str(), |(_docker_time, text)| text);
            take(Line { text: text.to_owned(), received: [before, now] });
            before = now;
        }
    }
    Ok(Ended { last: before, error: None })
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

/// Puts the pieces of a stream together to lines.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// The lines that are whole now.
    fn push(&mut self, bytes: &[u8]) -> Vec<String> {
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
}
