//! Lines about the leader, as a service writes them: each is the leader's name, or `-` for nobody.
//!
//! The leader of a line led at some moment since the line before it came. A service that is silent for long is a gap:
//! it writes a line at least each second, though nothing has changed.

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

/// The leader by the lines of a service.
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

#[cfg(test)]
mod tests {
    use pghaspec_model::vocabulary::event::Kind;

    use super::*;
    use crate::observe::clock::RunClock;

    #[test]
    fn lines_that_name_nobody_there_is_say_nothing() {
        let nodes = ["n1".to_owned(), "n2".to_owned()];
        let recorder = Recorder::in_memory(RunClock::start(), &nodes);
        let mut lines = Lines::new(&recorder, nodes.to_vec());
        let told = [("n1", 1), ("starting", 2), ("n1", 3), ("-", 4), (" n2 ", 5), ("n3", 6)];
        for (text, at) in told {
            lines.take(&Line { text: text.to_owned(), received: [at - 1, at] });
        }
        let view = recorder.view();
        let holders: Vec<_> = view
            .borrow()
            .events
            .iter()
            .filter_map(|event| match &event.kind {
                Kind::LeaderKey { holder, .. } => Some((holder.clone(), event.at)),
                _ => None,
            })
            .collect();
        let expected = [(Some("n1".to_owned()), [0, 1]), (None, [3, 4]), (Some("n2".to_owned()), [4, 5])];
        assert_eq!(holders, expected);
    }
}
