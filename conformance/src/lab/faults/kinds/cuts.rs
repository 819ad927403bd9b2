//! Cuts: packets of a node that are lost, by filters in its network namespace. They are dropped, not refused, and open
//! connections stay open: both ends learn of it only by waiting, as on a real network. The control network is never
//! touched.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use pghaspec_model::vocabulary::fault::Fault;
use tokio::time::Instant;

use super::dcs::name_of;
use crate::lab::error::LabError;
use crate::lab::faults::inject::{Begun, Effect, End, Handle, Inject, Toolbox};
use crate::lab::faults::tools::EFFECT;
use crate::lab::faults::tools::network::Filter;
use crate::scenario::{Action, Direction, How};

/// The `iptables` target of the filters.
const DROP: &str = "DROP";

/// Pause between two looks at the counters.
const LOOK: Duration = Duration::from_millis(100);

/// `requests-lost`, or else `replies-lost`
pub struct FromDcs {
    /// Packets to the DCS are lost; else those from it.
    pub outgoing: bool,
}

#[async_trait]
impl Inject for FromDcs {
    fn made(&self) -> &'static str {
        match self.outgoing {
            true => "filters in the node's network drop packets to the members of etcd",
            false => "filters in the node's network drop packets from the members of etcd",
        }
    }

    fn evidence(&self) -> &'static str {
        "the filters have counted packets"
    }

    fn ended_by(&self) -> Option<Action> {
        Some(Action::Fault(Fault::DcsReached))
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, _: &How) -> Result<Begun, LabError> {
        let outgoing = self.outgoing;
        let filters = tools.dcs.members.iter().map(|member| Filter { outgoing, peer: member.address }).collect();
        cut(tools, at, filters, name_of(tools)).await
    }
}

/// `nodes-cut`
pub struct FromNodes;

#[async_trait]
impl Inject for FromNodes {
    fn made(&self) -> &'static str {
        "filters in the node's network drop packets to and from the other nodes, or one way only (`direction`)"
    }

    fn evidence(&self) -> &'static str {
        "the filters have counted packets"
    }

    fn ended_by(&self) -> Option<Action> {
        Some(Action::Fault(Fault::NodesJoined))
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, how: &How) -> Result<Begun, LabError> {
        let others = tools.nodes().iter().filter(|other| other.name != at);
        let peers: Vec<IpAddr> = others.map(|other| other.address).collect();
        let one_way = |outgoing| peers.iter().map(|&peer| Filter { outgoing, peer }).collect();
        let filters = match how.direction {
            Some(Direction::Outgoing) => one_way(true),
            Some(Direction::Incoming) => one_way(false),
            Some(Direction::Both) | None => Filter::both_ways(peers),
        };
        cut(tools, at, filters, "the other nodes").await
    }
}

/// `dcs-reached`, `nodes-joined`
pub struct Rejoin;

#[async_trait]
impl End for Rejoin {
    fn made(&self) -> &'static str {
        "the filters are deleted"
    }

    fn evidence(&self) -> &'static str {
        "`iptables` has deleted them"
    }

    async fn end(&self, tools: &mut Toolbox<'_>, at: &str, open: Vec<Handle>) -> Result<Option<Effect>, LabError> {
        let filters = open.into_iter().flat_map(|handle| match handle {
            Handle::Filters(filters) => filters,
            _ => Vec::new(),
        });
        let filters: Vec<Filter> = filters.collect();
        let at = tools.networks.delete(at, &filters, &[DROP]).await?;
        Ok(Some(Effect { at, shown_by: Some(format!("{} rules were taken away", filters.len())) }))
    }
}

async fn cut(tools: &mut Toolbox<'_>, node: &str, filters: Vec<Filter>, from: &str) -> Result<Begun, LabError> {
    let at = tools.networks.insert(node, &filters, &[DROP]).await?;
    let deadline = Instant::now() + EFFECT;
    let mut shown_by = None;
    while Instant::now() < deadline {
        let lost = tools.networks.caught(node, &filters, DROP).await?;
        if lost > 0 {
            let outgoing = filters.iter().any(|filter| filter.outgoing);
            let incoming = filters.iter().any(|filter| !filter.outgoing);
            let way = match (outgoing, incoming) {
                (true, false) => "to",
                (false, true) => "from",
                _ => "to or from",
            };
            shown_by = Some(format!("{lost} packets of {node} {way} {from} were dropped"));
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(Begun::lasting(Effect { at, shown_by }, Handle::Filters(filters)))
}
