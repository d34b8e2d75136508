//! Documents as most people write them, straight from the events of the YAML library's own parser: the
//! same trees as through serde, in half the time. What has anchors, tags, merged keys, odd numbers or
//! mistakes is left to the library.

use super::{Key, Kind, Node, Places};
use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle};
use std::collections::HashSet;

/// The library's own limits: what is beyond them is for it to refuse.
const DEEPEST: usize = 64;
const MOST_NODES: usize = 250_000;
const MOST_DOCUMENTS: usize = 1_024;
/// The most fields of a map that are compared one by one.
const FEW: usize = 16;

/// A list or map that is not at its end.
struct Open {
    /// The character that it begins at.
    at: usize,
    what: Items,
}

enum Items {
    List(Vec<Node>),
    /// With the name whose value is next.
    Map(Vec<(Key, Node)>, Option<Key>),
}

/// Every document of a text, empty ones too, by YAML 1.1's truth values or by those of 1.2; `None` where
/// the library is to read it.
pub(super) fn documents(text: &str, places: &Places<'_>, old: bool) -> Option<Vec<Node>> {
    let (mut found, mut open, mut nodes) = (Vec::new(), Vec::new(), 0_usize);
    let options = granit_parser::options! { emit_comments: false };
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.ok()?;
        let at = span.start.index();
        let done = match event {
            Event::Scalar(value, style, 0, None) => {
                if let Some(Open { what: Items::Map(_, key @ None), .. }) = open.last_mut() {
                    if style == ScalarStyle::Plain && !is_name(&value) {
                        return None;
                    }
                    *key = Some(Key { range: places.scalar(at, &value), name: value.into_owned() });
                    None
                } else {
                    Some(scalar(value.into_owned(), style, at, places, old)?)
                }
            }
            Event::SequenceStart(_, 0, None) => {
                open.push(Open { at, what: Items::List(Vec::new()) });
                None
            }
            Event::MappingStart(_, 0, None) => {
                // A map for a name.
                if let Some(Open { what: Items::Map(_, None), .. }) = open.last() {
                    return None;
                }
                open.push(Open { at, what: Items::Map(Vec::new(), None) });
                None
            }
            Event::SequenceEnd | Event::MappingEnd => Some(close(open.pop()?, places)?),
            Event::Alias(_)
            | Event::UnresolvedAlias(_)
            | Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::MappingStart(..) => return None,
            // Where documents begin and end.
            _ => None,
        };
        nodes += 1;
        if open.len() > DEEPEST || nodes > MOST_NODES || found.len() > MOST_DOCUMENTS {
            return None;
        }
        let Some(node) = done else { continue };
        match open.last_mut() {
            None => found.push(node),
            Some(Open { what: Items::List(items), .. }) => items.push(node),
            Some(Open { what: Items::Map(fields, key), .. }) => fields.push((key.take()?, node)),
        }
    }
    Some(found)
}

fn close(open: Open, places: &Places<'_>) -> Option<Node> {
    let range = places.range(open.at);
    let kind = match open.what {
        Items::List(items) => Kind::List(items),
        Items::Map(_, Some(_)) => return None,
        Items::Map(fields, None) if twice(&fields) => return None,
        Items::Map(fields, None) => Kind::Map(fields),
    };
    Some(Node { range, kind })
}

/// Whether a name stands in a map twice.
fn twice(fields: &[(Key, Node)]) -> bool {
    if fields.len() > FEW {
        let mut names = HashSet::with_capacity(fields.len());
        return !fields.iter().all(|(key, _)| names.insert(key.name.as_str()));
    }
    fields.iter().enumerate().any(|(at, (key, _))| fields.iter().take(at).any(|(other, _)| other.name == key.name))
}

/// Whether a plain scalar is a name beyond doubt.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && !is_special(text)
}

