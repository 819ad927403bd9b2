//! Errors of the TOML reader in words that say how to mend the file: the path of the key, the value that is wanted
//! there, and an example of it.

use serde_json::Value;
use toml::de::{DeTable, DeValue, Error};

use super::nearest::{nearest, shown};
use super::place::{Path, Place, Step, at, span_of};
use super::shape::Shape;
use super::{InputError, Source, syntax};

/// Most keys that an error lists.
const LISTED: usize = 40;

/// The error about a file that could not be read into the types of which `schema` is the shape.
pub fn explain(source: Source<'_>, error: &Error, schema: &Value) -> InputError {
    let (table, broken) = DeTable::parse_recoverable(source.text);
    if let Some(first) = broken.first() {
        return syntax::explain(source, first);
    }
    let shape = Shape::of(schema);
    let span = error.span().unwrap_or_default();
    let place = if span.is_empty() { None } else { at(table.get_ref(), &span) };
    let about = About { source, table: table.get_ref(), shape: &shape, message: error.message() };
    let path = place.as_ref().map_or_else(Path::default, |place| place.path.clone());
    let message = error.message();
    let told = if let Some(field) = within(message, "missing field `", "`") {
        about.missing(&path, field)
    } else if message.starts_with("unknown field") {
        about.unknown_key(&path)
    } else if let Some(place) = place {
        about.wrong_value(place)
    } else {
        InputError::of_file(source.file, message.to_owned(), "compare it with the documentation of the file")
    };
    match error.span().filter(|span| !span.is_empty() && told.line.is_none()) {
        Some(span) => told.at_span(source.text, span),
        None => told,
    }
}

/// The words between two others, at the beginning and at the end of a message.
fn within<'m>(message: &'m str, before: &str, after: &str) -> Option<&'m str> {
    message.strip_prefix(before)?.strip_suffix(after)
}

/// All that an error can be explained by.
struct About<'e> {
    source: Source<'e>,
    table: &'e DeTable<'e>,
    shape: &'e Shape<'e>,
    message: &'e str,
}

impl About<'_> {
    fn of(&self, path: &Path, problem: String, help: String) -> InputError {
        let error = InputError::of_file(self.source.file, problem, help).at_key(path.to_string());
        match span_of(self.table, path) {
            Some(span) if !span.is_empty() => error.at_span(self.source.text, span),
            _ => error,
        }
    }

    fn missing(&self, table: &Path, field: &str) -> InputError {
        let path = table.with(Step::Key(field.to_owned()));
        let example = self.shape.at(&path).example();
        let place = match (table.0.is_empty(), &table.0[..]) {
            (true, _) => "at the head of the file, before the first `[`".to_owned(),
            (false, [Step::Key(_)]) => format!("below `[{table}]`"),
            (false, [Step::Key(key), Step::Index(_)]) => format!("below that `[[{key}]]`"),
            _ => format!("in `{table}`"),
        };
        let example = match example.starts_with("{}") {
            true => format!("`[{path}]`"),
            false => format!("`{field} = {example}`"),
        };
        self.of(&path, "is missing".to_owned(), format!("write {example} {place}"))
    }

    fn unknown_key(&self, path: &Path) -> InputError {
        let key = path.last_key().unwrap_or_default().to_owned();
        let table = path.parent();
        let known = self.shape.at(&table).keys();
        let list: Vec<&str> = known.iter().copied().take(LISTED).collect();
        let list = format!("the keys here are {}", list.join(", "));
        let is_head = self.shape.at(&Path::default()).keys().contains(&key.as_str()) && !table.0.is_empty();
        let help = if let Some(name) = nearest(&key, known.iter().copied()) {
            format!("write `{name}`; {list}")
        } else if is_head {
            format!("move it to the head of the file, before the first `[`; {list}")
        } else if let Some(home) = self.shape.homes(&key).first() {
            format!("move it below `{home}`; {list}")
        } else {
            format!("leave it out; {list}")
        };
        self.of(path, "there is no such key".to_owned(), help)
    }

    fn wrong_value(&self, place: Place<'_, '_>) -> InputError {
        let Place { path, value } = place;
        let shape = self.shape.at(&path);
        let key = path.last_key().unwrap_or_default().to_owned();
        let raw = self.source.text.get(value.span()).unwrap_or_default();
        let words = shape.words();
        let written = match value.get_ref() {
            DeValue::String(word) => Some(word.to_string()),
            // Of several forms, one is a table with the word as its key.
            DeValue::Table(table) if table.len() == 1 => table.keys().next().map(|key| key.get_ref().to_string()),
            _ => None,
        };
        if let Some(word) = written.filter(|word| !words.is_empty() && !words.contains(&word.as_str())) {
            let near = nearest(&word, words.iter().copied());
            let problem = super::nearest::unknown("value", &word, words.iter().copied());
            let near = near.map_or(String::new(), |near| format!("write `{key} = \"{near}\"`; "));
            let tables = shape.keys();
            let tables = match tables.is_empty() {
                true => String::new(),
                false => format!("; or a table with one of the keys: {}", tables.join(", ")),
            };
            let help = format!("{near}use one of: {}{tables}", words.join(", "));
            return self.of(&path, problem, help);
        }
        let wanted = shape.wanted();
        let fits = shape.takes(kind(value.get_ref()).0);
        let (problem, said) = match value.get_ref() {
            DeValue::Integer(_) | DeValue::Float(_) if fits => {
                (format!("{} is out of range: {wanted} is wanted", shown(raw)), None)
            }
            // TOML's own reader says more about lists and tables than their types do.
            DeValue::Table(_) | DeValue::Array(_) if fits => (self.message.to_owned(), None),
            other => (format!("{}, where {wanted} is wanted", kind(other).1), mended(other, raw, &shape)),
        };
        // Of a list only its element may be wrong; it is the list that is written.
        let of_list = Path::parse(&key);
        let whole = path
            .0
            .iter()
            .rposition(|step| matches!(step, Step::Key(_)))
            .map_or(of_list, |last| Path(path.0[..=last].to_vec()));
        let example = said.unwrap_or_else(|| self.shape.at(&whole).example());
        let example = match path.0.last() {
            Some(Step::Index(_)) if !example.starts_with(['[', '{']) => format!("[{example}]"),
            _ => example,
        };
        self.of(&path, problem, format!("write `{key} = {example}`"))
    }
}

