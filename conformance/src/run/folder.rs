//! The folder of a run. Evidence is written here as it happens, and a lock says whether the run still lives.
//!
//! ```text
//! runs/20260131-120000-patroni-3f9a1c07b2d4/  the run; `runs/latest` points to it
//!   lock                                    held with flock while the run lives
//!   plan.json                               what it sets out to do
//!   agent.json deviations.toml              the agent: its claims, and its known deviations
//!   image.json machine.json                 the agent's image, and the machine
//!   results.json junit.xml report.html      its results
//!   certificate.json                        its certificate
//!   leader-postmaster-killed/               one folder for each scenario
//!     scenario.toml
//!     events.jsonl
//!     logs/<container>.log
//!     outcome.json                          written when the harness has come to the end
//!   leader-postmaster-killed.attempt-1/     the recording of an attempt that was interrupted
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

pub use super::error::RunDirError;
use super::error::{is_draft, write};
use super::lock::Lock;
use super::owner::Owner;
use super::random::random_digits;
pub use super::scenario_folder::{Outcome, ScenarioDir, scenario_dir};

/// The folder for runs unless another one is asked for.
pub const DEFAULT_OUT: &str = "runs";

/// Digits that tell a run from all others, on whichever machine they are made.
const RUN_DIGITS: usize = 12;
/// Digits that tell apart what one run makes when it is begun and each time it is resumed.
const SESSION_DIGITS: usize = 6;

/// An open folder of a run. The lock is given back when this is dropped, or when the process dies.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    id: String,
    session: String,
    lanes: AtomicU32,
    owner: Owner,
    _lock: Lock,
}

