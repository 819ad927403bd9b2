//! Evidence: the run is whole, its faults took effect, and its observers lived.
//!
//! Without that no other check proves anything.

use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Process, ServerState, Source, WriteResult};
use pghaspec_model::vocabulary::fault::Fault;

use super::definition::{Agents, Applies, Asked, Definition, End, Name};
use crate::history::intervals::FirstFrom;
use crate::history::parts::{Carry, first_by};
use crate::history::{History, describe, seconds};
use crate::judge::facts::deaths::Death;
use crate::judge::facts::end_state::last_primary;
use crate::judge::facts::lock;
use crate::judge::facts::processes::OPEN;
use crate::judge::facts::writable::PROOFS;
use crate::judge::verdict::Check;

/// `harness`: the run of a scenario that ended before its history could be judged.
pub static HARNESS: Definition = Definition {
    name: Name::Own { id: "harness", says: "the harness ran the scenario to its end" },
    needs: &[],
    agents: Agents::Any,
    applies: Applies::RunFolder,
    inconclusive: "the scenario was not run to its end",
    carries: &[],
    asked: Asked::OfTheFolder,
};

/// `supported`: a scenario that says nothing about the agent, so that it was not run.
pub static SUPPORTED: Definition = Definition {
    name: Name::Own { id: "supported", says: "the agent claims what the scenario needs" },
    needs: &[],
    agents: Agents::Any,
    applies: Applies::RunFolder,
    inconclusive: "",
    carries: &[],
    asked: Asked::OfTheFolder,
};

/// `evidence-complete`: the history was recorded to its end.
pub static COMPLETE: Definition = Definition {
    name: Name::Own { id: "evidence-complete", says: "the history was recorded to its end" },
    needs: &[],
    agents: Agents::Any,
    applies: Applies::Always,
    inconclusive: "the recording ended early",
    carries: &[],
    asked: Asked::AtTheEnd(complete),
};

fn complete(end: &End) -> Check {
    let history = end.last;
    if history.cut_off {
        return COMPLETE.inconclusive("the last line of the history is cut off: the harness was ended while it wrote");
    }
    for phase in [Phase::Ready, Phase::Fault, Phase::Settled, Phase::ReadBack, Phase::End] {
        if history.phase(phase).is_none() {
            let last = history.events.last().map_or(0, |event| event.at[1]);
            return COMPLETE.inconclusive(format!(
                "the history ends at {} before the phase {}: the run was not finished",
                seconds(last),
                describe::phase(phase)
            ));
        }
    }
    COMPLETE.pass(format!("{} events, recorded to the end", history.count()))
}

/// `observers-alive`: the observers went on to the end, and nobody killed anything but the harness and the agents.
pub static OBSERVERS_ALIVE: Definition = Definition {
    name: Name::Own {
        id: "observers-alive",
        says: "the observers went on to the end, and nobody killed anything but the harness and the agents",
    },
    needs: &[Source::Etcd, Source::Postgres, Source::Process, Source::AgentLog, Source::Writer],
    agents: Agents::Any,
    applies: Applies::Always,
    inconclusive: "a node was not probed after the end, the last primary acknowledged no write after the fault, or a \
                   process or node died that no fault of the scenario hit, and that its agent had no reason to end",
    carries: &[&PROOFS, &OPEN, &lock::LAST],
    asked: Asked::AtTheEnd(observers),
};

/// `observers-alive`: nobody died but by faults of the scenario, and by agents that had a reason to; each node was
/// probed with a telling answer after everything settled, and the last primary acknowledged a write after the fault.
fn observers(end: &End) -> Check {
    let history = end.last;
    if let Some(check) = somebody_else(end) {
        return check;
    }
    let (Some(fault), Some(settled)) = (history.phase(Phase::Fault), history.phase(Phase::Settled)) else {
        return OBSERVERS_ALIVE.inconclusive("the run did not get that far");
    };
    let after = |at: u64| history.events.iter().filter(move |event| event.at[0] >= at);
    for node in &history.run.nodes {
        let telling = after(settled).any(|event| {
            event.node.as_ref() == Some(node)
                && matches!(event.kind, Kind::Server { state, .. } if state != ServerState::Unknown)
        });
        if !telling {
            return OBSERVERS_ALIVE
                .inconclusive(format!("no probe of {node} told anything after {}", seconds(settled)));
        }
    }
    if !history.run.configuration.standby_cluster
        && let Some(why) = nobody_wrote(history, fault)
    {
        return OBSERVERS_ALIVE.inconclusive(why);
    }
    match history.gap_of(OBSERVERS_ALIVE.needs) {
        Some(why) => OBSERVERS_ALIVE.inconclusive(why),
        None => OBSERVERS_ALIVE.pass("every node was probed and written to until the end, without a gap"),
    }
}

/// The reason, in words, why no write after the fault shows that the writers lived, if none does.
fn nobody_wrote(history: &History, fault: u64) -> Option<String> {
    let Some(primary) = last_primary(history) else { return Some("no primary was seen at the end".into()) };
    let wrote = history.events.iter().any(|event| {
        event.at[0] >= fault
            && event.node.as_deref() == Some(primary)
            && matches!(event.kind, Kind::Write { result: WriteResult::Ok, .. })
    });
    (!wrote).then(|| format!("{primary}, the primary in the end, acknowledged no write after the fault"))
}

