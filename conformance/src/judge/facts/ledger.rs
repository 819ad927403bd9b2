//! The ledger of the clients' writes: what became of each by their answers, against the rows of the last primary.
//!
//! Lost writes, ghosts and indeterminate writes are told from it, by name.

use std::cell::RefCell;
use std::collections::BTreeMap;

use pghaspec_model::vocabulary::event::{Event, Kind, Session, WriteResult};

use super::end_state::{last_primary, read_back};
use crate::history::describe;
use crate::history::parts::Recording;
use crate::history::reader::Problem;
use crate::history::row_ids::{Growing, Rows};
use crate::history::{History, seconds};

/// Groups of writes that are named one by one.
const NAMED: usize = 6;

/// The clients' writes by their numbers, as they ended. It holds ranges, of which a long history has few: clients
/// number their writes in a row.
#[derive(Default)]
pub struct Writes {
    acknowledged: Growing,
    refused: Growing,
    indeterminate: Growing,
    /// Rows that a procedure committed without waiting for its disk or a standby, or may have.
    batches: Growing,
    open: Groups,
}

impl Writes {
    /// Takes an event in.
    pub fn take(&mut self, event: &Event) {
        match event.kind {
            Kind::Write { id, result, .. } => {
                let numbers = match result {
                    WriteResult::Ok => &mut self.acknowledged,
                    WriteResult::Failed => &mut self.refused,
                    WriteResult::Indeterminate => {
                        self.open.take(event, id);
                        &mut self.indeterminate
                    }
                };
                numbers.insert([id, id]);
            }
            Kind::Batch { rows, result } if result != WriteResult::Failed => self.batches.insert(rows),
            _ => {}
        }
    }

    /// Ranges that it holds.
    pub fn held(&self) -> usize {
        [&self.acknowledged, &self.refused, &self.indeterminate, &self.batches].map(Growing::ranges).iter().sum()
    }
}

/// The rows of the last primary and what the clients know of them.
pub struct Ledger<'h> {
    /// The node that was the primary at the end.
    pub primary: &'h str,
    /// Its rows.
    pub rows: Rows,
    /// Rows that were acknowledged.
    pub acknowledged: Rows,
    /// Rows that were refused.
    pub refused: Rows,
    /// Rows whose answer was lost.
    pub indeterminate: Rows,
    /// Rows that a procedure committed, or may have.
    pub batches: Rows,
    open: String,
    recording: &'h Recording<'h>,
    /// The first trouble with reading the recording again.
    trouble: RefCell<Option<Problem>>,
}

