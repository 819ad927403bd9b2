//! Bounds of options: the least and the greatest sensible value of a number, folders that can be written into, and the
//! memory that a search may take.
//!
//! The commands about the model, and `diff`, take their options through these, so that no value alone takes the
//! machine.

use std::fmt::Display;
use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

/// Threads, at most: more only share the same memory in smaller pieces.
const MOST_THREADS: usize = 64;

/// Memory of a search whose limit nobody named, where it is not known how much there is.
const USUAL_MIB: u64 = 4096;

/// Most lanes at a time.
const MOST_JOBS: usize = 64;

/// Most scenarios that are drawn for a run.
const MOST_DRAWN: usize = 1000;

/// A parser of whole numbers from `least` to `most`.
pub fn whole<N>(least: N, most: N) -> impl Fn(&str) -> Result<N, String> + Clone
where
    N: FromStr + PartialOrd + Display + Copy,
{
    move |word| {
        let number = word.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("has to be a whole number from {least} to {most}"))
    }
}

/// A number of threads, or of pieces of work at a time.
pub fn threads(word: &str) -> Result<usize, String> {
    whole(1, MOST_THREADS.max(processors()))(word)
}

/// A number of lanes at a time: each has a cluster of its own.
pub fn jobs(word: &str) -> Result<NonZeroUsize, String> {
    let jobs = whole(1, MOST_JOBS)(word).ok().and_then(NonZeroUsize::new);
    jobs.ok_or_else(|| format!("write a number from 1 to {MOST_JOBS}, such as 2"))
}

/// A number of scenarios that are drawn for a run.
pub fn drawn(word: &str) -> Result<usize, String> {
    whole(1, MOST_DRAWN)(word).map_err(|_| format!("write a number from 1 to {MOST_DRAWN}, such as 5"))
}

/// A number of MiB that this machine has.
pub fn mebibytes(word: &str) -> Result<u64, String> {
    let most = memory("MemTotal:").unwrap_or(1 << 20);
    whole(1, most)(word).map_err(|problem| format!("{problem}, which this machine has"))
}

/// A folder that is there, or can be made.
pub fn folder(word: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(word);
    match fs::metadata(&path) {
        _ if word.is_empty() => Err("names no folder".into()),
        Ok(found) if !found.is_dir() => Err("is there already, and is no folder; help: name another one".into()),
        _ => Ok(path),
    }
}

/// A release of patroni.
pub fn release(word: &str) -> Result<String, String> {
    let is_one = word.starts_with(|first: char| first.is_ascii_digit())
        && word.len() <= 32
        && word.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '.');
    is_one.then(|| word.to_owned()).ok_or_else(|| "is no version, such as 4.1.5".into())
}

/// The number of processors.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The MiB that a search may take if nobody says it: three quarters of those that are available.
pub fn usual_mebibytes() -> u64 {
    memory("MemAvailable:").map_or(USUAL_MIB, |available| (available / 4 * 3).max(1))
}

/// The MiB on this line of `/proc/meminfo`.
pub fn memory(line: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let rest = text.lines().find_map(|found| found.strip_prefix(line))?;
    let kib: u64 = rest.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib >> 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_bounds_are_told_what_the_bounds_are() {
        let ticks = whole(1_u8, 14);
        assert_eq!(ticks("14"), Ok(14));
        for word in ["0", "15", "256", "-1", "", " 1", "1.5", "18446744073709551616"] {
            assert_eq!(ticks(word), Err("has to be a whole number from 1 to 14".into()), "{word}");
        }
        assert_eq!((threads("1"), threads("64")), (Ok(1), Ok(64)));
        assert!(threads("0").is_err() && threads("1000000").is_err());
        assert!(mebibytes("18446744073709551615").is_err_and(|problem| problem.contains("this machine")));
    }

    #[test]
    fn folders_and_releases_are_told_from_other_words() {
        assert!(folder("").is_err() && folder("/dev/zero").is_err());
        assert!(folder("/").is_ok() && folder("/nowhere/yet").is_ok());
        for word in ["", "../4.1.5", "4.1.5 --pre", "latest", "4/5"] {
            assert!(release(word).is_err(), "{word}");
        }
        assert_eq!(release("4.1.5rc1"), Ok("4.1.5rc1".into()));
    }
}
