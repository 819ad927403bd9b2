//! The cache of beliefs: everything that was found out about a model is kept for the next history.
//!
//! Most histories of a suite ask the same few models.

use std::sync::{Mutex, PoisonError};

use pghaspec_model::belief::{Belief, Limits};
use pghaspec_model::cluster::{Cluster, Settings};

/// Bytes that all of them may hold together.
const KEPT: usize = 160 << 20;

/// Bytes of a model of which nothing is known yet, roughly.
const EMPTY: usize = 1 << 20;

static BELIEFS: Mutex<Vec<(Settings, Belief)>> = Mutex::new(Vec::new());

/// Asks about the model of these settings, within these limits.
pub fn with_belief<T>(settings: Settings, limits: Limits, ask: impl FnOnce(&mut Belief) -> T) -> T {
    let kept = || BELIEFS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = {
        let mut kept = kept();
        let place = kept.iter().position(|(known, _)| *known == settings);
        place.map(|place| kept.remove(place).1)
    };
    let mut belief = known.unwrap_or_else(|| Belief::new(Cluster::new(settings.clone()), limits));
    belief.set_limits(limits);
    let answer = ask(&mut belief);
    let mut kept = kept();
    kept.push((settings, belief));
    // The longest unused comes first.
    let mut bytes: usize = kept.iter().map(|(_, belief)| belief.bytes() + EMPTY).sum();
    while bytes > KEPT {
        bytes -= kept.remove(0).1.bytes() + EMPTY;
    }
    drop(kept);
    answer
}
