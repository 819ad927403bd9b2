//! Every relative link in every Markdown file leads to a file that is there, and to a heading in it.

use std::collections::BTreeSet;

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

/// Whoever reads the README finds every page in two hops.
#[test]
fn every_page_is_two_hops_away() {
    let mut found = BTreeSet::from(["README.md".to_owned()]);
    for _ in 0..2 {
        for file in found.clone() {
            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            let pages = links(&read(&file)).into_iter().filter_map(|(_, target)| page(folder, &target));
            found.extend(pages);
        }
    }
    let far: Vec<String> = documents().into_iter().filter(|file| !found.contains(file)).collect();
    assert!(far.is_empty(), "{far:?}");
}

/// The page that a relative link leads to, by its path from the root.
fn page(folder: &str, target: &str) -> Option<String> {
    let target = target.split('#').next().filter(|target| target.ends_with(".md") && !target.contains("://"))?;
    let mut path: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            ".." => drop(path.pop()),
            "." => {}
            name => path.push(name),
        }
    }
    Some(path.join("/"))
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
