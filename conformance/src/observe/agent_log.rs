//! What the agent says, found in its log by the patterns of its manifest.

use pghaspec_model::event::{Kind, Source};
use regex::Regex;
use time::{Date, Month, Time};

use super::container_log::Line;
use super::recorder::Recorder;
use crate::manifest::{Manifest, Meaning, meaning_of};

const MILLISECOND: u64 = 1_000_000;

/// Records what a line of a node's log means, if the manifest knows it.
pub fn take(recorder: &Recorder, manifest: &Manifest, node: &str, line: &Line) {
    let Some((words, meaning)) = meaning_of(&manifest.says, &line.text) else { return };
    let message = words.to_owned();
    let kind = match meaning {
        Meaning::Branch(branch) => Kind::Recover { branch, message },
        Meaning::Name(pattern) => Kind::Said { pattern, message },
    };
    recorder.record(Some(node), Source::AgentLog, interval(recorder, manifest, line), kind);
}

/// When the line was written: in the millisecond that the agent's own stamp names, else between the line before it and its arrival.
fn interval(recorder: &Recorder, manifest: &Manifest, line: &Line) -> [u64; 2] {
    let stamp = manifest.log_time.as_ref().and_then(|pattern| stamp(pattern, &line.text));
    let Some(realtime) = stamp else { return line.received };
    let clock = recorder.clock();
    // The stamp is cut, not rounded, to milliseconds.
    let not_before = clock.of_realtime(realtime)[0];
    let not_after = clock.of_realtime(realtime + MILLISECOND)[1].min(line.received[1]);
    [not_before.min(not_after), not_after]
}

/// The stamp of a line in nanoseconds since 1970. `pattern` finds `YYYY-MM-DD hh:mm:ss`, `.` or `,` and milliseconds, in UTC.
fn stamp(pattern: &Regex, line: &str) -> Option<u64> {
    let found = pattern.find(line)?.as_str();
    let mut numbers = found.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    let mut next = || numbers.next()?.parse::<u32>().ok();
    let year = i32::try_from(next()?).ok()?;
    let month = Month::try_from(u8::try_from(next()?).ok()?).ok()?;
    let date = Date::from_calendar_date(year, month, u8::try_from(next()?).ok()?).ok()?;
    let mut small = || u8::try_from(next()?).ok();
    let (hour, minute, second) = (small()?, small()?, small()?);
    let millisecond = u16::try_from(next()?).ok()?;
    let time = Time::from_hms_milli(hour, minute, second, millisecond).ok()?;
    u64::try_from(date.with_time(time).assume_utc().unix_timestamp_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern() -> Regex {
        Regex::new(r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2},\d{3}").unwrap()
    }

    #[test]
    fn stamps_are_read() {
        let line = "2025-11-22 11:30:07,042 INFO: starting primary after failure";
        assert_eq!(stamp(&pattern(), line), Some(1_763_811_007_042_000_000));
        assert_eq!(stamp(&pattern(), "1970-01-01 00:00:00,000 INFO: x"), Some(0));
    }

    #[test]
    fn what_is_no_stamp_is_none() {
        assert_eq!(stamp(&pattern(), "INFO: no time at all"), None);
        assert_eq!(stamp(&pattern(), "2025-13-22 11:30:07,042 INFO: no such month"), None);
    }
}
