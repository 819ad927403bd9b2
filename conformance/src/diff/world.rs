//! Functions that are compared by what they make of the world: by their effects and their answers, not by each question.
//!
//! What a released function did not ask must not matter to ours either: ours is run with all that it could have been.

use std::collections::BTreeMap;

use pghaspec_model::cluster::alone::{Alone, Candidate, Demotion, Found, Key, OwnLease};
use pghaspec_model::cluster::{Reach, Role};
use pghaspec_model::dialogue::{Leader, Task};
use serde::Deserialize;

use super::compare::{Difference, ended, name};
use super::record::{Ended, Function, Outcome};

/// One run of such a function.
#[derive(Clone, Debug)]
pub struct WorldRun {
    /// Of which function.
    pub function: Function,
    /// What it asked, or was told before, with the answers.
    pub asked: BTreeMap<String, String>,
    /// How it ended.
    pub ended: Ended,
    /// What it did, in order.
    pub effects: Vec<String>,
    /// The numbers of the answers in their domains.
    pub choices: Vec<u8>,
}

#[derive(Deserialize)]
struct Extras {
    effects: Vec<String>,
}

impl WorldRun {
    /// Reads a line of the harness.
    pub fn parse(function: Function, line: &str) -> Result<WorldRun, String> {
        let (_, asked, outcome, extras, choices): (String, Vec<Vec<String>>, Outcome, Extras, Vec<u8>) =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        let mut answers = BTreeMap::new();
        for step in asked {
            let [question, answer, ..] = &step[..] else { return Err("a question without an answer".into()) };
            answers.insert(question.clone(), answer.clone());
        }
        Ok(WorldRun { function, asked: answers, ended: outcome.ended(), effects: extras.effects, choices })
    }

    fn answer(&self, question: &str) -> Option<&str> {
        self.asked.get(question).map(String::as_str)
    }

    fn is(&self, question: &str, answer: &str) -> bool {
        self.answer(question) == Some(answer)
    }

    fn did(&self, effect: &str) -> bool {
        self.effects.iter().any(|known| known == effect)
    }

