//! Text → syntax tree: each declaration on its own, so that a broken one costs no other.

use crate::clause::Clause;
use crate::diagnostic::{Diagnostic, codes};
use crate::grammar::{Mesh, Rule};
use crate::layout::{self, Chunk, Layout};
use crate::parallel::map_parts;
use crate::recover;
use crate::source::{FileId, Name, Span};
use crate::syntax::{Body, Bundle, Declaration, Listen, Param, Policy, Route, Service};
use crate::testing::TestBlock;
use crate::value::{Value, ValueKind};
use pest::Parser;
use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::sync::Once;

pub(crate) type Pair<'i> = pest::iterators::Pair<'i, Rule>;

/// More parsing steps than any text of [`layout::MAX_FILE`] takes: some 30 a byte were measured.
const CALL_LIMIT: usize = 96 * layout::MAX_FILE;
/// How many declarations make a thread worth its start.
const LEAST: usize = 64;

/// Parses one file.
pub fn parse(file: FileId, text: &str) -> (Policy, Vec<Diagnostic>) {
    limit_calls();
    let written = text;
    let Layout { text, declarations, mut diagnostics, reported, .. } = layout::layout(file, text);
    let mut policy = Policy { file, ..Policy::default() };
    let parts = map_parts(&declarations, LEAST, |part| {
        let (mut read, mut problems, mut of_tests) = (Vec::with_capacity(part.len()), Vec::new(), Vec::new());
        for chunk in part {
            let chunk_text = chunk_text(&text, chunk);
            let diagnostics =
                if recover::first_word(chunk_text.trim_start()) == "test" { &mut of_tests } else { &mut problems };
            let (base, end) = (chunk.range.start, chunk.range.end);
            let mut cx = Builder { file, base, end, reported: &reported, diagnostics, yaml: false };
            read.extend(cx.declaration(&chunk_text));
        }
        (read, problems, of_tests)
    });
    for (mut read, mut problems, mut of_tests) in parts {
        policy.declarations.append(&mut read);
        diagnostics.append(&mut problems);
        policy.test_diagnostics.append(&mut of_tests);
    }
    for diagnostic in diagnostics.iter_mut().chain(&mut policy.test_diagnostics) {
        let fix = diagnostic.fix.iter_mut().map(|fix| &mut fix.span);
        let labels = diagnostic.labels.iter_mut().map(|label| &mut label.span);
        labels.chain(fix).for_each(|span| *span = whole_characters(*span, written));
    }
    (policy, diagnostics)
}

/// A span over whole characters: a quote of another kind is read as a plain one, which is shorter.
fn whole_characters(span: Span, text: &str) -> Span {
    let inside = |at: &usize| !text.is_char_boundary(*at);
    let (start, end) = (span.start as usize, span.end as usize);
    if end > text.len() || !(inside(&start) || inside(&end)) {
        return span;
    }
    let start = (0..=start).rev().find(|at| !inside(at)).unwrap_or(0);
    let end = (end..=text.len()).find(|at| !inside(at)).unwrap_or(text.len());
    Span::new(span.file, start, end)
}

/// A declaration's text, with the closing braces that it lacks.
fn chunk_text<'t>(text: &'t str, chunk: &Chunk) -> Cow<'t, str> {
    let own = text.get(chunk.range.clone()).unwrap_or("");
    if chunk.missing == 0 { Cow::Borrowed(own) } else { Cow::Owned(format!("{own}{}", "}".repeat(chunk.missing))) }
}

/// What a file says, apart from blanks, line ends and comments: the grammar's pairs without places.
/// A declaration that does not parse stands as its text.
pub(crate) fn shape(file: FileId, text: &str) -> Vec<String> {
    limit_calls();
    let Layout { text, declarations, .. } = layout::layout(file, text);
    let mut shape = Vec::new();
    for chunk in declarations {
        let chunk = chunk_text(&text, &chunk);
        match Mesh::parse(Rule::one_declaration, &chunk) {
            Ok(pairs) => pairs.for_each(|pair| pair_shape(pair, &mut shape)),
            Err(_) => shape.push(chunk.into_owned()),
        }
    }
    shape
}

