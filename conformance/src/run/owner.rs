//! The owner of a run: the process that holds its lock, by machine, boot, process and lock file. All that is made for a
//! run is labelled with its owner, so that whoever finds it later can tell whether the run lives.
//!
//! Several machines, containers and users may share one Docker Engine. So a run is dead only if that is certain:
//!
//! * made in this boot of this kernel, where process ids mean the same: no such process is there. If the process may
//!   not be looked at, the lock tells, as in the next case.
//! * made in this boot of this kernel, but in another container: its very lock file (device, inode and token) is
//!   visible here, on a local file system, and nobody holds it.
//! * made in another boot of this machine: the same, by inode and token; or all that was made for it is older than this
//!   boot, and Docker is this machine's own.
//! * made by an older pghaspec, which says nothing of itself: a lock is visible in its folder, on a local file system,
//!   and nobody holds it.
//!
//! Of whatever else (another machine, a folder that is not visible, a network file system) it cannot be told.

use std::fs;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::{Pid, getuid, test_kill_process};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::lock::{Found, Mark, look};
use crate::digest::hex;

/// The owner of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Owner {
    /// Name of the machine, for people.
    pub host: String,
    /// Digest of the machine's id; empty if it has none.
    pub machine: String,
    /// The kernel's id of this boot.
    pub boot: String,
    /// The namespaces in which the process id and its start mean something.
    pub namespaces: String,
    /// The process.
    pub pid: i32,
    /// Its start, clock ticks since the boot.
    pub started: u64,
    /// Its user.
    pub user: u32,
    /// Device and inode of the lock's file.
    pub file: [u64; 2],
    /// The token in that file.
    pub token: String,
}

/// The life of a run, as far as it can be told from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Its owner lives.
    Lives,
    /// Its owner is dead, certainly.
    Dead,
    /// It cannot be told, and why.
    Unknown(String),
}

/// A process, as it is found by its id and its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// It lives.
    Lives,
    /// It does not live any more.
    Gone,
    /// It cannot be told.
    Unknown,
}

impl Owner {
    /// This process, as the owner of a lock. What cannot be learnt of the machine stays empty, and is never taken for
    /// equal.
    pub fn this(mark: &Mark) -> Owner {
        let read = |file: &str| fs::read_to_string(file).map(|text| text.trim().to_owned()).unwrap_or_default();
        let machine = read("/etc/machine-id");
        let machine = if machine.len() < 32 { String::new() } else { hex(&Sha256::digest(machine)[..8]) };
        let namespace = |of: &str| fs::read_link(format!("/proc/self/ns/{of}")).map(|link| link.display().to_string());
        let namespaces = match (namespace("pid"), namespace("time"), proc_is_ours()) {
            (Ok(pid), Ok(time), true) => format!("{pid} {time}"),
            // A kernel without time namespaces.
            (Ok(pid), Err(_), true) => pid,
            _ => String::new(),
        };
        Owner {
            host: read("/proc/sys/kernel/hostname"),
            machine,
            boot: read("/proc/sys/kernel/random/boot_id"),
            namespaces,
            pid: i32::try_from(std::process::id()).unwrap_or_default(),
            started: fs::read_to_string("/proc/self/stat").ok().and_then(|stat| life(&stat)).map_or(0, |it| it.started),
            user: getuid().as_raw(),
            file: mark.file,
            token: mark.token.clone(),
        }
    }

    /// The owner that a label tells of; none if it does not tell of one.
    pub fn of_label(label: &str) -> Option<Owner> {
        serde_json::from_str(label).ok()
    }

