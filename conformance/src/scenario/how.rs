//! The particulars of a step, each of which fits some faults only.

use schemars::JsonSchema;
use serde::Deserialize;

/// Particulars of a step. The [catalogue](super::catalogue) says which of them fit a fault.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// A trap strikes every time, until it is lifted or the run heals; else once.
    pub every: bool,
    /// `postmaster-killed`, `single-user-hangs`: not as soon as the process starts, but in the midst of this.
    /// `agent-killed`: in the midst of this in single-user mode.
    pub during: Option<During>,
    /// `dcs-down`: how it goes down. Stopped if nothing is said.
    pub outage: Option<Outage>,
    /// `backend-crashed`: which process. A client's if nothing is said.
    pub process: Option<Child>,
    /// `nodes-cut`: which packets of the target are lost. All if nothing is said.
    pub direction: Option<Direction>,
    /// `orphans-left`: seconds that the backend goes on committing after the step was begun; 20 if nothing is said.
    pub lasts_s: Option<u32>,
    /// `orphans-left`: the backend is stopped before the postmaster is killed, until `orphans-continued` or the end of
    /// all faults.
    pub stopped: bool,
    /// `link-slowed`: milliseconds that each direction takes longer.
    pub delay_ms: Option<u32>,
    /// `clock-skewed`: seconds that the clock jumps, ahead or back.
    pub skew_s: Option<i32>,
}

/// The key of a particular.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// `every`
    Every,
    /// `during`
    During,
    /// `outage`
    Outage,
    /// `process`
    Process,
    /// `direction`
    Direction,
    /// `lasts_s`
    LastsS,
    /// `stopped`
    Stopped,
    /// `delay_ms`
    DelayMs,
    /// `skew_s`
    SkewS,
}

impl Key {
    /// The key as scenarios write it.
    pub fn id(self) -> &'static str {
        match self {
            Key::Every => "every",
            Key::During => "during",
            Key::Outage => "outage",
            Key::Process => "process",
            Key::Direction => "direction",
            Key::LastsS => "lasts_s",
            Key::Stopped => "stopped",
            Key::DelayMs => "delay_ms",
            Key::SkewS => "skew_s",
        }
    }
}

impl How {
    /// The keys that a step gives.
    pub fn given(&self) -> Vec<Key> {
        let How { every, during, outage, process, direction, lasts_s, stopped, delay_ms, skew_s } = self;
        let all = [
            (*every, Key::Every),
            (during.is_some(), Key::During),
            (outage.is_some(), Key::Outage),
            (process.is_some(), Key::Process),
            (direction.is_some(), Key::Direction),
            (lasts_s.is_some(), Key::LastsS),
            (*stopped, Key::Stopped),
            (delay_ms.is_some(), Key::DelayMs),
            (skew_s.is_some(), Key::SkewS),
        ];
        all.into_iter().filter(|(given, _)| *given).map(|(_, key)| key).collect()
    }
}

/// The moment in which a postmaster or an agent is killed, or single-user mode stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum During {
    /// `pg_control` says `in crash recovery`.
    CrashRecovery,
}

/// The way in which the DCS goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outage {
    /// All members end, and start again later.
    Stop,
    /// All members are frozen: connections stay, nobody answers.
    Freeze,
    /// All members but one end: the last one answers that it has no quorum.
    QuorumLoss,
}

/// A process of the server that is not the postmaster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Child {
    /// A client's backend.
    Backend,
    /// The checkpointer.
    Checkpointer,
}

/// The packets that are lost, seen from the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// All.
    Both,
    /// The packets that it sends.
    Outgoing,
    /// The packets that it receives.
    Incoming,
}
