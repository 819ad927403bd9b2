//! The words by which pip, Python and the harness say on standard error why they failed. They decide the kind of an
//! error.
//!
//! The exit codes of these programs tell no causes apart, so their words are looked at, and only here. The words of pip
//! and Python are not ours: if a release of theirs says something else, the failure is still told, with the last line
//! that was said, but as one of the package index or of the harness.

/// The cause of an installation that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PipFailure {
    /// The package index has the package, but not this release.
    NoSuchRelease,
    /// This Python has no pip.
    NoPip,
    /// The folder cannot be written: the disk is full, or it is read-only.
    Disk,
    /// Anything else: most often, the package index does not answer.
    Other,
}

/// The cause of a run of the harness that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HarnessFailure {
    /// This Python cannot import the release.
    Import,
    /// The released code asks for something that the harness does not know.
    Unforeseen,
    /// Anything else.
    Other,
}

/// pip, where a release is wanted that the index does not have: the first words, and then the releases that it has.
const NO_RELEASE: [&str; 2] = ["No matching distribution", "from versions: "];
/// pip, where the index does not have the package at all, or cannot be reached.
const NO_PACKAGE: &str = "from versions: none";
/// Python, started with `-m pip`.
const NO_PIP: &str = "No module named pip";
/// The operating system, through pip.
const DISK: [&str; 4] = ["No space left", "Disk quota exceeded", "Read-only file system", "Permission denied"];
/// pip, before what it foresaw; and before a traceback, whose last line says more.
const PIP_ERROR: &str = "ERROR";
const PIP_TRACEBACK: &str = "ERROR: Exception";
/// Python: names of the exceptions at the beginning of the last line of a traceback.
const IMPORT: [&str; 3] = ["ModuleNotFoundError", "ImportError", "SyntaxError"];
/// The harness: the exception of `fixtures/oracle/paths.py`.
const UNFORESEEN: &str = "Unforeseen";

/// The line in which pip says what went wrong, and what it was.
pub(super) fn of_pip(words: &str) -> (&str, PipFailure) {
    let lines = || words.lines().rev().filter(|line| !line.trim().is_empty());
    let foreseen = lines().find(|line| line.contains(PIP_ERROR) && !line.contains(PIP_TRACEBACK));
    let line = foreseen.or(lines().next()).unwrap_or("it says nothing").trim();
    let failure = if NO_RELEASE.iter().all(|part| words.contains(part)) && !words.contains(NO_PACKAGE) {
        PipFailure::NoSuchRelease
    } else if words.contains(NO_PIP) {
        PipFailure::NoPip
    } else if DISK.iter().any(|part| line.contains(part)) {
        PipFailure::Disk
    } else {
        PipFailure::Other
    };
    (line, failure)
}

/// The last line that the harness said, and what went wrong.
pub(super) fn of_harness(words: &str) -> (&str, HarnessFailure) {
    let line = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing").trim();
    let failure = if IMPORT.iter().any(|name| line.starts_with(name)) {
        HarnessFailure::Import
    } else if line.contains(UNFORESEEN) {
        HarnessFailure::Unforeseen
    } else {
        HarnessFailure::Other
    };
    (line, failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_pip_are_told_apart() {
        let absent = "ERROR: Could not find a version that satisfies the requirement patroni==9.9.9 \
                      (from versions: 1.0, 2.0)\nERROR: No matching distribution found for patroni==9.9.9\n";
        let unreachable = "WARNING: Retrying\nERROR: Could not find a version that satisfies the requirement \
                           patroni==4.1.5 (from versions: none)\n\
                           ERROR: No matching distribution found for patroni==4.1.5\n";
        let full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device\n\n";
        let traceback = "ERROR: Exception:\nTraceback (most recent call last):\n\
                         OSError: [Errno 122] Disk quota exceeded\n";
        for (words, failure, line) in [
            (absent, PipFailure::NoSuchRelease, "No matching distribution found for patroni==9.9.9"),
            (unreachable, PipFailure::Other, "patroni==4.1.5"),
            ("/usr/bin/python3: No module named pip\n", PipFailure::NoPip, "No module named pip"),
            (full, PipFailure::Disk, "No space left"),
            (traceback, PipFailure::Disk, "OSError: [Errno 122]"),
            ("", PipFailure::Other, "it says nothing"),
        ] {
            let (said, found) = of_pip(words);
            assert_eq!(found, failure, "{words}");
            assert!(said.contains(line), "{said}");
        }
    }

    #[test]
    fn failures_of_the_harness_are_told_apart() {
        for (words, failure) in [
            ("Traceback\nModuleNotFoundError: No module named 'patroni.ha'\n", HarnessFailure::Import),
            ("Traceback\npaths.Unforeseen: Watchdog.be_gentle\n", HarnessFailure::Unforeseen),
            ("Traceback\nKeyError: 'x'\n", HarnessFailure::Other),
        ] {
            assert_eq!(of_harness(words).1, failure, "{words}");
        }
    }
}
