//! The trait [`Observable`]: what a model says about its steps so that histories of it can be explained.

use std::fmt::Debug;
use std::hash::Hash;

use crate::cluster::sight::Sight;
use crate::cluster::{Action, Cluster, NodeId, State};
use crate::engine::Spec;
use crate::vocabulary::event::ServerState;
use crate::vocabulary::fault::Fault;

use super::Channels;

/// A model whose steps show something to an observer.
pub trait Observable: Spec {
    /// A change that an observer can see.
    type Sight: Copy + Debug + Ord + Hash;

    /// All changes that a step shows, in no particular order; an empty list if nobody sees the step.
    fn sights(&self, before: &Self::State, action: Self::Action, after: &Self::State) -> Vec<Self::Sight>;

    /// The channels that show a change.
    fn channels(sight: Self::Sight) -> Channels;

    /// True if the step happens only where the history has a sight of it, never unseen and never by itself.
    fn is_recorded(&self, _action: Self::Action) -> bool {
        false
    }

    /// The kinds of step that may show a change.
    fn shown_by(_sight: Self::Sight) -> StepKinds {
        StepKinds { recorded: false, others: true }
    }

    /// Packs a state without what no step reads; `None` if it does not fit.
    fn written(&self, state: &Self::State) -> Option<Self::Packed> {
        Some(self.pack(state))
    }

    /// Unpacks a state.
    fn read(&self, packed: Self::Packed) -> Self::State {
        self.unpack(packed)
    }

    /// The lowest timeline of a state, if timelines can be shifted without changing anything else.
    fn lowest_timeline(&self, _packed: &Self::Packed) -> u8 {
        1
    }

    /// The same state with all timelines shifted by `by`; `None` if they do not fit.
    fn shifted(&self, packed: Self::Packed, _by: i32) -> Option<Self::Packed> {
        Some(packed)
    }

    /// True if a probe of this node can find this.
    fn looks(&self, _state: &Self::State, _id: NodeId, _found: ServerState, _timeline: Option<u8>) -> bool {
        false
    }

    /// The result of a probe of this node in words, with timelines shifted by `timelines`.
    fn look_text(&self, _state: &Self::State, _id: NodeId, _timelines: u32) -> String {
        String::new()
    }

    /// False for a leader that has had no cycle since it became a primary, although nothing keeps it from one.
    fn has_had_cycle(&self, _state: &Self::State, _id: NodeId) -> bool {
        true
    }

    /// The node that the leader key names.
    fn holder(&self, _state: &Self::State) -> Option<NodeId> {
        None
    }
}

/// The kinds of step that may show a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepKinds {
    /// Steps that happen only where they were recorded.
    pub recorded: bool,
    /// All other steps.
    pub others: bool,
}

impl Observable for Cluster {
    type Sight = Sight;

    fn sights(&self, before: &State, action: Action, after: &State) -> Vec<Sight> {
        self.shows(before, action, after)
    }

    fn channels(sight: Sight) -> Channels {
        Channels::showing(sight)
    }

    /// A lease ends by itself. All other faults are injected, and operators' actions are recorded.
    fn is_recorded(&self, action: Action) -> bool {
        match action {
            Action::Fault(Fault::WatchStalls | Fault::WatchResumes, _) => !self.settings.stalls_unseen,
            Action::Fault(fault, _) => fault != Fault::LeaseExpires,
            Action::Pause | Action::Resume | Action::Request(_) | Action::RemoteFailover => true,
            _ => false,
        }
    }

    /// A consequence of a fault may be recorded before the fault itself, if their intervals overlap. No fault makes an
    /// agent log a decision.
    fn shown_by(sight: Sight) -> StepKinds {
        let injected = matches!(sight, Sight::Fault(..) | Sight::RemoteFailover);
        StepKinds { recorded: !matches!(sight, Sight::Said(..)), others: !injected }
    }

    fn written(&self, state: &State) -> Option<[u64; 5]> {
        self.packed_for_belief(state)
    }

    fn read(&self, packed: [u64; 5]) -> State {
        let mut state = self.unpacked_from_belief(packed);
        state.budget = self.settings.budget;
        state
    }

    fn lowest_timeline(&self, packed: &[u64; 5]) -> u8 {
        self.timeline_of(packed)
    }

    fn shifted(&self, packed: [u64; 5], by: i32) -> Option<[u64; 5]> {
        self.with_timelines_shifted(packed, by)
    }

    fn looks(&self, state: &State, id: NodeId, found: ServerState, timeline: Option<u8>) -> bool {
        self.can_look_like(state, id, found, timeline)
    }

    fn look_text(&self, state: &State, id: NodeId, timelines: u32) -> String {
        let node = &state.nodes[usize::from(id)];
        let timeline = u32::from(state.wal.timeline_at(node.data)) + timelines;
        format!("{} on timeline {timeline}", node.server.text())
    }

    fn has_had_cycle(&self, state: &State, id: NodeId) -> bool {
        self.has_announced_itself(state, id)
    }

    fn holder(&self, state: &State) -> Option<NodeId> {
        state.leader.map(|key| key.holder)
    }
}
