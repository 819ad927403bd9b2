//! A regular file, read up to a size. A pipe would be waited for for ever, and a device has no end.

use std::fs::File;
use std::io;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};

/// Most bytes of a file that people write: a manifest, a scenario, a list of deviations.
pub const WRITTEN: u64 = 4 << 20;

/// Opens a file that the caller's user has named, so that links on the way to it are the user's own.
///
/// # Errors
/// It cannot be opened, or is no regular file.
pub fn open(path: &Path) -> io::Result<File> {
    checked(openat(CWD, path, FLAGS, Mode::empty())?)
}

/// Reads a whole file of at most `most` bytes.
///
/// # Errors
/// As of [`open`]; or it is longer.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_open(open(path)?, most)
}

/// Flags with which no open waits, or makes a terminal the process's own.
pub(super) const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// The file, if it is a regular one.
pub(super) fn checked(file: OwnedFd) -> io::Result<File> {
    match FileType::from_raw_mode(fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(File::from(file)),
        other => Err(io::Error::new(io::ErrorKind::InvalidInput, format!("is {}, no regular file", kind(other)))),
    }
}

/// Reads an open file to its end.
///
/// # Errors
/// It cannot be read, or holds more than `most` bytes.
pub fn read_open(file: File, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // It may grow while it is read, so its length alone proves nothing.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("has more than {}", size(most))));
    }
    Ok(bytes)
}

/// A number of bytes, in the largest unit of which it has at least one.
fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..0x10_0000 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

fn kind(kind: FileType) -> &'static str {
    match kind {
        FileType::Directory => "a folder",
        FileType::Symlink => "a link",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_is_read_and_only_up_to_a_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, [7; 100]).unwrap();
        assert_eq!(read(&path, 100).unwrap(), [7; 100]);
        assert_eq!(read(&path, 99).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(read(&pipe, 100).unwrap_err().to_string().contains("a named pipe, no regular file"));
        assert!(read(folder.path(), 100).unwrap_err().to_string().contains("a folder"));
        assert!(read(Path::new("/dev/zero"), 100).unwrap_err().to_string().contains("a device"));
        assert_eq!(read(&folder.path().join("none"), 1).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
