//! The cost of a process, measured from outside.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The cost of a process.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// User and system time of all its threads.
    pub cpu: Duration,
    /// Time on the clock.
    pub wall: Duration,
    /// The most memory at one time, in bytes.
    pub peak: u64,
}

/// Ticks of the clock in /proc/*/stat: 100 a second on every architecture of interest.
const TICK: Duration = Duration::from_millis(10);

/// Runs a command to its end, and returns its output and its cost.
///
/// The parent's account of its ended children grows by the child's time; nothing else runs meanwhile.
pub fn run(command: &mut Command) -> Result<(String, Cost), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |error: std::io::Error| format!("{program}: {error}");
    let before = children();
    let started = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut stdout = child.stdout.take().expect("it was asked for");
    let reader = thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_memory(&child.id().to_string()));
        match child.try_wait().map_err(failed)? {
            Some(status) => break status,
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    let wall = started.elapsed();
    let cpu = children() - before;
    let text = reader.join().expect("reading does not panic").map_err(failed)?;
    if !status.success() {
        return Err(format!("{program}: {status}: {}", text.trim()));
    }
    Ok((text, Cost { cpu, wall, peak }))
}

/// CPU time of the children of this process that have ended.
fn children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux has /proc");
    // The name, in parentheses, may have blanks in it.
    let fields = stat.rsplit(')').next().expect("a name in parentheses").split_whitespace();
    let ticks: u32 = fields.skip(13).take(2).map(|field| field.parse::<u32>().expect("ticks")).sum();
    TICK * ticks
}

/// The most memory so far of a process, a number or "self"; 0 if it is gone.
pub fn peak_memory(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|number| number.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// A directory for the files of other tools; removed at the end.
pub struct Workshop(PathBuf);

impl Workshop {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("pghaspec-two-phase-commit-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory for temporary files");
        Workshop(path)
    }

    /// A directory in it.
    pub fn room(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(&path).expect("a directory in one of ours");
        path
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The path of a program on PATH.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|directory| directory.join(program)).find(|path| Path::is_file(path))
}
