//! Properties: what holds for any input, or for any program of the grammar.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

mod common;

use common::compile_text;
use meshc_compiler::{Target, emit};
use meshc_dsl::diagnostic::any_error;
use meshc_dsl::{FileId, format, layout, parse};
use proptest::prelude::*;

/// A clause of the language, mostly well formed.
fn clause() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "90% v1, 10% v2",
        "to v1",
        "rest v2",
        "timeout 5s",
        "timeout 5",
        "idle-timeout 1m",
        "retry 3 on reset",
        "retry 3 on 5xx per-try 1s backoff 25ms..1s",
        "ratelimit 2/5s",
        "ratelimit 9/s burst 20 status 503 header x-l \"on\" shadow",
        "no retry",
        "no ratelimit",
        "rewrite path \"/x\"",
        "rewrite prefix \"/api\" to \"/\"",
        "rewrite regex `^/a(.*)$` to \"/\\\\1\"",
        "rewrite host \"h\"",
        "redirect 308 to \"/x\"",
        "respond 503 \"down\"",
        "request header set x-a \"1\"",
        "response header remove x-b",
        "circuit-breaker max-requests 2",
        "outlier consecutive-5xx 3",
        "balance random",
        "connect-timeout 1s",
        "protocol http2",
        "accesslog stdout json",
        "client-address keep",
        "use p",
        "nonsense 1 2 3",
        "timeout",
    ]);
    words.prop_map(str::to_owned)
}

fn condition() -> impl Strategy<Value = String> {
    let test = prop::sample::select(vec![
        "path = \"/a\"",
        "path prefix \"/api\", \"/b\"",
        "path regex `^/v[0-9]+`",
        "header x = \"a\", \"b\"",
        "header x exists",
        "header y regex `a*`",
        "method GET, POST",
        "pth = 1",
    ]);
    let leaf = test.prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a} and {b}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} or {b})")),
            inner.prop_map(|a| format!("not ({a})")),
        ]
    })
}

fn rule() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => clause(),
        1 => (condition(), prop::collection::vec(clause(), 0..4)).prop_map(|(c, body)| format!("when {c} {{ {} }}", body.join("; "))),
    ]
}

/// A program of a few declarations, with odd blanks and comments.
fn program() -> impl Strategy<Value = String> {
    let blank = prop::sample::select(vec!["\n", "\n\n\n", " ;\n", "   # why\n", "\n\t"]);
    let body = prop::collection::vec((rule(), blank), 0..6)
        .prop_map(|parts| parts.into_iter().map(|(r, b)| r + b).collect::<String>());
    let declaration = (
        prop::sample::select(vec![
            "route a:80",
            "route b:80,\n  c:80",
            "listen l [::]:9090",
            "service v1:80",
            "policy p",
        ]),
        body,
    );
    prop::collection::vec(declaration.prop_map(|(head, body)| format!("{head} {{\n{body}}}\n")), 1..4)
        .prop_map(|d| d.concat())
}

/// Text that readers of YAML take for something else, or that could break out of its place.
fn hostile() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "on",
        "off",
        "yes",
        "no",
        "null",
        "~",
        "true",
        "1",
        "1e3",
        "0x1f",
        "1:30",
        "1_000",
        ".nan",
        "2001-01-01",
        "=",
        "<<",
        "- a",
        "a: b",
        "a #b",
        "&a",
        "*a",
        "!t",
        "|",
        ">",
        "%x",
        "@x",
        "`",
        "'",
        "\"",
        "{}",
        "[]",
        "{{ x }}",
        "---",
        "---\nkind: Secret",
        "\u{85}",
        "\u{2028}",
        " x",
        "x ",
        "\t",
        "",
        "?",
        ":",
        "#",
        "é",
        "\u{1f600}",
        "a\\b",
        "a\nb",
    ]);
    prop_oneof![known.prop_map(str::to_owned), "\\PC{0,12}"]
}

