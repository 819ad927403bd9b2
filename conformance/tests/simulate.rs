//! The judge accepts what the model does, and refuses, by the name of the broken rule, what mutants do.
//!
//! The full numbers: `cargo test --release -p pghaspec --test simulate -- --ignored --nocapture`

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pghaspec::history::parts::{PART, Recording};
use pghaspec::history::{Before, History};
use pghaspec::judge::{Check, Judgement, Verdict, allowed, judge_recording};
use pghaspec::simulate::{Distinction, Simulated, Simulation};
use pghaspec_model::belief::Choices;
use pghaspec_model::cluster::{Settings, StartTimeouts};
use pghaspec_model::mutants::Mutant;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::verify::assumption::Assumption;
use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Run};
use pghaspec_model::vocabulary::property::Property;

fn judged(events: Vec<Event>, edition: Edition) -> Check {
    let Kind::Run(run) = &events[0].kind else { panic!("a history begins with its run") };
    allowed(&History { run: Run::clone(run), events, cut_off: false, before: Before::default() }, edition)
}

/// Does the same for each, on all cores.
fn in_parallel<T: Sync, R: Send>(of: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |threads| threads.get()) {
            scope.spawn(|| {
                while let Some(item) = of.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = work(item);
                    done.lock().unwrap().push(result);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

/// A behaviour in which agents only look around has nothing to be judged.
fn something_happens(events: &[Event]) -> bool {
    let changes = |event: &&Event| !matches!(event.kind, Kind::Run(_) | Kind::Phase { .. } | Kind::Server { .. });
    // The first is the leader key that there was.
    events.iter().filter(changes).count() > 1
}

/// So many behaviours of each edition, under every assumption in turn.
fn editions_are_accepted(count: u64) {
    let every = Edition::ALL.into_iter().flat_map(|edition| Assumption::ALL.map(|assumption| (edition, assumption)));
    let every: Vec<_> = every.collect();
    let each = count.div_ceil(Assumption::ALL.len() as u64);
    in_parallel(&every, |(edition, assumption)| {
        let simulation = Simulation::new(assumption.settings(*edition)).with_breaches();
        let mut seeds = 0_u64..;
        let mut next = || loop {
            let seed = seeds.next().expect("seeds do not end");
            let events = simulation.history(seed, 20 + (seed % 50) as usize);
            if something_happens(&events) {
                return (seed, events);
            }
        };
        for _ in 0..each {
            let (seed, events) = next();
            let check = judged(events, *edition);
            assert_eq!(check.verdict, Verdict::Pass, "{} {} seed {seed}: {check:#?}", edition.id(), assumption.id());
        }
    });
    println!("{} behaviours of each of {} editions accepted", each * Assumption::ALL.len() as u64, Edition::ALL.len());
}

#[test]
fn the_judge_accepts_what_editions_do() {
    editions_are_accepted(54);
}

#[test]
#[ignore = "minutes"]
fn the_judge_accepts_ten_thousand_behaviours_of_each_edition() {
    editions_are_accepted(10_000);
}

/// A simulated behaviour, judged as `pghaspec judge` does: read from its text, and held to every check.
fn judged_whole(simulated: &Simulated, edition: Edition) -> Result<Judgement, String> {
    let lines = simulated.history.iter().map(|event| serde_json::to_string(event).unwrap() + "\n");
    let recording = Recording::parse(lines.collect::<String>().into_bytes(), PART);
    let recording = recording.map_err(|problem| format!("refused: {problem:?}"))?;
    let judged = judge_recording(&recording, edition, None).map_err(|problem| format!("not judged: {problem:?}"))?;
    Ok(judged.judgement)
}

/// The complaint about a judgement that does an edition wrong: a property that is not broken fails, or the model does
/// not explain its own behaviour.
fn wronged(simulated: &Simulated, edition: Edition) -> Option<String> {
    let judgement = match judged_whole(simulated, edition) {
        Ok(judgement) => judgement,
        Err(problem) => return Some(problem),
    };
    let wrongs = |check: &Check| match check.verdict {
        Verdict::Fail => Property::from_id(&check.id).is_none_or(|property| !simulated.broken.contains(&property)),
        Verdict::Error => true,
        _ => check.id == "allowed-by-the-model" && check.verdict != Verdict::Pass && !check.why.starts_with("nothing"),
    };
    let wrong = judgement.checks.iter().find(|check| wrongs(check))?;
    Some(format!("{}: {}", wrong.id, wrong.why))
}

/// The model of a seed: each edition, under the usual settings or an assumption, with two nodes or three.
fn model_of(seed: u64) -> (Edition, Settings, String) {
    let edition = Edition::ALL[(seed % 7) as usize];
    let nodes = 2 + (seed / 7 % 2) as u8;
    match Assumption::ALL.get((seed / 14 % 20) as usize) {
        None => (edition, Settings::new(edition, nodes), format!("{} with {nodes} nodes", edition.id())),
        Some(assumption) => {
            let settings = Settings { nodes, ..assumption.settings(edition) };
            (edition, settings, format!("{} under {} with {nodes} nodes", edition.id(), assumption.id()))
        }
    }
}

/// Behaviours of these seeds and numbers of steps are judged rightly: those of the usual settings, the honest ones of
/// each model, and all others as well.
fn are_judged_rightly(walks: &[(u64, usize)]) {
    let wrongs = in_parallel(walks, |&(seed, steps)| {
        let began = std::time::Instant::now();
        let usual = (Edition::V4_1, Settings::new(Edition::V4_1, 2), "4.1".to_owned());
        let mut wrongs = Vec::new();
        for (edition, settings, name) in [usual, model_of(seed)] {
            let honest = Simulation::new(settings);
            let simulated = honest.walk(seed, steps);
            assert!(simulated.broken.is_empty(), "{name}, seed {seed}: {:?}", simulated.broken);
            assert_eq!(simulated.steps, steps, "{name}, seed {seed}");
            wrongs.extend(wronged(&simulated, edition).map(|why| format!("{name}, seed {seed}, {steps} steps: {why}")));
            let simulated = honest.with_breaches().walk(seed, steps);
            let why = wronged(&simulated, edition);
            wrongs.extend(why.map(|why| format!("{name} with breaches, seed {seed}, {steps} steps: {why}")));
        }
        (wrongs, began.elapsed())
    });
    let slowest = wrongs.iter().map(|(_, time)| *time).max().unwrap_or_default();
    let wrongs: Vec<&String> = wrongs.iter().flat_map(|(wrongs, _)| wrongs).collect();
    println!("{} walks, four behaviours each: {} judged wrongly; slowest {slowest:?}", walks.len(), wrongs.len());
    for wrong in &wrongs {
        println!("{wrong}");
    }
    assert!(wrongs.is_empty(), "{} are judged wrongly, such as {}", wrongs.len(), wrongs[0]);
}

#[test]
fn long_behaviours_of_editions_are_judged_rightly() {
    let long = (0..40).map(|seed| (seed, 800));
    are_judged_rightly(&long.chain((100..104).map(|seed| (seed, 2_000))).collect::<Vec<_>>());
}

/// Recovery in single-user mode writes WAL of its own, also where a standby crashed: then nobody knows who diverged.
#[test]
fn a_rewind_after_recovery_in_single_user_mode_is_not_called_needless() {
    are_judged_rightly(&[(36, 172), (175, 337), (182, 470), (316, 1_266), (361, 358)]);
}

#[test]
#[ignore = "minutes"]
fn a_thousand_behaviours_of_up_to_two_thousand_steps_are_judged_rightly() {
    let walk = |seed: u64| (seed, 1 + (Choices::new(seed).below(2_000)) as usize);
    are_judged_rightly(&(0..1_000).map(walk).collect::<Vec<_>>());
}

/// Where enough goes wrong, the rules of 4.1 break their promises.
#[test]
fn a_breach_that_the_rules_of_an_edition_allow_is_failed() {
    let simulation = Simulation::new(Settings::new(Edition::V4_1, 2)).with_breaches();
    let mut failed = 0;
    for seed in 0..6 {
        let simulated = simulation.walk(seed, 800);
        let judgement = judged_whole(&simulated, Edition::V4_1).unwrap();
        failed += usize::from(judgement.verdict == Verdict::Fail);
        assert!(judgement.verdict != Verdict::Fail || !simulated.broken.is_empty(), "seed {seed}: {judgement:#?}");
    }
    assert!(failed > 0);
}

/// A simulated history with all intervals between ready and healed as wide as that.
fn without_order(simulated: Simulated) -> Simulated {
    let at = |history: &[Event], which: Phase| {
        let phase = history.iter().find(|event| matches!(event.kind, Kind::Phase { phase } if phase == which));
        phase.expect("every history has all phases").at[0]
    };
    let (ready, heal) = (at(&simulated.history, Phase::Fault), at(&simulated.history, Phase::Heal));
    let widened = |event: Event| match event.kind {
        Kind::Phase { .. } => event,
        _ if event.at[0] < ready || event.at[1] > heal => event,
        _ => Event { at: [ready, heal], ..event },
    };
    Simulated { history: simulated.history.into_iter().map(widened).collect(), ..simulated }
}

/// Intervals that say nothing of the order accuse nobody, and the search for an order ends early.
#[test]
fn a_history_in_no_order_is_inconclusive() {
    for (seed, steps) in [(3, 200), (3, 3_000), (4, 10_000)] {
        let simulated = without_order(Simulation::new(Settings::new(Edition::V4_1, 2)).walk(seed, steps));
        let judgement = judged_whole(&simulated, Edition::V4_1).unwrap();
        assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:#?}");
        let asked = judgement.checks.iter().find(|check| check.id == "allowed-by-the-model").unwrap();
        assert!(asked.verdict == Verdict::Inconclusive && asked.why.contains("limit"), "{asked:#?}");
    }
}

/// The outcome of the behaviours of one mutant.
struct Outcome {
    mutant: Mutant,
    behaviours: u64,
    refused: u64,
    named: u64,
}

/// The newest released edition in which the mutant breaks something.
fn edition_of(mutant: Mutant) -> Edition {
    let is_there = |edition: Edition| {
        let mut rules = edition.rules();
        mutant.change(&mut rules);
        rules == edition.rules()
    };
    match is_there(Edition::V4_1) && !is_there(Edition::Ideal) {
        true => Edition::Ideal,
        false => Edition::V4_1,
    }
}

/// The outcome of so many behaviours of each mutant under each assumption.
fn outcomes(mutants: &[Mutant], each: u64) -> Vec<Outcome> {
    // One assumption after the other: what the judge found out about its models serves all mutants.
    let found = in_parallel(&Assumption::ALL, |assumption| {
        let mut outcomes = Vec::new();
        for &mutant in mutants {
            let edition = edition_of(mutant);
            let mut outcome = Outcome { mutant, behaviours: each, refused: 0, named: 0 };
            let simulation = Simulation::new(Settings { mutant: Some(mutant), ..assumption.settings(edition) });
            for seed in 0..each {
                let events = simulation.history(seed, 100);
                if !something_happens(&events) {
                    continue;
                }
                let check = judged(events, edition);
                assert!(matches!(check.verdict, Verdict::Pass | Verdict::Fail), "{}: {check:#?}", mutant.id());
                if check.verdict == Verdict::Fail {
                    outcome.refused += 1;
                    outcome.named += u64::from(check.why.contains(&format!("[{}]", mutant.id())));
                }
            }
            outcomes.push(outcome);
        }
        outcomes
    });
    let mut outcomes: Vec<Outcome> =
        mutants.iter().map(|&mutant| Outcome { mutant, behaviours: 0, refused: 0, named: 0 }).collect();
    for found in &found {
        for (sum, one) in outcomes.iter_mut().zip(found) {
            sum.behaviours += one.behaviours;
            sum.refused += one.refused;
            sum.named += one.named;
        }
    }
    outcomes.sort_by_key(|outcome| outcome.mutant);
    println!("{:32} {:>10} {:>8} {:>8}", "mutant", "behaviours", "refused", "named");
    for Outcome { mutant, behaviours, refused, named } in &outcomes {
        println!("{:32} {behaviours:>10} {refused:>8} {named:>8}", mutant.id());
    }
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(of).sum::<u64>();
    let (refused, named) = (sum(|outcome| outcome.refused), sum(|outcome| outcome.named));
    println!("{named} of {refused} refusals name the mutant: {:.1} %", 100.0 * named as f64 / refused as f64);
    assert!(named * 10 >= refused * 9, "{named} of {refused}");
    outcomes
}

/// Mutants that cannot be told from the honest rules from outside, and why.
const UNSEEN: &str = include_str!("unseen_mutants.txt");

/// Name and reason of each.
fn unseen() -> Vec<(Mutant, &'static str)> {
    let lines = UNSEEN.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let read = lines.map(|line| {
        let (name, why) = line.split_once(": ").unwrap_or_else(|| panic!("`{line}` is no `name: reason`"));
        assert!(why.len() > 20, "{line}");
        (Mutant::from_id(name).unwrap_or_else(|| panic!("{name} is no mutant")), why)
    });
    read.collect()
}

/// The outcome of the search for a behaviour that shows a mutant.
#[derive(Debug, Default)]
struct Shown {
    /// Under which assumption one was found, its steps, and how many histories that begin with it were refused, and by
    /// name.
    by: Option<(Assumption, usize, u32, u32)>,
    /// Assumptions under which all that it does was explored, and every step of it is one of the honest rules', too.
    never: usize,
    /// Assumptions under which more could be explored.
    unknown: Vec<Assumption>,
}

/// Pairs of a mutant's state and what can be known of it that are explored under each assumption.
const PAIRS: usize = 30_000;

/// So many times more where a property shows the mutant.
const FIRST: usize = 8;

/// Looks for a shortest behaviour that shows a mutant, and has the judge judge histories that begin with it: first
/// where a property shows it, then under each assumption.
fn shown(mutant: Mutant, pairs: usize) -> Shown {
    let edition = edition_of(mutant);
    let mut shown = Shown::default();
    let first = mutant.shown().map(|(assumption, _)| assumption);
    let rest = Assumption::ALL.into_iter().filter(|assumption| Some(*assumption) != first);
    for assumption in first.into_iter().chain(rest) {
        let settings = Settings { mutant: Some(mutant), ..assumption.settings(edition) };
        let zeros = match settings.start_timeouts {
            StartTimeouts::Zero => &[true][..],
            StartTimeouts::Positive => &[false],
            StartTimeouts::Both => &[false, true],
        };
        let pairs = if Some(assumption) == first { FIRST * pairs } else { pairs };
        let mut unknown = false;
        for &zero in zeros {
            let mut honest = Simulation::honest(&settings, zero);
            // It, and it with what may come after it.
            for (seed, more) in [(0, 0), (1, 15), (2, 30), (3, 60)] {
                match Simulation::told_apart(&mut honest, &settings, pairs, more, seed) {
                    Distinction::By { steps, history } => {
                        let happens = something_happens(&history);
                        let check = judged(history, edition);
                        let (refused, named) = shown.by.map_or((0, 0), |(_, _, refused, named)| (refused, named));
                        let is_refused = check.verdict == Verdict::Fail;
                        let is_named = is_refused && check.why.contains(&format!("[{}]", mutant.id()));
                        if is_refused && !is_named {
                            println!("{} is refused for something else: {}", mutant.id(), check.why);
                        }
                        let may_pass = more > 0 || !happens;
                        assert!(is_refused || may_pass, "{} {}: {check:#?}", mutant.id(), assumption.id());
                        let counts = (refused + u32::from(is_refused), named + u32::from(is_named));
                        shown.by = Some((assumption, steps, counts.0, counts.1));
                    }
                    Distinction::Never(_) => break,
                    Distinction::Unknown(_) => {
                        unknown = true;
                        break;
                    }
                }
            }
            if shown.by.is_some() {
                return shown;
            }
        }
        match unknown {
            true => shown.unknown.push(assumption),
            false => shown.never += 1,
        }
    }
    shown
}

/// Every mutant of these is refused, or listed as one that nobody can see; the rule is named in nine of ten refusals.
fn are_told_apart(mutants: &[Mutant], pairs: usize) {
    let unseen = unseen();
    let found = in_parallel(mutants, |&mutant| {
        let shown = shown(mutant, pairs);
        match &shown.by {
            Some((assumption, steps, refused, named)) => println!(
                "{:32} refused under {}: {steps} steps, {refused} histories refused, {named} name it",
                mutant.id(),
                assumption.id()
            ),
            None => println!(
                "{:32} never told apart: all explored under {} assumptions, not all under {}",
                mutant.id(),
                shown.never,
                shown.unknown.iter().map(|assumption| assumption.id()).collect::<Vec<_>>().join(", ")
            ),
        }
        (mutant, shown)
    });
    for (mutant, shown) in &found {
        let listed = unseen.iter().any(|(other, _)| other == mutant);
        assert_eq!(shown.by.is_none(), listed, "{}: {shown:?}", mutant.id());
        assert!(shown.by.is_none_or(|(_, _, refused, _)| refused > 0), "{}: {shown:?}", mutant.id());
    }
    let sum = |of: fn(&(Assumption, usize, u32, u32)) -> u32| {
        found.iter().filter_map(|(_, shown)| shown.by.as_ref()).map(of).sum::<u32>()
    };
    let (refused, named) = (sum(|by| by.2), sum(|by| by.3));
    println!("{named} of {refused} refusals name the mutant");
    assert!(named * 10 >= refused * 9, "{named} of {refused}");
}

#[test]
fn the_shortest_behaviour_that_shows_a_mutant_is_refused_by_name() {
    are_told_apart(
        &[Mutant::AlwaysSingleUser, Mutant::OverwritesLock, Mutant::TrustsKeepalive, Mutant::ArmsWatchdogLate],
        PAIRS,
    );
}

#[test]
#[ignore = "minutes"]
fn every_mutant_is_refused_or_cannot_be_seen() {
    are_told_apart(&Mutant::ALL, PAIRS);
}

#[test]
fn mutants_are_refused_by_name() {
    let mutants = [Mutant::StartsWithoutSignal, Mutant::AlwaysSingleUser, Mutant::RaceIgnoresKey];
    for outcome in outcomes(&mutants, 1) {
        assert!(outcome.refused > 0, "no behaviour of {} was refused", outcome.mutant.id());
    }
}

#[test]
#[ignore = "minutes"]
fn every_mutant_is_refused_by_name_or_cannot_be_told_from_outside() {
    outcomes(&Mutant::ALL, 10);
}