    /// The label that tells of this owner.
    pub fn label(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The owner in words: where it is, and whose.
    pub fn words(&self) -> String {
        format!("process {} of user {} on {}", self.pid, self.user, self.host)
    }

    /// Says whether both held the lock of one folder, so that whoever holds it now knows the other to be dead. A device
    /// may get another number when the machine boots.
    pub fn held_lock_of(&self, holder: &Owner) -> bool {
        let same_kernel = !self.boot.is_empty() && self.boot == holder.boot;
        let same_machine = !self.machine.is_empty() && self.machine == holder.machine;
        !self.token.is_empty()
            && self.token == holder.token
            && self.file[1] == holder.file[1]
            && ((same_kernel && self.file[0] == holder.file[0]) || (!same_kernel && same_machine))
    }
}

/// The life of a run with that owner in that folder, as `here` finds it. `older` says whether all that was made for it
/// is older than this boot of the machine on which Docker runs.
pub fn standing(owner: Option<&Owner>, folder: &Path, here: &Owner, older: bool) -> Standing {
    decide(owner, here, older, || process(owner), || look(folder))
}

fn decide(
    owner: Option<&Owner>,
    here: &Owner,
    older: bool,
    process: impl FnOnce() -> Process,
    lock: impl FnOnce() -> Found,
) -> Standing {
    let unknown = |why: &str| Standing::Unknown(why.to_owned());
    let Some(owner) = owner else {
        return match lock() {
            Found::Held => Standing::Lives,
            Found::Free(_) => Standing::Dead,
            Found::Absent => unknown("it does not say who made it, and its folder is not visible here"),
            Found::Unknown(why) => Standing::Unknown(format!("it does not say who made it, and {why}")),
        };
    };
    let same = |one: &str, other: &str| !one.is_empty() && one == other;
    let same_boot = same(&owner.boot, &here.boot);
    if same_boot && same(&owner.namespaces, &here.namespaces) {
        match process() {
            Process::Lives => return Standing::Lives,
            Process::Gone => return Standing::Dead,
            Process::Unknown => {}
        }
    }
    if !same_boot && !same(&owner.machine, &here.machine) {
        return unknown("it was made on another machine");
    }
    let another_boot = || match older {
        true => Standing::Dead,
        false => unknown("it was made before this machine was booted, or on a copy of it"),
    };
    match lock() {
        Found::Held => Standing::Lives,
        Found::Free(Mark { file, token }) => {
            let its_own =
                same(&token, &owner.token) && file[1] == owner.file[1] && (file[0] == owner.file[0] || !same_boot);
            match (its_own, same_boot) {
                (true, _) => Standing::Dead,
                (false, true) => unknown("the lock that is visible here is not its own"),
                (false, false) => another_boot(),
            }
        }
        Found::Absent if same_boot => unknown("its folder is not visible here"),
        Found::Absent => another_boot(),
        Found::Unknown(why) if same_boot => Standing::Unknown(why),
        Found::Unknown(_) => another_boot(),
    }
}

/// Looks for the process of an owner whose namespaces are those of this process.
fn process(owner: Option<&Owner>) -> Process {
    let Some((owner, pid)) = owner.and_then(|owner| Some((owner, Pid::from_raw(owner.pid)?))) else {
        return Process::Unknown;
    };
    match test_kill_process(pid) {
        Err(Errno::SRCH) => return Process::Gone,
        // Another user's process may not be signalled, but it is there.
        Ok(()) | Err(Errno::PERM) => {}
        Err(_) => return Process::Unknown,
    }
    match fs::read_to_string(format!("/proc/{}/stat", owner.pid)).ok().and_then(|stat| life(&stat)) {
        Some(found) if found.started != owner.started => Process::Gone,
        Some(Life { over: false, .. }) => Process::Lives,
        // It has died and is not buried yet, or may not be looked at.
        _ => Process::Unknown,
    }
}

/// The life of a process by `/proc/PID/stat`.
struct Life {
    /// The start, clock ticks since the boot.
    started: u64,
    /// It is a zombie.
    over: bool,
}

fn life(stat: &str) -> Option<Life> {
    // The name stands in brackets and may hold blanks and brackets itself.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some(Life { started, over: matches!(state, "Z" | "X" | "x") })
}

/// Says whether `/proc` counts processes as this process does.
fn proc_is_ours() -> bool {
    fs::read_link("/proc/self").is_ok_and(|link| link.as_os_str() == std::process::id().to_string().as_str())
}

/// The second since 1970 in which this kernel was booted.
pub fn booted_at() -> Option<i64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark() -> Mark {
        Mark { file: [7, 42], token: "t".repeat(32) }
    }

    fn here() -> Owner {
        Owner {
            host: "h".into(),
            machine: "m".into(),
            boot: "b".into(),
            namespaces: "pid:[1]".into(),
            pid: 100,
            started: 5,
            user: 0,
            file: [7, 43],
            token: "u".repeat(32),
        }
    }

    fn of(change: impl FnOnce(&mut Owner)) -> Owner {
        let mut owner = Owner { file: mark().file, token: mark().token, pid: 99, ..here() };
        change(&mut owner);
        owner
    }

    fn decided(owner: &Owner, older: bool, process: Process, lock: Found) -> Standing {
        decide(Some(owner), &here(), older, || process, || lock)
    }

    fn is_unknown(standing: &Standing) -> bool {
        matches!(standing, Standing::Unknown(_))
    }

    #[test]
    fn a_process_that_can_be_looked_for_decides() {
        let owner = of(|_| ());
        // Neither a folder that is not visible nor a lock that may not be read says anything against it.
        for lock in [Found::Absent, Found::Unknown("no".into()), Found::Free(mark())] {
            assert_eq!(decided(&owner, true, Process::Lives, lock.clone()), Standing::Lives, "{lock:?}");
            assert_eq!(decided(&owner, false, Process::Gone, lock.clone()), Standing::Dead, "{lock:?}");
        }
        assert_eq!(decided(&owner, false, Process::Unknown, Found::Free(mark())), Standing::Dead);
        assert_eq!(decided(&owner, false, Process::Unknown, Found::Held), Standing::Lives);
        assert!(is_unknown(&decided(&owner, false, Process::Unknown, Found::Absent)));
    }

