//! The authority of a cluster: the observer of leadership, and the services beside the nodes, of which one may be
//! it.
//!
//! | file | content |
//! | --- | --- |
//! | `leadership.rs` | the observer of leadership |
//! | `service.rs` | containers beside the nodes |

mod leadership;
mod service;

pub(super) use leadership::TomlLeadership;
pub use leadership::{AFTER, LeaderObserver, Sql};
pub use service::Service;
pub(super) use service::{MOST_SERVICES, TomlService, variable_of};
