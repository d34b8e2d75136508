//! Characters that may not stand in a policy.

/// The name of a character that may not stand in a file: it would hide text from a reader.
pub(super) fn forbidden(c: char) -> Option<&'static str> {
    match c {
        '\0' => Some("a NUL character"),
        '\t' | '\n' => None,
        '\r' => Some("a carriage return without a newline"),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => {
            Some("a bidirectional control character")
        }
        '\u{2028}' | '\u{2029}' | '\u{85}' => Some("a Unicode line separator"),
        '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => Some("an invisible character"),
        c if c.is_control() => Some("a control character"),
        _ => None,
    }
}