    #[test]
    fn in_another_container_only_its_very_lock_tells() {
        let owner = of(|owner| owner.namespaces = "pid:[2]".into());
        // Process ids mean something else there.
        assert!(is_unknown(&decided(&owner, true, Process::Gone, Found::Absent)));
        assert!(is_unknown(&decided(&owner, true, Process::Gone, Found::Unknown("no".into()))));
        assert_eq!(decided(&owner, false, Process::Gone, Found::Held), Standing::Lives);
        assert_eq!(decided(&owner, false, Process::Lives, Found::Free(mark())), Standing::Dead);
        for other in [
            Mark { file: [7, 43], ..mark() },
            Mark { file: [8, 42], ..mark() },
            Mark { token: "x".repeat(32), ..mark() },
            Mark { token: String::new(), ..mark() },
        ] {
            assert!(is_unknown(&decided(&owner, true, Process::Gone, Found::Free(other.clone()))), "{other:?}");
        }
        let nowhere = of(|owner| owner.namespaces = String::new());
        assert!(is_unknown(&decided(&nowhere, false, Process::Gone, Found::Absent)));
    }

    #[test]
    fn what_another_boot_of_this_machine_left_is_dead() {
        let owner = of(|owner| owner.boot = "earlier".into());
        assert_eq!(decided(&owner, false, Process::Lives, Found::Free(mark())), Standing::Dead);
        let moved = Mark { file: [9, 42], ..mark() };
        assert_eq!(decided(&owner, false, Process::Lives, Found::Free(moved)), Standing::Dead);
        assert_eq!(decided(&owner, true, Process::Lives, Found::Absent), Standing::Dead);
        // The id of a machine may have been copied with its disk.
        assert!(is_unknown(&decided(&owner, false, Process::Lives, Found::Absent)));
        let copy = Mark { file: [7, 43], ..mark() };
        assert!(is_unknown(&decided(&owner, false, Process::Lives, Found::Free(copy))));
    }

    #[test]
    fn of_another_machine_nothing_is_known() {
        for owner in [
            of(|owner| (owner.boot, owner.machine) = ("other".into(), "other".into())),
            of(|owner| (owner.boot, owner.machine) = ("other".into(), String::new())),
            of(|owner| (owner.boot, owner.machine) = (String::new(), String::new())),
        ] {
            for lock in [Found::Absent, Found::Free(mark())] {
                assert!(is_unknown(&decided(&owner, true, Process::Gone, lock)), "{owner:?}");
            }
        }
    }

    #[test]
    fn of_an_older_pghaspec_the_lock_alone_tells() {
        let old = |lock: Found| decide(None, &here(), true, || Process::Gone, || lock);
        assert_eq!(old(Found::Free(mark())), Standing::Dead);
        assert_eq!(old(Found::Held), Standing::Lives);
        assert!(is_unknown(&old(Found::Absent)) && is_unknown(&old(Found::Unknown("no".into()))));
    }

    #[test]
    fn whoever_holds_the_lock_knows_its_former_holders_to_be_dead() {
        let holder = Owner { pid: 101, ..of(|_| ()) };
        assert!(of(|_| ()).held_lock_of(&holder));
        assert!(of(|owner| owner.boot = "earlier".into()).held_lock_of(&holder));
        // A copy of the folder, as it may be on another machine.
        assert!(!of(|owner| owner.file = [7, 44]).held_lock_of(&holder));
        assert!(!of(|owner| (owner.boot, owner.machine) = ("other".into(), "other".into())).held_lock_of(&holder));
        assert!(!of(|owner| owner.token = String::new()).held_lock_of(&Owner { token: String::new(), ..holder }));
    }

    #[test]
    fn this_process_lives_and_a_child_that_ended_does_not() {
        let this = Owner::this(&mark());
        assert!(!this.boot.is_empty() && !this.namespaces.is_empty() && this.started > 0);
        assert_eq!(Owner::of_label(&this.label()), Some(this.clone()));
        assert_eq!(process(Some(&this)), Process::Lives);
        assert_eq!(process(Some(&Owner { started: this.started + 1, ..this.clone() })), Process::Gone);
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        child.wait().unwrap();
        assert_eq!(process(Some(&Owner { pid, ..this })), Process::Gone);
        assert!(booted_at().is_some_and(|second| second > 1_000_000_000));
    }

    #[test]
    fn a_process_name_may_hold_brackets() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        assert!(life(stat).is_some_and(|life| life.started == 4242 && !life.over));
        assert!(life("12 (a) Z 1").is_none());
    }
}
