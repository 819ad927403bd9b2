//! The lock of a run's folder: a file that is held with flock while the run lives. The kernel gives it back when the
//! process dies, in whichever way, so it tells a run that was killed from one that lives.
//!
//! The file holds a random token, by which a copy or a new folder of the same name is not taken for the run's own.

use std::fs::{File, OpenOptions};
use std::io;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock, fstatfs};
use rustix::io::Errno;

use super::random::random_digits;

/// Name of the file in the folder.
const FILE: &str = "lock";

/// Hexadecimal digits of the token.
const TOKEN: usize = 32;

/// The time for which a lock is asked for again: a sweep of another process holds it for a moment.
const PATIENCE: Duration = Duration::from_millis(500);

/// File systems on which flock speaks for every process that can reach the file, by the magic numbers of statfs(2):
/// ext2 to ext4, xfs, btrfs, f2fs, tmpfs, ramfs, overlayfs, zfs, bcachefs, jfs, reiserfs. On a network file system
/// another machine may hold it unseen.
const LOCAL: [u64; 11] = [
    0xEF53,
    0x5846_5342,
    0x9123_683E,
    0xF2F5_2010,
    0x0102_1994,
    0x8584_58F6,
    0x794C_7630,
    0x2FC1_2FC1,
    0xCA45_1A4E,
    0x3153_464A,
    0x5265_4973,
];

/// A lock that this process holds until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    /// The identity of the file.
    pub mark: Mark,
}

/// The identity of a lock's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its device and inode.
    pub file: [u64; 2],
    /// The token in it.
    pub token: String,
}

/// The lock of a folder as another process finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No such file is visible here.
    Absent,
    /// Somebody holds it.
    Held,
    /// Nobody holds it that shares this kernel and this file system.
    Free(Mark),
    /// It cannot be told whether somebody holds it, and why.
    Unknown(String),
}

impl Lock {
    /// Takes the lock of a folder, and makes the file if there is none.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if another process holds it; otherwise the file cannot be made.
    pub fn take(folder: &Path) -> io::Result<Lock> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true).custom_flags(flags());
        let mut file = options.open(folder.join(FILE))?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "its lock is no regular file"));
        }
        let deadline = Instant::now() + PATIENCE;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(PATIENCE / 10),
                Err(Errno::WOULDBLOCK) => {
                    return Err(io::Error::new(io::ErrorKind::WouldBlock, "another process still runs it"));
                }
                Err(other) => return Err(other.into()),
            }
        }
        let token = match token_in(&mut file)? {
            Some(token) => token,
            None => {
                let token = random_digits(TOKEN)?;
                file.rewind()?;
                file.set_len(0)?;
                file.write_all(token.as_bytes())?;
                token
            }
        };
        let mark = Mark { file: identity(&file)?, token };
        Ok(Lock { _file: file, mark })
    }
}

/// Looks at the lock of a folder without disturbing its owner. Reading is enough, so it may be another user's.
pub fn look(folder: &Path) -> Found {
    let opened = OpenOptions::new().read(true).custom_flags(flags()).open(folder.join(FILE));
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Found::Absent;
        }
        Err(error) => return Found::Unknown(format!("its lock cannot be read ({error})")),
    };
    let unknown = |error: io::Error| Found::Unknown(format!("its lock cannot be looked at ({error})"));
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Found::Unknown("its lock is no regular file".to_owned()),
        Err(error) => return unknown(error),
    }
    let kind = match fstatfs(&file) {
        // A magic number has 32 bits, whatever the type is.
        Ok(found) => found.f_type as u64 & 0xFFFF_FFFF,
        Err(errno) => return unknown(errno.into()),
    };
    // A shared lock: two who look do not take each other for the owner.
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) if !LOCAL.contains(&kind) => {
            Found::Unknown("its lock is on a file system that other machines may share".to_owned())
        }
        Ok(()) => match (identity(&file), token_in(&mut file)) {
            (Ok(file), Ok(token)) => Found::Free(Mark { file, token: token.unwrap_or_default() }),
            (Err(error), _) | (_, Err(error)) => unknown(error),
        },
        Err(Errno::WOULDBLOCK) => Found::Held,
        Err(errno) => unknown(errno.into()),
    }
}

/// Never a link, and never a pipe that waits for somebody.
fn flags() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed()
}

fn identity(file: &File) -> io::Result<[u64; 2]> {
    file.metadata().map(|metadata| [metadata.dev(), metadata.ino()])
}

/// The token in the file; none if it was cut short.
fn token_in(file: &mut File) -> io::Result<Option<String>> {
    let mut text = String::new();
    file.rewind()?;
    match file.take(TOKEN as u64 + 1).read_to_string(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(None),
        Err(error) => return Err(error),
    }
    let whole = text.len() == TOKEN && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    Ok(whole.then_some(text))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_lock_is_held_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(look(folder.path()), Found::Absent);
        let lock = Lock::take(folder.path()).unwrap();
        assert_eq!(look(folder.path()), Found::Held);
        assert_eq!(Lock::take(folder.path()).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let mark = lock.mark.clone();
        drop(lock);
        assert_eq!(look(folder.path()), Found::Free(mark.clone()));
        assert_eq!(Lock::take(folder.path()).unwrap().mark, mark, "the token stays");
    }

    #[test]
    fn a_lock_that_may_only_be_read_is_told_apart_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        fs::set_permissions(folder.path().join(FILE), fs::Permissions::from_mode(0o444)).unwrap();
        assert_eq!(look(folder.path()), Found::Held);
        drop(lock);
        assert!(matches!(look(folder.path()), Found::Free(_)));
    }

    #[test]
    fn what_is_no_lock_says_nothing_and_does_not_hang() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join(FILE);
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::from_bits_truncate(0o600)).unwrap();
        assert!(matches!(look(folder.path()), Found::Unknown(_)));
        fs::remove_file(&fifo).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &fifo).unwrap();
        assert!(matches!(look(folder.path()), Found::Unknown(_)));
        assert!(Lock::take(folder.path()).is_err());
    }

    #[test]
    fn a_torn_token_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "3f9a").unwrap();
        let token = Lock::take(folder.path()).unwrap().mark.token;
        assert_eq!(token.len(), TOKEN);
        assert_eq!(fs::read_to_string(folder.path().join(FILE)).unwrap(), token);
    }
}
