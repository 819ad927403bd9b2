//! Errors of TOML's syntax in words that say how to mend the line.

use toml::de::Error;

use super::nearest::shown;
use super::{InputError, Source};

/// The error about a text that is no TOML.
pub fn explain(source: Source<'_>, error: &Error) -> InputError {
    let Source { file, text } = source;
    let span = error.span().unwrap_or(0..0);
    let start = (0..=span.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    // The end of a file is told after its last line.
    let start = if start == text.len() { text.trim_end().len() } else { start };
    let begins = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[begins..].lines().next().unwrap_or_default();
    if let Some((number, key)) = open_list(error.message(), &text[..begins], line) {
        let help = format!("close it: `{} = […]`", key.rsplit('.').next().unwrap_or(&key));
        return InputError::of_file(file, "a list or table that is not closed", help).at_line(number).at_key(key);
    }
    let number = text[..start].matches('\n').count() + 1;
    let (problem, help) = trouble(error.message(), text, line);
    let told = InputError::of_file(file, problem, help).at_line(number);
    match key_of(&text[..begins], line) {
        Some(key) => told.at_key(key),
        None => told,
    }
}

/// The line and the key of a list that was not closed before this line, which begins something else.
fn open_list(message: &str, before: &str, line: &str) -> Option<(usize, String)> {
    let about_lists = ["comma", "array", "inline table"].iter().any(|word| message.contains(word));
    let begins_anew =
        line.starts_with('[') || bare_key(line).is_some_and(|key| line.trim_start()[key.len()..].contains('='));
    if !about_lists || !begins_anew {
        return None;
    }
    let mut above = 0;
    let mut last = None;
    for (number, line) in before.split_inclusive('\n').enumerate() {
        if line.contains('=') {
            last = Some((number, above, line));
        }
        above += line.len();
    }
    let (number, above, last) = last?;
    let (_, value) = last.split_once('=')?;
    let is_open = value.trim_start().starts_with(['[', '{']) && !value.trim_end().ends_with([']', '}']);
    let key = key_of(&before[..above], last)?;
    is_open.then_some((number + 1, key))
}

/// The problem of a line, and its remedy.
fn trouble(message: &str, text: &str, line: &str) -> (String, String) {
    let key = bare_key(line).unwrap_or("key");
    let value = line.split_once(['=', ':']).map_or("", |(_, value)| value.trim());
    let is = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let say = |problem: &str, help: String| (problem.to_owned(), help);
    if text.trim_start().starts_with(['{', '<']) {
        return say("is no TOML", "write TOML: `key = value` lines and `[table]` headers".to_owned());
    }
    if text.trim_start().starts_with("---") {
        return say("is YAML, and no TOML", "write `key = value` where YAML has `key: value`".to_owned());
    }
    if line.contains(['“', '”', '„', '‘', '’', '`']) && !message.contains("duplicate") {
        return say("has typographic quotes", format!("write straight ones: `{key} = \"…\"`"));
    }
    if is(&["duplicate key"]) {
        let what = line.trim();
        let help = match what.starts_with('[') {
            true => "put all keys of the table below one header; several elements of a list have `[[…]]` headers",
            false => "keep one of the two lines",
        };
        return say("is written twice", help.to_owned());
    }
    if is(&["carriage return"]) {
        return say("has a carriage return inside of a line", "save it with newlines at the ends of lines".to_owned());
    }
    if is(&["assignment between", "key with no value"]) {
        let rest = line.trim_start().strip_prefix(key).unwrap_or_default().trim_start_matches([':', ' ', '\t']).trim();
        let help = match rest {
            _ if line.trim_start().starts_with('[') => "close the header with `]`, on a line of its own".to_owned(),
            "" => format!("write `{key} = \"…\"`"),
            whole if string_like(whole) || number_like(whole) || matches!(whole, "true" | "false") => {
                format!("write `{key} = {}`", shown(whole))
            }
            words => format!("write `{key} = \"{}\"`", shown(words)),
        };
        return say("a key without `=`", help);
    }
    let quotes = |quote: char| value.matches(quote).count() % 2 == 1;
    let string = is(&["basic string", "literal string", "invalid string", "string"]);
    if string && value.starts_with('"') && value.contains('\\') && !quotes('"') {
        let help = format!("write it in quotes that know no escapes: `{key} = '{}'`", shown(value.trim_matches('"')));
        return say("a `\\` with a letter that is no escape", help);
    }
    if value.starts_with(['"', '\'']) && (quotes('"') || quotes('\'')) {
        let quote = if value.starts_with('"') { '"' } else { '\'' };
        let inner = shown(value.trim_matches(quote));
        return say("a string that is not closed", format!("write `{key} = {quote}{inner}{quote}`"));
    }
    if is(&["must be quoted", "missing value", "invalid value", "value"]) && !value.is_empty() && !string_like(value) {
        let value = value.split('#').next().unwrap_or_default().trim();
        return match number_like(value) {
            true => say("a number that is none", format!("write digits only, such as `{key} = 20`")),
            false => say("a value without quotes", format!("write `{key} = \"{}\"`", shown(value))),
        };
    }
    if is(&["unexpected key or value", "unexpected content"]) {
        return say(
            "something stands after the value",
            format!("write one value: `{key} = …`, and what follows below"),
        );
    }
    if is(&["missing value"]) || line.trim_end().ends_with('=') {
        return say("a key without a value", format!("write `{key} = \"…\"`, or a number, or leave the line out"));
    }
    if is(&["unclosed table", "unclosed array table", "missing table open"]) {
        return say("a header that is not closed", "write `[table]`, or `[[table]]` for a list of them".to_owned());
    }
    if is(&["unclosed array", "missing array", "unclosed inline"]) {
        return say("a list or table that is not closed", format!("close it: `{key} = [\"…\", \"…\"]`"));
    }
    if is(&["comma"]) {
        return say("a comma is missing, or is one too many", format!("write `{key} = [\"…\", \"…\"]`"));
    }
    if is(&["leading zero", "radix", "number", "integer", "float", "sign", "`_`"]) {
        return say("a number that is none", format!("write digits only, such as `{key} = 20`"));
    }
    if is(&["recurs"]) {
        return say("is nested too deep", "no such file has more than a few levels".to_owned());
    }
    if is(&["key"]) {
        return say(
            "a key that is none",
            "keys have letters, digits, `-` and `_`; put others into quotes: `\"1.0\" = …`".to_owned(),
        );
    }
    (format!("is no TOML: {message}"), "write `key = value` lines and `[table]` headers; strings in quotes".to_owned())
}

fn string_like(value: &str) -> bool {
    value.starts_with(['"', '\'', '[', '{'])
}

fn number_like(value: &str) -> bool {
    value.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'))
        && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '+' | '-' | ','))
}

/// The key that a line begins with.
fn bare_key(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.')).unwrap_or(line.len());
    let key = &line[..end];
    (!key.is_empty() && key.len() < 100).then_some(key)
}

/// The path of the key of a line, below the last header before it.
fn key_of(before: &str, line: &str) -> Option<String> {
    let header = |line: &str| {
        let inner = line.trim().trim_start_matches('[');
        let inner = inner.split(']').next().unwrap_or_default().trim();
        (line.trim_start().starts_with('[') && !inner.is_empty()).then(|| shown(inner))
    };
    if let Some(table) = header(line) {
        return Some(table);
    }
    let key = bare_key(line)?;
    let Some(above) = before.lines().rev().find(|line| line.starts_with('[')) else { return Some(key.to_owned()) };
    let table = header(above)?;
    match above.starts_with("[[") {
        true => {
            let index = before.lines().filter(|line| line.trim() == above.trim()).count() - 1;
            Some(format!("{table}[{index}].{key}"))
        }
        false => Some(format!("{table}.{key}")),
    }
}
