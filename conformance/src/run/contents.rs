//! The contents of a run's folder: each file, and whether it was recorded or made from what was recorded.
//!
//! Somebody else may have sent the folder, so it is looked through before anything in it is read: it holds regular
//! files and folders of a sane number and size, and nothing that leads out of it.

use std::io;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use super::plan::Plan;
use crate::digest::of_reader;
use crate::input::InputError;
use crate::scenario::stress;
use crate::untrusted::folder::{Entry, EntryKind, Folder};
use crate::untrusted::name;

/// Most bytes of one file. A container's log has 64 MiB unless its manifest says more.
pub const MOST_BYTES: u64 = 1 << 30;

/// Most bytes of a history that is judged whole.
pub const MOST_HISTORY: u64 = 256 << 20;

/// Files that are made from what was recorded, in the run's own folder.
pub const MADE: [&str; 4] = ["results.json", "junit.xml", "report.html", "certificate.json"];

/// The signature of the certificate.
pub const SIGNATURE: &str = "certificate.json.minisig";

/// The picture in a scenario's folder, made from its history.
pub const PICTURE: &str = "history.svg";

/// Files that a run records in its own folder.
const RECORDED: [&str; 6] = ["plan.json", "agent.json", "image.json", "machine.json", "deviations.toml", "lock"];

/// Files that a scenario's folder holds, beside the folder of logs.
const OF_SCENARIO: [&str; 3] = ["scenario.toml", "events.jsonl", "outcome.json"];

/// What stands in the name of a scenario that was made smaller, before a number.
const SMALLER: &str = "-smaller-";

/// Most bytes of a line of a log that is looked at as one.
pub const LONGEST_LINE: u64 = 1 << 20;

/// Bytes that are read at once.
const CHUNK: usize = 1 << 18;

/// Most bytes of all files together.
const MOST_IN_ALL: u64 = 8 << 30;

/// The standing of a file in a run's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It was recorded: whatever the run says comes from it.
    Recorded,
    /// It is made from what was recorded, and can be made again.
    Made,
    /// The signature of the certificate.
    Signature,
    /// No run has such a file.
    Strange,
}

/// The files of a run's folder.
#[derive(Debug)]
pub struct Contents {
    folder: Folder,
    /// Paths below the folder, sorted.
    pub files: Vec<String>,
}

impl Contents {
    /// Looks through a folder.
    ///
    /// # Errors
    /// It cannot be read, or holds what no run leaves: links, pipes, devices, more than 20,000 files, folders deeper
    /// than eight levels, or a file of more than [`MOST_BYTES`].
    pub fn of(folder: &Path) -> Result<Contents, InputError> {
        let help = "use the folder as `pghaspec certify` left it";
        let unreadable = |error: io::Error| InputError::of_file(folder, format!("cannot be read: {error}"), help);
        let open = Folder::open(folder).map_err(unreadable)?;
        let (mut files, mut bytes) = (Vec::new(), 0_u64);
        for Entry { path, kind, size } in open.entries().map_err(unreadable)? {
            let strange = |problem: String| Err(InputError::of_file(&folder.join(&path), problem, help));
            match kind {
                EntryKind::Other => return strange("is a link, a pipe, a device or has a name that is no text".into()),
                EntryKind::File if size > MOST_BYTES => {
                    return strange(format!("has more than {} MiB", MOST_BYTES >> 20));
                }
                EntryKind::File if path.ends_with("events.jsonl") && size > MOST_HISTORY => {
                    return strange(format!("has more than {} MiB, too many for a history", MOST_HISTORY >> 20));
                }
                EntryKind::File if bytes + size > MOST_IN_ALL => {
                    return strange(format!(
                        "is one file too many: together they have more than {} GiB",
                        MOST_IN_ALL >> 30
                    ));
                }
                EntryKind::File => {
                    bytes += size;
                    files.push(path);
                }
                EntryKind::Folder => {}
            }
        }
        Ok(Contents { folder: open, files })
    }

    /// The whole of a file.
    ///
    /// # Errors
    /// It is not there, or has more than `most` bytes.
    pub fn read(&self, place: &str, most: u64) -> io::Result<Vec<u8>> {
        self.folder.read(place, most)
    }

    /// The lines of a file, one after the other, however large it is. A line of more than [`LONGEST_LINE`] comes in
    /// pieces.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn lines(&self, place: &str, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let mut text = BufReader::with_capacity(CHUNK, self.folder.open_file(place)?.take(MOST_BYTES));
        let mut line = Vec::new();
        loop {
            line.clear();
            if text.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            take(line.strip_suffix(b"\n").unwrap_or(&line));
        }
    }

    /// SHA-256 of a file, in hexadecimal digits.
    ///
    /// # Errors
    /// It cannot be read, or has grown beyond [`MOST_BYTES`].
    pub fn sha256(&self, place: &str) -> io::Result<String> {
        match of_reader(self.folder.open_file(place)?.take(MOST_BYTES + 1))? {
            (_, bytes) if bytes > MOST_BYTES => Err(io::Error::new(io::ErrorKind::FileTooLarge, "has grown too large")),
            (digest, _) => Ok(digest),
        }
    }
}

