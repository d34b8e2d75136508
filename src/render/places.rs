//! Bytes → lines and columns, for many places in one text.

use meshc_dsl::{FileId, Sources, Span};
use std::collections::BTreeMap;

/// A place as a person counts it, from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// Bytes before it.
    pub(crate) offset: usize,
}

/// Where the lines of each text begin, found once a text.
pub(crate) struct Places<'a> {
    sources: &'a Sources,
    lines: BTreeMap<FileId, Vec<usize>>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(sources: &'a Sources) -> Self {
        Self { sources, lines: BTreeMap::new() }
    }

    /// Where a span begins, and behind what it ends.
    pub(crate) fn of(&mut self, span: Span) -> (Position, Position) {
        (self.at(span.file, span.start), self.at(span.file, span.end.max(span.start)))
    }

    fn at(&mut self, file: FileId, offset: u32) -> Position {
        let text = self.sources.get(file).map_or("", |f| f.text.as_str());
        let mut offset = (offset as usize).min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let begins = || std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let lines: &Vec<usize> = self.lines.entry(file).or_insert_with(begins);
        let line = lines.partition_point(|begin| *begin <= offset);
        let begin = line.checked_sub(1).and_then(|l| lines.get(l)).copied().unwrap_or(0);
        let column = text.get(begin..offset).map_or(0, |t| t.chars().count()) + 1;
        Position { line, column, offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_count_from_one_in_characters() {
        let mut sources = Sources::default();
        let file = sources.add("a", "ab\nä→x\n");
        let mut places = Places::new(&sources);
        let place = |at| Position { line: at, column: 1, offset: 0 };
        assert_eq!(places.at(file, 0), place(1));
        assert_eq!(places.at(file, 2), Position { line: 1, column: 3, offset: 2 });
        assert_eq!(places.at(file, 8), Position { line: 2, column: 3, offset: 8 });
        assert_eq!(places.at(file, 99), Position { line: 3, column: 1, offset: 10 });
        for at in 0..11 {
            let known = sources.position(file, at);
            let found = places.at(file, at);
            assert_eq!((found.line, found.column, found.offset), (known.line, known.column, known.offset));
        }
    }
}
