//! Beliefs: the behaviours of a model that explain what was observed.
//!
//! A history is a stream of [`Observation`]s with intervals instead of instants. A [`Belief`] keeps every model state
//! that could be the true one after each way of ordering the observations so far, closed under the steps that nobody
//! can see. If no state is left, no behaviour of the model explains the history. The first observation without an
//! explanation is reported, with what the model would have allowed in its place.
//!
//! | file | contents |
//! | --- | --- |
//! | `channels.rs` | the channels through which changes are seen, and which of them may miss some |
//! | `observable.rs` | the trait `Observable`: what a model says about its own steps |
//! | `graph.rs` | possible truths and their steps, packed and numbered |
//! | `sets.rs` | sets of possible truths, numbered, and the memory of what an observation makes of each |
//! | `window.rs` | observations whose order is open |
//! | `explain.rs` | the search for an explanation |
//! | `outcome.rs` | what comes of a search, and its limits |
//! | `behaviour.rs` | random behaviours, as an observer records them |
//! | `differ.rs` | the shortest behaviour of one model that another cannot show |
//!
#![doc = include_str!("../../docs/belief.md")]

mod behaviour;
mod channels;
mod differ;
mod explain;
mod graph;
mod observable;
mod outcome;
mod sets;
mod window;

pub use behaviour::{Behaviour, Choices};
pub use channels::Channels;
pub use differ::Difference;
pub use explain::Belief;
pub use outcome::{Divergence, Explanation, Limits, Refusal, Start};

pub use observable::{Observable, StepKinds};

use crate::cluster::NodeId;
use crate::cluster::sight::Sight;
use crate::vocabulary::event::ServerState;

/// One observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observation<S = Sight> {
    /// The closed interval, in ns, that contains the moment at which it happened or held.
    pub at: [u64; 2],
    /// The thing observed.
    pub what: Seen<S>,
    /// Its place in the record that it was taken from.
    pub seq: u64,
    /// The chain, if not 0. Observations of the same chain, such as revisions of a key, happened in the given order.
    pub chain: u8,
}

/// The content of an observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Seen<S = Sight> {
    /// Something changed.
    Change(S),
    /// A probe found a node in a state, on a timeline.
    Looks(NodeId, ServerState, Option<u32>),
    /// A read of the leader key found that it names this node, or nobody.
    Holder(Option<NodeId>),
    /// This node became a primary so long ago that its agent has had a cycle since then, provided that it had the lock
    /// and nothing kept it from one.
    HasHadCycle(NodeId),
    /// A gap begins: these channels may miss changes from here on.
    Blind(Channels),
    /// A gap ends: these channels see all changes again from here on.
    Sighted(Channels),
}
