//! For pipelines: JUnit XML, a suite for each test, one for the snapshots, one for the coverage.

use super::Report;
use meshc_dsl::Severity;

/// A test case with what failed, if anything did.
struct Case {
    name: String,
    failure: Option<(String, String)>,
}

/// Renders a report.
pub(crate) fn junit(report: &Report<'_>) -> String {
    let mut suites: Vec<(String, Vec<Case>)> = Vec::new();
    let errors = report.diagnostics.iter().filter(|d| d.severity() == Severity::Error);
    let errors: Vec<Case> = errors
        .map(|d| {
            let at = d.place().map(|span| format!("{}:{}: ", report.file(span.file), report.line(span)));
            let name = format!("{}{}", at.unwrap_or_default(), d.code.0);
            Case { name, failure: Some((d.message.clone(), d.help.clone().unwrap_or_default())) }
        })
        .collect();
    if !errors.is_empty() {
        suites.push(("the policy".to_owned(), errors));
    }
    for outcome in report.outcomes {
        let name = report.test(outcome);
        let text: Vec<String> = outcome.failures.iter().map(|f| report.words(f)).collect();
        let at = format!("{}:{}", report.file(outcome.span.file), report.line(outcome.span));
        let won = outcome.rule.map(|span| format!("the rule of {}:{} won", report.file(span.file), report.line(span)));
        let failure = text.first().map(|first| {
            let rest = text.iter().cloned().chain(won);
            (first.clone(), std::iter::once(at.clone()).chain(rest).collect::<Vec<_>>().join("\n"))
        });
        let case = Case { name: format!("{} for {} ({at})", report.request(outcome), outcome.entry), failure };
        match suites.last_mut().filter(|(last, _)| last == name) {
            Some((_, cases)) => cases.push(case),
            None => suites.push((name.to_owned(), vec![case])),
        }
    }
    suites.extend(snapshots(report));
    suites.extend(coverage(report));
    print(&suites)
}

fn snapshots(report: &Report<'_>) -> Option<(String, Vec<Case>)> {
    let snapshots = report.snapshots?;
    let findings = snapshots.findings.iter();
    let found =
        findings.clone().map(|f| Case { name: f.name.clone(), failure: Some((f.message.clone(), f.lines.join("\n"))) });
    let good = snapshots.names.iter().filter(|name| !findings.clone().any(|f| f.name == **name));
    let good = good.map(|name| Case { name: name.clone(), failure: None });
    Some(("the snapshots".to_owned(), good.chain(found).collect()))
}

fn coverage(report: &Report<'_>) -> Option<(String, Vec<Case>)> {
    let (coverage, least) = (report.coverage?, report.least?);
    let missed = coverage.missed.iter();
    let lines =
        missed.map(|p| format!("{}:{}: {}", report.file(p.span.file), report.line(p.span), report.text(p.span)));
    let failure = (!report.covers_enough()).then(|| {
        let message = format!("the tests reach {}%, and {least}% are wanted", coverage.percent());
        (message, lines.collect::<Vec<_>>().join("\n"))
    });
    Some(("the coverage".to_owned(), vec![Case { name: format!("at least {least}%"), failure }]))
}

fn print(suites: &[(String, Vec<Case>)]) -> String {
    let failed = |cases: &[Case]| cases.iter().filter(|c| c.failure.is_some()).count();
    let all: usize = suites.iter().map(|(_, cases)| cases.len()).sum();
    let failures: usize = suites.iter().map(|(_, cases)| failed(cases)).sum();
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.push_str(&format!("<testsuites name=\"meshc\" tests=\"{all}\" failures=\"{failures}\">\n"));
    for (name, cases) in suites {
        let name = escaped(name);
        let counts = format!("tests=\"{}\" failures=\"{}\"", cases.len(), failed(cases));
        out.push_str(&format!("  <testsuite name=\"{name}\" {counts}>\n"));
        for case in cases {
            let head = format!("    <testcase classname=\"{name}\" name=\"{}\"", escaped(&case.name));
            match &case.failure {
                None => out.push_str(&format!("{head}/>\n")),
                Some((message, text)) => {
                    let failure = format!("<failure message=\"{}\">{}</failure>", escaped(message), escaped(text));
                    out.push_str(&format!("{head}>\n      {failure}\n    </testcase>\n"));
                }
            }
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}

/// Text as it may stand in XML 1.0, in an attribute too.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            // XML has no way to write these.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_can_end_an_attribute_or_element() {
        assert_eq!(escaped("a<b>&\"c\"\u{1b}\u{ffff}é\n"), "a&lt;b&gt;&amp;&quot;c&quot;\u{fffd}\u{fffd}é&#10;");
    }
}
