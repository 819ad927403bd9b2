//! `pghaspec verify`: evaluates the evidence of a run again, and compares the outcome with the results that are
//! claimed.

use std::path::PathBuf;

use serde::Serialize;

use super::{Failure, print};
use crate::report::evaluate::RecordedRun;
use crate::report::{Results, ScenarioResult};
use crate::run::spec::SPEC_SHA256;

#[derive(clap::Args)]
pub struct Args {
    /// Folder of a run, with results.json in it.
    #[arg(value_name = "CERT")]
    folder: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    confirmed: bool,
    verdict: &'static str,
    /// The claims that the evidence does not confirm, a line each.
    differences: Vec<String>,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let claimed = Results::read(&args.folder)?;
    let recorded = RecordedRun::read(&args.folder)?;
    if claimed.spec.sha256 != SPEC_SHA256 {
        return Err(Failure::usage(format!(
            "{}: was judged by the specification sha256:{}, and this pghaspec has sha256:{SPEC_SHA256}; help: verify \
             it with pghaspec {} of that specification",
            args.folder.display(),
            claimed.spec.sha256,
            claimed.pghaspec
        )));
    }
    let judged = recorded.plan.scenarios.iter().map(|planned| recorded.evaluate(&planned.id)).collect();
    let found = recorded.results(judged)?;
    let differences = differences(&claimed, &found);
    let document = Document { confirmed: differences.is_empty(), verdict: found.verdict.text(), differences };
    print(args.json, &document, || text(&document))?;
    Ok(u8::from(!document.confirmed))
}

fn text(document: &Document) -> String {
    if document.confirmed {
        return format!("confirmed: the evidence says {}\n", document.verdict);
    }
    let lines: Vec<_> = document.differences.iter().map(|line| format!("  {line}\n")).collect();
    format!("denied: the evidence says {}\n{}", document.verdict, lines.concat())
}

/// The differences between the claimed results and those that the evidence gives.
fn differences(claimed: &Results, found: &Results) -> Vec<String> {
    let mut lines = Vec::new();
    let mut differ = |what: &str, claimed: &str, found: &str| {
        if claimed != found {
            lines.push(format!("{what}: {claimed} is claimed, and the evidence says {found}"));
        }
    };
    differ("agent", &claimed.agent.name, &found.agent.name);
    differ("release", &claimed.agent.version, &found.agent.version);
    let image = |results: &Results| results.agent.image_digest.clone().unwrap_or_default();
    differ("image", &image(claimed), &image(found));
    differ("edition", &claimed.spec.edition, &found.spec.edition);
    differ("verdict", claimed.verdict.text(), found.verdict.text());
    differ("as expected", &claimed.as_expected.to_string(), &found.as_expected.to_string());
    let of = |results: &Results, id: &str| results.scenarios.iter().find(|scenario| scenario.id == id).cloned();
    let ids = claimed.scenarios.iter().chain(&found.scenarios).map(|scenario| scenario.id.clone());
    for id in ids.collect::<std::collections::BTreeSet<_>>() {
        let (Some(claimed), Some(found)) = (of(claimed, &id), of(found, &id)) else {
            differ(&id, claimed_word(of(claimed, &id).is_some()), claimed_word(of(found, &id).is_some()));
            continue;
        };
        differ(&id, claimed.verdict.text(), found.verdict.text());
        let checks = |it: &ScenarioResult| -> Vec<(String, &'static str)> {
            it.checks.iter().map(|check| (check.id.clone(), check.verdict.text())).collect()
        };
        let words = |it: &[(String, &'static str)]| {
            it.iter().map(|(id, verdict)| format!("{id} {verdict}")).collect::<Vec<_>>().join(", ")
        };
        differ(&format!("{id}, checks"), &words(&checks(&claimed)), &words(&checks(&found)));
    }
    let files = claimed.evidence.sha256.keys().chain(found.evidence.sha256.keys());
    for file in files.collect::<std::collections::BTreeSet<_>>() {
        let digest = |results: &Results| results.evidence.sha256.get(file).cloned().unwrap_or("no such file".into());
        differ(file, &digest(claimed), &digest(found));
    }
    lines
}

fn claimed_word(there: bool) -> &'static str {
    if there { "that it was run" } else { "that it was not run" }
}
