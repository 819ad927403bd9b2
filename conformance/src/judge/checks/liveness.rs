//! Liveness at the end of a run: a leader, and every crashed node, came back once the faults were over.
//!
//! A run is finite, so a thing that has not come counts only if it had time enough.

use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Process, ServerState, Source, WriteResult};
use pghaspec_model::vocabulary::property::Property;

use super::definition::{Agents, Applies, Asked, Definition, End, Name};
use crate::features;
use crate::history::parts::{Carry, first_by};
use crate::history::{History, SECOND, describe, seconds};
use crate::judge::facts::end_state::{EndState, FINDINGS, found_at_the_end, read_back};
use crate::judge::facts::ledger::Ledger;
use crate::judge::facts::lock::{self, changes, spans};
use crate::judge::facts::processes::{OPEN, lives};
use crate::judge::facts::writable::PROOFS;
use crate::judge::verdict::Check;

/// The time that an agent may take, by its own claim, or else by its settings: a lease ends, a start is waited for, and
/// two cycles with all their retries. Nanoseconds.
fn patience(history: &History) -> u64 {
    let run = &history.run;
    if let Some(recovers_s) = run.recovers_s {
        return u64::from(recovers_s) * SECOND;
    }
    let cycle = u64::from(run.loop_wait_s) + 2 * u64::from(run.retry_timeout_s);
    (u64::from(run.ttl_s) + u64::from(run.primary_start_timeout_s) + 2 * cycle) * SECOND
}

/// From the end of the faults to the end of the wait.
fn waited(history: &History) -> Option<[u64; 2]> {
    Some([history.phase(Phase::Heal)?, history.phase(Phase::ReadBack)?])
}

/// The outcome of a check for a thing that has not come: a failure if there was time for it, since the faults were over
/// and since the last death that none of them caused.
fn missing(end: &End, check: &Definition, since: u64, why: String) -> Check {
    let history = end.last;
    let until = history.phase(Phase::ReadBack).unwrap_or(since);
    let before = end.deaths.iter().filter(|death| death.at[0] <= until);
    if let Some(death) = before.clone().find(|death| death.agentless) {
        return check
            .inconclusive(format!("{why}; but nobody started the agent of {} again: {}", death.node, death.words));
    }
    let since = before.map(|death| death.at[1]).max().map_or(since, |died| died.max(since));
    let (had, needs) = (until.saturating_sub(since), patience(history));
    if had >= needs {
        return check.fail(format!("{why}, though {} passed", seconds(had)));
    }
    check.inconclusive(format!(
        "{why}; {} passed, and an agent with these settings may take {}",
        seconds(had),
        seconds(needs)
    ))
}

/// `leader-eventually`: when faults are over, some node becomes leader and accepts writes.
pub static LEADER_EVENTUALLY: Definition = Definition {
    name: Name::Property(Property::LeaderEventually),
    needs: &[Source::Etcd, Source::Postgres, Source::Writer],
    agents: Agents::Any,
    applies: Applies::Always,
    inconclusive: "the run was shorter than an agent with these settings may take",
    carries: &[&PROOFS, &lock::LAST],
    asked: Asked::AtTheEnd(leader_eventually),
};

fn leader_eventually(end: &End) -> Check {
    let history = end.last;
    if let Some(check) = LEADER_EVENTUALLY.unobserved(history) {
        return check;
    }
    let Some([heal, until]) = waited(history) else {
        return LEADER_EVENTUALLY.inconclusive("the run did not get that far");
    };
    if history.run.configuration.standby_cluster {
        return LEADER_EVENTUALLY.pass("a standby cluster has no writable leader");
    }
    let holder = spans(history).last().and_then(|(holder, ..)| *holder);
    let Some(holder) = holder else {
        return missing(end, &LEADER_EVENTUALLY, heal, "nobody holds the leader lock at the end".into());
    };
    let wrote = history.events.iter().find(|event| {
        event.node.as_deref() == Some(holder)
            && event.at[1] >= heal
            && event.at[0] <= until
            && matches!(event.kind, Kind::Write { result: WriteResult::Ok, .. })
    });
    match (found_at_the_end(history, holder).map(|found| found.state), wrote) {
        (Some(ServerState::Primary), Some(_)) => LEADER_EVENTUALLY.pass(format!("{holder} leads and accepts writes")),
        (Some(ServerState::Primary), None) => missing(
            end,
            &LEADER_EVENTUALLY,
            heal,
            format!("{holder} leads, and acknowledged no write after the faults"),
        ),
        _ => missing(end, &LEADER_EVENTUALLY, heal, format!("{holder} holds the leader lock and is no primary")),
    }
}

