//! The physical layer of a policy file: bytes → checked text → one logical line a declaration.
//!
//! What is decided here, so that the grammar need not: which characters may stand in a file, where
//! comments are, which newlines do not end a clause (after `,` `and` `or` `not` `=>`, inside
//! `( )`, before `{`), whether brackets and quotes close, and where each declaration begins and
//! ends. The result is the text itself with comments and such newlines turned into blanks: every
//! byte keeps its place, so spans need no translation. Time and space are linear.

use crate::diagnostic::{Diagnostic, codes};
use crate::source::{FileId, Span};
use std::ops::Range;

mod characters;
mod pasted;

/// The largest file that is read, in bytes.
pub const MAX_FILE: usize = 1024 * 1024;
/// How deep brackets may nest.
pub const MAX_NESTING: usize = 64;
/// The most brackets of a file that are said never to be closed.
const MOST_UNCLOSED: usize = 16;

/// The words that begin a declaration.
pub const DECLARATIONS: &[&str] = &["namespace", "scope", "param", "policy", "service", "route", "listen", "test"];

/// A comment, `#` included, line end excluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Where it stands.
    pub span: Span,
}

/// A declaration's part of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its bytes.
    pub range: Range<usize>,
    /// How many closing braces it lacks.
    pub missing: usize,
}

/// A file cut into declarations.
#[derive(Debug, Default)]
pub struct Layout {
    /// The text with comments, and newlines that end nothing, turned into blanks.
    pub text: String,
    /// Each declaration in `text`.
    pub declarations: Vec<Chunk>,
    /// All comments in order.
    pub comments: Vec<Comment>,
    /// What is wrong with the text as such.
    pub diagnostics: Vec<Diagnostic>,
    /// Places already reported, in which nothing further is worth reporting.
    pub reported: Vec<Span>,
}

/// Decodes a file's bytes; a byte order mark is passed over.
///
/// # Errors
/// A diagnostic when the file is over [`MAX_FILE`] bytes or is not UTF-8.
pub fn decode(file: FileId, bytes: &[u8]) -> Result<String, Box<Diagnostic>> {
    if bytes.len() > MAX_FILE {
        let message = format!("the file has {} bytes, and 1 MiB is the limit", bytes.len());
        return Err(Box::new(
            Diagnostic::new(codes::FILE_TOO_LARGE, Span::new(file, 0, 0), message)
                .help("split it: all files of a folder are one program"),
        ));
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()),
        Err(error) => {
            let message = format!("byte {} is not UTF-8", error.valid_up_to());
            Err(Box::new(
                Diagnostic::new(codes::NOT_UTF8, Span::new(file, 0, 0), message).help("save the file as UTF-8"),
            ))
        }
    }
}

/// Cuts a text into declarations.
pub fn layout(file: FileId, text: &str) -> Layout {
    let first = Scanner::new(file, text, false).run();
    if !first.unclosed_brace {
        return first.layout;
    }
    // A brace that never closes would swallow all that follows it. A declaration keyword in the
    // first column, where nothing inside a block stands, is taken as the end of the damage.
    Scanner::new(file, text, true).run().layout
}

struct Open {
    at: usize,
    bracket: u8,
    /// Whether it stands for a bracket of another kind.
    foreign: bool,
}

struct Scanner<'a> {
    file: FileId,
    text: &'a str,
    bytes: &'a [u8],
    out: Vec<u8>,
    at: usize,
    resync: bool,
    open: Vec<Open>,
    too_deep: bool,
    missing: usize,
    /// How many brackets were said never to be closed.
    unclosed: usize,
    start: Option<usize>,
    /// Where the next thing that is no blank or comment stands, as far as that was looked for.
    next: usize,
    last: Last,
    layout: Layout,
}

struct Scanned {
    layout: Layout,
    unclosed_brace: bool,
}

/// The last thing before a newline, as far as it decides whether the newline ends the clause.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Other,
    Continues,
    Word { start: usize },
}

