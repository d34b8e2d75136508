//! The field rules of the Envoy API (`validate.rules`), which Envoy holds every resource against.
//!
//! As there, a scalar that is not set is held against its rules as its zero value; a message is
//! held against them only where it is set, or where one of them says that it must be.

use super::walk::{Walk, field_of};
use super::{ProblemKind, scalar};
use crate::yaml::{Kind, Node};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind as FieldKind, MessageDescriptor, ReflectMessage, Value};
use regex::Regex;

pub(super) struct Rules<'w, 'a> {
    pub(super) walk: &'w mut Walk<'a>,
}

/// The rules of one type, by their names in `validate.proto`.
struct Of<'m>(&'m DynamicMessage);

impl Of<'_> {
    fn value(&self, name: &str) -> Option<Value> {
        let field = self.0.descriptor().get_field_by_name(name)?;
        self.0.has_field(&field).then(|| self.0.get_field(&field).into_owned())
    }

    fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Bool(true)))
    }

    fn number(&self, name: &str) -> Option<i128> {
        self.value(name).as_ref().and_then(integer)
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.value(name)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    fn list(&self, name: &str) -> Vec<Value> {
        match self.value(name) {
            Some(Value::List(items)) => items,
            _ => Vec::new(),
        }
    }

    fn message(&self, name: &str) -> Option<DynamicMessage> {
        match self.value(name)? {
            Value::Message(message) => Some(message),
            _ => None,
        }
    }
}

fn integer(value: &Value) -> Option<i128> {
    Some(match value {
        Value::I32(n) => i128::from(*n),
        Value::I64(n) => i128::from(*n),
        Value::U32(n) => i128::from(*n),
        Value::U64(n) => i128::from(*n),
        Value::EnumNumber(n) => i128::from(*n),
        Value::Message(duration) => {
            let part = |name: &str| duration.get_field_by_name(name).and_then(|v| integer(&v)).unwrap_or(0);
            part("seconds") * 1_000_000_000 + part("nanos")
        }
        _ => return None,
    })
}

impl Rules<'_, '_> {
    /// Holds a message's fields against their rules.
    pub(super) fn message(&mut self, node: &Node, message: &MessageDescriptor) {
        let Some(extension) = self.walk.schema.rules.clone() else { return };
        let Kind::Map(fields) = &node.kind else { return };
        let set = |field: &FieldDescriptor| {
            fields.iter().find(|(k, v)| v.kind != Kind::Null && field_of(message, &k.name).as_ref() == Some(field))
        };
        for field in message.fields() {
            let options = field.options();
            if !options.has_extension(&extension) {
                continue;
            }
            let Value::Message(rules) = options.get_extension(&extension).into_owned() else { continue };
            match set(&field) {
                Some((key, value)) => {
                    let range = if value.range.is_empty() { key.range.clone() } else { value.range.clone() };
                    self.walk.at(&key.name, &range, |walk| Rules { walk }.value(value, &field, &rules));
                }
                // Of a oneof only the arm that is set counts.
                None if field.containing_oneof().is_some() => {}
                None => self.missing(&field, &rules),
            }
        }
        self.required_oneofs(node, message);
    }

    fn required_oneofs(&mut self, node: &Node, message: &MessageDescriptor) {
        let Some(extension) = self.walk.schema.required.clone() else { return };
        let Kind::Map(fields) = &node.kind else { return };
        for oneof in message.oneofs() {
            let options = oneof.options();
            let required = options.has_extension(&extension) && *options.get_extension(&extension) == Value::Bool(true);
            let set = |(key, value): &(crate::yaml::Key, Node)| {
                value.kind != Kind::Null && field_of(message, &key.name).is_some_and(|f| oneof.fields().any(|o| o == f))
            };
            if required && !fields.iter().any(set) {
                let arms: Vec<String> = oneof.fields().map(|f| format!("`{}`", f.name())).collect();
                let text = format!("`{}` needs one of {}", message.name(), arms.join(", "));
                self.walk.problem(ProblemKind::Rule, text, "write one of them");
            }
        }
    }

    fn broken(&mut self, field: &str, what: impl Into<String>) {
        let text = format!("`{field}` {}", what.into());
        self.walk.problem(ProblemKind::Rule, text, "Envoy refuses any other value");
    }

    fn absent(&mut self, field: &str, what: &str) {
        let text = format!("`{field}` {what}");
        self.walk.problem(ProblemKind::Rule, text, "write it: Envoy refuses the resource without it");
    }

