//! Commands in the network namespaces of the nodes, run by helper containers, and the filters that they put there.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::lab::docker::container::{ContainerPlan, Place};
use crate::lab::error::LabError;
use crate::lab::observer::OBSERVER_IMAGE;
use crate::lab::testbed::Testbed;

/// A filter in a node's network: all packets that the node sends to an address, or receives from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Packets that the node sends; else those that it receives.
    pub outgoing: bool,
    /// The address at the other end.
    pub peer: IpAddr,
}

/// The `iptables` chains that filters are in.
const CHAINS: [&str; 2] = ["INPUT", "OUTPUT"];

impl Filter {
    /// Filters for all packets to and from these addresses.
    pub fn both_ways(peers: impl IntoIterator<Item = IpAddr>) -> Vec<Filter> {
        peers.into_iter().flat_map(|peer| [true, false].map(|outgoing| Filter { outgoing, peer })).collect()
    }

    fn chain(&self) -> &'static str {
        if self.outgoing { "OUTPUT" } else { "INPUT" }
    }

    /// The `iptables` command that inserts (`-I`) or deletes (`-D`) the filter; `then` is what becomes of the packets.
    fn command(&self, verb: &str, then: &[&str]) -> Vec<String> {
        let end = if self.outgoing { "-d" } else { "-s" };
        let peer = self.peer.to_string();
        let words = [&["iptables", "-w", verb, self.chain(), end, &peer, "-j"], then].concat();
        words.into_iter().map(str::to_owned).collect()
    }
}

/// Runs commands in the networks of the nodes.
pub struct NodeNetworks<'run> {
    bed: Testbed<'run>,
    /// Helper containers, by node and its first process: a node that was started again has another network.
    helpers: BTreeMap<(String, i64), String>,
}

impl<'run> NodeNetworks<'run> {
    /// No helper was started yet.
    pub fn new(bed: Testbed<'run>) -> NodeNetworks<'run> {
        NodeNetworks { bed, helpers: BTreeMap::new() }
    }

    /// Inserts filters; returns when, nanoseconds of the run.
    ///
    /// # Errors
    /// A filter cannot be inserted.
    pub async fn insert(&mut self, node: &str, filters: &[Filter], then: &[&str]) -> Result<[u64; 2], LabError> {
        self.change("-I", node, filters, then).await
    }

    /// Deletes filters; returns when, nanoseconds of the run.
    ///
    /// # Errors
    /// A filter cannot be deleted.
    pub async fn delete(&mut self, node: &str, filters: &[Filter], then: &[&str]) -> Result<[u64; 2], LabError> {
        let init = self.bed.sandbox.process_id(&self.bed.sandbox.name(node)).await?;
        if !self.helpers.contains_key(&(node.to_owned(), init)) {
            // They went with the network of the node as it was before it was started again.
            let now = self.bed.now();
            return Ok([now, now]);
        }
        self.change("-D", node, filters, then).await
    }

    async fn change(
        &mut self,
        verb: &str,
        node: &str,
        filters: &[Filter],
        then: &[&str],
    ) -> Result<[u64; 2], LabError> {
        let before = self.bed.now();
        for filter in filters {
            self.run(node, &filter.command(verb, then)).await?;
        }
        Ok([before, self.bed.now()])
    }

    /// The number of packets that filters with that target have caught.
    ///
    /// # Errors
    /// The counters cannot be read.
    pub async fn caught(&mut self, node: &str, filters: &[Filter], target: &str) -> Result<u64, LabError> {
        let mut caught = 0;
        for chain in CHAINS {
            let table = self.run(node, &["iptables", "-w", "-nvxL", chain].map(str::to_owned)).await?;
            let peers = filters.iter().filter(|filter| filter.chain() == chain).map(|filter| filter.peer.to_string());
            caught += peers.map(|peer| counted(&table, target, &peer)).sum::<u64>();
        }
        Ok(caught)
    }

    /// Runs a command in the network namespace of a node, in a helper that is started when it is first needed.
    async fn run(&mut self, node: &str, command: &[String]) -> Result<String, LabError> {
        let container = self.bed.sandbox.name(node);
        let init = self.bed.sandbox.process_id(&container).await?;
        let helper = match self.helpers.get(&(node.to_owned(), init)) {
            Some(helper) => helper.clone(),
            None => {
                let part = format!("{node}-network-{init}");
                let plan = ContainerPlan {
                    command: ["sleep", "infinity"].map(str::to_owned).into(),
                    ..ContainerPlan::of(&part, OBSERVER_IMAGE, Place::NetworkOf(&container))
                };
                let helper = self.bed.sandbox.start(plan).await?;
                self.helpers.insert((node.to_owned(), init), helper.clone());
                helper
            }
        };
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let answer = self.bed.exec(&helper, &words).await?;
        match answer.code {
            0 => Ok(answer.stdout),
            code => {
                Err(LabError::harness(format!("`{}` at {node} failed ({code}): {}", words.join(" "), answer.stderr)))
            }
        }
    }
}

/// Packets that filters with that target and address have counted, in the output of `iptables -nvxL`.
fn counted(table: &str, target: &str, peer: &str) -> u64 {
    let filters = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mine = filters.filter(|words| words.contains(&target) && words.contains(&peer));
    mine.filter_map(|words| words.first()?.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read() {
        let table = "Chain OUTPUT (policy ACCEPT 7 packets, 9 bytes)
    pkts      bytes target     prot opt in     out     source               destination
       3      180 DROP       all  --  *      *       0.0.0.0/0            172.18.0.2
       5      300 DROP       all  --  *      *       0.0.0.0/0            172.18.0.20";
        assert_eq!(counted(table, "DROP", "172.18.0.2"), 3);
        assert_eq!(counted(table, "DROP", "172.18.0.9"), 0);
    }

    #[test]
    fn a_filter_is_a_command() {
        let filter = Filter { outgoing: true, peer: "172.18.0.2".parse().unwrap() };
        assert_eq!(filter.command("-I", &["DROP"]).join(" "), "iptables -w -I OUTPUT -d 172.18.0.2 -j DROP");
        let filter = Filter { outgoing: false, ..filter };
        assert_eq!(filter.command("-D", &["DROP"]).join(" "), "iptables -w -D INPUT -s 172.18.0.2 -j DROP");
    }
}
