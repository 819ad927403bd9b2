//! Demands of a scenario: branches of `recover()`, the leader, the timeline, single-user mode, the end of the node hit
//! first.
//!
//! A scenario names what an agent with certain rules must do; where the run took another course than the scenario's,
//! nothing is held against the agent.

use std::collections::{BTreeMap, BTreeSet};

use pghaspec_model::recover::branch::Branch;
use pghaspec_model::vocabulary::event::{Event, GapReason, Kind, Phase, Process, ServerState, Source};
use pghaspec_model::vocabulary::fault::Fault;

use super::definition::{Agents, Applies, Asked, Definition, End, Name};
use super::evidence::{FAULTS, FIRST_FAULTS, is_fault};
use crate::history::older_formats::gap_reason;
use crate::history::parts::{Carry, first_by};
use crate::history::{History, describe, seconds};
use crate::judge::facts::end_state::{self, FINDINGS, last_primary};
use crate::judge::facts::lock;
use crate::judge::facts::processes::{Life, is_of_pg_rewind, lives};
use crate::judge::verdict::{Check, Verdict, excuse};
use crate::scenario::{Expect, LeaderAfter, Rejoins, TimelineAfter};

/// Judges a demand of the scenario on the course of a run that begins with its first fault.
///
/// `demand` is given that fault, and the name of the first node that was hit: a fault of the DCS hits no node.
fn on_the_course(
    end: &End,
    check: &Definition,
    demand: impl FnOnce(&History, &Expect, &str, &Event) -> Option<Check>,
) -> Check {
    let faults = || end.last.events.iter().filter(|event| is_fault(event));
    let Some(fault) = faults().min_by_key(|event| event.at[0]) else {
        return check.inconclusive("no fault was injected");
    };
    let hit = faults().filter(|event| event.node.is_some()).min_by_key(|event| event.at[0]);
    let hit = hit.and_then(|event| event.node.as_deref()).unwrap_or("the DCS");
    let judged = end.expect.and_then(|expect| demand(end.last, expect, hit, fault));
    judged.unwrap_or_else(|| check.came_out(Verdict::Skipped, "the scenario does not demand it"))
}

/// `scenario-demands`: a history whose scenario is not known is held to the specification alone.
pub static SCENARIO_DEMANDS: Definition = Definition {
    name: Name::Own { id: "scenario-demands", says: "the demands of the scenario are known" },
    needs: &[],
    agents: Agents::Any,
    applies: Applies::UnknownScenario,
    inconclusive: "",
    carries: &[],
    asked: Asked::AtTheEnd(unknown_scenario),
};

fn unknown_scenario(end: &End) -> Check {
    let scenario = &end.last.run.scenario;
    let why = format!("there is no scenario `{scenario}` here: nothing but the specification is asked");
    SCENARIO_DEMANDS.came_out(Verdict::Skipped, why)
}

/// Excuses demands that failed after a fault had no effect: a scenario demands things of its own course.
pub fn excuse_undone<'c>(
    history: &History,
    checks: impl IntoIterator<Item = &'c mut Check>,
    moment: impl Fn(u64) -> Option<u64>,
) {
    if let Some((at, fault)) = undone(history) {
        excuse(checks, at, moment, &format!("{} had no effect, so the run took another course", fault.id()));
    }
}

/// The faults without an effect, and the processes that lived meanwhile.
pub static UNDONE: Carry = Carry {
    says: "each fault without an effect, with the processes of its node that lived meanwhile",
    select: |history| {
        let mut kept: BTreeSet<u64> = BTreeSet::new();
        for event in &history.events {
            if !matches!(event.kind, Kind::Fault { effect: None, .. }) {
                continue;
            }
            kept.insert(event.seq);
            let Some(node) = event.node.as_deref() else { continue };
            for life in lives(history, node) {
                let [from, to] = life.possible();
                if from <= event.at[1] && to >= event.at[0] {
                    kept.extend([Some(life.seq), life.end].into_iter().flatten());
                }
            }
        }
        let places = history.events.iter().enumerate().filter(|(_, event)| kept.contains(&event.seq));
        places.map(|(place, _)| place).collect()
    },
};

/// The first fault without an effect that is not the agent's doing, and from when on it changes the course of the run.
/// A trap that lay in wait for a process that was never started is none: the agent has taken another course, not the
/// run.
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

