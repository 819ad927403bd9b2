//! The toolbox with which faults are made and ended.

use tokio::task::JoinSet;

use super::tools::network::NodeNetworks;
use super::tools::signals::Signals;
use super::tools::traps::Traps;
use crate::lab::cluster::{Dcs, Node, Remote};
use crate::lab::error::LabError;
use crate::lab::observer::Observer;
use crate::lab::power::Power;
use crate::lab::testbed::Testbed;

/// The tools with which faults are made and ended.
pub struct Toolbox<'run> {
    /// The testbed of the scenario.
    pub bed: Testbed<'run>,
    /// Sees and signals processes.
    pub observer: &'run Observer,
    /// Starts nodes again.
    pub power: &'run Power<'run>,
    /// etcd.
    pub dcs: &'run Dcs,
    /// The remote primary that a standby cluster follows.
    pub remote: Option<&'run Remote>,
    /// Folder of the nodes that the lab has put on a small file system.
    pub volume: Option<&'run str>,
    /// Signals to processes of the nodes.
    pub signals: Signals<'run>,
    /// Commands in the networks of the nodes.
    pub networks: NodeNetworks<'run>,
    /// Traps for processes that start.
    pub traps: Traps<'run>,
    /// Backends that are busy committing.
    pub batches: JoinSet<()>,
}

impl<'run> Toolbox<'run> {
    /// The tools, none of them used yet.
    pub fn new(
        bed: Testbed<'run>,
        observer: &'run Observer,
        power: &'run Power<'run>,
        dcs: &'run Dcs,
        remote: Option<&'run Remote>,
        volume: Option<&'run str>,
    ) -> Toolbox<'run> {
        let signals = Signals { bed, observer };
        let (networks, traps) = (NodeNetworks::new(bed), Traps::new(signals));
        Toolbox { bed, observer, power, dcs, remote, volume, signals, networks, traps, batches: JoinSet::new() }
    }

    /// The nodes.
    pub fn nodes(&self) -> &'run [Node] {
        self.power.nodes
    }

    /// The node of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn node(&self, name: &str) -> Result<&'run Node, LabError> {
        let found = self.nodes().iter().find(|node| node.name == name);
        found.ok_or_else(|| LabError::harness(format!("there is no node {name}")))
    }
}
