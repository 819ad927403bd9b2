//! The services of an agent: containers beside the nodes, which are ready before the nodes start.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::try_join_all;
use pghaspec_model::vocabulary::event::Source;
use tokio::time::Instant;

use super::builder::{Builder, Networks};
use super::dcs::is_ready;
use super::nodes::{SUPERVISE, SUPERVISOR};
use crate::lab::docker::container::{ContainerPlan, Place};
use crate::lab::error::LabError;
use crate::manifest::Service;

/// The time that a service may take until it is ready.
const UP: Duration = Duration::from_secs(60);
/// Pause between two looks.
const AGAIN: Duration = Duration::from_millis(100);

/// A service that runs.
pub struct Running {
    /// Its container.
    pub container: String,
    /// Its address in the cluster network.
    pub address: IpAddr,
    /// Its address in the control network.
    pub control: IpAddr,
    /// The command by which it says that it is ready, with its variables filled in.
    pub ready: Vec<String>,
}

impl Builder<'_> {
    /// Starts all services, and waits until each is ready.
    ///
    /// # Errors
    /// One does not start, or is not ready in time.
    pub(super) async fn services(&self, networks: &Networks) -> Result<Vec<Running>, LabError> {
        try_join_all(self.bed.manifest.services.iter().map(|service| self.service(service, networks))).await
    }

    async fn service(&self, service: &Service, networks: &Networks) -> Result<Running, LabError> {
        let (bed, name) = (&self.bed, service.name.as_str());
        let mut files = self.filled_files(&service.files, name)?;
        files.push((SUPERVISE.to_owned(), SUPERVISOR.as_bytes().to_vec()));
        let command = self.supervised(&service.command, name, &["--again".to_owned()])?;
        let image = service.image.as_deref().unwrap_or(&bed.manifest.image);
        let plan = ContainerPlan {
            entrypoint: Some("/bin/sh"),
            command,
            env: service.env.clone(),
            files,
            limits: bed.manifest.limits,
            ..ContainerPlan::of(name, image, Place::Network(&networks.cluster))
        };
        let container = bed.sandbox.start(plan).await?;
        let mut lines = self.tells_who_leads(name);
        let of = if lines.is_some() { Source::Authority } else { Source::Harness };
        bed.follow(name, of, move |_, line| {
            if let Some(lines) = &mut lines {
                lines.take(&line);
            }
        });
        let address = bed.sandbox.address(&container, &networks.cluster).await?;
        let control = bed.sandbox.connect(&container, &networks.control).await?;
        let ready = service.ready.iter().map(|word| self.filled(word, name)).collect::<Result<Vec<_>, _>>()?;
        let deadline = Instant::now() + UP;
        while let Err(last) = is_ready(bed, &container, &ready).await {
            let ended = bed.sandbox.end_of(&container).await;
            if Instant::now() > deadline || ended.is_some() {
                let said = bed.sandbox.last_lines(&container).await.join("\n  ");
                let end = ended.map_or(String::new(), |end| format!("; its container has ended {end}"));
                return Err(LabError::manifest(
                    format!("the service {name} does not get ready: {last}{end}; its last lines:\n  {said}"),
                    format!("mend [[service]] {name} in the manifest of {}", bed.manifest.name),
                ));
            }
            tokio::time::sleep(AGAIN).await;
        }
        Ok(Running { container, address, control, ready })
    }
}
