//! The words of `pghaspec check` for people.

use super::document::{Document, Step};

pub(super) fn text(document: &Document) -> String {
    let mut text =
        format!("edition {}, {} nodes, faults: {}", document.edition, document.nodes, document.faults.join(", "));
    if let Some(mutant) = document.mutant {
        text += &format!("\nmutant {mutant}");
    }
    let (kind, spread) = if document.symmetry {
        ("classes of states that behave alike", ", one for all that are alike")
    } else {
        ("states", "")
    };
    text += &format!(
        "\n{} {kind}, {} transitions, depth {}, {} deadlocks; states stored whole (no fingerprints), {} bytes each{}\n\
         {:.2} s, {:.2} s of CPU, {} threads\n",
        document.states,
        document.transitions,
        document.depth,
        document.deadlocks,
        document.bytes_per_state,
        if document.spilled > 0 { format!(", {} MiB spilled", document.spilled >> 20) } else { String::new() },
        document.seconds,
        document.cpu_seconds,
        document.threads,
    );
    text += &format!("pghaspec {}, specification {}\n", document.version, &document.spec_sha256[..16]);
    text += &match document.limit {
        None if document.cut_short > 0 => format!(
            "INCOMPLETE: in {} states the WAL differs by so many records that some steps were left out; help: allow \
             fewer faults or commits\n",
            document.cut_short
        ),
        None => format!("every behaviour was explored{spread}\n"),
        Some(limit) => format!(
            "INCOMPLETE: the limit of {limit} was reached with {} states unexpanded; all behaviours of {} steps were \
             covered\n",
            document.unexpanded,
            document.depth.saturating_sub(usize::from(limit != "depth"))
        ),
    };
    text += &match &document.second_engine {
        Some(second) => {
            let verdict = if second.agrees { "agrees" } else { "DOES NOT AGREE" };
            format!("{} counts {} states and {verdict}\n\n", second.name, second.states)
        }
        None => "no second opinion\n\n".to_owned(),
    };
    for property in &document.properties {
        text += &format!("{:<11} {}\n", property.result, property.id);
    }
    let unwitnessed: Vec<_> = document.branches.iter().filter(|b| !b.witnessed).map(|b| b.id).collect();
    text += &format!(
        "\n{} of {} branches of recover() are reached{}\n",
        document.branches.len() - unwitnessed.len(),
        document.branches.len(),
        if unwitnessed.is_empty() { String::new() } else { format!("; not: {}", unwitnessed.join(", ")) }
    );
    for property in &document.properties {
        let Some(steps) = &property.counterexample else { continue };
        let ending = match property.repeats_from {
            None => String::new(),
            Some(step) => format!(", of which those from {step} on repeat for ever"),
        };
        text += &format!("\nshortest counterexample to {} ({} steps{ending}):\n", property.id, steps.len() - 1);
        text += &numbered(steps);
    }
    if let Some(steps) = &document.deadlock {
        text += &format!(
            "\nshortest behaviour that ends in a state in which nothing can happen ({} steps):\n",
            steps.len() - 1
        );
        text += &numbered(steps);
    }
    text
}

fn numbered(steps: &[Step]) -> String {
    let mut text = String::new();
    for step in steps {
        text += &format!("{:>4}  {}\n", step.step, step.action);
        for change in &step.changes {
            text += &format!("        {change}\n");
        }
    }
    text
}
