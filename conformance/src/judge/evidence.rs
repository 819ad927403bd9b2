//! Whether the run proves anything: it is whole, and its faults took effect.

use pghaspec_model::event::{Kind, Phase};

use super::history::{History, seconds};
use super::verdict::Check;

/// `evidence-complete`: the history was recorded to its end, and every observer that the run promised was there.
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
                format!("the history ends at {} before the phase {phase:?}: the run was not finished", seconds(last)),
            );
        }
    }
    Check::pass(ID, format!("{} events, recorded to the end", history.events.len()))
}

/// `fault-took-effect`: every injected fault has a witness of its effect.
pub fn faults(history: &History) -> Check {
    const ID: &str = "fault-took-effect";
    let mut words = Vec::new();
    for event in &history.events {
        if let Kind::Fault { fault, effect } = &event.kind {
            let node = event.node.as_deref().unwrap_or("the cluster");
            match effect {
                Some(effect) => words.push(format!("{} at {node}: {effect}", fault.id())),
                None => {
                    return Check::inconclusive(
                        ID,
                        format!("{} was injected at {node}, and nothing came of it", fault.id()),
                    );
                }
            }
        }
    }
    if words.is_empty() {
        return Check::inconclusive(ID, "no fault was injected");
    }
    Check::pass(ID, words.join("; "))
}
