//! A value against the descriptor of its message.

use super::rules::Rules;
use super::{Problem, ProblemKind, Schema, refused, scalar};
use crate::target::Target;
use crate::yaml::{Key, Kind, Node};
use meshc_dsl::parallel::map_parts;
use meshc_dsl::suggest::nearest;
use prost_reflect::{FieldDescriptor, Kind as FieldKind, MessageDescriptor};
use std::ops::Range;

/// How many items of a list make a thread worth its start.
const LEAST: usize = 256;

/// Everything that is wrong with a value as a message, for a target.
pub fn check(node: &Node, message: &MessageDescriptor, schema: &Schema, target: Target) -> Vec<Problem> {
    let mut walk = Walk { schema, target, path: Vec::new(), places: vec![node.range.clone()], problems: Vec::new() };
    walk.message(node, message);
    walk.problems
}

pub(super) struct Walk<'a> {
    pub(super) schema: &'a Schema,
    target: Target,
    path: Vec<String>,
    /// The places of the values around; the last one with a place is where a problem is reported.
    places: Vec<Range<usize>>,
    problems: Vec<Problem>,
}

/// The fields of a message that are set, with their descriptors.
pub(super) type Set<'n> = [(&'n Key, &'n Node, FieldDescriptor)];

impl Walk<'_> {
    pub(super) fn problem(&mut self, kind: ProblemKind, message: String, help: impl Into<String>) {
        let range = self.places.iter().rev().find(|r| !r.is_empty()).cloned().unwrap_or_default();
        let path = self.path.join(".");
        self.problems.push(Problem { range, path, kind, message, help: help.into() });
    }

    /// Looks at a part under its name, at its place where it has one.
    pub(super) fn at(&mut self, name: &str, range: &Range<usize>, look: impl FnOnce(&mut Self)) {
        self.path.push(name.to_owned());
        self.places.push(range.clone());
        look(self);
        self.places.pop();
        self.path.pop();
    }

    pub(super) fn message(&mut self, node: &Node, message: &MessageDescriptor) {
        if scalar::well_known(self, node, message) {
            return;
        }
        if message.full_name() == "google.protobuf.Any" {
            return self.any(node);
        }
        match &node.kind {
            Kind::Map(fields) => self.fields(fields, message, ""),
            _ => self.wrong_type(node, "a map of fields"),
        }
    }

    /// The fields of a message, but for one that is not its own.
    fn fields(&mut self, fields: &[(Key, Node)], message: &MessageDescriptor, foreign: &str) {
        let mut set = Vec::with_capacity(fields.len());
        for (key, value) in fields.iter().filter(|(key, _)| key.name != foreign) {
            match field_of(message, &key.name) {
                Some(field) => {
                    self.at(&key.name, &place(key, value), |walk| walk.field(value, &field));
                    set.push((key, value, field));
                }
                None => self.unknown_field(key, message),
            }
        }
        self.twice(&set);
        self.arms(&set, message);
        Rules { walk: self }.message(&set, message);
    }

    fn unknown_field(&mut self, key: &Key, message: &MessageDescriptor) {
        let known: Vec<FieldDescriptor> = message.fields().collect();
        let near = nearest(&key.name, known.iter().map(FieldDescriptor::name));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => {
                let names: Vec<String> = known.iter().take(12).map(|f| format!("`{}`", f.name())).collect();
                format!("it has {}{}", names.join(", "), if known.len() > 12 { ", …" } else { "" })
            }
        };
        let text = format!("`{}` has no field `{}`", message.full_name(), key.name);
        self.at(&key.name, &key.range, |walk| walk.problem(ProblemKind::UnknownField, text, help));
    }

    /// A field has two names, of which the API's readers take one.
    fn twice(&mut self, set: &Set<'_>) {
        if set.iter().all(|(key, _, field)| key.name == field.name()) {
            return;
        }
        for (at, (key, _, field)) in set.iter().enumerate() {
            if let Some((other, ..)) = set.iter().take(at).find(|(_, _, earlier)| earlier == field) {
                let text = format!("`{}` and `{}` are one field", other.name, key.name);
                let help = format!("take one of the two away; `{}` is its name in Envoy's documentation", field.name());
                self.at(&key.name, &key.range, |walk| walk.problem(ProblemKind::Twice, text, help));
            }
        }
    }

    /// Of the arms of a oneof a message has at most one.
    fn arms(&mut self, set: &Set<'_>, message: &MessageDescriptor) {
        for oneof in message.oneofs() {
            let arm = |(_, value, field): &&(&Key, &Node, FieldDescriptor)| {
                value.kind != Kind::Null && field.containing_oneof().as_ref() == Some(&oneof)
            };
            let mut arms = set.iter().filter(arm).map(|(key, ..)| *key);
            let (Some(first), Some(second)) = (arms.next(), arms.next()) else { continue };
            // The one that is written by hand is the one to speak of.
            let (here, other) = if second.range.is_empty() { (first, second) } else { (second, first) };
            let text = format!("`{}` and `{}` exclude each other", here.name, other.name);
            let help = format!("take the other away: `{}: null`", other.name);
            self.at(&here.name, &here.range, |walk| walk.problem(ProblemKind::TwoArms, text, help));
        }
    }

    fn field(&mut self, node: &Node, field: &FieldDescriptor) {
        if node.kind == Kind::Null {
            return;
        }
        if let (Some(first), Target::Cilium { minor, .. }) = (self.schema.first_with(field.full_name()), self.target)
            && minor < first
        {
            let text = format!("the agent of {} does not know the field `{}`", self.target, field.name());
            self.problem(ProblemKind::Target, text, format!("it is there from cilium-1.{first} on"));
        }
        if field.is_map() {
            let Kind::Map(entries) = &node.kind else { return self.wrong_type(node, "a map") };
            let FieldKind::Message(entry) = field.kind() else { return };
            let value_field = entry.map_entry_value_field();
            for (key, value) in entries {
                self.at(&key.name, &place(key, value), |walk| walk.single(value, &value_field));
            }
        } else if field.is_list() {
            let Kind::List(items) = &node.kind else { return self.wrong_type(node, "a list") };
            self.items(items, field);
        } else {
            self.single(node, field);
        }
    }

    /// The items of a list, those of a long one beside each other.
    fn items(&mut self, items: &[Node], field: &FieldDescriptor) {
        let numbered: Vec<(usize, &Node)> = items.iter().enumerate().collect();
        let each = |walk: &mut Self, part: &[(usize, &Node)]| {
            for (at, item) in part {
                walk.at(&at.to_string(), &item.range, |walk| walk.single(item, field));
            }
        };
        if items.len() < LEAST {
            return each(self, &numbered);
        }
        let parts = map_parts(&numbered, LEAST, |part| {
            let (path, places) = (self.path.clone(), self.places.clone());
            let mut walk = Walk { schema: self.schema, target: self.target, path, places, problems: Vec::new() };
            each(&mut walk, part);
            walk.problems
        });
        self.problems.extend(parts.into_iter().flatten());
    }

    fn single(&mut self, node: &Node, field: &FieldDescriptor) {
        match field.kind() {
            FieldKind::Message(message) => self.message(node, &message),
            kind => scalar::check(self, node, &kind),
        }
    }

    fn any(&mut self, node: &Node) {
        let Kind::Map(fields) = &node.kind else { return self.wrong_type(node, "a map with an `@type`") };
        let Some((key, value)) = fields.iter().find(|(key, _)| key.name == "@type") else {
            // Envoy and the agent take an empty one for nothing at all.
            if !fields.is_empty() {
                let help = "write, for example, `\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router`";
                self.problem(ProblemKind::UnknownType, "this needs an `@type`".to_owned(), help);
            }
            return;
        };
        let Kind::Text(url) = &value.kind else { return self.wrong_type(value, "the name of a type") };
        let Some(message) = self.schema.of_type(url) else {
            let text = format!("no release of Cilium knows the type `{url}`");
            let help = "types are written `type.googleapis.com/` and the full name of the message";
            return self.at("@type", &place(key, value), |walk| walk.problem(ProblemKind::UnknownType, text, help));
        };
        if let Some((text, help)) = refused(&message, self.target) {
            self.at("@type", &place(key, value), |walk| walk.problem(ProblemKind::Target, text, help));
        }
        // The value of a well-known type stands under `value`.
        if message.full_name().starts_with("google.protobuf.") {
            let rest: Vec<(Key, Node)> = fields.iter().filter(|(k, _)| k.name != "@type").cloned().collect();
            return match rest.as_slice() {
                [(key, value)] if key.name == "value" => self.message(value, &message),
                _ => self.message(&Node { range: node.range.clone(), kind: Kind::Map(rest) }, &message),
            };
        }
        self.fields(fields, &message, "@type");
    }

    pub(super) fn wrong_type(&mut self, node: &Node, wanted: &str) {
        let seen = match &node.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a truth value",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        };
        let name = self.path.last().cloned().unwrap_or_default();
        let text = format!("`{name}` is {seen}, and {wanted} is wanted");
        self.at("", &node.range, |walk| {
            walk.path.pop();
            walk.problem(ProblemKind::WrongType, text, format!("write {wanted}"));
            walk.path.push(String::new());
        });
    }
}

/// A field by its name in the API, or by its name in JSON.
pub(crate) fn field_of(message: &MessageDescriptor, name: &str) -> Option<FieldDescriptor> {
    message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
}

/// The place of a named value: its own, or its name's where it goes on for lines.
pub(crate) fn place(key: &Key, value: &Node) -> Range<usize> {
    match value.kind {
        Kind::Map(_) | Kind::List(_) => key.range.clone(),
        _ if value.range.is_empty() => key.range.clone(),
        _ => value.range.clone(),
    }
}
