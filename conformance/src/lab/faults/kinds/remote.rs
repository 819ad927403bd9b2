//! The remote primary of a standby cluster: it ends, and a standby of it takes over that lacks the last writes.

use async_trait::async_trait;

use crate::lab::error::LabError;
use crate::lab::faults::inject::{Begun, Effect, Inject, Toolbox};
use crate::scenario::How;

/// `remote-failover`
pub struct FailOver;

#[async_trait]
impl Inject for FailOver {
    fn made(&self) -> &'static str {
        "the remote primary is stopped (`immediate`), and a standby of it that has fallen behind is promoted at its \
         address"
    }

    fn evidence(&self) -> &'static str {
        "the promoted standby says so"
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, _: &str, _: &How) -> Result<Begun, LabError> {
        let bed = tools.bed;
        let remote = tools.remote.ok_or_else(|| LabError::harness("the cluster follows no remote primary"))?;
        let since = bed.now();
        let told = remote.fail_over(&bed).await?;
        let shown_by = Some(format!("the primary elsewhere is another now, {told}"));
        Ok(Begun::over(Effect { at: [since, bed.now()], shown_by }))
    }
}