/// The decisions of agents since the first fault, as far as a scenario may demand them.
static DECISIONS: Carry = Carry {
    says: "the first 16 decisions of each agent since the first fault, and its first of each branch",
    select: |history| {
        let faults = history.events.iter().filter(|event| is_fault(event));
        let Some(fault) = faults.min_by_key(|event| event.at[0]) else { return Vec::new() };
        let branch = |event: &Event| match event.kind {
            Kind::Recover { branch, .. } if event.at[1] >= fault.at[0] => Some(branch),
            _ => None,
        };
        let mut places = first_by(history, |event| Some((event.node.as_deref(), branch(event)?)));
        let mut taken: BTreeMap<Option<&str>, usize> = BTreeMap::new();
        for (place, event) in history.events.iter().enumerate().filter(|(_, event)| branch(event).is_some()) {
            let count = taken.entry(event.node.as_deref()).or_default();
            *count += 1;
            if *count <= DEMANDED {
                places.push(place);
            }
        }
        places
    },
};

/// Decisions of one agent that a scenario demands one after the other, at most.
const DEMANDED: usize = 16;

/// `takes-branch`: the node hit first takes the branches of `recover()` that the scenario demands, in their order.
pub static TAKES_BRANCH: Definition = Definition {
    name: Name::Own {
        id: "takes-branch",
        says: "the agent of the node hit first takes the branches of recover() that the scenario demands",
    },
    needs: &[Source::AgentLog],
    agents: Agents::SaysBranches,
    applies: Applies::Demanded { key: "branches", by: |expect| expect.branches.is_some() },
    inconclusive: "the agent was heard to take fewer",
    carries: &[&DECISIONS, &FIRST_FAULTS, &UNDONE],
    asked: Asked::AtTheEnd(|end| {
        on_the_course(end, &TAKES_BRANCH, |history, expect, hit, fault| {
            Some(takes(history, expect.branches.as_ref()?, hit, fault))
        })
    }),
};

fn takes(history: &History, wanted: &[Branch], crashed: &str, fault: &Event) -> Check {
    if let Some(why) = history.blind(&[Source::AgentLog]) {
        return TAKES_BRANCH.inconclusive(why);
    }
    by_all_or_certain(&TAKES_BRANCH, history, fault, |node| node == crashed, |taken| took(taken, wanted, crashed))
}

/// Judges the decisions of nodes since a fault. One that may have been taken just before it counts only if nothing
/// hangs on it.
fn by_all_or_certain(
    check: &Definition,
    history: &History,
    fault: &Event,
    of: impl Fn(&str) -> bool,
    judge: impl Fn(&[(Branch, &Event)]) -> Check,
) -> Check {
    let decisions = history.events.iter().filter(|event| event.node.as_deref().is_some_and(&of));
    let all: Vec<(Branch, &Event)> = decisions
        .filter(|event| event.at[1] >= fault.at[0])
        .filter_map(|event| match &event.kind {
            Kind::Recover { branch, .. } => Some((*branch, event)),
            _ => None,
        })
        .collect();
    let certain: Vec<(Branch, &Event)> = all.iter().filter(|(_, event)| event.at[0] >= fault.at[0]).copied().collect();
    let judged = judge(&all);
    if certain.len() == all.len() || judge(&certain).verdict == judged.verdict {
        return judged;
    }
    check.inconclusive("a decision was heard that may have been taken before the fault or after it")
}

fn took(taken: &[(Branch, &Event)], wanted: &[Branch], crashed: &str) -> Check {
    let branches: Vec<Branch> = taken.iter().map(|(branch, _)| *branch).collect();
    if let (true, Some((branch, event))) = (wanted.is_empty(), taken.first()) {
        let what = format!("{crashed} took {} at {} (event {})", branch.id(), seconds(event.at[1]), event.seq);
        return TAKES_BRANCH.fail(format!("{what} where nothing was to be recovered")).at(Some(event.seq));
    }
    for (index, want) in wanted.iter().enumerate() {
        match taken.get(index) {
            None => {
                return TAKES_BRANCH.inconclusive(format!(
                    "{crashed} should take {} and was heard to take {}",
                    branch_list(wanted),
                    said(&branches)
                ));
            }
            Some((branch, event)) if branch != want => {
                return TAKES_BRANCH
                    .fail(format!(
                        "{crashed} took {} at {} (event {}) where the specification demands {}",
                        branch.id(),
                        seconds(event.at[1]),
                        event.seq,
                        want.id()
                    ))
                    .at(Some(event.seq));
            }
            Some(_) => {}
        }
    }
    TAKES_BRANCH.pass(format!("{crashed} took {}", said(&branches)))
}

