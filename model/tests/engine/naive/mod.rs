//! Naive answers to the same questions, on small written-out graphs: without code of the engine, and by other ideas.

#![allow(dead_code, reason = "each test uses some of it")]

use std::collections::BTreeSet;

use crate::models::small_graph::{Node, SmallGraph};
use pghaspec_model::engine::Fairness;

/// A promise: *eventually `p`*, or *`p` leads to `q`*.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    Eventually,
    LeadsTo,
}

/// The possible steps: place, result, fairness.
pub fn steps(graph: &SmallGraph, node: Node) -> Vec<(u16, Node, Fairness)> {
    let arrows = graph.arrows[node as usize].iter().enumerate();
    let steps = arrows.filter_map(|(place, arrow)| Some((place as u16, arrow.to?, arrow.fairness)));
    steps.filter(|&(_, to, _)| !graph.outside[to as usize]).collect()
}

/// All reachable states, depth first.
pub fn reachable(graph: &SmallGraph) -> BTreeSet<Node> {
    fn visit(graph: &SmallGraph, node: Node, seen: &mut BTreeSet<Node>) {
        if seen.insert(node) {
            steps(graph, node).iter().for_each(|&(_, to, _)| visit(graph, to, seen));
        }
    }
    let mut seen = BTreeSet::new();
    graph.initial.iter().for_each(|&node| visit(graph, node, &mut seen));
    seen
}

/// For each state its distance: a guess is improved until no step improves it any more.
pub fn distances(graph: &SmallGraph) -> Vec<Option<usize>> {
    let mut least = vec![None; graph.arrows.len()];
    graph.initial.iter().for_each(|&node| least[node as usize] = Some(0));
    loop {
        let before = least.clone();
        for node in 0..least.len() {
            let Some(here) = least[node] else { continue };
            for (_, to, _) in steps(graph, node as Node) {
                let there = &mut least[to as usize];
                *there = Some(there.unwrap_or(usize::MAX).min(here + 1));
            }
        }
        if before == least {
            return least;
        }
    }
}

/// True if the promise is not kept in this state.
fn is_open(graph: &SmallGraph, promise: Promise, node: Node) -> bool {
    match promise {
        Promise::Eventually => !graph.is_p(&node),
        Promise::LeadsTo => !graph.is_q(&node),
    }
}

/// True if a behaviour is fair that visits these states, and takes actions of just these kinds of fairness, again and
/// again.
fn is_fair(graph: &SmallGraph, nodes: &[Node], taken: &[Fairness]) -> bool {
    let possible = |node: &Node, kind| steps(graph, *node).iter().any(|(.., fairness)| *fairness == kind);
    let kinds = (0..4).flat_map(|class| [Fairness::Weak(class), Fairness::Strong(class)]);
    kinds.into_iter().all(|kind| {
        taken.contains(&kind)
            || match kind {
                Fairness::Weak(_) => !nodes.iter().all(|node| possible(node, kind)),
                _ => !nodes.iter().any(|node| possible(node, kind)),
            }
    })
}

/// True if a fair behaviour breaks the promise: a deadlock in which it is open, or a set of states, reached with the
/// promise open, that can be visited for ever. Each set is tried. All inner steps of a set are taken, since taking more
/// is never less fair.
pub fn is_broken(graph: &SmallGraph, promise: Promise) -> bool {
    let n = graph.arrows.len() as Node;
    let given: Vec<Node> = match promise {
        Promise::Eventually => graph.initial.clone(),
        Promise::LeadsTo => reachable(graph).into_iter().filter(|node| graph.is_p(node)).collect(),
    };
    let mut open: BTreeSet<Node> = given.into_iter().filter(|&node| is_open(graph, promise, node)).collect();
    loop {
        let before = open.len();
        let next: Vec<Node> = open.iter().flat_map(|&node| steps(graph, node)).map(|(_, to, _)| to).collect();
        open.extend(next.into_iter().filter(|&to| is_open(graph, promise, to)));
        if open.len() == before {
            break;
        }
    }
    if open.iter().any(|&node| steps(graph, node).is_empty()) {
        return true;
    }
    (1_u32..1 << n).any(|set| {
        let nodes: Vec<Node> = (0..n).filter(|node| set >> node & 1 == 1).collect();
        let inner: Vec<(Node, Node, Fairness)> = nodes
            .iter()
            .flat_map(|&from| steps(graph, from).into_iter().map(move |(_, to, fairness)| (from, to, fairness)))
            .filter(|(_, to, _)| nodes.contains(to))
            .collect();
        let mut leads: BTreeSet<(Node, Node)> = inner.iter().map(|&(from, to, _)| (from, to)).collect();
        for via in &nodes {
            for from in &nodes {
                for to in &nodes {
                    if leads.contains(&(*from, *via)) && leads.contains(&(*via, *to)) {
                        leads.insert((*from, *to));
                    }
                }
            }
        }
        let taken: Vec<Fairness> = inner.iter().map(|(.., fairness)| *fairness).collect();
        nodes.iter().all(|node| open.contains(node))
            && leads.len() == nodes.len() * nodes.len()
            && is_fair(graph, &nodes, &taken)
    })
}