/// The type of a value, by its name in schemas and in words.
fn kind(value: &DeValue<'_>) -> (&'static str, &'static str) {
    match value {
        DeValue::String(_) => ("string", "a string"),
        DeValue::Integer(_) => ("integer", "a number"),
        DeValue::Float(_) => ("number", "a number with a fraction"),
        DeValue::Boolean(_) => ("boolean", "`true` or `false`"),
        DeValue::Datetime(_) => ("datetime", "a date or a time"),
        DeValue::Array(_) => ("array", "a list"),
        DeValue::Table(_) => ("object", "a table"),
    }
}

/// The value that was meant, if it can be told from the one that was written.
fn mended(value: &DeValue<'_>, raw: &str, shape: &Shape<'_>) -> Option<String> {
    if raw.len() > 80 || raw.contains('\n') {
        return None;
    }
    match value {
        DeValue::String(word) if shape.takes("integer") => {
            let digits: String = word.trim().chars().take_while(|c| c.is_ascii_digit()).collect();
            let unit = word.trim()[digits.len()..].trim();
            let is_unit = matches!(unit, "" | "s" | "sec" | "second" | "seconds");
            (is_unit && !digits.is_empty())
                .then(|| digits.trim_start_matches('0').to_owned())
                .filter(|it| !it.is_empty())
        }
        DeValue::String(word) if shape.takes("boolean") => match word.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some("true".to_owned()),
            "false" | "no" | "off" | "0" => Some("false".to_owned()),
            _ => None,
        },
        DeValue::Integer(_) if shape.takes("boolean") => match raw {
            "0" => Some("false".to_owned()),
            "1" => Some("true".to_owned()),
            _ => None,
        },
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_)
            if shape.takes("string") && shape.words().is_empty() =>
        {
            Some(format!("\"{raw}\""))
        }
        DeValue::String(_) if shape.takes("array") && shape.step_takes_a_string() => Some(format!("[{raw}]")),
        DeValue::Array(list) if list.len() == 1 && shape.takes(kind(list[0].get_ref()).0) => {
            raw.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map(|inner| inner.trim().to_owned())
        }
        _ => None,
    }
}

impl Shape<'_> {
    fn step_takes_a_string(&self) -> bool {
        self.at(&Path(vec![Step::Index(0)])).takes("string")
    }
}