/// `unstartable-leader-yields`: a lock holder whose Postgres does not start gives up the lock while somebody can take
/// over.
pub static UNSTARTABLE_LEADER_YIELDS: Definition = Definition {
    name: Name::Property(Property::UnstartableLeaderYields),
    needs: &[Source::Etcd, Source::Postgres, Source::Process],
    agents: Agents::Claims(features::FAILS_OVER),
    applies: Applies::Always,
    inconclusive: "the run was shorter than an agent with these settings may take",
    carries: &[&FINDINGS, &lock::LAST],
    asked: Asked::AtTheEnd(unstartable_leader_yields),
};

fn unstartable_leader_yields(end: &End) -> Check {
    let history = end.last;
    if let Some(check) = UNSTARTABLE_LEADER_YIELDS.unobserved(history) {
        return check;
    }
    let changes = changes(history);
    let Some((holder, since)) = changes.last().and_then(|change| Some((change.holder?, change.event.at[1]))) else {
        return UNSTARTABLE_LEADER_YIELDS.pass("nobody holds the lock at the end");
    };
    let up = ServerState::is_up;
    match found_at_the_end(history, holder) {
        None => return UNSTARTABLE_LEADER_YIELDS.inconclusive(format!("{holder} was not probed at the end")),
        Some(found) if up(found.state) => {
            return UNSTARTABLE_LEADER_YIELDS.pass(format!("Postgres runs at {holder}, who holds the lock"));
        }
        Some(_) => {}
    }
    let is_standby =
        |node: &&String| found_at_the_end(history, node).is_some_and(|found| found.state == ServerState::Standby);
    let candidates = history.run.nodes.iter().filter(|node| *node != holder).filter(is_standby);
    let candidates: Vec<&str> = candidates.map(String::as_str).collect();
    if candidates.is_empty() {
        return UNSTARTABLE_LEADER_YIELDS.pass(format!("nobody could take over from {holder}"));
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
    missing(end, &UNSTARTABLE_LEADER_YIELDS, down_since, why)
}

/// The failover of the primary elsewhere that a standby cluster follows.
static REPLACED_PRIMARIES: Carry = Carry {
    says: "the first failover of the primary elsewhere",
    select: |history| first_by(history, |event| is_remote_failover(event).then_some(())),
};

fn is_remote_failover(event: &Event) -> bool {
    matches!(event.kind, Kind::Disturbance { disturbance: Disturbance::RemoteFailover, .. })
}

/// The primary elsewhere that a standby cluster follows was replaced by one that lacks what was written last.
fn primary_was_replaced(history: &History) -> bool {
    history.events.iter().any(is_remote_failover)
}

/// `crashed-node-rejoins`: when faults are over, every node whose Postgres died ends as a streaming standby or as the
/// leader.
pub static CRASHED_NODE_REJOINS: Definition = Definition {
    name: Name::Property(Property::CrashedNodeRejoins),
    needs: &[Source::Etcd, Source::Postgres, Source::Process],
    agents: Agents::Claims(features::REJOINS),
    applies: Applies::Always,
    inconclusive: "the run was shorter than an agent with these settings may take",
    carries: &[&OPEN, &FINDINGS, &lock::LAST, &REPLACED_PRIMARIES],
    asked: Asked::AtTheEnd(crashed_node_rejoins),
};

fn crashed_node_rejoins(end: &End) -> Check {
    let (history, ledger) = (end.last, end.ledger);
    if let Some(check) = CRASHED_NODE_REJOINS.unobserved(history) {
        return check;
    }
    let (Some(ready), Some([heal, _])) = (history.phase(Phase::Ready), waited(history)) else {
        return CRASHED_NODE_REJOINS.inconclusive("the run did not get that far");
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
            Some(EndState { state: ServerState::Standby, streams: true, .. }) => back.push(format!("{node} streams")),
            Some(found) if found.state == ServerState::Primary && holder == Some(node) => {
                back.push(format!("{node} leads"));
            }
            None => return CRASHED_NODE_REJOINS.inconclusive(format!("{node} was not probed at the end")),
            Some(found) => {
                let why = format!(
                    "{node}, whose Postgres died, is no streaming standby at the end and does not lead: {}",
                    describe::state(found.state)
                );
                return missing(end, &CRASHED_NODE_REJOINS, heal, why);
            }
        }
    }
    match back.is_empty() {
        true => CRASHED_NODE_REJOINS.pass("no Postgres died"),
        false => CRASHED_NODE_REJOINS.pass(format!("Postgres died, and is back: {}", back.join(", "))),
    }
}

/// A node holds rows at the end that the last primary does not, though no answer to a client was lost: its data is off
/// the primary's.
fn has_diverged(history: &History, ledger: &Result<Ledger, String>, node: &str) -> bool {
    let Ok(ledger) = ledger else { return false };
    read_back(history, node).is_some_and(|rows| !ledger.unshared(&rows).is_empty())
}