    /// Why the model has no such world; nothing if it has.
    pub fn outside(&self) -> Option<&'static str> {
        match self.function {
            Function::HandleLongActionInProgress if self.is("is-bootstrapping", "yes") => {
                Some("a cluster that is being created")
            }
            Function::HandleLongActionInProgress if self.is("promotion-can-be-cancelled", "no") => {
                Some("a promotion that is half done: in the model it is one step")
            }
            Function::HandleStartingInstance if self.is("manual-failover", "yes") => Some("a switchover by request"),
            Function::UpdateLeader
                if self.is("lease", "alive")
                    && self.is("snapshot", "own-lease")
                    && (self.is("key", "absent") || self.is("key", "other")) =>
            {
                Some("a leader key that somebody deleted while its lease lives")
            }
            // From 3.0.2 to 3.3.7 and 4.0.6 a DCS that was silent for longer is taken for one that said no.
            Function::UpdateLeader if self.is("etcd", "silent-for-long") => {
                Some("an agent whose requests failed before in the same cycle")
            }
            Function::IsFailoverPossible if self.candidates().iter().filter(|one| one.synchronous).count() > 1 => {
                Some("two synchronous standbys")
            }
            Function::IsFailoverPossible
                if self.is("checks-timeline", "yes")
                    && (self.is("member-1", "old-timeline") || self.is("member-2", "old-timeline")) =>
            {
                Some("candidates whose timeline is looked at (check_timeline)")
            }
            _ => None,
        }
    }

    /// The first difference, if there is one.
    pub fn compare(&self, alone: &Alone) -> Option<Difference> {
        let released = self.words();
        let expected: Vec<String> = match self.function {
            Function::PostRecover => vec![self.post_recover(alone)],
            Function::HandleLongActionInProgress => self.long_action(alone),
            Function::HandleStartingInstance => self.starting_instance(alone),
            Function::UpdateLeader => {
                let possible = self.update_leader(alone);
                // A fault that begins or ends between two requests of one update has to look like one that did so before or after.
                return (!possible.contains(&released)).then(|| self.difference(released, possible.join(", or ")));
            }
            Function::IsFailoverPossible => vec![self.is_failover_possible(alone)],
            _ => Vec::new(),
        };
        expected.into_iter().find(|ours| *ours != released).map(|ours| self.difference(released, ours))
    }

    fn difference(&self, released: String, ours: String) -> Difference {
        Difference { at: self.asked.len(), released, ours }
    }

    /// What it did and said, in words that ours can be put into as well.
    fn words(&self) -> String {
        let said = ended(&self.ended);
        match self.function {
            Function::PostRecover => {
                let effects = ["disable-watchdog", "set-role-demoted", "release-lock"];
                let did: Vec<_> = effects.into_iter().filter(|effect| self.did(effect)).collect();
                format!("{}; {said}", did.join(", "))
            }
            Function::UpdateLeader => format!("{}; {said}", self.effects.join(", ")),
            Function::IsFailoverPossible => said,
            _ => {
                let demotions = self.effects.iter().filter(|effect| effect.starts_with("demote-"));
                format!("{}; {said}", demotions.cloned().collect::<Vec<_>>().join(", "))
            }
        }
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

    fn either(&self, question: &str) -> Vec<bool> {
        match self.answer(question) {
            Some(answer) => vec![answer == "yes"],
            None => vec![false, true],
        }
    }

    /// All that the agent may have found, as far as it was not asked for.
    fn found(&self) -> Vec<Found> {
        let keeps_lock = self.is("has-lock", "yes") && self.is("update-lock", "yes");
        let mut all = Vec::new();
        for time_is_over in self.either("time-is-over") {
            for candidate in self.either("is-failover-possible") {
                for paused in self.either("is-paused") {
                    for role in self.role() {
                        all.push(Found { keeps_lock, time_is_over, candidate, paused, role });
                    }
                }
            }
        }
        all
    }

    fn post_recover(&self, alone: &Alone) -> String {
        if self.is("is-running", "yes") {
            // Until 2.0.2 it did what the cycle does since: it forgets the crash recovery and the rewind.
            return format!("; {}", ended(&Ended::Says(None)));
        }
        let has_lock = self.is("has-lock", "yes");
        let after = alone.post_recover(has_lock, self.role()[0]);
        let effects = [
            (after.watchdog_disabled, "disable-watchdog"),
            (after.demoted || self.is("role", "demoted") && self.did("set-role-demoted"), "set-role-demoted"),
            (after.released, "release-lock"),
        ];
        let did: Vec<_> = effects.into_iter().filter_map(|(did, effect)| did.then_some(effect)).collect();
        let says = if has_lock {
            "removed leader key after trying and failing to start postgres"
        } else {
            "failed to start postgres"
        };
        format!("{}; {}", did.join(", "), ended(&Ended::Says(Some(says.into()))))
    }

    fn long_action(&self, alone: &Alone) -> Vec<String> {
        if self.is("update-lock", "dcs-error") {
            return vec![format!("; {}", ended(&Ended::DcsError))];
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
        let outcome = |found: Found| {
            let (demotion, called_off) = alone.long_action(found, task);
            let says = match (demotion, called_off) {
                (Demotion::WithLock, _) => "terminated crash recovery because of startup timeout".to_owned(),
                (Demotion::WithoutLock, _) => format!("lost leader lock during {action}"),
                (Demotion::None, true) => "lost leader before promote".to_owned(),
                (Demotion::None, false) if found.keeps_lock => format!("updated leader lock during {action}"),
                (Demotion::None, false) => format!("{action} in progress"),
            };
            format!("{}; {}", demotion_effect(demotion), ended(&Ended::Says(Some(says))))
        };
        self.found().into_iter().map(outcome).collect()
    }

    fn starting_instance(&self, alone: &Alone) -> Vec<String> {
        if self.is("update-lock", "dcs-error") {
            return vec![format!("; {}", ended(&Ended::DcsError))];
        }
        let starts = self.is("is-starting", "yes") && self.is("has-lock", "yes") && !self.is("is-paused", "yes");
        if !starts {
            return vec![format!("; {}", ended(&Ended::Says(None)))];
        }
        let said = ended(&self.ended);
        let outcome = |found: Found| {
            let demotion = alone.starting_instance(found);
            let says = match demotion {
                Demotion::WithLock => "stopped PostgreSQL because of startup timeout".to_owned(),
                Demotion::WithoutLock => "stopped PostgreSQL while starting up because leader key was lost".to_owned(),
                // How it puts its waiting is its own affair.
                Demotion::None => return format!("; {said}"),
            };
            format!("{}; {}", demotion_effect(demotion), ended(&Ended::Says(Some(says))))
        };
        self.found().into_iter().map(outcome).collect()
    }

    fn update_leader(&self, alone: &Alone) -> Vec<String> {
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
            let said = match answer {
                None => Ended::DcsError,
                Some(answer) => Ended::Says(Some(answer.to_string())),
            };
            format!("{key}; {}", ended(&said))
        };
        let mut possible: Vec<String> = reaches.into_iter().map(outcome).collect();
        possible.dedup();
        possible
    }

    fn candidates(&self) -> [Candidate; 2] {
        let synchronous = self.is("synchronous", "yes");
        ["member-1", "member-2"].map(|member| {
            let condition = self.answer(member).unwrap_or_default();
            Candidate {
                answers: !matches!(condition, "unreachable" | "nofailover" | "watchdog-failed" | "no-api-url"),
                lags: condition == "lagging",
                synchronous: synchronous && condition != "not-synchronous",
            }
        })
    }

    fn is_failover_possible(&self, alone: &Alone) -> String {
        let possible = alone.is_failover_possible(self.candidates(), self.is("synchronous", "yes"));
        ended(&Ended::Says(Some(possible.to_string())))
    }
}

fn demotion_effect(demotion: Demotion) -> &'static str {
    match demotion {
        Demotion::None => "",
        Demotion::WithLock => "demote-immediate",
        Demotion::WithoutLock => "demote-immediate-nolock",
    }
}
