//! The file of a scenario as it is written, and what is refused in it, each with its place and a remedy.

use std::path::Path;

use pghaspec_model::vocabulary::disturbance::Disturbance;
use schemars::JsonSchema;
use serde::Deserialize;

use super::profile::{self, PROFILES};
use super::{Action, Expect, Outage, Scenario, Settings, Step, Target, step, stress, words};
use crate::features;
use crate::input::{self, InputError, Source, shown, unknown};
use crate::rules;
use crate::untrusted::name;

/// Names that a scenario cannot have: the folder of a run has files and folders of these names.
const RESERVED: [&str; 11] = [
    "lock",
    "latest",
    "plan",
    "results",
    "junit",
    "report",
    "deviations",
    "templates",
    "logs",
    "evidence",
    "signature",
];

/// The name of the copy of a scenario in the folder of a run.
const COPY: &str = "scenario";

/// Most steps of a scenario: each waits for its event.
const MOST_STEPS: usize = 50;

/// Bytes of the longest title.
const TITLE: usize = 300;

/// A scenario: a cluster, the faults that it suffers and when, and the outcome that the specification demands.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Scenario")]
pub struct Written {
    /// One line for lists and reports.
    #[schemars(length(min = 1, max = 300), example = &"The leader's postmaster is killed")]
    title: String,
    /// The reason to run it.
    #[schemars(length(min = 1), example = &"The commonest crash of all.")]
    why: String,
    /// The profiles that it belongs to (`pghaspec list profiles`).
    #[schemars(schema_with = "words::profiles")]
    profiles: Vec<String>,
    /// Number of nodes; they are named `n1`, `n2`, …
    #[schemars(range(min = 1, max = 9), example = 2)]
    nodes: u32,
    /// Members of the DCS, 1 or 3.
    #[schemars(range(min = 1, max = 3), example = 3)]
    etcd: Option<u32>,
    /// Features that an agent must claim in its manifest, else the scenario is `unsupported`.
    #[serde(default)]
    #[schemars(schema_with = "features::schema")]
    needs: Vec<String>,
    /// Positions of rules without which no agent comes into this situation: else the scenario is `unsupported`.
    #[serde(default)]
    #[schemars(example = ["starts_crashed_primary: yes"])]
    rules: Vec<String>,
    /// Settings of the agent and its Postgres.
    settings: Settings,
    /// The steps, in their order.
    #[schemars(length(min = 1, max = 50))]
    step: Vec<step::Written>,
    /// The demands on the outcome.
    expect: Expect,
}

/// The scenario that is the text of a file.
pub(super) fn read(file: &Path, text: &str) -> Result<Scenario, InputError> {
    let written: Written = input::parse(file, text)?;
    let source = Source { file, text };
    let id = id_of(file)?;
    let wrong = |key: &str, problem: String, help: &str| Err(source.wrong(key, problem, help));
    for (key, words) in [("title", &written.title), ("why", &written.why)] {
        if words.trim().is_empty() {
            return wrong(key, "is empty".to_owned(), "write a sentence for whoever reads the report");
        }
    }
    if written.title.len() > TITLE || written.title.contains('\n') {
        return wrong("title", "is more than one line".to_owned(), "write one line; the head of the file has room");
    }
    check_names(source, &id, &written)?;
    let nodes = written.nodes;
    if !(1..=9).contains(&nodes) {
        return wrong("nodes", format!("{nodes} nodes are not possible"), "say a number from 1 to 9");
    }
    let etcd = written.etcd.unwrap_or(1);
    if ![1, 3].contains(&etcd) {
        return wrong("etcd", format!("etcd with {etcd} members is not made here"), "say 1 or 3");
    }
    let settings = written.settings;
    if let Err((key, problem, help)) = settings.check() {
        return wrong(&format!("settings.{key}"), problem, &help);
    }
    for (key, feature) in settings.features() {
        if !written.needs.iter().any(|need| need == feature) {
            let problem = format!("wants an agent that claims `{feature}`, and `needs` does not say so");
            let help = format!("write needs = [\"{feature}\"] at the head of the file");
            return wrong(&format!("settings.{key}"), problem, &help);
        }
    }
    let steps = checked_steps(source, written.step)?;
    check_fit(source, &steps, nodes, etcd, &settings)?;
    if let Some((key, problem, help)) = written.expect.trouble() {
        return wrong(&format!("expect{key}"), problem, &help);
    }
    Ok(Scenario {
        id,
        title: written.title,
        why: written.why,
        profiles: written.profiles,
        nodes,
        etcd,
        needs: written.needs,
        rules: written.rules,
        settings,
        steps,
        expect: written.expect,
    })
}

