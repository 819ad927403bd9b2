//! Named mutants: one rule broken on purpose.
//!
//! A check that cannot fail proves nothing. Each mutant in [`Mutant::UNSAFE`] breaks at least one safety property of the
//! cluster model. Those in [`Mutant::DEVIANT`] break a rule of `recover` without breaking safety in this model; the judge
//! uses both to name the rule that an agent's behaviour breaks.

use crate::control::ControlState;
use crate::dialogue::{Answer, Question};
use crate::property::Property;

/// One rule broken on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutant {
    /// `recover` does not remember that it already ran single-user recovery.
    ForgetsCrashRecovery,
    /// The watchdog is given up before the crashed primary is started again (the rule before 3.0.4, with the start of 3.0.4).
    DisablesWatchdogEarly,
    /// `update_lock` writes over a leader key that names another node (the rule of 2.1.6 to 3.0.2).
    OverwritesLock,
    /// `follow` starts Postgres without standby.signal: it comes up as a primary.
    StartsWithoutSignal,
    /// The leader race writes the key even if somebody else got it in the meantime.
    RaceIgnoresKey,
    /// A node that once saw its name in the leader key promotes itself without refreshing the lock.
    PromotesWithoutUpdate,
    /// `is_failover_possible` says no inside `recover`.
    KeepsLock,
    /// `recover` never believes that its Postgres crashed as a primary.
    AlwaysSingleUser,
    /// `recover` never runs single-user recovery: pg_control always looks clean.
    NeverSingleUser,
    /// `is_failover_possible` says yes inside `recover`.
    FailsOverAnyway,
}

impl Mutant {
    /// Those that break a safety property of the cluster model.
    pub const UNSAFE: [Mutant; 6] = [
        Mutant::ForgetsCrashRecovery,
        Mutant::DisablesWatchdogEarly,
        Mutant::OverwritesLock,
        Mutant::StartsWithoutSignal,
        Mutant::RaceIgnoresKey,
        Mutant::PromotesWithoutUpdate,
    ];

    /// Those that only behave differently.
    pub const DEVIANT: [Mutant; 4] =
        [Mutant::KeepsLock, Mutant::AlwaysSingleUser, Mutant::NeverSingleUser, Mutant::FailsOverAnyway];

    /// The stable name, as in command lines and files.
    pub fn id(self) -> &'static str {
        match self {
            Mutant::ForgetsCrashRecovery => "forgets-crash-recovery",
            Mutant::DisablesWatchdogEarly => "disables-watchdog-early",
            Mutant::OverwritesLock => "overwrites-lock",
            Mutant::StartsWithoutSignal => "starts-without-signal",
            Mutant::RaceIgnoresKey => "race-ignores-key",
            Mutant::PromotesWithoutUpdate => "promotes-without-update",
            Mutant::KeepsLock => "keeps-lock",
            Mutant::AlwaysSingleUser => "always-single-user",
            Mutant::NeverSingleUser => "never-single-user",
            Mutant::FailsOverAnyway => "fails-over-anyway",
        }
    }

    /// The unsafe or deviant mutant of that name.
    pub fn from_id(id: &str) -> Option<Mutant> {
        Mutant::UNSAFE.into_iter().chain(Mutant::DEVIANT).find(|mutant| mutant.id() == id)
    }

    /// The rule that it breaks, as a sentence about what an agent must do, with its place in the listing.
    pub fn rule(self) -> &'static str {
        match self {
            Mutant::ForgetsCrashRecovery => {
                "single-user crash recovery runs at most once before Postgres is started (patroni 2.1.2 ha.py 329-331, 4.1.5 ha.py 584-585)"
            }
            Mutant::DisablesWatchdogEarly => {
                "the watchdog stays armed while a crashed primary is started again (patroni 4.1.5 ha.py 650-664, since 3.0.4)"
            }
            Mutant::OverwritesLock => {
                "update_lock leaves a leader key alone that names another node (patroni 4.1.5 dcs/etcd3.py _update_leader, since 3.0.3)"
            }
            Mutant::StartsWithoutSignal => {
                "without the leader lock, Postgres is started as a standby only (patroni 2.1.2 ha.py 353-361, 4.1.5 ha.py 683-705)"
            }
            Mutant::RaceIgnoresKey => {
                "the leader key is taken only where there is none (patroni 4.1.5 dcs/etcd3.py attempt_to_acquire_leader)"
            }
            Mutant::PromotesWithoutUpdate => {
                "a lock holder refreshes the lock before it promotes (patroni 4.1.5 ha.py 1828-1849)"
            }
            Mutant::KeepsLock => {
                "with primary_start_timeout 0 and a healthy candidate, the lock is given up instead of restarting Postgres (patroni 2.1.2 ha.py 316-322, 4.1.5 ha.py 635-643)"
            }
            Mutant::AlwaysSingleUser => {
                "a primary that crashed under this agent, with the lock held and a positive start timeout, is started as a primary, without single-user mode and without a new timeline (patroni 4.1.5 ha.py 650-661, since 3.0.4)"
            }
            Mutant::NeverSingleUser => {
                "a data directory that was not shut down cleanly goes through single-user recovery before it is started as a standby (patroni 2.1.2 ha.py 328-334, 4.1.5 ha.py 666-673)"
            }
            Mutant::FailsOverAnyway => {
                "the lock is given up only if a healthy candidate is reachable (patroni 2.1.2 ha.py 319, 4.1.5 ha.py 638)"
            }
        }
    }

    /// Properties of which at least one breaks; empty for deviants.
    pub fn kills(self) -> &'static [Property] {
        match self {
            Mutant::ForgetsCrashRecovery => &[Property::CrashRecoveryOnce],
            Mutant::DisablesWatchdogEarly
            | Mutant::OverwritesLock
            | Mutant::RaceIgnoresKey
            | Mutant::PromotesWithoutUpdate => &[Property::OneWritableLeader, Property::WritableNeedsLock],
            Mutant::StartsWithoutSignal => &[Property::OneWritableLeader, Property::WritableNeedsLock],
            _ => &[],
        }
    }

    /// What the mutant's `recover` believes instead of asking; `None` where it asks like everybody else.
    pub fn instead_of(self, question: Question) -> Option<Answer> {
        match (self, question) {
            (Mutant::ForgetsCrashRecovery, Question::CrashRecoveryExecuted) => Some(Answer::Bool(false)),
            (Mutant::KeepsLock, Question::IsFailoverPossible) => Some(Answer::Bool(false)),
            (Mutant::FailsOverAnyway, Question::IsFailoverPossible) => Some(Answer::Bool(true)),
            (Mutant::AlwaysSingleUser, Question::IsCrashed) => Some(Answer::Bool(false)),
            (Mutant::NeverSingleUser, Question::ControlData) => {
                Some(Answer::Control(Some(ControlState::ShutDownInRecovery)))
            }
            _ => None,
        }
    }
}
