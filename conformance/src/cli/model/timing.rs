//! `pghaspec timing`: the cluster with clocks. Answers if one leader at a time follows from the settings, and how long
//! a failover takes.

use pghaspec_model::cluster::{Names, Settings};
use pghaspec_model::engine::Path;
use pghaspec_model::mutants::Mutant;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::timed::{
    MOST, Moment, Timed, TimedAction, Timing, check_failover, check_one_leader, crash, fits, partition,
};
use pghaspec_model::vocabulary::property::Property;
use serde::Serialize;

use crate::cli::{Failure, bounds, known, print};
use crate::run::spec::SPEC_SHA256;

#[derive(clap::Args)]
pub struct Args {
    /// Edition of the rules (`pghaspec list editions`); 4.1 if not given, or `ideal` with a mutant.
    #[arg(long)]
    edition: Option<String>,
    /// Break one rule on purpose (`pghaspec list mutants`).
    #[arg(long)]
    mutant: Option<String>,
    /// `loop_wait`, in ticks like all others, 1 to 14.
    #[arg(long, value_name = "TICKS", default_value_t = 1, value_parser = bounds::whole(1, Timing::MOST))]
    loop_wait: u8,
    /// `retry_timeout`, 1 to 14.
    #[arg(long, value_name = "TICKS", default_value_t = 1, value_parser = bounds::whole(1, Timing::MOST))]
    retry_timeout: u8,
    /// `ttl`, 1 to 14; if not given, the least that the documented rule allows: loop_wait + 2*retry_timeout.
    #[arg(long, value_name = "TICKS", value_parser = bounds::whole(1, Timing::MOST))]
    ttl: Option<u8>,
    /// `primary_start_timeout`, up to 14.
    #[arg(long, value_name = "TICKS", default_value_t = 2, value_parser = bounds::whole(0, Timing::MOST))]
    start_timeout: u8,
    /// `safety_margin` of the watchdog, less than ttl.
    #[arg(long, value_name = "TICKS", default_value_t = 0, value_parser = bounds::whole(0, Timing::MOST))]
    safety_margin: u8,
    /// Ticks that the agents' clocks lose, all in all, up to 14.
    #[arg(long, value_name = "TICKS", default_value_t = 0, value_parser = bounds::whole(0, Timing::MOST))]
    drift: u8,
    /// The DCS answers at once or never; otherwise it takes up to retry_timeout.
    #[arg(long)]
    prompt_dcs: bool,
    /// Clusters with a watchdog.
    #[arg(long)]
    watchdog: bool,
    /// Most memory of each of the two searches, in MiB. Long times take much.
    #[arg(long, value_name = "MIB", default_value_t = 256, value_parser = bounds::mebibytes)]
    memory: u64,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    version: &'static str,
    spec_sha256: &'static str,
    edition: &'static str,
    mutant: Option<&'static str>,
    loop_wait: u8,
    retry_timeout: u8,
    ttl: u8,
    start_timeout: u8,
    safety_margin: u8,
    drift: u8,
    prompt_dcs: bool,
    watchdog: bool,
    /// `loop_wait + 2*retry_timeout + drift <= ttl`
    keeps_the_rule: bool,
    one_writable_leader: OneLeader,
    failover_bound: Failover,
}

#[derive(Serialize)]
struct OneLeader {
    /// `holds`, `violated`, or `not-violated-so-far` if some behaviours were not followed to their ends.
    result: &'static str,
    states: usize,
    /// Number of states from which behaviours were not followed any further.
    cut_short: usize,
    /// The search came to the limit of its memory.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    out_of_memory: bool,
    counterexample: Option<Vec<Step>>,
}

#[derive(Serialize)]
struct Failover {
    /// `holds` or `violated`
    result: &'static str,
    states: usize,
    /// The number of ticks that a failover may take.
    documented: u8,
    /// The greatest number of ticks that it takes; `null` if that is more than 40.
    worst: Option<u8>,
    counterexample: Option<Vec<Step>>,
}

