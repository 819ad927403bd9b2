//! The rules of the house, as functions over a tree of files, so that trees which break them can be tried as well.

use std::collections::{BTreeMap, BTreeSet};

use crate::graph::{Graph, cycles};
use crate::imports;

/// Files by their paths from the root of the repository.
pub type Tree = BTreeMap<String, String>;

/// Folders of the crates' own sources.
pub const CRATES: [&str; 2] = ["model/src", "conformance/src"];

/// Most characters of a line.
const WIDTH: usize = 120;

/// Most source files at one level of a folder.
const FILES: usize = 14;

/// Most files and folders at the level of `judge/` itself.
const JUDGE_ENTRIES: usize = 8;

/// Modules that must not name other ones.
struct Never {
    /// Folder or file (without `.rs`) of the sources.
    who: &'static str,
    /// Paths that nothing in it may name.
    names: &'static [&'static str],
    /// The reason, for whoever breaks it.
    because: &'static str,
}

const fn never(who: &'static str, names: &'static [&'static str], because: &'static str) -> Never {
    Never { who, names, because }
}

/// Data flows one way: scenario → lab → events → judge → report. The model stands beside it and knows no I/O.
const NEVERS: [Never; 24] = [
    never(
        "model/src",
        &["std::fs", "std::net", "std::process", "std::env", "std::os", "tokio", "bollard", "testcontainers", "rustix"],
        "the model is pure: hand in what does the I/O, as `engine::segments::Spill`",
    ),
    never("model/src/recover", &["crate::mutants"], "the specification does not know that it is attacked"),
    never(
        "model/src/engine",
        &["crate::cluster", "crate::recover", "crate::rules", "crate::mutants", "crate::verify"],
        "the search works on any `Spec`",
    ),
    never(
        "conformance/src/scenario",
        &[
            "crate::lab",
            "crate::observe",
            "crate::history",
            "crate::judge",
            "crate::picture",
            "crate::run",
            "crate::known",
            "crate::coverage",
            "crate::report",
            "crate::cli",
        ],
        "a scenario is data: it is read by the lab and the judge, and reads neither",
    ),
    never(
        "conformance/src/manifest",
        &["crate::patroni_oracle", "crate::lab", "crate::observe", "crate::judge", "crate::report", "crate::cli"],
        "a manifest is data about any agent; what only Patroni has belongs to `patroni_oracle`",
    ),
    never(
        "conformance/src/run",
        &["crate::lab", "crate::judge", "crate::report", "crate::cli"],
        "the folder of a run is written by the lab and read by reports: it is below both",
    ),
    never(
        "conformance/src/observe",
        &["crate::lab", "crate::judge", "crate::report", "crate::cli"],
        "observers record what they see, whoever started it and whatever comes of it",
    ),
    never(
        "conformance/src/lab",
        &["crate::judge", "crate::known", "crate::coverage", "crate::report", "crate::picture", "crate::cli"],
        "the lab knows no verdicts",
    ),
    never("conformance/src/history", &NO_DOCKER, "a history is a file: it is judged where there is no Docker"),
    never("conformance/src/history", &["crate::judge", "crate::picture"], "a history is read before it is judged"),
    never("conformance/src/judge", &NO_DOCKER, "the judge sees events only: it works where there is no Docker"),
    never(
        "conformance/src/judge",
        &["crate::run", "crate::progress", "crate::picture"],
        "a judgement comes of a history, and others show it",
    ),
    never("conformance/src/simulate", &NO_DOCKER, "a simulated history comes of the model alone"),
    never("conformance/src/picture", &NO_DOCKER, "a picture is made of a history and its judgement alone"),
    never("conformance/src/picture", &["crate::run"], "a picture is made of a history and its judgement alone"),
    never(
        "conformance/src/known",
        &["crate::lab", "crate::observe", "crate::coverage", "crate::report", "crate::cli"],
        "known deviations are data",
    ),
    never(
        "conformance/src/coverage",
        &["crate::lab", "crate::observe", "crate::report", "crate::cli"],
        "reports show coverage",
    ),
    never(
        "conformance/src/report",
        &["crate::lab", "crate::observe", "crate::cli"],
        "a report comes from the evidence alone",
    ),
    never(
        "conformance/src/patroni_oracle",
        &["crate::lab", "crate::observe", "crate::history", "crate::judge", "crate::report", "crate::cli"],
        "released code is compared with the model, without a cluster",
    ),
    never("conformance/src/untrusted", &NOT_UNTRUSTED, "everybody takes in what strangers send"),
    never("conformance/src/untrusted", &["crate::input"], "everybody takes in what strangers send"),
    never("conformance/src/input", &NOT_UNTRUSTED, "everybody reads input"),
    never("conformance/src/fixtures", &NOT_UNTRUSTED, "everybody reads fixtures"),
    never("conformance/src/features", &NOT_UNTRUSTED, "manifests and scenarios both name features"),
];

/// The names that nothing uses that works on recorded histories.
const NO_DOCKER: [&str; 7] =
    ["crate::lab", "crate::observe", "crate::report", "crate::cli", "bollard", "testcontainers", "tokio"];

/// All modules but those that take in what strangers send, and what people write.
const NOT_UNTRUSTED: [&str; 19] = [
    "crate::cli",
    "crate::coverage",
    "crate::fixtures",
    "crate::history",
    "crate::features",
    "crate::judge",
    "crate::known",
    "crate::lab",
    "crate::manifest",
    "crate::observe",
    "crate::patroni_oracle",
    "crate::picture",
    "crate::progress",
    "crate::report",
    "crate::rules",
    "crate::run",
    "crate::scenario",
    "crate::simulate",
    "crate::main",
];

/// The path begins with the segments of `of`.
fn is_below(path: &[String], of: &str) -> bool {
    let of: Vec<&str> = of.split("::").collect();
    path.len() >= of.len() && path.iter().zip(&of).all(|(one, other)| one == other)
}

/// A source file of a crate.
struct Source<'tree> {
    /// Its path.
    file: &'tree str,
    /// Its module's segments below the crate.
    module: Vec<String>,
    /// The paths that it names.
    imports: Vec<imports::Import>,
}

