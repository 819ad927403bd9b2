//! The table of all releases: what changed in each, and where a release is not as committed.

use std::collections::{BTreeMap, BTreeSet};

use pghaspec_model::rules::edition::Rules;
use pghaspec_model::rules::switch::Switch;

use crate::manifest::Row;

/// The rules that are not as in the release before, as far as the runs of both decide them.
fn changes(before: &Rules, after: &Rules, undecided: [&[String]; 2]) -> Vec<String> {
    let known = |switch: &Switch| !undecided.iter().any(|ids| ids.iter().any(|id| id == switch.id));
    let changed = Switch::all().filter(|switch| (switch.position)(before) != (switch.position)(after) && known(switch));
    changed.map(|switch| format!("{}: {} → {}", switch.id, switch.words(before), switch.words(after))).collect()
}

/// The table as Markdown. `rules` are those of the rows.
pub fn markdown(rows: &[Row], rules: &[Rules]) -> String {
    let mut text = String::from(
        "# What changed in which release of Patroni\n\n\
         Written by `pghaspec diff --write fixtures/oracle`; `pghaspec diff` compares against it. Each release's own\n\
         functions were run through every sequence of answers that they can be given (the full product, no sample),\n\
         and the specification through the same: the rules below explain all of them. The rules are those of\n\
         [`edition.rs`](../../model/src/rules/edition.rs). Where a release may have a rule either way, since nothing\n\
         that was compared depends on it, it is named.\n\n\
         | release | edition | rules that are not the edition's | changed since the release before | may be either way \
         | runs | not explained |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for (place, row) in rows.iter().enumerate() {
        let changed = match place.checked_sub(1) {
            None => String::new(),
            Some(before) => {
                let undecided = [&rows[before].undecided[..], &row.undecided[..]];
                changes(&rules[before], &rules[place], undecided).join("<br>")
            }
        };
        let runs: usize = row.vectors.values().sum();
        text += &format!(
            "| {} | {} | {} | {changed} | {} | {runs} | {} |\n",
            row.release,
            row.editions.join(", "),
            row.rules.join("<br>"),
            row.undecided.join("<br>"),
            row.mismatches
        );
    }
    text + &left_out(rows)
}

/// The reasons why runs were left out, and the number of those runs.
fn left_out(rows: &[Row]) -> String {
    let reasons: BTreeSet<&String> = rows.iter().flat_map(|row| row.outside.keys()).collect();
    let mut text = String::from(
        "\nIn a world that the model does not have a run is left out, and counted. Such worlds are, with the number \
         of\nruns in a release:\n\n",
    );
    for reason in reasons {
        let counts = rows.iter().filter_map(|row| row.outside.get(reason));
        let (least, most) = (counts.clone().min().unwrap_or(&0), counts.max().unwrap_or(&0));
        let range = if least == most { least.to_string() } else { format!("{least} to {most}") };
        text += &format!("* {reason}: {range}\n");
    }
    text
}

/// The committed rows, by release.
///
/// # Errors
/// The text is no such table.
pub fn committed(text: &str) -> Result<BTreeMap<String, Row>, String> {
    let rows: Vec<Row> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok(rows.into_iter().map(|row| (row.release.clone(), row)).collect())
}

/// The differences of a row from the committed one. Unless all functions were compared (`whole`), only what is known of
/// each function by itself is looked at.
pub fn differences(committed: &BTreeMap<String, Row>, row: &Row, whole: bool) -> Vec<String> {
    let Some(known) = committed.get(&row.release) else {
        return vec![format!("{} is not among the committed releases", row.release)];
    };
    let words = |row: &Row| format!("{} with {:?}", row.editions.join(", "), row.rules);
    let mut differences = Vec::new();
    if whole && (&known.editions, &known.rules) != (&row.editions, &row.rules) {
        differences.push(format!("{}: {} now, {} committed", row.release, words(row), words(known)));
    }
    if whole && known.mismatches != row.mismatches {
        differences
            .push(format!("{}: {} runs not explained, {} committed", row.release, row.mismatches, known.mismatches));
    }
    let counts = |what: &str, now: &BTreeMap<String, usize>, before: &BTreeMap<String, usize>| {
        let both: BTreeSet<&String> = now.keys().chain(before.keys().filter(|_| whole)).collect();
        let count = |of: &BTreeMap<String, usize>, key: &String| of.get(key).copied().unwrap_or(0);
        let other = both.into_iter().filter(|key| count(now, key) != count(before, key));
        other
            .map(|key| {
                format!("{}: {} runs {what} {key}, {} committed", row.release, count(now, key), count(before, key))
            })
            .collect::<Vec<_>>()
    };
    differences.extend(counts("of", &row.vectors, &known.vectors));
    if whole {
        differences.extend(counts("left out for", &row.outside, &known.outside));
    }
    for (function, digest) in &row.records {
        if known.records.get(function).is_some_and(|known| known != digest) {
            differences.push(format!(
                "{}: {function} was asked otherwise than when this was committed, or did and said other things (its \
                 record's digest is {digest}); a release does not change, so the harness did: write it again, and look \
                 at what changed",
                row.release
            ));
        }
    }
    differences
}
