//! What is done to etcd: it goes down, it changes its leader, it forgets its past, it drops a lease.

use std::time::Duration;

use pghaspec_model::vocabulary::event::Kind;
use tokio::time::Instant;

use super::{Done, Faults, Open};
use crate::lab::cluster::dcs::Member;
use crate::lab::error::LabError;
use crate::scenario::Outage;

/// How long etcd may take to answer again: its members elect a leader first.
const UP: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

fn etcd_says(doing: &str) -> impl FnOnce(etcd_client::Error) -> LabError {
    let doing = doing.to_owned();
    move |error| LabError::harness(format!("{doing}: etcd says: {error}"))
}

impl Faults<'_> {
    pub(super) async fn dcs_goes_down(&mut self, outage: Option<Outage>) -> Result<Done, LabError> {
        let outage = outage.unwrap_or(Outage::Stop);
        let members = &self.dcs.members;
        let before = self.recorder.clock().now();
        for member in members.iter().skip(usize::from(outage == Outage::QuorumLoss)) {
            match outage {
                Outage::Freeze => self.lane.pause(&member.container).await?,
                Outage::Stop | Outage::QuorumLoss => member.stop(self.lane).await?,
            }
        }
        let at = [before, self.recorder.clock().now()];
        self.outage = Some(outage);
        self.opened(Open::DcsDown);
        let silent = match self.first()?.answers().await {
            Err(why) => Some(format!("etcd answers nobody: {why}")),
            Ok(()) => None,
        };
        Ok((at, silent))
    }

    pub(super) async fn dcs_comes_up(&mut self) -> Result<Done, LabError> {
        self.closed(&Open::DcsDown);
        let outage = self.outage.take().unwrap_or(Outage::Stop);
        let before = self.recorder.clock().now();
        for member in self.dcs.members.iter().skip(usize::from(outage == Outage::QuorumLoss)) {
            match outage {
                Outage::Freeze => self.lane.unpause(&member.container).await?,
                Outage::Stop | Outage::QuorumLoss => member.start(self.lane).await?,
            }
        }
        let deadline = Instant::now() + UP;
        loop {
            let answer = self.first()?.answers().await;
            let at = [before, self.recorder.clock().now()];
            if answer.is_ok() {
                return Ok((at, Some("etcd answers".to_owned())));
            }
            if Instant::now() > deadline {
                return Ok((at, None));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    pub(super) async fn move_etcd_leader(&self) -> Result<Done, LabError> {
        let doing = "moving the leader of etcd";
        let mut all = Vec::new();
        for member in &self.dcs.members {
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
        let before = self.recorder.clock().now();
        client.move_leader(next).await.map_err(etcd_says(doing))?;
        let at = [before, self.recorder.clock().now()];
        let status = client.status().await.map_err(etcd_says(doing))?;
        let effect = (status.leader() == next).then(|| format!("{name} leads etcd now, {} did before", old.part));
        Ok((at, effect))
    }

    pub(super) async fn compact_etcd(&self) -> Result<Done, LabError> {
        let doing = "compacting etcd";
        let mut client = self.first()?.client().await.map_err(etcd_says(doing))?;
        let newest = client.get("/", None).await.map_err(etcd_says(doing))?;
        let revision = newest.header().map_or(1, |header| header.revision());
        let before = self.recorder.clock().now();
        client.compact(revision, None).await.map_err(etcd_says(doing))?;
        let at = [before, self.recorder.clock().now()];
        let old = etcd_client::GetOptions::new().with_revision(1);
        let gone = client.get("/", Some(old)).await.err().filter(|error| error.to_string().contains("compacted"));
        Ok((at, gone.map(|_| format!("all revisions before {revision} are gone"))))
    }

    /// Revokes the lease under the leader key.
    pub(super) async fn revoke_lease(&self, node: &str) -> Result<Done, LabError> {
        let doing = "revoking the leader's lease";
        let lease = self.recorder.view().borrow().events.iter().rev().find_map(|event| match &event.kind {
            Kind::LeaderKey { holder, lease, .. } => Some(*lease).filter(|_| holder.as_deref() == Some(node)),
            _ => None,
        });
        let Some(lease) = lease.filter(|lease| *lease != 0) else {
            return Err(LabError::harness(format!("{doing}: {node} holds no leader key with a lease")));
        };
        let mut client = self.first()?.client().await.map_err(etcd_says(doing))?;
        let before = self.recorder.clock().now();
        client.lease_revoke(lease).await.map_err(etcd_says(doing))?;
        let at = [before, self.recorder.clock().now()];
        let gone = self.event_of(None, "the leader key to go with its lease", before, |event| match &event.kind {
            Kind::LeaderKey { holder: None, lease: of, revision, .. } if *of == lease => Some(*revision),
            _ => None,
        });
        Ok((at, gone.await.map(|revision| format!("the leader key is gone at revision {revision}"))))
    }

    fn first(&self) -> Result<&Member, LabError> {
        self.dcs.members.first().ok_or_else(|| LabError::harness("etcd has no members"))
    }
}
