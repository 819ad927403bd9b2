//! The explanation of a release: the rules of an edition, with as few switches in another position as possible.

use pghaspec_model::rules::edition::{Edition, Rules};
use pghaspec_model::rules::switch::Switch;

use super::vector::{Ours, Vector};

/// The greatest number of switches in which a release may differ from the nearest edition.
const MOST: usize = 5;

/// A rule that is not as in the nearest edition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flip {
    /// The index of the switch among [`Switch::all`].
    switch: usize,
    /// Its position in the release.
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
    /// The editions whose rules these are, or are nearest to; the newest last.
    pub editions: Vec<Edition>,
    /// The switches that are not as in the last of these.
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

/// The nearest rules where none explain all runs: those of the edition that leaves the fewest runs unexplained, and
/// then, one after another, the switches that leave the fewest, as long as each leaves fewer. The runs that are left
/// show what the release does otherwise, not what its edition does.
pub fn nearest(runs: &[Vector]) -> Explanation {
    let left = |runs: &[&Vector], rules: &Rules| {
        let ours = Ours::new(*rules, None);
        runs.iter().filter(|run| run.compare(&ours).is_some()).count()
    };
    let all: Vec<&Vector> = runs.iter().collect();
    let editions = Edition::ALL.into_iter().filter(|edition| *edition != Edition::Ideal);
    let edition = editions.min_by_key(|edition| left(&all, &edition.rules())).expect("there are editions");
    let switches: Vec<Switch> = Switch::all().collect();
    let (mut rules, mut flips) = (edition.rules(), Vec::<Flip>::new());
    while flips.len() < MOST {
        // A switch that helps explains some of these runs. Only then is it tried on all others.
        let failing: Vec<&Vector> =
            all.iter().copied().filter(|run| run.compare(&Ours::new(rules, None)).is_some()).collect();
        let others = switches.iter().enumerate().flat_map(|(switch, of)| {
            let now = (of.position)(&rules);
            let positions = (0..of.positions.len()).filter(move |position| *position != now);
            positions.map(move |position| Flip { switch, position })
        });
        let turned = others.filter(|flip| flips.iter().all(|known| known.switch != flip.switch)).map(|flip| {
            let mut turned = rules;
            (switches[flip.switch].set)(&mut turned, flip.position);
            (flip, turned)
        });
        let helps = turned.filter(|(_, turned)| left(&failing, turned) < failing.len());
        let best = helps.map(|(flip, turned)| (left(&all, &turned), flip, turned)).min_by_key(|(left, ..)| *left);
        match best {
            Some((left, flip, turned)) if left < failing.len() => {
                flips.push(flip);
                rules = turned;
            }
            _ => break,
        }
    }
    flips.sort();
    Explanation { editions: vec![edition], flips, rules }
}

/// The number of runs that our functions do not explain, and the simplest of them.
pub fn unexplained<'r>(runs: &'r [Vector], ours: &Ours) -> (usize, Option<&'r Vector>) {
    let failing: Vec<&Vector> = runs.iter().filter(|run| run.compare(ours).is_some()).collect();
    let simplest = failing.iter().copied().min_by_key(|run| run.distance());
    (failing.len(), simplest)
}

/// The rules that no vector depends on, given all others: nothing is known of them.
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
    /// The indices of runs that refuted rules before: they are tried first.
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

    /// Tries all ways to flip `size` of the switches from the index `from` on.
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