    /// A field that is not set: its zero value, where it has one.
    fn missing(&mut self, field: &FieldDescriptor, rules: &DynamicMessage) {
        let rules = Of(rules);
        let required = rules.message("message").is_some_and(|m| Of(&m).flag("required"))
            || rules.message("duration").is_some_and(|m| Of(&m).flag("required"))
            || rules.message("any").is_some_and(|m| Of(&m).flag("required"))
            || rules.message("timestamp").is_some_and(|m| Of(&m).flag("required"));
        if required {
            return self.absent(field.name(), "is missing");
        }
        if field.is_list() || field.is_map() {
            let least = |name: &str, least: &str| rules.message(name).and_then(|m| Of(&m).number(least));
            if least("repeated", "min_items").or(least("map", "min_pairs")).is_some_and(|n| n > 0) {
                self.absent(field.name(), "is missing, and must not be empty");
            }
            return;
        }
        let zero = match field.kind() {
            FieldKind::Message(_) => return,
            FieldKind::String | FieldKind::Bytes => Kind::Text(String::new()),
            FieldKind::Bool => Kind::Bool(false),
            _ => Kind::Number(0.into()),
        };
        self.value(&Node { range: 0..0, kind: zero }, field, rules.0);
    }

    fn value(&mut self, node: &Node, field: &FieldDescriptor, rules: &DynamicMessage) {
        let name = field.name().to_owned();
        let of = Of(rules);
        if let (Some(list), Kind::List(items)) = (of.message("repeated"), &node.kind) {
            return self.list(&name, items, field, &Of(&list));
        }
        if let (Some(map), Kind::Map(entries)) = (of.message("map"), &node.kind) {
            let map = Of(&map);
            self.count(&name, entries.len(), map.number("min_pairs"), map.number("max_pairs"));
            return;
        }
        self.single(&name, node, field, &of);
    }

    fn list(&mut self, name: &str, items: &[Node], field: &FieldDescriptor, rules: &Of<'_>) {
        self.count(name, items.len(), rules.number("min_items"), rules.number("max_items"));
        if rules.flag("unique") {
            let twice = items.iter().enumerate().any(|(at, item)| items.iter().take(at).any(|i| i.kind == item.kind));
            if twice {
                self.broken(name, "has an item twice");
            }
        }
        let Some(of_items) = rules.message("items") else { return };
        for (at, item) in items.iter().enumerate() {
            self.walk.at(&at.to_string(), &item.range, |walk| Rules { walk }.single(name, item, field, &Of(&of_items)));
        }
    }

    fn count(&mut self, name: &str, count: usize, least: Option<i128>, most: Option<i128>) {
        let count = i128::try_from(count).unwrap_or(i128::MAX);
        if let Some(least) = least.filter(|least| count < *least) {
            self.broken(name, format!("has {count} items, and needs at least {least}"));
        }
        if let Some(most) = most.filter(|most| count > *most) {
            self.broken(name, format!("has {count} items, and may have {most}"));
        }
    }

    fn single(&mut self, name: &str, node: &Node, field: &FieldDescriptor, rules: &Of<'_>) {
        const NUMBERS: &[&str] = &[
            "float", "double", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64",
            "sfixed32", "sfixed64",
        ];
        if let (Some(text), Kind::Text(value)) = (rules.message("string"), &node.kind) {
            self.text(name, value, &Of(&text));
        }
        if let (Some(bytes), Kind::Text(value)) = (rules.message("bytes"), &node.kind)
            && Of(&bytes).number("min_len").is_some_and(|n| n > 0)
            && value.is_empty()
        {
            self.broken(name, "must not be empty");
        }
        if let (Some(duration), Kind::Text(value)) = (rules.message("duration"), &node.kind)
            && let Some(nanoseconds) = scalar::nanoseconds(value)
        {
            self.range(name, nanoseconds, &Of(&duration), "ns");
        }
        if let Some(enumeration) = rules.message("enum") {
            self.enumeration(name, node, field, &Of(&enumeration));
        }
        for kind in NUMBERS {
            let Some(numbers) = rules.message(kind) else { continue };
            if let Some(value) = scalar::number(node) {
                self.range(name, value, &Of(&numbers), "");
            }
            if let (Kind::Number(value), "float" | "double") = (&node.kind, *kind) {
                self.fraction(name, value.as_f64().unwrap_or_default(), &Of(&numbers));
            }
        }
    }

    fn range(&mut self, name: &str, value: i128, rules: &Of<'_>, unit: &str) {
        if rules.flag("ignore_empty") && value == 0 {
            return;
        }
        let show = |n: i128| match unit {
            "ns" if n % 1_000_000_000 == 0 => format!("{}s", n / 1_000_000_000),
            "ns" => format!("{}ms", n / 1_000_000),
            _ => n.to_string(),
        };
        let (gt, gte, lt, lte) = (rules.number("gt"), rules.number("gte"), rules.number("lt"), rules.number("lte"));
        if let Some(low) = gt.filter(|low| value <= *low) {
            self.broken(name, format!("is {}, and must be more than {}", show(value), show(low)));
        }
        if let Some(low) = gte.filter(|low| value < *low) {
            self.broken(name, format!("is {}, and must be at least {}", show(value), show(low)));
        }
        if let Some(high) = lt.filter(|high| value >= *high) {
            self.broken(name, format!("is {}, and must be less than {}", show(value), show(high)));
        }
        if let Some(high) = lte.filter(|high| value > *high) {
            self.broken(name, format!("is {}, and may be at most {}", show(value), show(high)));
        }
        let one_of: Vec<i128> = rules.list("in").iter().filter_map(integer).collect();
        if !one_of.is_empty() && !one_of.contains(&value) {
            self.broken(name, format!("is {}, which is not among its values", show(value)));
        }
        if rules.list("not_in").iter().filter_map(integer).any(|n| n == value) {
            self.broken(name, format!("may not be {}", show(value)));
        }
        if let Some(only) = rules.number("const").filter(|only| *only != value) {
            self.broken(name, format!("is {}, and must be {}", show(value), show(only)));
        }
    }

