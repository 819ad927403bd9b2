//! How long things may take, in ticks.

/// The times that agents and the DCS keep, in ticks. They are those of `patronictl show-config`, made small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timing {
    /// `loop_wait`: from the beginning of an agent's cycle to that of the next, unless something wakes it.
    pub loop_wait: u8,
    /// `retry_timeout`: an agent that gets no answer from the DCS gives up after this long.
    pub retry_timeout: u8,
    /// `ttl`: a lease ends this long after the request that last kept it alive took effect.
    pub ttl: u8,
    /// `primary_start_timeout`: for this long a crashed primary may try to come back before another node takes over.
    pub start_timeout: u8,
    /// `safety_margin`: an armed watchdog resets the node `ttl - safety_margin` after it was last kept quiet.
    pub safety_margin: u8,
    /// Ticks that the agents' clocks may lose, all in all.
    pub drift: u8,
    /// The DCS takes as long as it likes to answer, up to `retry_timeout`; otherwise it answers at once or never.
    pub slow_dcs: bool,
}

impl Timing {
    /// Most ticks that any of these times may have.
    pub const MOST: u8 = 14;

    /// `loop_wait + 2*retry_timeout + drift <= ttl`. Without the drift it is the documented rule, which Patroni enforces since 3.2.0.
    pub fn keeps_the_rule(&self) -> bool {
        self.loop_wait + 2 * self.retry_timeout + self.drift <= self.ttl
    }

    /// How long a failover may take by the documented claim (2.1.2 `ha.py` 318-320, the annotated listing; 4.1.5 `ha.py` 609-632).
    pub fn failover_bound(&self) -> u8 {
        match self.start_timeout {
            0 => self.loop_wait,
            start_timeout => self.loop_wait + start_timeout + self.loop_wait,
        }
    }
}

impl Default for Timing {
    fn default() -> Self {
        Timing { loop_wait: 1, retry_timeout: 1, ttl: 3, start_timeout: 2, safety_margin: 0, drift: 0, slow_dcs: true }
    }
}
