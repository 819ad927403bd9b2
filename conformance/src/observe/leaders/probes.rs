//! The leader of a cluster that has no authority: the only node that probes find to be a primary. Where there are two,
//! nobody is the leader.

use pghaspec_model::vocabulary::event::{Event, Kind, ServerState};

use super::changes::Changes;
use crate::observe::recorder::Recorder;
use crate::observe::view::View;

/// Records who is the only primary, for ever.
pub async fn sole_primary(recorder: Recorder) {
    let mut view = recorder.view();
    let mut changes = Changes::new(recorder.clone());
    loop {
        let (holder, at) = look(&view.borrow_and_update());
        changes.tell(at, holder.as_deref());
        if view.changed().await.is_err() {
            return;
        }
    }
}

/// The only primary, and the time of the last finding that says so.
fn look(view: &View) -> (Option<String>, [u64; 2]) {
    let mut primaries = view.nodes.iter().filter(|(_, node)| {
        !node.container_ended && node.last_certain.is_some_and(|finding| finding.state == ServerState::Primary)
    });
    let holder = match (primaries.next(), primaries.next()) {
        (Some((name, _)), None) => Some(name.clone()),
        _ => None,
    };
    let is_finding = |event: &&Event| matches!(event.kind, Kind::Server { .. } | Kind::NodeEnded { .. });
    let at = view.events.iter().rev().find(is_finding).map_or([0, 0], |event| event.at);
    (holder, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::view::Finding;

    #[test]
    fn of_two_primaries_neither_is_the_leader() {
        let mut view = View::of(&["n1".to_owned(), "n2".to_owned()]);
        let mut set = |node: &str, state| {
            let node = view.nodes.get_mut(node).unwrap();
            node.last_certain = Some(Finding::only(state));
            look(&view).0
        };
        assert_eq!(set("n1", ServerState::Primary), Some("n1".to_owned()));
        assert_eq!(set("n2", ServerState::ReadOnlyPrimary), Some("n1".to_owned()));
        assert_eq!(set("n2", ServerState::Primary), None);
        assert_eq!(set("n1", ServerState::Refused), Some("n2".to_owned()));
    }
}
