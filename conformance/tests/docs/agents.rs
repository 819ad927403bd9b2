//! The contract of an agent, as it is written down, is the one that the program holds an agent to.

use std::collections::BTreeSet;

use pghaspec::known::deviations::Deviations;
use pghaspec::manifest::{Manifest, VARIABLES};

use super::markdown::{fences, root, rows};
use super::read;

const FILE: &str = "conformance/docs/agents.md";

#[test]
fn the_manifest_that_is_shown_can_be_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("agent.toml");
    let mut seen = 0;
    for document in ["README.md", FILE] {
        for fence in fences(&read(document)).into_iter().filter(|fence| fence.info == "toml") {
            if fence.text.contains("[[deviation]]") {
                let deviations = folder.path().join("deviations.toml");
                std::fs::write(&deviations, &fence.text).unwrap();
                let read = Deviations::read(&deviations).unwrap_or_else(|error| panic!("{document}: {error}"));
                assert_eq!(read.scenarios().count(), 1);
                continue;
            }
            assert_eq!(fence.text.lines().count(), 10, "{document}");
            std::fs::write(&file, &fence.text).unwrap();
            std::fs::write(folder.path().join("my-agent.yml"), "name: {{name}}\n").unwrap();
            let manifest = Manifest::load(file.to_str().unwrap()).unwrap_or_else(|error| panic!("{document}: {error}"));
            assert_eq!(manifest.image, "my-agent:1.0.0");
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
}

#[test]
fn every_template_variable_is_told() {
    let text = read(FILE);
    for variable in VARIABLES {
        assert!(rows(&text).iter().any(|row| row[0].contains(&format!("`{variable}`"))), "{variable} has no row");
    }
}

/// Keys of the committed manifests stand in the table, and features that they claim.
#[test]
fn the_mend_of_the_tutorial_is_that_of_its_agent() {
    let mend = std::fs::read_to_string(root().join("fixtures/agents/shell/fence.sh")).unwrap();
    let (_, mend) = mend.split_once("\n\n").unwrap();
    let shown = fences(&read("conformance/docs/tutorial.md"));
    assert!(shown.iter().any(|fence| fence.info == "shell" && fence.text == mend), "{mend}");
}

#[test]
fn every_manifest_key_is_told() {
    let text = read(FILE);
    let table: BTreeSet<String> = rows(&text)
        .iter()
        .filter(|row| row.len() == 3)
        .flat_map(|row| row[0].split(['`', ',', ' ']))
        .map(|word| word.trim_matches(['[', ']']).to_owned())
        .collect();
    for agent in Manifest::all().unwrap() {
        let file = root().join(format!("fixtures/agents/{}/agent.toml", agent.name));
        let keys: toml::Table = std::fs::read_to_string(&file).unwrap().parse().unwrap();
        for key in keys.keys() {
            assert!(table.contains(key), "{}: `{key}` has no row in {FILE}", agent.name);
        }
        for feature in &agent.features {
            assert!(text.contains(&format!("`{feature}`")), "{feature}");
        }
    }
}
