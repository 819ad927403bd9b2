//! The needs of the lab on a machine: Docker and images, for the command `doctor`.

use std::collections::BTreeSet;

use super::cluster::{ETCD_IMAGE, REMOTE_IMAGE};
use super::docker;
use super::error::LabError;
use super::observer::OBSERVER_IMAGE;
use crate::manifest::Manifest;

/// Version of the Docker Engine.
///
/// # Errors
/// Docker does not answer.
pub async fn docker_version() -> Result<String, LabError> {
    let docker = docker::connect().await?;
    let version = docker::asked("asking Docker for its version", docker.version()).await?;
    let known = |word: Option<String>| word.unwrap_or_else(|| "unknown".into());
    Ok(format!("Docker Engine {}, API {}", known(version.version), known(version.api_version)))
}

/// The images that runs against these agents need.
pub fn needed_images(agents: &[Manifest]) -> BTreeSet<String> {
    let own = [ETCD_IMAGE, OBSERVER_IMAGE, REMOTE_IMAGE].map(str::to_owned);
    own.into_iter().chain(agents.iter().map(|agent| agent.image.clone())).collect()
}

/// Digest of a local image.
///
/// # Errors
/// There is no such image on this machine, or Docker does not answer.
pub async fn has_image(image: &str) -> Result<String, LabError> {
    docker::own_image_digest(&docker::connect().await?, image).await
}
