//! The paths that a Rust source file names, found by its tokens: comments, doc links and strings name none.
//!
//! A module under `#[cfg(test)]` is left out: a test may look at everything.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path that a file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Its segments; `crate` is the first one if it lies in the file's own crate, however it was written (`super::…`,
    /// `self::…`).
    pub path: Vec<String>,
    /// Line of its first segment, from 1.
    pub line: usize,
}

/// The modules that a file declares and names.
#[derive(Debug, Default)]
pub struct Named {
    /// All paths of more than one segment.
    pub imports: Vec<Import>,
    /// Child modules that are compiled for tests only.
    pub test_modules: Vec<String>,
}

/// The paths in `source`, which is the module `module` (its segments below the crate).
///
/// # Errors
/// The source does not consist of Rust tokens.
pub fn of(source: &str, module: &[String]) -> Result<Named, String> {
    let tokens: TokenStream = source.parse().map_err(|error| format!("is no Rust: {error}"))?;
    let mut named = Named::default();
    walk(&tokens.into_iter().collect::<Vec<_>>(), module, &mut named);
    Ok(named)
}

fn walk(tokens: &[TokenTree], module: &[String], named: &mut Named) {
    let mut at = 0;
    while at < tokens.len() {
        at = match &tokens[at] {
            TokenTree::Punct(punct) if punct.as_char() == '#' && is_for_tests(tokens.get(at + 1)) => {
                skip_item(tokens, at + 2, named)
            }
            TokenTree::Ident(word) if word == "mod" => match (tokens.get(at + 1), tokens.get(at + 2)) {
                (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) => {
                    let inner: Vec<_> = module.iter().cloned().chain([name.to_string()]).collect();
                    walk(&body.stream().into_iter().collect::<Vec<_>>(), &inner, named);
                    at + 3
                }
                _ => at + 1,
            },
            TokenTree::Ident(_) => path(tokens, at, &[], module, named),
            TokenTree::Group(group) => {
                walk(&group.stream().into_iter().collect::<Vec<_>>(), module, named);
                at + 1
            }
            _ => at + 1,
        };
    }
}

/// The token after `#` is `[cfg(test)]`.
fn is_for_tests(token: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = token else { return false };
    let words: String = group.stream().to_string().split_whitespace().collect();
    group.delimiter() == Delimiter::Bracket && words == "cfg(test)"
}

/// The place after the item that begins at `at`: after its braces or its semicolon.
fn skip_item(tokens: &[TokenTree], at: usize, named: &mut Named) -> usize {
    for (place, token) in tokens.iter().enumerate().skip(at) {
        match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return place + 1,
            TokenTree::Punct(punct) if punct.as_char() == ';' => {
                if let [.., TokenTree::Ident(word), TokenTree::Ident(name)] = &tokens[at..place]
                    && word == "mod"
                {
                    named.test_modules.push(name.to_string());
                }
                return place + 1;
            }
            _ => {}
        }
    }
    tokens.len()
}

/// Takes the path that begins at `at`, after `prefix`, with all branches of a `use` tree; the place after it.
fn path(tokens: &[TokenTree], at: usize, prefix: &[String], module: &[String], named: &mut Named) -> usize {
    let mut segments = prefix.to_vec();
    let (mut at, line) = (at, tokens[at].span().start().line);
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(word)) => {
                segments.push(word.to_string());
                at += 1;
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                branches(&group.stream().into_iter().collect::<Vec<_>>(), &segments, module, named);
                return at + 1;
            }
            _ => break,
        }
        if !is_colons(tokens, at) {
            break;
        }
        at += 2;
    }
    if segments.len() > 1 {
        named.imports.push(Import { path: resolved(segments, module), line });
    }
    at
}

fn branches(tokens: &[TokenTree], prefix: &[String], module: &[String], named: &mut Named) {
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    for branch in tokens.split(is_comma).filter(|branch| !branch.is_empty()) {
        path(branch, 0, prefix, module, named);
    }
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    let is_colon = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ':');
    tokens.get(at).is_some_and(is_colon) && tokens.get(at + 1).is_some_and(is_colon)
}

/// The path from the crate's root if it lies in the crate, else as it was written.
fn resolved(segments: Vec<String>, module: &[String]) -> Vec<String> {
    let ups = segments.iter().take_while(|segment| *segment == "super").count();
    let base = match segments[0].as_str() {
        "self" | "super" => &module[..module.len().saturating_sub(ups)],
        _ => return segments,
    };
    let own = segments.iter().skip_while(|segment| matches!(segment.as_str(), "self" | "super"));
    ["crate".to_owned()].iter().chain(base).chain(own).cloned().collect()
}
