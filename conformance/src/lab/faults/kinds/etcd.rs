//! Requests to etcd that change what agents rely on: a lease is revoked, another member leads, the past is compacted
//! away.

use async_trait::async_trait;
use etcd_client::{Error, GetOptions};
use pghaspec_model::vocabulary::event::Kind;

use super::dcs::first_member;
use crate::lab::error::LabError;
use crate::lab::faults::inject::{Begun, Effect, Inject, Toolbox};
use crate::lab::faults::tools::EFFECT;
use crate::scenario::How;

fn etcd_says(doing: &str) -> impl FnOnce(Error) -> LabError {
    let doing = doing.to_owned();
    move |error| LabError::harness(format!("{doing}: etcd says: {error}"))
}

/// `lease-lost`
pub struct RevokeLease;

#[async_trait]
impl Inject for RevokeLease {
    fn made(&self) -> &'static str {
        "the lease under the leader key is revoked"
    }

    fn evidence(&self) -> &'static str {
        "the watch reports that the leader key is gone"
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, _: &How) -> Result<Begun, LabError> {
        let bed = tools.bed;
        let doing = "revoking the leader's lease";
        let lease = bed.recorder.view().borrow().events.iter().rev().find_map(|event| match &event.kind {
            Kind::LeaderKey { holder, lease, .. } => Some(*lease).filter(|_| holder.as_deref() == Some(at)),
            _ => None,
        });
        let Some(lease) = lease.filter(|lease| *lease != 0) else {
            return Err(LabError::node(format!("{doing}: {at} holds no leader key with a lease")));
        };
        let mut client = first_member(tools)?.client().await.map_err(etcd_says(doing))?;
        let before = bed.now();
        client.lease_revoke(lease).await.map_err(|error| match error.to_string().contains("lease not found") {
            // Its holder has let it go just now.
            true => LabError::node(format!("{doing}: {error}")),
            false => etcd_says(doing)(error),
        })?;
        let at = [before, bed.now()];
        let what = "the leader key to go with its lease";
        let gone = bed.event_of(None, what, EFFECT, before, |event| match &event.kind {
            Kind::LeaderKey { holder: None, lease: of, revision, .. } if *of == lease => Some(*revision),
            _ => None,
        });
        let shown_by = gone.await.map(|revision| format!("the leader key is gone at revision {revision}"));
        Ok(Begun::over(Effect { at, shown_by }))
    }
}

/// `etcd-leader-moved`
pub struct MoveLeader;

#[async_trait]
impl Inject for MoveLeader {
    fn made(&self) -> &'static str {
        "the leader of etcd hands the lead over to another member"
    }

    fn evidence(&self) -> &'static str {
        "etcd names the other member as its leader"
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, _: &str, _: &How) -> Result<Begun, LabError> {
        let bed = tools.bed;
        let doing = "moving the leader of etcd";
        let mut all = Vec::new();
        for member in &tools.dcs.members {
            let mut client = member.client().await.map_err(etcd_says(doing))?;
            let status = client.status().await.map_err(etcd_says(doing))?;
            let id = status.header().map_or(0, |header| header.member_id());
            all.push((member, client, id, status.leader()));
        }
        let next =
            all.iter().find(|(_, _, id, leader)| id != leader).map(|(member, _, id, _)| (member.part.clone(), *id));
        let Some((name, next)) = next else {
            return Err(LabError::harness(format!("{doing}: it has one member only")));
        };
        let leads = all.iter_mut().find(|(_, _, id, leader)| id == leader);
        let Some((old, client, _, _)) = leads else {
            return Err(LabError::harness(format!("{doing}: it has no leader")));
        };
        let before = bed.now();
        client.move_leader(next).await.map_err(etcd_says(doing))?;
        let at = [before, bed.now()];
        let status = client.status().await.map_err(etcd_says(doing))?;
        let moved = status.leader() == next;
        let shown_by = moved.then(|| format!("{name} leads etcd now, {} did before", old.part));
        Ok(Begun::over(Effect { at, shown_by }))
    }
}

/// `etcd-compacted`
pub struct Compact;

#[async_trait]
impl Inject for Compact {
    fn made(&self) -> &'static str {
        "etcd is told to compact all revisions but the newest away"
    }

    fn evidence(&self) -> &'static str {
        "a read of the first revision is refused"
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, _: &str, _: &How) -> Result<Begun, LabError> {
        let bed = tools.bed;
        let doing = "compacting etcd";
        let mut client = first_member(tools)?.client().await.map_err(etcd_says(doing))?;
        let newest = client.get("/", None).await.map_err(etcd_says(doing))?;
        let revision = newest.header().map_or(1, |header| header.revision());
        let before = bed.now();
        client.compact(revision, None).await.map_err(etcd_says(doing))?;
        let at = [before, bed.now()];
        let old = GetOptions::new().with_revision(1);
        let gone = client.get("/", Some(old)).await.err().filter(|error| error.to_string().contains("compacted"));
        let shown_by = gone.map(|_| format!("all revisions before {revision} are gone"));
        Ok(Begun::over(Effect { at, shown_by }))
    }
}