/// Whether a word means something else than itself to some reader of YAML.
fn is_special(text: &str) -> bool {
    const WORDS: &[&str] = &["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "infinity"];
    text.len() <= 8 && WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// A value; `None` where it is a number, or might be one, that is not written plainly.
fn scalar(text: String, style: ScalarStyle, at: usize, places: &Places<'_>, old: bool) -> Option<Node> {
    let kind = match text.as_str() {
        _ if style != ScalarStyle::Plain => Kind::Text(text),
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        "yes" | "on" | "y" if old => Kind::Bool(true),
        "no" | "off" | "n" if old => Kind::Bool(false),
        "yes" | "on" | "y" | "no" | "off" | "n" => Kind::Text(text),
        plain if is_special(plain) => return None,
        plain if is_numeric(plain) => Kind::Number(number(plain)?),
        _ => Kind::Text(text),
    };
    let range = match &kind {
        Kind::Text(text) => places.scalar(at, text),
        _ => places.range(at),
    };
    Some(Node { range, kind })
}

/// Whether a text has nothing in it that no number has, as addresses have two dots.
fn is_numeric(text: &str) -> bool {
    if text.matches('.').nth(1).is_some() {
        return false;
    }
    let begins = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.'));
    begins && text.bytes().all(|b| b.is_ascii_hexdigit() || b"+-._xXoOiInN".contains(&b))
}

/// `80`, `-1`, `0.5`
fn number(text: &str) -> Option<serde_json::Number> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(whole, rest)| (whole, Some(rest)));
    let plain = |part: &str| (1..=15).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || (whole.len() > 1 && whole.starts_with('0')) || fraction.is_some_and(|part| !plain(part)) {
        return None;
    }
    match fraction {
        Some(_) => serde_json::Number::from_f64(text.parse().ok()?),
        None if text == "-0" => None,
        None if text.starts_with('-') => text.parse::<i64>().ok().map(Into::into),
        None => text.parse::<u64>().ok().map(Into::into),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_documents_are_what_the_library_makes_of_them() {
        let plain = [
            "a: 1\nb: [x, 'y', \"z\\n\", 0.5, -3, 10.0.0.1, 5s, 1.18, true, ~, 0, 10%]\n\"c d\": {e: , f: on}\n",
            "- |\n  a\n  b\n- >-\n  c\n  d\n- plain words, and more: no\n- [] # none\n- {}\n",
            "---\na: ä\n---\n---\n# nothing\n---\n- ö: x\n- plain\n  on two lines\n...\n",
            "{\"a\": [1, 2, {\"b\": null}], \"c\": \"\\u00e4\"}",
            "a:\n- b\n- c: d\n  e: f\n\n# end\n",
            "scalar",
            "",
            "# nothing",
            "'1'",
            "a: >\n  x\n\nb: \"two\n  lines\"\n",
            "a: \r\n  b: c\r\n",
        ];
        for text in plain {
            let places = Places::of(text);
            let read = documents(text, &places, true).unwrap_or_else(|| panic!("not plain: {text}"));
            let all: Vec<Node> = read.into_iter().filter(|node| node.kind != Kind::Null).collect();
            assert_eq!(Ok(all), Node::all_by_library(text, &places), "{text}");
        }
        let odd = [
            "a: &x 1\nb: *x",
            "a: !!str 1",
            "<<: {a: 1}",
            "a: 0x10",
            "a: 0777",
            "a: 1_000",
            "a: 1e3",
            "a: .inf",
            "1: a",
            "? [a]\n: b",
            "true: a",
            "a: 1\na: 2",
            "a: [",
            "a: +1",
            "a: 12345678901234567890",
            "a: NaN",
            "a: -0",
            "a: yEs",
            "n: a",
            "%TAG ! tag:x,2000:\n---\na: !b c",
            "\ta: b",
            "a: b: c",
            "? a",
            "a: 01.5",
        ];
        for text in odd {
            let places = Places::of(text);
            if let Some(read) = documents(text, &places, true) {
                assert_eq!(Ok(read), Node::all_by_library(text, &places), "{text}");
            }
        }
        assert!(
            ["a: &x 1", "a: !!str 1", "<<: {a: 1}", "a: 0x10", "a: 1\na: 2", "1: a"]
                .iter()
                .all(|text| { documents(text, &Places::of(text), true).is_none() })
        );
    }

    /// All files of objects in the repository, nearly all of which are plain.
    #[test]
    fn real_files_are_what_the_library_makes_of_them() {
        let (mut folders, mut plain, mut odd) = (vec!["../tests/raw".into(), "../snapshots".into()], 0, Vec::new());
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir::<std::path::PathBuf>(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "yaml" || e == "json") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let places = Places::of(&text);
                    let Some(read) = documents(&text, &places, true) else {
                        odd.push(path);
                        continue;
                    };
                    plain += 1;
                    let all: Vec<Node> = read.into_iter().filter(|node| node.kind != Kind::Null).collect();
                    assert_eq!(Ok(all), Node::all_by_library(&text, &places), "{}", path.display());
                }
            }
        }
        assert!(plain > 8 * odd.len(), "{plain} are plain, and these are not: {odd:?}");
    }
}
