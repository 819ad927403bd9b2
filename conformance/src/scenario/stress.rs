//! The profile `stress`: random walks of the model, turned into scenarios, so that the suite also has situations that
//! nobody thought of. The same seed gives the same scenarios, on every machine.

use std::fmt::Write;

use pghaspec_model::cluster::sight::Sight;
use pghaspec_model::cluster::{Action, Budget, Cluster, NodeId, Settings, State};
use pghaspec_model::derive::{Schedule, Step};
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::event::Process;
use pghaspec_model::vocabulary::fault::{Class, Fault, Faults};
use stateright::Model;

use super::catalogue;

/// The beginning of the names of drawn scenarios.
pub const PREFIX: &str = "stress-";

/// The most faults of a walk.
const MOST_FAULTS: u8 = 3;
/// The most steps of a walk; one that has not come to its last fault by then is begun again.
const MOST_STEPS: usize = 400;
/// One of so many steps is a fault, where both are possible.
const ONE_IN: u64 = 6;

fn drawn() -> Faults {
    Faults::of(&Fault::ALL.into_iter().filter(|fault| catalogue::is_drawn(*fault)).collect::<Vec<_>>())
}

/// Pseudorandom numbers, the same for the same seed (splitmix64 by Sebastiano Vigna).
struct Lot(u64);

impl Lot {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// A number below `limit`, which is far below 2^64.
    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// A scenario that was drawn: its name and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// `stress-<seed>-<number>`
    pub id: String,
    /// The file.
    pub text: String,
}

/// The scenarios `0..number` of a seed, by the rules of an edition.
pub fn draw(edition: Edition, seed: u64, number: usize) -> Vec<Drawn> {
    (0..number as u64).map(|index| draw_one(edition, seed, index)).collect()
}

/// The drawn scenario of that name; `None` if it is not the name of a drawn scenario.
pub fn draw_again(edition: Edition, id: &str) -> Option<Drawn> {
    let (seed, index) = seed_and_index(id)?;
    Some(draw_one(edition, seed, index))
}

/// Says whether it is the name of a drawn scenario.
pub fn is_drawn(id: &str) -> bool {
    seed_and_index(id).is_some()
}

/// Says whether it is the name of a drawn scenario, or of one that was made smaller.
pub(super) fn is_drawn_or_smaller(id: &str) -> bool {
    is_drawn(id.split("-smaller-").next().unwrap_or(id))
}

fn seed_and_index(id: &str) -> Option<(u64, u64)> {
    let (seed, index) = id.strip_prefix(PREFIX)?.split_once('-')?;
    Some((seed.parse().ok()?, index.parse().ok()?))
}

fn draw_one(edition: Edition, seed: u64, index: u64) -> Drawn {
    let id = format!("stress-{seed}-{index}");
    let schedule = walk(edition, &mut Lot(seed ^ index.wrapping_mul(0xA076_1D64_78BD_642F)));
    Drawn { text: text(&id, &schedule), id }
}

/// A walk with one to three faults, as the schedule that an observer outside can follow.
fn walk(edition: Edition, lot: &mut Lot) -> Schedule {
    let faults = 1 + lot.below(usize::from(MOST_FAULTS)) as u8;
    let budget = Budget { process: faults, task: faults, network: faults, ..Budget::NONE };
    let settings = Settings { faults: drawn(), watchdog: false, budget, ..Settings::of_timelines(edition, 2) };
    let cluster = Cluster::new(settings);
    loop {
        let inits = cluster.init_states();
        let init = inits[lot.below(inits.len())];
        let mut behaviour: Vec<(Action, State)> = Vec::new();
        let charged = |behaviour: &[(Action, State)]| {
            let is_charged =
                |action: &Action| matches!(action, Action::Fault(fault, _) if fault.class() != Class::Free);
            behaviour.iter().filter(|(action, _)| is_charged(action)).count()
        };
        while behaviour.len() < MOST_STEPS && charged(&behaviour) < usize::from(faults) {
            let state = behaviour.last().map_or(init, |(_, state)| *state);
            let steps = cluster.steps(&state);
            let is_fault = |(action, _): &(Action, State)| match action {
                Action::Fault(fault, _) => *fault != Fault::LeaseExpires,
                _ => false,
            };
            let (broken, ordinary): (Vec<_>, Vec<_>) = steps.into_iter().partition(is_fault);
            let breaks = !broken.is_empty() && (ordinary.is_empty() || lot.next().is_multiple_of(ONE_IN));
            let steps = if breaks { broken } else { ordinary };
            if steps.is_empty() {
                break;
            }
            behaviour.push(steps[lot.below(steps.len())]);
        }
        if charged(&behaviour) == usize::from(faults) {
            return Schedule::of(&cluster, &init, &behaviour);
        }
    }
}

