//! The judge, on recorded histories and on what becomes of them when they are changed.

mod corruption;
mod damage;
mod data_directory;
mod decision_table;
mod excuses;
#[path = "../../../model/tests/exhaustive/mod.rs"]
mod exhaustive;
mod leadership;
mod line;
mod parts;
mod recorded;
mod repeated;
mod rewinds;
mod system_identifier;
mod traces;
mod verdicts;
mod weakened;
