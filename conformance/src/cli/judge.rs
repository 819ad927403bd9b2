//! `pghaspec judge`

use std::path::{Path, PathBuf};

use pghaspec_model::edition::Edition;
use serde::Serialize;

use super::{Failure, known, print};
use crate::judge::{self, History, Judgement, Verdict};
use crate::report;
use crate::scenario::Scenario;

#[derive(clap::Args)]
pub struct Args {
    /// Histories: `events.jsonl`, the folder of a scenario, or the folder of a run.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Judge by this edition instead of the one that the history claims.
    #[arg(long)]
    edition: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    verdict: Verdict,
    histories: Vec<Judged>,
}

#[derive(Serialize)]
struct Judged {
    file: PathBuf,
    agent: String,
    version: String,
    scenario: String,
    edition: &'static str,
    /// Editions whose rules explain the history; `null` if the model cannot be asked.
    explained_by: Option<Vec<&'static str>>,
    #[serde(flatten)]
    judgement: Judgement,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let mut files = Vec::new();
    for path in &args.paths {
        files.extend(histories(path)?);
    }
    let mut judged = Vec::new();
    for file in files {
        let history = History::read(&file)?;
        let all: Vec<_> = Edition::ALL.iter().map(|edition| edition.id()).collect();
        let wanted = args.edition.as_ref().unwrap_or(&history.run.edition);
        let edition = known("edition", wanted, Edition::from_id, &all)?;
        // An incident's log belongs to no scenario of ours; then nothing but the specification is demanded of it.
        let scenario =
            Scenario::exists(&history.run.scenario).then(|| Scenario::load(&history.run.scenario)).transpose()?;
        if scenario.is_none() {
            eprintln!(
                "pghaspec: {}: there is no scenario `{}` here, so nothing but the specification is asked",
                file.display(),
                history.run.scenario
            );
        }
        judged.push(Judged {
            agent: history.run.agent.clone(),
            version: history.run.version.clone(),
            scenario: history.run.scenario.clone(),
            edition: edition.id(),
            explained_by: judge::explaining_editions(&history)
                .map(|editions| editions.into_iter().map(Edition::id).collect()),
            judgement: judge::judge(&history, edition, scenario.as_ref().map(|scenario| &scenario.expect)),
            file,
        });
    }
    let document =
        Document { verdict: Verdict::worst(judged.iter().map(|judged| judged.judgement.verdict)), histories: judged };
    print(args.json, &document, || text(&document))?;
    Ok(document.verdict.exit_code())
}

/// The histories that a path means.
fn histories(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    if path.is_file() {
        return Ok(vec![path.to_path_buf()]);
    }
    let own = path.join("events.jsonl");
    if own.is_file() {
        return Ok(vec![own]);
    }
    let unreadable = |error| {
        Failure::usage(format!("{}: cannot be read: {error}; name a history or the folder of a run", path.display()))
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path().join("events.jsonl");
        if file.is_file() {
            found.push(file);
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(Failure::usage(format!("{}: holds no events.jsonl, nor does a folder in it", path.display())));
    }
    Ok(found)
}

fn text(document: &Document) -> String {
    let mut text = String::new();
    for judged in &document.histories {
        text += &format!(
            "{}\n  {} {}, judged by edition {}",
            judged.file.display(),
            judged.agent,
            judged.version,
            judged.edition
        );
        text += &match &judged.explained_by {
            None => "\n".into(),
            Some(editions) if editions.is_empty() => "; no edition explains it\n".into(),
            Some(editions) => format!("; explained by the rules of: {}\n", editions.join(", ")),
        };
        text += &report::text::scenario(&judged.scenario, &judged.judgement, None);
    }
    text + &format!("verdict: {}\n", document.verdict.text())
}
