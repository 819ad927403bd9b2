//! Plain names, of which paths, container names and ids in pages are made.

/// Most characters of a name.
const LONGEST: usize = 100;

/// The problem with a name that is no plain one: letters, digits, `-`, `_` and `.` of ASCII, not beginning with `.` or
/// `-`, at most 100 of them. `None` if it is plain.
pub fn trouble(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("is empty".to_owned());
    }
    if name.len() > LONGEST {
        return Some(format!("is longer than {LONGEST} characters"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(other) = name.chars().find(|c| !plain(*c)) {
        return Some(format!("holds {other:?}: a name has letters, digits, `-`, `_` and `.` only"));
    }
    name.starts_with(['.', '-']).then(|| "begins with `.` or `-`".to_owned())
}

/// True if a name is a plain one.
pub fn is_plain(name: &str) -> bool {
    trouble(name).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_leads_nowhere_else() {
        for plain in ["leader-killed", "stress-7-1-smallest", "4.1.5", "n1.log", "A_b"] {
            assert_eq!(trouble(plain), None, "{plain}");
        }
        let long = "x".repeat(101);
        for odd in ["", ".", "..", "../x", "/etc", "a/b", "-rf", ".part", "a b", "a\0", "a\n", "ü", "<b>", &long] {
            assert!(!is_plain(odd), "{odd:?}");
        }
    }
}
