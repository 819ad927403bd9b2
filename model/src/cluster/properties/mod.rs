//! The properties of the cluster, as predicates on states, on steps, and on whole behaviours.
//!
//! | file | contents |
//! | --- | --- |
//! | `invariants.rs` | safety properties, of states and steps |
//! | `liveness.rs` | liveness properties (promises), and the fairness that they assume |

mod invariants;
pub(in crate::cluster) mod liveness;