#[derive(Serialize)]
struct Step {
    tick: u32,
    action: String,
    changes: Vec<String>,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let mutant = match &args.mutant {
        None => None,
        Some(id) => Some(known("mutant", id, Mutant::from_id, &Mutant::ALL.map(Mutant::id))?),
    };
    let edition = match &args.edition {
        None if mutant.is_some() => Edition::Ideal,
        None => Edition::V4_1,
        Some(id) => known("edition", id, Edition::from_id, &Edition::ALL.map(Edition::id))?,
    };
    let Args { loop_wait, retry_timeout, start_timeout, safety_margin, drift, prompt_dcs, watchdog, .. } = *args;
    let ttl = args.ttl.unwrap_or_else(|| retry_timeout.saturating_mul(2).saturating_add(loop_wait));
    let slow_dcs = !prompt_dcs;
    let timing = Timing { loop_wait, retry_timeout, ttl, start_timeout, safety_margin, drift, slow_dcs };
    let model = |settings: Settings| {
        let settings = Settings { mutant, watchdog, ..settings };
        fits(&settings, &timing).map_err(Failure::usage)?;
        Ok::<_, Failure>(Timed::new(settings, timing))
    };
    let cut_off = model(partition(edition))?;
    let memory = (args.memory << 20) as usize;
    let crashed = model(crash(edition))?;
    let failover = check_failover(&crashed, memory).ok_or_else(|| {
        Failure::harness(format!(
            "the failovers take more than {} MiB with these times; help: choose shorter ones, or allow more with \
             --memory",
            args.memory
        ))
    })?;
    let verdict = check_one_leader(&cut_off, bounds::processors(), Some(memory));
    let whole = verdict.cut_short == 0 && !verdict.out_of_memory;
    let document = Document {
        version: env!("CARGO_PKG_VERSION"),
        spec_sha256: SPEC_SHA256,
        edition: edition.id(),
        mutant: mutant.map(Mutant::id),
        loop_wait,
        retry_timeout,
        ttl,
        start_timeout,
        safety_margin,
        drift,
        prompt_dcs,
        watchdog,
        keeps_the_rule: timing.keeps_the_rule(),
        one_writable_leader: OneLeader {
            result: match (&verdict.broken, whole) {
                (Some(_), _) => "violated",
                (None, true) => "holds",
                (None, false) => "not-violated-so-far",
            },
            states: verdict.states,
            cut_short: verdict.cut_short,
            out_of_memory: verdict.out_of_memory,
            counterexample: verdict.broken.as_ref().map(|path| steps(&cut_off, path)),
        },
        failover_bound: Failover {
            result: if failover.broken.is_some() { "violated" } else { "holds" },
            states: failover.states,
            documented: failover.bound,
            worst: failover.worst,
            counterexample: failover.broken.as_ref().map(|path| steps(&crashed, path)),
        },
    };
    print(args.json, &document, || text(&document))?;
    Ok(match (verdict.broken.is_some() || failover.broken.is_some(), whole) {
        (true, _) => 1,
        (false, true) => 0,
        (false, false) => 4,
    })
}

fn steps(timed: &Timed, path: &Path<Moment, TimedAction>) -> Vec<Step> {
    let lines = timed.lines(&Names::numbered(), path).into_iter();
    lines.map(|line| Step { tick: line.tick, action: line.step, changes: line.changes }).collect()
}

fn text(document: &Document) -> String {
    let Document { loop_wait, retry_timeout, ttl, start_timeout, drift, .. } = document;
    let mut text = format!(
        "edition {}, two nodes, {} watchdog; ticks: loop_wait {loop_wait}, retry_timeout {retry_timeout}, ttl {ttl}, \
         primary_start_timeout {start_timeout}, drift {drift}; the DCS {}\n",
        document.edition,
        if document.watchdog { "with a" } else { "without a" },
        if document.prompt_dcs { "answers at once or never" } else { "takes up to retry_timeout to answer" },
    );
    if let Some(mutant) = document.mutant {
        text += &format!("mutant {mutant}\n");
    }
    text += &format!("pghaspec {}, specification {}\n", document.version, &document.spec_sha256[..16]);
    let kept = if document.keeps_the_rule { "kept" } else { "broken" };
    text += &format!("the rule loop_wait + 2*retry_timeout + drift <= ttl is {kept}\n\n");
    let one = &document.one_writable_leader;
    text += &format!(
        "{:<19} {}, when a node is cut off from the DCS and the other: {} states{}{}\n",
        one.result,
        Property::OneWritableLeader.id(),
        one.states,
        if one.cut_short > 0 { format!(", {} of them not followed any further", one.cut_short) } else { String::new() },
        if one.out_of_memory { "; the limit of --memory was reached" } else { "" }
    );
    let failover = &document.failover_bound;
    text += &format!(
        "{:<19} {}, when the leader's postmaster is killed: documented {} ticks, {}; {} states\n",
        failover.result,
        Property::FailoverBound.id(),
        failover.documented,
        failover.worst.map_or(format!("found more than {MOST}"), |worst| format!("found {worst} at most")),
        failover.states
    );
    for (id, steps) in [
        (Property::OneWritableLeader.id(), &one.counterexample),
        (Property::FailoverBound.id(), &failover.counterexample),
    ] {
        let Some(steps) = steps else { continue };
        text += &format!("\nshortest counterexample to {id}:\ntick\n");
        for step in steps {
            text += &format!("{:>4}  {}\n", step.tick, step.action);
            for change in &step.changes {
                text += &format!("        {change}\n");
            }
        }
    }
    text
}