/// All sources below a crate's folder, without what is compiled for tests only.
fn sources<'tree>(tree: &'tree Tree, of: &str) -> Result<Vec<Source<'tree>>, String> {
    let mut sources = Vec::new();
    let mut for_tests = BTreeSet::new();
    for (file, text) in tree.iter().filter(|(file, _)| is_in(file, of) && file.ends_with(".rs")) {
        let module = module(file, of);
        let named = imports::of(text, &module).map_err(|problem| format!("{file}: {problem}"))?;
        let inner = |name: String| module.iter().cloned().chain([name]).collect::<Vec<_>>();
        for_tests.extend(named.test_modules.into_iter().map(inner));
        sources.push(Source { file, module, imports: named.imports });
    }
    sources.retain(|source| !(1..=source.module.len()).any(|end| for_tests.contains(&source.module[..end])));
    Ok(sources)
}

/// The file lies in the folder, or is the module file of that name.
fn is_in(file: &str, folder: &str) -> bool {
    file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
}

/// Segments of a file's module: `judge/checks/mod.rs` is `judge::checks`.
fn module(file: &str, of: &str) -> Vec<String> {
    let path = file[of.len()..].trim_start_matches('/').trim_end_matches(".rs");
    let mut segments: Vec<String> = path.split('/').map(str::to_owned).collect();
    if segments.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        segments.pop();
    }
    segments
}

/// Every import that must not be.
pub fn broken_nevers(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for of in CRATES {
        let sources = match sources(tree, of) {
            Ok(sources) => sources,
            Err(problem) => return vec![problem],
        };
        for never in NEVERS.iter().filter(|never| never.who == of || is_in(never.who, of)) {
            for source in sources.iter().filter(|source| is_in(source.file, never.who)) {
                for import in &source.imports {
                    if let Some(name) = never.names.iter().find(|name| is_below(&import.path, name)) {
                        let place = format!("{}:{}: {}", source.file, import.line, never.who);
                        let problem = format!("{place} must not name {name}: {}", never.because);
                        if !broken.contains(&problem) {
                            broken.push(problem);
                        }
                    }
                }
            }
        }
    }
    broken
}

/// The modules named by the list that are not there: a rule about nothing holds nothing.
pub fn idle_nevers(tree: &Tree) -> Vec<&'static str> {
    let is_there = |never: &&Never| tree.keys().any(|file| is_in(file, never.who));
    NEVERS.iter().filter(|never| !is_there(never)).map(|never| never.who).collect()
}

/// The import graph among the top modules of a crate, the folders and files right below its `src`.
pub fn graph(tree: &Tree, of: &str) -> Result<Graph, String> {
    let sources = sources(tree, of)?;
    let mut graph: Graph =
        sources.iter().filter_map(|it| Some((it.module.first()?.clone(), BTreeMap::new()))).collect();
    for source in &sources {
        let Some(from) = source.module.first() else { continue };
        for import in source.imports.iter().filter(|import| import.path[0] == "crate") {
            let to = &import.path[1];
            if to != from && graph.contains_key(to) {
                let place = format!("{}:{}", source.file, import.line);
                graph.get_mut(from).expect("every source's module is in").entry(to.clone()).or_insert(place);
            }
        }
    }
    Ok(graph)
}

/// A cycle for each group of top modules that import one another.
pub fn import_cycles(tree: &Tree, of: &str) -> Vec<String> {
    match graph(tree, of) {
        Ok(graph) => cycles(&graph),
        Err(problem) => vec![problem],
    }
}

/// Folders with too much at one level.
pub fn crowded_folders(tree: &Tree) -> Vec<String> {
    let mut files: BTreeMap<&str, usize> = BTreeMap::new();
    let mut of_judge = BTreeSet::new();
    for file in tree.keys().filter(|file| file.ends_with(".rs")) {
        let is_source = ["model/src", "model/tests", "conformance/src", "conformance/tests"];
        if let Some((folder, _)) = file.rsplit_once('/').filter(|_| is_source.iter().any(|of| is_in(file, of))) {
            *files.entry(folder).or_default() += 1;
        }
        of_judge.extend(file.strip_prefix("conformance/src/judge/").and_then(|rest| rest.split('/').next()));
    }
    let crowded = files.into_iter().filter(|(_, count)| *count > FILES);
    let mut broken: Vec<String> = crowded
        .map(|(folder, count)| format!("{folder}: {count} source files at one level, and {FILES} are the most"))
        .collect();
    if of_judge.len() > JUDGE_ENTRIES {
        let count = of_judge.len();
        broken.push(format!("conformance/src/judge: {count} files and folders, and {JUDGE_ENTRIES} are the most"));
    }
    broken
}

/// Lines that are too long.
pub fn long_lines(tree: &Tree) -> Vec<String> {
    let mut broken = Vec::new();
    for (file, text) in tree {
        for (number, line) in text.lines().enumerate() {
            let width = line.chars().count();
            if width > WIDTH {
                broken.push(format!("{file}:{}: {width} columns, and {WIDTH} are the most", number + 1));
            }
        }
    }
    broken
}