impl<'a> Scanner<'a> {
    fn new(file: FileId, text: &'a str, resync: bool) -> Self {
        Self {
            file,
            text,
            bytes: text.as_bytes(),
            out: text.as_bytes().to_vec(),
            at: 0,
            resync,
            open: Vec::new(),
            too_deep: false,
            missing: 0,
            unclosed: 0,
            start: None,
            next: 0,
            last: Last::Other,
            layout: Layout::default(),
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn blank(&mut self, range: Range<usize>) {
        if let Some(part) = self.out.get_mut(range) {
            part.fill(b' ');
        }
    }

    fn run(mut self) -> Scanned {
        while let Some(byte) = self.peek(0) {
            match byte {
                _ if self.document_begins() => self.document(),
                b'\'' if !self.adjoins() && self.foreign_text('\'') => {}
                b'/' if self.apart() && matches!(self.peek(1), Some(b'/' | b'*')) => self.foreign_comment(),
                b'[' if self.ends_line() => self.foreign_bracket(b'{'),
                b']' if self.open.last().is_some_and(|o| o.foreign) => self.foreign_bracket(b'}'),
                b';' if self.open.is_empty() && self.after_block() => self.stray_separator(),
                b'\n' => self.newline(),
                b' ' | b'\t' => self.at += 1,
                b'#' => self.comment(),
                b'"' => self.quoted(),
                b'`' => self.raw(),
                b'{' | b'(' => self.open_bracket(byte),
                b'}' | b')' => self.close_bracket(byte),
                b'\r' if self.peek(1) == Some(b'\n') => {
                    self.blank(self.at..self.at + 1);
                    self.at += 1;
                }
                _ if byte < 0x20 || byte == 0x7f || byte >= 0x80 => self.unusual(),
                _ => self.plain(byte),
            }
        }
        let unclosed_brace = self.finish();
        // The bytes were only ever replaced by blanks, whole characters at a time.
        self.layout.text = String::from_utf8(self.out).unwrap_or_default();
        Scanned { layout: self.layout, unclosed_brace }
    }

    fn begin(&mut self, at: usize) {
        self.start.get_or_insert(at);
    }

    fn plain(&mut self, byte: u8) {
        self.begin(self.at);
        let word = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        self.last = match (self.last, byte) {
            (Last::Word { start }, _) if word && self.adjoins() => Last::Word { start },
            (_, _) if word => Last::Word { start: self.at },
            (_, b',') => Last::Continues,
            (_, b'>') if self.at > 0 && self.bytes.get(self.at - 1) == Some(&b'=') => Last::Continues,
            _ => Last::Other,
        };
        self.at += 1;
    }

    /// Whether the byte before this one belongs to the same word.
    fn adjoins(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|i| self.bytes.get(i));
        before.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    }

    fn comment(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let mut end = self.at + rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        if end > self.at && self.bytes.get(end - 1) == Some(&b'\r') {
            end -= 1;
        }
        self.refuse_forbidden(self.at..end);
        self.layout.comments.push(Comment { span: Span::new(self.file, self.at, end) });
        self.blank(self.at..end);
        self.at = end;
    }

    fn quoted(&mut self) {
        let (start, mut at) = (self.at, self.at + 1);
        let closed = loop {
            match self.bytes.get(at) {
                Some(b'"') => break true,
                Some(b'\n') | None => break false,
                Some(b'\\') if self.bytes.get(at + 1).is_some_and(|b| *b != b'\n') => at += 2,
                Some(_) => at += 1,
            }
        };
        if !closed && self.foreign_text('"') {
            return;
        }
        self.begin(start);
        self.end_text(start, at, closed, '"');
    }

    fn raw(&mut self) {
        let start = self.at;
        self.begin(start);
        let rest = self.bytes.get(start + 1..).unwrap_or_default();
        match rest.iter().position(|b| *b == b'`') {
            Some(length) => self.end_text(start, start + 1 + length, true, '`'),
            None => self.end_text(start, self.bytes.len(), false, '`'),
        }
    }

    fn end_text(&mut self, start: usize, end: usize, closed: bool, quote: char) {
        self.refuse_forbidden(start..end);
        self.last = Last::Other;
        self.at = if closed { end + 1 } else { end };
        if closed {
            return;
        }
        let first_line = self.text.get(start..end).and_then(|t| t.lines().next()).map_or(1, str::len);
        let block = self.text.get(start..start + first_line).and_then(|t| t.find(" {"));
        match block.filter(|at| quote == '"' && *at > 0).and_then(|at| self.out.get_mut(start + at)) {
            // A block that follows shows where the text was to end.
            Some(byte) => {
                *byte = b'"';
                self.at = start + block.unwrap_or(0) + 1;
            }
            // What an unclosed quote swallowed must not be read as brackets by the grammar.
            None => self.blank(start..end),
        }
        let span = Span::new(self.file, start, start + first_line);
        // Backticks cannot stand around themselves.
        let shown = if quote == '`' { "backquote".to_owned() } else { format!("`{quote}`") };
        let message = format!("this {shown} is never closed");
        let help = format!("put a closing {shown} at the end of the text");
        self.report(span, Diagnostic::new(codes::UNCLOSED, span, message).help(help));
    }

    fn open_bracket(&mut self, bracket: u8) {
        self.begin(self.at);
        if self.open.len() == MAX_NESTING && !self.too_deep {
            self.too_deep = true;
            let span = Span::new(self.file, self.at, self.at + 1);
            let message = format!("brackets nest deeper than {MAX_NESTING} here");
            let diagnostic = Diagnostic::new(codes::NESTED_TOO_DEEP, span, message)
                .help("`when` does not nest, and a condition rarely needs more than two levels");
            self.report(span, diagnostic);
        }
        self.open.push(Open { at: self.at, bracket, foreign: self.bytes.get(self.at) != Some(&bracket) });
        self.last = Last::Other;
        self.at += 1;
    }

    fn close_bracket(&mut self, close: u8) {
        let wanted = if close == b'}' { b'{' } else { b'(' };
        let span = Span::new(self.file, self.at, self.at + 1);
        self.last = Last::Other;
        self.at += 1;
        if self.open.last().is_some_and(|o| o.bracket == wanted) {
            self.open.pop();
            return;
        }
        if close == b'}' && self.open.iter().any(|o| o.bracket == b'{') {
            // `{ ( }`: the parentheses inside are what is wrong.
            while let Some(open) = self.open.pop_if(|o| o.bracket == b'(') {
                self.unclosed(&open);
            }
            self.open.pop();
            return;
        }
        let close = char::from(close);
        let diagnostic = Diagnostic::new(codes::UNOPENED, span, format!("nothing opened this `{close}`"))
            .help(format!("take the `{close}` away, or open it before"));
        self.report(span, diagnostic);
        self.blank(self.at - 1..self.at);
    }

    fn unclosed(&mut self, open: &Open) {
        let span = Span::new(self.file, open.at, open.at + 1);
        let (bracket, close, what) = if open.bracket == b'{' { ('{', '}', "block") } else { ('(', ')', "group") };
        let diagnostic = Diagnostic::new(codes::UNCLOSED, span, format!("this `{bracket}` is never closed"))
            .help(format!("put the closing `{close}` where the {what} ends"));
        self.unclosed += 1;
        if self.unclosed <= MOST_UNCLOSED {
            self.report(span, diagnostic);
        } else {
            self.layout.reported.push(span);
        }
        if open.bracket == b'{' {
            self.missing += 1;
        } else {
            // Without its bracket the rest of the line can still be read.
            self.blank(open.at..open.at + 1);
        }
    }

    fn report(&mut self, span: Span, diagnostic: Diagnostic) {
        self.layout.reported.push(span);
        self.layout.diagnostics.push(diagnostic);
    }

    fn newline(&mut self) {
        let inside_parens = self.open.last().is_some_and(|o| o.bracket == b'(');
        let resync = self.resync && self.declaration_follows();
        if self.resync && !resync && self.outdented() {
            self.close_here();
            return;
        }
        if !resync && (inside_parens || self.continues() || self.brace_follows()) {
            self.blank(self.at..self.at + 1);
            self.at += 1;
            return;
        }
        if resync {
            self.close_all();
        }
        if self.open.is_empty() {
            self.end_declaration();
        }
        self.last = Last::Other;
        self.at += 1;
    }

    /// Whether the last word or sign asks for more.
    fn continues(&self) -> bool {
        match self.last {
            Last::Continues => true,
            Last::Other => false,
            Last::Word { start } => {
                let rest = self.text.get(start..self.at).unwrap_or("");
                let word = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'));
                matches!(word.into_iter().next(), Some("and" | "or" | "not"))
            }
        }
    }

    /// Whether the next thing in the file, comments passed over, is an opening brace.
    fn brace_follows(&mut self) -> bool {
        if self.start.is_none() {
            return false;
        }
        // What follows one of many blank lines follows the others too.
        if self.next < self.at {
            self.next = self.at + gap(self.bytes.get(self.at..).unwrap_or_default());
        }
        self.bytes.get(self.next) == Some(&b'{')
    }

    fn declaration_follows(&self) -> bool {
        let line = self.text.get(self.at + 1..).unwrap_or("");
        let end = line.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(line.len());
        let (word, rest) = line.split_at_checked(end).unwrap_or((line, ""));
        DECLARATIONS.contains(&word) && rest.starts_with([' ', '\t'])
    }

    /// Whether the next line stands no deeper than the one that opened the innermost block, and does
    /// not close it.
    fn outdented(&self) -> bool {
        let Some(open) = self.open.last().filter(|o| o.bracket == b'{') else { return false };
        let next = self.text.get(self.at + 1..).and_then(|t| t.lines().find(|l| !l.trim().is_empty()));
        let Some(next) = next.filter(|line| !line.trim_start().starts_with(['}', '{', '#', ']'])) else { return false };
        let begin = self.text.get(..open.at).and_then(|t| t.rfind('\n')).map_or(0, |at| at + 1);
        let opening = self.text.get(begin..open.at).unwrap_or("");
        // A block that opens and goes on in one line says nothing of the depth of what follows.
        indentation(next) <= indentation(opening) && self.text.get(begin..self.at).is_some_and(|t| t.contains('\n'))
    }

    /// Closes the innermost block in place of the newline.
    fn close_here(&mut self) {
        if let Some(open) = self.open.pop() {
            self.unclosed(&open);
            self.missing -= 1;
        }
        if let Some(byte) = self.out.get_mut(self.at) {
            *byte = b'}';
        }
        self.last = Last::Other;
        self.at += 1;
        if self.open.is_empty() {
            self.end_declaration();
        }
    }

    fn close_all(&mut self) {
        while let Some(open) = self.open.pop() {
            self.unclosed(&open);
        }
    }

    fn end_declaration(&mut self) {
        if let Some(start) = self.start.take()
            && !std::mem::take(&mut self.too_deep)
        {
            self.layout.declarations.push(Chunk { range: start..self.at, missing: self.missing });
        }
        self.missing = 0;
    }

    /// Reports brackets left open; says whether one of them was a brace.
    fn finish(&mut self) -> bool {
        let brace = self.open.iter().any(|o| o.bracket == b'{');
        self.close_all();
        self.end_declaration();
        brace
    }

    fn unusual(&mut self) {
        let Some(c) = self.text.get(self.at..).and_then(|t| t.chars().next()) else {
            self.at += 1;
            return;
        };
        if self.foreign_text(c) {
            return;
        }
        self.begin(self.at);
        self.refuse_forbidden(self.at..self.at + c.len_utf8());
        self.last = Last::Other;
        self.at += c.len_utf8();
    }

    /// Reports the first character of each run that may not stand in a file, and blanks it.
    fn refuse_forbidden(&mut self, range: Range<usize>) {
        let Some(part) = self.text.get(range.clone()) else { return };
        let mut before_bad = false;
        for (offset, c) in part.char_indices() {
            let Some(name) = characters::forbidden(c) else {
                before_bad = false;
                continue;
            };
            let at = range.start + offset;
            self.blank(at..at + c.len_utf8());
            if !std::mem::replace(&mut before_bad, true) {
                let span = Span::new(self.file, at, at + c.len_utf8());
                let message = format!("{name} (U+{:04X}) may not stand in a policy", u32::from(c));
                let help = format!("take it away; inside text write `\\u{{{:x}}}`", u32::from(c));
                self.report(span, Diagnostic::new(codes::FORBIDDEN_CHARACTER, span, message).help(help));
            }
        }
    }
}

/// The length of the blanks, line ends and comments that a text begins with.
fn gap(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            b'#' => at += text.get(at..).and_then(|t| t.iter().position(|b| *b == b'\n')).unwrap_or(text.len() - at),
            _ => break,
        }
    }
    at
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