fn pair_shape(pair: Pair<'_>, shape: &mut Vec<String>) {
    let rule = pair.as_rule();
    let text = pair.as_str();
    let inner = pair.into_inner();
    if inner.is_empty() {
        // Blanks count inside texts alone; elsewhere they stand between keywords.
        let exact = matches!(rule, Rule::quoted | Rule::raw);
        let text: String = text.chars().filter(|c| exact || !c.is_whitespace()).collect();
        shape.push(format!("{rule:?} {text}"));
        return;
    }
    shape.push(format!("{rule:?} ("));
    inner.for_each(|pair| pair_shape(pair, shape));
    shape.push(")".to_owned());
}

/// Sets pest's call limit, which is one for the process, once: a grammar that stopped being
/// linear would then end in a diagnostic, not in a hang.
fn limit_calls() {
    static SET: Once = Once::new();
    SET.call_once(|| pest::set_call_limit(NonZeroUsize::new(CALL_LIMIT)));
}

/// What the readers of clauses need: places, and somewhere to report to.
pub(crate) struct Builder<'a> {
    pub(crate) file: FileId,
    /// Where the parsed declaration begins in the file.
    pub(crate) base: usize,
    /// Where its own text ends in the file: closing braces that it lacked stand behind it.
    pub(crate) end: usize,
    pub(crate) reported: &'a [Span],
    pub(crate) diagnostics: &'a mut Vec<Diagnostic>,
    /// Whether the declaration was said to hold YAML.
    pub(crate) yaml: bool,
}

