//! `junit.xml`, the results for CI systems: a test suite for each scenario, a test case for each check.

use super::Results;
use crate::judge::{Check, Verdict};
use crate::untrusted::escape::markup;

pub(super) fn document(results: &Results) -> String {
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"pghaspec\">\n".to_owned();
    for scenario in &results.scenarios {
        let known = |check: &str| results.deviations.known(&scenario.id, check);
        let count = |verdicts: &[Verdict]| {
            let counts = |check: &&Check| verdicts.contains(&check.verdict) && known(&check.id).is_none();
            scenario.checks.iter().filter(counts).count()
        };
        text += &format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.3}\">\n",
            markup(&scenario.id),
            scenario.checks.len(),
            count(&[Verdict::Fail]),
            count(&[Verdict::Error, Verdict::Inconclusive]),
            count(&[Verdict::Skipped, Verdict::Unsupported])
                + scenario.checks.iter().filter(|it| known(&it.id).is_some()).count(),
            scenario.seconds,
        );
        for check in &scenario.checks {
            let name = format!("name=\"{}\" classname=\"{}\"", markup(&check.id), markup(&scenario.id));
            let why = markup(&check.why);
            let first = markup(check.why.lines().next().unwrap_or_default());
            text += &match (check.verdict, known(&check.id)) {
                (Verdict::Pass, _) => format!("    <testcase {name}/>\n"),
                (_, Some(known)) => format!(
                    "    <testcase {name}><skipped message=\"known deviation: {} {}\"/></testcase>\n",
                    markup(&known.reason),
                    markup(&known.link)
                ),
                (Verdict::Fail, None) => {
                    format!("    <testcase {name}><failure message=\"{first}\">{why}</failure></testcase>\n")
                }
                (Verdict::Error | Verdict::Inconclusive, None) => format!(
                    "    <testcase {name}><error type=\"{}\" message=\"{first}\">{why}</error></testcase>\n",
                    check.verdict.text()
                ),
                (Verdict::Skipped | Verdict::Unsupported, None) => {
                    format!("    <testcase {name}><skipped message=\"{first}\"/></testcase>\n")
                }
            };
        }
        text += "  </testsuite>\n";
    }
    // A deviation that is gone fails the run, though no check does.
    if !results.deviations.gone.is_empty() {
        let gone = &results.deviations.gone;
        text += &format!("  <testsuite name=\"deviations\" tests=\"{0}\" failures=\"{0}\">\n", gone.len());
        for known in gone {
            text += &format!(
                "    <testcase name=\"{}\" classname=\"{}\"><failure message=\"a known deviation is gone\">{}</failure>\
                 </testcase>\n",
                markup(&known.check),
                markup(&known.scenario),
                markup(&known.reason)
            );
        }
        text += "  </testsuite>\n";
    }
    text + "</testsuites>\n"
}
