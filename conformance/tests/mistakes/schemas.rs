//! The schemas that `conformance/schemas/` holds for editors: written from the types that the program reads files into,
//! they accept every file of the fixtures, and refuse the mistakes that they can tell.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use pghaspec::{cli, fixtures, input};
use serde_json::Value;

use super::samples::{self, AGENT, DEVIATIONS, FAILED_BY, SCENARIO};
use super::{generated, scenario};

/// Words of a schema that hold nothing to anything.
const WORDS: [&str; 8] = ["$schema", "title", "description", "examples", "default", "format", "$defs", "deprecated"];

/// The first thing in a value that a schema refuses; nothing if it accepts it.
fn refused(root: &Value, schema: &Value, value: &Value, place: &str) -> Option<String> {
    let schema = match schema {
        Value::Bool(true) => return None,
        Value::Bool(false) => return Some(format!("{place}: nothing may stand here")),
        other => other.as_object().expect("a schema is a table"),
    };
    let no = |words: &str| Some(format!("{place}: {words}"));
    let any = |list: &Value, place: &str| {
        list.as_array().unwrap().iter().filter(|one| refused(root, one, value, place).is_none()).count()
    };
    for (keyword, says) in schema {
        let trouble = match keyword.as_str() {
            word if WORDS.contains(&word) => None,
            "$ref" => {
                let to = root.pointer(says.as_str().unwrap().trim_start_matches('#')).expect("it refers to something");
                refused(root, to, value, place)
            }
            "type" => {
                let is = |kind: &Value| match kind.as_str().unwrap() {
                    "string" => value.is_string(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "boolean" => value.is_boolean(),
                    "array" => value.is_array(),
                    "object" => value.is_object(),
                    "null" => value.is_null(),
                    other => panic!("the type {other}"),
                };
                let fits = says.as_array().map_or_else(|| is(says), |all| all.iter().any(is));
                if fits { None } else { no(&format!("is no {says}")) }
            }
            "enum" if !says.as_array().unwrap().contains(value) => no("is none of those"),
            "const" if says != value => no("is not that"),
            "enum" | "const" => None,
            "anyOf" | "oneOf" if any(says, place) == 0 => no("is none of the forms"),
            "anyOf" | "oneOf" => None,
            "allOf" if any(says, place) < says.as_array().unwrap().len() => no("is not all of the forms"),
            "allOf" => None,
            "minimum" | "maximum" => match (value.as_f64(), says.as_f64().unwrap()) {
                (Some(number), least) if keyword == "minimum" && number < least => no("is too small"),
                (Some(number), most) if keyword == "maximum" && number > most => no("is too large"),
                _ => None,
            },
            "minLength" | "maxLength" => {
                match (value.as_str().map(|text| text.chars().count()), says.as_u64().unwrap()) {
                    (Some(length), least) if keyword == "minLength" && (length as u64) < least => no("is too short"),
                    (Some(length), most) if keyword == "maxLength" && length as u64 > most => no("is too long"),
                    _ => None,
                }
            }
            "minItems" | "maxItems" => match (value.as_array().map(Vec::len), says.as_u64().unwrap()) {
                (Some(length), least) if keyword == "minItems" && (length as u64) < least => no("has too few"),
                (Some(length), most) if keyword == "maxItems" && length as u64 > most => no("has too many"),
                _ => None,
            },
            "pattern" => {
                let pattern = regex::Regex::new(says.as_str().unwrap()).unwrap();
                let fits = value.as_str().is_none_or(|text| pattern.is_match(text));
                if fits { None } else { no("does not fit the pattern") }
            }
            "required" => {
                let missing = |key: &&Value| value.is_object() && value.get(key.as_str().unwrap()).is_none();
                says.as_array().unwrap().iter().find(missing).and_then(|key| no(&format!("{key} is missing")))
            }
            "properties" => says
                .as_object()
                .unwrap()
                .iter()
                .find_map(|(key, schema)| refused(root, schema, value.get(key)?, &format!("{place}.{key}"))),
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                value.as_object().into_iter().flatten().find_map(|(key, inner)| {
                    let is_known = known.is_some_and(|known| known.contains_key(key));
                    if is_known { None } else { refused(root, says, inner, &format!("{place}.{key}")) }
                })
            }
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .enumerate()
                .find_map(|(index, inner)| refused(root, says, inner, &format!("{place}[{index}]"))),
            other => panic!("{place}: the schema says `{other}`, which this test does not know"),
        };
        if trouble.is_some() {
            return trouble;
        }
    }
    None
}