/// `others-take-branch`: the nodes that were not hit first take the branches of `recover()` that the scenario demands.
pub static OTHERS_TAKE_BRANCH: Definition = Definition {
    name: Name::Own {
        id: "others-take-branch",
        says: "the agents of the other nodes take the branches of recover() that the scenario demands",
    },
    needs: &[Source::AgentLog],
    agents: Agents::SaysBranches,
    applies: Applies::Demanded { key: "others", by: |expect| expect.others.is_some() },
    inconclusive: "no agent was heard to take one of them",
    carries: &[&DECISIONS, &FIRST_FAULTS, &UNDONE],
    asked: Asked::AtTheEnd(|end| {
        on_the_course(end, &OTHERS_TAKE_BRANCH, |history, expect, hit, fault| {
            Some(others_take(history, expect.others.as_ref()?, hit, fault))
        })
    }),
};

/// The branches that the nodes take that were not hit first.
fn others_take(history: &History, wanted: &[Branch], crashed: &str, fault: &Event) -> Check {
    if let Some(why) = history.blind(&[Source::AgentLog]) {
        return OTHERS_TAKE_BRANCH.inconclusive(why);
    }
    by_all_or_certain(&OTHERS_TAKE_BRANCH, history, fault, |node| node != crashed, |taken| others_took(taken, wanted))
}

fn others_took(taken: &[(Branch, &Event)], wanted: &[Branch]) -> Check {
    let branches: Vec<Branch> = taken.iter().map(|(branch, _)| *branch).collect();
    if let (true, Some((branch, event))) = (wanted.is_empty(), taken.first()) {
        let node = event.node.as_deref().unwrap_or("a node");
        let why = format!("{node} took {} at {}, unhurt as it was", branch.id(), seconds(event.at[1]));
        return OTHERS_TAKE_BRANCH.fail(why).at(Some(event.seq));
    }
    match wanted.iter().find(|branch| !branches.contains(branch)) {
        Some(missing) => OTHERS_TAKE_BRANCH.inconclusive(format!(
            "nobody else was heard to take {}, but {}",
            missing.id(),
            said(&branches)
        )),
        None => OTHERS_TAKE_BRANCH.pass(format!("the other nodes took {}", said(&branches))),
    }
}

fn said(branches: &[Branch]) -> String {
    if branches.is_empty() { "nothing".into() } else { branch_list(branches) }
}

/// The lock holder at a moment, if that is certain; the outer `None` when a change straddles the moment.
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
    if lock::unseen(history).iter().any(|[from, to]| *from <= at && *to > at) {
        return None;
    }
    Some(changes.iter().rev().find(|(_, interval, _)| interval[1] <= at).and_then(|(.., holder)| *holder))
}

/// The leader before the faults and after everything settled; the error says why that is not known.
fn leaders(history: &History) -> Result<(&str, Option<&str>), String> {
    if let Some(why) = history.blind(&[history.authority()]) {
        return Err(why);
    }
    let at = |phase| {
        history.phase(phase).ok_or_else(|| format!("the run ended before the phase {}", describe::phase(phase)))
    };
    let straddled = "the leader key changed just then, or was not seen";
    let before = leader_at(history, at(Phase::Fault)?).ok_or(straddled)?.ok_or("nobody led before the fault")?;
    Ok((before, leader_at(history, at(Phase::ReadBack)?).ok_or(straddled)?))
}

/// `leader`: the lock holder at the end is whom the scenario demands.
pub static LEADER: Definition = Definition {
    name: Name::Own { id: "leader", says: "the leader at the end is the one that the scenario demands" },
    needs: &[Source::Etcd],
    agents: Agents::Any,
    applies: Applies::Demanded { key: "leader", by: |expect| expect.leader.is_some() },
    inconclusive: "the leader key changed just when the faults began, or when the rows were read back",
    carries: &[&lock::LAST, &lock::BEFORE_THE_FAULTS, &FIRST_FAULTS, &FAULTS, &UNDONE],
    asked: Asked::AtTheEnd(|end| {
        on_the_course(end, &LEADER, |history, expect, hit, fault| {
            let _ = fault;
            Some(leader_after(history, expect.leader?, hit))
        })
    }),
};

