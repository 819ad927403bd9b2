//! Objections about files: those that no run has, those that a run has and that are missing, and recordings that were
//! put aside though they were whole.

use std::collections::{BTreeMap, BTreeSet};

use super::{Found, Recorded};
use crate::judge::Verdict;
use crate::report::evaluate::RecordedRun;
use crate::run::claims::Authority;
use crate::run::contents::{Class, Contents, attempt_of, class};
use crate::run::scenario_folder::scenario_dir;

pub(super) fn look(
    run: &RecordedRun,
    authority: &Authority,
    contents: &Contents,
    scenarios: &[Recorded<'_>],
    found: &mut Found,
) {
    for file in contents.files.iter().filter(|file| class(file, &run.plan) == Class::Strange) {
        found.add(file, "is no file that this run can have");
    }
    let has = |file: &str| contents.files.binary_search_by(|known| known.as_str().cmp(file)).is_ok();
    for one in scenarios {
        let own = |name: &str| one.file(name);
        if one.is_whole() {
            for name in ["scenario.toml", "events.jsonl"].into_iter().filter(|name| !has(&own(name))) {
                found.add(own(name), "is missing, though the scenario was run to its end");
            }
            if !has("machine.json") {
                found.add("machine.json", "is missing, though scenarios were run");
            }
            logs(one, authority, contents, found);
        }
        let supported = one.outcome.as_ref().is_none_or(|outcome| outcome.unsupported.is_none());
        let recorded = contents.files.iter().filter(|file| {
            file.strip_prefix(one.id).is_some_and(|rest| rest == "/events.jsonl" || rest.starts_with("/logs/"))
        });
        if !supported && recorded.count() > 0 {
            found.add(own("outcome.json"), "says that the scenario was not run, and there is a recording of it");
        }
        if one.outcome.is_none() && has(&own("outcome.json")) {
            found.add(own("outcome.json"), "is damaged");
        }
    }
    put_aside(run, contents, found);
}

/// Each container of a scenario leaves a log.
fn logs(one: &Recorded<'_>, authority: &Authority, contents: &Contents, found: &mut Found) {
    let Ok((scenario, _)) = &one.scenario else { return };
    let folder = format!("{}/logs/", one.id);
    let logs: Vec<&str> = contents.files.iter().filter_map(|file| file.strip_prefix(&folder)).collect();
    let mut wanted: Vec<String> = scenario.node_names();
    wanted.push("observer".to_owned());
    wanted.extend(authority.services.iter().cloned());
    match scenario.etcd {
        _ if !authority.by_etcd() => {}
        1 => wanted.push("etcd".to_owned()),
        several => wanted.extend((1..=several).map(|number| format!("etcd{number}"))),
    }
    for part in wanted {
        if !logs.iter().any(|log| log.ends_with(&format!("-{part}.log"))) {
            found.add(format!("{folder}…-{part}.log"), "is missing, though the scenario was run to its end");
        }
    }
}

/// A recording is put aside only if it did not come to its end, and none of them is thrown away.
fn put_aside(run: &RecordedRun, contents: &Contents, found: &mut Found) {
    let folders: BTreeSet<&str> = contents.files.iter().filter_map(|file| file.split('/').next()).collect();
    let mut numbers: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for folder in folders.into_iter().filter(|folder| attempt_of(folder).is_some()) {
        let Some((id, number)) = folder.rsplit_once(".attempt-") else { continue };
        numbers.entry(id).or_default().extend(number.parse::<u32>().ok());
        // Smaller ones are tried anew when shrinking begins anew: nobody counts them.
        if !run.plan.scenarios.iter().any(|one| one.id == id) {
            continue;
        }
        let dir = scenario_dir(&run.folder, folder);
        if dir.is_complete() {
            found.add(folder, "was recorded to its end, and put aside all the same");
        } else if run.evaluator.evaluate(&dir, id).verdict == Verdict::Fail {
            found.add(folder, "holds a failure of the agent, and was put aside all the same");
        }
    }
    for (id, mut numbers) in numbers {
        numbers.sort_unstable();
        if let Some(missing) = (1..).zip(&numbers).find_map(|(wanted, number)| (wanted != *number).then_some(wanted)) {
            found.add(format!("{id}.attempt-{missing}"), "is missing: recordings are put aside, and never removed");
        }
    }
}
