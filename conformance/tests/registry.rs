//! The registry of checks: complete, without doubles, and documented.
//!
//! `conformance/docs/checks.md` is generated from it; after a change write the page anew, and read the difference
//! before committing it:
//!
//! ```text
//! UPDATE_EXPECT=1 cargo test -p pghaspec --test registry
//! ```

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use pghaspec::history::describe;
use pghaspec::judge::checks::{self, Applies, Asked, Definition};
use pghaspec_model::vocabulary::property::Property;

/// Properties that are checked on the model only.
const OF_THE_MODEL: [Property; 1] = [Property::FailoverBound];

#[test]
fn every_property_and_every_check_stands_in_the_registry_once() {
    let ids: Vec<&str> = checks::ALL.iter().map(|check| check.id()).collect();
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
    for property in Property::ALL {
        assert_eq!(distinct.contains(property.id()), !OF_THE_MODEL.contains(&property), "{}", property.id());
    }
    for check in checks::ALL {
        assert_eq!(checks::find(check.id()).map(Definition::id), Some(check.id()));
        let id_is_plain = check.id().chars().all(|character| character.is_ascii_lowercase() || character == '-');
        assert!(id_is_plain && !check.says().is_empty() && !check.says().ends_with('.'), "{}", check.id());
        let of_the_folder = matches!(check.asked, Asked::OfTheFolder);
        assert_eq!(of_the_folder, matches!(check.applies, Applies::RunFolder), "{}", check.id());
    }
}

#[test]
fn a_check_that_is_misspelt_is_told_with_the_nearest() {
    for (written, nearest) in [
        ("one-writeable-leader", "one-writable-leader"),
        ("take-branch", "takes-branch"),
        ("allowed-by-model", "allowed-by-the-model"),
    ] {
        let why = checks::known(written).err().expect("there is no such check");
        assert_eq!(why, format!("there is no check `{written}`; the nearest is `{nearest}`"));
    }
    assert!(checks::known("leader").is_ok());
}

fn page() -> String {
    let mut text = "# Checks\n\n\
        Every check of the judge, in the order of the reports. `pghaspec list checks --json` prints the most of it.\n\n\
        *Needs* names the observers by whose events a check judges. Most checks are *inconclusive* where one of them\n\
        has a gap, unless they fail by what was seen; checks of the end of a run look at the end only. Failures on a\n\
        machine that starved the nodes are *inconclusive*: [`starved.rs`](../src/judge/excuses/starved.rs) says when.\n\
        From part to part of a long history all is carried that tells of gaps, and the events that a check names.\n"
        .to_owned();
    for check in checks::ALL {
        let needs: Vec<String> = check.needs.iter().map(|source| format!("`{}`", describe::source(*source))).collect();
        let asked = match check.asked {
            Asked::EachPart(_) => "of each part of a history",
            Asked::AtTheEnd(_) => "at the end of a history",
            Asked::Both(..) => "of each part of a history, and at its end",
            Asked::OfTheFolder => "of the run's folder",
        };
        let _ = write!(text, "\n## {}\n\n{}\n\n", check.id(), wrapped("", &format!("{}.", capital(check.says()))));
        let mut item = |indent: &str, words: &str| text.push_str(&(wrapped(&format!("{indent}* "), words) + "\n"));
        item("", &format!("applies to: {}, {}", check.agents.text(), check.applies.text()));
        let needs = if needs.is_empty() { "no observer in particular".to_owned() } else { needs.join(", ") };
        item("", &format!("needs: {needs}"));
        if !check.inconclusive.is_empty() {
            item("", &format!("inconclusive where {}", check.inconclusive));
        }
        item("", &format!("asked {asked}"));
        if !check.carries.is_empty() {
            item("", "carries from part to part:");
            check.carries.iter().for_each(|carry| item("  ", carry.says));
        }
    }
    text
}

/// Words behind a bullet, in lines of at most 120 columns.
fn wrapped(bullet: &str, words: &str) -> String {
    let mut lines = vec![bullet.to_owned()];
    for word in words.split(' ') {
        let last = lines.last_mut().expect("there is a line");
        let begins = last.len() == bullet.len();
        if !begins && last.len() + 1 + word.len() > 120 {
            lines.push(" ".repeat(bullet.len()) + word);
        } else {
            last.push_str(if begins { "" } else { " " });
            last.push_str(word);
        }
    }
    lines.join("\n")
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}

#[test]
fn the_page_of_checks_is_the_registry() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/checks.md");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(file.parent().expect("it is in a folder")).unwrap();
        std::fs::write(&file, page()).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_else(|error| format!("{error}"));
    assert!(written == page(), "docs/checks.md is not the registry; write it anew with UPDATE_EXPECT=1");
}
