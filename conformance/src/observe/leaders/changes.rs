//! Changes of the leader, as an authority that is no etcd tells them: in its own order, one number each.

use pghaspec_model::vocabulary::event::{KeyChange, Kind, Source};

use crate::observe::recorder::Recorder;

/// Records who leads, whenever that is another one than before.
pub struct Changes {
    recorder: Recorder,
    holder: Option<String>,
    number: i64,
}

impl Changes {
    /// Nobody leads yet.
    pub fn new(recorder: Recorder) -> Changes {
        Changes { recorder, holder: None, number: 0 }
    }

    /// Takes in who leads since some moment of that time.
    pub fn tell(&mut self, at: [u64; 2], holder: Option<&str>) {
        if self.holder.as_deref() == holder {
            return;
        }
        let before = std::mem::replace(&mut self.holder, holder.map(str::to_owned));
        let change = match (before, &self.holder) {
            (None, _) => KeyChange::Created,
            (Some(_), Some(_)) => KeyChange::Overwritten,
            (Some(_), None) => KeyChange::Deleted,
        };
        self.number += 1;
        let kind = Kind::LeaderKey { change, holder: self.holder.clone(), revision: self.number, lease: 0 };
        self.recorder.record(None, Source::Authority, at, kind);
    }
}
