//! Slips as people make them who have never seen the language, and what the command answers:
//! `tests/slips/NAME.mesh` is checked, and the transcript is `NAME.txt`.
//!
//! `MESHC_ACCEPT=1 cargo test --test slips` writes the transcripts anew; read the difference before
//! it is committed.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The name of a slip; the line and code of each diagnostic; words that a help line must have.
type Meaning = (&'static str, &'static [(usize, &'static str)], &'static [&'static str]);

/// What each slip must be answered with.
const MEANING: &[Meaning] = &[
    ("ampersands", &[(2, "E0131"), (2, "E0131"), (3, "E0131"), (3, "E0131")], &["one `=`", "`and`", "`or`", "`not`"]),
    ("arrow", &[(1, "E0108"), (4, "E0109")], &["to SERVICE", "in braces"]),
    ("bare-header-value", &[(2, "E0331"), (3, "E0331")], &["write `\"foo\"`", "write `\"/api\"`"]),
    ("blank-before-percent", &[(1, "E0131"), (1, "E0131")], &["`90%`", "`10%`"]),
    ("bullets", &[(2, "E0108"), (3, "E0108")], &["without a `-`"]),
    ("cilium-yaml", &[(2, "E0120")], &["meshc check FILE.yaml", "route SERVICE:PORT"]),
    ("colon", &[(2, "E0131")], &["write `timeout 5s`"]),
    ("comma-for-semicolon", &[(1, "E0131"), (1, "E0131")], &["separated by `;`"]),
    ("comma-and", &[(2, "E0131"), (3, "E0131")], &["joined by `and` or `or`"]),
    ("declaration-typo", &[(1, "E0107")], &["did you mean `route`?"]),
    ("dns-name", &[(1, "E0201"), (4, "E0201")], &["`shop/cart`"]),
    ("duration-words", &[(2, "E0131"), (3, "E0301"), (4, "E0301")], &["`5s`", "`250ms`", "`1s500ms`"]),
    ("equals-sign", &[(2, "E0131"), (3, "E0131")], &["write `timeout 5s`", "write `retry 3`"]),
    (
        "fractions",
        &[(1, "E0302"), (1, "E0302"), (2, "E0131"), (2, "E0131"), (3, "E0131")],
        &["`50%`", "`90% v1`", "`10% v2`", "`rest v2`"],
    ),
    ("gateway-api", &[(3, "E0120"), (11, "E0302")], &["when path prefix", "`5s`"]),
    ("header-set", &[(2, "E0108"), (3, "E0109"), (4, "E0131")], &["request header set", "blank"]),
    ("if", &[(2, "E0108"), (3, "E0108")], &["when CONDITION", "otherwise"]),
    ("istio-inside", &[(2, "E0120"), (9, "E0108")], &["90% v1, 10% v2", "did you mean `timeout`?"]),
    ("istio", &[(2, "E0120")], &["route SERVICE:PORT { 90% v1, 10% v2"]),
    ("keyword-typo", &[(3, "E0108")], &["did you mean `timeout`?"]),
    ("lower-case-method", &[(2, "E0328"), (2, "E0328"), (3, "E0131")], &["`GET`", "`POST`", "method GET, POST"]),
    ("missing-unit", &[(1, "E0302")], &["write `5s`"]),
    ("nested-when", &[(3, "E0401")], &["join conditions with `and`"]),
    ("nginx", &[(1, "E0107")], &["when path prefix \"/api\""]),
    ("no-percent", &[(1, "E0302"), (1, "E0302")], &["write `90%`", "write `10%`"]),
    ("parentheses", &[(1, "E0108")], &["in braces"]),
    ("percent-to", &[(1, "E0131"), (1, "E0131")], &["`90% v1`", "`10% v2`"]),
    ("port-without-colon", &[(1, "E0109"), (3, "E0109")], &["`helloworld:5000`", "`cart:8080`"]),
    ("rate-words", &[(2, "E0131"), (3, "E0131"), (4, "E0108")], &["`100/s`", "ratelimit 100/s"]),
    ("ratio", &[(1, "E0131")], &["`90% v1, 10% v2`"]),
    ("regex-in-quotes", &[(2, "E0110"), (3, "E0131"), (4, "W0451")], &["backquotes", "path regex"]),
    ("retry-words", &[(2, "E0131"), (3, "E0108"), (4, "E0109")], &["retry 3 on 5xx"]),
    ("route-to", &[(2, "E0108"), (5, "E0109")], &["to SERVICE", "`route cart:8080 to OTHER`"]),
    ("route-twice", &[(3, "E0207")], &["put both into one route"]),
    ("semicolon-after-brace", &[(4, "E0109")], &["take the `;` away"]),
    ("semicolon-for-comma", &[(1, "E0421")], &["one line: `90% v1, 10% v2`"]),
    (
        "several",
        &[(2, "E0304"), (3, "E0302"), (4, "E0331"), (5, "E0305"), (6, "E0204"), (9, "E0107"), (10, "E0205")],
        &["10% are too many", "`5s`", "write `\"/x\"`", "`5xx`", "`resilient`", "`route`", "param slow"],
    ),
    ("single-quotes", &[(2, "E0121"), (2, "E0121")], &["write `\"/old\"`"]),
    ("slashes", &[(1, "E0109"), (3, "E0109"), (5, "E0109")], &["begins with `#`"]),
    ("smart-quotes", &[(2, "E0121"), (2, "E0121"), (3, "E0121")], &["write `\"/old\"`", "write `\"prod\"`"]),
    ("stray-dash", &[(2, "E0109"), (3, "E0108")], &["timeout DURATION", "take the `-` away"]),
    ("sum-95", &[(1, "E0304")], &["5% are missing", "`rest v2`"]),
    ("tab", &[(3, "E0302")], &["write `5s`"]),
    ("two-words", &[(2, "E0108"), (3, "E0108")], &["`circuit-breaker` is one word", "`ratelimit` is one word"]),
    ("unclosed-brace", &[(2, "E0105"), (7, "E0302")], &["closing `}`", "`5s`"]),
    ("unclosed-quote", &[(2, "E0105"), (3, "E0302")], &["closing `\"`", "`5s`"]),
    ("unclosed-route", &[(1, "E0105"), (2, "E0302"), (4, "E0302")], &["closing `}`"]),
    ("underscore", &[(1, "E0201"), (5, "E0201")], &["`hello-world`", "`cart`"]),
    ("unknown-version", &[(5, "E0203")], &["did you mean `v1`?"]),
    ("weight-word", &[(2, "E0108"), (3, "E0108")], &["90% v1, 10% v2"]),
    ("weight", &[(2, "E0120")], &["90% v1, 10% v2"]),
    ("without-when", &[(2, "E0108")], &["`when path prefix"]),
    ("wrong-bracket", &[(1, "E0109"), (2, "E0302"), (3, "E0109")], &["in braces", "`5s`"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn check(name: &str, format: &str) -> (Option<i32>, String, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_meshc"))
        .args(["check", &format!("{name}.mesh"), "--format", format])
        .current_dir(root().join("tests/slips"))
        .output()
        .expect("meshc runs");
    let text = |bytes| String::from_utf8(bytes).expect("meshc prints UTF-8");
    (done.status.code(), text(done.stdout), text(done.stderr))
}

fn names(ending: &str) -> BTreeSet<String> {
    let files = fs::read_dir(root().join("tests/slips")).expect("the folder is there");
    let paths: Vec<PathBuf> = files.map(|f| f.expect("it can be read").path()).collect();
    let named = paths.iter().filter(|p| p.extension().is_some_and(|e| e == ending));
    named.map(|p| p.file_stem().expect("it has a name").to_string_lossy().into_owned()).collect()
}

#[test]
fn each_slip_is_answered_as_its_transcript_says() {
    let slips = names("mesh");
    assert!(slips.len() >= 20, "the slips are gone: {}", slips.len());
    let mut changed = Vec::new();
    for name in &slips {
        let (code, stdout, said) = check(name, "human");
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{name}");
        let path = root().join(format!("tests/slips/{name}.txt"));
        if std::env::var_os("MESHC_ACCEPT").is_some() {
            fs::write(&path, &said).expect("it can be written");
        }
        if fs::read_to_string(&path).unwrap_or_default() != said {
            eprintln!("{} has changed:\n{said}", path.display());
            changed.push(name);
        }
    }
    assert!(changed.is_empty(), "{changed:?}");
    assert_eq!(names("txt"), slips, "a transcript of nothing");
}

#[test]
fn each_slip_is_answered_with_what_it_is_and_what_to_write() {
    let told: BTreeSet<String> = MEANING.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(told, names("mesh"), "each slip has its meaning");
    for (name, wanted, words) in MEANING {
        let (_, json, _) = check(name, "json");
        let document: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        let found: Vec<(usize, &str)> = document["diagnostics"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|d| {
                let line = d["spans"][0]["start"]["line"].as_u64().expect("a line");
                (usize::try_from(line).expect("it is small"), d["code"].as_str().expect("a code"))
            })
            .collect();
        assert_eq!(found, *wanted, "{name}");
        let help: Vec<&str> = document["diagnostics"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|d| d["help"].as_str().expect("each says what to do"))
            .collect();
        for word in *words {
            assert!(help.iter().any(|line| line.contains(word)), "{name}: `{word}` is in none of {help:?}");
        }
    }
}
