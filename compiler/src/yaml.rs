//! YAML with places: what users write by hand, of which every part can be pointed at.

mod broken;
mod plain;

pub use broken::Broken;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_saphyr::{Location, Spanned};
use std::fmt;
use std::ops::Range;

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it begins and ends, in bytes; empty where nothing is known.
    pub range: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// The forms of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Named values, in the order written.
    Map(Vec<(Key, Node)>),
}

/// A name with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Where it stands, in bytes.
    pub range: Range<usize>,
    /// The name.
    pub name: String,
}

impl Node {
    /// Reads one document.
    ///
    /// # Errors
    /// When the text is not YAML, or has a value that JSON does not have.
    pub fn read(text: &str) -> Result<Node, Broken> {
        let places = Places::of(text);
        match plain::documents(text, &places, false).map(<[Node; 1]>::try_from) {
            Some(Ok([only])) => Ok(only),
            _ => Self::by_library(text, &places),
        }
    }

    fn by_library(text: &str, places: &Places<'_>) -> Result<Node, Broken> {
        let read: Result<Spanned<Bare>, _> = serde_saphyr::from_str_with_options(text, options());
        read.map(|bare| places.node(bare.into())).map_err(|error| places.broken(&error))
    }

    /// Reads every document of a text of Kubernetes objects; empty ones are passed over. What reads them
    /// in a cluster keeps to YAML 1.1, where `yes`, `on` and `y` are truth values too.
    ///
    /// # Errors
    /// When any of them is not YAML, or has a value that JSON does not have.
    pub fn read_all(text: &str) -> Result<Vec<Node>, Broken> {
        let places = Places::of(text);
        match plain::documents(text, &places, true) {
            Some(documents) => Ok(documents.into_iter().filter(|node| node.kind != Kind::Null).collect()),
            None => Self::all_by_library(text, &places),
        }
    }

    fn all_by_library(text: &str, places: &Places<'_>) -> Result<Vec<Node>, Broken> {
        let read: Result<Vec<Spanned<Bare>>, _> =
            serde_saphyr::from_multiple_with_options(text, serde_saphyr::options! {});
        let documents = read.map_err(|error| places.broken(&error))?;
        Ok(documents.into_iter().map(|bare| places.node(bare.into())).collect())
    }

    /// A value that nobody wrote by hand, and so without places.
    pub fn of(value: &impl Serialize) -> Node {
        let read = serde_json::to_string(value).ok().and_then(|text| Node::read(&text).ok());
        let mut node = read.unwrap_or(Node { range: 0..0, kind: Kind::Null });
        node.forget_places();
        node
    }

    /// Takes the places away.
    pub fn forget_places(&mut self) {
        self.range = 0..0;
        match &mut self.kind {
            Kind::List(items) => items.iter_mut().for_each(Node::forget_places),
            Kind::Map(fields) => {
                for (key, value) in fields {
                    key.range = 0..0;
                    value.forget_places();
                }
            }
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => {}
        }
    }

    /// The value of a name in a map, to change it.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        match &mut self.kind {
            Kind::Map(fields) => fields.iter_mut().find(|(key, _)| key.name == name).map(|(_, value)| value),
            _ => None,
        }
    }

    /// The items of a list under a name, to change them; none where there is no list.
    pub fn items_mut(&mut self, name: &str) -> &mut [Node] {
        match self.get_mut(name).map(|node| &mut node.kind) {
            Some(Kind::List(items)) => items,
            _ => &mut [],
        }
    }

    /// The items of a list; none where it is not one.
    pub fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The named values of a map; none where it is not one.
    pub fn fields(&self) -> &[(Key, Node)] {
        match &self.kind {
            Kind::Map(fields) => fields,
            _ => &[],
        }
    }

    /// The text that the value is.
    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The text under a name.
    pub fn text(&self, name: &str) -> Option<&str> {
        match &self.get(name)?.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(b) => Value::Bool(*b),
            Kind::Number(n) => Value::Number(n.clone()),
            Kind::Text(t) => Value::String(t.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Kind::Map(fields) => Value::Object(fields.iter().map(|(k, v)| (k.name.clone(), v.to_json())).collect()),
        }
    }

    /// The value of a name in a map.
    pub fn get(&self, name: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Map(fields) => fields.iter().find(|(key, _)| key.name == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.kind {
            Kind::Null => serializer.serialize_unit(),
            Kind::Bool(b) => serializer.serialize_bool(*b),
            Kind::Number(n) => n.serialize(serializer),
            Kind::Text(t) => serializer.serialize_str(t),
            Kind::List(items) => items.serialize(serializer),
            Kind::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    map.serialize_entry(&key.name, value)?;
                }
                map.end()
            }
        }
    }
}

/// `yes` and `on` are text in YAML 1.2, and what a field of text wants here.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! { strict_booleans: true }
}

/// A value whose own place its holder knows.
enum Bare {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<At<Bare>>),
    Map(Vec<(At<String>, At<Bare>)>),
}

/// A value with the character that it begins at: less than the parser has, as there are many.
struct At<T> {
    value: T,
    at: usize,
}

impl<T> From<Spanned<T>> for At<T> {
    fn from(spanned: Spanned<T>) -> Self {
        Self { value: spanned.value, at: character(spanned.referenced) }
    }
}

fn character(location: Location) -> usize {
    usize::try_from(location.span().offset()).unwrap_or(0)
}

impl<'de> Deserialize<'de> for Bare {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BareVisitor)
    }
}

struct BareVisitor;