fn schema(name: &str) -> Value {
    cli::schemas().into_iter().find(|(file, _)| *file == name).unwrap().1
}

fn verdict(schema: &Value, text: &str) -> Option<String> {
    match toml::from_str::<toml::Table>(text) {
        Ok(table) => refused(schema, schema, &serde_json::to_value(table).unwrap(), ""),
        Err(error) => Some(error.to_string()),
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

#[test]
fn the_committed_schemas_are_those_of_the_program() {
    let mut named = BTreeSet::new();
    for (name, schema) in cli::schemas() {
        let file = folder().join(name);
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
            std::fs::create_dir_all(folder()).unwrap();
            std::fs::write(&file, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        let help = "help: UPDATE_EXPECT=1 cargo test -p pghaspec --test mistakes schemas";
        assert!(committed == text, "{} is not what is generated; {help}", file.display());
        named.insert(name.to_owned());
    }
    let there = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), named);
}

#[test]
fn the_schemas_accept_every_file_of_the_fixtures() {
    let mut count = 0;
    let mut accept = |schema: &Value, file: &Path| {
        let text = input::read(file).unwrap();
        assert_eq!(verdict(schema, &text), None, "{}", file.display());
        count += 1;
    };
    for entry in std::fs::read_dir(fixtures::scenarios()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            accept(&schema("scenario.json"), &path);
        }
    }
    let mut folders = vec![fixtures::agents()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.file_name().and_then(|name| name.to_str()) {
                _ if path.is_dir() => folders.push(path),
                Some("agent.toml") => accept(&schema("agent.json"), &path),
                Some("deviations.toml") => accept(&schema("deviations.json"), &path),
                _ => {}
            }
        }
    }
    accept(&schema("failed-by.json"), &fixtures::failed_by());
    assert!(count > 100, "{count}");
    for (name, text) in [
        ("agent.json", AGENT),
        ("scenario.json", SCENARIO),
        ("deviations.json", DEVIATIONS),
        ("failed-by.json", FAILED_BY),
    ] {
        assert_eq!(verdict(&schema(name), text), None, "{name}");
    }
}

/// Whatever a schema refuses, the program refuses; of what can be told without a look at other keys and files, the
/// schema refuses nearly all.
#[test]
fn the_schemas_refuse_what_the_program_refuses() {
    let folder = samples::folder();
    let (mut both, mut program_only) = (0, Vec::new());
    let mut compare = |name: &str, what: &str, text: &str, program: bool| match (verdict(&schema(name), text), program)
    {
        (Some(_), true) => both += 1,
        (None, true) => program_only.push(format!("{name}: {what}")),
        (Some(why), false) => panic!("{name}: {what} is accepted by the program, and not by the schema: {why}"),
        (None, false) => {}
    };
    for (what, text) in generated::mistakes(AGENT) {
        compare("agent.json", &what, &text, samples::agent(folder.path(), text.as_bytes()).is_err());
    }
    for (what, text) in generated::mistakes(SCENARIO) {
        compare("scenario.json", &what, &text, samples::scenario(&text).is_err());
    }
    for (what, text) in generated::mistakes(DEVIATIONS) {
        compare("deviations.json", &what, &text, samples::deviations(&text).is_err());
    }
    for (what, text) in generated::mistakes(FAILED_BY) {
        compare("failed-by.json", &what, &text, samples::failed_by(&text).is_err());
    }
    println!("{both} mistakes are refused by both, {} by the program only", program_only.len());
    println!("{}", program_only.join("\n"));
    assert!(both > 20 * program_only.len(), "{}", program_only.join("\n"));
    let (mut both, mut program_only) = (0, 0);
    for (from, to, _) in scenario::MISTAKES {
        match verdict(&schema("scenario.json"), &super::replaced(SCENARIO, from, to)) {
            Some(_) => both += 1,
            None => program_only += 1,
        }
    }
    println!("of mistakes in values of scenarios {both} are refused by both, {program_only} by the program only");
    assert!(both > program_only);
}
