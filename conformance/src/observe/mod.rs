//! Observing a cluster from outside: what the kernel, etcd, Postgres, its clients and the agent's own log show, as one stream of events.

pub mod agent_log;
pub mod batch;
pub mod clock;
pub mod container_log;
pub mod etcd;
pub mod postgres;
pub mod probe;
pub mod processes;
pub mod ranges;
pub mod recorder;
pub mod silence;
pub mod view;
pub mod writer;