/// The standing of a file by its path below the folder of a run with that plan.
pub fn class(path: &str, plan: &Plan) -> Class {
    let names: Vec<&str> = path.split('/').collect();
    if !names.iter().all(|name| name::is_plain(name)) {
        return Class::Strange;
    }
    let planned = |id: &str| plan.scenarios.iter().any(|one| one.id == id);
    match names[..] {
        [file] if MADE.contains(&file) => Class::Made,
        [SIGNATURE] => Class::Signature,
        [file] if RECORDED.contains(&file) => Class::Recorded,
        [file] if file.strip_suffix("-smallest.toml").is_some_and(|id| planned(id) && stress::is_drawn(id)) => {
            Class::Recorded
        }
        [id, PICTURE] if planned(id) => Class::Made,
        [id, ref rest @ ..] if planned(id) && is_of_scenario(rest) => Class::Recorded,
        // An attempt that was put aside keeps its picture, and so does a smaller scenario: nobody makes them again.
        [folder, ref rest @ ..]
            if (rest == [PICTURE] || is_of_scenario(rest)) && beside(folder).is_some_and(planned) =>
        {
            Class::Recorded
        }
        ["templates", digest, "bootstrap.events"] if is_digest(digest) => Class::Recorded,
        ["templates", digest, "logs", log] if is_digest(digest) && log.ends_with(".log") => Class::Recorded,
        _ => Class::Strange,
    }
}

fn is_of_scenario(rest: &[&str]) -> bool {
    match rest {
        [file] => OF_SCENARIO.contains(file),
        ["logs", log] => log.ends_with(".log"),
        _ => false,
    }
}

/// The name of a template: hexadecimal digits.
fn is_digest(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The scenario of an attempt that was put aside, `<id>.attempt-2`, or of one that was made smaller, `<id>-smaller-2`.
fn beside(folder: &str) -> Option<&str> {
    attempt_of(folder).or_else(|| {
        // A smaller one may have been put aside, too.
        let whole = attempt_of(folder).unwrap_or(folder);
        numbered(whole, SMALLER)
    })
}

/// The scenario of whose interrupted recording this is the folder's name.
pub fn attempt_of(folder: &str) -> Option<&str> {
    numbered(folder, ".attempt-").map(|id| numbered(id, SMALLER).unwrap_or(id))
}

fn numbered<'name>(name: &'name str, by: &str) -> Option<&'name str> {
    let (id, number) = name.rsplit_once(by)?;
    // Only a scenario that was drawn is made smaller.
    if by == SMALLER && !stress::is_drawn(id) {
        return None;
    }
    (number.parse::<u32>().is_ok_and(|number| number > 0) && !number.starts_with(['+', '0'])).then_some(id)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::manifest::Manifest;
    use crate::run::plan::Planned;

    fn plan() -> Plan {
        Plan::new(&Manifest::load("patroni").unwrap(), vec![Planned::new("a", ""), Planned::new("stress-1-1", "")])
    }

    #[test]
    fn every_file_of_a_run_has_a_standing() {
        for (path, standing) in [
            ("plan.json", Class::Recorded),
            ("lock", Class::Recorded),
            ("results.json", Class::Made),
            ("certificate.json", Class::Made),
            ("certificate.json.minisig", Class::Signature),
            ("a/events.jsonl", Class::Recorded),
            ("a/logs/pghaspec-1-n1.log", Class::Recorded),
            ("a/history.svg", Class::Made),
            ("a.attempt-1/history.svg", Class::Recorded),
            ("a.attempt-12/logs/x.log", Class::Recorded),
            ("stress-1-1-smallest.toml", Class::Recorded),
            ("stress-1-1-smaller-3/events.jsonl", Class::Recorded),
            ("stress-1-1-smaller-3.attempt-1/events.jsonl", Class::Recorded),
            ("templates/ab12/bootstrap.events", Class::Recorded),
            ("templates/ab12/logs/x.log", Class::Recorded),
            ("b/events.jsonl", Class::Strange),
            ("b.attempt-1/events.jsonl", Class::Strange),
            ("a.attempt-0/events.jsonl", Class::Strange),
            ("a/notes.txt", Class::Strange),
            ("a/logs/deep/x.log", Class::Strange),
            (".plan.json.part", Class::Strange),
            ("templates/notes/bootstrap.events", Class::Strange),
            ("templates/ab12/logs/notes.txt", Class::Strange),
            ("notes.txt", Class::Strange),
            ("b-smallest.toml", Class::Strange),
        ] {
            assert_eq!(class(path, &plan()), standing, "{path}");
        }
    }

    #[test]
    fn a_folder_that_leads_out_of_itself_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/events.jsonl"), "x").unwrap();
        let contents = Contents::of(folder.path()).unwrap();
        assert_eq!(contents.files, ["a/events.jsonl"]);
        assert_eq!(contents.sha256("a/events.jsonl").unwrap(), crate::digest::sha256("x"));
        symlink("/dev/zero", folder.path().join("a/scenario.toml")).unwrap();
        let told = Contents::of(folder.path()).unwrap_err().to_string();
        assert!(told.contains("a/scenario.toml") && told.contains("is a link"), "{told}");
        fs::remove_file(folder.path().join("a/scenario.toml")).unwrap();
        let large = fs::File::create(folder.path().join("a/events.jsonl")).unwrap();
        large.set_len(MOST_HISTORY + 1).unwrap();
        assert!(Contents::of(folder.path()).unwrap_err().to_string().contains("256 MiB"));
    }
}
