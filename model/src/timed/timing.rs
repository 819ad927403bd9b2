//! The times that agents and the DCS keep, in ticks.

/// The times that agents and the DCS keep, in ticks: those of `patronictl show-config`, made small.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timing {
    /// `loop_wait`: from the beginning of an agent's cycle to that of the next, unless something wakes it.
    pub loop_wait: u8,
    /// `retry_timeout`: an agent that gets no reply from the DCS gives up after this time.
    pub retry_timeout: u8,
    /// `ttl`: a lease ends this long after the last request that kept it alive took effect.
    pub ttl: u8,
    /// `primary_start_timeout`: the time in which a crashed primary may come back before another node takes over.
    pub start_timeout: u8,
    /// `safety_margin`: an armed watchdog resets the node `ttl - safety_margin` after it was last kept quiet.
    pub safety_margin: u8,
    /// The total of ticks that the agents' clocks may lose.
    pub drift: u8,
    /// The DCS takes any time up to `retry_timeout` to answer; otherwise it answers at once or never.
    pub slow_dcs: bool,
}

impl Timing {
    /// The largest number of ticks that each of these times may have.
    pub const MOST: u8 = 14;

    /// True if `loop_wait + 2*retry_timeout + drift <= ttl`. Without the drift this is the documented rule, which
    /// Patroni enforces since 3.2.0.
    pub fn keeps_the_rule(&self) -> bool {
        self.loop_wait + 2 * self.retry_timeout + self.drift <= self.ttl
    }

    /// The bound of a failover's duration by the documented claim (2.1.2 `ha.py` 318-320, the annotated listing; 4.1.5
    /// `ha.py` 609-632).
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
