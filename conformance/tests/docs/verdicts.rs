//! Verdicts and exit codes, as the documentation says them, are the program's.

use pghaspec::judge::Verdict;

use super::markdown::rows;
use super::read;

const ALL: [Verdict; 6] =
    [Verdict::Pass, Verdict::Unsupported, Verdict::Skipped, Verdict::Inconclusive, Verdict::Fail, Verdict::Error];

#[test]
fn every_verdict_has_its_exit_code() {
    assert!(ALL.is_sorted(), "from best to worst");
    for (file, column) in [("README.md", 2), ("conformance/docs/verdicts.md", 3)] {
        let text = read(file);
        let rows = rows(&text);
        let mut places = Vec::new();
        for verdict in ALL {
            let word = format!("`{}`", verdict.text());
            let place = rows.iter().position(|row| row[0].contains(&word) && row.len() > column);
            let place = place.unwrap_or_else(|| panic!("{file} has no row of {word}"));
            assert_eq!(rows[place][column], verdict.exit_code().to_string(), "{file}: {word}");
            places.push(place);
        }
        assert!(places.is_sorted(), "{file}: from best to worst");
    }
}
