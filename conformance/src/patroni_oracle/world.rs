//! The functions that are compared by their effects on the world, in order, and by what they say.
//!
//! The order of their questions is not compared with ours, since ours has none: in the model each of these functions is
//! one step, which looks at the world of one moment. But an answer that a released function did not ask for must not
//! matter to ours either: ours is run with every answer that it could have been. The order of the questions is compared
//! with the committed one, as a digest of the whole record.

use pghaspec_model::cluster::single_functions::{
    Candidate, Demotion, Key, OwnLease, Peer, Race, SingleFunctions, Situation,
};
use pghaspec_model::cluster::{Reach, Role};
use pghaspec_model::recover::dialogue::{Leader, Task};
use pghaspec_model::rules::edition::{Rules, Words};
use serde::Deserialize;

use super::compare::{Difference, ended, name};
use super::record::{Ended, Function, Outcome};
use super::vector::Ours;

/// One run of such a function.
#[derive(Clone, Debug)]
pub struct WorldRun {
    /// The function.
    pub function: Function,
    /// Its questions with their answers, and what it was told before, in order.
    pub asked: Vec<Exchange>,
    /// Its end.
    pub ended: Ended,
    /// Its effects, in order.
    pub effects: Vec<String>,
    /// The indices of the answers in their domains.
    pub choices: Vec<u8>,
}

/// A question and its answer, by their names in the harness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The question.
    pub question: String,
    /// The answer.
    pub answer: String,
    /// The place of the question in the released code; empty unless it was asked for.
    pub place: String,
}

#[derive(Deserialize)]
struct Extras {
    effects: Vec<String>,
}

impl WorldRun {
    /// Reads a line of the harness.
    ///
    /// # Errors
    /// The line has another form.
    pub fn parse(function: Function, line: &str) -> Result<WorldRun, String> {
        let (_, asked, outcome, extras, choices): (String, Vec<Vec<String>>, Outcome, Extras, Vec<u8>) =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        let exchange = |step: Vec<String>| match <[String; 3]>::try_from(step) {
            Ok([question, answer, place]) => Ok(Exchange { question, answer, place }),
            Err(step) => match <[String; 2]>::try_from(step) {
                Ok([question, answer]) => Ok(Exchange { question, answer, place: String::new() }),
                Err(_) => Err("a question without an answer"),
            },
        };
        let asked = asked.into_iter().map(exchange).collect::<Result<_, _>>()?;
        Ok(WorldRun { function, asked, ended: outcome.ended(), effects: extras.effects, choices })
    }

    fn answer(&self, question: &str) -> Option<&str> {
        self.asked.iter().find(|asked| asked.question == question).map(|asked| asked.answer.as_str())
    }

    fn is(&self, question: &str, answer: &str) -> bool {
        self.answer(question) == Some(answer)
    }

