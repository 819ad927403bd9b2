//! Differences between what a document says and what the evidence says, in words, each with its place.

use serde_json::Value;

/// Most differences that are told one by one.
const MOST: usize = 40;

/// Most characters of a value that are told.
const LONGEST: usize = 200;

/// The places in which a document differs from what the evidence says, a line each.
pub fn differences(claimed: &Value, found: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", Some(claimed), Some(found), &mut lines);
    if lines.len() > MOST {
        let more = lines.len() - MOST;
        lines.truncate(MOST);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn compare(place: &str, claimed: Option<&Value>, found: Option<&Value>, lines: &mut Vec<String>) {
    let below = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    match (claimed, found) {
        (Some(claimed), Some(found)) if claimed == found => {}
        (Some(Value::Object(claimed)), Some(Value::Object(found))) => {
            let others = found.keys().filter(|key| !claimed.contains_key(*key));
            for key in claimed.keys().chain(others) {
                compare(&below(key), claimed.get(key), found.get(key), lines);
            }
        }
        (Some(Value::Array(claimed)), Some(Value::Array(found))) => {
            // What has a name is compared with what has the same name.
            let name = |value: &Value| Some(value.get("id")?.as_str()?.to_owned());
            if claimed.iter().chain(found).all(|one| name(one).is_some()) {
                let of = |all: &[Value], id: &str| all.iter().find(|one| name(one).as_deref() == Some(id)).cloned();
                for id in claimed.iter().chain(found).filter_map(name).collect::<std::collections::BTreeSet<_>>() {
                    compare(&below(&id), of(claimed, &id).as_ref(), of(found, &id).as_ref(), lines);
                }
                if lines.is_empty() {
                    lines.push(format!("{place}: not in the order of the evidence, or doubled"));
                }
                return;
            }
            for index in 0..claimed.len().max(found.len()) {
                compare(&below(&index.to_string()), claimed.get(index), found.get(index), lines);
            }
        }
        _ => lines.push(format!("{place}: says {}, and the evidence says {}", words(claimed), words(found))),
    }
}

fn words(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_has_a_place() {
        let claimed = json!({"verdict": "pass", "scenarios": [{"id": "a", "seconds": 1}], "n": [1, 2]});
        let found = json!({"verdict": "fail", "scenarios": [{"id": "b"}, {"id": "a", "seconds": 2}], "n": [1]});
        assert_eq!(
            differences(&claimed, &found),
            [
                "n.1: says 2, and the evidence says nothing",
                "scenarios.a.seconds: says 1, and the evidence says 2",
                "scenarios.b: says nothing, and the evidence says {\"id\":\"b\"}",
                "verdict: says pass, and the evidence says fail",
            ]
        );
        let doubled = json!([{"id": "a"}, {"id": "a"}]);
        assert_eq!(differences(&doubled, &json!([{"id": "a"}])).len(), 1);
        let many: Value = (0..100).map(|_| 1).collect();
        assert_eq!(differences(&many, &json!([])).len(), MOST + 1);
    }
}
