//! Faults that lie in wait for a process, and the lifting of those that strike every time.

use async_trait::async_trait;

use crate::lab::error::LabError;
use crate::lab::faults::inject::{Begun, Effect, End, Handle, Inject, Toolbox};
use crate::lab::faults::tools::traps::{Sends, Trap};
use crate::scenario::{Action, How};

#[async_trait]
impl Inject for Trap {
    fn made(&self) -> &'static str {
        "a trap: when a process starts, the observer sends a signal within a millisecond"
    }

    fn evidence(&self) -> &'static str {
        match self.sends {
            Sends::Kill => "the kernel reports that the process ended by signal 9",
            Sends::Stop { .. } => "the process is in state T",
        }
    }

    fn ended_by(&self) -> Option<Action> {
        Some(Action::Lift(self.fault))
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, how: &How) -> Result<Begun, LabError> {
        let stays = tools.traps.lay(*self, at, how).await?;
        Ok(Begun { effect: None, lasts: stays.map(Handle::Trap) })
    }
}

/// `lift`
pub struct Lift;

#[async_trait]
impl End for Lift {
    fn made(&self) -> &'static str {
        "the trap is taken away"
    }

    fn evidence(&self) -> &'static str {
        "the observer confirms it"
    }

    async fn end(&self, tools: &mut Toolbox<'_>, _: &str, open: Vec<Handle>) -> Result<Option<Effect>, LabError> {
        for handle in &open {
            if let Handle::Trap(id) = handle {
                tools.traps.lift(id).await?;
            }
        }
        Ok(None)
    }
}
