//! A folder whose contents are not followed out of it: plain names, regular files, no links, up to a number and a size.
//! The folder of a run may have been made by somebody who wants to read, or to write, another one.

use std::fs::File;
use std::io;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::file::{FLAGS, checked, read_open};
use super::name;

/// Most files and folders in a folder and all below it.
pub const MOST: usize = 20_000;

/// Most levels of folders below a folder.
const DEEPEST: usize = 8;

/// An open folder.
#[derive(Debug)]
pub struct Folder {
    handle: OwnedFd,
    path: PathBuf,
}

/// Something in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its path below the folder, with `/` between names.
    pub path: String,
    /// Its kind.
    pub kind: EntryKind,
    /// Bytes, of a file.
    pub size: u64,
}

/// The kind of something in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A link, a pipe, a device, or a name that is no UTF-8.
    Other,
}

impl Folder {
    /// Opens a folder that the caller's user has named; links on the way to it are the user's own.
    ///
    /// # Errors
    /// It cannot be opened, or is no folder.
    pub fn open(path: &Path) -> io::Result<Folder> {
        let handle = openat(CWD, path, FOLDER.difference(OFlags::NOFOLLOW), Mode::empty())?;
        Ok(Folder { handle, path: path.to_path_buf() })
    }

    /// Its path, for words.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the regular file at a path below, such as `logs/n1.log`.
    ///
    /// # Errors
    /// A name of it is not plain, a link lies on the way, or it is no regular file.
    pub fn open_file(&self, place: &str) -> io::Result<File> {
        let (folder, name) = self.parent(place)?;
        checked(
            openat(folder.as_ref().unwrap_or(&self.handle), name, FLAGS.union(OFlags::NOFOLLOW), Mode::empty())
                .map_err(explained)?,
        )
    }

    /// Reads the whole file at a path below, of at most `most` bytes.
    ///
    /// # Errors
    /// As of [`Folder::open_file`]; or it is longer.
    pub fn read(&self, place: &str, most: u64) -> io::Result<Vec<u8>> {
        read_open(self.open_file(place)?, most)
    }

    /// Says whether there is a regular file at a path below.
    pub fn has_file(&self, place: &str) -> bool {
        self.kind_of(place) == Some(FileType::RegularFile)
    }

    /// Says whether there is anything at a path below.
    pub fn has(&self, place: &str) -> bool {
        self.kind_of(place).is_some()
    }

    fn kind_of(&self, place: &str) -> Option<FileType> {
        let (folder, name) = self.parent(place).ok()?;
        let stat = statat(folder.as_ref().unwrap_or(&self.handle), name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(FileType::from_raw_mode(stat.st_mode))
    }

    /// Writes a file, whole or not at all: whatever was there, be it a link, is replaced.
    ///
    /// # Errors
    /// A name is not plain, a link lies on the way, or the file cannot be written, as when the disk is full.
    pub fn write(&self, place: &str, bytes: &[u8]) -> io::Result<()> {
        let (folder, name) = self.parent(place)?;
        let folder = folder.as_ref().unwrap_or(&self.handle);
        let draft = format!(".{name}.part");
        match unlinkat(folder, &draft, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(folder, &draft, flags, Mode::from_raw_mode(0o644))?);
        let written = file.write_all(bytes).and_then(|()| file.sync_data());
        let written = written.and_then(|()| Ok(renameat(folder, &draft, folder, name)?));
        if written.is_err() {
            let _ = unlinkat(folder, &draft, AtFlags::empty());
        }
        written
    }

    /// All that is in the folder and below it, sorted by path. Links are listed, and not followed.
    ///
    /// # Errors
    /// A folder cannot be read; there are more than [`MOST`] entries, or folders lie too deep.
    pub fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut found = Vec::new();
        let mut folders = vec![String::new()];
        while let Some(place) = folders.pop() {
            let handle = self.descend(&place)?;
            for entry in Dir::read_from(handle.as_ref().unwrap_or(&self.handle))? {
                let entry = entry?;
                let raw = entry.file_name();
                if matches!(raw.to_bytes(), b"." | b"..") {
                    continue;
                }
                if found.len() == MOST {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, format!("holds more than {MOST} files")));
                }
                let path = if place.is_empty() { String::new() } else { format!("{place}/") };
                let Ok(name) = raw.to_str() else {
                    let path = format!("{path}{}", raw.to_string_lossy());
                    found.push(Entry { path, kind: EntryKind::Other, size: 0 });
                    continue;
                };
                let path = format!("{path}{name}");
                let stat = statat(handle.as_ref().unwrap_or(&self.handle), raw, AtFlags::SYMLINK_NOFOLLOW)?;
                let kind = match FileType::from_raw_mode(stat.st_mode) {
                    FileType::RegularFile => EntryKind::File,
                    FileType::Directory => EntryKind::Folder,
                    _ => EntryKind::Other,
                };
                if kind == EntryKind::Folder {
                    if path.matches('/').count() >= DEEPEST {
                        let problem = format!("holds folders deeper than {DEEPEST} levels");
                        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
                    }
                    folders.push(path.clone());
                }
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                found.push(Entry { path, kind, size });
            }
        }
        found.sort();
        Ok(found)
    }

    /// The folder of a path below, and the last name; `None` is this folder itself.
    fn parent<'place>(&self, place: &'place str) -> io::Result<(Option<OwnedFd>, &'place str)> {
        let (folders, name) = place.rsplit_once('/').unwrap_or(("", place));
        if let Some(trouble) = name::trouble(name) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("the name `{name}` {trouble}")));
        }
        Ok((self.descend(folders)?, name))
    }

    fn descend(&self, place: &str) -> io::Result<Option<OwnedFd>> {
        let mut handle = None;
        for name in place.split('/').filter(|_| !place.is_empty()) {
            if matches!(name, "" | "." | "..") {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("`{place}` is no path below a folder"),
                ));
            }
            let inner = openat(handle.as_ref().unwrap_or(&self.handle), name, FOLDER, Mode::empty());
            handle = Some(inner.map_err(explained)?);
        }
        Ok(handle)
    }
}

