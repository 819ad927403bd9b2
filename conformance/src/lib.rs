//! Drives real clusters through crashes, records what an outside observer sees, and judges it against the specification.
//!
//! Data flows one way: scenario → lab → events → judge → report. The judge knows no Docker; the lab knows no verdicts.

pub mod cli;
pub mod coverage;
pub mod fixtures;
pub mod history;
pub mod input;
pub mod judge;
pub mod known;
pub mod lab;
pub mod manifest;
pub mod observe;
pub mod patroni_oracle;
pub mod picture;
pub mod progress;
pub mod report;
pub mod rules;
pub mod run;
pub mod scenario;
pub mod simulate;
