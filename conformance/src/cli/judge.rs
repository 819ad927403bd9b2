//! `pghaspec judge`

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pghaspec_model::rules::edition::Edition;
use serde::Serialize;

use super::{Failure, as_text, known, print, warn};
use crate::history::parts::Recording;
use crate::history::{History, HistoryError};
use crate::judge;
use crate::judge::{Judgement, Verdict};
use crate::picture::picture;
use crate::report;
use crate::run::error::{RunDirError, write as write_whole};
use crate::scenario::Scenario;

#[derive(clap::Args)]
pub struct Args {
    /// Histories: `events.jsonl`, or folders, in which every `.jsonl` is one, however deep.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Judge by this edition instead of the one that the history claims.
    #[arg(long)]
    edition: Option<String>,
    /// Draw each failing history as swim lanes into this folder.
    #[arg(long, value_name = "FOLDER")]
    svg: Option<PathBuf>,
    /// With `--svg`: draw the others, too.
    #[arg(long, requires = "svg")]
    all: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// The document that `--json` prints.
#[derive(Serialize)]
struct Document {
    /// The worst of the histories' verdicts.
    verdict: Verdict,
    /// Every history that could be read, by path.
    histories: Vec<Judged>,
    /// Every one that is damaged, or cannot be judged.
    refused: Vec<Refused>,
}

#[derive(Serialize)]
struct Judged {
    #[serde(serialize_with = "as_text")]
    file: PathBuf,
    agent: String,
    version: String,
    scenario: String,
    /// The edition that it was held to.
    edition: &'static str,
    /// Editions whose rules explain the history; `null` if the model cannot be asked.
    explained_by: Option<Vec<&'static str>>,
    /// The picture of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    svg: Option<String>,
    #[serde(flatten)]
    judgement: Judgement,
}

#[derive(Serialize)]
struct Refused {
    #[serde(serialize_with = "as_text")]
    file: PathBuf,
    /// Line in it, from 1, if the trouble has a place.
    line: Option<usize>,
    problem: String,
}

impl From<HistoryError> for Refused {
    fn from(HistoryError { file, line, problem }: HistoryError) -> Refused {
        Refused { file, line, problem }
    }
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let all: Vec<_> = Edition::ALL.iter().map(|edition| edition.id()).collect();
    let edition = args.edition.as_ref().map(|word| known("edition", word, Edition::from_id, &all)).transpose()?;
    let mut walk = Walk::default();
    for path in &args.paths {
        walk.take(path);
    }
    let Walk { files, mut refused, .. } = walk;
    // Trouble with pictures hides no verdict: it is told after them.
    let mut gallery = args.svg.as_deref().map(Gallery::open);
    let mut histories = Vec::new();
    for file in files {
        match judged(&file, edition) {
            Ok((history, mut judged)) => {
                if let Some(Ok(gallery)) = &mut gallery
                    && (args.all || judged.judgement.verdict >= Verdict::Fail)
                {
                    let file = gallery.hang(&file, &picture(&history, &judged.judgement));
                    judged.svg = file.map(|file| file.display().to_string());
                }
                histories.push(judged);
            }
            Err(error) => refused.push(Refused::from(error)),
        }
    }
    let document = Document {
        verdict: Verdict::worst(histories.iter().map(|judged| judged.judgement.verdict)),
        histories,
        refused,
    };
    print(args.json, &document, || text(&document))?;
    for Refused { file, line, problem } in &document.refused {
        let line = line.map_or(String::new(), |line| format!(", line {line}"));
        warn(&format!("{}{line}: {problem}", file.display()));
    }
    if let Some(error) = gallery.and_then(|gallery| gallery.map_or_else(Some, |gallery| gallery.trouble)) {
        return Err(error.into());
    }
    // A violation is one, whatever else could not be read.
    match document.verdict {
        Verdict::Fail => Ok(document.verdict.exit_code()),
        _ if !document.refused.is_empty() => Ok(2),
        verdict => Ok(verdict.exit_code()),
    }
}

fn judged(file: &Path, edition: Option<Edition>) -> Result<(History, Judged), HistoryError> {
    let recording = Recording::open(file)?;
    let run = recording.run.clone();
    let edition = edition.map_or_else(|| recording.edition(file), Ok)?;
    // An incident's log belongs to no scenario of ours; then nothing but the specification is demanded of it.
    let scenario = match Scenario::exists(&run.scenario) {
        true => Some(Scenario::load(&run.scenario).map_err(|error| HistoryError {
            file: file.to_path_buf(),
            line: Some(1),
            problem: format!("scenario: {error}"),
        })?),
        false => None,
    };
    let expect = scenario.as_ref().map(|scenario| &scenario.expect);
    let again = |(line, problem)| HistoryError { file: file.to_path_buf(), line, problem };
    let result = judge::judge_recording(&recording, edition, expect).map_err(again)?;
    let explained_by = result.explained_by(&Edition::ALL);
    let judgement = result.judgement;
    // The picture shows the part with the first failure, else the last one.
    let failing = judgement.checks.iter().find_map(|check| check.event).unwrap_or(recording.count - 1);
    let history = recording.part_with(failing).map_err(again)?.into_owned();
    let judged = Judged {
        file: file.to_path_buf(),
        agent: run.agent,
        version: run.version,
        scenario: run.scenario,
        edition: edition.id(),
        explained_by: explained_by.map(|editions| editions.into_iter().map(Edition::id).collect()),
        svg: None,
        judgement,
    };
    Ok((history, judged))
}

/// The folder that pictures go to.
struct Gallery {
    folder: PathBuf,
    names: BTreeSet<String>,
    /// The first picture that could not be written.
    trouble: Option<RunDirError>,
}

impl Gallery {
    fn open(folder: &Path) -> Result<Gallery, RunDirError> {
        fs::create_dir_all(folder).map_err(|error| RunDirError::new(format!("--svg {}", folder.display()), error))?;
        Ok(Gallery { folder: folder.to_path_buf(), names: BTreeSet::new(), trouble: None })
    }

