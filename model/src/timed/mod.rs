//! The cluster with clocks: what the model without them assumes about time follows here from `loop_wait`,
//! `retry_timeout` and `ttl`.
//!
//! [`Timed`] is the same cluster, step by step. Its steps take no time; ticks pass between them:
//!
//! * An agent begins a cycle at the latest `loop_wait` after it began the one before (or when that one is over, if it
//!   took longer), or when a change of the leader key or the end of its task wakes it. Reading the cluster, updating,
//!   taking and releasing the lock may take up to `retry_timeout`; the request takes effect, and is answered, in one
//!   moment of that time. An agent that cannot reach the DCS finds out when `retry_timeout` is over. The rest of a
//!   cycle takes no time: questions to other nodes, decisions, shutdowns, promotions. Neither does replication. A
//!   frozen agent does nothing, and its clocks continue.
//! * A lease ends exactly `ttl` after the lock was last taken or updated. While the DCS is down no lease ends, and
//!   afterwards each has its full time again. Answers and watchdogs that are due in the moment in which a lease ends
//!   come before its end. In etcd the same lease is also kept alive together with the member key (patroni
//!   `dcs/etcd3.py`), which is not relied on here: with other DCSs it is not.
//! * A watchdog resets the node `ttl - safety_margin` after it was armed, or after the lock was last updated.
//! * A start and a recovery take any time. The agent gives each `primary_start_timeout`.
//! * Clocks of agents may lose ticks; the clocks of the DCS and of the kernels do not.
//!
//! | file | contents |
//! | --- | --- |
//! | `timing.rs` | the times that agents and the DCS keep |
//! | `clocks.rs` | the state of all clocks |
//! | `steps.rs` | when a step can be taken, and when time can pass |
//! | `rule.rs` | the check that a primary that is cut off stops before another node leads |
//! | `bound.rs` | the check of how long a failover takes |
//! | `table.rs` | both checks for many times and editions |
//! | `pack.rs` | states in six machine words |
//! | `text.rs` | behaviours in words |

mod bound;
mod clocks;
mod pack;
mod rule;
mod steps;
pub mod table;
mod text;
mod timing;

pub use bound::{Failover, MOST, check_failover, crash};
pub use clocks::{Clocks, NodeClocks};
pub use rule::{Verdict, check_one_leader, partition};
pub use steps::{Moment, TimedAction};
pub use text::Line;
pub use timing::Timing;

use crate::cluster::{Cluster, Grain, Settings, StartTimeouts};

/// A cluster with clocks.
#[derive(Clone, Debug)]
pub struct Timed {
    /// The cluster.
    pub cluster: Cluster,
    /// The times that agents and the DCS keep.
    pub timing: Timing,
}

impl Timed {
    /// Builds the model. The settings' start timeouts are replaced by that of `timing`.
    ///
    /// # Panics
    /// If a time is above [`Timing::MOST`], if `ttl` is not longer than `safety_margin`, or if the settings contain
    /// something that this model has no clocks for: failsafe or synchronous mode, maintenance, a standby cluster, lost
    /// replies, or observable steps.
    pub fn new(settings: Settings, timing: Timing) -> Self {
        if let Err(why) = fits(&settings, &timing) {
            panic!("{why}");
        }
        let start_timeouts = if timing.start_timeout == 0 { StartTimeouts::Zero } else { StartTimeouts::Positive };
        Timed { cluster: Cluster::new(Settings { start_timeouts, ..settings }), timing }
    }
}

/// Checks that a cluster can be modelled with these times.
///
/// # Errors
/// The first time or setting that this model does not have.
pub fn fits(settings: &Settings, timing: &Timing) -> Result<(), String> {
    use crate::vocabulary::fault::Fault;
    let Timing { loop_wait, retry_timeout, ttl, start_timeout, safety_margin, drift, .. } = *timing;
    for (name, time, least) in [
        ("loop_wait", loop_wait, 1),
        ("retry_timeout", retry_timeout, 1),
        ("ttl", ttl, 1),
        ("primary_start_timeout", start_timeout, 0),
        ("safety_margin", safety_margin, 0),
        ("drift", drift, 0),
    ] {
        if time < least || time > Timing::MOST {
            return Err(format!("{name} is {time} ticks, but has to be between {least} and {}", Timing::MOST));
        }
    }
    if safety_margin >= ttl {
        return Err(format!(
            "safety_margin is {safety_margin} ticks, which leaves the watchdog none of a ttl of {ttl}"
        ));
    }
    for (there, what) in [
        (settings.failsafe, "failsafe mode"),
        (settings.synchronous, "synchronous mode"),
        (settings.standby_cluster, "a standby cluster"),
        (settings.grain == Grain::Observable, "observable steps"),
        (settings.budget.operator > 0, "doings of operators"),
        (settings.faults.contains(Fault::RepliesLost), "the fault replies-lost"),
        (settings.faults.contains(Fault::WatchStalls), "the fault watch-stalls"),
    ] {
        if there {
            return Err(format!("the model with clocks does not have {what}"));
        }
    }
    Ok(())
}
