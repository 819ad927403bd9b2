//! A run on disk: its plan, and the evidence of each scenario. The lab writes it, and reports are made from it.
//!
//! | file | what |
//! | --- | --- |
//! | `folder.rs` | the folder of a run |
//! | `lock.rs` | the lock of that folder |
//! | `owner.rs` | the owner of a run, and whether it lives |
//! | `random.rs` | random digits for names |
//! | `scenario_folder.rs` | the folder of one scenario, and `outcome.json` |
//! | `plan.rs` | what a run sets out to do, `plan.json`; parts of a run that is split |
//! | `claims.rs` | the agent that it is about, `agent.json` |
//! | `unsupported.rs` | the reasons for which a scenario says nothing about that agent |
//! | `contents.rs` | the contents of the folder, looked through before they are read |
//! | `records.rs` | the agent's image and the machine, `image.json` and `machine.json` |
//! | `spec.rs` | the specification that it is held to, by its digest |
//! | `lap.rs` | how long each part of a run took |
//! | `error.rs` | trouble with one of these files |

pub mod claims;
pub mod contents;
pub mod error;
pub mod folder;
pub mod lap;
pub mod lock;
pub mod owner;
pub mod plan;
mod random;
pub mod records;
pub mod scenario_folder;
pub mod spec;
mod unsupported;
