//! Fuzzing of every parser of what others write: no input may panic, take long, or take much memory.
//!
//! Each target is replayed on its seeds, which come from the fixtures and from `corpus/<target>/`, and then on
//! mutations of them, for as many seconds as `PGHASPEC_FUZZ_SECONDS` says (1 unless it is set; hours do no harm). An
//! input that a target cannot bear is made smaller, kept in its corpus, and fails the test from then on.
//! `PGHASPEC_FUZZ_TARGET` names one target alone, and `PGHASPEC_FUZZ_SEED` another seed of the mutations.
//!
//! ```text
//! PGHASPEC_FUZZ_SECONDS=300 PGHASPEC_FUZZ_TARGET=history cargo test --release -p pghaspec --test fuzz -- --nocapture
//! ```

mod mutator;
mod search;
mod targets;

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use search::Finding;
use targets::{ALL, Target};

/// Most memory that the targets may take at a time, KiB.
const MOST_MEMORY: u64 = 1 << 20;

/// The folder of a target's committed inputs.
fn corpus(target: &Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target.name)
}

/// The seeds of a target, those of its corpus first.
fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(corpus(target)).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut seeds: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    seeds.extend((target.seeds)());
    seeds
}

/// Keeps an input that a target cannot bear, and says which it is.
fn keep(target: &Target, Finding { input, why }: &Finding) -> String {
    let sum = input
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let file = corpus(target).join(format!("found-{sum:016x}.input"));
    std::fs::create_dir_all(corpus(target)).unwrap();
    std::fs::write(&file, input).unwrap();
    format!("{}: {why}; kept as {}:\n{}", target.name, file.display(), String::from_utf8_lossy(input))
}

#[test]
fn no_input_is_too_much() {
    let seconds = std::env::var("PGHASPEC_FUZZ_SECONDS").ok().map_or(1.0, |text| text.parse().unwrap());
    let only = std::env::var("PGHASPEC_FUZZ_TARGET").ok();
    let names: Vec<&str> = ALL.iter().map(|target| target.name).collect();
    assert!(only.as_deref().is_none_or(|only| names.contains(&only)), "{only:?} is none of {names:?}");
    let all: Vec<&Target> =
        ALL.iter().filter(|target| only.as_deref().is_none_or(|only| only == target.name)).collect();
    let (next, findings) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    // The time of an input is that of its own thread, so several targets can be tried at once.
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, NonZeroUsize::get) {
            scope.spawn(|| {
                while let Some(target) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let seeds = seeds(target);
                    assert!(!seeds.is_empty(), "{} has no seeds", target.name);
                    let done = search::search(target, seeds, Duration::from_secs_f64(seconds));
                    let peak = search::peak_memory();
                    let (name, runs, kinds) = (target.name, done.runs, done.kinds);
                    let _ = writeln!(std::io::stderr(), "{name}: {runs} inputs, {kinds} kinds of outcome, {peak} KiB");
                    let mut findings = findings.lock().unwrap();
                    findings.extend(done.findings.iter().map(|finding| keep(target, finding)));
                    if peak > MOST_MEMORY {
                        findings.push(format!("{name}: {peak} KiB of memory are too much"));
                    }
                }
            });
        }
    });
    let findings = findings.into_inner().unwrap();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n\n"));
}

/// A target that fails is noticed, and its input made smaller.
#[test]
fn a_target_that_fails_is_found_out() {
    fn odd(input: &[u8]) -> String {
        assert!(!input.windows(2).any(|pair| pair == b"[["), "two brackets");
        format!("{} brackets", input.iter().filter(|byte| **byte == b'[').count().min(3))
    }
    let target = Target { name: "odd", run: odd, seeds: Vec::new, words: &["[", "]"], repair: None };
    let done = search::search(&target, vec![b"a = [1, 2]\n".to_vec()], Duration::from_secs(5));
    assert_eq!(done.findings.len(), 1, "{} inputs", done.runs);
    assert_eq!(done.findings[0].input, b"[[");
    assert!(done.findings[0].why.contains("two brackets"), "{}", done.findings[0].why);
}
