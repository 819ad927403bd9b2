//! The steps of a scenario: what is awaited, then what is done, and to whom.

use pghaspec_model::recover::branch::Branch;
use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::{Process, ServerState};
use pghaspec_model::vocabulary::fault::Fault;
use serde::Deserialize;

/// One step. Steps follow one another: the next is begun when this one has taken effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What must be seen before, since the step before was begun; nothing: at once.
    pub when: Option<When>,
    /// What is done then.
    pub action: Action,
    /// To whom.
    pub target: Target,
    /// How.
    pub how: How,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A fault, or its end. What has no end of its own ([`is_trap`]) strikes later: when the process that it is meant for starts.
    Fault(Fault),
    /// Something that must change nothing.
    Disturbance(Disturbance),
    /// A trap that strikes every time is taken away.
    Lift(Fault),
    /// Nothing: only its event is awaited, before what follows or before the faults are ended.
    Await,
}

/// Whether a fault is laid in wait for a process that starts, and strikes then. The others strike at once.
pub fn is_trap(fault: Fault, how: &How) -> bool {
    use Fault::*;
    matches!(fault, StartFails | StartHangs | SingleUserFails | SingleUserHangs | RewindFails) || how.during.is_some()
}

/// Particulars of a step, each for some actions only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct How {
    /// A trap strikes every time, until it is lifted or the run heals; else once.
    #[serde(default)]
    pub every: bool,
    /// `postmaster-killed`, `single-user-hangs`: not as soon as the process starts, but in the midst of this. `agent-killed`: in the midst of
    /// this in single-user mode.
    pub during: Option<During>,
    /// `dcs-down`: how it goes down. Stopped if nothing is said.
    pub outage: Option<Outage>,
    /// `backend-crashed`: which process. A client's if nothing is said.
    pub process: Option<Child>,
    /// `nodes-cut`: which packets of the target are lost. All if nothing is said.
    pub direction: Option<Direction>,
    /// `orphans-left`: seconds that the backend goes on committing after the step was begun; 20 if nothing is said.
    pub lasts_s: Option<u32>,
    /// `orphans-left`: the backend is stopped before the postmaster is killed, until `orphans-continued` or the end of all faults.
    #[serde(default)]
    pub stopped: bool,
    /// `link-slowed`: milliseconds that each direction takes longer.
    pub delay_ms: Option<u32>,
    /// `clock-skewed`: seconds that the clock jumps, ahead or back.
    pub skew_s: Option<i32>,
}

/// What a postmaster or an agent is killed in the midst of, or single-user mode stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum During {
    /// `pg_control` says `in crash recovery`.
    CrashRecovery,
}

/// How the DCS goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Child {
    /// A client's backend.
    Backend,
    /// The checkpointer.
    Checkpointer,
}

/// Which packets are lost, seen from the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// All.
    Both,
    /// What it sends.
    Outgoing,
    /// What it is sent.
    Incoming,
}

/// Whom a step is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The node that holds the leader key at that moment.
    Leader,
    /// The first node by name that does not hold the leader key at that moment, and was not the one hit first.
    Standby,
    /// Every node that does not hold the leader key at that moment.
    Standbys,
    /// The node that was hit first. Before it was named `crashed`, though it may be frozen or cut off instead.
    #[serde(alias = "crashed")]
    FirstHit,
    /// The first node by name that was not hit first.
    Other,
    /// Every node that was not hit first.
    Others,
    /// The node that holds the leader key at that moment, if it is not the one hit first.
    NewLeader,
    /// Every node.
    All,
    /// The DCS.
    Etcd,
    /// The primary elsewhere that a standby cluster follows.
    Remote,
}

