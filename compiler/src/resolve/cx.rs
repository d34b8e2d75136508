//! What every resolver needs: the program's names, and somewhere to report to.

use super::services::ServiceInfo;
use crate::catalog::Catalog;
use crate::name::ServiceName;
use crate::target::{Feature, Target};
use meshc_dsl::diagnostic::codes;
use meshc_dsl::suggest::nearest;
use meshc_dsl::syntax::Bundle;
use meshc_dsl::value::{Value, ValueError, ValueKind};
use meshc_dsl::{Code, Diagnostic, Sources, Span};
use std::collections::{BTreeMap, BTreeSet};

/// The names of the whole program. It does not change while routes are resolved.
pub(crate) struct Env<'a> {
    pub(crate) sources: &'a Sources,
    pub(crate) max_regex_program: usize,
    pub(crate) catalog: &'a Catalog,
    pub(crate) target: Target,
    pub(crate) params: BTreeMap<String, Value>,
    pub(crate) bundles: BTreeMap<&'a str, &'a Bundle>,
    pub(crate) services: BTreeMap<ServiceName, ServiceInfo>,
    pub(crate) routed: BTreeSet<ServiceName>,
    /// The Services of declared versions.
    pub(crate) of_versions: BTreeSet<ServiceName>,
}

/// One resolver's view: the program's names and its own diagnostics.
pub(crate) struct Cx<'a> {
    pub(crate) env: &'a Env<'a>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl<'a> Cx<'a> {
    pub(crate) fn new(env: &'a Env<'a>) -> Self {
        Self { env, diagnostics: Vec::new() }
    }

    pub(crate) fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    pub(crate) fn error(&mut self, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.report(Diagnostic::new(code, span, message).help(help));
    }

    /// Reports what the target cannot do, with the first release that can.
    pub(crate) fn needs(&mut self, feature: &Feature, span: Span, what: &str) -> bool {
        let target = self.env.target;
        if target.has(feature) {
            return true;
        }
        let message = format!("{what} does not work on {target}");
        self.error(
            codes::TARGET_CANNOT,
            span,
            message,
            format!("it works from {} on: {}", feature.releases(), feature.reason),
        );
        false
    }

    /// What a value stands for: itself, or the parameter's value.
    pub(crate) fn value(&mut self, value: &'a Value) -> Option<&'a ValueKind> {
        let ValueKind::Param(name) = &value.kind else { return Some(&value.kind) };
        let env = self.env;
        if let Some(value) = env.params.get(name) {
            // A parameter that names another one was reported where it is declared.
            return (!matches!(value.kind, ValueKind::Param(_))).then_some(&value.kind);
        }
        let diagnostic = Diagnostic::new(codes::UNKNOWN_PARAM, value.span, format!("no parameter is called `{name}`"));
        self.report(match nearest(name, env.params.keys().map(String::as_str)) {
            Some(near) => diagnostic.help(format!("did you mean `${near}`?")),
            None => diagnostic.help(format!("declare it: `param {name} = VALUE`")),
        });
        None
    }

    /// Reads a bare word.
    pub(crate) fn word<T>(&mut self, value: &'a Value, read: impl FnOnce(&str) -> Result<T, ValueError>) -> Option<T> {
        match self.value(value)? {
            ValueKind::Text(text) => {
                let message = format!("`\"{text}\"` stands in quotes, and this place takes a bare word");
                self.error(codes::QUOTES, value.span, message, format!("write `{text}` without quotes"));
                None
            }
            ValueKind::Word(word) | ValueKind::Param(word) => match read(word) {
                Ok(good) => Some(good),
                Err(error) => {
                    self.bad_value(value, error);
                    None
                }
            },
        }
    }

    /// Reads a bare word that is one of a few.
    pub(crate) fn one_of<T: Copy>(&mut self, value: &'a Value, what: &str, words: &[(&str, T)]) -> Option<T> {
        let word = self.word(value, |w| Ok(w.to_owned()))?;
        if let Some((_, found)) = words.iter().find(|(w, _)| *w == word) {
            return Some(*found);
        }
        self.unknown_word(value.span, &word, what, words.iter().map(|(w, _)| *w));
        None
    }

    /// Reports a word that its place does not know.
    pub(crate) fn unknown_word<'w>(
        &mut self,
        span: Span,
        word: &str,
        what: &str,
        words: impl Iterator<Item = &'w str> + Clone,
    ) {
        let diagnostic = Diagnostic::new(codes::UNKNOWN_WORD, span, format!("`{word}` is not {what}"));
        let list: Vec<String> = words.clone().map(|w| format!("`{w}`")).collect();
        self.report(match nearest(word, words) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None if list.len() == 1 => diagnostic.help(format!("write {}", list.concat())),
            None => diagnostic.help(format!("it is one of {}", list.join(", "))),
        });
    }

    /// Reads a text in quotes.
    pub(crate) fn text(&mut self, value: &'a Value) -> Option<&'a str> {
        match self.value(value)? {
            ValueKind::Text(text) => Some(text),
            ValueKind::Word(word) | ValueKind::Param(word) => {
                let message = format!("`{word}` needs quotes");
                let diagnostic =
                    Diagnostic::new(codes::QUOTES, value.span, message).help(format!("write `\"{word}\"`"));
                // A parameter's text stands elsewhere, and a backslash means something in quotes.
                let certain = matches!(value.kind, ValueKind::Word(_)) && !word.contains('\\');
                self.report(if certain { diagnostic.fix(value.span, format!("\"{word}\"")) } else { diagnostic });
                None
            }
        }
    }

    /// A value that may be a bare word or a text.
    pub(crate) fn bare_or_text(&mut self, value: &'a Value) -> Option<&'a str> {
        self.value(value).map(|kind| match kind {
            ValueKind::Text(t) | ValueKind::Word(t) | ValueKind::Param(t) => t.as_str(),
        })
    }

    fn bad_value(&mut self, value: &Value, error: ValueError) {
        let mut diagnostic = Diagnostic::new(error.code, value.span, error.message).help(error.help);
        if let ValueKind::Param(name) = &value.kind
            && let Some(source) = self.env.params.get(name)
        {
            diagnostic = diagnostic.also(source.span, format!("`${name}` has its value here"));
        }
        self.report(diagnostic);
    }
}
