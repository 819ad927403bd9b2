//! The two things that the lab does with a fault: it makes one ([`Inject`]), and it ends one ([`End`]).

use async_trait::async_trait;

pub use super::effect::Effect;
pub use super::open::{Handle, Open};
pub use super::toolbox::Toolbox;
use crate::lab::error::LabError;
use crate::scenario::{Action, How};

/// A fault that has begun.
pub struct Begun {
    /// Its effect; `None` if the fault strikes later and then records itself.
    pub effect: Option<Effect>,
    /// The facts that its end needs, if it lasts until it is ended.
    pub lasts: Option<Handle>,
}

impl Begun {
    /// A fault that is over as soon as it has taken effect.
    pub fn over(effect: Effect) -> Begun {
        Begun { effect: Some(effect), lasts: None }
    }

    /// A fault that lasts until it is ended.
    pub fn lasting(effect: Effect, handle: Handle) -> Begun {
        Begun { effect: Some(effect), lasts: Some(handle) }
    }
}

/// A way to make a fault.
#[async_trait]
pub trait Inject: Sync {
    /// The way in which the lab makes it, in words for the table of faults.
    fn made(&self) -> &'static str;

    /// The evidence that it took effect, in words for the table of faults.
    fn evidence(&self) -> &'static str;

    /// The action of a step that ends it, if it lasts.
    fn ended_by(&self) -> Option<Action> {
        None
    }

    /// Makes the fault at a node, or at what else the step names, and waits for its effect.
    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, how: &How) -> Result<Begun, LabError>;
}

/// A way to end a fault.
#[async_trait]
pub trait End: Sync {
    /// The way in which the lab ends it, in words for the table of faults.
    fn made(&self) -> &'static str;

    /// The evidence that it has ended, in words for the table of faults.
    fn evidence(&self) -> &'static str;

    /// Says whether an open fault needs no end any more: the process that it hit may be gone by now, or be another one.
    async fn is_over(&self, _tools: &mut Toolbox<'_>, _open: &Open) -> Result<bool, LabError> {
        Ok(false)
    }

    /// Ends the faults at a node, or at what else the step names, and waits for the effect. `open` are the handles of
    /// all faults that end by this; there may be none, since a scenario may end what has not begun. Returns `None` if
    /// no event is to be recorded.
    async fn end(&self, tools: &mut Toolbox<'_>, at: &str, open: Vec<Handle>) -> Result<Option<Effect>, LabError>;
}
