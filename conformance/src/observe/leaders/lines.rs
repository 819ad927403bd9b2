//! Lines about the leader, as a service writes them: each is the leader's name, or `-` for nobody.
//!
//! What a line says held at some moment since the line before it came. A service that is silent for long is a gap: it
//! writes a line at least each second, though nothing has changed.

use std::time::Duration;

use pghaspec_model::vocabulary::event::Source;

use super::changes::Changes;
use crate::observe::container_log::Line;
use crate::observe::recorder::Recorder;
use crate::observe::silence::Silence;

/// The time for which it may be silent before that is a gap.
const BLIND: Duration = Duration::from_secs(3);

/// The word for nobody.
const NOBODY: &str = "-";

/// Who leads, by the lines of a service.
pub struct Lines {
    changes: Changes,
    silence: Silence,
    nodes: Vec<String>,
}

impl Lines {
    /// Nothing was heard yet.
    pub fn new(recorder: &Recorder, nodes: Vec<String>) -> Lines {
        let why = "the service that tells who leads was silent";
        let silence = Silence::new(recorder.clone(), None, Source::Authority, BLIND, why);
        Lines { changes: Changes::new(recorder.clone()), silence, nodes }
    }

    /// Takes a line in. One that names nobody that there is says nothing.
    pub fn take(&mut self, line: &Line) {
        let said = line.text.trim();
        let holder = self.nodes.iter().find(|node| *node == said).map(String::as_str);
        if holder.is_none() && said != NOBODY {
            return;
        }
        self.silence.heard(line.received[1]);
        self.changes.tell(line.received, holder);
    }
}
