//! Mistakes that people make in manifests, scenarios, lists and options. Each is refused, soon and in little memory,
//! with words that say where it is and how it is mended.
//!
//! | file | mistakes |
//! | --- | --- |
//! | `generated.rs` | those that can be made with any key: misspelt, doubled, of another type, without a quote |
//! | `agent.rs` | values of a manifest that cannot be |
//! | `scenario.rs` | values of a scenario that cannot be |
//! | `lists.rs` | known deviations, and agents that fail scenarios |
//! | `histories.rs` | files that are no histories |
//! | `options.rs` | options of the command line |
//! | `samples.rs` | files without a mistake, in which one is made |
//! | `schemas.rs` | the schemas, which accept what is sound and refuse what they can tell |

mod agent;
mod generated;
mod histories;
mod lists;
mod options;
mod samples;
mod scenario;
mod schemas;

use std::time::{Duration, Instant};

use pghaspec::input::InputError;

/// The longest time until a mistake is told.
const SOON: Duration = Duration::from_secs(10);

/// Most memory that the telling of all mistakes may take, KiB.
const LITTLE: u64 = 500 << 10;

/// The verbs with which a remedy tells somebody what to do.
const VERBS: [&str; 18] = [
    "write", "use", "name", "keep", "leave", "move", "say", "close", "let", "choose", "put", "add", "give", "remove",
    "take", "set", "make", "mend",
];

/// A mistake in a file, and what came of it.
pub struct Mistake {
    /// The mistake, in a few words.
    pub what: String,
    /// The error; `None` if the mistake was accepted.
    pub told: Option<InputError>,
}

/// Makes a mistake, and takes the time until it is told.
pub fn made<T>(what: impl Into<String>, read: impl FnOnce() -> Result<T, InputError>) -> Mistake {
    let what = what.into();
    let begun = Instant::now();
    let told = read().err();
    assert!(begun.elapsed() < SOON, "{what}: took {:?}", begun.elapsed());
    Mistake { what, told }
}

/// Replaces the only place of some words.
#[track_caller]
pub fn replaced(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from:?} stands in it once");
    text.replace(from, to)
}

#[test]
fn mistakes_in_files_are_told_where_they_are_and_how_they_are_mended() {
    let all: Vec<Mistake> =
        [generated::all(), agent::all(), scenario::all(), lists::all()].into_iter().flatten().collect();
    let accepted: Vec<&str> = all.iter().filter(|one| one.told.is_none()).map(|one| one.what.as_str()).collect();
    assert!(accepted.is_empty(), "{} mistakes are accepted:\n{}", accepted.len(), accepted.join("\n"));
    let told: Vec<(&str, &InputError)> =
        all.iter().filter_map(|one| Some((one.what.as_str(), one.told.as_ref()?))).collect();
    // What is missing has no line; it is told where it is to be written.
    let placed = |error: &InputError| error.key.is_some() && (error.line.is_some() || error.problem == "is missing");
    // It says what to do: a clause of it begins with a verb that tells somebody to.
    let mended = |error: &InputError| {
        let does = |clause: &str| {
            let word = clause.split_whitespace().next().unwrap_or_default();
            let word = word.trim_matches(|character: char| !character.is_alphanumeric());
            VERBS.contains(&word)
        };
        let clauses = error.help.split([',', ';', ':', '.']).flat_map(|part| part.split(" or "));
        clauses.flat_map(|part| part.split(" and ")).any(does) && error.problem.len() < 1000
    };
    let share = |is: &dyn Fn(&InputError) -> bool| {
        let not: Vec<String> =
            told.iter().filter(|(_, error)| !is(error)).map(|(what, error)| format!("  {what}: {error}")).collect();
        (100.0 - 100.0 * not.len() as f64 / told.len() as f64, not)
    };
    let (with_place, without_place) = share(&placed);
    let (with_mend, without_mend) = share(&mended);
    println!("{} mistakes; {with_place:.1} % with file, line and key; {with_mend:.1} % with a mend", told.len());
    println!("without a place:\n{}\nwithout a mend:\n{}", without_place.join("\n"), without_mend.join("\n"));
    if std::env::var_os("PGHASPEC_SHOW_MISTAKES").is_some() {
        for (what, error) in &told {
            println!("{what}\n    {error}");
        }
    }
    assert!(told.len() >= 300, "{} mistakes", told.len());
    assert!(with_place >= 90.0 && with_mend >= 90.0);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
    let peak: u64 = peak.unwrap();
    assert!(peak < LITTLE, "{peak} KiB");
}
