//! Known deviations, and agents that fail scenarios, that cannot be.

use std::path::Path;

use pghaspec::coverage::Excuses;

use super::samples::{self, DEVIATIONS, FAILED_BY};
use super::{Mistake, made, replaced};

/// A sound text of known deviations, a mistake in its place, and the key that the error names.
const DEVIATING: &[(&str, &str, &str)] = &[
    ("[\"one-writable-leader\"]", "[]", "deviation[0].checks"),
    ("[\"one-writable-leader\"]", "[\"one-writeable-leader\"]", "deviation[0].checks[0]"),
    ("[\"one-writable-leader\"]", "[\"*\"]", "deviation[0].checks[0]"),
    ("[\"one-writable-leader\"]", "[\"leader\", \"leader\"]", "deviation[0].checks[1]"),
    ("[\"orphan-writer\"]", "[]", "deviation[0].scenarios"),
    ("[\"orphan-writer\"]", "[\"*\"]", "deviation[0].scenarios[0]"),
    ("[\"orphan-writer\"]", "[\"orphan-*\"]", "deviation[0].scenarios[0]"),
    ("[\"orphan-writer\"]", "[\"orphan-wirter\"]", "deviation[0].scenarios[0]"),
    ("[\"orphan-writer\"]", "[\"../scenarios/orphan-writer\"]", "deviation[0].scenarios[0]"),
    ("[\"orphan-writer\"]", "[\"orphan-writer\", \"orphan-writer\"]", "deviation[0].checks[0]"),
    ("\"A backend outlives its postmaster.\"", "\" \"", "deviation[0].reason"),
    ("\"https://example.org/issues/1\"", "\"http://example.org\"", "deviation[0].link"),
    ("\"https://example.org/issues/1\"", "\"https://\"", "deviation[0].link"),
    ("\"https://example.org/issues/1\"", "\"https://a b\"", "deviation[0].link"),
    ("\"https://example.org/issues/1\"", "\"javascript:alert(1)\"", "deviation[0].link"),
    ("\"Who is asked first decides.\"", "\"\\t\"", "deviation[0].sometimes"),
    ("\"Who is asked first decides.\"", "true", "deviation[0].sometimes"),
    ("from = \"2.1.2\"", "from = \"4.2.0\"", "deviation[0].releases"),
    ("from = \"2.1.2\"", "from = \"2.1.x\"", "deviation[0].releases.from"),
    ("from = \"2.1.2\"", "from = 2.1", "deviation[0].releases.from"),
    ("from = \"2.1.2\"", "form = \"2.1.2\"", "deviation[0].releases.form"),
    ("to = \"4.1.5\"", "to = \"newest\"", "deviation[0].releases.to"),
    ("to = \"4.1.5\"", "to = \"99999999999.1\"", "deviation[0].releases.to"),
    ("[[deviation]]", "[[deviations]]", "deviations"),
    ("[[deviation]]", "[deviation]", "deviation"),
];

/// The same of agents that fail scenarios.
const FAILING: &[(&str, &str, &str)] = &[
    ("[orphan-writer]", "[orphan-writers]", "orphan-writers"),
    ("[orphan-writer]", "[\"*\"]", "\"*\""),
    ("[orphan-writer]", "[\"../x\"]", "\"../x\""),
    ("\"patroni\"", "\"patrony\"", "orphan-writer.agent"),
    ("\"patroni\"", "\"/etc/passwd\"", "orphan-writer.agent"),
    ("\"one-writable-leader\"", "\"one-leader\"", "orphan-writer.check"),
    ("check = ", "checks = ", "orphan-writer.checks"),
    ("[orphan-writer]\n", "", "agent"),
];

/// All of them.
pub fn all() -> Vec<Mistake> {
    let mut all = Vec::new();
    for (from, to, key) in DEVIATING {
        let text = replaced(DEVIATIONS, from, to);
        let one = made(format!("deviations: {from:?} is {to:?}"), || samples::deviations(&text));
        check(&one, key);
        all.push(one);
    }
    for (from, to, key) in FAILING {
        let text = replaced(FAILED_BY, from, to);
        let one = made(format!("failed_by: {from:?} is {to:?}"), || samples::failed_by(&text));
        check(&one, key);
        all.push(one);
    }
    all.push(made("deviations: is written twice", || samples::deviations(&DEVIATIONS.repeat(2))));
    all.push(made("failed_by: is written twice", || samples::failed_by(&FAILED_BY.repeat(2))));
    for (text, key) in [
        ("[[uncovered]]\nitem = \"\"\nreason = \"r\"\n", "uncovered[0].item"),
        ("[[uncovered]]\nitem = \"a\"\nreason = \" \"\n", "uncovered[0].reason"),
        ("[[uncovered]]\nitem = \"********\"\nreason = \"r\"\n", "uncovered[0].item"),
        ("[[uncovered]]\nitem = 1\nreason = \"r\"\n", "uncovered[0].item"),
        ("[[uncover]]\nitem = \"a\"\nreason = \"r\"\n", "uncover"),
    ] {
        let one = made(format!("uncovered: {text:?}"), || Excuses::parse(Path::new("uncovered.toml"), text));
        check(&one, key);
        all.push(one);
    }
    all
}

#[track_caller]
fn check(one: &Mistake, key: &str) {
    if let Some(told) = &one.told {
        assert_eq!(told.key.as_deref(), Some(key), "{}: {told}", one.what);
    }
}
