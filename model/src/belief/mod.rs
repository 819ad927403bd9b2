//! Which behaviours of the model explain what was seen.
//!
//! A history is a set of [`Observation`]s with intervals instead of instants. [`explain`] keeps every model state that could
//! be the true one after each way of ordering what was seen so far, closed under the steps that nobody can see. If no state is
//! left, no behaviour of the model explains the history, and the first event that found no explanation is reported with what
//! the model would have allowed in its place.

mod explain;

pub use explain::{Divergence, Explanation, explain};

use crate::cluster::NodeId;
use crate::cluster::show::Sight;
use crate::event::ServerState;

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// It happened, or held, at some moment in this interval; nanoseconds.
    pub at: [u64; 2],
    /// What it was.
    pub what: Seen,
    /// Where it stands in the record that it was taken from.
    pub seq: u64,
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Seen {
    /// Something changed.
    Change(Sight),
    /// A probe found a node in a state, on a timeline.
    Looks(NodeId, ServerState, Option<u8>),
}
