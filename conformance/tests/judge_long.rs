//! A history that goes on for long is judged as the one of which it is made.

mod recorded;
#[path = "recorded/repeated.rs"]
mod repeated;

use pghaspec::judge::{History, Verdict, judge};
use pghaspec_model::edition::Edition;

use recorded::*;

#[test]
fn a_repeated_history_is_judged_as_the_recorded_one() {
    for scenario in [RESTART, FAILOVER] {
        let recorded = History::parse(&trace("patroni-4.1.5", scenario)).unwrap();
        let events = repeated::repeated(&recorded, 20_000);
        assert!(events.len() >= 20_000);
        let text: String = events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect();
        let history = History::parse(text.as_bytes()).unwrap();
        assert_eq!(history.events, events);
        let judgement = judge(&history, Edition::V4_1, None);
        for check in &judgement.checks {
            let expected = if check.id == "scenario-demands" { Verdict::Skipped } else { Verdict::Pass };
            assert_eq!(check.verdict, expected, "{scenario}: {check:#?}");
        }
    }
}
