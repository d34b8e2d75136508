//! The formatter: canonical blanks and indentation, the user's lines and comments kept.
//!
//! It works on pieces (words, texts, brackets, separators, comments), so that nothing can be lost
//! that the tree does not hold. Before it gives a result it parses it again and compares: the
//! formatted file says what the original said, or there is none.

use crate::diagnostic::{Diagnostic, any_error, codes};
use crate::parse;
use crate::source::{FileId, Span};
use std::collections::BTreeSet;

/// Formats a file.
///
/// # Errors
/// The file's own errors where it does not parse, since a formatter that guesses loses text.
pub fn format(file: FileId, text: &str) -> Result<String, Vec<Diagnostic>> {
    let (policy, mut diagnostics) = parse::parse(file, text);
    diagnostics.extend(policy.test_diagnostics);
    if any_error(&diagnostics) {
        crate::diagnostic::sort(&mut diagnostics);
        return Err(diagnostics);
    }
    let formatted = Printer::new(text).run();
    if parse::shape(file, &formatted) == parse::shape(file, text) {
        return Ok(formatted);
    }
    let help = "the file is left as it is; this is a bug of meshc, please report it with the file";
    let message = "formatting would change what this file says";
    Err(vec![Diagnostic::new(codes::INTERNAL, Span::new(file, 0, 0), message).help(help)])
}

