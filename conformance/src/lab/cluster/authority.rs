//! The authority of a cluster, and the watch on who leads: etcd, a service of the agent's own, or nobody.

use std::net::IpAddr;
use std::time::Duration;

use etcd_client::Client;
use tokio_postgres::Config;

use super::builder::{Builder, Networks};
use super::dcs::{Dcs, Member};
use super::services::Running;
use crate::lab::error::LabError;
use crate::lab::tasks::Ends;
use crate::lab::testbed::Testbed;
use crate::manifest::{LeaderObserver, Sql};
use crate::observe::leaders::{LeaderWatch, Lines, SqlWatch, sole_primary};

/// The time that the first answer of an authority may take, once its service is ready.
const UP: Duration = Duration::from_secs(15);

/// The watch on who leads.
pub enum Watch {
    /// On a key in etcd.
    Etcd(Box<LeaderWatch>),
    /// On rows in the Postgres of a service.
    Sql(Box<SqlWatch>),
    /// On the lines of a service, which is heard already.
    Lines,
    /// On the probes of the nodes.
    Probes,
}

impl Builder<'_> {
    /// Starts etcd, or the services of the agent, and the watch on who leads.
    ///
    /// # Errors
    /// One of them does not come up.
    pub async fn authority(&self, networks: &Networks) -> Result<(Dcs, Watch), LabError> {
        let manifest = self.bed.manifest;
        let services = self.services(networks).await?;
        let authority = manifest.services.iter().zip(&services).find(|(service, _)| service.authority);
        let members: Vec<Member> =
            authority.map(|(service, running)| Builder::member_of(service, running)).into_iter().collect();
        let running = |name: &str| {
            let found = manifest.services.iter().zip(&services).find(|(service, _)| service.name == name);
            found.map(|(_, running)| running).ok_or_else(|| LabError::harness(format!("there is no service {name}")))
        };
        match &manifest.leader_observer {
            LeaderObserver::EtcdKey(_) => {
                let (dcs, watch) = self.etcd(networks).await?;
                Ok((dcs, Watch::Etcd(Box::new(watch))))
            }
            LeaderObserver::Sql(sql) => {
                let watch = self.asked_by_sql(sql, running(&sql.at)?).await?;
                Ok((Dcs { members }, Watch::Sql(Box::new(watch))))
            }
            LeaderObserver::Service(_) => Ok((Dcs { members }, Watch::Lines)),
            LeaderObserver::None => Ok((Dcs { members }, Watch::Probes)),
        }
    }

    async fn asked_by_sql(&self, sql: &Sql, at: &Running) -> Result<SqlWatch, LabError> {
        let mut watch = SqlWatch::new(self.bed.recorder.clone(), config(sql, at.control), sql.query.clone());
        watch.prepare(UP).await.map_err(|last| {
            LabError::manifest(
                format!("the query about the leader is not answered by {}: {last}", sql.at),
                format!("mend [leadership] in the manifest of {}", self.bed.manifest.name),
            )
        })?;
        Ok(watch)
    }

    /// The lines of a service that tell who leads, if this one does.
    pub(super) fn tells_who_leads(&self, service: &str) -> Option<Lines> {
        match &self.bed.manifest.leader_observer {
            LeaderObserver::Service(at) if at == service => {
                Some(Lines::new(self.bed.recorder, self.bed.scenario.node_names()))
            }
            _ => None,
        }
    }
}

fn config(sql: &Sql, address: IpAddr) -> Config {
    let mut config = Config::new();
    config.host(address.to_string()).port(sql.port).user(&sql.user).dbname(&sql.dbname).application_name("pghaspec");
    if !sql.password.is_empty() {
        config.password(&sql.password);
    }
    config
}

impl Watch {
    /// A client of etcd, if that is watched.
    pub fn client(&self) -> Option<Client> {
        match self {
            Watch::Etcd(watch) => Some(watch.client()),
            Watch::Sql(_) | Watch::Lines | Watch::Probes => None,
        }
    }

    /// Watches until the run ends.
    pub fn spawn(self, bed: &Testbed<'_>) {
        match self {
            Watch::Etcd(watch) => {
                bed.tasks.spawn("putting ticks into etcd", Ends::WhenStopped, watch.ticks());
                bed.tasks.spawn("watching the leader key", Ends::WhenStopped, watch.run());
            }
            Watch::Sql(watch) => bed.tasks.spawn("asking who leads", Ends::WhenStopped, watch.run()),
            Watch::Lines => {}
            Watch::Probes => {
                let watch = sole_primary(bed.recorder.clone());
                bed.tasks.spawn("looking for the only primary", Ends::WhenStopped, watch);
            }
        }
    }
}
