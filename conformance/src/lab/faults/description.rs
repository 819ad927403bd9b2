//! The faults in words: what each means, how the lab makes and ends it, and what shows its effect. `docs/faults.md` is
//! made of them.

use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::Process;
use pghaspec_model::vocabulary::fault::Fault;

use super::inject::Inject;
use super::kinds::{Making, of_disturbance, of_fault};
use super::tools::traps::{Sends, Trap};
use crate::scenario::Action;

/// One entry of the vocabulary of faults, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Its name in scenarios and histories.
    pub id: &'static str,
    /// A sentence on what it does.
    pub meaning: &'static str,
    /// Benign: an agent that loses its leader over it does badly.
    pub benign: bool,
    /// The way in which the lab makes it.
    pub made: String,
    /// The entry that ends it, or `lift` for a trap that strikes every time; `None` if it is over at once, or is an
    /// end.
    pub ended_by: Option<&'static str>,
    /// The evidence that it took effect.
    pub evidence: &'static str,
}

impl Description {
    fn of(id: &'static str, meaning: &'static str, benign: bool, making: Making) -> Description {
        let (made, ended_by, evidence) = match making {
            Making::AtOnce(inject) => (inject.made().to_owned(), inject.ended_by(), inject.evidence()),
            Making::InWait(trap) => (in_wait(trap), trap.ended_by(), trap.evidence()),
            Making::Either(inject, trap) => {
                let made = format!("{}; with `during`, {}", inject.made(), in_the_midst(trap));
                (made, inject.ended_by(), inject.evidence())
            }
            Making::Ends(end) => (end.made().to_owned(), None, end.evidence()),
            Making::Never(reason) => (format!("never: {}; {}", reason.why, reason.instead), None, ""),
        };
        let ended_by = ended_by.and_then(|action| match action {
            Action::Fault(fault) => Some(fault.id()),
            Action::Disturbance(disturbance) => Some(disturbance.id()),
            Action::Lift(_) => Some("lift"),
            Action::Await => None,
        });
        Description { id, meaning, benign, made, ended_by, evidence }
    }
}

/// The way in which a trap makes its fault at the start of a process.
fn in_wait(trap: &Trap) -> String {
    let (starts, sends) = (springs(trap), sends(trap));
    format!("a trap: when {starts} starts, the observer sends {sends} within a millisecond")
}

/// The way in which a trap makes its fault in the midst of crash recovery.
fn in_the_midst(trap: &Trap) -> String {
    let (starts, sends) = (springs(trap), sends(trap));
    format!("a trap: as soon as {starts} that has started is in crash recovery, the observer sends {sends}")
}

fn springs(trap: &Trap) -> &'static str {
    match trap.springs {
        Process::Postmaster => "a postmaster",
        Process::SingleUser => "single-user mode",
        Process::PgRewind => "pg_rewind",
        Process::PgBasebackup => "pg_basebackup",
        Process::Agent => "an agent",
    }
}

fn sends(trap: &Trap) -> &'static str {
    match (trap.sends, trap.hits == trap.springs) {
        (Sends::Kill, true) => "SIGKILL to it",
        (Sends::Kill, false) => "SIGKILL to the agent above it",
        (Sends::Stop { .. }, true) => "SIGSTOP to it",
        (Sends::Stop { .. }, false) => "SIGSTOP to the agent above it",
    }
}

/// All entries of the vocabulary, faults first, in the order of their declaration.
pub fn descriptions() -> Vec<Description> {
    let fault = |fault: Fault| Description::of(fault.id(), fault.describe(), false, of_fault(fault));
    let benign = |one: Disturbance| Description::of(one.id(), one.describe(), true, of_disturbance(one));
    Fault::ALL.into_iter().map(fault).chain(Disturbance::ALL.into_iter().map(benign)).collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::path::Path;

    use super::*;

    /// The tables of `docs/faults.md`.
    fn tables() -> String {
        let all = descriptions();
        let table = |benign: bool| {
            let head = "| id | meaning | made by the lab | ended by | what shows its effect |\n\
                        | --- | --- | --- | --- | --- |\n";
            all.iter().filter(|one| one.benign == benign).fold(head.to_owned(), |mut text, one| {
                let ended: Vec<&str> =
                    all.iter().filter(|other| other.ended_by == Some(one.id)).map(|other| other.id).collect();
                let end = match one.ended_by {
                    Some(end) => format!("`{end}`"),
                    None if ended.is_empty() => String::new(),
                    None => format!("ends `{}`", ended.join("`, `")),
                };
                let Description { id, meaning, made, evidence, .. } = one;
                writeln!(text, "| `{id}` | {meaning} | {made} | {end} | {evidence} |").unwrap();
                text
            })
        };
        format!("\n### Faults\n\n{}\n### Benign faults\n\n{}\n", table(false), table(true))
    }

    /// `UPDATE_EXPECT=1 cargo test -p pghaspec --lib the_tables_of_the_page` writes them anew.
    #[test]
    fn the_tables_of_the_page_are_those_of_the_registry() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/faults.md");
        let text = std::fs::read_to_string(&page).unwrap();
        let (begin, end) = ("<!-- tables: begin -->\n", "<!-- tables: end -->");
        let (head, rest) = text.split_once(begin).unwrap();
        let (_, tail) = rest.split_once(end).unwrap();
        let expected = format!("{head}{begin}{}{end}{tail}", tables());
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&page, &expected).unwrap();
        } else {
            assert_eq!(text, expected, "UPDATE_EXPECT=1 writes it anew");
        }
    }
}
