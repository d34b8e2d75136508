//! The declarations of all files, each with the namespace and scope that hold where it stands.

use super::Settings;
use crate::Setting;
use crate::ir::{Origin, Scope};
use crate::name::{self, ServiceName, ServiceText};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::source::Name;
use meshc_dsl::suggest::nearest;
use meshc_dsl::syntax::{Bundle, Declaration, Listen, Param, Policy, Route, Service};
use meshc_dsl::testing::TestBlock;
use meshc_dsl::value::{self, Kind, Value, ValueKind};
use meshc_dsl::{Diagnostic, Span};
use std::collections::{BTreeMap, BTreeSet};

/// A declaration with what surrounds it.
pub(crate) struct Placed<'a, T> {
    pub(crate) node: &'a T,
    pub(crate) namespace: String,
    pub(crate) scope: Scope,
    pub(crate) file: &'a str,
}

impl<T> Placed<'_, T> {
    /// What objects say of where they came from.
    pub(crate) fn origin(&self, declaration: String) -> Origin {
        Origin { file: self.file.to_owned(), declaration }
    }
}

/// All declarations of a program by kind.
#[derive(Default)]
pub(crate) struct Declarations<'a> {
    params: Vec<&'a Param>,
    bundles: Vec<&'a Bundle>,
    pub(crate) services: Vec<Placed<'a, Service>>,
    pub(crate) routes: Vec<Placed<'a, Route>>,
    pub(crate) listens: Vec<Placed<'a, Listen>>,
    pub(crate) tests: Vec<Placed<'a, TestBlock>>,
}

impl<'a> Declarations<'a> {
    pub(crate) fn collect(policies: &'a [Policy], settings: &Settings<'a>) -> (Self, Vec<Diagnostic>) {
        let mut all = Self::default();
        let mut diagnostics = Vec::new();
        for policy in policies {
            let file = settings.sources.get(policy.file).map_or("", |f| f.name.as_str());
            all.file(policy, file, settings.namespace, &mut diagnostics);
        }
        (all, diagnostics)
    }

    fn file(&mut self, policy: &'a Policy, file: &'a str, default_namespace: &str, diagnostics: &mut Vec<Diagnostic>) {
        let scope = file_scope(policy, diagnostics);
        let mut namespace = default_namespace.to_owned();
        for declaration in &policy.declarations {
            match declaration {
                Declaration::Namespace(name) => match value::name(&name.text) {
                    Ok(()) => namespace.clone_from(&name.text),
                    Err(e) => diagnostics.push(Diagnostic::new(e.code, name.span, e.message).help(e.help)),
                },
                Declaration::Scope(_) => {}
                Declaration::Param(param) => self.params.push(param),
                Declaration::Bundle(bundle) => self.bundles.push(bundle),
                Declaration::Service(node) => self.services.push(placed(node, &namespace, scope, file)),
                Declaration::Route(node) => self.routes.push(placed(node, &namespace, scope, file)),
                Declaration::Listen(node) => self.listens.push(placed(node, &namespace, scope, file)),
                Declaration::Test(node) => self.tests.push(placed(node, &namespace, scope, file)),
            }
        }
    }

    /// The parameters with their values for this run.
    pub(crate) fn params(&self, settings: &Settings<'_>, diagnostics: &mut Vec<Diagnostic>) -> BTreeMap<String, Value> {
        let mut params: BTreeMap<String, Value> = BTreeMap::new();
        let mut places: BTreeMap<&str, &Name> = BTreeMap::new();
        for param in &self.params {
            check_name(&param.name, diagnostics);
            refuse_reference(param, diagnostics);
            if refuse_duplicate("parameter", &param.name, &mut places, diagnostics) {
                params.insert(param.name.text.clone(), param.value.clone());
            }
        }
        for setting in settings.params {
            set(setting, &mut params, diagnostics);
        }
        params
    }

    /// The policies by name.
    pub(crate) fn bundles(&self, diagnostics: &mut Vec<Diagnostic>) -> BTreeMap<&'a str, &'a Bundle> {
        let mut places: BTreeMap<&str, &Name> = BTreeMap::new();
        let mut bundles = BTreeMap::new();
        for bundle in &self.bundles {
            check_name(&bundle.name, diagnostics);
            if refuse_duplicate("policy", &bundle.name, &mut places, diagnostics) {
                bundles.insert(bundle.name.text.as_str(), *bundle);
            }
        }
        bundles
    }

