//! Every message within a value, those in `Any`s too.

use super::Schema;
use super::walk::field_of;
use crate::yaml::{Kind, Node};
use prost_reflect::{FieldDescriptor, Kind as FieldKind, MessageDescriptor};

const ANY: &str = "google.protobuf.Any";

/// Shows every message within a value with its type, the value itself first. What the API does not
/// know is passed over.
pub fn visit<'n>(
    node: &'n Node,
    message: &MessageDescriptor,
    schema: &Schema,
    look: &mut dyn FnMut(&'n Node, &MessageDescriptor),
) {
    if message.full_name() == ANY {
        let inner = node.text("@type").and_then(|url| schema.of_type(url));
        if let Some(inner) = inner.filter(|inner| inner.full_name() != ANY) {
            visit(node, &inner, schema, look);
        }
        return;
    }
    look(node, message);
    for (key, value) in node.fields() {
        let Some(field) = field_of(message, &key.name) else { continue };
        let Some(inner) = message_of(&field) else { continue };
        match &value.kind {
            Kind::List(items) if field.is_list() => items.iter().for_each(|item| visit(item, &inner, schema, look)),
            Kind::Map(entries) if field.is_map() => entries.iter().for_each(|(_, v)| visit(v, &inner, schema, look)),
            Kind::Map(_) if !field.is_list() => visit(value, &inner, schema, look),
            _ => {}
        }
    }
}

/// The message of a field's values, if they are messages.
fn message_of(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    let FieldKind::Message(message) = field.kind() else { return None };
    if !field.is_map() {
        return Some(message);
    }
    match message.map_entry_value_field().kind() {
        FieldKind::Message(message) => Some(message),
        _ => None,
    }
}