    /// Writes a picture, named after the history and its folder.
    fn hang(&mut self, history: &Path, svg: &str) -> Option<PathBuf> {
        let words: Vec<_> = history.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let named: Vec<&str> =
            words.iter().map(String::as_str).filter(|word| *word != "events" && *word != "/").collect();
        let name = named[named.len().saturating_sub(2)..].join("-");
        let names = std::iter::once(name.clone()).chain((2..).map(|number| format!("{name}-{number}")));
        let name = names.into_iter().find(|name| self.names.insert(name.clone()))?;
        let file = self.folder.join(format!("{name}.svg"));
        match write_whole(&file, svg) {
            Ok(()) => Some(file),
            Err(error) => {
                self.trouble.get_or_insert(error);
                None
            }
        }
    }
}

/// Most histories that are judged at once, and most entries of folders that are looked at for them.
const MOST: usize = 100_000;

/// Most levels of folders below one that was named.
const DEEPEST: usize = 32;

/// The histories that paths mean. What cannot be read stops nothing else.
#[derive(Default)]
struct Walk {
    files: BTreeSet<PathBuf>,
    refused: Vec<Refused>,
    seen: usize,
}

impl Walk {
    /// Takes a file, or all histories below a folder.
    fn take(&mut self, path: &Path) {
        if !path.is_dir() {
            // Whatever it is, the reader says what is wrong with it.
            self.files.insert(path.to_path_buf());
            return;
        }
        let (files, refused) = (self.files.len(), self.refused.len());
        self.folder(path, 0);
        if (self.files.len(), self.refused.len()) == (files, refused) {
            self.refuse(path, "there is no history in it: no file ends in .jsonl".to_owned());
        }
    }

    /// Takes all histories below a folder. Links are not followed: `latest` names a run that is there anyway.
    fn folder(&mut self, folder: &Path, depth: usize) {
        if depth > DEEPEST {
            return self.refuse(folder, format!("lies deeper than {DEEPEST} folders: name it to have it judged"));
        }
        let unreadable = |error: std::io::Error| format!("cannot be read: {error}; change its permissions");
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.refuse(folder, unreadable(error)),
        };
        for entry in entries {
            self.seen += 1;
            if self.seen > MOST {
                return self.refuse(folder, format!("more than {MOST} files are too many: name fewer folders"));
            }
            let (path, kind) = match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                Ok(found) => found,
                Err(error) => {
                    self.refuse(folder, unreadable(error));
                    continue;
                }
            };
            if kind.is_dir() {
                self.folder(&path, depth + 1);
            } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "jsonl") {
                self.files.insert(path);
            }
        }
    }

    fn refuse(&mut self, path: &Path, problem: String) {
        self.refused.push(Refused { file: path.to_path_buf(), line: None, problem });
    }
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
        text += &judged.svg.as_ref().map_or(String::new(), |svg| format!("  drawn in {svg}\n"));
        text += &report::text::scenario(&judged.scenario, &judged.judgement, None, None);
    }
    match document.refused.len() {
        0 => {}
        1 => text += "1 history is refused, or could not be looked for\n",
        several => text += &format!("{several} histories are refused, or could not be looked for\n"),
    }
    text + &format!("verdict: {}\n", document.verdict.text())
}