fn leader_after(history: &History, wanted: LeaderAfter, crashed: &str) -> Check {
    let (before, after) = match leaders(history) {
        Ok(leaders) => leaders,
        Err(why) => return LEADER.inconclusive(why),
    };
    let Some(after) = after else {
        if wanted == LeaderAfter::None {
            return LEADER.pass(format!("{before} led before, and nobody does in the end"));
        }
        return LEADER.fail(format!("nobody holds the leader lock at the end, after the crash of {crashed}"));
    };
    let words = format!("{before} led before, {after} leads in the end");
    match (wanted, before == after) {
        (LeaderAfter::Same, true) | (LeaderAfter::Other, false) => LEADER.pass(words),
        (LeaderAfter::Same, false) => LEADER.fail(format!("{words}; no failover was called for")),
        (LeaderAfter::None, _) => LEADER.fail(format!("{words}; nobody may")),
        (LeaderAfter::Other, true) => LEADER.fail(format!("{words}; the lock should have gone to another node")),
    }
}

/// The highest timeline of a primary in some time; in a standby cluster, which has none, of anybody. A probe that only
/// touches that time may have seen the state before or after it, and does not count.
fn highest_timeline(history: &History, from: u64, to: u64) -> Option<u32> {
    let of_standbys = history.run.configuration.standby_cluster;
    let events = history.events.iter().filter(|event| event.at[0] >= from && event.at[1] <= to);
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

/// `timeline`: a promotion happened if, and only if, the scenario demands one.
pub static TIMELINE: Definition = Definition {
    name: Name::Own {
        id: "timeline",
        says: "the timeline was raised by a promotion if, and only if, the scenario demands one",
    },
    needs: &[Source::Postgres],
    agents: Agents::Any,
    applies: Applies::Demanded { key: "timeline", by: |expect| expect.timeline.is_some() },
    inconclusive: "the timeline of a primary was not seen both before and after",
    carries: &[&end_state::BEFORE_THE_FAULTS, &lock::BEFORE_THE_FAULTS, &FIRST_FAULTS, &FAULTS, &UNDONE],
    asked: Asked::AtTheEnd(|end| {
        on_the_course(end, &TIMELINE, |history, expect, hit, fault| {
            let _ = (hit, fault);
            Some(timeline_after(history, expect.timeline?))
        })
    }),
};

fn timeline_after(history: &History, wanted: TimelineAfter) -> Check {
    let Some((before, after)) = timelines(history) else {
        return TIMELINE.inconclusive("the timeline of a primary was not seen both before and after");
    };
    let words = format!("timeline {before} before, {after} in the end");
    match (wanted, before == after) {
        (TimelineAfter::Unchanged, true) | (TimelineAfter::Bumped, false) => TIMELINE.pass(words),
        (TimelineAfter::Unchanged, false) => TIMELINE.fail(format!("{words}; no promotion was called for")),
        (TimelineAfter::Bumped, true) => TIMELINE.fail(format!("{words}; a promotion would have raised it")),
    }
}

/// The first run of single-user mode since the first fault.
static SINGLE_USERS: Carry = Carry {
    says: "the first start of single-user mode at each node since the first fault",
    select: |history| {
        let faults = history.events.iter().filter(|event| is_fault(event));
        let Some(fault) = faults.min_by_key(|event| event.at[0]) else { return Vec::new() };
        first_by(history, |event| {
            (is_single_user(event) && event.at[1] >= fault.at[0]).then_some(event.node.as_deref())
        })
    },
};

/// A start of single-user crash recovery, but for pg_rewind's own.
fn is_single_user(event: &Event) -> bool {
    matches!(&event.kind, Kind::ProcessStarted { what: Process::SingleUser, argv, .. } if !is_of_pg_rewind(argv))
}

/// `single-user`: crash recovery in single-user mode runs at the node hit first if, and only if, the scenario demands
/// it.
pub static SINGLE_USER: Definition = Definition {
    name: Name::Own {
        id: "single-user",
        says: "single-user crash recovery runs at the node hit first if, and only if, the scenario demands it",
    },
    needs: &[Source::Process],
    agents: Agents::Edition,
    applies: Applies::Demanded { key: "single_user", by: |expect| expect.single_user.is_some() },
    inconclusive: "processes were only looked for now and then",
    carries: &[&SINGLE_USERS, &FIRST_FAULTS, &UNDONE],
    asked: Asked::AtTheEnd(|end| {
        on_the_course(end, &SINGLE_USER, |history, expect, hit, fault| {
            Some(single_user_runs(history, expect.single_user?, hit, fault))
        })
    }),
};

fn single_user_runs(history: &History, wanted: bool, crashed: &str, fault: &Event) -> Check {
    let of_node = |event: &&Event| event.node.as_deref() == Some(crashed) && is_single_user(event);
    let runs = || history.events.iter().filter(of_node);
    let run = runs().find(|event| event.at[0] >= fault.at[0]);
    let straddles = runs().any(|event| event.at[0] < fault.at[0] && event.at[1] >= fault.at[0]);
    match (wanted, run) {
        (_, None) if straddles => {
            SINGLE_USER.inconclusive(format!("{crashed} ran postgres --single just then, before the fault or after it"))
        }
        (false, Some(event)) => SINGLE_USER
            .fail(format!(
                "{crashed} ran postgres --single at {} (event {}), which was not called for",
                seconds(event.at[1]),
                event.seq
            ))
            .at(Some(event.seq)),
        (true, Some(event)) => SINGLE_USER.pass(format!("{crashed} ran postgres --single at {}", seconds(event.at[1]))),
        (_, None) if history.blind(&[Source::Process]).is_some() || history.polls_processes() => {
            SINGLE_USER.inconclusive("processes were not observed without a gap")
        }
        (true, None) if history.phase(Phase::Settled).is_none() => {
            SINGLE_USER.inconclusive("the run did not get so far that it had to")
        }
        (true, None) => SINGLE_USER.fail(format!("{crashed} did not run postgres --single")),
        (false, None) => SINGLE_USER.pass(format!("{crashed} did not run postgres --single")),
    }
}

/// The word of the harness that the cluster did not settle.
static UNSETTLED: Carry = Carry {
    says: "the first word of the harness that the cluster did not settle",
    select: |history| first_by(history, |event| unsettled(event).map(|_| ())),
};

fn unsettled(event: &Event) -> Option<GapReason> {
    gap_reason(event).filter(|reason| matches!(reason, GapReason::NotSettled | GapReason::SettledTooLateToTell))
}

/// `rejoins`: the node hit first ends as the scenario demands.
pub static REJOINS: Definition = Definition {
    name: Name::Own {
        id: "rejoins",
        says: "the node hit first ends as the scenario demands: as the primary, or as a standby that streams",
    },
    needs: &[Source::Postgres],
    agents: Agents::Any,
    applies: Applies::Demanded { key: "rejoins", by: |expect| expect.rejoins.is_some() },
    inconclusive: "the cluster was not seen long enough to tell whether it settled",
    carries: &[&FINDINGS, &UNSETTLED, &lock::BEFORE_THE_FAULTS, &FIRST_FAULTS, &FAULTS, &UNDONE],
    asked: Asked::AtTheEnd(|end| {
        on_the_course(end, &REJOINS, |history, expect, hit, fault| {
            let _ = fault;
            Some(rejoins_as(history, expect.rejoins?, hit))
        })
    }),
};

fn rejoins_as(history: &History, wanted: Rejoins, crashed: &str) -> Check {
    let Some(settled) = history.phase(Phase::Settled) else {
        return REJOINS.inconclusive("the run did not get that far");
    };
    // Steps that were not taken are told of before.
    match history.events.iter().find_map(|event| Some((event, unsettled(event)?))) {
        Some((event, GapReason::SettledTooLateToTell)) => return REJOINS.inconclusive(describe::gap_text(event)),
        Some((event, _)) => {
            let why = format!("the cluster was not whole again in the time that it had: {}", describe::gap_text(event));
            return REJOINS.fail(why);
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
        (_, None) => REJOINS.inconclusive(format!("{crashed} was not probed in the end")),
        (Rejoins::Primary, Some((ServerState::Primary, ..))) => REJOINS.pass(format!("{crashed} is the primary again")),
        (Rejoins::Standby, Some((ServerState::Standby, _, Some(true)))) => {
            REJOINS.pass(format!("{crashed} streams from {primary}"))
        }
        (Rejoins::Primary, Some((state, ..))) => {
            REJOINS.fail(format!("{crashed} should be the primary again, and is not: {}", describe::state(state)))
        }
        (Rejoins::Standby, Some((state, _, streaming))) => REJOINS.fail(format!(
            "{crashed} should stream as a standby of {primary}, and does not: {}{}",
            describe::state(state),
            if streaming == Some(false) { " that does not stream" } else { "" }
        )),
    }
}
