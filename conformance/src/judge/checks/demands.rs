//! What a scenario demands: the branch of recover, the leader, the timeline, single-user mode, and how the crashed node ends.

use pghaspec_model::recover::branch::Branch;
use pghaspec_model::vocabulary::event::{Event, GapReason, Kind, Phase, Process, ServerState, Source};
use pghaspec_model::vocabulary::fault::Fault;

use super::crash_recovery::is_of_pg_rewind;
use super::durability::last_primary;
use super::read_only_in_time::read_only_in_time;
use crate::history::describe;
use crate::history::older_formats::gap_reason;
use crate::history::{History, seconds};
use crate::judge::facts::processes::{Life, lives};
use crate::judge::verdict::{Check, excuse};
use crate::scenario::{Expect, LeaderAfter, Rejoins, TimelineAfter};

/// All checks that the scenario's expectations make.
pub fn checks(history: &History, expect: &Expect) -> Vec<Check> {
    let breaks = |event: &&Event| matches!(event.kind, Kind::Fault { .. } | Kind::Disturbance { .. });
    let Some(fault) = history.events.iter().filter(breaks).min_by_key(|event| event.at[0]) else {
        return vec![Check::inconclusive("takes-branch", "no fault was injected")];
    };
    // What is done to the DCS hits no node; the first that is hit counts.
    let hits = history.events.iter().filter(breaks).filter(|event| event.node.is_some());
    let hit = hits.min_by_key(|event| event.at[0]).and_then(|event| event.node.as_deref());
    let crashed = hit.unwrap_or("the DCS");
    let mut checks = Vec::new();
    checks.extend(expect.branches.as_ref().map(|wanted| takes_branch(history, wanted, crashed, fault)));
    checks.extend(expect.others.as_ref().map(|wanted| others_take(history, wanted, crashed, fault)));
    checks.extend(expect.leader.map(|wanted| leader(history, wanted, crashed)));
    checks.extend(expect.timeline.map(|wanted| timeline(history, wanted)));
    checks.extend(expect.rejoins.map(|wanted| rejoins(history, wanted, crashed)));
    checks.extend(expect.single_user.map(|wanted| single_user(history, wanted, crashed, fault)));
    if expect.read_only_in_time == Some(true) {
        checks.push(read_only_in_time(history));
    }
    if let Some((at, fault)) = undone(history) {
        // What the scenario demands, it demands of its own course.
        let moment = |seq| history.events.iter().find(|event| event.seq == seq).map(|event| event.at[1]);
        excuse(&mut checks, at, moment, &format!("{} had no effect, so the run took another course", fault.id()));
    }
    checks
}

/// The first fault without an effect that is not the agent's doing, and from when on it changes the course of the run. Where a trap lay in wait
/// for a process that was never started, the agent has taken another course, not the run.
fn undone(history: &History) -> Option<(u64, Fault)> {
    let faults = history.events.iter().filter_map(|event| match event.kind {
        Kind::Fault { fault, effect: None } => Some((event, fault)),
        _ => None,
    });
    let blind = history.blind(&[Source::Process]).is_some();
    let mut undone = faults.filter(|(event, fault)| {
        let Some(node) = event.node.as_deref() else { return true };
        let lives = lives(history, node);
        let started = |what: Process| {
            let meanwhile = |life: &Life| life.from[1] >= event.at[0] && life.from[0] <= event.at[1];
            lives.iter().any(|life| life.what == what && !is_of_pg_rewind(life.argv) && meanwhile(life))
        };
        // What is killed at once is there before and after; a trap is laid long before.
        let stays = |what: Process| {
            let throughout = |life: &Life| life.from[0] <= event.at[0] && life.to.is_none_or(|to| to[1] >= event.at[1]);
            lives.iter().any(|life| life.what == what && throughout(life))
        };
        blind
            || match fault {
                Fault::StartFails | Fault::StartHangs => started(Process::Postmaster),
                Fault::SingleUserFails | Fault::SingleUserHangs => started(Process::SingleUser),
                Fault::RewindFails => started(Process::PgRewind),
                Fault::PostmasterKilled => started(Process::Postmaster) || stays(Process::Postmaster),
                Fault::AgentKilled => started(Process::SingleUser) || stays(Process::Agent),
                _ => true,
            }
    });
    undone.next().map(|(event, fault)| (event.at[0], fault))
}

fn branch_list(branches: &[Branch]) -> String {
    branches.iter().map(|branch| branch.id()).collect::<Vec<_>>().join(", ")
}