fn escaped(text: &str) -> String {
    text.chars().flat_map(char::escape_default).collect::<String>().replace("\\'", "'")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes are read without a panic, and their diagnostics are within the text.
    #[test]
    fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(text) = layout::decode(FileId(0), &bytes) {
            let (_, diagnostics) = parse::parse(FileId(0), &text);
            for label in diagnostics.iter().flat_map(|d| &d.labels) {
                prop_assert!(label.span.start <= label.span.end && label.span.end as usize <= text.len());
            }
        }
    }

    /// So is any mix of the signs that mean something.
    #[test]
    fn any_signs_are_answered(text in "[a-z0-9%$\"`{}();,=#\\n\\r\\\\ .:/-]{0,200}") {
        let _ = compile_text(&format!("route a:80 {{ {text}"), Target::DEFAULT);
        let _ = compile_text(&text, Target::Envoy);
    }

    /// Any program compiles to something that is whole, or has an error; on every target.
    #[test]
    fn any_program_compiles_or_is_refused(text in program(), minor in 14u8..=21) {
        let target = if minor == 21 { Target::Envoy } else { Target::Cilium { minor, patch: 0 } };
        let compiled = compile_text(&text, target);
        prop_assert_eq!(compiled.manifest.is_none(), any_error(&compiled.diagnostics));
        prop_assert!(compiled.diagnostics.iter().all(|d| d.code.0 != "E0599"), "{:?}", compiled.diagnostics);
        prop_assert_eq!(compile_text(&text, target).manifest, compiled.manifest);
    }

    /// The formatter changes nothing a second time, and nothing that the program compiles to.
    #[test]
    fn formatting_is_stable_and_keeps_the_meaning(text in program()) {
        if let Ok(once) = format::format(FileId(0), &text) {
            let again = format::format(FileId(0), &once);
            prop_assert_eq!(again.as_ref(), Ok(&once), "{}", text);
            prop_assert_eq!(once.matches("# why").count(), text.matches("# why").count());
            prop_assert_eq!(compile_text(&once, Target::DEFAULT).manifest, compile_text(&text, Target::DEFAULT).manifest);
        }
    }

    /// Whatever a user puts into a text comes back out of the YAML as it was.
    #[test]
    fn hostile_text_survives_yaml(body in hostile(), value in hostile(), label in hostile()) {
        let text = format!(
            "route a:80 respond 200 \"{}\"\nroute b:80 request header set x-a \"{}\"\nservice c:80 {{\n selector app=\"{}\"\n version v1\n}}\n",
            escaped(&body), escaped(&value), escaped(&label),
        );
        let compiled = compile_text(&text, Target::DEFAULT);
        let Some(manifest) = compiled.manifest else { return Ok(()) };
        let yaml = emit::yaml(&manifest).expect("it can be written").concat();
        let read: Vec<serde_json::Value> = serde_saphyr::from_multiple(&yaml).expect("it can be read");
        prop_assert_eq!(serde_json::Value::Array(read), serde_json::to_value(&manifest.objects).expect("objects are JSON"));
    }
}

#[test]
fn a_hundred_thousand_brackets_are_answered() {
    for text in ["{", "(", "\"", "`", "route a:80 { when (", "when x {", "}", ")"] {
        let (_, diagnostics) = parse::parse(FileId(0), &text.repeat(100_000 / text.len()));
        assert!(any_error(&diagnostics), "{text}");
    }
}

/// A piece of a pattern, often one that an engine trips over.
fn piece() -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![
        "a",
        "ä",
        ".",
        "^",
        "$",
        "|",
        "(",
        ")",
        "(?:",
        "(?i)",
        "(?P<n>",
        "(?=",
        "*",
        "+",
        "?",
        "{2}",
        "{,3}",
        "{1000}",
        "{3,",
        "[",
        "]",
        "[^",
        "[a-z]",
        "[:alpha:]",
        "&&",
        "-",
        "\\d",
        "\\pL",
        "\\p{Greek}",
        "\\Q",
        "\\E",
        "\\x{e4}",
        "\\1",
        "\\",
        "\\z",
        "\\b",
        "(?-",
        "\u{10ffff}",
    ]);
    prop_oneof![4 => odd.prop_map(str::to_owned), 1 => "\\PC"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever a pattern is, it gets a verdict; one that is taken has one form.
    #[test]
    fn every_pattern_gets_a_verdict(pieces in prop::collection::vec(piece(), 0..40)) {
        let pattern = pieces.concat();
        let verdict = meshc_compiler::regex::verdict(&pattern);
        if let Err(why) = verdict {
            prop_assert!(!why.contains("its own form"), "{pattern}: {why}");
        }
    }

    /// A policy with any pattern compiles or says what is wrong, at places that exist.
    #[test]
    fn any_pattern_stands_in_a_policy(pieces in prop::collection::vec(piece(), 0..20)) {
        let pattern = pieces.concat().replace('`', "");
        let text = format!("route a:80 {{\n  when not path regex `{pattern}` and host regex `{pattern}` {{ to v1 }}\n}}\n");
        let compiled = compile_text(&text, Target::DEFAULT);
        for label in compiled.diagnostics.iter().flat_map(|d| &d.labels) {
            prop_assert!(text.get(label.span.start as usize..label.span.end as usize).is_some(), "{pattern}");
        }
    }
}
