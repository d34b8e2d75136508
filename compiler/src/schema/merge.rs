//! A patch onto a resource: RFC 7396, in which maps merge and `null` deletes, and in which lists
//! of named values merge by name.

use super::Schema;
use super::walk::field_of;
use crate::yaml::{Key, Kind, Node};
use prost_reflect::{Kind as FieldKind, MessageDescriptor};

/// The resource with the patch. `message` says which names are one field's; what it does not know
/// is kept as it is, to be reported later.
pub fn merge(base: Node, patch: &Node, message: Option<&MessageDescriptor>, schema: &Schema) -> Node {
    let Kind::Map(changes) = &patch.kind else { return patch.clone() };
    let mut fields = match base.kind {
        Kind::Map(fields) => fields,
        _ => Vec::new(),
    };
    let any = message.is_none_or(|m| m.full_name() == "google.protobuf.Any");
    let typed = if any { of_any(&fields, changes, schema) } else { message.cloned() };
    for (key, change) in changes {
        let same = |name: &str| match &typed {
            Some(message) => {
                name == key.name
                    || (field_of(message, name).is_some() && field_of(message, name) == field_of(message, &key.name))
            }
            None => name == key.name,
        };
        let at = fields.iter().position(|(k, _)| same(&k.name));
        if change.kind == Kind::Null {
            if let Some(at) = at {
                fields.remove(at);
            }
            continue;
        }
        let inner = typed.as_ref().and_then(|m| field_of(m, &key.name)).and_then(|f| match f.kind() {
            FieldKind::Message(message) if !f.is_map() => Some(message),
            _ => None,
        });
        match at {
            Some(at) => {
                let (old_key, old) = fields.remove(at);
                let key = Key { range: key.range.clone(), name: old_key.name };
                fields.insert(at, (key, value(old, change, inner.as_ref(), schema)));
            }
            None => {
                let nothing = Node { range: 0..0, kind: Kind::Null };
                // The API's own name, whichever was written.
                let field = typed.as_ref().and_then(|m| field_of(m, &key.name));
                let name = field.map_or(key.name.clone(), |f| f.name().to_owned());
                let key = Key { range: key.range.clone(), name };
                fields.push((key, value(nothing, change, inner.as_ref(), schema)));
            }
        }
    }
    Node { range: patch.range.clone(), kind: Kind::Map(fields) }
}

fn value(old: Node, change: &Node, message: Option<&MessageDescriptor>, schema: &Schema) -> Node {
    match (&change.kind, old.kind) {
        (Kind::Map(_), kind) => merge(Node { range: old.range, kind }, change, message, schema),
        (Kind::List(items), Kind::List(old_items))
            if !items.is_empty() && items.iter().all(|i| name_of(i).is_some()) =>
        {
            Node { range: change.range.clone(), kind: Kind::List(by_name(old_items, items, message, schema)) }
        }
        (Kind::List(items), _) => {
            // A list that is new, or takes another's place; what its items delete is not there.
            let nothing = || Node { range: 0..0, kind: Kind::Null };
            let items = items.iter().map(|item| value(nothing(), item, message, schema)).collect();
            Node { range: change.range.clone(), kind: Kind::List(items) }
        }
        _ => change.clone(),
    }
}

fn name_of(node: &Node) -> Option<&str> {
    match &node.get("name")?.kind {
        Kind::Text(name) => Some(name),
        _ => None,
    }
}

/// Items of the same name merge; new ones go to the end, new HTTP filters before the router.
fn by_name(mut old: Vec<Node>, changes: &[Node], message: Option<&MessageDescriptor>, schema: &Schema) -> Vec<Node> {
    for change in changes {
        let same = old.iter().position(|item| name_of(item) == name_of(change));
        match same {
            Some(at) => {
                let item = old.remove(at);
                old.insert(at, merge(item, change, message, schema));
            }
            None => {
                let router = old.iter().position(|item| name_of(item) == Some("envoy.filters.http.router"));
                let nothing = Node { range: 0..0, kind: Kind::Null };
                old.insert(router.unwrap_or(old.len()), merge(nothing, change, message, schema));
            }
        }
    }
    old
}

/// The message of an `Any`: as the patch says, else as it was.
fn of_any(fields: &[(Key, Node)], changes: &[(Key, Node)], schema: &Schema) -> Option<MessageDescriptor> {
    let named = |fields: &[(Key, Node)]| {
        fields.iter().find(|(k, _)| k.name == "@type").and_then(|(_, v)| match &v.kind {
            Kind::Text(url) => schema.of_type(url),
            _ => None,
        })
    };
    named(changes).or_else(|| named(fields))
}
