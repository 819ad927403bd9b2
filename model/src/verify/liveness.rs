//! Liveness of the cluster: the promises of its properties, checked on the whole graph of its states.

use crate::cluster::{Action, Cluster, State};
use crate::engine::{Graph, Lasso, Liveness};
use crate::vocabulary::property::Property;

/// The result for the promises of one property.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The property.
    pub property: Property,
    /// States in which a promise is given: where there are none, nothing was checked.
    pub given: usize,
    /// A behaviour without end on which one is never kept.
    pub broken: Option<Lasso<State, Action>>,
}

/// Work spent on making a lasso the shortest one; whether there is one does not depend on it.
const EFFORT: usize = 1 << 18;

/// Checks those of `properties` that say what must happen at last; nothing if the graph does not fit into so many
/// bytes.
pub fn check_promises(cluster: &Cluster, properties: &[Property], bytes: usize) -> Option<Vec<Kept>> {
    let wanted: Vec<_> = properties.iter().copied().filter(|property| property.is_liveness()).collect();
    if wanted.is_empty() {
        return Some(Vec::new());
    }
    let graph = Graph::of_at_most(cluster, bytes)?;
    let liveness = Liveness::new(&graph).with_effort(EFFORT);
    let kept = |property: Property| {
        let mut kept = Kept { property, given: 0, broken: None };
        for promise in cluster.promises(property) {
            kept.given +=
                graph.mark(|cluster, state| promise.is_given(cluster, state)).iter().filter(|given| **given).count();
            kept.broken = kept.broken.or_else(|| {
                liveness.leads_to(
                    |cluster, state| promise.is_given(cluster, state),
                    |cluster, state| promise.is_kept(cluster, state),
                )
            });
        }
        kept
    };
    Some(wanted.into_iter().map(kept).collect())
}