fn takes_branch(history: &History, wanted: &[Branch], crashed: &str, fault: &Event) -> Check {
    const ID: &str = "takes-branch";
    let taken: Vec<(Branch, &Event)> = history
        .events
        .iter()
        .filter(|event| event.node.as_deref() == Some(crashed) && event.at[1] >= fault.at[0])
        .filter_map(|event| match &event.kind {
            Kind::Recover { branch, .. } => Some((*branch, event)),
            _ => None,
        })
        .collect();
    if let Some(why) = history.blind(&[Source::AgentLog]) {
        return Check::inconclusive(ID, why);
    }
    let branches: Vec<Branch> = taken.iter().map(|(branch, _)| *branch).collect();
    if let (true, Some((branch, event))) = (wanted.is_empty(), taken.first()) {
        let what = format!("{crashed} took {} at {} (event {})", branch.id(), seconds(event.at[1]), event.seq);
        return Check::fail(ID, format!("{what} where nothing was to be recovered")).at(Some(event.seq));
    }
    for (index, want) in wanted.iter().enumerate() {
        match taken.get(index) {
            None => {
                return Check::inconclusive(
                    ID,
                    format!("{crashed} should take {} and was heard to take {}", branch_list(wanted), said(&branches)),
                );
            }
            Some((branch, event)) if branch != want => {
                return Check::fail(
                    ID,
                    format!(
                        "{crashed} took {} at {} (event {}) where the specification demands {}",
                        branch.id(),
                        seconds(event.at[1]),
                        event.seq,
                        want.id()
                    ),
                )
                .at(Some(event.seq));
            }
            Some(_) => {}
        }
    }
    Check::pass(ID, format!("{crashed} took {}", said(&branches)))
}

/// Which branches the nodes take that were not hit first.
fn others_take(history: &History, wanted: &[Branch], crashed: &str, fault: &Event) -> Check {
    const ID: &str = "others-take-branch";
    if let Some(why) = history.blind(&[Source::AgentLog]) {
        return Check::inconclusive(ID, why);
    }
    let taken: Vec<(Branch, &Event)> = history
        .events
        .iter()
        .filter(|event| event.node.as_deref().is_some_and(|node| node != crashed) && event.at[1] >= fault.at[0])
        .filter_map(|event| match &event.kind {
            Kind::Recover { branch, .. } => Some((*branch, event)),
            _ => None,
        })
        .collect();
    let branches: Vec<Branch> = taken.iter().map(|(branch, _)| *branch).collect();
    if let (true, Some((branch, event))) = (wanted.is_empty(), taken.first()) {
        let node = event.node.as_deref().unwrap_or("a node");
        let why = format!("{node} took {} at {}, unhurt as it was", branch.id(), seconds(event.at[1]));
        return Check::fail(ID, why).at(Some(event.seq));
    }
    match wanted.iter().find(|branch| !branches.contains(branch)) {
        Some(missing) => {
            Check::inconclusive(ID, format!("nobody else was heard to take {}, but {}", missing.id(), said(&branches)))
        }
        None => Check::pass(ID, format!("the other nodes took {}", said(&branches))),
    }
}

fn said(branches: &[Branch]) -> String {
    if branches.is_empty() { "nothing".into() } else { branch_list(branches) }
}

/// Who held the lock at a moment, if that is certain; the outer `None` when a change straddles the moment.
fn leader_at(history: &History, at: u64) -> Option<Option<&str>> {
    let mut changes: Vec<_> = history
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            Kind::LeaderKey { holder, revision, .. } => Some((*revision, event.at, holder.as_deref())),
            _ => None,
        })
        .collect();
    changes.sort_by_key(|(revision, ..)| *revision);
    if changes.iter().any(|(_, [from, to], _)| *from <= at && *to > at) {
        return None;
    }
    Some(changes.iter().rev().find(|(_, interval, _)| interval[1] <= at).and_then(|(.., holder)| *holder))
}

/// The leader before the faults and after everything settled; the error says why that is not known.
fn leaders(history: &History) -> Result<(&str, Option<&str>), String> {
    if let Some(why) = history.blind(&[Source::Etcd]) {
        return Err(why);
    }
    let at = |phase| {
        history.phase(phase).ok_or_else(|| format!("the run ended before the phase {}", describe::phase(phase)))
    };
    let straddled = "the leader key changed just then";
    let before = leader_at(history, at(Phase::Fault)?).ok_or(straddled)?.ok_or("nobody led before the fault")?;
    Ok((before, leader_at(history, at(Phase::ReadBack)?).ok_or(straddled)?))
}

fn leader(history: &History, wanted: LeaderAfter, crashed: &str) -> Check {
    const ID: &str = "leader";
    let (before, after) = match leaders(history) {
        Ok(leaders) => leaders,
        Err(why) => return Check::inconclusive(ID, why),
    };
    let Some(after) = after else {
        if wanted == LeaderAfter::None {
            return Check::pass(ID, format!("{before} led before, and nobody does in the end"));
        }
        return Check::fail(ID, format!("nobody holds the leader lock at the end, after the crash of {crashed}"));
    };
    let words = format!("{before} led before, {after} leads in the end");
    match (wanted, before == after) {
        (LeaderAfter::Same, true) | (LeaderAfter::Other, false) => Check::pass(ID, words),
        (LeaderAfter::Same, false) => Check::fail(ID, format!("{words}; no failover was called for")),
        (LeaderAfter::None, _) => Check::fail(ID, format!("{words}; nobody may")),
        (LeaderAfter::Other, true) => Check::fail(ID, format!("{words}; the lock should have gone to another node")),
    }
}

