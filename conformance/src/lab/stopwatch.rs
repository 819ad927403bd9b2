//! The times of the parts of a run: those that the protocol takes, and those that the lab takes.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::run::lap::{Lap, Part};

/// Measures the parts of a run.
pub struct Stopwatch {
    laps: Mutex<(Instant, Vec<Lap>)>,
}

impl Stopwatch {
    /// A stopwatch that starts now.
    pub fn start() -> Stopwatch {
        Stopwatch { laps: Mutex::new((Instant::now(), Vec::new())) }
    }

    /// Ends a lap: the time since the lap before belongs to this part of the run.
    pub fn lap(&self, part: Part) {
        let mut laps = self.laps.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let seconds = (now - std::mem::replace(&mut laps.0, now)).as_secs_f64();
        laps.1.push(Lap::new(part, seconds));
    }

    /// All laps so far.
    pub fn laps(&self) -> Vec<Lap> {
        self.laps.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}
