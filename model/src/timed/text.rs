//! Behaviours in words.

use crate::cluster::{Names, difference};
use crate::engine::Path;

use super::Timed;
use super::steps::{Moment, TimedAction};

/// One step of a behaviour in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Ticks that have passed before it.
    pub tick: u32,
    /// What happens.
    pub step: String,
    /// What it changes.
    pub changes: Vec<String>,
}

impl Timed {
    /// A behaviour, step by step. Ticks of which nothing is to be seen have no line of their own: the steps say when they are taken.
    pub fn lines(&self, names: &Names, path: &Path<Moment, TimedAction>) -> Vec<Line> {
        let mut before = &path.init;
        let mut tick = 0;
        let mut lines = Vec::new();
        for (place, (action, after)) in path.steps.iter().enumerate() {
            let last = place + 1 == path.steps.len();
            let step = match action {
                TimedAction::Tick(slow) => {
                    tick += 1;
                    match slow {
                        Some(id) => Some(format!("{}: the agent's clock misses this tick", names.of(*id))),
                        None => last.then(|| "this tick is one too many".to_owned()),
                    }
                }
                TimedAction::Begin(id) => Some(format!("{}: agent begins a cycle and asks the DCS", names.of(*id))),
                TimedAction::Step(step) => Some(self.cluster.step_text(names, &before.state, *step)),
            };
            if let Some(step) = step {
                let mut changes = difference(names, &before.state, &after.state);
                if after.clocks.lease > before.clocks.lease {
                    changes.push(format!("lease: lasts until tick {}", tick + u32::from(after.clocks.lease)));
                }
                lines.push(Line { tick, step, changes });
            }
            before = after;
        }
        lines
    }
}
