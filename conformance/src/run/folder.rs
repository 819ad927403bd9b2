//! The folder of a run. Evidence is written here as it happens, and a lock says whether the run still lives.
//!
//! ```text
//! runs/20260131-120000-patroni-3f9a1c/      the run; `runs/latest` points to it
//!   lock                                    held with flock while the run lives
//!   plan.json                               what it sets out to do
//!   deviations.toml                         the known deviations of the agent
//!   results.json junit.xml report.html      its results
//!   leader-postmaster-killed/               one folder for each scenario
//!     scenario.toml
//!     events.jsonl
//!     logs/<container>.log
//!     outcome.json                          written when the harness has come to the end
//!   leader-postmaster-killed.attempt-1/     the recording of an attempt that was interrupted
//! ```

use std::fs;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{FlockOperation, flock};

pub use super::error::RunDirError;
use super::error::write;
pub use super::scenario_folder::{Outcome, ScenarioDir, scenario_dir};

/// The folder for runs unless another one is asked for.
pub const DEFAULT_OUT: &str = "runs";

/// The file whose lock is held while the run lives.
const LOCK: &str = "lock";

/// An open folder of a run. The lock is given back when this is dropped, or when the process dies.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    id: String,
    lanes: AtomicU32,
    _lock: File,
}

impl RunDir {
    /// Makes a new run's folder below `out`, takes its lock and points `out/latest` to it.
    ///
    /// # Errors
    /// The folder cannot be made, for instance because the disk is full.
    pub fn create(out: &Path, agent: &str) -> Result<RunDir, RunDirError> {
        let failed = |what: &str, path: &Path| {
            let doing = format!("{what} {}", path.display());
            move |error| RunDirError::new(doing, error)
        };
        fs::create_dir_all(out).map_err(failed("making", out))?;
        let out = out.canonicalize().map_err(failed("finding", out))?;
        let now = time::OffsetDateTime::now_utc();
        let (date, clock) = (now.date(), now.time());
        let id = format!(
            "{:04}{:02}{:02}-{:02}{:02}{:02}-{}-{}",
            date.year(),
            u8::from(date.month()),
            date.day(),
            clock.hour(),
            clock.minute(),
            clock.second(),
            file_name_of(agent),
            short_id(),
        );
        let path = out.join(&id);
        fs::create_dir(&path).map_err(failed("making", &path))?;
        let run = RunDir::open(&path)?;
        point_latest(&out, &id).map_err(failed("pointing latest to", &path))?;
        Ok(run)
    }

    /// Opens an existing run's folder to go on with it, and takes its lock.
    ///
    /// # Errors
    /// The folder is not there, or another process still runs it.
    pub fn open(path: &Path) -> Result<RunDir, RunDirError> {
        let failed = |error| RunDirError::new(format!("opening the run {}", path.display()), error);
        let path = path.canonicalize().map_err(failed)?;
        let id = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path.join(LOCK)).map_err(failed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|errno| match errno {
            rustix::io::Errno::WOULDBLOCK => {
                failed(io::Error::new(io::ErrorKind::WouldBlock, "another process still runs it"))
            }
            other => failed(other.into()),
        })?;
        Ok(RunDir { path, id, lanes: AtomicU32::new(0), _lock: lock })
    }

    /// The absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the run, which is that of its folder.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The last part of the run's name, short enough for container names.
    pub fn short_id(&self) -> &str {
        self.id.rsplit('-').next().unwrap_or(&self.id)
    }

    /// The number of a new lane, from 1; no other lane of this run has it.
    pub fn next_lane(&self) -> u32 {
        self.lanes.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The paths of a scenario's evidence, whether or not it was run.
    pub fn scenario_paths(&self, id: &str) -> ScenarioDir {
        scenario_dir(&self.path, id)
    }

    /// Adds a file of the run itself.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&self, name: &str, text: &str) -> Result<(), RunDirError> {
        write(&self.path.join(name), text)
    }

    /// Puts aside the recording of a scenario that was interrupted, so that nothing gets lost. Returns its new name;
    /// nothing if there was no recording.
    ///
    /// # Errors
    /// The folder cannot be moved.
    pub fn set_aside(&self, id: &str) -> Result<Option<String>, RunDirError> {
        let path = self.path.join(id);
        if !path.exists() {
            return Ok(None);
        }
        let free = |number: &u32| !self.path.join(format!("{id}.attempt-{number}")).exists();
        let number = (1..).find(free).expect("there are enough numbers");
        let name = format!("{id}.attempt-{number}");
        fs::rename(&path, self.path.join(&name))
            .map_err(|error| RunDirError::new(format!("moving {} to {name}", path.display()), error))?;
        Ok(Some(name))
    }

    /// Makes the folder of a scenario.
    ///
    /// # Errors
    /// The folder cannot be made, for instance because the disk is full.
    pub fn scenario(&self, id: &str) -> Result<ScenarioDir, RunDirError> {
        RunDir::made(self.scenario_paths(id))
    }

    /// Makes the folder in which a template is prepared. Its recording is no history to be judged, so the folder lies
    /// deeper than those of scenarios.
    ///
    /// # Errors
    /// The folder cannot be made, for instance because the disk is full.
    pub fn template(&self, digest: &str) -> Result<ScenarioDir, RunDirError> {
        let dir = scenario_dir(&self.path.join("templates"), digest);
        // The name does not end in `.jsonl`, so that nobody takes the recording for a history.
        RunDir::made(ScenarioDir { events: dir.path.join("bootstrap.events"), ..dir })
    }

    fn made(dir: ScenarioDir) -> Result<ScenarioDir, RunDirError> {
        fs::create_dir_all(&dir.logs)
            .map_err(|error| RunDirError::new(format!("making {}", dir.logs.display()), error))?;
        Ok(dir)
    }
}

