//! The effect of a fault, with its time and its evidence.

/// The effect of a fault, or of its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The interval in which it took effect, nanoseconds of the run.
    pub at: [u64; 2],
    /// The evidence, in words; `None` when nothing shows the effect.
    pub shown_by: Option<String>,
}