/// Flags with which only a folder is opened, and no link to one.
const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC).union(OFlags::NONBLOCK);

/// The error with words for what the flags refuse.
fn explained(error: Errno) -> io::Error {
    match error {
        Errno::LOOP => io::Error::new(io::ErrorKind::InvalidInput, "is a link, no regular file"),
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn sample() -> (tempfile::TempDir, Folder) {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("run");
        fs::create_dir_all(path.join("s/logs")).unwrap();
        fs::write(path.join("plan.json"), "{}").unwrap();
        fs::write(path.join("s/logs/n1.log"), "line\n").unwrap();
        fs::write(outer.path().join("secret"), "secret").unwrap();
        let folder = Folder::open(&path).unwrap();
        (outer, folder)
    }

    #[test]
    fn a_file_is_read_by_its_path_below() {
        let (_outer, folder) = sample();
        assert_eq!(folder.read("plan.json", 10).unwrap(), b"{}");
        assert_eq!(folder.read("s/logs/n1.log", 10).unwrap(), b"line\n");
        assert!(folder.has_file("s/logs/n1.log") && !folder.has_file("s/logs") && folder.has("s/logs"));
        let paths: Vec<_> = folder.entries().unwrap().into_iter().map(|entry| entry.path).collect();
        assert_eq!(paths, ["plan.json", "s", "s/logs", "s/logs/n1.log"]);
    }

    #[test]
    fn nothing_leads_out() {
        let (outer, folder) = sample();
        symlink(outer.path().join("secret"), folder.path().join("link")).unwrap();
        symlink(outer.path(), folder.path().join("up")).unwrap();
        symlink(".", folder.path().join("s/again")).unwrap();
        let absolute = outer.path().join("secret").display().to_string();
        for place in ["../secret", "link", "up/secret", "s/../plan.json", "./plan.json", "", "s//logs", &absolute] {
            assert!(folder.read(place, 10).is_err(), "{place}");
        }
        let kinds: Vec<_> = folder.entries().unwrap().into_iter().map(|entry| (entry.path, entry.kind)).collect();
        assert!(kinds.contains(&("s/again".into(), EntryKind::Other)));
        assert_eq!(kinds.len(), 7);
    }

    #[test]
    fn a_link_is_replaced_and_not_written_through() {
        let (outer, folder) = sample();
        let secret = outer.path().join("secret");
        for name in ["report.html", ".report.html.part"] {
            symlink(&secret, folder.path().join(name)).unwrap();
        }
        folder.write("report.html", b"page").unwrap();
        assert_eq!(fs::read(&secret).unwrap(), b"secret");
        assert_eq!(folder.read("report.html", 10).unwrap(), b"page");
        symlink(outer.path(), folder.path().join("up")).unwrap();
        assert!(folder.write("up/secret", b"page").is_err());
        assert!(folder.write("../secret", b"page").is_err());
        assert_eq!(fs::read(&secret).unwrap(), b"secret");
    }
}
