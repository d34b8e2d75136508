//! The field rules of the Envoy API (`validate.rules`), which Envoy holds every resource against.
//!
//! As there, a scalar that is not set is held against its rules as its zero value; a message is
//! held against them only where it is set, or where one of them says that it must be.

use super::ruleset::{RuleSet, integer};
use super::walk::{Set, Walk};
use super::{ProblemKind, scalar};
use crate::yaml::{Kind, Node};
use prost_reflect::{FieldDescriptor, Kind as FieldKind, MessageDescriptor, Value};

pub(super) struct Rules<'w, 'a> {
    pub(super) walk: &'w mut Walk<'a>,
}

impl Rules<'_, '_> {
    /// Holds a message's fields against their rules.
    pub(super) fn message(&mut self, set: &Set<'_>, message: &MessageDescriptor) {
        let Some(rules) = self.walk.schema.rules_of(message) else { return };
        for (field, rules) in &rules.fields {
            match set.iter().find(|(_, value, known)| value.kind != Kind::Null && known == field) {
                Some((key, value, _)) => {
                    let range = if value.range.is_empty() { key.range.clone() } else { value.range.clone() };
                    self.walk.at(&key.name, &range, |walk| Rules { walk }.value(value, field, rules));
                }
                // Of a oneof only the arm that is set counts.
                None if field.containing_oneof().is_some() => {}
                None => self.missing(field, rules),
            }
        }
        for oneof in &rules.required {
            let arm = |field: &FieldDescriptor| field.containing_oneof().as_ref() == Some(oneof);
            if !set.iter().any(|(_, value, field)| value.kind != Kind::Null && arm(field)) {
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
    fn missing(&mut self, field: &FieldDescriptor, rules: &RuleSet) {
        let required = ["message", "duration", "any", "timestamp"];
        if required.iter().any(|kind| rules.rules(kind).is_some_and(|r| r.flag("required"))) {
            return self.absent(field.name(), "is missing");
        }
        if field.is_list() || field.is_map() {
            let least = |name: &str, least: &str| rules.rules(name).and_then(|r| r.number(least));
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
        self.value(&Node { range: 0..0, kind: zero }, field, rules);
    }

    fn value(&mut self, node: &Node, field: &FieldDescriptor, rules: &RuleSet) {
        let name = field.name();
        if let (Some(list), Kind::List(items)) = (rules.rules("repeated"), &node.kind) {
            return self.list(name, items, field, list);
        }
        if let (Some(map), Kind::Map(entries)) = (rules.rules("map"), &node.kind) {
            return self.count(name, entries.len(), map.number("min_pairs"), map.number("max_pairs"));
        }
        self.single(name, node, field, rules);
    }

    fn list(&mut self, name: &str, items: &[Node], field: &FieldDescriptor, rules: &RuleSet) {
        self.count(name, items.len(), rules.number("min_items"), rules.number("max_items"));
        if rules.flag("unique") {
            let twice = items.iter().enumerate().any(|(at, item)| items.iter().take(at).any(|i| i.kind == item.kind));
            if twice {
                self.broken(name, "has an item twice");
            }
        }
        let Some(of_items) = rules.rules("items") else { return };
        for (at, item) in items.iter().enumerate() {
            self.walk.at(&at.to_string(), &item.range, |walk| Rules { walk }.single(name, item, field, of_items));
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

    fn single(&mut self, name: &str, node: &Node, field: &FieldDescriptor, rules: &RuleSet) {
        const NUMBERS: &[&str] = &[
            "float", "double", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64",
            "sfixed32", "sfixed64",
        ];
        if let (Some(text), Kind::Text(value)) = (rules.rules("string"), &node.kind) {
            self.text(name, value, text);
        }
        if let (Some(bytes), Kind::Text(value)) = (rules.rules("bytes"), &node.kind)
            && bytes.number("min_len").is_some_and(|n| n > 0)
            && value.is_empty()
        {
            self.broken(name, "must not be empty");
        }
        if let (Some(duration), Kind::Text(value)) = (rules.rules("duration"), &node.kind)
            // A negative one is refused anyway.
            && let Some(nanoseconds) = scalar::nanoseconds(value).filter(|time| *time >= 0)
        {
            self.range(name, nanoseconds, duration, "ns");
        }
        if let Some(enumeration) = rules.rules("enum") {
            self.enumeration(name, node, field, enumeration);
        }
        for kind in NUMBERS {
            let Some(numbers) = rules.rules(kind) else { continue };
            if let Some(value) = scalar::number(node) {
                self.range(name, value, numbers, "");
            }
            if let (Kind::Number(value), "float" | "double") = (&node.kind, *kind) {
                self.fraction(name, value.as_f64().unwrap_or_default(), numbers);
            }
        }
    }

    fn range(&mut self, name: &str, value: i128, rules: &RuleSet, unit: &str) {
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

    fn fraction(&mut self, name: &str, value: f64, rules: &RuleSet) {
        let bound = |rule: &str| match rules.value(rule) {
            Some(Value::F64(n)) => Some(*n),
            Some(Value::F32(n)) => Some(f64::from(*n)),
            _ => None,
        };
        let low = bound("gt").is_some_and(|n| value <= n) || bound("gte").is_some_and(|n| value < n);
        let high = bound("lt").is_some_and(|n| value >= n) || bound("lte").is_some_and(|n| value > n);
        if low || high {
            self.broken(name, format!("is {value}, which is too {}", if low { "small" } else { "large" }));
        }
    }

    fn enumeration(&mut self, name: &str, node: &Node, field: &FieldDescriptor, rules: &RuleSet) {
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

    fn text(&mut self, name: &str, value: &str, rules: &RuleSet) {
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
        if let Some(prefix) = rules.text("prefix").filter(|p| !value.starts_with(p)) {
            self.broken(name, format!("must begin with `{prefix}`"));
        }
        if let Some(suffix) = rules.text("suffix").filter(|s| !value.ends_with(s)) {
            self.broken(name, format!("must end with `{suffix}`"));
        }
        if let Some(pattern) = rules.pattern().filter(|p| !p.is_match(value)) {
            self.broken(name, format!("must match `{pattern}`"));
        }
        let words: Vec<&str> = rules.list("in").iter().filter_map(Value::as_str).collect();
        if !words.is_empty() && !words.contains(&value) {
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
    fn header(&mut self, name: &str, value: &str, rules: &RuleSet) {
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
