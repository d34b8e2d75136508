//! What begins with a backslash.

use super::Problem;
use super::ast::{Op, Place};
use super::class::{self, Class};
use super::parse::{OddityKind, Parser};

/// Letters that other engines have behind a backslash, and what RE2 has for them.
const FOREIGN: &[(char, &str)] = &[
    ('Z', r"write `\z` or `$` for the end of the text"),
    ('G', r"write `^` for the start of the text"),
    ('K', r"write a group for what is to be kept: `(kept)taken`"),
    ('u', r"write a character by its number as `\x{e4}`"),
    ('U', r"write a character by its number as `\x{e4}`"),
    ('h', r"write `[ \t]`"),
    ('H', r"write `[^ \t]`"),
    ('V', r"write `[^\n\v\f\r]`"),
    ('R', r"write `\r?\n`"),
    ('N', r"write `.` or, for numbers of any script, `\pN`"),
    ('X', r"write `.`"),
    ('c', r"write a control character by its number as `\x1b`"),
    ('e', r"write `\x1b`"),
    ('o', r"write a character by its number as `\x{e4}`"),
    ('k', "write out what may stand there"),
    ('g', "write out what may stand there"),
];

impl Parser<'_> {
    /// Reads an escape outside a class.
    pub(super) fn escaped(&mut self) -> Result<(), Problem> {
        let start = self.at;
        let rest = self.rest();
        let op = match rest.chars().nth(1) {
            Some('b') => Op::Place(Place::WordBoundary),
            Some('B') => Op::Place(Place::NoWordBoundary),
            Some('A') => Op::Place(Place::BeginText),
            Some('z') => Op::Place(Place::EndText),
            Some('C') => {
                let what = r"`\C` is one byte, and may cut a character in two";
                return Err(Problem::new(start..start + 2, what, "write `.` for one character"));
            }
            Some('Q') => {
                self.quoted();
                return Ok(());
            }
            _ => {
                if let Some(class) = self.named_class()? {
                    self.push_class(class);
                    return Ok(());
                }
                let c = self.character()?;
                self.literal(c);
                return Ok(());
            }
        };
        self.at += 2;
        if matches!(op, Op::Place(Place::WordBoundary | Place::NoWordBoundary)) {
            self.odd(start..self.at, OddityKind::AsciiOnly);
        }
        self.push_op(op);
        Ok(())
    }

    /// `\Q…\E`: every character between is itself.
    fn quoted(&mut self) {
        let start = self.at;
        self.at += 2;
        let length = self.rest().find("\\E").unwrap_or(self.rest().len());
        let inner = self.slice(self.at..self.at + length);
        for c in inner.chars() {
            self.literal(c);
        }
        self.at += length;
        self.eat("\\E");
        self.edits.push((self.since(start), crate::regex::quote(inner)));
    }

    /// `\d` and its like, or `\p{…}`; `None` for any other escape.
    pub(super) fn named_class(&mut self) -> Result<Option<Class>, Problem> {
        let start = self.at;
        let mut chars = self.rest().chars();
        let (Some('\\'), Some(letter)) = (chars.next(), chars.next()) else { return Ok(None) };
        if matches!(letter, 'p' | 'P') {
            return self.property(letter == 'P').map(Some);
        }
        let Some(mut class) = class::perl(letter.to_ascii_lowercase()) else { return Ok(None) };
        self.at += 2;
        self.odd(start..self.at, OddityKind::AsciiOnly);
        self.case(&mut class);
        if letter.is_ascii_uppercase() {
            class.negate();
        }
        Ok(Some(class))
    }

    /// Makes a class ignore case where that is asked for.
    pub(super) fn case(&self, class: &mut Class) {
        if self.flags.fold {
            class.fold();
        }
    }

    fn property(&mut self, mut negated: bool) -> Result<Class, Problem> {
        let start = self.at;
        self.at += 2;
        let letter = if negated { 'P' } else { 'p' };
        let name = match self.take() {
            Some('{') => {
                let Some(length) = self.rest().find('}') else {
                    let at = start..self.text.len();
                    return Err(Problem::new(at, "the name of this class has no end", r"write `\p{Greek}`"));
                };
                let name = self.slice(self.at..self.at + length);
                self.at += length + 1;
                name
            }
            _ => self.slice(start + 2..self.at),
        };
        let bare = name.strip_prefix('^').unwrap_or(name);
        if bare.len() != name.len() {
            negated = !negated;
            let flipped = if negated { 'P' } else { 'p' };
            self.edits.push((self.since(start), format!("\\{flipped}{{{bare}}}")));
        }
        let Some(mut class) = class::property(bare) else {
            let what = format!("RE2 does not know the class `\\{letter}{{{name}}}`");
            let help = r"it knows general categories as `\pL` and `\p{Lu}`, and scripts as `\p{Greek}`";
            return Err(Problem::new(self.since(start), what, help));
        };
        self.case(&mut class);
        if negated {
            class.negate();
        }
        Ok(class)
    }

    /// Reads an escape that is one character.
    pub(super) fn character(&mut self) -> Result<char, Problem> {
        let start = self.at;
        self.at += 1;
        let Some(c) = self.take() else {
            let help = r"write `\\` for a backslash";
            return Err(Problem::new(self.since(start), "nothing follows this backslash", help));
        };
        Ok(match c {
            '0'..='7' => self.octal(c, start)?,
            'x' => self.hexadecimal(start)?,
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'a' => '\u{7}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            _ if !c.is_ascii() || c.is_ascii_alphanumeric() => return Err(self.unknown(c, start)),
            _ => {
                if matches!(c, '<' | '>') {
                    self.odd(self.since(start), OddityKind::Angle);
                }
                if !regex_syntax::is_escapeable_character(c) {
                    self.edits.push((self.since(start), c.to_string()));
                }
                c
            }
        })
    }

    fn unknown(&self, c: char, start: usize) -> Problem {
        let at = self.since(start);
        if c.is_ascii_digit() {
            return Problem::new(at, "RE2 has no back-references", "write out what may stand there");
        }
        let known = FOREIGN.iter().find(|(letter, _)| *letter == c).map(|(_, help)| (*help).to_owned());
        let help = known.unwrap_or_else(|| format!("write `{c}` for the character"));
        Problem::new(at, format!("RE2 does not know `\\{c}`"), help)
    }

    /// Up to three digits; a single one other than 0 would be a back-reference.
    fn octal(&mut self, first: char, start: usize) -> Result<char, Problem> {
        let digits: String = self.rest().chars().take(2).take_while(|c| matches!(c, '0'..='7')).collect();
        if first != '0' && digits.is_empty() {
            return Err(self.unknown(first, start));
        }
        self.at += digits.len();
        let code = u32::from_str_radix(&format!("{first}{digits}"), 8).unwrap_or(0);
        self.edits.push((self.since(start), format!("\\x{{{code:x}}}")));
        Ok(char::from_u32(code).unwrap_or('\0'))
    }

    /// `\x1b` or `\x{1b}`.
    fn hexadecimal(&mut self, start: usize) -> Result<char, Problem> {
        let braced = self.eat("{");
        let rest = self.rest();
        let length =
            if braced { rest.find('}') } else { rest.char_indices().nth(2).map(|(at, _)| at).or(Some(rest.len())) };
        let digits = length.and_then(|length| rest.get(..length)).unwrap_or("");
        let good = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()) && (braced || digits.len() == 2);
        let significant = digits.trim_start_matches('0');
        self.at += length.map_or(0, |length| length + usize::from(braced));
        let code = u32::from_str_radix(if significant.is_empty() { "0" } else { significant }, 16).ok();
        match code.and_then(char::from_u32).filter(|_| good) {
            Some(c) => Ok(c),
            None => {
                let help = r"write `\x1b` with two digits, or `\x{1f600}` with any number";
                Err(Problem::new(self.since(start), "this is not the number of a character", help))
            }
        }
    }
}
