//! What must come at last, once faults are over. A run is finite: what has not come counts only when it had time enough.

use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::{Kind, Phase, Process, ServerState, Source, WriteResult};
use pghaspec_model::vocabulary::property::Property;

use super::durability::{AtTheEnd, found_at_the_end, has_diverged};
use super::leadership::unobserved;
use crate::history::{History, seconds};
use crate::judge::facts::ledger::Ledger;
use crate::judge::facts::lock::{changes, spans};
use crate::judge::facts::processes::lives;
use crate::judge::verdict::Check;

const SECOND: u64 = 1_000_000_000;

/// All of them.
pub fn checks(history: &History, ledger: &Result<Ledger, String>) -> Vec<Check> {
    vec![leader_eventually(history), unstartable_leader_yields(history), crashed_node_rejoins(history, ledger)]
}

/// How long an agent may take for it: a lease ends, a start is waited for, and two cycles with all their retries. Nanoseconds.
fn patience(history: &History) -> u64 {
    let run = &history.run;
    let cycle = u64::from(run.loop_wait_s) + 2 * u64::from(run.retry_timeout_s);
    (u64::from(run.ttl_s) + u64::from(run.primary_start_timeout_s) + 2 * cycle) * SECOND
}

/// From the end of the faults to the end of the wait.
fn waited(history: &History) -> Option<[u64; 2]> {
    Some([history.phase(Phase::Heal)?, history.phase(Phase::ReadBack)?])
}

/// What has not come: a failure if there was time for it.
fn missing(history: &History, id: &str, since: u64, why: String) -> Check {
    let until = history.phase(Phase::ReadBack).unwrap_or(since);
    let (had, needs) = (until.saturating_sub(since), patience(history));
    if had >= needs {
        return Check::fail(id, format!("{why}, though {} passed", seconds(had)));
    }
    Check::inconclusive(
        id,
        format!("{why}; {} passed, and an agent with these settings may take {}", seconds(had), seconds(needs)),
    )
}

/// `leader-eventually`: when faults are over, some node becomes leader and accepts writes.
pub fn leader_eventually(history: &History) -> Check {
    let id = Property::LeaderEventually.id();
    if let Some(check) = unobserved(history, id, &[Source::Etcd, Source::Postgres, Source::Writer]) {
        return check;
    }
    let Some([heal, until]) = waited(history) else {
        return Check::inconclusive(id, "the run did not get that far");
    };
    if history.run.configuration.standby_cluster {
        return Check::pass(id, "a standby cluster has no writable leader");
    }
    let holder = spans(history).last().and_then(|(holder, ..)| *holder);
    let Some(holder) = holder else {
        return missing(history, id, heal, "nobody holds the leader lock at the end".into());
    };
    let wrote = history.events.iter().find(|event| {
        event.node.as_deref() == Some(holder)
            && event.at[1] >= heal
            && event.at[0] <= until
            && matches!(event.kind, Kind::Write { result: WriteResult::Ok, .. })
    });
    match (found_at_the_end(history, holder).map(|found| found.state), wrote) {
        (Some(ServerState::Primary), Some(_)) => Check::pass(id, format!("{holder} leads and accepts writes")),
        (Some(ServerState::Primary), None) => {
            missing(history, id, heal, format!("{holder} leads, and acknowledged no write after the faults"))
        }
        _ => missing(history, id, heal, format!("{holder} holds the leader lock and is no primary")),
    }
}