impl<'h> Ledger<'h> {
    /// The ledger of all writes of a recording, with its last part. Events are read again only to name writes.
    ///
    /// # Errors
    /// Too little was seen, in words.
    pub fn new(last: &'h History, writes: Writes, recording: &'h Recording<'h>) -> Result<Ledger<'h>, String> {
        let primary = last_primary(last).ok_or("no primary was seen at the end")?;
        let rows = read_back(last, primary).ok_or_else(|| format!("the primary {primary} was not read back"))?;
        let ledger = Ledger {
            primary,
            rows,
            acknowledged: writes.acknowledged.rows(),
            refused: writes.refused.rows(),
            indeterminate: writes.indeterminate.rows(),
            batches: writes.batches.rows(),
            open: writes.open.text(),
            recording,
            trouble: RefCell::default(),
        };
        match ledger.acknowledged.is_empty() {
            true => Err("no write was acknowledged in the whole run".into()),
            false => Ok(ledger),
        }
    }

    /// The first trouble with reading the recording again.
    pub fn trouble(&self) -> Option<Problem> {
        self.trouble.borrow().clone()
    }

    fn each(&self, take: impl FnMut(&Event)) {
        if let Err(problem) = self.recording.each(take) {
            self.trouble.borrow_mut().get_or_insert(problem);
        }
    }

    /// The writes of these rows, in the order of recording.
    fn writes(&self, rows: &Rows) -> Vec<(u64, Event)> {
        let mut writes = Vec::new();
        if !rows.is_empty() {
            self.each(|event| match event.kind {
                Kind::Write { id, .. } if rows.contains(id) => writes.push((id, event.clone())),
                _ => {}
            });
        }
        writes
    }

    /// Writes that were acknowledged and are not there.
    pub fn lost(&self) -> Vec<(u64, Event)> {
        self.writes(&self.acknowledged.without(&self.rows))
    }

    /// Writes that were refused and are there.
    pub fn ghosts(&self) -> Vec<(u64, Event)> {
        self.writes(&self.refused.within(&self.rows))
    }

    /// Events of a node.
    pub fn of_node(&self, node: Option<&str>, mut take: impl FnMut(&Event)) {
        self.each(|event| {
            if event.node.as_deref() == node {
                take(event);
            }
        });
    }

    /// Those of a node's rows that the primary should have, and has not. A client's write whose answer was lost may
    /// still have been on its way to the primary while the standbys were read.
    pub fn unshared(&self, rows: &Rows) -> Rows {
        rows.without(&self.rows).without(&self.indeterminate).without(&self.batches)
    }

    /// The number of rows of each sort, in words.
    pub fn counts(&self, lost: usize) -> String {
        let open = self.indeterminate.len();
        let mut text = format!(
            "{} acknowledged, {lost} lost, {open} indeterminate ({} of them committed), {} ghosts",
            self.acknowledged.len(),
            self.indeterminate.within(&self.rows).len(),
            self.refused.within(&self.rows).len(),
        );
        if open > 0 {
            text += &format!("\nindeterminate: {}", self.open);
        }
        text
    }

    /// Rows of which no write was recorded: those that certainly were refused, and those of which nothing is known. A
    /// writer records a refusal once, however often it is repeated, and numbers its writes in a row.
    pub fn unaccounted(&self) -> [Rows; 2] {
        let known = self.acknowledged.and(&self.refused).and(&self.indeterminate);
        let rows = self.rows.without(&known).without(&self.batches);
        // No recorded write lies within one of these ranges, so all of its rows have the same one before them.
        let refused = |[first, _]: &[u64; 2]| known.before(*first).is_some_and(|before| self.refused.contains(before));
        let (refused, unknown): (Vec<[u64; 2]>, Vec<[u64; 2]>) = rows.ranges().partition(refused);
        [Rows::new(refused), Rows::new(unknown)]
    }
}

/// Writes by node and session.
#[derive(Default)]
struct Groups(BTreeMap<(String, Option<Session>), Group>);

struct Group {
    ids: Growing,
    /// The begin of the first and the end of the last.
    at: [u64; 2],
}

impl Groups {
    fn take(&mut self, event: &Event, id: u64) {
        let session = match event.kind {
            Kind::Write { session, .. } => Some(session),
            _ => None,
        };
        let name = event.node.as_deref().unwrap_or("?").to_owned();
        let group = self.0.entry((name, session)).or_insert_with(|| Group { ids: Growing::default(), at: event.at });
        group.ids.insert([id, id]);
        group.at = [group.at[0].min(event.at[0]), group.at[1].max(event.at[1])];
    }

    fn text(&self) -> String {
        let words = self.0.iter().take(NAMED).map(|((node, session), Group { ids, at: [from, to] })| {
            let through = session.map_or(String::new(), |session| format!(" through {}", describe::session(session)));
            let ids = id_ranges(&ids.rows());
            format!("{ids} at {node}{through}, between {} and {}", seconds(*from), seconds(*to))
        });
        let words: Vec<String> = words.collect();
        let more = self.0.len().saturating_sub(NAMED);
        let more = if more > 0 { format!("; and {more} more groups") } else { String::new() };
        words.join("; ") + &more
    }
}

/// Writes by name: node, session, ids as ranges, when.
pub fn named(writes: &[(u64, Event)]) -> String {
    let mut groups = Groups::default();
    writes.iter().for_each(|(id, event)| groups.take(event, *id));
    groups.text()
}

/// `3000001–3000004, 3000007 (5 rows)`
pub fn id_ranges(ids: &Rows) -> String {
    let range = |[first, last]: [u64; 2]| if first == last { first.to_string() } else { format!("{first}–{last}") };
    let shown: Vec<String> = ids.ranges().take(NAMED).map(range).collect();
    let more = if ids.ranges().count() > NAMED { ", …" } else { "" };
    let rows = if ids.len() == 1 { "row" } else { "rows" };
    format!("{}{more} ({} {rows})", shown.join(", "), ids.len())
}
