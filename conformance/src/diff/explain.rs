//! Which rules explain a release: an edition, or the fewest switches away from one.

use pghaspec_model::edition::{Edition, Rules};
use pghaspec_model::switch::Switch;

use super::vector::{Ours, Vector};

/// Most switches by which a release may differ from the nearest edition.
const MOST: usize = 5;

/// A rule that is not as in the nearest edition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flip {
    /// Place among [`Switch::all`].
    switch: usize,
    /// The position that it has instead.
    position: usize,
}

impl Flip {
    /// In words: the rule and its position.
    pub fn text(&self) -> String {
        let switch = Switch::all().nth(self.switch).expect("a flip is of a switch");
        format!("{}: {}", switch.id, switch.positions[self.position])
    }
}

/// Rules that explain a release.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The editions that do, or that are nearest; the newest last.
    pub editions: Vec<Edition>,
    /// Switches that are not as in the last of them.
    pub flips: Vec<Flip>,
    /// The rules themselves.
    pub rules: Rules,
}

/// The explanation of all runs with the fewest switches; nothing if there is none.
pub fn explain(runs: &[Vector]) -> Option<Explanation> {
    let editions: Vec<Edition> = Edition::ALL.into_iter().filter(|edition| *edition != Edition::Ideal).collect();
    let mut search = Search { runs, hard: Vec::new() };
    let whole: Vec<Edition> = editions.iter().copied().filter(|edition| search.holds(&edition.rules())).collect();
    if let Some(last) = whole.last() {
        return Some(Explanation { rules: last.rules(), editions: whole, flips: Vec::new() });
    }
    let switches: Vec<Switch> = Switch::all().collect();
    for size in 1..=MOST {
        for edition in &editions {
            let mut flips = Vec::new();
            if let Some(rules) = search.flip(&switches, 0, size, edition.rules(), &mut flips) {
                return Some(Explanation { editions: vec![*edition], flips, rules });
            }
        }
    }
    None
}

/// How many runs our functions do not explain, and the simplest of them.
pub fn unexplained<'r>(runs: &'r [Vector], ours: &Ours) -> (usize, Option<&'r Vector>) {
    let failing: Vec<&Vector> = runs.iter().filter(|run| run.compare(ours).is_some()).collect();
    let simplest = failing.iter().copied().min_by_key(|run| run.distance());
    (failing.len(), simplest)
}

/// Rules that no vector depends on, given all others: nothing is known of them.
pub fn undecided(runs: &[Vector], rules: &Rules) -> Vec<&'static str> {
    let refuted = |switch: &Switch, position: usize| {
        let mut other = *rules;
        (switch.set)(&mut other, position);
        let ours = Ours::new(other, None);
        runs.iter().any(|run| run.compare(&ours).is_some())
    };
    let decided = |switch: &Switch| {
        let now = (switch.position)(rules);
        (0..switch.positions.len()).filter(|position| *position != now).all(|position| refuted(switch, position))
    };
    Switch::all().filter(|switch| !decided(switch)).map(|switch| switch.id).collect()
}

struct Search<'r> {
    runs: &'r [Vector],
    /// Runs that refuted rules before: they are asked first.
    hard: Vec<usize>,
}

impl Search<'_> {
    fn holds(&mut self, rules: &Rules) -> bool {
        let ours = Ours::new(*rules, None);
        if self.hard.iter().any(|run| self.runs[*run].compare(&ours).is_some()) {
            return false;
        }
        match self.runs.iter().position(|run| run.compare(&ours).is_some()) {
            None => true,
            Some(run) => {
                self.hard.push(run);
                false
            }
        }
    }

    /// Tries all ways to flip so many of the switches from `from` on.
    fn flip(
        &mut self,
        switches: &[Switch],
        from: usize,
        size: usize,
        rules: Rules,
        flips: &mut Vec<Flip>,
    ) -> Option<Rules> {
        if size == 0 {
            return self.holds(&rules).then_some(rules);
        }
        for switch in from..switches.len() {
            let now = (switches[switch].position)(&rules);
            for position in (0..switches[switch].positions.len()).filter(|position| *position != now) {
                let mut flipped = rules;
                (switches[switch].set)(&mut flipped, position);
                flips.push(Flip { switch, position });
                if let Some(found) = self.flip(switches, switch + 1, size - 1, flipped, flips) {
                    return Some(found);
                }
                flips.pop();
            }
        }
        None
    }
}
