//! `meshc.toml`: name, namespace, targets, catalog and parameters of a program.

use meshc_compiler::{Setting, Target};
use meshc_dsl::diagnostic::{Diagnostic, codes};
use meshc_dsl::suggest::nearest;
use meshc_dsl::value;
use meshc_dsl::{FileId, Span};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What `meshc.toml` says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// The name of the applied set.
    pub(crate) name: Option<String>,
    /// The namespace of files that name none.
    pub(crate) namespace: Option<String>,
    /// What to compile for; the first is the default.
    pub(crate) targets: Vec<Target>,
    /// Files and folders of the catalog, relative to the file.
    pub(crate) catalog: Vec<String>,
    /// Values of parameters, as text.
    pub(crate) params: Vec<Setting>,
    /// The largest program of a regular expression.
    pub(crate) max_regex_program: Option<u32>,
}

const KEYS: &[&str] = &["name", "namespace", "targets", "catalog", "max-regex-program", "params"];

struct Reader {
    file: FileId,
    config: Config,
    diagnostics: Vec<Diagnostic>,
}

/// Reads the file; what is wrong is reported and left out.
pub(crate) fn parse(file: FileId, text: &str) -> (Config, Vec<Diagnostic>) {
    let mut reader = Reader { file, config: Config::default(), diagnostics: Vec::new() };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let range = error.span().unwrap_or(0..0);
        reader.report(range, error.message().to_owned(), "the file is TOML: `namespace = \"shop\"`");
    }
    if errors.is_empty() {
        for (key, value) in table.get_ref() {
            reader.key(key.get_ref(), key.span(), value);
        }
    }
    (reader.config, reader.diagnostics)
}

impl Reader {
    fn report(&mut self, range: Range<usize>, message: String, help: &str) {
        let span = Span::new(self.file, range.start, range.end);
        self.diagnostics.push(Diagnostic::new(codes::BAD_CONFIG, span, message).help(help));
    }

    fn key(&mut self, key: &str, place: Range<usize>, value: &Spanned<DeValue<'_>>) {
        match key {
            "name" => self.config.name = self.kubernetes_name(value),
            "namespace" => self.config.namespace = self.kubernetes_name(value),
            "targets" => self.targets(value),
            "catalog" => {
                let paths = self.texts(value, "`catalog = [\"services.yaml\"]`");
                self.config.catalog = paths.into_iter().map(|(path, _)| path).collect();
            }
            "params" => self.params(value),
            "max-regex-program" => self.max_regex_program(value),
            other => match nearest(other, KEYS.iter().copied()) {
                Some(near) => self.report(place, format!("unknown key `{other}`"), &format!("did you mean `{near}`?")),
                None => self.report(
                    place,
                    format!("unknown key `{other}`"),
                    "the keys are `name`, `namespace`, `targets`, `catalog`, `max-regex-program` and `[params]`",
                ),
            },
        }
    }

    fn text(&mut self, value: &Spanned<DeValue<'_>>, help: &str) -> Option<String> {
        match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            other => {
                self.report(value.span(), format!("this is {}, and a text is wanted", kind(other)), help);
                None
            }
        }
    }

    fn texts(&mut self, value: &Spanned<DeValue<'_>>, help: &str) -> Vec<(String, Range<usize>)> {
        match value.get_ref() {
            DeValue::Array(items) => {
                items.iter().filter_map(|item| self.text(item, help).map(|t| (t, item.span()))).collect()
            }
            other => {
                self.report(value.span(), format!("this is {}, and a list is wanted", kind(other)), help);
                Vec::new()
            }
        }
    }

    fn kubernetes_name(&mut self, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let text = self.text(value, "write a name in quotes")?;
        match value::name(&text) {
            Ok(()) => Some(text),
            Err(error) => {
                self.report(value.span(), error.message, &error.help);
                None
            }
        }
    }

    fn targets(&mut self, value: &Spanned<DeValue<'_>>) {
        for (text, place) in self.texts(value, "`targets = [\"cilium-1.20\"]`") {
            match Target::parse(&text) {
                Some(target) if self.config.targets.contains(&target) => {
                    self.report(place, format!("the target `{text}` is named twice"), "take one of the two away");
                }
                Some(target) => self.config.targets.push(target),
                None => {
                    let span = Span::new(self.file, place.start, place.end);
                    let diagnostic = Diagnostic::new(codes::UNKNOWN_TARGET, span, format!("`{text}` is not a target"))
                        .help("targets are `cilium-1.14` to `cilium-1.20`, and `envoy`");
                    self.diagnostics.push(diagnostic);
                }
            }
        }
    }

    fn max_regex_program(&mut self, value: &Spanned<DeValue<'_>>) {
        let number = match value.get_ref() {
            DeValue::Integer(number) => number.to_string().parse().ok(),
            _ => None,
        };
        match number {
            Some(number) => self.config.max_regex_program = Some(number),
            None => self.report(
                value.span(),
                "this is not the size of a program".to_owned(),
                "write Envoy's limit as a number: `max-regex-program = 256`",
            ),
        }
    }

    fn params(&mut self, value: &Spanned<DeValue<'_>>) {
        let DeValue::Table(table) = value.get_ref() else {
            return self.report(
                value.span(),
                "`params` is a table".into(),
                "write `[params]` and a line `NAME = \"VALUE\"` for each",
            );
        };
        for (key, value) in table {
            let text = match value.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                DeValue::Integer(number) => Some(number.to_string()),
                other => {
                    self.report(
                        value.span(),
                        format!("this is {}, and a text or number is wanted", kind(other)),
                        "write the value as in a policy, in quotes: `canary = \"25%\"`",
                    );
                    None
                }
            };
            let place = Some(Span::new(self.file, key.span().start, value.span().end));
            let name = key.get_ref().to_string();
            self.config.params.extend(text.map(|text| Setting { name, text, place }));
        }
    }
}

/// What a value is, with its article.
fn kind(value: &DeValue<'_>) -> String {
    let name = value.type_str();
    let article = if name.starts_with(['a', 'i']) { "an" } else { "a" };
    format!("{article} {name}")
}