/// `unstartable-leader-yields`: a lock holder whose Postgres does not start gives up the lock while somebody can take over.
pub fn unstartable_leader_yields(history: &History) -> Check {
    let id = Property::UnstartableLeaderYields.id();
    if let Some(check) = unobserved(history, id, &[Source::Etcd, Source::Postgres, Source::Process]) {
        return check;
    }
    let changes = changes(history);
    let Some((holder, since)) = changes.last().and_then(|change| Some((change.holder?, change.event.at[1]))) else {
        return Check::pass(id, "nobody holds the lock at the end");
    };
    let up = |state| matches!(state, ServerState::Primary | ServerState::Standby);
    match found_at_the_end(history, holder) {
        None => return Check::inconclusive(id, format!("{holder} was not probed at the end")),
        Some(found) if up(found.state) => {
            return Check::pass(id, format!("Postgres runs at {holder}, who holds the lock"));
        }
        Some(_) => {}
    }
    let is_standby =
        |node: &&String| found_at_the_end(history, node).is_some_and(|found| found.state == ServerState::Standby);
    let candidates = history.run.nodes.iter().filter(|node| *node != holder).filter(is_standby);
    let candidates: Vec<&str> = candidates.map(String::as_str).collect();
    if candidates.is_empty() {
        return Check::pass(id, format!("nobody could take over from {holder}"));
    }
    let last_up = history.events.iter().rev().find(|event| {
        event.node.as_deref() == Some(holder) && matches!(event.kind, Kind::Server { state, .. } if up(state))
    });
    let down_since = last_up.map_or(since, |event| event.at[1]).max(since);
    let why = format!(
        "{holder} holds the lock at the end, and its Postgres is not up since {}; {} could take over",
        seconds(down_since),
        candidates.join(" or ")
    );
    missing(history, id, down_since, why)
}

/// Whether the primary elsewhere that a standby cluster follows was replaced by one that lacks what was written last.
fn primary_was_replaced(history: &History) -> bool {
    let replaced = |kind: &Kind| matches!(kind, Kind::Disturbance { disturbance: Disturbance::RemoteFailover, .. });
    history.events.iter().any(|event| replaced(&event.kind))
}

/// `crashed-node-rejoins`: when faults are over, every node whose Postgres died ends as a streaming standby or as the leader.
pub fn crashed_node_rejoins(history: &History, ledger: &Result<Ledger, String>) -> Check {
    let id = Property::CrashedNodeRejoins.id();
    if let Some(check) = unobserved(history, id, &[Source::Etcd, Source::Postgres, Source::Process]) {
        return check;
    }
    let (Some(ready), Some([heal, _])) = (history.phase(Phase::Ready), waited(history)) else {
        return Check::inconclusive(id, "the run did not get that far");
    };
    let holder = spans(history).last().and_then(|(holder, ..)| *holder);
    let mut back = Vec::new();
    for node in &history.run.nodes {
        let lives = lives(history, node);
        let died = |what| lives.iter().any(|life| life.what == what && life.to.is_some_and(|to| to[1] >= ready));
        if !died(Process::Postmaster) {
            continue;
        }
        let agents = lives.iter().filter(|life| life.what == Process::Agent);
        if agents.clone().next().is_some() && agents.clone().all(|life| life.to.is_some()) {
            continue; // Nobody is left there who could bring it back.
        }
        let configuration = &history.run.configuration;
        // No member of a standby cluster is cloned anew: nobody there can tell who is right.
        let cloned = configuration.remove_data_directory_on_diverged_timelines && !configuration.standby_cluster;
        if !configuration.use_pg_rewind
            && !cloned
            && (has_diverged(history, ledger, node) || primary_was_replaced(history))
        {
            back.push(format!("{node} has what its primary lacks, and may neither be rewound nor be cloned anew"));
            continue;
        }
        match found_at_the_end(history, node) {
            Some(AtTheEnd { state: ServerState::Standby, streams: true, .. }) => back.push(format!("{node} streams")),
            Some(found) if found.state == ServerState::Primary && holder == Some(node) => {
                back.push(format!("{node} leads"));
            }
            None => return Check::inconclusive(id, format!("{node} was not probed at the end")),
            Some(found) => {
                let why = format!(
                    "{node}, whose Postgres died, is no streaming standby at the end and does not lead: {}",
                    crate::history::describe::state(found.state)
                );
                return missing(history, id, heal, why);
            }
        }
    }
    match back.is_empty() {
        true => Check::pass(id, "no Postgres died"),
        false => Check::pass(id, format!("Postgres died, and is back: {}", back.join(", "))),
    }
}
