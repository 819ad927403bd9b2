//! The observers of a cluster: what the kernel, etcd, Postgres, its clients and the agent's own log show from outside,
//! recorded as one stream of events. `docs/time.md` says how each of them dates what it sees.

pub mod agent_log;
pub mod allowance;
pub mod batch;
pub mod clock;
pub mod container_log;
pub mod leaders;
pub mod postgres;
pub mod probe;
pub mod processes;
pub mod ranges;
pub mod recorder;
pub mod silence;
pub mod view;
pub mod writer;
