//! The import graph among the top modules of a crate, and its cycles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The imports between modules, each with one place (`file:line`).
pub type Graph = BTreeMap<String, BTreeMap<String, String>>;

/// A shortest cycle through each group of modules that import one another, in words: `judge → lab (file:line) → judge
/// (file:line)`.
pub fn cycles(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    for start in graph.keys() {
        if told.contains(start) {
            continue;
        }
        if let Some(cycle) = shortest_cycle(graph, start) {
            let mut words = start.clone();
            for pair in cycle.windows(2) {
                words += &format!(" → {} ({})", pair[1], graph[&pair[0]][&pair[1]]);
            }
            found.push(words);
            let back: BTreeSet<_> = graph.keys().filter(|other| reaches(graph, other, start)).cloned().collect();
            told.extend(back.into_iter().filter(|other| reaches(graph, start, other)));
        }
    }
    found
}

fn shortest_cycle(graph: &Graph, start: &str) -> Option<Vec<String>> {
    let mut before: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(module) = queue.pop_front() {
        for next in graph.get(module).into_iter().flat_map(BTreeMap::keys) {
            if next == start {
                let mut cycle = vec![module];
                while let Some(earlier) = before.get(cycle[cycle.len() - 1]) {
                    cycle.push(earlier);
                }
                return Some(cycle.into_iter().rev().chain([start]).map(str::to_owned).collect());
            }
            if !before.contains_key(next.as_str()) {
                before.insert(next, module);
                queue.push_back(next);
            }
        }
    }
    None
}

fn reaches(graph: &Graph, from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut todo = vec![from];
    while let Some(module) = todo.pop() {
        for next in graph.get(module).into_iter().flat_map(BTreeMap::keys) {
            if next == to {
                return true;
            }
            if seen.insert(next.as_str()) {
                todo.push(next);
            }
        }
    }
    false
}
