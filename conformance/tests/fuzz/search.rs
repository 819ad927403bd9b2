//! The search for inputs that a target cannot bear.
//!
//! There is no instrumentation: an input is worth keeping for more mutations if the target says something that it has
//! not said before. Error texts tell most of the ways through a parser.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, Once, mpsc};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::mutator::{Lot, mutated};
use super::targets::Target;

/// The time of a CPU that an input may take.
const LONG: Duration = Duration::from_secs(2);

/// The time of a CPU after which an input is taken for one that never ends.
const HANGS: Duration = Duration::from_secs(60);

/// Most inputs that are kept for more mutations.
const KEPT: usize = 4096;

/// Runs for making a finding smaller.
const SHRINKING: usize = 4000;

/// An input that a target cannot bear.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The input, made smaller.
    pub input: Vec<u8>,
    /// The trouble.
    pub why: String,
}

/// All that a search found.
pub struct Done {
    /// Inputs that were tried.
    pub runs: u64,
    /// Different outcomes.
    pub kinds: usize,
    /// One for each trouble.
    pub findings: Vec<Finding>,
}

thread_local! {
    /// A panic on this thread is looked for, and not told.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Does not tell of panics that are looked for.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.with(Cell::get) {
                told(panic);
            }
        }));
    });
}

/// The outcome of an input, or the trouble with it.
fn run(target: &Target, input: &[u8]) -> Result<String, String> {
    let begun = clock_gettime(ClockId::ThreadCPUTime);
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let ended = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = (ended.tv_sec - begun.tv_sec) * 1_000_000_000 + (ended.tv_nsec - begun.tv_nsec);
    let took = Duration::from_nanos(nanoseconds.max(0).unsigned_abs());
    match outcome {
        Ok(_) if took > LONG => Err(format!("takes {took:?}")),
        Ok(outcome) => Ok(kind(&outcome)),
        Err(panic) => {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.or_else(|| panic.downcast_ref::<&str>().map(|words| (*words).to_owned()));
            Err(format!("panics: {}", words.unwrap_or_default()))
        }
    }
}

/// An outcome without numbers and names, which differ for ever.
fn kind(outcome: &str) -> String {
    let mut kind = String::new();
    let mut quoted = false;
    for character in outcome.chars() {
        match character {
            '`' => quoted = !quoted,
            _ if quoted => {}
            digit if digit.is_ascii_digit() => {}
            other => kind.push(other),
        }
        if kind.len() > 200 {
            break;
        }
    }
    kind
}

/// Tries the seeds, then mutations of them, for a time.
///
/// # Panics
/// If an input does not end; it is told.
pub fn search(target: &Target, seeds: Vec<Vec<u8>>, time: Duration) -> Done {
    quiet_panics();
    let at = Arc::new(Mutex::new((Instant::now(), Vec::new())));
    let (tell, told) = mpsc::channel();
    let (target, now) = (*target, Arc::clone(&at));
    let worker = std::thread::Builder::new().name(target.name.to_owned()).stack_size(8 << 20);
    let (own, of_worker) = mpsc::channel();
    let worker = worker.spawn(move || {
        QUIET.with(|quiet| quiet.set(true));
        let _ = own.send(std::fs::read_link("/proc/thread-self"));
        let _ = tell.send(tried(&target, seeds, time, &now));
    });
    let worker = worker.unwrap();
    let thread = Path::new("/proc").join(of_worker.recv().unwrap().unwrap());
    // The input that is under way, and the CPU time that the thread had when it was seen first.
    let mut seen: Option<(Instant, Duration)> = None;
    loop {
        match told.recv_timeout(Duration::from_secs(1)) {
            Ok(done) => return done,
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                panic!("{}: the search ended: {:?}", target.name, worker.join())
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let (since, input) = at.lock().unwrap().clone();
                // A busy machine may give the thread no CPU for long: its own time counts.
                let used = cpu_time(&thread);
                let (_, before) = *seen.insert(seen.filter(|(of, _)| *of == since).unwrap_or((since, used)));
                if used.saturating_sub(before) > HANGS {
                    let input = String::from_utf8_lossy(&input).into_owned();
                    panic!("{}: does not end within {HANGS:?}: {input}", target.name);
                }
            }
        }
    }
}

/// The CPU time of a thread, by its folder in `/proc`.
fn cpu_time(thread: &Path) -> Duration {
    let stat = std::fs::read_to_string(thread.join("stat")).unwrap_or_default();
    // Behind the name, which may have blanks: from `state` on, `utime` and `stime` are the 12th and the 13th, in ticks
    // of 10 ms.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis(10 * (ticks(11) + ticks(12)))
}

fn tried(target: &Target, seeds: Vec<Vec<u8>>, time: Duration, now: &Mutex<(Instant, Vec<u8>)>) -> Done {
    let mut kinds = BTreeSet::new();
    let mut troubles = BTreeSet::new();
    let mut done = Done { runs: 0, kinds: 0, findings: Vec::new() };
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let begun = Instant::now();
    let seed = std::env::var("PGHASPEC_FUZZ_SEED").ok().map_or(1, |text| text.parse().unwrap());
    let mut lot = Lot(seed);
    let mut seeds = seeds.into_iter();
    loop {
        let (input, is_seed) = match seeds.next() {
            Some(seed) => (seed, true),
            None if begun.elapsed() >= time => break,
            None => {
                let (one, other) = (lot.below(kept.len()), lot.below(kept.len()));
                let empty = Vec::new();
                let (one, other) = (kept.get(one).unwrap_or(&empty), kept.get(other).unwrap_or(&empty));
                let input = mutated(&mut lot, one, other, target.words);
                let repaired = target.repair.filter(|_| lot.below(4) > 0).map(|repair| repair(&input));
                (repaired.unwrap_or(input), false)
            }
        };
        *now.lock().unwrap() = (Instant::now(), input.clone());
        done.runs += 1;
        match run(target, &input) {
            Ok(kind) => {
                if kinds.insert(kind) && kept.len() < KEPT || is_seed {
                    kept.push(input);
                }
            }
            Err(why) => {
                if troubles.insert(kind(&why)) {
                    let input = smaller(target, input, &kind(&why));
                    done.findings.push(Finding { input, why });
                }
            }
        }
    }
    done.kinds = kinds.len();
    done
}

/// The input without all that the trouble does not need.
fn smaller(target: &Target, mut input: Vec<u8>, trouble: &str) -> Vec<u8> {
    let still = |input: &[u8]| run(target, input).is_err_and(|why| kind(&why) == trouble);
    let begun = Instant::now();
    let mut runs = 0;
    let mut size = input.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < input.len() {
            runs += 1;
            if runs > SHRINKING || begun.elapsed() > HANGS / 3 {
                return input;
            }
            let mut without = input.clone();
            without.drain(at..(at + size).min(input.len()));
            if still(&without) { input = without } else { at += size }
        }
        size /= 2;
    }
    input
}

/// Most memory that this process has had, KiB.
pub fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    peak.unwrap_or(0)
}