    /// Every service that some route steers; malformed names are reported where they are resolved.
    pub(crate) fn routed(&self) -> BTreeSet<ServiceName> {
        let names = |route: &Placed<'a, Route>| -> Vec<ServiceName> {
            let read = route.node.subjects.iter().filter_map(|s| name::service(&s.text).ok());
            read.map(|text| in_namespace(&text, &route.namespace)).collect()
        };
        self.routes.iter().flat_map(names).collect()
    }
}

fn placed<'a, T>(node: &'a T, namespace: &str, scope: Scope, file: &'a str) -> Placed<'a, T> {
    Placed { node, namespace: namespace.to_owned(), scope, file }
}

/// The full name of a written service.
pub(crate) fn in_namespace(text: &ServiceText, namespace: &str) -> ServiceName {
    ServiceName { namespace: text.namespace.clone().unwrap_or_else(|| namespace.to_owned()), name: text.name.clone() }
}

fn file_scope(policy: &Policy, diagnostics: &mut Vec<Diagnostic>) -> Scope {
    let mut scope = Scope::Namespace;
    for declaration in &policy.declarations {
        let Declaration::Scope(name) = declaration else { continue };
        if name.text == "cluster" {
            scope = Scope::Cluster;
        } else {
            let message = format!("`{}` is not a scope", name.text);
            diagnostics.push(
                Diagnostic::new(codes::UNKNOWN_WORD, name.span, message)
                    .help("write `scope cluster`, or nothing for objects in a namespace"),
            );
        }
    }
    scope
}

fn check_name(name: &Name, diagnostics: &mut Vec<Diagnostic>) {
    if let Err(e) = value::name(&name.text) {
        diagnostics.push(Diagnostic::new(e.code, name.span, e.message).help(e.help));
    }
}

/// Reports a parameter whose value is another parameter.
fn refuse_reference(param: &Param, diagnostics: &mut Vec<Diagnostic>) {
    if let ValueKind::Param(other) = &param.value.kind {
        let message = format!("the parameter `{}` has another parameter as its value", param.name.text);
        let diagnostic = Diagnostic::new(codes::PARAM_OF_PARAM, param.value.span, message)
            .help(format!("write the value itself, or use `${other}` where `${}` stands", param.name.text));
        diagnostics.push(diagnostic);
    }
}

/// Takes a name in, or reports that it is taken. Says whether it was free.
pub(crate) fn refuse_duplicate<'a>(
    what: &str,
    name: &'a Name,
    places: &mut BTreeMap<&'a str, &'a Name>,
    diagnostics: &mut Vec<Diagnostic>,
) -> bool {
    if let Some(first) = places.get(name.text.as_str()) {
        let message = format!("the {what} `{}` is declared twice", name.text);
        let diagnostic = Diagnostic::new(codes::DUPLICATE, name.span, message)
            .also(first.span, "first declared here")
            .help("names are shared by all files of a program; rename one of the two");
        diagnostics.push(diagnostic);
        return false;
    }
    places.insert(&name.text, name);
    true
}

/// Puts a value from outside in place of a parameter's default.
fn set(setting: &Setting, params: &mut BTreeMap<String, Value>, diagnostics: &mut Vec<Diagnostic>) {
    let Setting { name, text, place: written } = setting;
    let Some(param) = params.get_mut(name) else {
        let message = format!("no parameter is called `{name}`");
        let diagnostic = match written {
            Some(place) => Diagnostic::new(codes::BAD_SET, *place, message),
            None => Diagnostic::global(codes::BAD_SET, message),
        };
        let names: Vec<&str> = params.keys().map(String::as_str).collect();
        diagnostics.push(match nearest(name, names) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!("declare it in a policy: `param {name} = VALUE`")),
        });
        return;
    };
    let wanted = Kind::of(&param.kind);
    let kind = match wanted {
        Kind::Text => ValueKind::Text(text.clone()),
        _ => ValueKind::Word(text.clone()),
    };
    let fits = Kind::of(&kind) == wanted || (wanted == Kind::Word && !text.is_empty());
    if fits {
        param.kind = kind;
        return;
    }
    let place = Span { end: param.span.end, ..param.span };
    let diagnostic =
        Diagnostic::new(codes::PARAM_KIND, place, format!("`{name}` is set to `{text}`, which is of another kind"))
            .help(format!("its default makes it {}", wanted.noun()));
    diagnostics.push(match written {
        Some(place) => diagnostic.also(*place, "set here"),
        None => diagnostic,
    });
}
