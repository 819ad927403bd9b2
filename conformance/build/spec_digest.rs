//! The digest of the specification: of its rules as the compiler reads them. A mended comment or a line that is wrapped
//! in another place leaves it as it is, and so do the engine and all that searches, derives and renders; a changed rule
//! does not.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use sha2::{Digest, Sha256};

/// The folders and files of `model/src` that are the specification: `recover()` and its dialogue, the rules of each
/// edition, the words (events, faults, properties) with the macro that declares them, and the cluster around them.
pub const FOLDERS: [&str; 5] = ["cluster", "recover", "rules", "vocabulary", "vocabulary_macro.rs"];

/// SHA-256 of all files in these folders below `root`, in hexadecimal digits: of each file, by path, its path and its
/// content. The content of a Rust source is its tokens, without comments, doc comments, and modules of tests.
///
/// # Errors
/// A folder or file cannot be read, or a Rust source is none.
pub fn of(root: &Path, folders: &[&str]) -> Result<String, String> {
    let mut files = Vec::new();
    for folder in folders {
        collect(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut digest = Sha256::new();
    for file in &files {
        let path = file.strip_prefix(root).expect("files are below their root");
        let path = path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        put(&mut digest, 'f', &path);
        let content = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        if file.extension().is_some_and(|extension| extension == "rs") {
            let text = String::from_utf8(content).map_err(|error| format!("{}: {error}", file.display()))?;
            let tokens = text.parse::<TokenStream>();
            let tokens = tokens.map_err(|error| format!("{}: is no Rust source: {error}", file.display()))?;
            put_tokens(&mut digest, tokens);
        } else {
            put(&mut digest, 'b', "");
            digest.update(&content);
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    if folder.is_file() {
        files.push(folder.to_path_buf());
        return Ok(());
    }
    let unreadable = |error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// Adds a piece, told apart from all others by its kind and its length.
fn put(digest: &mut Sha256, kind: char, text: &str) {
    digest.update(format!("{kind}{} {text}", text.len()));
}

fn put_tokens(digest: &mut Sha256, tokens: TokenStream) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut rest = &tokens[..];
    loop {
        rest = match rest {
            [] => return,
            // `//!`, read as `#![doc = …]`, and `///`, read as `#[doc = …]`
            [hash, bang, doc, rest @ ..] if is_mark(hash, '#') && is_mark(bang, '!') && is_doc(doc) => rest,
            [hash, doc, rest @ ..] if is_mark(hash, '#') && is_doc(doc) => rest,
            // `#[cfg(test)] mod tests …`
            [hash, cfg, module, _, body, rest @ ..]
                if is_mark(hash, '#') && is_for_tests(cfg) && is_name(module, "mod") && is_body(body) =>
            {
                rest
            }
            [token, rest @ ..] => {
                put_token(digest, token);
                rest
            }
        }
    }
}

fn put_token(digest: &mut Sha256, token: &TokenTree) {
    match token {
        TokenTree::Ident(name) => put(digest, 'i', &name.to_string()),
        TokenTree::Literal(value) => put(digest, 'l', &value.to_string()),
        TokenTree::Punct(mark) => {
            let joint = mark.spacing() == Spacing::Joint;
            put(digest, if joint { 'j' } else { 'p' }, &mark.as_char().to_string());
        }
        TokenTree::Group(group) => {
            let (open, close) = match group.delimiter() {
                Delimiter::Parenthesis => ("(", ")"),
                Delimiter::Brace => ("{", "}"),
                Delimiter::Bracket => ("[", "]"),
                Delimiter::None => ("", ""),
            };
            put(digest, 'g', open);
            put_tokens(digest, group.stream());
            put(digest, 'g', close);
        }
    }
}

fn is_mark(token: &TokenTree, mark: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == mark)
}

fn is_name(token: &TokenTree, name: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == name)
}

/// The braces of a module, or its semicolon.
fn is_body(token: &TokenTree) -> bool {
    is_mark(token, ';') || matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// `[doc = …]`
fn is_doc(token: &TokenTree) -> bool {
    let inside = inside_brackets(token);
    matches!(&inside[..], [doc, equals, ..] if is_name(doc, "doc") && is_mark(equals, '='))
}

/// `[cfg(test)]`
fn is_for_tests(token: &TokenTree) -> bool {
    let inside = inside_brackets(token);
    matches!(&inside[..], [cfg, test] if is_name(cfg, "cfg") && test.to_string() == "(test)")
}

fn inside_brackets(token: &TokenTree) -> Vec<TokenTree> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => group.stream().into_iter().collect(),
        _ => Vec::new(),
    }
}
