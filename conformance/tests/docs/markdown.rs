//! Markdown, as far as these tests look into it: fenced blocks, tables, headings, links, prose.

use std::fs;
use std::path::{Path, PathBuf};

/// A fenced block.
pub struct Fence {
    /// The words behind the opening backticks.
    pub info: String,
    /// The lines between the fences, without the indentation of the opening one.
    pub text: String,
    /// Line of the opening fence, from 1.
    pub line: usize,
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every Markdown file of the repository, by its path from the root, sorted.
pub fn documents() -> Vec<String> {
    let mut found = Vec::new();
    collect(&root(), "", &mut found);
    found.sort();
    assert!(found.len() > 15, "{found:?}");
    found
}

fn collect(root: &Path, folder: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let is_folder = entry.file_type().unwrap().is_dir();
        if is_folder && !name.starts_with('.') && !matches!(name.as_str(), "target" | "runs" | "pictures") {
            collect(root, &path, found);
        } else if !is_folder && name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// The fenced blocks of a text.
pub fn fences(text: &str) -> Vec<Fence> {
    let mut found: Vec<Fence> = Vec::new();
    let mut open: Option<(usize, Fence)> = None;
    for (number, line) in text.lines().enumerate() {
        let indent = line.len() - line.trim_start().len();
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(info)) => {
                let fence = Fence { info: info.trim().to_owned(), text: String::new(), line: number + 1 };
                open = Some((indent, fence));
            }
            (Some(_), Some(_)) => found.extend(open.take().map(|(_, fence)| fence)),
            (Some((indent, fence)), None) => {
                fence.text += line.get(*indent..).unwrap_or_default();
                fence.text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is never closed");
    found
}

/// The lines outside of fenced blocks, with their numbers from 1.
pub fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut inside = false;
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            lines.push((number + 1, line));
        }
    }
    lines
}

/// The cells of every row of every table.
pub fn rows(text: &str) -> Vec<Vec<&str>> {
    let rows = prose(text).into_iter().filter_map(|(_, line)| line.strip_prefix('|')?.trim_end().strip_suffix('|'));
    rows.map(cells).collect()
}

/// The cells between the bars of a row that are not escaped.
fn cells(row: &str) -> Vec<&str> {
    let mut cells = Vec::new();
    let mut start = 0;
    for (place, _) in row.match_indices('|').filter(|(place, _)| !row[..*place].ends_with('\\')) {
        cells.push(row[start..place].trim());
        start = place + 1;
    }
    cells.push(row[start..].trim());
    cells
}

/// The anchors of a text's headings, as GitHub makes them.
pub fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for (_, line) in prose(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = heading.trim().to_lowercase();
        let kept = kept.chars().filter(|one| one.is_alphanumeric() || matches!(one, '-' | '_' | ' '));
        let anchor: String = kept.map(|one| if one == ' ' { '-' } else { one }).collect();
        let doubles = found.iter().filter(|other| **other == anchor).count();
        found.push(if doubles == 0 { anchor } else { format!("{anchor}-{doubles}") });
    }
    found
}

/// The targets of all links and pictures, with their lines.
pub fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // What stands between backticks is no link.
        let words: String = line.split('`').step_by(2).collect::<Vec<_>>().join("``");
        let mut rest = words.as_str();
        while let Some((_, after)) = rest.split_once("](") {
            let Some((target, after)) = after.split_once(')') else { break };
            found.push((number, target.to_owned()));
            rest = after;
        }
        if let Some((_, target)) = line.strip_prefix('[').and_then(|line| line.split_once("]: ")) {
            found.push((number, target.trim().to_owned()));
        }
    }
    found
}

#[test]
fn what_is_looked_for_in_markdown_is_found() {
    let text = "# A `b` c, d!\n\n[x](y.md#z) and ![p](q.svg) but not `[n](o)`\n\n1. one\n\n   ```sh docker\n   \
                a \\\n     b\n   ```\n\n## A b c d\n\n| a | | `b \\| c` |\n| --- | --- | --- |\n[k]: l.md\n";
    assert_eq!(anchors(text), ["a-b-c-d", "a-b-c-d-1"]);
    let links: Vec<String> = links(text).into_iter().map(|(_, target)| target).collect();
    assert_eq!(links, ["y.md#z", "q.svg", "l.md"]);
    let fences = fences(text);
    assert_eq!((fences[0].info.as_str(), fences[0].text.as_str(), fences[0].line), ("sh docker", "a \\\n  b\n", 7));
    assert_eq!(rows(text)[0], ["a", "", "`b \\| c`"]);
}