/// Something that can be observed. It counts if it has happened since the step before was begun; a state counts if it is the last one seen.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum When {
    /// The leader key was removed.
    LeaderKeyGone,
    /// The leader key names another node than the one hit first.
    LeaderElsewhere,
    /// A node other than the one hit first has acknowledged a write.
    WriteElsewhere,
    /// A node other than the one hit first has acknowledged writes for two cycles of the agent: as long as it may take until its promotion
    /// is over and the others are told.
    LedElsewhere,
    /// One leader, and every other node streams from it, for a cycle of the agent.
    Healthy,
    /// `ttl` is over since the step before took effect, by the recorder's clock. For what the protocol itself leaves to a clock only.
    TtlOver,
    /// A process has started.
    Starts(ProcessAt),
    /// A process has ended.
    Ends(ProcessAt),
    /// A probe finds Postgres in that state.
    Server {
        /// At whom.
        at: Target,
        /// What it finds.
        is: ServerState,
    },
    /// The agent said that it takes a branch of `recover`.
    Takes {
        /// At whom.
        at: Target,
        /// Which one.
        branch: Branch,
    },
    /// The agent said something that its manifest has a name for.
    Says {
        /// At whom.
        at: Target,
        /// The name.
        name: String,
    },
    /// A trap has struck.
    Struck(Fault),
}

/// A process of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessAt {
    /// Which one.
    pub process: Process,
    /// Whose.
    pub at: Target,
}

impl When {
    /// The node that it speaks of.
    pub fn at(&self) -> Option<Target> {
        match self {
            When::Starts(one) | When::Ends(one) => Some(one.at),
            When::Server { at, .. } | When::Takes { at, .. } | When::Says { at, .. } => Some(*at),
            _ => None,
        }
    }
}

/// The step as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    when: Option<When>,
    fault: Option<Fault>,
    disturbance: Option<Disturbance>,
    lift: Option<Fault>,
    target: Option<Target>,
    #[serde(default)]
    every: bool,
    during: Option<During>,
    outage: Option<Outage>,
    process: Option<Child>,
    direction: Option<Direction>,
    lasts_s: Option<u32>,
    #[serde(default)]
    stopped: bool,
    delay_ms: Option<u32>,
    skew_s: Option<i32>,
}

impl Written {
    /// The step that is meant.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub(super) fn checked(self, before: &[Step]) -> Result<Step, (String, &'static str)> {
        let Written {
            when, target, every, during, outage, process, direction, lasts_s, stopped, delay_ms, skew_s, ..
        } = self;
        let how = How { every, during, outage, process, direction, lasts_s, stopped, delay_ms, skew_s };
        let action = match (self.fault, self.disturbance, self.lift) {
            (Some(fault), None, None) => Action::Fault(fault),
            (None, Some(disturbance), None) => Action::Disturbance(disturbance),
            (None, None, Some(fault)) => Action::Lift(fault),
            (None, None, None) if when.is_some() && target.is_none() => Action::Await,
            _ => {
                let mend = "say one of `fault`, `disturbance` and `lift`, or only `when`";
                return Err(("a step does one thing".into(), mend));
            }
        };
        let target = match (target, action) {
            (Some(target), _) => target,
            (None, Action::Await) => Target::All,
            (None, _) => return Err(("nobody is named whom it hits".into(), "say `target`")),
        };
        let step = Step { when, action, target, how };
        step.check(before)?;
        Ok(step)
    }
}

