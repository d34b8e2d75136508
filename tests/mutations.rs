//! The assertions of the examples notice changes of what they assert: of 100 seeded mutations of a
//! single clause at least 95 make `meshc test --no-snapshots` fail.
//!
//! A mutation drops a clause, or changes one share, name, number, duration, text, operator or word
//! of it. One that does not compile, or that compiles to the same bytes, is none.
//! `MESHC_MUTATIONS=1000 cargo test --test mutations -- --nocapture` tries (and lists) more of them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that fails panics, and says why"
)]

mod common;

use common::folders;
use meshc_dsl::clause::{Clause, Portioning, Split};
use meshc_dsl::condition::{Condition, Subject, Test};
use meshc_dsl::syntax::{Body, Declaration};
use meshc_dsl::{FileId, Span, parse};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A change of one place of one file.
#[derive(Debug, Clone)]
struct Mutation {
    example: PathBuf,
    file: String,
    range: std::ops::Range<usize>,
    with: String,
}

impl Mutation {
    fn applied(&self, text: &str) -> String {
        format!("{}{}{}", &text[..self.range.start], self.with, &text[self.range.end..])
    }

    fn describe(&self, text: &str) -> String {
        let line = text[..self.range.start].lines().count().max(1);
        let example = self.example.file_name().expect("it has a name").to_string_lossy();
        format!("{example}/{}:{line}: `{}` → `{}`", self.file, &text[self.range.clone()], self.with)
    }
}

/// Words that stand for one of a few things, with another one of them.
const WORDS: &[(&str, &str)] = &[
    ("round-robin", "random"),
    ("maglev", "ring-hash"),
    ("json", "\"%PROTOCOL%\""),
    ("http1", "http2"),
    ("tcp", "http1"),
    ("http", "tcp"),
    ("issued-cookie", "source-ip"),
    ("source-ip", "path"),
    ("5xx", "gateway-error"),
    ("connect-failure", "reset"),
    ("refused-stream", "reset"),
    ("unavailable", "internal"),
    ("credentials", ""),
    ("GET", "PATCH"),
    ("HEAD", "PATCH"),
    ("PUT", "PATCH"),
    ("POST", "PUT"),
    ("set", "add"),
    ("request", "response"),
    ("response", "request"),
    ("regex", "path"),
];

/// Collects what can be changed in one file.
struct Finder<'t> {
    text: &'t str,
    /// Every destination that the program names.
    destinations: Vec<String>,
    found: Vec<(std::ops::Range<usize>, String)>,
}

impl<'t> Finder<'t> {
    fn of(&self, span: Span) -> &'t str {
        &self.text[span.start as usize..span.end as usize]
    }

    fn change(&mut self, span: Span, with: impl Into<String>) {
        self.found.push((span.start as usize..span.end as usize, with.into()));
    }

    fn body(&mut self, body: &Body) {
        for clause in &body.clauses {
            self.clause(clause);
        }
    }

    fn clause(&mut self, clause: &Clause) {
        match clause {
            Clause::When(when) => {
                self.drop_block(when.span);
                if let Some(condition) = &when.condition {
                    self.condition(condition);
                }
                return self.body(&when.body);
            }
            Clause::Otherwise(span, body) => {
                self.drop_block(*span);
                return self.body(body);
            }
            Clause::Split(split) => self.split(split),
            other => self.tokens(other.span()),
        }
        self.drop_clause(clause.span());
    }

    /// A clause with the separator behind it.
    fn drop_clause(&mut self, span: Span) {
        let rest = &self.text[span.end as usize..];
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        let separator = if rest[blanks..].starts_with(';') { blanks + 1 } else { 0 };
        self.found.push((span.start as usize..span.end as usize + separator, String::new()));
    }

    fn drop_block(&mut self, head: Span) {
        let mut depth = 0;
        for (at, c) in self.text[head.end as usize..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 1 => {
                    self.found.push((head.start as usize..head.end as usize + at + 1, String::new()));
                    return;
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }

    fn split(&mut self, split: &Split) {
        for share in &split.shares {
            let own = self.of(share.destination.span);
            for other in self.destinations.clone().into_iter().filter(|d| d != own).take(3) {
                self.change(share.destination.span, other);
            }
        }
        if let [first, second, ..] = split.shares.as_slice()
            && let (Portioning::Part(a), Portioning::Part(b)) = (&first.portion, &second.portion)
            && let (Some(one), Some(other)) = (percent(self.of(a.span)), percent(self.of(b.span)))
        {
            for by in [1, 5] {
                let shares = format!(
                    "{}% {}, {}% {}",
                    one - by,
                    self.of(first.destination.span),
                    other + by,
                    self.of(second.destination.span)
                );
                self.change(first.span.to(second.span), shares);
            }
        }
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::And(parts) | Condition::Or(parts) => {
                let (word, other) = if matches!(condition, Condition::And(_)) { ("and", "or") } else { ("or", "and") };
                for pair in parts.windows(2) {
                    let (left, right) = (place(&pair[0]), place(&pair[1]));
                    let between = &self.text[left.end as usize..right.start as usize];
                    if let Some(at) = between.find(word) {
                        let start = left.end as usize + at;
                        self.found.push((start..start + word.len(), other.to_owned()));
                    }
                    // One of the two alone.
                    self.change(left.to(right), self.of(left));
                    self.change(left.to(right), self.of(right));
                }
                parts.iter().for_each(|part| self.condition(part));
            }
            Condition::Not(part) => {
                let span = place(part);
                let start = self.text[..span.start as usize].rfind("not").expect("it is denied");
                self.found.push((start..start + 4, String::new()));
                self.condition(part);
            }
            Condition::Test(test) => self.test(test),
        }
    }

    fn test(&mut self, test: &Test) {
        self.found.push((test.span.start as usize..test.span.start as usize, "not ".to_owned()));
        for (word, other) in [
            (" = ", " prefix "),
            (" prefix ", " = "),
            (" suffix ", " contains "),
            (" contains ", " suffix "),
            (" exists", " = \"x\""),
        ] {
            if let Some(at) = self.of(test.span).find(word) {
                let start = test.span.start as usize + at;
                self.found.push((start..start + word.len(), other.to_owned()));
            }
        }
        if let Subject::Header(name) | Subject::Query(name) | Subject::Cookie(name) = &test.subject {
            self.change(name.span, format!("{}y", self.of(name.span)));
        }
        for value in &test.values {
            self.tokens(value.span);
        }
        if let [first, .., last] = test.values.as_slice() {
            self.change(first.span.to(last.span), self.of(first.span));
            self.change(first.span.to(last.span), self.of(last.span));
        }
    }

    /// Changes of single words, numbers and texts.
    fn tokens(&mut self, span: Span) {
        for (range, token) in tokens(self.text, span) {
            for with in changes(token) {
                self.found.push((range.clone(), with));
            }
        }
    }
}

