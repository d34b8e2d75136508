//! The path of a request as rules see it: Envoy's `normalize_path`, then `merge_slashes`.

use std::borrow::Cow;

/// Splits `/a?b` into the path and what follows the `?`.
pub(super) fn split(path: &str) -> (&str, Option<&str>) {
    path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)))
}

/// The path without dot segments and doubled slashes. `None` for one that Envoy refuses.
pub(super) fn normal(path: &str) -> Option<Cow<'_, str>> {
    if path.starts_with('/') && plain(path) {
        return Some(Cow::Borrowed(path));
    }
    Some(Cow::Owned(merged(&canonical(path.as_bytes())?)))
}

/// Whether there is nothing to do.
fn plain(path: &str) -> bool {
    let mut before = b' ';
    for byte in path.bytes() {
        let stays = match byte {
            b'/' | b'.' => before != b'/',
            _ => kept(byte),
        };
        if !stays {
            return false;
        }
        before = byte;
    }
    true
}

/// Characters that stand in a path as they are.
fn kept(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!$&'()*+,-./:;=@[]_~".contains(&byte)
}

/// Characters that need no escape, so that an escape of them is undone.
fn unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// The path with dot segments resolved, needless escapes undone and missing ones written.
fn canonical(path: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(path.len() + 8);
    if !path.first().is_some_and(|b| slash(*b)) {
        out.push('/');
    }
    // Where in the output a `%` stands that begins no escape.
    let mut lone = None;
    let mut rest = path;
    while let Some((byte, after)) = rest.split_first() {
        if let Some(length) = dot(rest) {
            rest = dots(rest, length, &mut out);
            continue;
        }
        rest = after;
        match (*byte, escape(rest)) {
            (b'\\', _) => out.push('/'),
            (b'%', Some((0, ..))) => return None,
            (b'%', Some((value, digits, behind))) => {
                rest = behind;
                if unreserved(value) {
                    out.push(char::from(value));
                    keep_apart(lone, behind.first(), &mut out);
                } else {
                    out.push('%');
                    out.extend(digits.iter().map(|d| char::from(*d)));
                }
            }
            (b'%', None) => {
                lone = Some(out.len());
                out.push('%');
            }
            (byte, _) if kept(byte) => out.push(char::from(byte)),
            (byte, _) => out.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(out)
}

/// Escapes a lone `%` where the character that was unescaped last would make it begin an escape.
fn keep_apart(lone: Option<usize>, next: Option<&u8>, out: &mut String) {
    let Some(lone) = lone.filter(|at| at + 3 >= out.len()) else { return };
    let digit = |b: Option<&u8>| b.is_some_and(u8::is_ascii_hexdigit);
    let bytes = out.as_bytes();
    let second = if lone + 2 == out.len() { next } else { bytes.get(lone + 2) };
    if digit(bytes.get(lone + 1)) && digit(second) {
        out.insert_str(lone + 1, "25");
    }
}

fn slash(byte: u8) -> bool {
    byte == b'/' || byte == b'\\'
}

/// The length of a dot at the beginning, written as it is or escaped.
fn dot(text: &[u8]) -> Option<usize> {
    match text {
        [b'.', ..] => Some(1),
        [b'%', b'2', b'e' | b'E', ..] => Some(3),
        _ => None,
    }
}

/// The value of the two digits behind a `%`, the digits, and what follows them.
fn escape(text: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (digits, behind) = text.split_at_checked(2)?;
    let mut value = 0;
    for digit in digits {
        value = value * 16 + u8::try_from(char::from(*digit).to_digit(16)?).ok()?;
    }
    Some((value, digits, behind))
}

/// Takes a dot of this length: of a name, of `.` or of `..`. Gives what follows.
fn dots<'a>(text: &'a [u8], length: usize, out: &mut String) -> &'a [u8] {
    let rest = text.get(length..).unwrap_or_default();
    let behind = |text: &'a [u8]| match text.split_first() {
        None => Some(text),
        Some((byte, after)) => slash(*byte).then_some(after),
    };
    if out.ends_with('/') {
        if let Some(after) = behind(rest) {
            return after;
        }
        if let Some(after) = dot(rest).and_then(|second| behind(rest.get(second..)?)) {
            let parent = out.strip_suffix('/').and_then(|o| o.rfind('/')).unwrap_or(0);
            out.truncate(parent + 1);
            return after;
        }
    }
    out.push('.');
    rest
}

/// The path with each run of slashes made one; Envoy leaves two where there is nothing else.
fn merged(path: &str) -> String {
    if path.contains("//") && path.bytes().all(|b| b == b'/') {
        return "//".to_owned();
    }
    let mut out = String::with_capacity(path.len());
    for c in path.chars() {
        if c != '/' || !out.ends_with('/') {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_as_rules_see_them() {
        let cases = [
            ("/a/b", "/a/b"),
            ("/a//b///", "/a/b/"),
            ("/./a", "/a"),
            ("/x/../a", "/a"),
            ("/../a", "/a"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/a/.b/..c/d.", "/a/.b/..c/d."),
            ("/a%2Fb", "/a%2Fb"),
            ("/a%2fb", "/a%2fb"),
            ("/%61dmin", "/admin"),
            ("/x/%2e%2E/a", "/a"),
            ("/a%2e", "/a."),
            ("/a%zz", "/a%zz"),
            ("/a\\b", "/a/b"),
            ("//", "//"),
            ("/.//", "//"),
            ("/a|b", "/a%7Cb"),
            ("/a%%42fb", "/a%25Bfb"),
            ("/%%30%30", "/%2500"),
        ];
        for (sent, seen) in cases {
            assert_eq!(normal(sent).as_deref(), Some(seen), "{sent}");
        }
        assert_eq!(normal("/a%00"), None);
    }
}
