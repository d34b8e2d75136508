//! What every check needs: where the text is from, what it is for, and where reports go.

use crate::catalog::Catalog;
use crate::schema::{self, Schema};
use crate::target::{NEWEST, Target};
use crate::yaml::{Key, Kind, Node};
use meshc_dsl::{Code, Diagnostic, FileId, Span};
use std::ops::Range;

pub(super) struct Cx<'c> {
    pub(super) file: FileId,
    pub(super) text: &'c str,
    /// The largest program of a pattern that Envoy takes.
    pub(super) max_regex_program: usize,
    /// Always a release of Cilium.
    pub(super) target: Target,
    pub(super) catalog: &'c Catalog,
    pub(super) schema: &'static Schema,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl<'c> Cx<'c> {
    /// The same with reports of its own, for work beside this.
    pub(super) fn beside(&self) -> Cx<'c> {
        Cx { diagnostics: Vec::new(), ..*self }
    }

    /// The target's minor release.
    pub(super) fn minor(&self) -> u8 {
        match self.target {
            Target::Cilium { minor, .. } => minor,
            Target::Envoy => NEWEST,
        }
    }

    pub(super) fn span(&self, range: &Range<usize>) -> Span {
        Span::new(self.file, range.start, range.end)
    }

    pub(super) fn report(
        &mut self,
        code: Code,
        range: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Diagnostic::new(code, self.span(range), message).help(help));
    }

    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

/// A field that is set, by its name in the API or in JSON, with the name that was written.
pub(in crate::check) fn entry<'n>(node: &'n Node, name: &str) -> Option<(&'n Key, &'n Node)> {
    let found = node.fields().iter().find(|(key, _)| key.name == name || is_json_name(&key.name, name));
    found.map(|(key, value)| (key, value)).filter(|(_, value)| value.kind != Kind::Null)
}

/// The value of a field that is set.
pub(in crate::check) fn field<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    entry(node, name).map(|(_, value)| value)
}

/// The items of a list under a name; none where there is no list.
pub(super) fn items<'n>(node: &'n Node, name: &str) -> &'n [Node] {
    field(node, name).map_or(&[], Node::items)
}

/// The text under a name, if it is not empty.
pub(super) fn text<'n>(node: &'n Node, name: &str) -> Option<&'n str> {
    field(node, name).and_then(Node::as_text).filter(|text| !text.is_empty())
}

/// The place of a field: its value's, or its name's where the value goes on for lines.
pub(super) fn place(found: (&Key, &Node)) -> Range<usize> {
    schema::place(found.0, found.1)
}

/// The place of a field, or of its message where it is not set.
pub(super) fn place_of(node: &Node, name: &str) -> Range<usize> {
    entry(node, name).map_or_else(|| head(node), place)
}

/// Where a map begins: its first name.
pub(super) fn head(node: &Node) -> Range<usize> {
    node.fields().first().map_or_else(|| node.range.clone(), |(key, _)| key.range.clone())
}

/// Whether a name is protobuf's JSON form of a field's name: `fooBar` of `foo_bar`.
fn is_json_name(written: &str, name: &str) -> bool {
    let mut rest = written.chars();
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
            continue;
        }
        let wanted = if upper { c.to_ascii_uppercase() } else { c };
        upper = false;
        if rest.next() != Some(wanted) {
            return false;
        }
    }
    rest.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::is_json_name;

    #[test]
    fn fields_have_two_names() {
        assert!(is_json_name("routeConfigName", "route_config_name"));
        assert!(is_json_name("name", "name"));
        assert!(!is_json_name("routeConfig", "route_config_name") && !is_json_name("routeConfigNames", "route_config"));
    }
}
