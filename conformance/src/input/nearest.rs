//! The known name that is nearest to a word that somebody wrote. Errors about misspelt names tell it.

/// Bytes of the longest word that is compared: the comparison costs its length times that of each known name.
const LONGEST: usize = 100;

/// Characters of a word that an error text shows.
const SHOWN: usize = 60;

/// Similarity, from 0 to 1, from which on a name may be the one that was meant.
const LIKELY: f64 = 0.6;

/// The known name that is nearest to a word, unless none is near. Capitals, and `_` or a blank for `-`, do not count.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = folded(word);
    let similarity = |name: &str| {
        let name = folded(name);
        let part = word.len() > 2 && (name.contains(&word) || word.contains(&name));
        let likely = if part && !name.is_empty() { LIKELY } else { 0.0 };
        strsim::normalized_damerau_levenshtein(&name, &word).max(likely)
    };
    let all = known.into_iter().map(|name| (name, similarity(name)));
    let best = all.max_by(|one, other| one.1.total_cmp(&other.1))?;
    (best.1 >= LIKELY).then_some(best.0)
}

/// The problem with a name that is not known, with the nearest one.
pub fn unknown<'k>(kind: &str, word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let nearest = nearest(word, known).map_or(String::new(), |name| format!("; the nearest is `{name}`"));
    format!("there is no {kind} `{}`{nearest}", shown(word))
}

/// A word as error texts show it: on one line, and cut if it is long.
pub fn shown(word: &str) -> String {
    let mut shown: String = word.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if word.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

fn folded(word: &str) -> String {
    word.to_lowercase().replace(['_', ' '], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_is_recognized() {
        let known = ["failsafe", "standby-cluster", "watchdog"];
        for (word, meant) in [
            ("watchdogs", Some("watchdog")),
            ("standby_cluster", Some("standby-cluster")),
            ("standby", Some("standby-cluster")),
            ("FAILSAFE", Some("failsafe")),
            ("fialsafe", Some("failsafe")),
            ("quorum", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
        assert_eq!(nearest(&"watchdog".repeat(1000), known), None);
        assert_eq!(unknown("feature", "wachdog", known), "there is no feature `wachdog`; the nearest is `watchdog`");
    }

    #[test]
    fn a_long_word_is_cut() {
        assert_eq!(shown("a\nb"), "a\u{fffd}b");
        assert_eq!(shown(&"x".repeat(1000)).chars().count(), SHOWN + 1);
    }
}
