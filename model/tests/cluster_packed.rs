//! The packed form of the cluster's states, and its symmetry, on every state that can be reached.

use std::collections::HashSet;
use std::sync::Mutex;

use pghaspec_model::check::{Report, check};
use pghaspec_model::cluster::{At, Budget, Cluster, Lease, Record, Settings, StartTimeouts, State, Upstream};
use pghaspec_model::edition::Edition;
use pghaspec_model::engine::{Inspect, Nothing, Options, Spec, search};
use pghaspec_model::fault::Fault;
use pghaspec_model::mutant::Mutant;
use pghaspec_model::property::Property;

type Packed = <Cluster as Spec>::Packed;

const CRASHES: [Fault; 4] = [Fault::PostmasterKilled, Fault::AgentKilled, Fault::AgentRestarted, Fault::LeaseExpires];

/// One crash and one commit.
fn small(edition: Edition, nodes: u8, faults: &[Fault]) -> Settings {
    let budget = Budget { process: 1, commits: 1, ..Budget::NONE };
    Settings { budget, start_timeouts: StartTimeouts::Zero, ..Settings::new(edition, nodes).with_faults(faults) }
}

/// Small clusters that between them use everything that is in a state.
fn clusters() -> Vec<(&'static str, Cluster)> {
    let all = Settings::new(Edition::V4_1, 2);
    let crashes = || small(Edition::V4_1, 2, &CRASHES);
    let settings = vec![(
        "all faults",
        Settings { budget: Budget { task: 1, network: 1, ..small(Edition::V4_1, 2, &[]).budget }, ..all },
    )];
    settings.into_iter().map(|(name, settings)| (name, Cluster::new(settings))).collect()
}