/// True if a living process holds the lock of the run in that folder. A folder that is gone has no owner.
pub fn has_living_owner(path: &Path) -> bool {
    let Ok(lock) = OpenOptions::new().write(true).open(path.join(LOCK)) else {
        return false;
    };
    // Any other error counts as an owner: only a run that certainly has none may be swept.
    flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err()
}

/// Replaces the symbolic link `latest` in one step, so that it is never absent.
fn point_latest(out: &Path, id: &str) -> io::Result<()> {
    let new = out.join(format!(".latest-{id}"));
    std::os::unix::fs::symlink(id, &new)?;
    fs::rename(&new, out.join("latest"))
}

/// The agent's name in characters that are safe in file names.
fn file_name_of(agent: &str) -> String {
    agent.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '_' }).collect()
}

/// Six hexadecimal digits that differ between runs that are started in the same second.
fn short_id() -> String {
    let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    // The process id tells apart runs that start at once; the odd factor spreads both numbers over all digits.
    let mixed = (nanoseconds ^ std::process::id().rotate_left(16)).wrapping_mul(0x9E37_79B1);
    format!("{:06x}", mixed >> 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_says_whether_the_owner_lives() {
        let out = tempfile::tempdir().unwrap();
        let run = RunDir::create(out.path(), "patroni-defects/keeps-lock").unwrap();
        let path = run.path().to_path_buf();
        assert!(has_living_owner(&path));
        assert!(RunDir::open(&path).is_err());
        drop(run);
        assert!(!has_living_owner(&path));
        assert!(RunDir::open(&path).is_ok());
    }

    #[test]
    fn a_folder_that_is_gone_has_no_owner() {
        let out = tempfile::tempdir().unwrap();
        assert!(!has_living_owner(&out.path().join("gone")));
    }

    #[test]
    fn latest_points_to_the_newest_run() {
        let out = tempfile::tempdir().unwrap();
        let first = RunDir::create(out.path(), "a").unwrap();
        let second = RunDir::create(out.path(), "a").unwrap();
        assert_ne!(first.id(), second.id());
        assert_eq!(out.path().join("latest").canonicalize().unwrap(), second.path());
        assert_eq!(second.short_id().len(), 6);
    }

    #[test]
    fn lanes_are_numbered_apart() {
        let out = tempfile::tempdir().unwrap();
        let run = RunDir::create(out.path(), "a").unwrap();
        assert_eq!((run.next_lane(), run.next_lane()), (1, 2));
    }

    #[test]
    fn what_was_interrupted_is_kept() {
        let out = tempfile::tempdir().unwrap();
        let run = RunDir::create(out.path(), "a").unwrap();
        assert_eq!(run.set_aside("s").unwrap(), None);
        for attempt in ["s.attempt-1", "s.attempt-2"] {
            let dir = run.scenario("s").unwrap();
            dir.begin("title = 1").unwrap();
            assert!(!dir.is_complete());
            assert_eq!(run.set_aside("s").unwrap().unwrap(), attempt);
            assert!(run.path().join(attempt).join("scenario.toml").is_file());
        }
        let dir = run.scenario("s").unwrap();
        dir.end(&Outcome { error: Some("no".into()), ..Outcome::default() }).unwrap();
        assert!(!dir.is_complete());
        dir.end(&Outcome::default()).unwrap();
        assert!(dir.is_complete());
        fs::write(dir.path.join("timeline.svg"), "").unwrap();
        assert_eq!(dir.evidence().unwrap(), std::slice::from_ref(&dir.outcome));
    }

    #[test]
    fn a_full_disk_is_said_in_words() {
        let error = RunDirError::new("writing x", io::Error::from(io::ErrorKind::StorageFull));
        assert!(error.to_string().contains("the disk is full"), "{error}");
        let error = RunDirError::new("writing x", io::Error::from(io::ErrorKind::ReadOnlyFilesystem));
        assert!(error.to_string().contains("--out"), "{error}");
    }
}