fn percent(text: &str) -> Option<u32> {
    text.strip_suffix('%')?.parse().ok()
}

fn place(condition: &Condition) -> Span {
    match condition {
        Condition::And(parts) | Condition::Or(parts) => parts.iter().map(place).reduce(Span::to).expect("it has parts"),
        Condition::Not(part) => place(part),
        Condition::Test(test) => test.span,
    }
}

fn tokens(text: &str, span: Span) -> Vec<(std::ops::Range<usize>, &str)> {
    let (mut at, end) = (span.start as usize, span.end as usize);
    let mut found = Vec::new();
    while at < end {
        let rest = &text[at..end];
        let first = rest.chars().next().expect("there is more");
        let length = match first {
            '"' | '`' => rest[1..].find(first).map_or(rest.len(), |i| i + 2),
            c if c.is_whitespace() || c == ',' || c == '=' => 1,
            _ => rest.find(|c: char| c.is_whitespace() || ",=\"`".contains(c)).unwrap_or(rest.len()),
        };
        if !rest[..length].trim_matches([' ', '\n', ',', '=']).is_empty() {
            found.push((at..at + length, &rest[..length]));
        }
        at += length;
    }
    found
}

/// What a word, number or text is changed to.
fn changes(token: &str) -> Vec<String> {
    if let Some(inner) = token.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        return vec![format!("\"{inner}x\""), format!("\"{}\"", &inner[..inner.len().saturating_sub(1)])];
    }
    if let Some((_, other)) = WORDS.iter().find(|(word, _)| *word == token) {
        return vec![(*other).to_owned()];
    }
    // The first number in it, as of a duration, a rate, a share, a name that ends in one.
    let Some(start) = token.find(|c: char| c.is_ascii_digit()) else {
        return if token.starts_with("x-") || token.contains('.') { vec![format!("{token}y")] } else { Vec::new() };
    };
    let digits = token[start..].find(|c: char| !c.is_ascii_digit()).map_or(token.len(), |i| start + i);
    let Ok(number) = token[start..digits].parse::<u64>() else { return Vec::new() };
    let with = |number: u64| format!("{}{number}{}", &token[..start], &token[digits..]);
    let less = number.checked_sub(1).filter(|n| *n > 0).map(with);
    std::iter::once(with(number + 1)).chain(less).collect()
}

/// The names of the policy files of an example, tests aside.
fn policies(example: &Path) -> Vec<String> {
    let names = fs::read_dir(example).expect("it is there").map(|e| e.expect("it can be read").file_name());
    let mut names: Vec<String> = names.map(|n| n.to_string_lossy().into_owned()).collect();
    names.retain(|name| name.ends_with(".mesh") && !name.ends_with("_test.mesh"));
    names.sort();
    names
}

