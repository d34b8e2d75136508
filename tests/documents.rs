//! The language reference: its examples compile, and it leaves no clause and no condition out.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

mod common;

use common::document::{Block, blocks, read};
use common::{Case, compile_case};
use meshc_compiler::Target;
use meshc_dsl::clause::{self, Clause};
use meshc_dsl::condition::{Condition, OPERATORS, Operator, SUBJECTS};
use meshc_dsl::parse::parse;
use meshc_dsl::syntax::{Body, Declaration};
use meshc_dsl::{FileId, Span};
use std::collections::BTreeSet;

/// The grammar, in which every word of the language stands in quotes.
const GRAMMAR: &str = include_str!("../dsl/src/mesh.pest");

fn examples() -> Vec<Block> {
    let (blocks, _) = blocks(&read("language.md"));
    blocks.into_iter().filter(|block| block.language() == "mesh").collect()
}

#[test]
fn examples_of_the_language_reference_compile() {
    let examples = examples();
    assert!(examples.len() >= 25, "the examples are gone: {}", examples.len());
    for Block { text, line, info } in &examples {
        let settings: Vec<&str> = info.iter().skip(1).map(String::as_str).collect();
        let target = match settings.as_slice() {
            [] => Target::DEFAULT,
            [one] => one.strip_prefix("target=").and_then(Target::parse).expect("a fence says `target=TARGET`"),
            more => panic!("docs/language.md:{line}: {more:?}"),
        };
        let policies = vec![("example.mesh".into(), text.clone())];
        let (_, compiled) = compile_case(&Case { policies, catalog: None, target, params: Vec::new() });
        assert!(compiled.manifest.is_some(), "docs/language.md:{line}: {:?}", compiled.diagnostics);
    }
}

/// What the examples use.
#[derive(Default)]
struct Used {
    /// The first words of clauses.
    clauses: BTreeSet<String>,
    /// The first words of conditions.
    subjects: BTreeSet<String>,
    /// Subject and operator of conditions.
    operators: Vec<Operator>,
    /// All words, wherever they stand.
    words: BTreeSet<String>,
}

impl Used {
    fn of(examples: &[Block]) -> Self {
        let mut used = Self::default();
        for Block { text, .. } in examples {
            let (policy, problems) = parse(FileId(0), text);
            assert!(problems.is_empty(), "{text}: {problems:?}");
            for declaration in &policy.declarations {
                match declaration {
                    Declaration::Bundle(d) => used.body(&d.body, text),
                    Declaration::Service(d) => used.body(&d.body, text),
                    Declaration::Route(d) => used.body(&d.body, text),
                    Declaration::Listen(d) => used.body(&d.body, text),
                    Declaration::Namespace(_) | Declaration::Scope(_) | Declaration::Param(_) => {}
                }
            }
            used.words.extend(words(text));
        }
        used
    }

    fn body(&mut self, body: &Body, text: &str) {
        for clause in &body.clauses {
            self.clauses.extend(words(at(text, clause.span())).next());
            match clause {
                Clause::When(when) => {
                    if let Some(condition) = &when.condition {
                        self.condition(condition, text);
                    }
                    self.body(&when.body, text);
                }
                Clause::Otherwise(_, body) => self.body(body, text),
                // `rest` begins a share, not a clause.
                Clause::Split(split) => {
                    self.clauses.extend(words(at(text, split.span)).filter(|word| word == "rest"));
                }
                _ => {}
            }
        }
    }

    fn condition(&mut self, condition: &Condition, text: &str) {
        match condition {
            Condition::And(parts) | Condition::Or(parts) => parts.iter().for_each(|part| self.condition(part, text)),
            Condition::Not(part) => self.condition(part, text),
            Condition::Test(test) => {
                self.subjects.extend(words(at(text, test.span)).next());
                self.operators.push(test.operator);
            }
        }
    }
}

fn at(text: &str, span: Span) -> &str {
    text.get(span.start as usize..span.end as usize).expect("a clause is a part of its text")
}

/// The words of a text: runs of small letters, digits and hyphens.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
}

/// Whether a document speaks of something: it begins a piece of code in its text.
fn speaks_of(outside: &str, word: &str) -> bool {
    outside.match_indices(&format!("`{word}")).any(|(at, found)| {
        let behind = outside.get(at + found.len()..).and_then(|rest| rest.chars().next());
        behind.is_some_and(|c| !c.is_ascii_alphanumeric() && c != '-')
    })
}

#[test]
fn every_clause_has_a_section_and_an_example() {
    let used = Used::of(&examples());
    let (_, outside) = blocks(&read("language.md"));
    let mut known = 0;
    for word in clause::words() {
        assert!(speaks_of(&outside, word), "docs/language.md says nothing of the clause `{word}`");
        assert!(used.clauses.contains(word), "docs/language.md has no example of the clause `{word}`");
        known += 1;
    }
    assert!(known > 30, "the list of clauses is gone");
}

#[test]
fn every_condition_has_a_line_and_an_example() {
    let used = Used::of(&examples());
    let (_, outside) = blocks(&read("language.md"));
    for subject in SUBJECTS {
        assert!(speaks_of(&outside, subject), "docs/language.md says nothing of the condition `{subject}`");
        assert!(used.subjects.contains(*subject), "docs/language.md has no example of the condition `{subject}`");
    }
    for (word, operator) in OPERATORS {
        assert!(speaks_of(&outside, word), "docs/language.md says nothing of the operator `{word}`");
        assert!(used.operators.contains(operator), "docs/language.md has no example of the operator `{word}`");
    }
}

#[test]
fn every_word_of_the_grammar_stands_in_an_example() {
    let used = Used::of(&examples());
    let quoted =
        GRAMMAR.lines().filter(|line| !line.starts_with("//")).flat_map(|line| line.split('"').skip(1).step_by(2));
    let keywords: BTreeSet<&str> =
        quoted.filter(|word| word.len() > 1 && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')).collect();
    assert!(keywords.len() > 60, "the words of the grammar are gone: {keywords:?}");
    let missing: Vec<_> = keywords.iter().filter(|word| !used.words.contains(**word)).collect();
    assert!(missing.is_empty(), "docs/language.md has no example of {missing:?}");
}

#[test]
fn every_target_of_an_example_is_one_that_it_needs_or_shows() {
    let of_older: Vec<_> = examples().into_iter().filter(|block| block.setting("target").is_some()).collect();
    assert!(!of_older.is_empty(), "an example shows what an older release takes");
}
