//! Whether the run proves anything: it is whole, and its faults took effect.

use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Process, ServerState, Source, Watchdog, WriteResult};
use pghaspec_model::vocabulary::fault::Fault;

use super::durability::last_primary;
use crate::history::describe;
use crate::history::intervals::FirstFrom;
use crate::history::{History, seconds};
use crate::judge::verdict::{Check, Verdict};

/// `evidence-complete`: the history was recorded to its end.
pub fn complete(history: &History) -> Check {
    const ID: &str = "evidence-complete";
    if history.cut_off {
        return Check::inconclusive(
            ID,
            "the last line of the history is cut off: the harness was ended while it wrote",
        );
    }
    for phase in [Phase::Ready, Phase::Fault, Phase::Settled, Phase::ReadBack, Phase::End] {
        if history.phase(phase).is_none() {
            let last = history.events.last().map_or(0, |event| event.at[1]);
            return Check::inconclusive(
                ID,
                format!(
                    "the history ends at {} before the phase {}: the run was not finished",
                    seconds(last),
                    describe::phase(phase)
                ),
            );
        }
    }
    Check::pass(ID, format!("{} events, recorded to the end", history.count()))
}

/// `observers-alive`: the observers went on to the end: each node was probed with a telling answer after everything settled, the last
/// primary acknowledged a write after the fault. That nobody but the harness killed anything, [`strangers`] sees to.
pub fn observers(history: &History) -> Check {
    const ID: &str = "observers-alive";
    let (Some(fault), Some(settled)) = (history.phase(Phase::Fault), history.phase(Phase::Settled)) else {
        return Check::inconclusive(ID, "the run did not get that far");
    };
    let after = |at: u64| history.events.iter().filter(move |event| event.at[0] >= at);
    for node in &history.run.nodes {
        let telling = after(settled).any(|event| {
            event.node.as_ref() == Some(node)
                && matches!(event.kind, Kind::Server { state, .. } if state != ServerState::Unknown)
        });
        if !telling {
            return Check::inconclusive(ID, format!("no probe of {node} told anything after {}", seconds(settled)));
        }
    }
    if !history.run.configuration.standby_cluster
        && let Some(why) = nobody_wrote(history, fault)
    {
        return Check::inconclusive(ID, why);
    }
    match history.gap_of(&[Source::Etcd, Source::Postgres, Source::Process, Source::AgentLog, Source::Writer]) {
        Some(why) => Check::inconclusive(ID, why),
        None => Check::pass(ID, "every node was probed and written to until the end, without a gap"),
    }
}

/// Whether no write after the fault shows that the writers lived: why, in words.
fn nobody_wrote(history: &History, fault: u64) -> Option<String> {
    let Some(primary) = last_primary(history) else { return Some("no primary was seen at the end".into()) };
    let wrote = history.events.iter().any(|event| {
        event.at[0] >= fault
            && event.node.as_deref() == Some(primary)
            && matches!(event.kind, Kind::Write { result: WriteResult::Ok, .. })
    });
    (!wrote).then(|| format!("{primary}, the primary in the end, acknowledged no write after the fault"))
}

/// `observers-alive`, where somebody else did what only the harness may.
pub fn strangers(history: &History) -> Check {
    const ID: &str = "observers-alive";
    // Each end of an agent by SIGKILL needs a kill of its own.
    for node in &history.run.nodes {
        let of_node = || history.fresh().iter().filter(|event| event.node.as_ref() == Some(node));
        let kills = |event: &&Event| match &event.kind {
            Kind::Fault { fault, .. } => matches!(fault, Fault::AgentKilled | Fault::NodeKilled),
            Kind::Watchdog { change, .. } => *change == Watchdog::Fired,
            _ => false,
        };
        let injected = of_node().filter(kills).count();
        let killed =
            |event: &&Event| matches!(event.kind, Kind::ProcessExited { what: Process::Agent, signal: Some(9), .. });
        if let Some(event) = of_node().filter(killed).nth(injected) {
            return Check::new(
                ID,
                Verdict::Error,
                format!(
                    "somebody else killed the agent of {node} at {}: the run says nothing about it",
                    seconds(event.at[1])
                ),
            );
        }
    }
    Check::pass(ID, "nobody else killed anything")
}

/// `fault-took-effect`: every injected fault has a witness of its effect.
pub fn faults(history: &History) -> Check {
    const ID: &str = "fault-took-effect";
    let mut words = Vec::new();
    // Where not all ends were seen, they contradict nothing.
    let ends = if history.blind(&[Source::Process]).is_none() { postmaster_ends(history) } else { Vec::new() };
    let ended = FirstFrom::new(ends.iter().map(|event| event.at[1]));
    for event in &history.events {
        let (what, effect) = match &event.kind {
            Kind::Fault { fault, effect } => (fault.id(), effect),
            Kind::Disturbance { disturbance, effect } => (disturbance.id(), effect),
            _ => continue,
        };
        let node = event.node.as_deref().unwrap_or("the cluster");
        match effect {
            Some(effect) => {
                if let Some(why) = contradiction(history, &ends[ended.place(event.at[0])..], event) {
                    return Check::inconclusive(ID, format!("{what} at {node}: {effect}; but {why}"));
                }
                words.push(format!("{what} at {node}: {effect}"));
            }
            None => {
                return Check::inconclusive(ID, format!("{what} was injected at {node}, and nothing came of it"));
            }
        }
    }
    if words.is_empty() {
        return Check::inconclusive(ID, "no fault was injected");
    }
    Check::pass(ID, words.join("; "))
}

/// How long a killed process may take to be reported gone. Nanoseconds.
const GONE: u64 = 10_000_000_000;

/// The ends of all postmasters, in the order of recording.
fn postmaster_ends(history: &History) -> Vec<&Event> {
    let ends = |event: &&Event| matches!(event.kind, Kind::ProcessExited { what: Process::Postmaster, .. });
    history.events.iter().filter(ends).collect()
}

/// What the ends of postmasters, from the first that may have come of it, say against a kill of its postmaster.
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