/// The result of trying all walks: the least number of steps of a lasso that breaks the promise, or that it has more
/// than a given number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortest {
    Is(usize),
    MoreThan(usize),
}

/// Tries all walks of 0, 1, 2 and more steps, up to `longest` steps, as long as no more than `most` have one length.
pub fn shortest(graph: &SmallGraph, promise: Promise, most: usize, longest: usize) -> Shortest {
    let mut walks: Vec<(Vec<Node>, Vec<Fairness>)> =
        graph.initial.iter().map(|&node| (vec![node], Vec::new())).collect();
    for length in 0..=longest {
        if walks.iter().any(|(nodes, taken)| is_lasso(graph, promise, nodes, taken)) {
            return Shortest::Is(length);
        }
        walks = walks
            .into_iter()
            .flat_map(|(nodes, taken)| {
                steps(graph, nodes[length])
                    .into_iter()
                    .map(move |(_, to, fairness)| ([&nodes[..], &[to]].concat(), [&taken[..], &[fairness]].concat()))
            })
            .collect();
        if walks.len() > most {
            return Shortest::MoreThan(length);
        }
    }
    Shortest::MoreThan(longest)
}

/// True if the walk ends in a deadlock or in a state where it was before, and repeating that breaks the promise.
fn is_lasso(graph: &SmallGraph, promise: Promise, nodes: &[Node], taken: &[Fairness]) -> bool {
    let last = nodes.len() - 1;
    let open_from = |start: usize| nodes[start..].iter().all(|&node| is_open(graph, promise, node));
    let broken = match promise {
        Promise::Eventually => open_from(0),
        Promise::LeadsTo => (0..=last).any(|start| graph.is_p(&nodes[start]) && open_from(start)),
    };
    let cycle = |start: usize| {
        nodes[start] == nodes[last] && open_from(start) && is_fair(graph, &nodes[start + 1..], &taken[start..])
    };
    broken && (steps(graph, nodes[last]).is_empty() || (0..last).any(cycle))
}

/// The least number of steps after which `q` is late. Where `p` holds, both choices are tried: to wait for this `q` or
/// not.
pub fn late(graph: &SmallGraph, most: u32, is_tick: impl Fn(u16) -> bool) -> Option<usize> {
    let guesses = |node: Node| [None, (graph.is_p(&node) && !graph.is_q(&node)).then_some(0)];
    let mut now: BTreeSet<(Node, Option<u32>)> =
        graph.initial.iter().flat_map(|&node| guesses(node).map(|wait| (node, wait))).collect();
    let mut seen = BTreeSet::new();
    for length in 1.. {
        let mut next = BTreeSet::new();
        for &(node, wait) in &now {
            for (place, to, _) in steps(graph, node) {
                let Some(wait) = wait else {
                    next.extend(guesses(to).map(|wait| (to, wait)));
                    continue;
                };
                let wait = wait + u32::from(is_tick(place));
                if wait > most {
                    return Some(length);
                }
                next.extend((!graph.is_q(&to)).then_some((to, Some(wait))));
            }
        }
        seen.extend(now);
        now = next.difference(&seen).copied().collect();
        if now.is_empty() {
            return None;
        }
    }
    None
}