impl<'de> Visitor<'de> for BareVisitor {
    type Value = Bare;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON has too")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Bare, E> {
        Ok(Bare::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Bare, E> {
        Ok(Bare::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Bare, E> {
        Ok(Bare::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Bare, E> {
        let number = serde_json::Number::from_f64(value);
        number.map(Bare::Number).ok_or_else(|| E::custom("JSON has no such number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Bare, E> {
        Ok(Bare::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Bare, E> {
        Ok(Bare::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Bare, E> {
        Ok(Bare::Null)
    }

    fn visit_none<E>(self) -> Result<Bare, E> {
        Ok(Bare::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Bare, D::Error> {
        Bare::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Bare, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Bare>>()? {
            list.push(item.into());
        }
        Ok(Bare::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Bare, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = fields.next_key::<Spanned<String>>()? {
            map.push((key.into(), fields.next_value::<Spanned<Bare>>()?.into()));
        }
        Ok(Bare::Map(map))
    }
}

/// Finds the bytes of a text by its characters.
struct Places<'t> {
    text: &'t str,
    /// The byte of each character; empty where the two are the same.
    bytes: Vec<usize>,
}

impl<'t> Places<'t> {
    fn of(text: &'t str) -> Self {
        let bytes = if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).collect() };
        Self { text, bytes }
    }

    fn byte(&self, at: usize) -> usize {
        if self.bytes.is_empty() { at } else { self.bytes.get(at).copied().unwrap_or(self.text.len()) }
    }

    fn broken(&self, error: &serde_saphyr::Error) -> Broken {
        let start = error.location().map_or(0, |l| self.byte(character(l)));
        let at = start..start + self.text.get(start..).and_then(|t| t.chars().next()).map_or(0, char::len_utf8);
        Broken { message: broken::message(error.without_snippet()), at }
    }

    fn range(&self, at: usize) -> Range<usize> {
        let start = self.byte(at);
        start..word_end(self.text, start)
    }

    /// The place of a text, which may have blanks and brackets in it where no quotes stand around it.
    fn scalar(&self, at: usize, text: &str) -> Range<usize> {
        let start = self.byte(at);
        let as_it_is = !text.is_empty() && self.text.get(start..).is_some_and(|rest| rest.starts_with(text));
        if as_it_is { start..start + text.len() } else { self.range(at) }
    }

    fn node(&self, bare: At<Bare>) -> Node {
        let range = match &bare.value {
            Bare::Text(text) => self.scalar(bare.at, text),
            _ => self.range(bare.at),
        };
        let kind = match bare.value {
            Bare::Null => Kind::Null,
            Bare::Bool(b) => Kind::Bool(b),
            Bare::Number(n) => Kind::Number(n),
            Bare::Text(t) => Kind::Text(t),
            Bare::List(items) => Kind::List(items.into_iter().map(|item| self.node(item)).collect()),
            Bare::Map(fields) => {
                let key = |key: At<String>| Key { range: self.scalar(key.at, &key.value), name: key.value };
                Kind::Map(fields.into_iter().map(|(k, v)| (key(k), self.node(v))).collect())
            }
        };
        Node { range, kind }
    }
}

/// The length of a text in quotes, with the escapes that may hold its quote.
fn quoted(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote == '"' => drop(chars.next()),
            '\'' if quote == '\'' && chars.peek().is_some_and(|(_, next)| *next == '\'') => drop(chars.next()),
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The end of the scalar, or of the first word of a larger value, that begins at a byte.
fn word_end(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or("");
    let length = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(rest, quote),
        _ => rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | '}' | ']')).unwrap_or(rest.len()),
    };
    let word = rest.get(..length).unwrap_or(rest);
    start + word.strip_suffix(':').unwrap_or(word).len().max(usize::from(!rest.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_place() {
        let text = "a: 1\nb:\n  - {c: \"x y\", d: true}\n  - ~\n\"e\": 0.5\n";
        let node = Node::read(text).unwrap();
        assert_eq!(node.to_json(), serde_json::json!({"a": 1, "b": [{"c": "x y", "d": true}, null], "e": 0.5}));
        let Kind::Map(fields) = &node.kind else { panic!("a map") };
        let names: Vec<&str> = fields.iter().map(|(k, _)| text.get(k.range.clone()).unwrap()).collect();
        assert_eq!(names, ["a", "b", "\"e\""]);
        let Kind::List(items) = &fields[1].1.kind else { panic!("a list") };
        let inner = items[0].get("c").unwrap();
        assert_eq!(text.get(inner.range.clone()), Some("\"x y\""));
        assert_eq!(text.get(fields[0].1.range.clone()), Some("1"));
        assert_eq!(Node::read("a: y").unwrap().text("a"), Some("y"));
        for (text, value) in [("a: x [y], z # c", "x [y], z"), ("a: \"x\\\"y\"", "\"x\\\"y\""), ("a: 'x''y'", "'x''y'")]
        {
            let node = Node::read(text).unwrap();
            assert_eq!(text.get(node.get("a").unwrap().range.clone()), Some(value));
        }
        let wide = Node::read("ä: ö\n").unwrap();
        assert_eq!(wide.get("ä").unwrap().range, 4..6);
    }

    #[test]
    fn documents_are_read_one_by_one() {
        let text = "---\na: ä\n---\n---\n# nothing\n---\nb: x\n";
        let all = Node::read_all(text).unwrap();
        let places: Vec<_> = all.iter().map(|n| text.get(n.fields()[0].1.range.clone()).unwrap()).collect();
        assert_eq!(places, ["ä", "x"]);
    }

    #[test]
    fn broken_text_says_where() {
        let broken = Node::read("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(broken.at.start > 5, "{broken:?}");
        let text = "a: b\n \u{feff}c: d\n";
        assert!(Node::read(text).is_err_and(|broken| text.get(broken.at).is_some()));
    }
}
