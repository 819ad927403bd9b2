//! The README is a door: short, in a fixed order, with nothing in it that drifts.

use super::markdown::{documents, prose};
use super::read;

#[test]
fn the_readme_is_short_and_in_order() {
    let text = read("README.md");
    let lines = text.lines().count();
    assert!(lines <= 150 && text.len() <= 9 * 1024, "{lines} lines, {} bytes", text.len());
    let headings: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    assert_eq!(
        headings,
        [
            "What it found",
            "Try it without Docker",
            "Certify Patroni",
            "Certify your agent",
            "How it works",
            "Verdicts and exit codes",
            "Documentation",
            "Licence"
        ]
    );
}

/// Numbers of things that are counted here, so that they cannot drift.
#[test]
fn what_the_documentation_counts_is_there() {
    let scenarios = pghaspec::scenario::Scenario::all().unwrap().len();
    let agents = pghaspec::manifest::Manifest::all().unwrap();
    let is_defect = |name: &str| name.starts_with("patroni-defects/") && name != "patroni-defects/control";
    let defects = agents.iter().filter(|agent| is_defect(&agent.name)).count();
    let releases = read("fixtures/oracle/releases.txt");
    let releases = releases.lines().filter(|line| line.starts_with(|one: char| one.is_ascii_digit())).count();
    for (file, words) in [
        ("README.md", format!("each of the {scenarios} scenarios")),
        ("README.md", format!("{releases} releases from 2.0.0 to 4.1.5")),
        ("conformance/docs/findings.md", format!("{scenarios} scenarios")),
        ("conformance/docs/findings.md", format!("{defects} seeded defects")),
        ("conformance/docs/findings.md", format!("{releases} releases")),
    ] {
        let text = read(file).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(&words), "{file} should say `{words}`");
    }
}

/// Pages that programs write, whose sentences are as long as they come.
const GENERATED: [&str; 2] = ["conformance/docs/checks.md", "fixtures/oracle/RELEASES.md"];

/// Prose is wrapped; tables, links and code may be longer.
#[test]
fn prose_is_wrapped() {
    let mut long = Vec::new();
    for file in documents().into_iter().filter(|file| !GENERATED.contains(&file.as_str())) {
        for (number, line) in prose(&read(&file)) {
            let is_table = line.trim_start().starts_with('|');
            let is_link = line.starts_with('[') || line.starts_with("![") || !line.trim().contains(' ');
            let width = line.chars().count();
            if width > 120 && !is_table && !is_link {
                long.push(format!("{file}:{number}: {width} columns"));
            }
        }
    }
    assert!(long.is_empty(), "{} lines:\n{}", long.len(), long.join("\n"));
}
