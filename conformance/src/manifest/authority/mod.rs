//! The authority of a cluster: who tells who leads, and the services beside the nodes, of which one may be it.
//!
//! | file | content |
//! | --- | --- |
//! | `leadership.rs` | who tells who leads, and by which right |
//! | `service.rs` | containers beside the nodes |

mod leadership;
mod service;

pub(super) use leadership::TomlLeadership;
pub use leadership::{AFTER, LeaderObserver, Sql};
pub use service::Service;
pub(super) use service::{MOST_SERVICES, TomlService, variable_of};
