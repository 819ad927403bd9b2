//! Drives real clusters through crashes, records what an outside observer sees, and judges it against the specification.
//!
//! Data flows one way: scenario → lab → events → judge → report. The judge knows no Docker; the lab knows no verdicts.

pub mod cli;
pub mod coverage;
pub mod deviations;
pub mod diff;
pub mod failed_by;
pub mod fixtures;
pub mod input;
pub mod judge;
pub mod lab;
pub mod manifest;
pub mod observe;
pub mod plan;
pub mod profile;
pub mod progress;
pub mod report;
pub mod rules;
pub mod rundir;
pub mod scenario;
pub mod simulate;
pub mod stress;