impl Step {
    fn check(&self, before: &[Step]) -> Result<(), (String, &'static str)> {
        use Action::{Disturbance as Disturbs, Fault as Breaks, Lift};
        use Fault::{AgentKilled, PostmasterKilled, SingleUserHangs};
        let relative = |target| matches!(target, Target::FirstHit | Target::Other | Target::Others | Target::NewLeader);
        if before.is_empty() && (relative(self.target) || self.when.as_ref().and_then(When::at).is_some_and(relative)) {
            return Err(("nobody was hit before the first step".into(), "name `leader`, `standby` or `standbys`"));
        }
        let of_the_dcs = match self.action {
            Breaks(Fault::DcsDown | Fault::DcsUp) => true,
            Disturbs(Disturbance::EtcdLeaderMoved | Disturbance::EtcdCompacted) => true,
            Breaks(Fault::LeaseExpires) => {
                return Err((
                    "a lease expires by itself when nobody keeps it alive".into(),
                    "freeze or kill its owner, then wait with when = \"leader-key-gone\"",
                ));
            }
            Breaks(fault @ (Fault::WatchStalls | Fault::WatchResumes)) => {
                return Err((
                    format!("{} is a fault of the model: from outside nobody can stall a watch alone", fault.id()),
                    "cut the node off with `requests-lost` or `replies-lost`",
                ));
            }
            _ => false,
        };
        if of_the_dcs != (self.target == Target::Etcd) {
            let mend = "what is done to the DCS has the target `etcd`, all else has another one";
            return Err((format!("{} cannot be done to that target", self.name()), mend));
        }
        if (self.action == Disturbs(Disturbance::RemoteFailover)) != (self.target == Target::Remote) {
            let mend = "`remote-failover` has the target `remote`, and all else another one";
            return Err((format!("{} cannot be done to that target", self.name()), mend));
        }
        if self.action == Disturbs(Disturbance::OrphansContinued) && !before.iter().any(|step| step.how.stopped) {
            let mend = "let a step before leave orphans with `stopped = true`";
            return Err(("no orphan was stopped that could go on".into(), mend));
        }
        if let Lift(fault) = self.action {
            let set = |step: &Step| step.action == Breaks(fault) && step.how.every;
            if !before.iter().any(set) {
                let mend = "lift what a step before laid with `every = true`";
                return Err((format!("no trap for {} strikes every time", fault.id()), mend));
            }
        }
        let fault = match self.action {
            Breaks(fault) => Some(fault),
            _ => None,
        };
        let disturbance = match self.action {
            Disturbs(disturbance) => Some(disturbance),
            _ => None,
        };
        let how = &self.how;
        let particulars = [
            ("every", how.every, fault.is_some_and(|fault| is_trap(fault, how) && fault != AgentKilled)),
            ("during", how.during.is_some(), matches!(fault, Some(PostmasterKilled | SingleUserHangs | AgentKilled))),
            ("outage", how.outage.is_some(), fault == Some(Fault::DcsDown)),
            ("process", how.process.is_some(), fault == Some(Fault::BackendCrashed)),
            ("direction", how.direction.is_some(), fault == Some(Fault::NodesCut)),
            ("lasts_s", how.lasts_s.is_some(), fault == Some(Fault::OrphansLeft)),
            ("stopped", how.stopped, fault == Some(Fault::OrphansLeft)),
            ("delay_ms", how.delay_ms.is_some(), disturbance == Some(Disturbance::LinkSlowed)),
            ("skew_s", how.skew_s.is_some(), disturbance == Some(Disturbance::ClockSkewed)),
        ];
        if let Some((key, ..)) = particulars.into_iter().find(|(_, said, fits)| *said && !fits) {
            return Err((format!("`{key}` says nothing about {}", self.name()), "leave it out"));
        }
        let needed = [
            ("delay_ms", how.delay_ms.is_none(), disturbance == Some(Disturbance::LinkSlowed)),
            ("skew_s", how.skew_s.is_none(), disturbance == Some(Disturbance::ClockSkewed)),
        ];
        if let Some((key, ..)) = needed.into_iter().find(|(_, lacks, wants)| *lacks && *wants) {
            return Err((format!("{} wants `{key}`", self.name()), "say how much"));
        }
        Ok(())
    }

    /// Name of what it does.
    pub fn name(&self) -> &'static str {
        match self.action {
            Action::Fault(fault) | Action::Lift(fault) => fault.id(),
            Action::Disturbance(disturbance) => disturbance.id(),
            Action::Await => "await",
        }
    }
}
