//! Dependencies that somebody uses: each one that a manifest names is named by the sources that may use it.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use toml::Table;

use crate::rules::Tree;

/// The kinds of dependencies, and which of a crate's files may use them.
const KINDS: [(&str, &[&str]); 3] = [
    ("dependencies", &["src/"]),
    ("dev-dependencies", &["src/", "tests/", "benches/", "examples/"]),
    ("build-dependencies", &["build.rs", "build/"]),
];

/// Dependencies of the crates in these folders that no source names; `manifest` reads a crate's `Cargo.toml`.
pub fn unused(tree: &Tree, crates: &[&str], manifest: impl Fn(&str) -> String) -> Vec<String> {
    let mut unused = Vec::new();
    for folder in crates {
        let file = format!("{folder}/Cargo.toml");
        let table: Table = manifest(&file).parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        for (kind, places) in KINDS {
            let Some(named) = table.get(kind).and_then(toml::Value::as_table) else { continue };
            let sources = tree.iter().filter(|(path, _)| {
                let inside = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
                path.ends_with(".rs") && inside.is_some_and(|rest| places.iter().any(|place| rest.starts_with(place)))
            });
            let used: BTreeSet<String> = sources.flat_map(|(_, text)| roots(text)).collect();
            for name in named.keys().filter(|name| !used.contains(&name.replace('-', "_"))) {
                unused.push(format!("{file}: `{name}` of [{kind}] is used by no source; help: leave it out"));
            }
        }
    }
    unused
}

/// The first segments of all paths in a source, and the names that it imports as they are.
fn roots(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    if let Ok(tokens) = source.parse::<TokenStream>() {
        collect(&tokens.into_iter().collect::<Vec<_>>(), &mut found);
    }
    found
}

fn collect(tokens: &[TokenTree], found: &mut BTreeSet<String>) {
    let is_colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(it)) if it.as_char() == ':');
    for (place, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => collect(&group.stream().into_iter().collect::<Vec<_>>(), found),
            TokenTree::Ident(word) => {
                let before = place.checked_sub(1).and_then(|place| tokens.get(place));
                let is_imported = matches!(before, Some(TokenTree::Ident(word)) if word == "use");
                let begins_path = is_colon(tokens.get(place + 1)) && is_colon(tokens.get(place + 2));
                if is_imported || begins_path && !is_colon(before) {
                    found.insert(word.to_string());
                }
            }
            _ => {}
        }
    }
}
