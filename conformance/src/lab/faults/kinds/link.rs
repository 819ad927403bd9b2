//! A slow link: every packet between a node and the DCS waits, in both directions, on connections that are open
//! already, too.

use std::time::Duration;

use async_trait::async_trait;
use pghaspec_model::vocabulary::disturbance::Disturbance;
use tokio::time::Instant;

use crate::lab::docker::container::{ContainerPlan, Place};
use crate::lab::error::LabError;
use crate::lab::faults::inject::{Begun, Effect, End, Handle, Inject, Toolbox};
use crate::lab::faults::tools::EFFECT;
use crate::lab::faults::tools::network::Filter;
use crate::lab::observer::OBSERVER_IMAGE;
use crate::scenario::{Action, How};

/// Number of the kernel's queue in the node's network namespace.
const QUEUE: &str = "7";
/// The `iptables` target of the filters. Without the program that lets packets wait, they pass at once.
const TARGET: [&str; 4] = ["NFQUEUE", "--queue-num", QUEUE, "--queue-bypass"];
/// The number of packets that must have waited before the link counts as slow.
const ENOUGH: u64 = 10;
/// Pause between two looks at the counters.
const LOOK: Duration = Duration::from_millis(100);

/// `link-slowed`
pub struct Slow;

#[async_trait]
impl Inject for Slow {
    fn made(&self) -> &'static str {
        "packets between the node and the members of etcd go through a queue of the kernel, where a program lets each \
         wait for `delay_ms`"
    }

    fn evidence(&self) -> &'static str {
        "ten packets or more went through the queue"
    }

    fn ended_by(&self) -> Option<Action> {
        Some(Action::Disturbance(Disturbance::LinkRestored))
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, how: &How) -> Result<Begun, LabError> {
        let delay_ms = how.delay_ms.unwrap_or(0);
        let sandbox = tools.bed.sandbox;
        let container = sandbox.name(at);
        let init = sandbox.process_id(&container).await?;
        let part = format!("{at}-slow-{init}");
        let plan = ContainerPlan {
            command: vec!["slow-packets".to_owned(), QUEUE.to_owned(), delay_ms.to_string()],
            ..ContainerPlan::of(&part, OBSERVER_IMAGE, Place::NetworkOf(&container))
        };
        sandbox.start(plan).await?;
        let filters = Filter::both_ways(tools.dcs.members.iter().map(|member| member.address));
        let slowed_at = tools.networks.insert(at, &filters, &TARGET).await?;
        let deadline = Instant::now() + EFFECT;
        let mut shown_by = None;
        while Instant::now() < deadline {
            let waited = tools.networks.caught(at, &filters, TARGET[0]).await?;
            if waited >= ENOUGH {
                shown_by = Some(format!("{waited} packets between {at} and etcd have waited {delay_ms} ms each"));
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(Begun::lasting(Effect { at: slowed_at, shown_by }, Handle::Filters(filters)))
    }
}

/// `link-restored`
pub struct Restore;

#[async_trait]
impl End for Restore {
    fn made(&self) -> &'static str {
        "the filters that lead into the queue are deleted"
    }

    fn evidence(&self) -> &'static str {
        "`iptables` has deleted them"
    }

    async fn end(&self, tools: &mut Toolbox<'_>, at: &str, _: Vec<Handle>) -> Result<Option<Effect>, LabError> {
        let sandbox = tools.bed.sandbox;
        let init = sandbox.process_id(&sandbox.name(at)).await?;
        let helper = sandbox.name(&format!("{at}-slow-{init}"));
        // Of a node that was started again there is no such helper.
        if !sandbox.runs(&helper).await.unwrap_or(true) {
            return Err(LabError::harness(format!("{helper}, the helper that lets packets wait, has ended")));
        }
        let filters = Filter::both_ways(tools.dcs.members.iter().map(|member| member.address));
        let at = tools.networks.delete(at, &filters, &TARGET).await?;
        Ok(Some(Effect { at, shown_by: Some("packets wait no longer".to_owned()) }))
    }
}