impl Builder<'_> {
    fn declaration(&mut self, text: &str) -> Option<Declaration> {
        // What may not stand at its beginning was reported, and is blank by now.
        let own = text.trim_start_matches(' ');
        let blank = text.len() - own.len();
        self.base += blank;
        let text = own;
        // So was text in quotes of another kind, which begins no declaration either.
        if blank > 0 && text.starts_with('"') {
            return None;
        }
        let joined = recover::port_apart(self, text).or_else(|| recover::route_to(self, text));
        let text = joined.as_deref().unwrap_or(text);
        match Mesh::parse(Rule::one_declaration, text) {
            Ok(mut pairs) => self.read_declaration(pairs.next()?),
            Err(error) => {
                recover::declaration(self, text, &error);
                None
            }
        }
    }

    fn read_declaration(&mut self, pair: Pair<'_>) -> Option<Declaration> {
        let (rule, span) = (pair.as_rule(), self.span(&pair));
        if rule == Rule::test_block {
            return TestBlock::read(pair, self).map(Declaration::Test);
        }
        let mut names = pair.clone().into_inner().take_while(|p| p.as_rule() != Rule::body);
        let name = self.name(&names.next()?);
        Some(match rule {
            Rule::namespace => Declaration::Namespace(name),
            Rule::scope => Declaration::Scope(name),
            Rule::param => Declaration::Param(Param { name, value: self.value(names.next()?) }),
            Rule::policy => Declaration::Bundle(Bundle { name, body: self.body(pair) }),
            Rule::service => Declaration::Service(Service { name, body: self.body(pair) }),
            Rule::listen => {
                let address = self.name(&names.next()?);
                Declaration::Listen(Listen { name, address, body: self.body(pair), span })
            }
            _ => {
                let subjects = std::iter::once(name).chain(names.map(|p| self.name(&p))).collect();
                Declaration::Route(Route { subjects, body: self.body(pair), span })
            }
        })
    }

    /// The clauses inside a pair, which is a declaration, a `when` or an `otherwise`.
    pub(crate) fn body(&mut self, pair: Pair<'_>) -> Body {
        let mut clauses = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::body => return self.body(part),
                Rule::subject | Rule::word | Rule::condition | Rule::bad_condition => {}
                _ => clauses.extend(Clause::read(part, self)),
            }
        }
        Body { clauses }
    }

    pub(crate) fn span(&self, pair: &Pair<'_>) -> Span {
        let span = pair.as_span();
        let inside = span.as_str();
        let end = span.end() - (inside.len() - inside.trim_end().len());
        self.own(Span::new(self.file, self.base + span.start(), self.base + end))
    }

    /// A place without the closing braces that the text lacked.
    fn own(&self, span: Span) -> Span {
        let end = (span.end as usize).min(self.end);
        Span::new(self.file, (span.start as usize).min(end), end)
    }

    /// The same of a text that stands at a place in the file.
    pub(crate) fn own_text<'t>(&self, at: usize, text: &'t str) -> &'t str {
        text.get(..self.end.saturating_sub(at)).unwrap_or(text)
    }

    /// The place of the keyword that a pair begins with.
    pub(crate) fn keyword_span(&self, pair: &Pair<'_>, keyword: &str) -> Span {
        let start = self.base + pair.as_span().start();
        Span::new(self.file, start, start + keyword.len())
    }

    pub(crate) fn name(&self, pair: &Pair<'_>) -> Name {
        Name { text: pair.as_str().to_owned(), span: self.span(pair) }
    }

    /// Reads a value, or the value inside a pair that holds just one.
    pub(crate) fn value(&mut self, pair: Pair<'_>) -> Value {
        let span = self.span(&pair);
        let text = pair.as_str();
        let kind = match pair.as_rule() {
            Rule::quoted => ValueKind::Text(self.unescape(text, span)),
            Rule::raw => ValueKind::Text(text.trim_matches('`').to_owned()),
            _ => match text.strip_prefix('$') {
                Some(param) => ValueKind::Param(param.to_owned()),
                None => ValueKind::Word(text.to_owned()),
            },
        };
        Value { span, kind }
    }

    /// Takes the value of an option such as `burst 4` unless it was already given.
    pub(crate) fn set_once(&mut self, slot: &mut Option<Value>, option: Pair<'_>, name: &str) {
        let place = self.span(&option);
        self.refuse_second(slot.is_some(), name, place);
        *slot = option.into_inner().next().map(|p| self.value(p));
    }

    /// Reports an option that was already given.
    pub(crate) fn refuse_second(&mut self, given: bool, name: &str, place: Span) {
        if given {
            let message = format!("`{name}` is written twice");
            self.report(Diagnostic::new(codes::WRITTEN_TWICE, place, message).help("take one of the two away"));
        }
    }

    /// Whether something between two places was reported before the text was parsed.
    pub(crate) fn lost(&self, start: usize, end: usize) -> bool {
        let range = Span::new(self.file, start, end);
        self.reported.iter().any(|r| r.start >= range.start && r.end <= range.end)
    }

    /// Reports, unless the place lies in text that was reported already.
    pub(crate) fn report(&mut self, mut diagnostic: Diagnostic) {
        diagnostic.labels.iter_mut().for_each(|label| label.span = self.own(label.span));
        diagnostic.fix.iter_mut().for_each(|fix| fix.span = self.own(fix.span));
        let known = |place: Span| self.reported.iter().any(|r| r.start >= place.start && r.end <= place.end);
        let syntax = matches!(
            diagnostic.code,
            codes::MALFORMED | codes::UNKNOWN_CLAUSE | codes::BAD_CONDITION | codes::INCOMPLETE | codes::FOREIGN_SYNTAX
        );
        if !(syntax && diagnostic.place().is_some_and(known)) {
            self.diagnostics.push(diagnostic);
        }
    }

    pub(crate) fn malformed_clause(&mut self, pair: &Pair<'_>) {
        recover::clause(self, pair.as_str(), self.base + pair.as_span().start());
    }

    pub(crate) fn malformed_condition(&mut self, pair: &Pair<'_>, keyword: Span) {
        recover::condition(self, pair.as_str(), self.base + pair.as_span().start(), keyword);
    }

    fn unescape(&mut self, quoted: &str, span: Span) -> String {
        let inner = quoted.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(quoted);
        if !inner.contains('\\') {
            return inner.to_owned();
        }
        let mut out = String::with_capacity(inner.len());
        let mut chars = inner.char_indices();
        while let Some((at, c)) = chars.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            match escape(&mut chars) {
                Some(c) => out.push(c),
                None => {
                    let rest = chars.as_str();
                    let end = inner.len() - rest.len();
                    let start = span.start as usize + 1;
                    let place = Span::new(self.file, start + at, start + end);
                    let bad = inner.get(at..end).unwrap_or("\\");
                    let help = r#"the escapes are `\"`, `\\`, `\n`, `\t`, `\r` and `\u{…}`; a regular expression is best written in backquotes"#;
                    self.report(
                        Diagnostic::new(codes::BAD_ESCAPE, place, format!("`{bad}` is not an escape")).help(help),
                    );
                }
            }
        }
        out
    }
}

fn escape(chars: &mut std::str::CharIndices<'_>) -> Option<char> {
    match chars.next()?.1 {
        '"' => Some('"'),
        '\\' => Some('\\'),
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        'u' => {
            let digits = chars.as_str().strip_prefix('{').and_then(|t| t.split_once('}'))?.0;
            let c = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)?;
            chars.nth(digits.len() + 1)?;
            Some(c)
        }
        _ => None,
    }
}