/// The scenario's file. It demands nothing but what the specification says.
fn text(id: &str, schedule: &Schedule) -> String {
    let timeout = if schedule.start_timeout_is_zero { 0 } else { 300 };
    let mut text = format!(
        "# Drawn from the model, edition {}.\n\n\
        title = \"{id}: a random walk of the model\"\nwhy = \"Nobody thought of it.\"\n\
        profiles = [\"stress\"]\nnodes = {}\n\n\
        [settings]\nloop_wait_s = 1\nttl_s = 20\nretry_timeout_s = 3\nprimary_start_timeout_s = {timeout}\n",
        schedule.edition, schedule.nodes
    );
    let first = schedule.steps.first().and_then(|step| step.node.as_deref());
    for (index, step) in schedule.steps.iter().enumerate() {
        text += "\n[[step]]\n";
        if index > 0
            && let Some(when) = step.sight.and_then(|sight| when(sight, first))
        {
            _ = writeln!(text, "when = {when}");
        }
        _ = writeln!(text, "fault = \"{}\"\ntarget = \"{}\"", step.fault.id(), target(step, index, first));
    }
    text + "\n[expect]\n"
}

fn target(step: &Step, index: usize, first: Option<&str>) -> &'static str {
    match (step.fault, step.node.as_deref()) {
        (Fault::DcsDown | Fault::DcsUp, _) => "etcd",
        // There are two nodes: it does not matter which one is cut off.
        (_, None) => "leader",
        (_, Some(node)) if index > 0 && Some(node) == first => "first-hit",
        (_, Some(_)) if index > 0 && first.is_some() => "other",
        _ if step.target == "leader" => "leader",
        _ => "standby",
    }
}

/// The event in the words of scenarios; `None` if they have none for it.
fn when(sight: Sight, first: Option<&str>) -> Option<String> {
    if sight == Sight::LeaderKey(None) {
        return Some("\"leader-key-gone\"".to_owned());
    }
    // Nodes are told apart by the one that was hit first.
    let first = first?;
    let at = |id: NodeId| if format!("n{}", id + 1) == first { "first-hit" } else { "other" };
    let process = |process: Process| match process {
        Process::Postmaster => "postmaster",
        Process::SingleUser => "single-user",
        Process::PgRewind => "pg-rewind",
        Process::PgBasebackup => "pg-basebackup",
        Process::Agent => "agent",
    };
    Some(match sight {
        Sight::LeaderKey(Some(id)) if at(id) == "other" => "\"leader-elsewhere\"".to_owned(),
        Sight::Started(what, id) => {
            format!("{{ starts = {{ process = \"{}\", at = \"{}\" }} }}", process(what), at(id))
        }
        Sight::Exited(what, id) => format!("{{ ends = {{ process = \"{}\", at = \"{}\" }} }}", process(what), at(id)),
        Sight::Said(branch, id) => format!("{{ takes = {{ at = \"{}\", branch = \"{}\" }} }}", at(id), branch.id()),
        Sight::LeaderKey(_) | Sight::Fault(..) | Sight::RemoteFailover => return None,
    })
}

/// The scenarios with one step less, the last step left out first.
pub fn smaller(text: &str) -> Vec<String> {
    let Some((head, rest)) = text.split_once("[[step]]\n") else { return Vec::new() };
    let Some((steps, expect)) = rest.split_once("[expect]\n") else { return Vec::new() };
    let steps: Vec<&str> = steps.split("[[step]]\n").collect();
    if steps.len() < 2 {
        return Vec::new();
    }
    let without = |left_out: usize| {
        let kept = steps
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != left_out)
            .map(|(_, step)| format!("[[step]]\n{step}"));
        format!("{head}{}[expect]\n{expect}", kept.collect::<String>())
    };
    (0..steps.len()).rev().map(without).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::Scenario;

    #[test]
    fn the_same_seed_gives_the_same_scenarios() {
        let drawn = draw(Edition::V4_1, 7, 20);
        assert_eq!(drawn, draw(Edition::V4_1, 7, 20));
        assert_eq!(drawn[..5], draw(Edition::V4_1, 7, 5));
        assert_eq!(draw_again(Edition::V4_1, "stress-7-3").as_ref(), Some(&drawn[3]));
        assert_eq!(draw_again(Edition::V4_1, "leader-postmaster-killed"), None);
        assert_ne!(drawn[0].text.replace("stress-7", "stress-8"), draw(Edition::V4_1, 8, 1)[0].text);
        let different: std::collections::BTreeSet<_> =
            drawn.iter().map(|one| one.text.split_once("nodes").unwrap().1).collect();
        assert!(different.len() > 10, "{}", different.len());
    }

    #[test]
    fn what_is_drawn_is_a_scenario() {
        for seed in 0..40 {
            for drawn in draw(Edition::V4_1, seed, 5) {
                let scenario = Scenario::parse(Path::new(&format!("{}.toml", drawn.id)), &drawn.text)
                    .unwrap_or_else(|error| panic!("{error}\n{}", drawn.text));
                assert_eq!(scenario.id, drawn.id);
                Scenario::parse(Path::new("runs/1/stress-1-1/scenario.toml"), &drawn.text).unwrap();
                let smaller = smaller(&drawn.text);
                assert_eq!(smaller.len(), if scenario.steps.len() > 1 { scenario.steps.len() } else { 0 });
            }
        }
    }

    #[test]
    fn the_smaller_ones_lack_one_step() {
        let text = "nodes = 2\n\n[[step]]\na\n\n[[step]]\nb\n\n[expect]\n";
        assert_eq!(smaller(text), ["nodes = 2\n\n[[step]]\na\n\n[expect]\n", "nodes = 2\n\n[[step]]\nb\n\n[expect]\n"]);
        assert!(smaller("nodes = 2\n\n[[step]]\na\n\n[expect]\n").is_empty());
    }
}
