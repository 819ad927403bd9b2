//! The track record: each committed history that it names has the verdict that the record says, and names the rule.

use std::path::Path;

use pghaspec::history::History;
use pghaspec::judge::{Verdict, judge};
use pghaspec::scenario::Scenario;

use super::markdown::{root, rows};
use super::read;

const FILE: &str = "conformance/docs/findings.md";

/// The history behind the link with these words, in a cell.
fn linked<'cell>(cell: &'cell str, words: &str) -> Option<&'cell str> {
    cell.split_once(&format!("[{words}]("))?.1.split_once(')').map(|(target, _)| target)
}

/// The edition that a history was held to, the verdict on it, and the reasons of what failed.
fn judged(target: &str) -> (String, Verdict, String) {
    let file = root().join(Path::new(FILE).parent().unwrap()).join(target);
    let history = History::read(&file).unwrap_or_else(|error| panic!("{error}"));
    let expect = Scenario::load(&history.run.scenario).unwrap().expect;
    let judged = judge(&history, history.edition(&file).unwrap(), Some(&expect));
    let failed = judged.checks.iter().filter(|check| check.verdict == Verdict::Fail);
    let why = failed.map(|check| format!("{}: {}\n", check.id, check.why)).collect();
    (history.run.edition.unwrap_or_default(), judged.verdict, why)
}

#[test]
fn defects_of_releases_fail_where_they_are_said_to() {
    let text = read(FILE);
    let rows = rows(&text);
    let defects = rows.iter().filter(|row| row.len() == 7 && linked(row[6], "fails").is_some());
    let mut seen = 0;
    for row in defects {
        let (scenario, edition, rule) = (row[1], row[2], row[5]);
        assert!(Scenario::exists(scenario), "{scenario}");
        let (held_to, verdict, why) = judged(linked(row[6], "fails").unwrap());
        assert_eq!((held_to.as_str(), verdict), (edition, Verdict::Fail), "{}", row[0]);
        assert!(why.contains(&format!("[{rule}]")), "{}: {why}", row[0]);
        if let Some(passes) = linked(row[6], "passes") {
            let (held_to, verdict, why) = judged(passes);
            assert_eq!(held_to, edition, "{}", row[0]);
            assert_ne!(verdict, Verdict::Fail, "{}: {why}", row[0]);
        }
        seen += 1;
    }
    assert_eq!(seen, 6);
}

#[test]
fn what_the_newest_release_does_is_recorded() {
    let text = read(FILE);
    let rows = rows(&text);
    let runs = rows.iter().filter_map(|row| Some((row[0], linked(row.last()?, "history")?)));
    let mut seen = 0;
    for (run, target) in runs {
        let (_, verdict, why) = judged(target);
        let passes = run.starts_with("`leader-postmaster-killed-start-timeout-0`");
        assert_eq!(verdict == Verdict::Fail, !passes, "{run}: {why}");
        seen += 1;
    }
    assert_eq!(seen, 6);
}

/// Tests that the record names are there.
#[test]
fn tests_that_are_named_are_there() {
    let text = read(FILE);
    let source = read("model/tests/cluster/defects.rs");
    let mut seen = 0;
    for row in rows(&text).into_iter().filter(|row| row.len() == 3 && row[2].starts_with('`')) {
        for name in row[2].split(", ").map(|name| name.trim_matches('`')) {
            assert!(source.contains(&format!("fn {name}()")), "there is no test {name}");
            seen += 1;
        }
    }
    assert!(seen >= 14, "{seen}");
}
