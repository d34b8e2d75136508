//! The field rules of a message, read from its descriptor once: a large resource has the same few
//! messages thousands of times.

use prost_reflect::{
    DynamicMessage, ExtensionDescriptor, FieldDescriptor, MessageDescriptor, OneofDescriptor, ReflectMessage, Value,
};
use regex::Regex;

/// What a message's fields are held against.
pub(super) struct MessageRules {
    /// The fields that have rules.
    pub(super) fields: Vec<(FieldDescriptor, RuleSet)>,
    /// The oneofs of which one arm must be set.
    pub(super) required: Vec<OneofDescriptor>,
}

/// The rules of one type, by their names in `validate.proto`.
pub(super) struct RuleSet(Vec<(String, Rule)>);

enum Rule {
    Rules(RuleSet),
    Pattern(Regex),
    Value(Value),
}

impl MessageRules {
    pub(super) fn of(message: &MessageDescriptor, rules: &ExtensionDescriptor, required: &ExtensionDescriptor) -> Self {
        let fields = message.fields().filter_map(|field| {
            let options = field.options();
            if !options.has_extension(rules) {
                return None;
            }
            match &*options.get_extension(rules) {
                Value::Message(rules) => Some((field, RuleSet::of(rules))),
                _ => None,
            }
        });
        let is_required = |oneof: &OneofDescriptor| {
            let options = oneof.options();
            options.has_extension(required) && *options.get_extension(required) == Value::Bool(true)
        };
        Self { fields: fields.collect(), required: message.oneofs().filter(is_required).collect() }
    }
}

impl RuleSet {
    fn of(rules: &DynamicMessage) -> Self {
        Self(rules.fields().map(|(field, value)| (field.name().to_owned(), Rule::of(field.name(), value))).collect())
    }

    fn rule(&self, name: &str) -> Option<&Rule> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, rule)| rule)
    }

    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        match self.rule(name)? {
            Rule::Value(value) => Some(value),
            Rule::Rules(_) | Rule::Pattern(_) => None,
        }
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Bool(true)))
    }

    pub(super) fn number(&self, name: &str) -> Option<i128> {
        self.value(name).and_then(integer)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.as_str()
    }

    pub(super) fn pattern(&self) -> Option<&Regex> {
        match self.rule("pattern")? {
            Rule::Pattern(pattern) => Some(pattern),
            Rule::Rules(_) | Rule::Value(_) => None,
        }
    }

    pub(super) fn list(&self, name: &str) -> &[Value] {
        match self.value(name) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    pub(super) fn rules(&self, name: &str) -> Option<&RuleSet> {
        match self.rule(name)? {
            Rule::Rules(rules) => Some(rules),
            Rule::Pattern(_) | Rule::Value(_) => None,
        }
    }
}

impl Rule {
    fn of(name: &str, value: &Value) -> Self {
        match value {
            Value::Message(rules) if rules.descriptor().package_name() == "validate" => Rule::Rules(RuleSet::of(rules)),
            // A pattern that does not compile here is held against nothing.
            Value::String(pattern) if name == "pattern" => match Regex::new(pattern) {
                Ok(pattern) => Rule::Pattern(pattern),
                Err(_) => Rule::Value(value.clone()),
            },
            value => Rule::Value(value.clone()),
        }
    }
}

pub(super) fn integer(value: &Value) -> Option<i128> {
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
