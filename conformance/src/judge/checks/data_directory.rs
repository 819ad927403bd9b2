//! Safety of data directories, by the processes that use one or copy over it.
//!
//! Nothing here knows the model.

use pghaspec_model::vocabulary::event::{Process, Source};
use pghaspec_model::vocabulary::property::Property;

use super::crash_recovery::unseen;
use super::definition::{Agents, Applies, Asked, Definition, Name};
use crate::history::intervals::Intervals;
use crate::history::{History, describe, seconds};
use crate::judge::facts::processes::{Life, OPEN, lives, of_pg_rewind};
use crate::judge::verdict::{Check, Earliest};

/// `one-postmaster`: two processes that write all of a data directory never live on it at a time: postmasters,
/// `postgres --single`, pg_rewind, pg_basebackup.
///
/// The lock file keeps servers apart; it keeps nobody from starting one where pg_rewind still runs, which an agent that
/// died has left behind. Orphans of a killed postmaster are none of them; `crash-recovery-alone` judges what they
/// write. What started second and ended first, with an error, was turned away by the lock file, and so did nothing; an
/// agent that tries is held to its rules by the model.
pub static ONE_POSTMASTER: Definition = Definition {
    name: Name::Own {
        id: "one-postmaster",
        says: "two processes that write all of a data directory never live on it at a time",
    },
    needs: &[Source::Process],
    agents: Agents::Any,
    applies: Applies::Always,
    inconclusive: "processes were only looked for now and then",
    carries: &[&OPEN],
    asked: Asked::EachPart(one_postmaster),
};

fn one_postmaster(history: &History) -> Check {
    let mut earliest = Earliest::default();
    let whole = history.blind(&[Source::Process]).is_none();
    let mut writers = 0;
    for node in &history.run.nodes {
        let lives = lives(history, node);
        let writes = |life: &&Life| match life.what {
            Process::Postmaster | Process::PgRewind | Process::PgBasebackup => true,
            Process::SingleUser => !of_pg_rewind(life),
            Process::Agent => false,
        };
        let users: Vec<&Life> = lives.iter().filter(writes).collect();
        writers += users.len();
        let certain = Intervals::new(users.iter().map(|life| life.certain()));
        // They are in the order of their starts.
        for (place, second) in users.iter().enumerate() {
            let others = certain.meeting(second.certain()).into_iter().filter(|other| *other < place);
            let mut others = others.map(|other| users[other]);
            let first = others.find(|first| {
                // Where ends may have been missed, only what was seen to end is known to have lived until then.
                let known = whole || first.to.is_some() && second.to.is_some();
                known
                    && first.certainly_overlaps(second)
                    && same_directory(first, second)
                    && !turned_away(second, first)
            });
            if let Some(first) = first {
                let why = format!(
                    "{node} had two processes that write all of {} at one time: its {} (process {}) lived from {} to \
                     {}, and its {} (process {}) from {} to {}",
                    data_directory(second.argv).unwrap_or("its data directory"),
                    describe::process(first.what),
                    first.pid,
                    seconds(first.from[1]),
                    first.end_text(),
                    describe::process(second.what),
                    second.pid,
                    seconds(second.from[1]),
                    second.end_text(),
                );
                earliest.offer(second.seq, || ONE_POSTMASTER.fail(why));
            }
        }
    }
    if let Some(check) = earliest.found() {
        return check;
    }
    unseen(history, &ONE_POSTMASTER).unwrap_or_else(|| {
        ONE_POSTMASTER
            .pass(format!("{writers} processes that write a data directory started, none while another one lived"))
    })
}

/// A command line that names no data directory has that of the environment, which a node has one of.
fn same_directory(one: &Life, other: &Life) -> bool {
    match (data_directory(one.argv), data_directory(other.argv)) {
        (Some(one), Some(other)) => one.trim_end_matches('/') == other.trim_end_matches('/'),
        _ => true,
    }
}

/// It found the lock file of the other, and ended.
fn turned_away(second: &Life, first: &Life) -> bool {
    let ended_first = match (second.to, first.to) {
        (Some(second), Some(first)) => second[0] <= first[1],
        (second, _) => second.is_some(),
    };
    ended_first && second.code.is_some_and(|code| code != 0)
}

/// `data-directory-kept`: a data directory with data in it is copied over only where the configuration allows its
/// removal.
pub static DATA_DIRECTORY_KEPT: Definition = Definition {
    name: Name::Property(Property::DataDirectoryKept),
    needs: &[Source::Process],
    agents: Agents::Any,
    applies: Applies::Always,
    inconclusive: "processes were only looked for now and then",
    carries: &[&OPEN],
    asked: Asked::EachPart(data_directory_kept),
};

fn data_directory_kept(history: &History) -> Check {
    let mut earliest = Earliest::default();
    let allowed = history.run.configuration.remove_data_directory_on_diverged_timelines;
    let mut copies = 0;
    for node in &history.run.nodes {
        let lives = lives(history, node);
        for copy in lives.iter().filter(|life| life.what == Process::PgBasebackup) {
            copies += 1;
            let used = lives.iter().find(|life| {
                life.what == Process::Postmaster
                    && life.from[1] <= copy.from[0]
                    && data_directory(life.argv).is_some_and(|folder| data_directory(copy.argv) == Some(folder))
            });
            if let (Some(used), false) = (used, allowed) {
                earliest.offer(copy.seq, || {
                    DATA_DIRECTORY_KEPT.fail(format!(
                        "{node} ran pg_basebackup into {} at {}, where Postgres (process {}) ran since {}; its \
                         configuration does not \
                         allow to remove a data directory",
                        data_directory(copy.argv).unwrap_or("its data directory"),
                        seconds(copy.from[1]),
                        used.pid,
                        seconds(used.from[1])
                    ))
                });
            }
        }
    }
    if let Some(check) = earliest.found() {
        return check;
    }
    unseen(history, &DATA_DIRECTORY_KEPT).unwrap_or_else(|| match (copies, allowed) {
        (_, true) => DATA_DIRECTORY_KEPT.pass("the configuration allows to remove a data directory"),
        (0, _) => DATA_DIRECTORY_KEPT.pass("pg_basebackup did not run"),
        _ => DATA_DIRECTORY_KEPT
            .pass(format!("pg_basebackup ran {copies} times, into directories that no server had used")),
    })
}

/// The data directory that a command line names.
fn data_directory(argv: &[String]) -> Option<&str> {
    let mut words = argv.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match word {
            "-D" | "--pgdata" => return words.next(),
            _ => {}
        }
        if let Some(folder) = word.strip_prefix("--pgdata=").or_else(|| word.strip_prefix("-D")) {
            return Some(folder);
        }
    }
    None
}
