//! The shape that a file must have, as the JSON Schema of the types that it is read into. Errors take from it which
//! keys there are, which values a key may have, and an example of one.

use serde_json::Value;

use super::place::{Path, Step};

/// The schemas of the value at one path: several, if it may have one of several forms.
pub struct Shape<'s> {
    root: &'s Value,
    forms: Vec<&'s Value>,
}

/// References that may lead to one another.
const MOST_HOPS: usize = 16;

impl<'s> Shape<'s> {
    /// Of a whole file.
    pub fn of(root: &'s Value) -> Shape<'s> {
        let mut shape = Shape { root, forms: Vec::new() };
        shape.add(root, MOST_HOPS);
        shape
    }

    /// Of the value at a path below.
    pub fn at(&self, path: &Path) -> Shape<'s> {
        path.0.iter().fold(Shape { root: self.root, forms: self.forms.clone() }, |shape, step| shape.step(step))
    }

    fn step(&self, step: &Step) -> Shape<'s> {
        let mut inner = Shape { root: self.root, forms: Vec::new() };
        for form in &self.forms {
            let found = match step {
                Step::Key(key) => {
                    form.get("properties").and_then(|all| all.get(key)).or_else(|| form.get("additionalProperties"))
                }
                Step::Index(_) => form.get("items"),
            };
            if let Some(found) = found {
                inner.add(found, MOST_HOPS);
            }
        }
        inner
    }

    /// Takes a schema in, with all that it refers to and all of its alternatives.
    fn add(&mut self, schema: &'s Value, hops: usize) {
        if hops == 0 {
            return;
        }
        let referred =
            schema.get("$ref").and_then(Value::as_str).and_then(|to| self.root.pointer(to.strip_prefix('#')?));
        if let Some(referred) = referred {
            self.add(referred, hops - 1);
        }
        for several in ["anyOf", "oneOf", "allOf"] {
            for one in schema.get(several).and_then(Value::as_array).into_iter().flatten() {
                self.add(one, hops - 1);
            }
        }
        if schema.as_object().is_some_and(|all| !all.is_empty()) {
            self.forms.push(schema);
        }
    }

    /// The keys that a table here may have.
    pub fn keys(&self) -> Vec<&'s str> {
        let mut keys = Vec::new();
        for form in &self.forms {
            let properties = form.get("properties").and_then(Value::as_object);
            keys.extend(properties.into_iter().flatten().map(|(key, _)| key.as_str()));
        }
        keys.dedup();
        keys
    }

    /// The words of which one must stand here; none if it may be any.
    pub fn words(&self) -> Vec<&'s str> {
        let mut words = Vec::new();
        for form in &self.forms {
            words.extend(form.get("const").and_then(Value::as_str));
            words.extend(form.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str));
        }
        words
    }

    /// A value of this type may stand here: `string`, `integer`, `boolean`, `array`, `object`.
    pub fn takes(&self, kind: &str) -> bool {
        self.forms.iter().any(|form| match form.get("type") {
            Some(Value::String(one)) => one == kind,
            Some(Value::Array(several)) => several.iter().any(|one| one == kind),
            _ => kind == "string" && !self.words().is_empty(),
        })
    }

    /// The value that may stand here, in words.
    pub fn wanted(&self) -> String {
        let mut wanted = Vec::new();
        let words = self.words();
        if words.is_empty() && self.takes("string") {
            wanted.push("a string".to_owned());
        }
        if self.takes("integer") {
            wanted.push(format!("a whole number{}", self.range()));
        }
        if self.takes("boolean") {
            wanted.push("`true` or `false`".to_owned());
        }
        if self.takes("array") {
            wanted.push("a list".to_owned());
        }
        if self.takes("object") {
            wanted.push("a table".to_owned());
        }
        if !words.is_empty() {
            wanted.push(format!("one of {}", words.join(", ")));
        }
        if wanted.is_empty() { "another value".to_owned() } else { wanted.join(" or ") }
    }

    fn range(&self) -> String {
        let bound = |key: &str| self.forms.iter().find_map(|form| form.get(key)).and_then(Value::as_f64);
        match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) => format!(" from {least} to {most}"),
            (Some(least), None) => format!(", {least} or more"),
            _ => String::new(),
        }
    }

    /// A value that may stand here, as TOML.
    pub fn example(&self) -> String {
        let examples = self.forms.iter().find_map(|form| form.get("examples").and_then(|all| all.get(0)));
        if let Some(example) = examples {
            return inline(example);
        }
        if let Some(word) = self.words().first() {
            return inline(&Value::from(*word));
        }
        let number = || self.forms.iter().find_map(|form| form.get("minimum")).map_or("1".to_owned(), inline);
        match () {
            () if self.takes("integer") => number(),
            () if self.takes("boolean") => "true".to_owned(),
            () if self.takes("array") => format!("[{}]", self.step(&Step::Index(0)).example()),
            () if self.takes("object") => self.table(),
            () => "\"…\"".to_owned(),
        }
    }

    /// A table with the keys that must be there.
    fn table(&self) -> String {
        let required = self.forms.iter().filter_map(|form| form.get("required").and_then(Value::as_array));
        let keys: Vec<&str> = required.flatten().filter_map(Value::as_str).collect();
        let pair = |key: &&str| format!("{key} = {}", self.step(&Step::Key((*key).to_owned())).example());
        let pairs: Vec<String> = keys.iter().map(pair).collect();
        if pairs.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", pairs.join(", ")) }
    }

    /// The paths of tables below that have such a key, as headers.
    pub fn homes(&self, key: &str) -> Vec<String> {
        let mut homes = Vec::new();
        for form in &self.forms {
            let properties = form.get("properties").and_then(Value::as_object);
            for (name, schema) in properties.into_iter().flatten() {
                let mut inner = Shape { root: self.root, forms: Vec::new() };
                inner.add(schema, MOST_HOPS);
                let items = inner.step(&Step::Index(0));
                if inner.keys().contains(&key) {
                    homes.push(format!("[{name}]"));
                } else if items.keys().contains(&key) {
                    homes.push(format!("[[{name}]]"));
                }
            }
        }
        homes
    }
}

/// A value of JSON, as a value of TOML on one line.
pub fn inline(value: &Value) -> String {
    match value {
        Value::Null => "\"\"".to_owned(),
        Value::Bool(is_so) => is_so.to_string(),
        Value::Number(number) => number.to_string(),
        // What has backslashes is read more easily in quotes that know none.
        Value::String(text) if text.contains('\\') && !text.contains(['\'', '\n']) => format!("'{text}'"),
        Value::String(text) => toml::Value::from(text.as_str()).to_string(),
        Value::Array(list) => format!("[{}]", list.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            let pairs: Vec<String> = table.iter().map(|(key, value)| format!("{key} = {}", inline(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}
