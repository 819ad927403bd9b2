//! The coverage of a run, in words for a terminal and as a table of the page.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::ScenarioResult;
use crate::coverage::{Impossible, ItemId, ItemKind, Traced, TracedFunction, Way};
use crate::untrusted::escape::markup;

/// All that a run really led to and the model explains, and what was planned and not reached.
pub(super) fn text(scenarios: &[ScenarioResult]) -> String {
    let (by_kind, unexplained) = gathered(scenarios);
    let mut text = String::new();
    for (kind, items) in &by_kind {
        text += &format!("{kind} reached: {}\n", items.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
    }
    // What one scenario leads to, another need not: which one did not, the table of the page shows.
    let reached: BTreeSet<_> =
        scenarios.iter().filter(|it| it.covered.explained).flat_map(|it| &it.covered.items).collect();
    let missed: BTreeSet<_> =
        scenarios.iter().flat_map(|it| &it.planned).filter(|item| !reached.contains(item)).collect();
    if !by_kind.is_empty() && !missed.is_empty() {
        let missed: Vec<_> = missed.into_iter().map(ItemId::to_string).collect();
        text += &format!("planned, and not reached by any scenario: {}\n", missed.join(", "));
    }
    if !unexplained.is_empty() {
        text += &format!("not counted, since the model does not explain them: {}\n", unexplained.join(", "));
    }
    if text.is_empty() { text } else { text + "\n" }
}

/// The items that were reached and are explained, by kind; and the scenarios that are not explained.
fn gathered(scenarios: &[ScenarioResult]) -> (BTreeMap<&'static str, BTreeSet<String>>, Vec<&str>) {
    let mut by_kind: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for scenario in scenarios.iter().filter(|scenario| !scenario.covered.items.is_empty()) {
        if !scenario.covered.explained {
            unexplained.push(scenario.id.as_str());
            continue;
        }
        for item in &scenario.covered.items {
            let kind = match item.kind() {
                ItemKind::Branch => "branches",
                ItemKind::Fault => "faults",
                ItemKind::Property => "properties",
            };
            by_kind.entry(kind).or_default().insert(item.within_kind());
        }
    }
    (by_kind, unexplained)
}

/// The jumps of the agent's own code that were taken, from the logs in the folders of runs: a line for each traced
/// function, and the ways that were not taken. Empty if the agents are not traced.
pub(super) fn traced_text(runs: &[PathBuf]) -> String {
    let traced = Traced::of_runs(runs);
    if traced.is_empty() {
        return String::new();
    }
    let (impossible, trouble) = match Impossible::committed() {
        Ok(impossible) => (impossible, String::new()),
        Err(trouble) => (Vec::new(), format!("{trouble}: no way is excused\n")),
    };
    traced.functions(&impossible).iter().map(of_function).collect::<String>() + &trouble
}

fn of_function(TracedFunction { file, name, ways, taken, open, impossible }: &TracedFunction) -> String {
    let words = |Way { line, jumps }: &Way| format!("line {line} {}", if *jumps { "jumping" } else { "going on" });
    let mut text = format!("{name}() in {file}, in the containers: {taken} of {ways} ways out of branches");
    if !open.is_empty() {
        text += &format!("; not taken: {}", open.iter().map(words).collect::<Vec<_>>().join(", "));
    }
    for (way, reason) in impossible {
        text += &format!("\n  no run can take {}: {reason}", words(way));
    }
    text + "\n"
}

/// The table of a run: what each scenario should lead to, and did.
pub(super) fn html(scenarios: &[ScenarioResult]) -> String {
    let items: BTreeSet<ItemId> =
        scenarios.iter().flat_map(|it| it.planned.union(&it.covered.items)).copied().collect();
    if items.is_empty() {
        return "<p>nothing was planned, and nothing observed</p>\n".to_owned();
    }
    let mut text = "<p>x: planned and reached; +: reached; o: planned, and not reached</p>\n\
                    <table class=\"matrix\">\n<tr><th></th>"
        .to_owned();
    for scenario in scenarios {
        let explained = scenario.covered.explained || scenario.covered.items.is_empty();
        text += &format!("<th>{}{}</th>", markup(&scenario.id), if explained { "" } else { " (not explained)" });
    }
    text += "</tr>\n";
    for item in &items {
        text += &format!("<tr><th>{item}</th>");
        for scenario in scenarios {
            text += match (scenario.planned.contains(item), scenario.covered.items.contains(item)) {
                (true, true) => "<td class=\"x\">x</td>",
                (false, true) => "<td class=\"x\">+</td>",
                (true, false) => "<td>o</td>",
                (false, false) => "<td></td>",
            };
        }
        text += "</tr>\n";
    }
    text + "</table>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traced_function_is_told_with_the_ways_that_were_not_taken() {
        let told = |open: &[u32], impossible: Vec<(Way, String)>| {
            of_function(&TracedFunction {
                file: "patroni/ha.py".into(),
                name: "recover".into(),
                ways: 4,
                taken: 3,
                open: open.iter().map(|line| Way { line: *line, jumps: true }).collect(),
                impossible,
            })
        };
        let head = "recover() in patroni/ha.py, in the containers: 3 of 4 ways out of branches";
        assert_eq!(told(&[635], Vec::new()), format!("{head}; not taken: line 635 jumping\n"));
        let way = Way { line: 635, jumps: false };
        assert_eq!(
            told(&[], vec![(way, "The line before returns.".into())]),
            format!("{head}\n  no run can take line 635 going on: The line before returns.\n")
        );
    }
}
