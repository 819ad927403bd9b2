//! The places of keys in a TOML file: the path at a span of its text, and the span of a path.
//!
//! Errors name a key and a line. Whoever checks values knows the key, and TOML's own errors know the span.

use std::fmt;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A step of a path: into a table, or into a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The key of a table.
    Key(String),
    /// The place in a list, from 0.
    Index(usize),
}

/// The path of a value, such as `says[2].pattern`; the empty path is the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(pub Vec<Step>);

/// A value of a file with its path.
#[derive(Clone, Debug)]
pub struct Place<'d, 't> {
    /// Its path.
    pub path: Path,
    /// The value.
    pub value: &'d Spanned<DeValue<'t>>,
}

impl Path {
    /// The path as error texts write it.
    ///
    /// Blanks around keys count, and a key with other characters than letters, digits, `-` and `_` stands in quotes.
    pub fn parse(text: &str) -> Path {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            if let Some((index, after)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
                steps.extend(index.parse().ok().map(Step::Index));
                rest = after;
            } else if let Some((key, after)) = rest.strip_prefix('"').and_then(|inner| inner.split_once('"')) {
                steps.push(Step::Key(key.to_owned()));
                rest = after;
            } else {
                let end = rest.find(['.', '[']).unwrap_or(rest.len()).max(1).min(rest.len());
                let end = (end..=rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
                steps.push(Step::Key(rest[..end].to_owned()));
                rest = &rest[end..];
            }
        }
        Path(steps)
    }

    /// The path of something in it.
    pub fn with(&self, step: Step) -> Path {
        Path(self.0.iter().cloned().chain([step]).collect())
    }

    /// The last key in it.
    pub fn last_key(&self) -> Option<&str> {
        self.0.iter().rev().find_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) => None,
        })
    }

    /// The path of what holds it; of the file, the file.
    pub fn parent(&self) -> Path {
        Path(self.0[..self.0.len().saturating_sub(1)].to_vec())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(out, "[{index}]")?,
                Step::Key(key) => {
                    let dot = if place > 0 { "." } else { "" };
                    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
                    let quote = if !key.is_empty() && key.chars().all(bare) { "" } else { "\"" };
                    write!(out, "{dot}{quote}{}{quote}", super::shown(key))?;
                }
            }
        }
        Ok(())
    }
}

/// The innermost key or value around a span.
pub fn at<'d, 't>(table: &'d DeTable<'t>, span: &Range<usize>) -> Option<Place<'d, 't>> {
    let mut best: Option<(usize, Place)> = None;
    in_table(table, &Path::default(), &mut |spans, place| {
        for around in spans {
            if around.start <= span.start && span.end <= around.end && !around.is_empty() {
                let size = around.len();
                if best.as_ref().is_none_or(|(smallest, _)| size < *smallest) {
                    best = Some((size, place.clone()));
                }
            }
        }
    });
    best.map(|(_, place)| place)
}

fn in_table<'d, 't>(table: &'d DeTable<'t>, path: &Path, see: &mut impl FnMut([Range<usize>; 2], Place<'d, 't>)) {
    for (key, value) in table {
        let path = path.with(Step::Key(key.get_ref().clone().into_owned()));
        see([key.span(), value.span()], Place { path: path.clone(), value });
        in_value(value, &path, see);
    }
}

fn in_value<'d, 't>(
    value: &'d Spanned<DeValue<'t>>,
    path: &Path,
    see: &mut impl FnMut([Range<usize>; 2], Place<'d, 't>),
) {
    match value.get_ref() {
        DeValue::Table(table) => in_table(table, path, see),
        DeValue::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                let path = path.with(Step::Index(index));
                see([value.span(), value.span()], Place { path: path.clone(), value });
                in_value(value, &path, see);
            }
        }
        _ => {}
    }
}

/// The span of the value at a path, or of the innermost that is there and holds it.
pub fn span_of(table: &DeTable<'_>, path: &Path) -> Option<Range<usize>> {
    let mut steps = path.0.iter();
    let mut value = match steps.next()? {
        Step::Key(key) => table.get(key.as_str())?,
        Step::Index(_) => return None,
    };
    for step in steps {
        let inner = match (value.get_ref(), step) {
            (DeValue::Table(table), Step::Key(key)) => table.get(key.as_str()),
            (DeValue::Array(list), Step::Index(index)) => list.get(*index),
            _ => None,
        };
        match inner {
            Some(inner) => value = inner,
            None => break,
        }
    }
    Some(value.span())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a = 1\n[t]\nb = [1, { c = 'x' }]\n[[l]]\nd = 1\n[[l]]\nd = 2\n[t.\"x: y\"]\ne = 3\n";

    #[test]
    fn a_span_has_a_path_and_a_path_a_span() {
        let table = DeTable::parse(TEXT).unwrap();
        let table = table.get_ref();
        for (path, text) in [
            ("a", "1"),
            ("t.b[1].c", "'x'"),
            ("t.b[0]", "1"),
            ("l[1].d", "2"),
            ("t.\"x: y\".e", "3"),
            ("t", "[t]"),
            ("l[1]", "[[l]]"),
        ] {
            let parsed = Path::parse(path);
            assert_eq!(parsed.to_string(), path);
            let span = span_of(table, &parsed).unwrap();
            assert_eq!(&TEXT[span.clone()], text, "{path}");
            assert_eq!(at(table, &span).unwrap().path, parsed);
        }
        // Of what is not there, the table in which it would be.
        assert_eq!(&TEXT[span_of(table, &Path::parse("t.b[1].z")).unwrap()], "{ c = 'x' }");
        assert_eq!(span_of(table, &Path::parse("z")), None);
        let key = TEXT.find("c =").unwrap();
        assert_eq!(at(table, &(key..key + 1)).unwrap().path.to_string(), "t.b[1].c");
    }

    #[test]
    fn odd_paths_are_no_trouble() {
        for odd in ["", ".", "..", "[", "]", "\"", "a..b", "ü.ö", "[x]", "é["] {
            let _ = Path::parse(odd);
        }
    }
}