    fn fraction(&mut self, name: &str, value: f64, rules: &Of<'_>) {
        let bound = |rule: &str| match rules.value(rule) {
            Some(Value::F64(n)) => Some(n),
            Some(Value::F32(n)) => Some(f64::from(n)),
            _ => None,
        };
        let low = bound("gt").is_some_and(|n| value <= n) || bound("gte").is_some_and(|n| value < n);
        let high = bound("lt").is_some_and(|n| value >= n) || bound("lte").is_some_and(|n| value > n);
        if low || high {
            self.broken(name, format!("is {value}, which is too {}", if low { "small" } else { "large" }));
        }
    }

    fn enumeration(&mut self, name: &str, node: &Node, field: &FieldDescriptor, rules: &Of<'_>) {
        let FieldKind::Enum(descriptor) = field.kind() else { return };
        let number = match &node.kind {
            Kind::Text(text) => descriptor.get_value_by_name(text).map(|v| i128::from(v.number())),
            _ => scalar::number(node),
        };
        let Some(number) = number else { return };
        let defined = i32::try_from(number).is_ok_and(|n| descriptor.get_value(n).is_some());
        if rules.flag("defined_only") && !defined {
            self.broken(name, format!("has no value {number}"));
        }
        self.range(name, number, rules, "");
    }

    fn text(&mut self, name: &str, value: &str, rules: &Of<'_>) {
        if rules.flag("ignore_empty") && value.is_empty() {
            return;
        }
        let (characters, bytes) = (value.chars().count(), value.len());
        let count = |n: usize| i128::try_from(n).unwrap_or(i128::MAX);
        if let Some(least) = rules
            .number("min_len")
            .filter(|n| count(characters) < *n)
            .or(rules.number("min_bytes").filter(|n| count(bytes) < *n))
        {
            let what =
                if least == 1 { "must not be empty".to_owned() } else { format!("needs at least {least} characters") };
            self.broken(name, what);
        }
        if let Some(most) = rules
            .number("max_len")
            .filter(|n| count(characters) > *n)
            .or(rules.number("max_bytes").filter(|n| count(bytes) > *n))
        {
            self.broken(name, format!("may have at most {most} characters"));
        }
        if let Some(prefix) = rules.text("prefix").filter(|p| !value.starts_with(p.as_str())) {
            self.broken(name, format!("must begin with `{prefix}`"));
        }
        if let Some(suffix) = rules.text("suffix").filter(|s| !value.ends_with(s.as_str())) {
            self.broken(name, format!("must end with `{suffix}`"));
        }
        if let Some(pattern) = rules.text("pattern")
            && Regex::new(&pattern).is_ok_and(|p| !p.is_match(value))
        {
            self.broken(name, format!("must match `{pattern}`"));
        }
        let words: Vec<String> = rules.list("in").iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
        if !words.is_empty() && !words.iter().any(|w| w == value) {
            self.broken(name, format!("must be one of `{}`", words.join("`, `")));
        }
        if rules.list("not_in").iter().any(|v| v.as_str() == Some(value)) {
            self.broken(name, format!("may not be `{value}`"));
        }
        self.header(name, value, rules);
        let uri = rules.flag("uri") && !value.contains("://");
        let ip = rules.flag("ip") && value.parse::<std::net::IpAddr>().is_err();
        if uri || ip {
            self.broken(name, if ip { "must be an IP address" } else { "must be a URI" });
        }
    }

    /// `well_known_regex`: 1 is a header's name, 2 its value; not `strict` they only exclude line
    /// ends and NUL.
    fn header(&mut self, name: &str, value: &str, rules: &Of<'_>) {
        let strict = !matches!(rules.value("strict"), Some(Value::Bool(false)));
        let loose = |c: char| matches!(c, '\n' | '\r' | '\0');
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_|~`".contains(c);
        let bad = match rules.number("well_known_regex") {
            Some(1 | 2) if !strict => value.contains(loose),
            Some(1) => !value.strip_prefix(':').unwrap_or(value).chars().all(token),
            Some(2) => value.chars().any(|c| c.is_control() && c != '\t'),
            _ => false,
        };
        if bad {
            self.broken(name, "has characters that no header has");
        }
    }
}
