//! The judge accepts what the model does, and refuses, by the name of the broken rule, what mutants do.
//!
//! The full numbers: `cargo test --release -p pghaspec --test simulate -- --ignored --nocapture`

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use pghaspec::judge::{Check, History, Verdict, allowed};
use pghaspec::simulate::Simulation;
use pghaspec_model::assumption::Assumption;
use pghaspec_model::cluster::Settings;
use pghaspec_model::edition::Edition;
use pghaspec_model::event::{Event, Kind, Run};
use pghaspec_model::mutant::Mutant;

fn judged(events: Vec<Event>, edition: Edition) -> Check {
    let Kind::Run(run) = &events[0].kind else { panic!("a history begins with its run") };
    allowed(&History { run: Run::clone(run), events, cut_off: false }, edition)
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

/// Where agents only look around, there is nothing to be judged.
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
        let simulation = Simulation::new(assumption.settings(*edition));
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

/// What came of the behaviours of one mutant.
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

/// What becomes of so many behaviours of each mutant under each assumption.
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
