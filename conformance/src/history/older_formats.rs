//! Facts that older formats of a history tell in a sentence, and newer ones by a word.
//!
//! A recorded history is read for as long as anybody keeps it, so the sentences of older formats are known here, and
//! nowhere else.

use pghaspec_model::vocabulary::event::{Event, GapReason, Kind, Source, WITH_GAP_REASON};

/// The meaning of a gap for the run, if the event is a gap that has one.
pub fn gap_reason(event: &Event) -> Option<GapReason> {
    match &event.kind {
        Kind::Gap { reason: Some(reason), .. } => Some(*reason),
        Kind::Gap { of: Source::Harness, why, reason: None } if event.v < WITH_GAP_REASON => in_words(why),
        _ => None,
    }
}

/// The meaning of the sentences that the harness wrote up to format 4.
fn in_words(why: &str) -> Option<GapReason> {
    if why.starts_with("not settled in time to tell") {
        Some(GapReason::SettledTooLateToTell)
    } else if why.starts_with("not settled") {
        Some(GapReason::NotSettled)
    } else if why.starts_with("step ") && why.contains(" and all after it were not taken") {
        Some(GapReason::StepNotTaken)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(v: u32, of: Source, why: &str, reason: Option<GapReason>) -> Event {
        let kind = Kind::Gap { of, why: why.to_owned(), reason };
        Event { v, seq: 0, at: [0, 1], node: None, source: Source::Harness, kind }
    }

    #[test]
    fn the_sentences_of_older_formats_are_understood() {
        for (why, reason) in [
            ("not settled: n1 holds the leader key", Some(GapReason::NotSettled)),
            ("not settled in time to tell: n1 was not probed", Some(GapReason::SettledTooLateToTell)),
            ("step 2 (node-killed) and all after it were not taken: no end of it", Some(GapReason::StepNotTaken)),
            ("rows are read back though n2 has not replayed all", None),
        ] {
            assert_eq!(gap_reason(&gap(4, Source::Harness, why, None)), reason, "{why}");
            assert_eq!(
                gap_reason(&gap(WITH_GAP_REASON, Source::Harness, why, None)),
                None,
                "a newer one says it by a word"
            );
            assert_eq!(gap_reason(&gap(4, Source::Etcd, why, None)), None, "{why}");
        }
        let said = gap(WITH_GAP_REASON, Source::Harness, "whatever", Some(GapReason::NotSettled));
        assert_eq!(gap_reason(&said), Some(GapReason::NotSettled));
    }
}