/// The first death, in words, that neither a fault of the scenario caused nor an agent that had a reason to, and its
/// event.
fn somebody_else(end: &End) -> Option<Check> {
    let deaths: Vec<&Death> = end.deaths.iter().filter(|death| !death.may_be_own).collect();
    let first = deaths.first()?;
    let more = match deaths.len() - 1 {
        0 => String::new(),
        1 => "; and one more death like this".to_owned(),
        more => format!("; and {more} more deaths like this"),
    };
    let why = format!("{}{more}. The run says little about what came after it", first.words);
    Some(OBSERVERS_ALIVE.inconclusive(why).at(Some(first.seq)))
}

/// `fault-took-effect`: every injected fault has a witness of its effect.
pub static FAULT_TOOK_EFFECT: Definition = Definition {
    name: Name::Own { id: "fault-took-effect", says: "every fault that was injected has a witness of its effect" },
    needs: &[],
    agents: Agents::Any,
    applies: Applies::Always,
    inconclusive: "a fault had no effect, another than it should have, or none was injected",
    carries: &[&FIRST_FAULTS],
    asked: Asked::Both(faults, no_fault),
};

/// The faults with which everything that a scenario demands begins.
pub static FIRST_FAULTS: Carry = Carry {
    says: "the first fault or disturbance, and the first that hit a node",
    select: |history| {
        let faults = || history.events.iter().enumerate().filter(|(_, event)| is_fault(event));
        let first = faults().min_by_key(|(_, event)| event.at[0]);
        let hit = faults().filter(|(_, event)| event.node.is_some()).min_by_key(|(_, event)| event.at[0]);
        first.into_iter().chain(hit).map(|(place, _)| place).collect()
    },
};

/// The kinds of faults: whether an agent promises what a scenario demands depends on what was done to its leader.
pub static FAULTS: Carry = Carry {
    says: "the first fault of each kind at each node",
    select: |history| {
        first_by(history, |event| match event.kind {
            Kind::Fault { fault, .. } => Some((event.node.as_deref(), fault)),
            _ => None,
        })
    },
};

/// A fault, or a disturbance.
pub fn is_fault(event: &Event) -> bool {
    matches!(event.kind, Kind::Fault { .. } | Kind::Disturbance { .. })
}

/// `fault-took-effect`, at the end: a run without a fault proves nothing.
fn no_fault(end: &End) -> Option<Check> {
    let none = !end.last.events.iter().any(is_fault);
    none.then(|| FAULT_TOOK_EFFECT.inconclusive("no fault was injected"))
}

/// `fault-took-effect`, of each part.
fn faults(history: &History) -> Check {
    let mut words = Vec::new();
    // Where not all ends were seen, they contradict nothing.
    let ends = if history.blind(&[Source::Process]).is_none() { postmaster_ends(history) } else { Vec::new() };
    let ended = FirstFrom::new(ends.iter().map(|event| event.at[1]));
    for event in history.fresh() {
        let (what, effect) = match &event.kind {
            Kind::Fault { fault, effect } => (fault.id(), effect),
            Kind::Disturbance { disturbance, effect } => (disturbance.id(), effect),
            _ => continue,
        };
        let node = event.node.as_deref().unwrap_or("the cluster");
        match effect {
            Some(effect) => {
                if let Some(why) = contradiction(history, &ends[ended.place(event.at[0])..], event) {
                    return FAULT_TOOK_EFFECT.inconclusive(format!("{what} at {node}: {effect}; but {why}"));
                }
                words.push(format!("{what} at {node}: {effect}"));
            }
            None => {
                return FAULT_TOOK_EFFECT
                    .inconclusive(format!("{what} was injected at {node}, and nothing came of it"));
            }
        }
    }
    let none = || "no fault began here".to_owned();
    FAULT_TOOK_EFFECT.pass(if words.is_empty() { none() } else { words.join("; ") })
}

/// Nanoseconds that a killed process may take to be reported gone.
const GONE: u64 = 10_000_000_000;

/// The ends of all postmasters, in the order of recording.
fn postmaster_ends(history: &History) -> Vec<&Event> {
    let ends = |event: &&Event| matches!(event.kind, Kind::ProcessExited { what: Process::Postmaster, .. });
    history.events.iter().filter(ends).collect()
}

/// The contradiction of a kill of a postmaster by the ends of postmasters that were seen, the first of which may have
/// come of it.
fn contradiction(history: &History, ends: &[&Event], injected: &Event) -> Option<String> {
    let kills = matches!(injected.kind, Kind::Fault { fault: Fault::PostmasterKilled, .. });
    if !kills {
        return None;
    }
    let mut ends = ends.iter().filter(|event| {
        event.node == injected.node && event.at[1] >= injected.at[0] && event.at[0] <= injected.at[1] + GONE
    });
    let killed = ends.find_map(|event| match event.kind {
        Kind::ProcessExited { code, signal, .. } => Some((code, signal)),
        _ => None,
    });
    match killed {
        Some((None, Some(9))) => None,
        // Polling does not see how a process ends.
        Some((None, None)) if history.polls_processes() => None,
        Some((None, None)) => Some("how its postmaster ended was not seen".into()),
        Some((_, Some(signal))) => Some(format!("its postmaster ended by signal {signal}")),
        Some((code, None)) => Some(format!("its postmaster ended by itself, with code {}", code.unwrap_or(0))),
        // That it never ended is for the model to say.
        None => None,
    }
}