/// The name of the scenario in a file.
fn id_of(file: &Path) -> Result<String, InputError> {
    let id = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let problem = match name::trouble(&id) {
        Some(trouble) => Some(format!("the name `{}` {trouble}", shown(&id))),
        None if id.contains('.') => Some(format!("the name `{id}` holds a `.`")),
        None if RESERVED.contains(&id.to_ascii_lowercase().as_str()) => {
            Some(format!("no scenario can be named `{id}`: the folder of a run has a file or folder of that name"))
        }
        None => None,
    };
    match problem {
        Some(problem) => {
            Err(InputError::of_file(file, problem, "name the file after what happens, such as `leader-killed.toml`")
                .at_key("name of the file"))
        }
        None => Ok(id),
    }
}

/// Holds profiles, features and rules to those that there are.
fn check_names(source: Source<'_>, id: &str, written: &Written) -> Result<(), InputError> {
    let profiles: Vec<&str> = PROFILES.iter().map(|profile| profile.id).collect();
    if written.profiles.is_empty() {
        let help = format!("name at least one of: {}", profiles.join(", "));
        return Err(source.wrong("profiles", "is empty", help));
    }
    for (index, profile) in written.profiles.iter().enumerate() {
        let key = format!("profiles[{index}]");
        if profile::find(profile).is_none() {
            let help = format!("use one of: {}; `pghaspec list profiles` says what they are", profiles.join(", "));
            return Err(source.wrong(&key, unknown("profile", profile, profiles.iter().copied()), help));
        }
        if profile == profile::ALL || profile == profile::STRESS && id != COPY && !stress::is_drawn_or_smaller(id) {
            let problem = format!("nobody puts a scenario into `{profile}`");
            return Err(source.wrong(&key, problem, "leave it out: that profile finds its scenarios by itself"));
        }
    }
    for (index, need) in written.needs.iter().enumerate() {
        if let Some(problem) = features::trouble(need) {
            return Err(source.wrong(&format!("needs[{index}]"), problem, features::help()));
        }
    }
    for (index, rule) in written.rules.iter().enumerate() {
        if let Some(why) = rules::trouble(rule) {
            let help = "write it as `rule: position`, such as rules = [\"starts_crashed_primary: yes\"]";
            return Err(source.wrong(&format!("rules[{index}]"), why, help));
        }
    }
    let switch = |rule: &String| rule.split(':').next().unwrap_or_default().to_owned();
    for (key, names) in [
        ("profiles", written.profiles.clone()),
        ("needs", written.needs.clone()),
        ("rules", written.rules.iter().map(switch).collect()),
    ] {
        if let Some(index) = (1..names.len()).find(|index| names[..*index].contains(&names[*index])) {
            let problem = format!("`{}` stands twice", shown(&names[index]));
            return Err(source.wrong(&format!("{key}[{index}]"), problem, "keep one of the two"));
        }
    }
    Ok(())
}

fn checked_steps(source: Source<'_>, written: Vec<step::Written>) -> Result<Vec<Step>, InputError> {
    if written.is_empty() {
        return Err(source.wrong("step", "nothing is done to the cluster", "write a [[step]]"));
    }
    if written.len() > MOST_STEPS {
        let problem = format!("{} steps are more than {MOST_STEPS}", written.len());
        return Err(source.wrong("step", problem, "make several scenarios of it"));
    }
    let mut steps: Vec<Step> = Vec::new();
    for (index, step) in written.into_iter().enumerate() {
        match step.checked(&steps) {
            Ok(step) => {
                // A node that leads, or a standby, may be another one by then.
                let same = steps.last() == Some(&step) && step.when.is_none() && step.action != Action::Await;
                if same && matches!(step.target, Target::Etcd | Target::All | Target::FirstHit | Target::Remote) {
                    let problem = format!("{} is done to the same target by the step before", step.name());
                    return Err(source.wrong(&format!("step[{index}]"), problem, "leave one of the two out"));
                }
                steps.push(step);
            }
            Err((key, problem, help)) => {
                let key = if key.is_empty() { format!("step[{index}]") } else { format!("step[{index}].{key}") };
                return Err(source.wrong(&key, problem, help));
            }
        }
    }
    Ok(steps)
}

/// Holds the steps to the cluster.
fn check_fit(source: Source<'_>, steps: &[Step], nodes: u32, etcd: u32, settings: &Settings) -> Result<(), InputError> {
    for (index, step) in steps.iter().enumerate() {
        let needs_three = step.how.outage == Some(Outage::QuorumLoss)
            || step.action == Action::Disturbance(Disturbance::EtcdLeaderMoved);
        if etcd < 3 && needs_three {
            let problem = format!("{} is nothing for etcd with one member (step[{index}])", step.name());
            return Err(source.wrong("etcd", problem, "say etcd = 3 at the head of the file"));
        }
        if step.target == Target::Remote && !settings.standby_cluster {
            let problem = format!("{} is nothing for a cluster that follows nobody (step[{index}])", step.name());
            return Err(source.wrong("settings.standby_cluster", problem, "say standby_cluster = true"));
        }
        if nodes == 1 && step.names_another_node() {
            let problem = format!("there is one node, and step[{index}] names another one");
            return Err(source.wrong("nodes", problem, "say nodes = 2, or name `leader` or `first-hit`"));
        }
    }
    Ok(())
}
