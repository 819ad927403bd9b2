//! `pghaspec check --mutants`: the properties that kill each mutant. One that survives is a rule that no property
//! guards.

use pghaspec_model::cluster::{Cluster, Settings};
use pghaspec_model::engine::Options;
use pghaspec_model::mutants::Mutant;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::timed::{Timed, Timing, check_failover, crash};
use pghaspec_model::verify::check::check;
use pghaspec_model::verify::liveness::check_promises;
use pghaspec_model::vocabulary::property::Property;
use serde::Serialize;

use crate::cli::{Failure, print};

#[derive(Serialize)]
struct Row {
    id: &'static str,
    /// The assumption that shows it.
    assumption: Option<&'static str>,
    /// The properties that it breaks there and that hold without it, each with the length of a shortest counterexample.
    killed_by: Vec<Kill>,
    /// The reason why it changes nothing that a property could see; `null` for most mutants.
    equivalent: Option<&'static str>,
    rule: &'static str,
}

#[derive(Serialize)]
struct Kill {
    property: &'static str,
    steps: usize,
}

pub fn run(threads: usize, json: bool) -> Result<u8, Failure> {
    let rows: Vec<Row> = Mutant::ALL.into_iter().map(|mutant| row(mutant, threads)).collect();
    let survivors: Vec<_> =
        rows.iter().filter(|row| row.killed_by.is_empty() && row.equivalent.is_none()).map(|row| row.id).collect();
    print(json, &rows, || text(&rows, &survivors))?;
    Ok(u8::from(!survivors.is_empty()))
}

fn row(mutant: Mutant, threads: usize) -> Row {
    let mut killed_by = Vec::new();
    if let Some((assumption, _)) = mutant.shown() {
        let broken = |mutant| {
            let mut settings = assumption.settings(Edition::Ideal);
            settings.mutant = mutant;
            let options = Options { threads, ..Options::default() };
            let report = check(settings.clone(), &Property::ALL, options, &|_| (), None);
            let safety =
                report.properties.into_iter().filter_map(|(property, path)| Some((property, path?.steps.len())));
            let promises = check_promises(&Cluster::new(settings), &Property::ALL, 4 << 30).unwrap_or_default();
            let liveness = promises.into_iter().filter_map(|kept| Some((kept.property, kept.broken?.steps())));
            safety.chain(liveness).collect::<Vec<_>>()
        };
        let without = broken(None);
        let new = |(property, _): &(Property, usize)| !without.iter().any(|(known, _)| known == property);
        let kills = broken(Some(mutant)).into_iter().filter(new);
        killed_by.extend(kills.map(|(property, steps)| Kill { property: property.id(), steps }));
    }
    if let Some(start_timeout) = mutant.shown_by_clocks() {
        let steps = |mutant| {
            let settings = Settings { mutant, ..crash(Edition::Ideal) };
            let timing = Timing { loop_wait: 2, ttl: 4, start_timeout, slow_dcs: false, ..Timing::default() };
            let failover = check_failover(&Timed::new(settings, timing), 1 << 30)?;
            failover.broken.map(|path| path.steps.len())
        };
        if let (None, Some(steps)) = (steps(None), steps(Some(mutant))) {
            killed_by.push(Kill { property: Property::FailoverBound.id(), steps });
        }
    }
    Row {
        id: mutant.id(),
        assumption: mutant.shown().map(|(assumption, _)| assumption.id()),
        killed_by,
        equivalent: mutant.equivalent(),
        rule: mutant.rule(),
    }
}

fn text(rows: &[Row], survivors: &[&str]) -> String {
    let width = rows.iter().map(|row| row.id.len()).max().unwrap_or(0);
    let mut text = String::new();
    for row in rows {
        let kills: Vec<_> = row.killed_by.iter().map(|kill| format!("{} {}", kill.property, kill.steps)).collect();
        let fate = match (row.assumption, row.equivalent) {
            (Some(assumption), _) if !kills.is_empty() => format!("{} under {assumption}", kills.join(", ")),
            (None, None) if !kills.is_empty() => format!("{} with clocks", kills.join(", ")),
            (_, Some(why)) => format!("equivalent: {why}"),
            _ => "SURVIVES".to_owned(),
        };
        text += &format!("{:width$}  {fate}\n", row.id);
    }
    let killed = rows.iter().filter(|row| !row.killed_by.is_empty()).count();
    let equivalent = rows.iter().filter(|row| row.killed_by.is_empty() && row.equivalent.is_some()).count();
    text + &format!("\n{} mutants: {killed} killed, {equivalent} equivalent, {} survive\n", rows.len(), survivors.len())
}
