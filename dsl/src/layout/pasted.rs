//! What people bring along from other languages: quotes, comments, brackets, whole documents. Each
//! is reported where it stands and read as what it was meant for, so that it costs nothing else.

use super::{Last, Scanner};
use crate::diagnostic::{Diagnostic, codes};
use crate::foreign;
use crate::source::Span;

impl Scanner<'_> {
    /// Reads text in quotes of another kind as if it stood in plain ones, and reports it; says
    /// whether there was one up to the end of the line.
    pub(super) fn foreign_text(&mut self, opening: char) -> bool {
        let start = self.at;
        let inside = start + opening.len_utf8();
        let line = self.text.get(inside..).and_then(|t| t.lines().next()).unwrap_or("");
        let Some((length, closing)) = foreign::closing_quote(opening, line) else { return false };
        let end = inside + length + closing.len_utf8();
        let content = line.get(..length).unwrap_or("");
        self.begin(start);
        self.refuse_forbidden(start..end);
        let span = Span::new(self.file, start, end);
        self.report(span, foreign::quotes(span, opening, closing, content));
        self.blank(start..inside);
        self.blank(inside + length..end);
        // What would end the text, or begin an escape, is no part of what is checked further.
        for byte in self.out.get_mut(inside..inside + length).unwrap_or_default() {
            *byte = if matches!(byte, b'"' | b'\\') { b'_' } else { *byte };
        }
        for at in [inside - 1, inside + length] {
            if let Some(byte) = self.out.get_mut(at) {
                *byte = b'"';
            }
        }
        self.last = Last::Other;
        self.at = end;
        true
    }

    /// Whether the byte before this one separates words.
    pub(super) fn apart(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|i| self.bytes.get(i));
        before.is_none_or(|b| b.is_ascii_whitespace() || matches!(b, b';' | b'{' | b'}'))
    }

    /// Whether nothing but blanks follows this byte in its line.
    pub(super) fn ends_line(&self) -> bool {
        let rest = self.text.get(self.at + 1..).and_then(|t| t.lines().next());
        self.apart() && rest.is_none_or(|line| line.trim().is_empty())
    }

    /// Whether the last thing before this byte is a closed block, in the same line.
    pub(super) fn after_block(&self) -> bool {
        let before = self.out.get(..self.at).unwrap_or_default();
        before.iter().rev().find(|b| !matches!(b, b' ' | b'\t')) == Some(&b'}')
    }

    /// `// …` and `/* … */`: reported, and taken as comments.
    pub(super) fn foreign_comment(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or("");
        let line = rest.lines().next().map_or(0, str::len);
        let block = rest.starts_with("/*");
        let length = if block { rest.find("*/").map_or(line, |end| end + 2) } else { line };
        let sign = Span::new(self.file, self.at, self.at + 2);
        let diagnostic =
            Diagnostic::new(codes::MALFORMED, sign, format!("`{}` begins no comment", rest.get(..2).unwrap_or("")))
                .help("a comment begins with `#` and runs to the end of its line");
        self.report(sign, if block { diagnostic } else { diagnostic.fix(sign, "#") });
        self.blank(self.at..self.at + length);
        self.at += length;
    }

    /// `[` and `]` around a block: reported, and taken as braces.
    pub(super) fn foreign_bracket(&mut self, brace: u8) {
        let span = Span::new(self.file, self.at, self.at + 1);
        let (shown, meant) = if brace == b'{' { ('[', '{') } else { (']', '}') };
        let what = if brace == b'{' { "opens" } else { "closes" };
        let diagnostic = Diagnostic::new(codes::MALFORMED, span, format!("`{shown}` {what} no block"))
            .help("a block stands in braces: `{ … }`")
            .fix(span, meant.to_string());
        self.report(span, diagnostic);
        if let Some(byte) = self.out.get_mut(self.at) {
            *byte = brace;
        }
        if brace == b'{' { self.open_bracket(brace) } else { self.close_bracket(brace) }
    }

    /// `route a:80 { … };`
    pub(super) fn stray_separator(&mut self) {
        let span = Span::new(self.file, self.at, self.at + 1);
        let diagnostic = Diagnostic::new(codes::MALFORMED, span, "nothing stands behind a declaration's closing brace")
            .help("take the `;` away")
            .fix(span, "");
        self.report(span, diagnostic);
        self.blank(self.at..self.at + 1);
        self.at += 1;
    }

    /// Whether a document of another tool begins here, where a declaration could.
    pub(super) fn document_begins(&self) -> bool {
        let line_start = self.at.checked_sub(1).is_none_or(|before| self.bytes.get(before) == Some(&b'\n'));
        let free = line_start && self.start.is_none() && self.open.is_empty();
        free && foreign::begins(self.text.get(self.at..).unwrap_or(""))
    }

    /// Reports such a document once, and passes over it.
    pub(super) fn document(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or("");
        let end = self.at + foreign::length(rest);
        let document = self.text.get(self.at..end).unwrap_or("");
        self.layout.diagnostics.push(foreign::document(self.file, self.at, document));
        self.blank(self.at..end);
        self.at = end;
    }
}
