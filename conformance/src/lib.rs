//! Conformance tests for PostgreSQL high-availability agents: drives real clusters through crashes, records what an
//! outside observer sees, and judges it against the specification.
//!
//! Data flows one way: scenario → lab → events → judge → report. The judge knows no Docker; the lab knows no verdicts.
//!
//! | file | what |
//! | --- | --- |
//! | `manifest/` | the agents |
//! | `scenario/` | the scenarios |
//! | `run/` | a run on disk: its plan, and the evidence |
//! | `observe/` | what an outside observer sees of a cluster |
//! | `lab/` | clusters on containers, and the faults that hit them |
//! | `history/` | recorded histories |
//! | `judge/` | the checks on a history |
//! | `picture/` | a history as swim lanes |
//! | `coverage/` | the coverage of all that the model derives |
//! | `known/` | failures that are known before a run |
//! | `report/` | the results of a run, from its evidence |
//! | `certificate/` | the certificate of a run, and the objections to one |
//! | `patroni_oracle/` | released code of Patroni beside the specification |
//! | `simulate/` | histories of random behaviours of the model |
//! | `cli/` | the commands |
//! | `fixtures/` | scenarios, agents and lists, in the source tree or inside the program |
//! | `interrupt.rs` | the signals that end a run |
//! | `digest.rs` | SHA-256 digests in digits |
//! | `features.rs` | the features of agents that scenarios ask for |
//! | `input/` | errors about the files that people write |
//! | `untrusted/` | files, names and words that come from strangers |
//! | `rules.rs` | rules of the specification as text |
//! | `progress.rs` | progress on standard error |
//! | `main.rs` | the program |

pub mod certificate;
pub mod cli;
pub mod coverage;
pub mod digest;
pub mod features;
pub mod fixtures;
pub mod history;
pub mod input;
pub mod interrupt;
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
pub mod untrusted;
