//! Every relative link in every Markdown file leads to a file that is there, and to a heading in it.

use super::markdown::{anchors, documents, links, root};
use super::read;

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for file in documents() {
        let text = read(&file);
        let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (line, target) in links(&text) {
            if let Err(problem) = leads_somewhere(&file, folder, &text, &target) {
                broken.push(format!("{file}:{line}: {target}: {problem}"));
            }
        }
    }
    assert!(broken.is_empty(), "{} links:\n{}", broken.len(), broken.join("\n"));
}

fn leads_somewhere(file: &str, folder: &str, text: &str, target: &str) -> Result<(), String> {
    if target.starts_with("http://") || target.starts_with("https://") {
        return Ok(());
    }
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let place = root().join(folder).join(path);
    if !path.is_empty() && !place.exists() {
        return Err("there is no such file".to_owned());
    }
    let Some(anchor) = anchor else { return Ok(()) };
    let other = if path.is_empty() { text.to_owned() } else { std::fs::read_to_string(&place).unwrap_or_default() };
    let has = anchors(&other);
    match has.iter().any(|one| one == anchor) {
        true => Ok(()),
        false => Err(format!("there is no such heading in {}, but: {}", place.display(), has.join(", "))),
    }
    .map_err(|problem| if path.is_empty() { problem.replace(&place.display().to_string(), file) } else { problem })
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    for (target, problem) in [
        ("README.md", None),
        ("README.md#licence", None),
        ("#licence", None),
        ("https://example.org/nowhere", None),
        ("NOWHERE.md", Some("no such file")),
        ("README.md#nowhere", Some("no such heading")),
        ("#nowhere", Some("no such heading")),
    ] {
        let found = leads_somewhere("README.md", "", &read("README.md"), target);
        assert_eq!(found.is_err(), problem.is_some(), "{target}: {found:?}");
        assert!(problem.is_none_or(|words| found.unwrap_err().contains(words)), "{target}");
    }
}
