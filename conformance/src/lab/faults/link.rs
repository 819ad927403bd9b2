//! A slow link: every packet between a node and the DCS waits, in both directions, on connections that are open already, too.

use std::net::IpAddr;

use super::cuts::counted;
use super::{Done, EFFECT, Faults, Open};
use crate::lab::error::LabError;
use crate::lab::observer::OBSERVER_IMAGE;
use crate::lab::sandbox::{Place, Plan};

/// Number of the kernel's queue in the node's network namespace.
const QUEUE: &str = "7";
/// How many packets must have waited before it counts.
const ENOUGH: u64 = 10;
const LOOK: std::time::Duration = std::time::Duration::from_millis(100);

/// The `iptables` command that inserts or deletes the rule for one direction.
fn command(verb: &str, peer: IpAddr, outgoing: bool) -> Vec<String> {
    let (chain, end) = if outgoing { ("OUTPUT", "-d") } else { ("INPUT", "-s") };
    let peer = peer.to_string();
    // Without the one who lets packets wait, they pass at once.
    let words = ["iptables", "-w", verb, chain, end, &peer, "-j", "NFQUEUE", "--queue-num", QUEUE, "--queue-bypass"];
    words.map(str::to_owned).into()
}

impl Faults<'_> {
    pub(super) async fn slow_link(&mut self, node: &str, delay_ms: u32) -> Result<Done, LabError> {
        let container = self.lane.name(node);
        let init = self.lane.process_id(&container).await?;
        let plan = Plan {
            part: &format!("{node}-slow-{init}"),
            image: OBSERVER_IMAGE,
            place: Place::NetworkOf(&container),
            command: vec!["slow-packets".to_owned(), QUEUE.to_owned(), delay_ms.to_string()],
            env: Default::default(),
            files: Vec::new(),
            in_memory: None,
        };
        self.lane.start(plan).await?;
        let before = self.recorder.clock().now();
        for peer in self.members() {
            for outgoing in [true, false] {
                self.in_network_of(node, &command("-I", peer, outgoing)).await?;
            }
        }
        let at = [before, self.recorder.clock().now()];
        self.opened(Open::Slowed(node.to_owned()));
        let deadline = tokio::time::Instant::now() + EFFECT;
        while tokio::time::Instant::now() < deadline {
            let mut waited = 0;
            for chain in ["INPUT", "OUTPUT"] {
                let table = self.in_network_of(node, &["iptables", "-w", "-nvxL", chain].map(str::to_owned)).await?;
                waited += self.members().iter().map(|peer| counted(&table, "NFQUEUE", &peer.to_string())).sum::<u64>();
            }
            if waited >= ENOUGH {
                let words = format!("{waited} packets between {node} and etcd have waited {delay_ms} ms each");
                return Ok((at, Some(words)));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok((at, None))
    }

    pub(super) async fn restore_link(&mut self, node: &str) -> Result<Done, LabError> {
        self.closed(&Open::Slowed(node.to_owned()));
        let before = self.recorder.clock().now();
        for peer in self.members() {
            for outgoing in [true, false] {
                self.in_network_of(node, &command("-D", peer, outgoing)).await?;
            }
        }
        let at = [before, self.recorder.clock().now()];
        Ok((at, Some("packets wait no longer".to_owned())))
    }

    fn members(&self) -> Vec<IpAddr> {
        self.dcs.members.iter().map(|member| member.address).collect()
    }
}
