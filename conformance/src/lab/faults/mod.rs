//! Faults made real on containers.
//!
//! Each entry of the vocabulary of faults has one line in the registry, [`kinds`], and one value below it that makes
//! the fault or ends another one ([`inject`]), with the [`Toolbox`] of the lab and nothing else. `docs/faults.md` says
//! how a fault is added.

mod description;
mod effect;
mod inject;
mod kinds;
mod open;
mod toolbox;
mod tools;

pub use description::{Description, descriptions};
pub use effect::Effect;
pub use kinds::{Act, act_of};
pub use open::{Handle, Open, OpenFaults};
pub use toolbox::Toolbox;