/// A piece of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    Word(&'a str),
    Text(&'a str),
    Sign(&'a str),
    Comment(&'a str),
    Line,
}

struct Printer<'a> {
    pieces: Vec<Piece<'a>>,
    /// Of each bracket that opens a block of several lines, and the one that closes it, the place.
    long: BTreeSet<usize>,
    out: String,
    depth: usize,
    /// Whether the current line has nothing on it yet.
    fresh: bool,
    /// Whether the clause names labels, in which `=` stands without blanks.
    labels: bool,
    /// Line ends seen since the last piece.
    lines: usize,
    /// Brackets open inside parentheses, in which line ends do not end a clause.
    parens: usize,
}

impl<'a> Printer<'a> {
    fn new(text: &'a str) -> Self {
        let pieces = braces_first(pieces(text));
        Self {
            long: long_blocks(&pieces),
            pieces,
            out: String::with_capacity(text.len()),
            depth: 0,
            fresh: true,
            labels: false,
            lines: 0,
            parens: 0,
        }
    }

    fn run(mut self) -> String {
        let pieces = std::mem::take(&mut self.pieces);
        for (at, piece) in pieces.iter().enumerate() {
            let before = at.checked_sub(1).and_then(|i| pieces.get(i)).copied();
            let long = self.long.contains(&at);
            // The brackets of a block of several lines have no clause beside them.
            if long && matches!(piece, Piece::Sign("}")) {
                self.lines = self.lines.max(1);
            }
            self.piece(*piece, before);
            if long && matches!(piece, Piece::Sign("{")) && !matches!(pieces.get(at + 1), Some(Piece::Comment(_))) {
                self.lines = 1;
            }
        }
        if !self.out.is_empty() && !self.fresh {
            self.out.push('\n');
        }
        self.out
    }

    fn piece(&mut self, piece: Piece<'a>, before: Option<Piece<'a>>) {
        match piece {
            Piece::Line => return self.lines += 1,
            // A separator at the end of a line says nothing.
            Piece::Sign(";") => return self.semicolon(),
            _ => {}
        }
        let joined = self.joined(piece);
        self.end_lines(piece, joined);
        if matches!(piece, Piece::Sign("}")) {
            self.depth = self.depth.saturating_sub(1);
        }
        if self.fresh {
            self.indent(before);
        } else if self.spaced(piece) {
            self.out.push(' ');
        }
        self.write(piece);
    }

    /// Whether this piece belongs to the line before although a line end stands between.
    fn joined(&self, piece: Piece<'_>) -> bool {
        matches!(piece, Piece::Sign("{"))
            && !self.out.trim_end().is_empty()
            && !self.out.ends_with(['{', '}', ';'])
            && self.lines > 0
    }

    fn end_lines(&mut self, piece: Piece<'_>, joined: bool) {
        let lines = std::mem::take(&mut self.lines);
        if lines == 0 || joined {
            return;
        }
        self.drop_semicolon();
        if !self.fresh {
            self.out.push('\n');
            self.fresh = true;
        }
        let closes = matches!(piece, Piece::Sign("}"));
        let opened = self.out.ends_with("{\n");
        if lines > 1 && !closes && !opened && !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
        if self.parens == 0 {
            self.labels = false;
        }
    }

    fn drop_semicolon(&mut self) {
        while self.out.ends_with(';') || self.out.ends_with(' ') {
            self.out.pop();
        }
    }

    fn semicolon(&mut self) {
        self.labels = false;
        let needless = self.fresh || self.out.ends_with([';', '{', '}']);
        if !needless {
            self.out.push(';');
        }
    }

    fn indent(&mut self, before: Option<Piece<'_>>) {
        let continues = self.parens > 0 || (matches!(before, Some(Piece::Line)) && self.unfinished());
        let depth = self.depth + usize::from(continues);
        self.out.extend(std::iter::repeat_n("  ", depth));
        self.fresh = false;
    }

    /// Whether the line before asks for more.
    fn unfinished(&self) -> bool {
        let line = self.out.trim_end();
        let line = line.rsplit('\n').next().unwrap_or(line);
        let line = line.split(" #").next().unwrap_or(line).trim_end();
        line.ends_with(',')
            || line.ends_with("=>")
            || ["and", "or", "not"].iter().any(|w| line.split(' ').next_back() == Some(w))
    }

    fn spaced(&self, piece: Piece<'_>) -> bool {
        let equals = |p: Piece<'_>| matches!(p, Piece::Sign("="));
        match piece {
            Piece::Sign("," | ")") => false,
            _ if self.out.ends_with('(') => false,
            p if self.labels && (equals(p) || self.out.ends_with('=')) => false,
            _ => true,
        }
    }

    fn write(&mut self, piece: Piece<'a>) {
        match piece {
            Piece::Word(text) => {
                self.labels |= matches!(text, "selector" | "where");
                self.out.push_str(text);
            }
            Piece::Text(text) => self.out.push_str(text),
            Piece::Comment(text) => self.out.push_str(text.trim_end()),
            Piece::Sign(sign) => {
                match sign {
                    "{" => {
                        self.depth += 1;
                        self.labels = false;
                    }
                    "(" => self.parens += 1,
                    ")" => self.parens = self.parens.saturating_sub(1),
                    _ => {}
                }
                self.out.push_str(sign);
            }
            Piece::Line => {}
        }
    }
}

/// The places of the brackets around blocks that have a line end in them.
fn long_blocks(pieces: &[Piece<'_>]) -> BTreeSet<usize> {
    let mut long = BTreeSet::new();
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut lines = 0;
    for (at, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Line => lines += 1,
            Piece::Sign("{") => open.push((at, lines)),
            Piece::Sign("}") => {
                let block = open.pop().filter(|(_, before)| lines > *before);
                long.extend(block.into_iter().flat_map(|(start, _)| [start, at]));
            }
            _ => {}
        }
    }
    long
}

/// An opening brace that stands below its clause goes to the clause's line, and the comments between
/// them behind it.
fn braces_first(pieces: Vec<Piece<'_>>) -> Vec<Piece<'_>> {
    let mut out: Vec<Piece<'_>> = Vec::with_capacity(pieces.len());
    let mut pieces = pieces.into_iter().peekable();
    while let Some(piece) = pieces.next() {
        let between = |p: &&Piece<'_>| matches!(p, Piece::Comment(_) | Piece::Line);
        let gap = if piece == Piece::Sign("{") { out.iter().rev().take_while(between).count() } else { 0 };
        let at = out.len() - gap;
        let comments = out.iter().skip(at).any(|p| matches!(p, Piece::Comment(_)));
        let clause = at.checked_sub(1).and_then(|i| out.get(i));
        if comments && clause.is_some_and(|p| !matches!(p, Piece::Sign("{" | "}" | ";"))) {
            // The line end behind the brace is that of the comment now.
            if pieces.peek() == Some(&Piece::Line) && out.last() == Some(&Piece::Line) {
                out.pop();
            }
            out.insert(at, piece);
        } else {
            out.push(piece);
        }
    }
    out
}

/// Cuts a text that parses into its pieces; blanks are left out.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            ' ' | '\t' | '\r' => 1,
            '\n' => 1,
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' => quoted(rest),
            '`' => rest.get(1..).and_then(|t| t.find('`')).map_or(rest.len(), |at| at + 2),
            '{' | '}' | '(' | ')' | ',' | ';' => 1,
            // A path in a test, which nothing but a blank ends.
            '/' => rest.find([' ', '\t', '\r', '\n', '#']).unwrap_or(rest.len()),
            '=' if rest.starts_with("=>") => 2,
            '=' => 1,
            _ => rest
                .find([' ', '\t', '\r', '\n', '#', '"', '`', '{', '}', '(', ')', ',', ';', '='])
                .unwrap_or(rest.len()),
        };
        let Some((piece, tail)) = rest.split_at_checked(length) else { break };
        rest = tail;
        pieces.extend(match c {
            ' ' | '\t' | '\r' => None,
            '\n' => Some(Piece::Line),
            '#' => Some(Piece::Comment(piece)),
            '"' | '`' => Some(Piece::Text(piece)),
            '{' | '}' | '(' | ')' | ',' | ';' | '=' => Some(Piece::Sign(piece)),
            _ => Some(Piece::Word(piece)),
        });
    }
    pieces
}

/// The length of a text in quotes.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
