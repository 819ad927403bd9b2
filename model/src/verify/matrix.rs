//! The assumption matrix: which property holds under which assumptions by the rules of which edition.
//!
//! The committed matrix is compared with what is found anew. A broken cell is knowledge, not a failure; a cell that
//! changes unnoticed would be one.

use serde::{Deserialize, Serialize};

use super::assumption::Assumption;
use super::check::check;
use super::liveness::check_promises;
use crate::cluster::Cluster;
use crate::engine::Options;
use crate::rules::edition::Edition;
use crate::vocabulary::property::Property;

/// One edition under one set of assumptions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Id of the assumption.
    pub assumption: String,
    /// Id of the edition.
    pub edition: String,
    /// Distinct states.
    pub states: usize,
    /// Steps between them.
    pub transitions: usize,
    /// Each property that says something under this assumption.
    pub cells: Vec<Cell>,
}

/// The verdict on one property.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// Id of the property.
    pub property: String,
    /// Steps of a shortest counterexample, of a lasso with its cycle; nothing if it holds.
    pub broken: Option<usize>,
}

/// Bytes that the graph for liveness may take.
const GRAPH: usize = 4 << 30;

impl Row {
    /// Explores it.
    ///
    /// # Panics
    /// If the graph does not fit into 4 GiB: assumptions are made small enough.
    pub fn explore(assumption: Assumption, edition: Edition) -> Row {
        let settings = assumption.settings(edition);
        let report = check(settings.clone(), &Property::ALL, Options::default(), &|_| (), None);
        let mut cells: Vec<_> = report
            .properties
            .iter()
            .map(|(property, path)| Cell {
                property: property.id().to_owned(),
                broken: path.as_ref().map(|path| path.steps.len()),
            })
            .collect();
        let promises = check_promises(&Cluster::new(settings), &Property::ALL, GRAPH).expect("assumptions are small");
        cells.extend(promises.into_iter().filter(|kept| kept.given > 0).map(|kept| Cell {
            property: kept.property.id().to_owned(),
            broken: kept.broken.map(|lasso| lasso.steps()),
        }));
        Row {
            assumption: assumption.id().to_owned(),
            edition: edition.id().to_owned(),
            states: report.states,
            transitions: report.transitions,
            cells,
        }
    }

    /// The cell of a property.
    pub fn cell(&self, property: Property) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.property == property.id())
    }
}

/// The properties that need no clock; for the others see [`timed::table`](crate::timed::table).
fn untimed() -> impl Iterator<Item = Property> {
    Property::ALL.into_iter().filter(|property| !property.is_timed())
}

/// The matrix in Markdown: a table for each edition, assumptions downwards, properties across.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = "# What holds under which assumptions\n\n\
        `ok`: holds in every behaviour. A number: broken, by a shortest behaviour of so many steps. \
        `-`: says nothing there.\n\
        Two nodes; made by `pghaspec check --matrix --write`, and compared with by `pghaspec check --matrix`.\n\n"
        .to_owned();
    for assumption in Assumption::ALL {
        text += &format!("* `{}`: {}\n", assumption.id(), assumption.describe());
    }
    for edition in Edition::ALL {
        text += &format!("\n## {}\n\n{}\n\n| assumption | states |", edition.id(), edition.describe());
        for property in untimed() {
            text += &format!(" {} |", property.id());
        }
        text += "\n| --- | ---: |";
        text += &" --- |".repeat(untimed().count());
        for row in rows.iter().filter(|row| row.edition == edition.id()) {
            text += &format!("\n| {} | {} |", row.assumption, row.states);
            for property in untimed() {
                text += &match row.cell(property) {
                    None => " - |".to_owned(),
                    Some(Cell { broken: None, .. }) => " ok |".to_owned(),
                    Some(Cell { broken: Some(steps), .. }) => format!(" **{steps}** |"),
                };
            }
        }
        text.push('\n');
    }
    text
}

/// The differences between the expected rows and those found, a line each.
pub fn differences(expected: &[Row], found: &[Row]) -> Vec<String> {
    let mut lines = Vec::new();
    for row in found {
        let name = format!("{} under {}", row.edition, row.assumption);
        let Some(before) =
            expected.iter().find(|other| (&other.edition, &other.assumption) == (&row.edition, &row.assumption))
        else {
            lines.push(format!("{name}: not expected"));
            continue;
        };
        if (before.states, before.transitions) != (row.states, row.transitions) {
            lines.push(format!(
                "{name}: {} states and {} steps, expected {} and {}",
                row.states, row.transitions, before.states, before.transitions
            ));
        }
        for property in Property::ALL {
            let words = |row: &Row| match row.cell(property) {
                None => "says nothing".to_owned(),
                Some(Cell { broken: None, .. }) => "holds".to_owned(),
                Some(Cell { broken: Some(steps), .. }) => format!("broken in {steps} steps"),
            };
            if words(before) != words(row) {
                lines.push(format!("{name}: {} {}, expected: {}", property.id(), words(row), words(before)));
            }
        }
    }
    lines
}
