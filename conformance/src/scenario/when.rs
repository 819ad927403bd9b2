//! The events that a step of a scenario awaits, and the nodes that it names.

use pghaspec_model::recover::branch::Branch;
use pghaspec_model::vocabulary::event::{Process, ServerState};
use pghaspec_model::vocabulary::fault::Fault;
use schemars::JsonSchema;
use serde::Deserialize;

use super::catalogue::Hits;
use super::words;

/// The nodes, or another part of the testbed, that a step names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The node that holds the leader key at that moment.
    Leader,
    /// The first node by name that does not hold the leader key at that moment, and was not the one hit first.
    Standby,
    /// Every node that does not hold the leader key at that moment.
    Standbys,
    /// The node that was hit first. It was formerly named `crashed`, though it may be frozen or cut off instead.
    #[serde(alias = "crashed")]
    FirstHit,
    /// The first node by name that was not hit first.
    Other,
    /// Every node that was not hit first.
    Others,
    /// The node that holds the leader key at that moment, if it is not the one hit first.
    NewLeader,
    /// Every node.
    All,
    /// The DCS.
    Etcd,
    /// The remote primary that a standby cluster follows.
    Remote,
}

impl Target {
    /// The part of the testbed that it names.
    pub fn hits(self) -> Hits {
        use Target::*;
        match self {
            Leader | Standby | Standbys | FirstHit | Other | Others | NewLeader | All => Hits::Nodes,
            Etcd => Hits::Dcs,
            Remote => Hits::Remote,
        }
    }

    /// Says whether it refers to the node that was hit first.
    pub(super) fn refers_to_the_first_hit(self) -> bool {
        use Target::*;
        match self {
            FirstHit | Other | Others | NewLeader => true,
            Leader | Standby | Standbys | All | Etcd | Remote => false,
        }
    }
}

/// An observable event. An event counts if it has happened since the step before was begun; a state counts if it is the
/// last one that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum When {
    /// The leader key was removed.
    LeaderKeyGone,
    /// The leader key names another node than the one hit first.
    LeaderElsewhere,
    /// A node other than the one hit first has acknowledged a write.
    WriteElsewhere,
    /// A node other than the one hit first has acknowledged writes for two cycles of the agent: as long as it may take
    /// until its promotion is over and the others have learnt of it.
    LedElsewhere,
    /// One leader, and every other node streams from it, for a cycle of the agent.
    Healthy,
    /// `ttl` is over since the step before took effect, by the recorder's clock. For what the protocol itself leaves to
    /// a clock only.
    TtlOver,
    /// A process has started.
    Starts(ProcessAt),
    /// A process has ended.
    Ends(ProcessAt),
    /// A probe finds Postgres in that state.
    Server {
        /// The node.
        at: Target,
        /// The state.
        #[schemars(schema_with = "words::state")]
        is: ServerState,
    },
    /// The agent said that it takes a branch of `recover`.
    Takes {
        /// The agent's node.
        at: Target,
        /// The branch.
        #[schemars(schema_with = "words::branch")]
        branch: Branch,
    },
    /// The agent said something that its manifest has a name for.
    Says {
        /// The agent's node.
        at: Target,
        /// The name.
        #[schemars(length(min = 1))]
        name: String,
    },
    /// A trap has struck.
    Struck(#[schemars(schema_with = "words::fault")] Fault),
}

/// A process of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProcessAt {
    /// The process.
    #[schemars(schema_with = "words::process")]
    pub process: Process,
    /// Its node.
    pub at: Target,
}

impl When {
    /// The node that it speaks of.
    pub fn at(&self) -> Option<Target> {
        match self {
            When::Starts(one) | When::Ends(one) => Some(one.at),
            When::Server { at, .. } | When::Takes { at, .. } | When::Says { at, .. } => Some(*at),
            When::LeaderKeyGone
            | When::LeaderElsewhere
            | When::WriteElsewhere
            | When::LedElsewhere
            | When::Healthy
            | When::TtlOver
            | When::Struck(_) => None,
        }
    }
}
