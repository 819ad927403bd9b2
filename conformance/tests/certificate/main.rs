//! Certificates: made again from the evidence, denied when anything in the folder is not what a run leaves, and signed.
//!
//! The full number of corruptions: `PGHASPEC_CORRUPTIONS=2000 cargo test --release -p pghaspec --test certificate`

mod command;
mod corruption;
mod documents;
mod evidence;
mod forgeries;
mod hostile;
mod recordings;
mod sample;
