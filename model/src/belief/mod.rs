//! Which behaviours of the model explain what was seen.
//!
//! A history is a stream of [`Observation`]s with intervals instead of instants. A [`Belief`] keeps every model state that could be the true
//! one after each way of ordering what was seen so far, closed under the steps that nobody can see. If no state is left, no behaviour of the
//! model explains the history, and the first observation that found no explanation is reported with what the model would have allowed in its
//! place.
//!
//! | file | what |
//! | --- | --- |
//! | `channels.rs` | what could be hidden from whom |
//! | `watched.rs` | what a model says about itself |
//! | `graph.rs` | possible truths and their steps, packed and numbered |
//! | `sets.rs` | sets of possible truths, numbered, and what an observation makes of each: remembered |
//! | `window.rs` | observations whose order is open |
//! | `explain.rs` | the search |
//! | `behaviour.rs` | random behaviours, as an observer records them |
//! | `differ.rs` | where one model does what another cannot |
//!
//! The sets are few, since a cluster that is healthy again is what it was before: the search runs at the speed of a table look-up, and a
//! long history needs no more memory than its widest moment.

mod behaviour;
mod channels;
mod differ;
mod explain;
mod graph;
mod sets;
mod watched;
mod window;

pub use behaviour::{Behaviour, Choices};
pub use channels::Channels;
pub use differ::Difference;
pub use explain::{Belief, Divergence, Explanation, Limits, Refusal, Start};

pub use watched::{Shown, Watched};

use crate::cluster::NodeId;
use crate::cluster::sight::Sight;
use crate::vocabulary::event::ServerState;

/// One thing that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation<S = Sight> {
    /// It happened, or held, at some moment in this interval; nanoseconds.
    pub at: [u64; 2],
    /// What it was.
    pub what: Seen<S>,
    /// Where it stands in the record that it was taken from.
    pub seq: u64,
    /// Observations of the same chain, if it is not 0, happened in the order in which they are given: revisions of a key, say.
    pub chain: u8,
}

/// What was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Seen<S = Sight> {
    /// Something changed.
    Change(S),
    /// A probe found a node in a state, on a timeline.
    Looks(NodeId, ServerState, Option<u32>),
    /// The leader key was found to name this node, or nobody.
    Holder(Option<NodeId>),
    /// So much time has passed since this node became a primary that its agent has had a cycle since, if it had the lock and nothing kept it
    /// from one.
    HasHadCycle(NodeId),
    /// From here on changes may happen that these do not see.
    Blind(Channels),
    /// From here on these see all changes again.
    Sighted(Channels),
}
