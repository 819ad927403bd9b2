//! Words without a meaning for a terminal, or in HTML, SVG and XML. Whatever was recorded from an agent, or sent by a
//! stranger, is shown through here and nowhere else.

use std::fmt::Write;

/// Text for HTML, SVG and XML, inside and outside of attributes quoted with `"`. Characters that XML 1.0 has no
/// place for, other control characters and those that turn the direction of writing become U+FFFD.
pub fn markup(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            '\n' | '\t' => escaped.push(character),
            odd if is_odd(odd) => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Text for a terminal: control characters but newline and tabulator, and those that turn the direction of writing, are
/// spelled out (`\x1b`, `\u{202e}`).
pub fn terminal(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => escaped.push(character),
            odd if is_odd(odd) && u32::from(odd) < 0x100 => {
                let _ = write!(escaped, "\\x{:02x}", u32::from(odd));
            }
            odd if is_odd(odd) => {
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(odd));
            }
            other => escaped.push(other),
        }
    }
    escaped
}

/// JSON for a terminal: the same document, with the characters that [`terminal`] spells out as `\uXXXX`. A JSON writer
/// spells out the first 32 only.
pub fn json(document: &str) -> String {
    let mut escaped = String::with_capacity(document.len());
    for character in document.chars() {
        // Outside of strings, JSON has no other control characters than these.
        if is_odd(character) && !matches!(character, '\n' | '\t' | '\r') {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Characters that nobody writes to be read.
fn is_odd(character: char) -> bool {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    // U+FFFE and U+FFFF, and their like in the other planes, are no characters.
    character.is_control() || turns || u32::from(character) & 0xfffe == 0xfffe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_has_no_meaning_left() {
        assert_eq!(markup("<a href=\"x\" b='y'>&"), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;");
        assert_eq!(markup("a\nb\tc"), "a\nb\tc");
        assert_eq!(markup("\u{1b}\u{9b}\u{7}\r\0\u{fffe}\u{1ffff}\u{202e}"), "\u{fffd}".repeat(8));
        assert_eq!(markup("größer \u{1f600}"), "größer \u{1f600}");
    }

    #[test]
    fn a_terminal_is_told_nothing_but_words() {
        assert_eq!(terminal("\u{1b}[2Jdone\r\u{7}"), "\\x1b[2Jdone\\x0d\\x07");
        assert_eq!(terminal("\u{9b}31m \u{202e}x\n\ty"), "\\x9b31m \\u{202e}x\n\ty");
    }

    #[test]
    fn json_stays_the_same_document() {
        let words = "\u{9b}31m \u{202e}\u{1ffff} \u{7f} größer\n";
        let shown = json(&serde_json::to_string(&[words]).unwrap());
        assert_eq!(shown, r#"["\u009b31m \u202e\ud83f\udfff \u007f größer\n"]"#);
        assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), [words]);
    }
}
