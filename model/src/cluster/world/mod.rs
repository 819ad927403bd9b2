//! The world around the agents: the DCS, the servers and their WAL, faults, and operators.
//!
//! | file | contents |
//! | --- | --- |
//! | `dcs.rs` | the agents' writes to the keys in the DCS, and the replies |
//! | `server.rs` | Postgres, its processes, and the background tasks that start them |
//! | `replication.rs` | WAL on its way, comparing data, and who may lead |
//! | `faults.rs` | faults, their ends, and the watchdog |
//! | `operator.rs` | maintenance, requests, and the remote primary of a standby cluster |

pub(in crate::cluster) mod dcs;
mod faults;
mod operator;
pub(in crate::cluster) mod replication;
mod server;
