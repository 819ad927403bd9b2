//! The cluster model: counts, verdicts, packed states, and the defects of releases that it finds again.

mod decision_table;
mod defects;
mod explorer;
mod packed;
mod verdicts;
