//! The faults that have not ended, in the order in which they began.

use super::tools::network::Filter;
use crate::scenario::{Action, Outage};

/// A fault that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// The action of a step that ends it.
    pub ended_by: Action,
    /// The node, or what else was hit.
    pub at: String,
    /// The facts that its end needs.
    pub handle: Handle,
}

/// The facts about the beginning of a fault that its end needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Handle {
    /// None but the node.
    Node,
    /// A process that was stopped: its id on the host and the name of its program.
    Process(u32, String),
    /// Processes of an agent, with the names of their programs.
    Processes(Vec<(u32, String)>),
    /// Filters in a node's network.
    Filters(Vec<Filter>),
    /// The way in which the DCS went down.
    Outage(Outage),
    /// A trap that strikes every time, by its name.
    Trap(String),
}

/// The faults that have not ended.
#[derive(Default)]
pub struct OpenFaults(Vec<Open>);

impl OpenFaults {
    /// Notes that a fault has begun that lasts.
    pub fn push(&mut self, open: Open) {
        self.0.push(open);
    }

    /// The fault that began first.
    pub fn first(&self) -> Option<&Open> {
        self.0.first()
    }

    /// Forgets the fault that began first.
    pub fn drop_first(&mut self) {
        self.0.remove(0);
    }

    /// Forgets all faults that this action at this node ends, and returns their handles.
    pub fn close(&mut self, ended_by: Action, at: &str) -> Vec<Handle> {
        let (mine, others): (Vec<Open>, Vec<Open>) =
            std::mem::take(&mut self.0).into_iter().partition(|open| open.ended_by == ended_by && open.at == at);
        self.0 = others;
        mine.into_iter().map(|open| open.handle).collect()
    }
}

#[cfg(test)]
mod tests {
    use pghaspec_model::vocabulary::fault::Fault;

    use super::*;

    #[test]
    fn faults_that_end_together_are_closed_together_and_the_others_keep_their_order() {
        let thawed = Action::Fault(Fault::AgentThawed);
        let mut open = OpenFaults::default();
        for (ended_by, at) in [(thawed, "n1"), (Action::Fault(Fault::DcsUp), "etcd"), (thawed, "n2"), (thawed, "n1")] {
            open.push(Open { ended_by, at: at.to_owned(), handle: Handle::Node });
        }
        assert_eq!(open.close(thawed, "n1"), [Handle::Node, Handle::Node]);
        assert_eq!(open.first().unwrap().at, "etcd");
        open.drop_first();
        assert_eq!(open.first().unwrap().at, "n2");
        assert!(open.close(thawed, "n1").is_empty());
    }
}