/// The highest timeline of a primary; in a standby cluster, which has none, of anybody.
fn highest_timeline(history: &History, from: u64, to: u64) -> Option<u32> {
    let of_standbys = history.run.configuration.standby_cluster;
    let events = history.events.iter().filter(|event| event.at[1] >= from && event.at[0] <= to);
    events
        .filter_map(|event| match event.kind {
            Kind::Server { state: ServerState::Primary, timeline, .. } => timeline,
            Kind::Server { state: ServerState::Standby, timeline, .. } if of_standbys => timeline,
            _ => None,
        })
        .max()
}

/// The timelines of the primary before the faults and at the end.
fn timelines(history: &History) -> Option<(u32, u32)> {
    let fault = history.phase(Phase::Fault)?;
    Some((highest_timeline(history, 0, fault)?, highest_timeline(history, history.phase(Phase::Settled)?, u64::MAX)?))
}

fn timeline(history: &History, wanted: TimelineAfter) -> Check {
    const ID: &str = "timeline";
    let Some((before, after)) = timelines(history) else {
        return Check::inconclusive(ID, "the timeline of a primary was not seen both before and after");
    };
    let words = format!("timeline {before} before, {after} in the end");
    match (wanted, before == after) {
        (TimelineAfter::Unchanged, true) | (TimelineAfter::Bumped, false) => Check::pass(ID, words),
        (TimelineAfter::Unchanged, false) => Check::fail(ID, format!("{words}; no promotion was called for")),
        (TimelineAfter::Bumped, true) => Check::fail(ID, format!("{words}; a promotion would have raised it")),
    }
}

fn single_user(history: &History, wanted: bool, crashed: &str, fault: &Event) -> Check {
    const ID: &str = "single-user";
    let run = history.events.iter().find(|event| {
        event.node.as_deref() == Some(crashed)
            && event.at[1] >= fault.at[0]
            && matches!(&event.kind, Kind::ProcessStarted { what: Process::SingleUser, argv, .. } if !is_of_pg_rewind(argv))
    });
    match (wanted, run) {
        (false, Some(event)) => Check::fail(
            ID,
            format!(
                "{crashed} ran postgres --single at {} (event {}), which was not called for",
                seconds(event.at[1]),
                event.seq
            ),
        )
        .at(Some(event.seq)),
        (true, Some(event)) => Check::pass(ID, format!("{crashed} ran postgres --single at {}", seconds(event.at[1]))),
        (_, None) if history.blind(&[Source::Process]).is_some() || history.polls_processes() => {
            Check::inconclusive(ID, "processes were not observed without a gap")
        }
        (true, None) => Check::fail(ID, format!("{crashed} did not run postgres --single")),
        (false, None) => Check::pass(ID, format!("{crashed} did not run postgres --single")),
    }
}

fn rejoins(history: &History, wanted: Rejoins, crashed: &str) -> Check {
    const ID: &str = "rejoins";
    let Some(settled) = history.phase(Phase::Settled) else {
        return Check::inconclusive(ID, "the run did not get that far");
    };
    // Steps that were not taken are told of before.
    let unsettled = history.events.iter().find_map(|event| match gap_reason(event) {
        Some(reason @ (GapReason::NotSettled | GapReason::SettledTooLateToTell)) => Some((event, reason)),
        _ => None,
    });
    match unsettled {
        Some((event, GapReason::SettledTooLateToTell)) => return Check::inconclusive(ID, describe::gap_text(event)),
        Some((event, _)) => {
            let why = format!("the cluster was not whole again in the time that it had: {}", describe::gap_text(event));
            return Check::fail(ID, why);
        }
        None => {}
    }
    let found = history.events.iter().rev().find_map(|event| match &event.kind {
        Kind::Server { state, timeline, streaming, .. }
            if event.node.as_deref() == Some(crashed) && event.at[1] >= settled =>
        {
            Some((*state, *timeline, *streaming))
        }
        _ => None,
    });
    let elsewhere = if history.run.configuration.standby_cluster { "whom it follows" } else { "nobody" };
    let primary = last_primary(history).unwrap_or(elsewhere);
    match (wanted, found) {
        (_, None) => Check::inconclusive(ID, format!("{crashed} was not probed in the end")),
        (Rejoins::Primary, Some((ServerState::Primary, ..))) => {
            Check::pass(ID, format!("{crashed} is the primary again"))
        }
        (Rejoins::Standby, Some((ServerState::Standby, _, Some(true)))) => {
            Check::pass(ID, format!("{crashed} streams from {primary}"))
        }
        (Rejoins::Primary, Some((state, ..))) => {
            Check::fail(ID, format!("{crashed} should be the primary again, and is not: {}", describe::state(state)))
        }
        (Rejoins::Standby, Some((state, _, streaming))) => Check::fail(
            ID,
            format!(
                "{crashed} should stream as a standby of {primary}, and does not: {}{}",
                describe::state(state),
                if streaming == Some(false) { " that does not stream" } else { "" }
            ),
        ),
    }
}