fn mutations(example: &Path) -> Vec<Mutation> {
    let files: Vec<(String, String)> = policies(example)
        .into_iter()
        .map(|name| (name.clone(), fs::read_to_string(example.join(name)).expect("it can be read")))
        .collect();
    let destinations: Vec<String> = files.iter().flat_map(|(_, text)| destinations(text)).collect();
    let mut all = Vec::new();
    for (file, text) in files {
        let (policy, problems) = parse::parse(FileId(0), &text);
        assert!(problems.is_empty(), "{}: {problems:?}", example.display());
        let mut finder = Finder { text: &text, destinations: destinations.clone(), found: Vec::new() };
        for declaration in &policy.declarations {
            match declaration {
                Declaration::Param(param) => finder.tokens(param.value.span),
                Declaration::Bundle(bundle) => finder.body(&bundle.body),
                Declaration::Service(service) => finder.body(&service.body),
                Declaration::Route(route) => finder.body(&route.body),
                Declaration::Listen(listen) => finder.body(&listen.body),
                _ => {}
            }
        }
        let found = finder.found.into_iter();
        all.extend(found.map(|(range, with)| Mutation {
            example: example.to_owned(),
            file: file.clone(),
            range,
            with,
        }));
    }
    all
}

/// What the splits of a text name.
fn destinations(text: &str) -> Vec<String> {
    fn of(body: &Body, text: &str, names: &mut Vec<String>) {
        for clause in &body.clauses {
            match clause {
                Clause::Split(split) => names.extend(split.shares.iter().map(|s| {
                    let span = s.destination.span;
                    text[span.start as usize..span.end as usize].to_owned()
                })),
                Clause::When(when) => of(&when.body, text, names),
                _ => {}
            }
        }
    }
    let mut names = Vec::new();
    for declaration in &parse::parse(FileId(0), text).0.declarations {
        match declaration {
            Declaration::Route(route) => {
                names.extend(route.subjects.iter().map(|s| s.text.clone()));
                of(&route.body, text, &mut names);
            }
            Declaration::Listen(listen) => of(&listen.body, text, &mut names),
            _ => {}
        }
    }
    names.sort();
    names.dedup();
    names
}

fn meshc(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meshc")).args(args).current_dir(folder).output().expect("meshc runs")
}

/// A copy of an example, without folders in it.
fn copy(example: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for entry in fs::read_dir(example).expect("it is there") {
        let entry = entry.expect("it can be read");
        if entry.file_type().expect("it has one").is_file() {
            fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("it can be copied");
        }
    }
    folder
}

enum Came {
    /// It does not compile, or to the same.
    OfNothing,
    Noticed,
    Unnoticed,
}

fn tried(mutation: &Mutation, text: &str) -> Came {
    let folder = copy(&mutation.example);
    let before = meshc(folder.path(), &["compile"]);
    fs::write(folder.path().join(&mutation.file), mutation.applied(text)).expect("it can be written");
    let after = meshc(folder.path(), &["compile"]);
    if after.status.code() != Some(0) || before.stdout == after.stdout {
        return Came::OfNothing;
    }
    match meshc(folder.path(), &["test", "--no-snapshots"]).status.code() {
        Some(0) => Came::Unnoticed,
        Some(1) => Came::Noticed,
        other => panic!("{} ended with {other:?}", mutation.describe(text)),
    }
}

/// A fixed order that looks like none (a linear congruential generator).
fn shuffled(mut all: Vec<Mutation>) -> Vec<Mutation> {
    let mut state: u64 = 6;
    for at in (1..all.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let other = usize::try_from(state >> 33).expect("31 bits fit") % (at + 1);
        all.swap(at, other);
    }
    all
}

#[test]
fn the_examples_pass_their_tests() {
    for example in folders("examples") {
        let done = meshc(&example, &["test", "--no-snapshots", "--min-coverage", "100"]);
        let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(0), "{}: {said}", example.display());
        assert!(!said.contains("0 requests"), "{} has no tests", example.display());
    }
}

#[test]
fn of_100_mutations_95_are_noticed() {
    let wanted = std::env::var("MESHC_MUTATIONS").ok().map_or(100, |n| n.parse().expect("a number"));
    let all: Vec<Mutation> = folders("examples").iter().flat_map(|example| mutations(example)).collect();
    let candidates = all.len();
    let (mut noticed, mut unnoticed, mut of_nothing) = (0, Vec::new(), 0);
    for mutation in shuffled(all) {
        if noticed + unnoticed.len() == wanted {
            break;
        }
        let text = fs::read_to_string(mutation.example.join(&mutation.file)).expect("it can be read");
        match tried(&mutation, &text) {
            Came::OfNothing => of_nothing += 1,
            Came::Noticed => noticed += 1,
            Came::Unnoticed => unnoticed.push(mutation.describe(&text)),
        }
    }
    let tried = noticed + unnoticed.len();
    eprintln!("{candidates} candidates; {of_nothing} were none; {noticed} of {tried} noticed; not noticed:");
    unnoticed.iter().for_each(|what| eprintln!("  {what}"));
    assert!(tried >= wanted.min(100), "there are only {tried} mutations");
    assert!(noticed * 100 >= tried * 95, "only {noticed} of {tried} mutations are noticed");
}
