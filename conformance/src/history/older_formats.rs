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

/// Why the watch on the leader key left a gap while it was silent, though it was heard again later.
const SILENT_WATCH: &str = "no tick came back through the watch on the leader key";

/// A gap of the watch on the leader key that hides no change: it was silent and was heard again before the end, and
/// etcd tells all revisions in their order. Later recorders leave no gap for it.
pub fn hides_no_change(gap: &Event, end: Option<u64>) -> bool {
    let silent = matches!(&gap.kind, Kind::Gap { of: Source::Etcd, why, .. } if why == SILENT_WATCH);
    silent && end.is_some_and(|end| gap.at[1] < end)
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

    #[test]
    fn a_watch_that_was_heard_again_has_missed_nothing() {
        let silent = gap(1, Source::Etcd, SILENT_WATCH, None);
        assert!(hides_no_change(&silent, Some(2)));
        // It was silent to the end, or something else was the matter.
        assert!(!hides_no_change(&silent, Some(1)) && !hides_no_change(&silent, None));
        assert!(!hides_no_change(&gap(1, Source::Etcd, "etcd compacted the revisions away", None), Some(2)));
    }
}
