//! The DCS as a whole: it goes down for everybody, and answers again.

use std::time::Duration;

use async_trait::async_trait;
use pghaspec_model::vocabulary::fault::Fault;
use tokio::time::Instant;

use crate::lab::cluster::dcs::Member;
use crate::lab::error::LabError;
use crate::lab::faults::inject::{Begun, Effect, End, Handle, Inject, Toolbox};
use crate::scenario::{Action, How, Outage};

/// The time that etcd may take to answer again: its members elect a leader first.
const UP: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// `dcs-down`
pub struct Down;

#[async_trait]
impl Inject for Down {
    fn made(&self) -> &'static str {
        "the members of etcd are killed and not started again, or frozen, or all but one are killed (`outage`)"
    }

    fn evidence(&self) -> &'static str {
        "a read on which the members must agree gets no answer"
    }

    fn ended_by(&self) -> Option<Action> {
        Some(Action::Fault(Fault::DcsUp))
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, _: &str, how: &How) -> Result<Begun, LabError> {
        let outage = how.outage.unwrap_or(Outage::Stop);
        let bed = tools.bed;
        let before = bed.now();
        for member in affected(tools, outage) {
            match outage {
                Outage::Freeze => bed.sandbox.pause(&member.container).await?,
                Outage::Stop | Outage::QuorumLoss => member.stop(&bed).await?,
            }
        }
        let at = [before, bed.now()];
        let shown_by = match first_member(tools)?.answers(&bed).await {
            Err(why) => Some(format!("{} answers nobody: {why}", name_of(tools))),
            Ok(()) => None,
        };
        Ok(Begun::lasting(Effect { at, shown_by }, Handle::Outage(outage)))
    }
}

/// `dcs-up`
pub struct Up;

#[async_trait]
impl End for Up {
    fn made(&self) -> &'static str {
        "the members of etcd are started again, or thawed"
    }

    fn evidence(&self) -> &'static str {
        "a read on which the members must agree is answered"
    }

    async fn end(&self, tools: &mut Toolbox<'_>, _: &str, open: Vec<Handle>) -> Result<Option<Effect>, LabError> {
        let outage = open.iter().rev().find_map(|handle| match handle {
            Handle::Outage(outage) => Some(*outage),
            _ => None,
        });
        let outage = outage.unwrap_or(Outage::Stop);
        let bed = tools.bed;
        let before = bed.now();
        for member in affected(tools, outage) {
            match outage {
                Outage::Freeze => bed.sandbox.unpause(&member.container).await?,
                Outage::Stop | Outage::QuorumLoss => member.start(&bed).await?,
            }
        }
        let deadline = Instant::now() + UP;
        loop {
            let answer = first_member(tools)?.answers(&bed).await;
            let at = [before, bed.now()];
            if answer.is_ok() {
                return Ok(Some(Effect { at, shown_by: Some(format!("{} answers", name_of(tools))) }));
            }
            if Instant::now() > deadline {
                return Ok(Some(Effect { at, shown_by: None }));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The members that an outage affects.
fn affected<'run>(tools: &Toolbox<'run>, outage: Outage) -> impl Iterator<Item = &'run Member> + use<'run> {
    let spared = match outage {
        Outage::Stop | Outage::Freeze => 0,
        Outage::QuorumLoss => 1,
    };
    tools.dcs.members.iter().skip(spared)
}

/// The DCS in words: etcd, or the service that is the authority.
pub(super) fn name_of(tools: &Toolbox<'_>) -> &'static str {
    match tools.bed.manifest.leader_observer.etcd_key() {
        Some(_) => "etcd",
        None => "the authority",
    }
}

/// The first member of etcd, which no outage but a whole one affects.
///
/// # Errors
/// etcd has no members.
pub(super) fn first_member<'run>(tools: &Toolbox<'run>) -> Result<&'run Member, LabError> {
    tools.dcs.members.first().ok_or_else(|| LabError::harness("etcd has no members"))
}
