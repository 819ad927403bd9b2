//! Cuts: packets of a node that are lost, by rules in its network namespace. They are dropped, not refused, and connections that are open
//! stay so: both ends learn of it only by waiting, as on a real network. The control network is never touched.

use std::net::IpAddr;

use pghaspec_model::vocabulary::fault::Fault;

use super::{Done, EFFECT, Faults, Open};
use crate::lab::docker::exec;
use crate::lab::error::LabError;
use crate::lab::observer::OBSERVER_IMAGE;
use crate::lab::sandbox::{Place, Plan};
use crate::scenario::Direction;

/// Between two looks at the counters.
const LOOK: std::time::Duration = std::time::Duration::from_millis(100);

/// What is lost: all that a node sends to an address, or is sent from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    outgoing: bool,
    peer: IpAddr,
}

impl Rule {
    fn chain(&self) -> &'static str {
        if self.outgoing { "OUTPUT" } else { "INPUT" }
    }

    /// The `iptables` command that inserts or deletes it.
    fn command(&self, verb: &'static str) -> Vec<String> {
        let end = if self.outgoing { "-d" } else { "-s" };
        ["iptables", "-w", verb, self.chain(), end, &self.peer.to_string(), "-j", "DROP"].map(str::to_owned).into()
    }
}

impl Faults<'_> {
    pub(super) async fn cut_from_dcs(&mut self, node: &str, fault: Fault) -> Result<Done, LabError> {
        let outgoing = fault == Fault::RequestsLost;
        let rules = self.dcs.members.iter().map(|member| Rule { outgoing, peer: member.address }).collect();
        self.opened(Open::CutFromDcs(node.to_owned()));
        self.cut(node, rules, "etcd").await
    }

    pub(super) async fn reach_dcs(&mut self, node: &str) -> Result<Done, LabError> {
        self.closed(&Open::CutFromDcs(node.to_owned()));
        let peers: Vec<IpAddr> = self.dcs.members.iter().map(|member| member.address).collect();
        self.join(node, &peers).await
    }

    pub(super) async fn cut_from_nodes(&mut self, node: &str, direction: Option<Direction>) -> Result<Done, LabError> {
        let ways = match direction {
            Some(Direction::Outgoing) => &[true][..],
            Some(Direction::Incoming) => &[false],
            Some(Direction::Both) | None => &[true, false],
        };
        let peers = self.peers(node);
        let rules = peers.iter().flat_map(|&peer| ways.iter().map(move |&outgoing| Rule { outgoing, peer })).collect();
        self.opened(Open::CutFromNodes(node.to_owned()));
        self.cut(node, rules, "the other nodes").await
    }

    pub(super) async fn join_nodes(&mut self, node: &str) -> Result<Done, LabError> {
        self.closed(&Open::CutFromNodes(node.to_owned()));
        let peers = self.peers(node);
        self.join(node, &peers).await
    }

    /// Addresses of the other nodes in the cluster network.
    fn peers(&self, node: &str) -> Vec<IpAddr> {
        self.nodes.iter().filter(|other| other.name != node).map(|other| other.address).collect()
    }

    async fn cut(&mut self, node: &str, rules: Vec<Rule>, from: &str) -> Result<Done, LabError> {
        let before = self.recorder.clock().now();
        for rule in &rules {
            self.in_network_of(node, &rule.command("-I")).await?;
        }
        let at = [before, self.recorder.clock().now()];
        self.cuts.entry(node.to_owned()).or_default().extend(&rules);
        let deadline = tokio::time::Instant::now() + EFFECT;
        while tokio::time::Instant::now() < deadline {
            let lost = self.lost(node, &rules).await?;
            if lost > 0 {
                let way = match (rules.iter().any(|rule| rule.outgoing), rules.iter().any(|rule| !rule.outgoing)) {
                    (true, false) => "to",
                    (false, true) => "from",
                    _ => "to or from",
                };
                return Ok((at, Some(format!("{lost} packets of {node} {way} {from} were dropped"))));
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok((at, None))
    }

    async fn join(&mut self, node: &str, peers: &[IpAddr]) -> Result<Done, LabError> {
        let before = self.recorder.clock().now();
        let (mine, others): (Vec<Rule>, Vec<Rule>) =
            self.cuts.remove(node).unwrap_or_default().into_iter().partition(|rule| peers.contains(&rule.peer));
        self.cuts.insert(node.to_owned(), others);
        for rule in &mine {
            self.in_network_of(node, &rule.command("-D")).await?;
        }
        let at = [before, self.recorder.clock().now()];
        Ok((at, Some(format!("{} rules were taken away", mine.len()))))
    }

    /// How many packets the rules have dropped.
    async fn lost(&mut self, node: &str, rules: &[Rule]) -> Result<u64, LabError> {
        let mut lost = 0;
        for chain in ["INPUT", "OUTPUT"] {
            let command = ["iptables", "-w", "-nvxL", chain].map(str::to_owned);
            let table = self.in_network_of(node, &command).await?;
            let peers = rules.iter().filter(|rule| rule.chain() == chain).map(|rule| rule.peer.to_string());
            lost += peers.map(|peer| counted(&table, "DROP", &peer)).sum::<u64>();
        }
        Ok(lost)
    }

    /// Runs a command in the network namespace of a node, in a helper that is started when it is first needed.
    pub(super) async fn in_network_of(&mut self, node: &str, command: &[String]) -> Result<String, LabError> {
        let container = self.lane.name(node);
        let init = self.lane.process_id(&container).await?;
        let helper = match self.helpers.get(&(node.to_owned(), init)) {
            Some(helper) => helper.clone(),
            None => {
                let plan = Plan {
                    part: &format!("{node}-network-{init}"),
                    image: OBSERVER_IMAGE,
                    place: Place::NetworkOf(&container),
                    command: ["sleep", "infinity"].map(str::to_owned).into(),
                    env: Default::default(),
                    files: Vec::new(),
                    in_memory: None,
                };
                let helper = self.lane.start(plan).await?;
                self.helpers.insert((node.to_owned(), init), helper.clone());
                helper
            }
        };
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let answer = exec(&self.lane.docker, &helper, &words).await?;
        match answer.code {
            0 => Ok(answer.stdout),
            code => {
                Err(LabError::harness(format!("`{}` at {node} failed ({code}): {}", words.join(" "), answer.stderr)))
            }
        }
    }
}

/// Packets that rules with that target and address have counted, in what `iptables -nvxL` prints.
pub(super) fn counted(table: &str, target: &str, peer: &str) -> u64 {
    let rules = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mine = rules.filter(|words| words.contains(&target) && words.contains(&peer));
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
    fn a_rule_is_a_command() {
        let rule = Rule { outgoing: true, peer: "172.18.0.2".parse().unwrap() };
        assert_eq!(rule.command("-I").join(" "), "iptables -w -I OUTPUT -d 172.18.0.2 -j DROP");
        let rule = Rule { outgoing: false, ..rule };
        assert_eq!(rule.command("-D").join(" "), "iptables -w -D INPUT -s 172.18.0.2 -j DROP");
    }
}
