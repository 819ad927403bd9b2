//! The certificate of a run, `certificate.json`, and the objections to one.
//!
//! A certificate says what an agent was held to, what was run, and how it ended. Everything in it is made from the
//! run's folder alone, so whoever has the folder can make it again: it means as much as the evidence that it names. The
//! objections are what keeps a folder from being one that a run leaves; a signature says who stands for it.
//!
//! | file | what |
//! | --- | --- |
//! | `document.rs` | the certificate |
//! | `make.rs` | a certificate from the evidence |
//! | `objections/` | the reasons why a folder is not what it says |
//! | `difference.rs` | differences between two documents, in words |
//! | `signature.rs` | the signature beside it |

mod difference;
mod document;
mod make;
pub mod objections;
pub mod signature;

pub use difference::differences;
pub use document::{Certificate, CertifiedAgent, CertifiedScenario, FILE, FORM, Held, MOST_BYTES, ManifestOf};
pub use make::{NoCertificate, suite_sha256, write};
