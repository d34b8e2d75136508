//! Which clauses of which declarations differ between two versions of the policies, by their text in its
//! canonical form: blanks, comments, line breaks and the order of files do not count.

use super::diff::{GREEN, PLAIN, RED};
use crate::difference::{Line, lines};
use meshc_dsl::outline::outline;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// A declaration with other clauses than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Changed {
    /// Such as `route helloworld`, with the namespace where its file names one.
    pub(super) declaration: String,
    /// The file that it stands, or stood, in.
    pub(super) file: String,
    /// The clauses that are no longer there.
    pub(super) removed: Vec<String>,
    /// The clauses that are new.
    pub(super) added: Vec<String>,
    /// Both, in the order of the text; where a clause moved it is in both.
    #[serde(skip)]
    shown: Vec<(bool, String)>,
}

/// A declaration: the file, and a line each clause.
#[derive(Debug, Default, Clone)]
struct Told {
    file: String,
    clauses: Vec<String>,
}

/// What differs, by the names of the declarations.
pub(super) fn changes(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<Changed> {
    let (old, new) = (declarations(old), declarations(new));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter_map(|name| changed(name, old.get(name), new.get(name))).collect()
}

fn changed(name: &str, old: Option<&Told>, new: Option<&Told>) -> Option<Changed> {
    let text = |told: Option<&Told>| told.map(|t| t.clauses.join("\n")).unwrap_or_default();
    let (before, after) = (text(old), text(new));
    let shown: Vec<(bool, String)> = lines(&before, &after)
        .into_iter()
        .filter_map(|line| match line {
            Line::Same(_) => None,
            Line::Old(clause) => Some((false, clause.to_owned())),
            Line::New(clause) => Some((true, clause.to_owned())),
        })
        .collect();
    let of = |added: bool| shown.iter().filter(|(a, _)| *a == added).map(|(_, clause)| clause.clone()).collect();
    let (removed, added) = (of(false), of(true));
    let file = new.or(old).map(|t| t.file.clone()).unwrap_or_default();
    let same = shown.is_empty() && old.is_some() == new.is_some();
    (!same).then(|| Changed { declaration: name.to_owned(), file, removed, added, shown })
}

/// The changes as lines, in colours.
pub(super) fn text(changes: &[Changed]) -> String {
    let mut out = String::new();
    for change in changes {
        // Writing into a string does not fail.
        let _ = writeln!(out, "{} ({})", change.declaration, change.file);
        for (added, clause) in &change.shown {
            let (color, sign) = if *added { (GREEN, '+') } else { (RED, '-') };
            let _ = writeln!(out, "{color}  {sign} {clause}{PLAIN}");
        }
    }
    out
}

fn declarations(sources: &BTreeMap<String, String>) -> BTreeMap<String, Told> {
    let mut found: BTreeMap<String, Told> = BTreeMap::new();
    for (file, text) in sources {
        for (name, clauses) in outline(text) {
            let told = found.entry(name).or_insert_with(|| Told { file: file.clone(), clauses: Vec::new() });
            told.clauses.extend(clauses);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(old: &str, new: &str) -> Vec<(String, Vec<String>, Vec<String>)> {
        let sources = |text: &str| BTreeMap::from([("a.mesh".to_owned(), text.to_owned())]);
        let changes = changes(&sources(old), &sources(new));
        changes.into_iter().map(|c| (c.declaration, c.removed, c.added)).collect()
    }

    fn one(declaration: &str, removed: &[&str], added: &[&str]) -> Vec<(String, Vec<String>, Vec<String>)> {
        let owned = |list: &[&str]| list.iter().map(|&t| t.to_owned()).collect();
        vec![(declaration.to_owned(), owned(removed), owned(added))]
    }

    #[test]
    fn a_changed_clause_is_told_with_its_route() {
        assert_eq!(
            of("route web 90% v1, 10% v2; ratelimit 2/5s", "route web 50% v1, 50% v2; ratelimit 2/5s"),
            one("route web", &["90% v1, 10% v2"], &["50% v1, 50% v2"])
        );
        assert_eq!(
            of("route web {\n  to v1\n}\n", "route web {\n  to v1\n  timeout 3s\n}\nroute cart to cart\n"),
            [one("route cart", &[], &["to cart"]), one("route web", &[], &["timeout 3s"])].concat()
        );
    }

    #[test]
    fn a_clause_has_the_blocks_around_it() {
        let policy = |to: &str| format!("route web {{\n  when path = \"/a;b\" {{\n    to {to}\n  }}\n  to v1\n}}\n");
        assert_eq!(
            of(&policy("v2"), &policy("v3")),
            one("route web", &["when path = \"/a;b\" { to v2 }"], &["when path = \"/a;b\" { to v3 }"])
        );
    }

    #[test]
    fn form_comments_and_files_do_not_count() {
        let braces = "# why\nroute web {\n  90% v1,\n    10% v2 # here\n\n  timeout 3s\n}\n";
        assert_eq!(of("route   web 90% v1,  10% v2;timeout 3s", braces), []);
        let sources = |file: &str| BTreeMap::from([(file.to_owned(), "route web to v1".to_owned())]);
        assert_eq!(changes(&sources("a.mesh"), &sources("b.mesh")), []);
    }

    #[test]
    fn parameters_and_namespaces_count() {
        assert_eq!(of("param canary = 10%", "param canary = 20%"), one("param canary", &["= 10%"], &["= 20%"]));
        assert_eq!(of("route web to v1", "namespace shop\nroute web to v1").len(), 2);
        assert_eq!(of("scope cluster", ""), one("scope", &["cluster"], &[]));
    }
}
