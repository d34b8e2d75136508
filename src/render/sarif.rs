//! Diagnostics as SARIF 2.1.0, which code scanning services read.

use super::Report;
use super::places::Places;
use crate::pages;
use meshc_dsl::diagnostic::{Diagnostic, Fix};
use meshc_dsl::{Code, Severity, Span};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Renders diagnostics as a SARIF log of one run, with a line end.
pub(crate) fn sarif(report: Report<'_>) -> serde_json::Result<String> {
    let mut codes: BTreeMap<Code, &Diagnostic> = BTreeMap::new();
    for diagnostic in report.diagnostics {
        codes.entry(diagnostic.code).or_insert(diagnostic);
    }
    let rules: Vec<Value> = codes.values().map(|first| rule(first)).collect();
    let index: BTreeMap<Code, usize> = codes.keys().enumerate().map(|(at, code)| (*code, at)).collect();
    let mut writer = Writer { report, places: Places::new(report.sources) };
    let results: Vec<Value> =
        report.diagnostics.iter().map(|d| writer.result(d, index.get(&d.code).copied().unwrap_or(0))).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "meshc", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&log).map(|text| text + "\n")
}

/// What is known of a code, apart from where it was found.
fn rule(first: &Diagnostic) -> Value {
    let code = first.code.0;
    let page = pages::find(code);
    let title = page.map_or(first.message.as_str(), |page| page.title);
    let help = page.map_or_else(|| format!("see `meshc explain {code}`"), |page| page.text.to_owned());
    json!({
        "id": code,
        "shortDescription": { "text": title },
        "help": { "text": help, "markdown": help },
        "defaultConfiguration": { "level": level(first.severity()) },
    })
}

fn level(severity: Severity) -> &'static str {
    severity.word()
}

struct Writer<'a> {
    report: Report<'a>,
    places: Places<'a>,
}

impl Writer<'_> {
    fn result(&mut self, diagnostic: &Diagnostic, rule: usize) -> Value {
        let text = match &diagnostic.help {
            Some(help) => format!("{}\n{help}", diagnostic.message),
            None => diagnostic.message.clone(),
        };
        let locations: Vec<Value> =
            diagnostic.place().into_iter().map(|span| json!({ "physicalLocation": self.location(span) })).collect();
        let mut result = json!({
            "ruleId": diagnostic.code.0,
            "ruleIndex": rule,
            "level": level(diagnostic.severity()),
            "message": { "text": text },
            "locations": locations,
        });
        let related = self.related(diagnostic);
        if let Some(result) = result.as_object_mut() {
            if !related.is_empty() {
                result.insert("relatedLocations".to_owned(), related.into());
            }
            if let Some(fix) = &diagnostic.fix {
                result.insert("fixes".to_owned(), json!([self.fix(fix)]));
            }
        }
        result
    }

    /// The places beside the first primary one.
    fn related(&mut self, diagnostic: &Diagnostic) -> Vec<Value> {
        let first = diagnostic.labels.iter().position(|label| label.primary);
        let others = diagnostic.labels.iter().enumerate().filter(|(at, _)| Some(*at) != first);
        others
            .enumerate()
            .map(|(id, (_, label))| {
                let text = if label.text.is_empty() { "related" } else { label.text.as_str() };
                json!({ "id": id + 1, "physicalLocation": self.location(label.span), "message": { "text": text } })
            })
            .collect()
    }

    fn fix(&mut self, fix: &Fix) -> Value {
        let mut replacement = json!({ "deletedRegion": self.region(fix.span) });
        if let Some(replacement) = replacement.as_object_mut().filter(|_| !fix.replacement.is_empty()) {
            replacement.insert("insertedContent".to_owned(), json!({ "text": fix.replacement }));
        }
        json!({
            "description": { "text": "replace what is underlined" },
            "artifactChanges": [{ "artifactLocation": self.artifact(fix.span), "replacements": [replacement] }],
        })
    }

    fn location(&mut self, span: Span) -> Value {
        json!({ "artifactLocation": self.artifact(span), "region": self.region(span) })
    }

    fn artifact(&self, span: Span) -> Value {
        json!({ "uri": uri(self.report.path(span.file)) })
    }

    fn region(&mut self, span: Span) -> Value {
        let (start, end) = self.places.of(span);
        json!({
            "startLine": start.line, "startColumn": start.column,
            "endLine": end.line, "endColumn": end.column,
        })
    }
}

/// A path as a URI reference: what may not stand in one is written in hexadecimal.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let path = if cfg!(windows) { path.replace('\\', "/") } else { path.to_owned() };
    let mut out = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::uri;

    #[test]
    fn paths_are_uri_references() {
        assert_eq!(uri("./shop/a.mesh"), "shop/a.mesh");
        assert_eq!(uri("/a b/ä.mesh"), "file:///a%20b/%C3%A4.mesh");
        assert_eq!(uri("<stdin>"), "%3Cstdin%3E");
        assert_eq!(uri("a:b%.mesh"), "a%3Ab%25.mesh");
    }
}
