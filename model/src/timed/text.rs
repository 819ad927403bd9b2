//! Behaviours with clocks in words.

use crate::cluster::{Names, difference};
use crate::engine::Path;

use super::Timed;
use super::steps::{Moment, TimedAction};

/// One step of a behaviour in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The number of ticks before the step.
    pub tick: u32,
    /// The step.
    pub step: String,
    /// The changes of the step, a line each.
    pub changes: Vec<String>,
}

impl Timed {
    /// A behaviour, step by step. A tick without visible effect has no line of its own: the other steps say at which
    /// tick they are taken.
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