    /// The reason why the model has no such world; nothing if it has.
    pub fn outside(&self) -> Option<&'static str> {
        match self.function {
            Function::HandleLongActionInProgress if self.is("is-bootstrapping", "yes") => {
                Some("a cluster that is being created")
            }
            Function::HandleLongActionInProgress if self.is("promotion-can-be-cancelled", "no") => {
                Some("a promotion that is half done: in the model it is one step")
            }
            Function::HandleStartingInstance if self.is("manual-failover", "yes") => Some("a switchover by request"),
            // Nobody but an operator does that. No release notices while the keepalive is answered.
            Function::UpdateLock
                if self.is("lease", "alive")
                    && self.is("snapshot", "own-lease")
                    && (self.is("key", "absent") || self.is("key", "other")) =>
            {
                Some("a leader key that somebody deleted while its lease lives")
            }
            // From 3.0.2 on, before 3.3.8 and 4.0.6, a DCS that was silent for longer is taken for one that said no.
            Function::UpdateLock if self.is("etcd", "silent-for-long") => {
                Some("an agent whose requests failed before in the same cycle")
            }
            _ => None,
        }
    }

    /// The first difference, if there is one.
    pub fn compare(&self, ours: &Ours) -> Option<Difference> {
        let released = self.words();
        let (alone, rules) = (ours.alone(), &ours.rules);
        let expected: Vec<String> = match self.function {
            Function::PostRecover => vec![self.post_recover(alone)],
            Function::HandleLongActionInProgress => self.long_action(alone),
            Function::HandleStartingInstance => self.starting_instance(alone, rules),
            Function::UpdateLock => {
                let possible = self.update_lock(alone);
                // A fault that begins or ends between two requests of one update has to look like one that did so
                // before or after.
                return (!possible.contains(&released)).then(|| self.difference(released, possible.join(", or ")));
            }
            Function::IsFailoverPossible => vec![self.is_failover_possible(alone)],
            Function::IsHealthiestNode => self.is_healthiest_node(alone),
            Function::Follow => self.follow(alone),
            // The others have dialogues of their own, or vectors.
            _ => vec!["no such function".into()],
        };
        expected.into_iter().find(|ours| *ours != released).map(|ours| self.difference(released, ours))
    }

    fn difference(&self, released: String, ours: String) -> Difference {
        Difference { at: self.asked.len(), released, ours }
    }

    /// Its effects and its end in words. Callbacks of the user's scripts are left out: the model has none (they came
    /// with 4.0.4).
    fn words(&self) -> String {
        let effects = self.effects.iter().map(String::as_str).filter(|effect| *effect != "call-on-role-change");
        words(&effects.collect::<Vec<_>>(), &self.ended)
    }

    fn role(&self) -> Vec<Role> {
        match self.answer("role") {
            Some("primary") => vec![Role::Primary],
            Some("standby-leader") => vec![Role::StandbyLeader],
            Some("replica") => vec![Role::Replica],
            Some("demoted") => vec![Role::Demoted],
            _ => vec![Role::Primary, Role::StandbyLeader, Role::Replica, Role::Demoted],
        }
    }

    /// All that the agent may have found: each combination of the answers that it did not ask for.
    fn found(&self) -> Vec<Situation> {
        let keeps_lock = self.is("has-lock", "yes") && self.is("update-lock", "yes");
        let mut all = Vec::new();
        for time_is_over in self.whether("time-is-over", "yes") {
            for candidate in self.whether("is-failover-possible", "yes") {
                for paused in self.whether("is-paused", "yes") {
                    for role in self.role() {
                        all.push(Situation { keeps_lock, time_is_over, candidate, paused, role });
                    }
                }
            }
        }
        all
    }

    fn post_recover(&self, alone: &SingleFunctions) -> String {
        if self.is("is-running", "yes") {
            // Until 2.0.2 this function forgot the crash recovery and the rewind; later releases do so in the cycle.
            let forgets = self.answer("rewind-executed").is_some();
            let resets = self.is("rewind-executed", "yes") && self.is("rewind-failed", "no");
            let effects = [(forgets, "forget-crash-recovery"), (resets, "reset-rewind")];
            return words(&taken(&effects), &Ended::Says(None));
        }
        let has_lock = self.is("has-lock", "yes");
        let after = alone.post_recover(has_lock, self.role()[0]);
        let effects = [
            (after.watchdog_disabled, "disable-watchdog"),
            (after.demoted, "set-role-demoted"),
            (after.released, "release-lock"),
        ];
        let says = if has_lock {
            "removed leader key after trying and failing to start postgres"
        } else {
            "failed to start postgres"
        };
        words(&taken(&effects), &Ended::Says(Some(says.into())))
    }

    fn long_action(&self, alone: &SingleFunctions) -> Vec<String> {
        if self.is("update-lock", "dcs-error") {
            return vec![words(&[], &Ended::DcsError)];
        }
        let task = match self.answer("action") {
            Some("crash-recovery") => Task::CrashRecovery,
            Some("start-primary") => Task::StartPrimary,
            Some("follow") => Task::Follow,
            Some("rewind") => Task::Rewind,
            Some("reinitialize") => Task::Reinitialize,
            Some("promote") => Task::Promote,
            Some("follow-after-demotion") => Task::FollowAfterDemotion,
            _ => Task::Requested,
        };
        let action = match task {
            Task::Rewind => format!("{} from {}", task.text(), name(Leader::Member(0))),
            _ => task.text().to_owned(),
        };
        let outcome = |found: Situation| {
            let (demotion, called_off) = alone.long_action(found, task);
            let (effects, says) = match (demotion, called_off) {
                // The single user process is ended first.
                (Demotion::WithLock, _) => (
                    vec!["cancel-process", "demote-immediate"],
                    "terminated crash recovery because of startup timeout".to_owned(),
                ),
                // A start that got as far as a postmaster without a pid file has to be ended separately.
                (Demotion::WithoutLock, _) => (
                    taken(&[
                        (self.is("postmaster-already-started", "yes"), "terminate-postmaster"),
                        (true, "demote-immediate-nolock"),
                    ]),
                    format!("lost leader lock during {action}"),
                ),
                (Demotion::None, true) => (vec!["cancel-process"], "lost leader before promote".to_owned()),
                (Demotion::None, false) if found.keeps_lock => (vec![], format!("updated leader lock during {action}")),
                (Demotion::None, false) => (vec![], format!("{action} in progress")),
            };
            words(&effects, &Ended::Says(Some(says)))
        };
        self.found().into_iter().map(outcome).collect()
    }

    fn starting_instance(&self, alone: &SingleFunctions, rules: &Rules) -> Vec<String> {
        if self.is("update-lock", "dcs-error") {
            return vec![words(&[], &Ended::DcsError)];
        }
        if self.is("is-starting", "no") || self.is("is-paused", "yes") {
            // A start is over; in maintenance the state is what is seen.
            let (paused, running) = (self.is("is-paused", "yes"), self.is("is-running", "yes"));
            let effects = [
                (true, "clear-start-timeout"),
                (paused && running, "set-state-running"),
                (paused && !running, "set-state-stopped"),
            ];
            return vec![words(&taken(&effects), &Ended::Says(None))];
        }
        if !self.is("has-lock", "yes") {
            return vec![words(&[], &Ended::Says(None))];
        }
        let outcome = |found: Situation| {
            let demotion = alone.starting_instance(found);
            let primary = if rules.words == Words::Master { "master" } else { "primary" };
            let (effects, says) = match demotion {
                Demotion::WithLock => {
                    (vec!["demote-immediate"], "stopped PostgreSQL because of startup timeout".to_owned())
                }
                Demotion::WithoutLock => (
                    vec!["demote-immediate-nolock"],
                    "stopped PostgreSQL while starting up because leader key was lost".to_owned(),
                ),
                Demotion::None if found.time_is_over => (
                    vec![],
                    format!("{primary} start has timed out, but continuing to wait because failover is not possible"),
                ),
                Demotion::None => (vec![], "PostgreSQL is still starting up, 1 seconds until timeout".to_owned()),
            };
            words(&effects, &Ended::Says(Some(says)))
        };
        self.found().into_iter().map(outcome).collect()
    }

    fn update_lock(&self, alone: &SingleFunctions) -> Vec<String> {
        let lease = if self.is("lease", "alive") { OwnLease::Alive } else { OwnLease::Ended };
        let key = match self.answer("key") {
            Some("mine") => Key::Mine,
            Some("mine-other-lease") => Key::OfPredecessor,
            Some("other") => Key::Others,
            _ => Key::Absent,
        };
        let reaches = match self.answer("etcd") {
            Some("answers") => vec![Reach::Both],
            Some("silent" | "silent-for-long") => vec![Reach::Nothing],
            _ => vec![Reach::Both, Reach::NoReplies, Reach::Nothing],
        };
        let outcome = |reach: Reach| {
            let (answer, after) = alone.update_leader(lease, key, reach);
            let key = match after {
                Key::Absent => "key-absent",
                Key::Mine => "key-mine",
                Key::OfPredecessor => "key-mine-other-lease",
                Key::Others => "key-other",
            };
            // Whoever keeps the lock keeps the watchdog from firing.
            let effects = [
                (answer == Some(true), "believe-to-lead"),
                (answer == Some(false), "believe-not-to-lead"),
                (answer == Some(true), "keep-watchdog-alive"),
                (true, key),
            ];
            let said = match answer {
                None => Ended::DcsError,
                Some(answer) => Ended::Says(Some(answer.to_string())),
            };
            words(&taken(&effects), &said)
        };
        let mut possible: Vec<String> = reaches.into_iter().map(outcome).collect();
        possible.dedup();
        possible
    }

    fn candidates(&self) -> [Candidate; 2] {
        let synchronous = self.is("synchronous", "yes");
        ["member-1", "member-2"].map(|member| {
            let condition = self.answer(member).unwrap_or_default();
            let excluded = matches!(condition, "unreachable" | "nofailover" | "watchdog-failed" | "no-api-url")
                || condition == "old-timeline" && self.is("checks-timeline", "yes");
            Candidate {
                answers: !excluded,
                lags: condition == "lagging",
                synchronous: synchronous && condition != "not-synchronous",
            }
        })
    }

    fn is_failover_possible(&self, alone: &SingleFunctions) -> String {
        let synchronous = self.is("synchronous", "yes");
        let candidates = self.candidates();
        let possible = match candidates {
            // Ours has at most one synchronous standby; another node can take over if either of the two can.
            [Candidate { synchronous: true, .. }, Candidate { synchronous: true, .. }] => {
                [0, 1].into_iter().any(|other: usize| {
                    let mut only = candidates;
                    only[other].synchronous = false;
                    alone.is_failover_possible(only, synchronous)
                })
            }
            _ => alone.is_failover_possible(candidates, synchronous),
        };
        words(&[], &Ended::Says(Some(possible.to_string())))
    }

    fn is_healthiest_node(&self, alone: &SingleFunctions) -> Vec<String> {
        let peers = ["member-1", "member-2"].map(|member| match self.answer(member) {
            Some("primary") => Peer::Primary,
            Some("ahead") => Peer::Ahead,
            Some("same") => Peer::Same,
            Some("behind") => Peer::Behind,
            _ => Peer::Excluded,
        });
        // The leader and its standby, by number.
        let sync = match self.answer("synchronous") {
            Some("standby-of-n1") => Some((1, 0)),
            Some("leader-of-n1") => Some((0, 1)),
            Some("neither") => Some((1, 2)),
            _ => None,
        };
        let mode = !self.is("synchronous", "off");
        let excluded = self.is("nofailover", "yes") || self.is("watchdog-is-healthy", "no");
        let mut all = Vec::new();
        for primary in self.whether("server", "primary") {
            for outdated in self.whether("timeline", "older") {
                for lags in self.whether("lag", "lagging") {
                    for paused in self.whether("is-paused", "yes") {
                        let starting = self.is("server", "starting");
                        let race = Race { primary, starting, outdated, lags, excluded, paused, peers, mode, sync };
                        all.push(words(&[], &Ended::Says(Some(alone.is_healthiest(&race).to_string()))));
                    }
                }
            }
        }
        all
    }

    fn follow(&self, alone: &SingleFunctions) -> Vec<String> {
        let paused = self.is("is-paused", "yes");
        let mut all = Vec::new();
        for primary in self.whether("is-primary", "yes") {
            for change in
                self.whether("configuration", "as-it-should-be").into_iter().map(|as_it_should_be| !as_it_should_be)
            {
                for older in self.whether("own-timeline", "older") {
                    let found = alone.follow(primary, paused, change, older);
                    let effects = [
                        (paused && primary, "set-role-primary"),
                        (paused && !primary, "set-role-replica"),
                        (found.demoted, "demote-immediate-nolock"),
                        (found.followed, "follow"),
                        (found.compares, "trigger-divergence-check"),
                    ];
                    let says = match (primary, found.demoted) {
                        // The message in maintenance is not compared.
                        (true, false) => self.ended.clone(),
                        (_, true) => Ended::Says(Some("demoting self".into())),
                        _ => Ended::Says(Some("following the leader".into())),
                    };
                    all.push(words(&taken(&effects), &says));
                }
            }
        }
        all
    }

    /// True if the answer is `wanted`; both values if it was not asked for.
    fn whether(&self, question: &str, wanted: &str) -> Vec<bool> {
        self.answer(question).map_or(vec![true, false], |answer| vec![answer == wanted])
    }
}

/// Effects and the end in words.
fn words(effects: &[&str], end: &Ended) -> String {
    match effects {
        [] => ended(end),
        _ => format!("{}; {}", effects.join(", "), ended(end)),
    }
}

/// The effects that took place.
fn taken(effects: &[(bool, &'static str)]) -> Vec<&'static str> {
    effects.iter().filter(|(took_place, _)| *took_place).map(|(_, effect)| *effect).collect()
}
