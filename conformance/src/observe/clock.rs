//! The clock of a run: nanoseconds of the host's monotonic clock since the run's start.
//!
//! Containers share the host's clocks, so stamps that are made in them (by the kernel on CLOCK_MONOTONIC, by the agent
//! on CLOCK_REALTIME) can be put on this axis.

use rustix::time::{ClockId, clock_gettime};
use time::{Date, Month, Time};

/// The clock of a run, to which other clocks are translated. All times are nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    /// CLOCK_MONOTONIC at the start of the run.
    zero: u64,
}

impl RunClock {
    /// A clock whose zero is now.
    pub fn start() -> RunClock {
        RunClock { zero: read(ClockId::Monotonic) }
    }

    /// The clock of a run that began at that reading of CLOCK_MONOTONIC.
    pub fn of_zero(zero: u64) -> RunClock {
        RunClock { zero }
    }

    /// Time since the start of the run.
    pub fn now(&self) -> u64 {
        self.of_monotonic(read(ClockId::Monotonic))
    }

    /// The time of the run for a reading of CLOCK_MONOTONIC; 0 for a reading from before the run.
    pub fn of_monotonic(&self, monotonic: u64) -> u64 {
        monotonic.saturating_sub(self.zero)
    }

    /// The time of the run for a reading of CLOCK_REALTIME (nanoseconds since 1970) that was taken a short while ago.
    /// The result is a closed interval, since the two clocks cannot be read at the same instant. They are compared now
    /// rather than once for all, so that only a step of CLOCK_REALTIME between that reading and this call could
    /// mislead.
    pub fn of_realtime(&self, realtime: u64) -> [u64; 2] {
        let before = self.now();
        let real = read(ClockId::Realtime);
        let after = self.now();
        translate(realtime, real, [before, after])
    }
}

/// A time in UTC as nanoseconds since 1970: `YYYY-MM-DD hh:mm:ss`, or with `T`, then `.` or `,` and a fraction of up to
/// nine digits; `None` for any other text.
pub fn realtime_of(text: &str) -> Option<u64> {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    let year = numbers.next()?.parse().ok()?;
    let mut small = || numbers.next()?.parse::<u8>().ok();
    let date = Date::from_calendar_date(year, Month::try_from(small()?).ok()?, small()?).ok()?;
    let (hour, minute, second) = (small()?, small()?, small()?);
    let fraction = numbers.next().filter(|digits| digits.len() <= 9)?;
    let nanosecond = format!("{fraction:0<9}").parse().ok()?;
    let time = Time::from_hms_nano(hour, minute, second, nanosecond).ok()?;
    u64::try_from(date.with_time(time).assume_utc().unix_timestamp_nanos()).ok()
}

/// The interval in which `realtime` lies on a clock that read a value within `bracket` when CLOCK_REALTIME read `real`.
fn translate(realtime: u64, real: u64, bracket: [u64; 2]) -> [u64; 2] {
    bracket.map(|edge| {
        if realtime >= real { edge.saturating_add(realtime - real) } else { edge.saturating_sub(real - realtime) }
    })
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // Neither clock is ever negative on a running Linux machine.
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn realtime_is_translated_by_the_offset_of_the_two_clocks() {
        assert_eq!(translate(900, 1000, [500, 520]), [400, 420]);
        assert_eq!(translate(1100, 1000, [500, 520]), [600, 620]);
        assert_eq!(translate(0, 1000, [500, 520]), [0, 0]);
    }

    #[test]
    fn times_are_read() {
        assert_eq!(realtime_of("2025-11-22 11:30:07,042"), Some(1_763_811_007_042_000_000));
        assert_eq!(realtime_of("2025-11-22T11:30:07.042000001Z"), Some(1_763_811_007_042_000_001));
        assert_eq!(realtime_of("1970-01-01 00:00:00,000"), Some(0));
        for wrong in ["", "INFO: no time at all", "2025-13-22 11:30:07,042", "2025-11-22 11:30:07"] {
            assert_eq!(realtime_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_reading_of_now_is_translated_to_now() {
        let clock = RunClock::start();
        let before = clock.now();
        let realtime = read(ClockId::Realtime);
        let after = clock.now();
        let at = clock.of_realtime(realtime);
        assert!(at[0] <= after && at[1] >= before, "{at:?} is not in [{before}, {after}]");
    }

    #[test]
    fn time_starts_at_zero_and_goes_on() {
        let clock = RunClock::start();
        let (first, second) = (clock.now(), clock.now());
        assert!(first <= second && second < 1_000_000_000);
        assert_eq!(clock.of_monotonic(0), 0);
    }
}