impl RunDir {
    /// Makes a new run's folder below `out` and takes its lock.
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
            random_digits(RUN_DIGITS).map_err(failed("naming a run in", &out))?,
        );
        let path = out.join(&id);
        fs::create_dir(&path).map_err(failed("making", &path))?;
        RunDir::open(&path)
    }

    /// Opens an existing run's folder to go on with it, and takes its lock.
    ///
    /// # Errors
    /// The folder is not there, or another process still runs it.
    pub fn open(path: &Path) -> Result<RunDir, RunDirError> {
        let failed = |error| RunDirError::new(format!("opening the run {}", path.display()), error);
        let path = path.canonicalize().map_err(failed)?;
        let id = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let lock = Lock::take(&path).map_err(failed)?;
        remove_drafts(&path).map_err(failed)?;
        let (owner, session) = (Owner::this(&lock.mark), random_digits(SESSION_DIGITS).map_err(failed)?);
        Ok(RunDir { path, id, session, lanes: AtomicU32::new(0), owner, _lock: lock })
    }

    /// Points `latest` beside the folder to it.
    ///
    /// # Errors
    /// The link cannot be made.
    pub fn point_latest(&self) -> Result<(), RunDirError> {
        let Some(out) = self.path.parent() else { return Ok(()) };
        point_latest(out, &self.id)
            .map_err(|error| RunDirError::new(format!("pointing latest to {}", self.path.display()), error))
    }

    /// The process that holds the lock.
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the run, which is that of its folder.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The beginning of the names of a lane's containers and networks, which nobody else uses: neither another run nor
    /// this one when it is resumed, while Docker still removes what was left.
    pub fn lane_prefix(&self) -> String {
        let run = self.id.rsplit('-').next().unwrap_or_default();
        let run: String = run.chars().filter(char::is_ascii_alphanumeric).take(RUN_DIGITS).collect();
        format!("pghaspec-{run}-{}-{}", self.session, self.next_lane())
    }

    /// The number of a new lane, from 1; no other lane of this process has it.
    fn next_lane(&self) -> u32 {
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
    /// nothing if there was no recording, though the scenario may have been about to be run.
    ///
    /// # Errors
    /// The folder cannot be moved.
    pub fn set_aside(&self, id: &str) -> Result<Option<String>, RunDirError> {
        let path = self.path.join(id);
        if !self.scenario_paths(id).has_recording() {
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

/// Removes what a killed process was writing in the folder of a run and in those of its scenarios.
fn remove_drafts(run: &Path) -> io::Result<()> {
    for entry in fs::read_dir(run)? {
        let entry = entry?;
        if is_draft(&entry.file_name().to_string_lossy()) {
            fs::remove_file(entry.path())?;
        } else if entry.file_type()?.is_dir() {
            for inner in fs::read_dir(entry.path())? {
                let inner = inner?;
                if is_draft(&inner.file_name().to_string_lossy()) {
                    fs::remove_file(inner.path())?;
                }
            }
        }
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_owner_at_a_time() {
        let out = tempfile::tempdir().unwrap();
        let run = RunDir::create(out.path(), "patroni-defects/keeps-lock").unwrap();
        let (path, owner) = (run.path().to_path_buf(), run.owner().clone());
        assert!(RunDir::open(&path).is_err());
        drop(run);
        let again = RunDir::open(&path).unwrap();
        assert!(owner.held_lock_of(again.owner()));
    }

    #[test]
    fn latest_points_where_it_was_pointed_last() {
        let out = tempfile::tempdir().unwrap();
        let first = RunDir::create(out.path(), "a").unwrap();
        assert!(!out.path().join("latest").exists(), "a run that never started is not the latest");
        first.point_latest().unwrap();
        let second = RunDir::create(out.path(), "a").unwrap();
        assert_ne!(first.id(), second.id());
        assert_eq!(out.path().join("latest").canonicalize().unwrap(), first.path());
        second.point_latest().unwrap();
        assert_eq!(out.path().join("latest").canonicalize().unwrap(), second.path());
    }

    #[test]
    fn lanes_are_numbered_apart() {
        let out = tempfile::tempdir().unwrap();
        let run = RunDir::create(out.path(), "a").unwrap();
        assert_eq!((run.next_lane(), run.next_lane()), (1, 2));
        let (path, prefix) = (run.path().to_path_buf(), run.lane_prefix());
        drop(run);
        let again = RunDir::open(&path).unwrap();
        let run_alone = |prefix: &str| prefix.split('-').take(2).collect::<String>();
        assert_ne!(again.lane_prefix(), prefix);
        assert_eq!(run_alone(&again.lane_prefix()), run_alone(&prefix));
        assert!(prefix.len() < 40, "{prefix}");
    }

    #[test]
    fn what_was_interrupted_is_kept() {
        let out = tempfile::tempdir().unwrap();
        let run = RunDir::create(out.path(), "a").unwrap();
        assert_eq!(run.set_aside("s").unwrap(), None);
        for attempt in ["s.attempt-1", "s.attempt-2"] {
            let dir = run.scenario("s").unwrap();
            dir.begin("title = 1").unwrap();
            assert_eq!(run.set_aside("s").unwrap(), None, "nothing was recorded yet");
            fs::write(&dir.events, "").unwrap();
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
    fn what_a_killed_process_was_writing_is_removed() {
        let out = tempfile::tempdir().unwrap();
        let run = RunDir::create(out.path(), "a").unwrap();
        let (path, dir) = (run.path().to_path_buf(), run.scenario("s").unwrap());
        drop(run);
        for folder in [&path, &dir.path] {
            fs::write(folder.join(".x.part"), "half").unwrap();
        }
        drop(RunDir::open(&path).unwrap());
        assert!(!path.join(".x.part").exists() && dir.evidence().unwrap().is_empty());
    }

    #[test]
    fn a_full_disk_is_said_in_words() {
        let error = RunDirError::new("writing x", io::Error::from(io::ErrorKind::StorageFull));
        assert!(error.to_string().contains("the disk is full"), "{error}");
        let error = RunDirError::new("writing x", io::Error::from(io::ErrorKind::ReadOnlyFilesystem));
        assert!(error.to_string().contains("--out"), "{error}");
    }
}
