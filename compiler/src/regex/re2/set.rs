//! Classes in brackets.

use super::Problem;
use super::class::{self, Class};
use super::parse::{OddityKind, Parser};

/// What was read of a class so far.
struct Reading {
    class: Class,
    ranges: Vec<(u32, u32)>,
    /// The items, written so that every engine reads them alike.
    plain: String,
    /// Whether another engine would read the class as it stands differently.
    odd: bool,
    /// An opening bracket in it.
    inner: Option<usize>,
}

impl Parser<'_> {
    /// Reads a class; the next character is its opening bracket.
    pub(super) fn class(&mut self) -> Result<Class, Problem> {
        let start = self.at;
        let (edits, oddities) = (self.edits.len(), self.oddities.len());
        self.at += 1;
        let negated = self.eat("^");
        let first = self.at;
        let class = Class::default();
        let mut reading = Reading { class, ranges: Vec::new(), plain: String::new(), odd: false, inner: None };
        while self.at == first || !self.rest().starts_with(']') {
            if self.rest().is_empty() {
                self.oddities.truncate(oddities);
                let help = r"write `]` where the class ends, or `\[` for the character";
                return Err(Problem::new(start..start + 1, "this class is never closed", help));
            }
            self.item(first, &mut reading)?;
        }
        self.at += 1;
        if let Some(inner) = reading.inner.filter(|_| self.rest().starts_with(']')) {
            self.odd(inner..self.at, OddityKind::NestedClass);
        }
        if reading.odd || self.edits.len() > edits {
            self.edits.truncate(edits);
            let sign = if negated { "^" } else { "" };
            self.edits.push((self.since(start), format!("[{sign}{}]", reading.plain)));
        }
        let mut ranges = Class::new(reading.ranges);
        self.case(&mut ranges);
        reading.class.add(&ranges);
        if negated {
            reading.class.negate();
        }
        Ok(reading.class)
    }

    /// Reads a name, a character or a range.
    fn item(&mut self, first: usize, reading: &mut Reading) -> Result<(), Problem> {
        let start = self.at;
        let rest = self.rest();
        if ["&&", "~~", "--["].iter().any(|operator| rest.starts_with(operator)) {
            self.odd(start..start + 2, OddityKind::SetOperator);
            reading.odd = true;
        }
        if let Some(class) = self.posix_class()? {
            reading.class.add(&class);
            reading.plain.push_str(self.slice(self.since(start)));
            return Ok(());
        }
        let edits = self.edits.len();
        if let Some(class) = self.named_class()? {
            reading.class.add(&class);
            let text = self.edits.get(edits).map_or(self.slice(self.since(start)), |(_, text)| text);
            reading.plain.push_str(text);
            return Ok(());
        }
        let low = self.member(first, reading)?;
        let mut high = low;
        let rest = self.rest();
        if rest.starts_with('-') && rest.len() > 1 && !rest.starts_with("-]") {
            self.at += 1;
            high = self.member(first, reading)?;
        }
        if high < low {
            let what = format!("`{}` ends before its beginning", self.slice(self.since(start)));
            return Err(Problem::new(
                self.since(start),
                what,
                r"write the smaller character first, or `\-` for a dash",
            ));
        }
        reading.ranges.push((u32::from(low), u32::from(high)));
        reading.plain.push_str(&plain(low));
        if high != low {
            reading.plain.push('-');
            reading.plain.push_str(&plain(high));
        }
        Ok(())
    }

    /// Reads one character of a class.
    fn member(&mut self, first: usize, reading: &mut Reading) -> Result<char, Problem> {
        let start = self.at;
        if self.rest().starts_with('\\') {
            return self.character();
        }
        let Some(c) = self.take() else {
            return Err(Problem::new(start..start, "this class is never closed", "write `]` where it ends"));
        };
        match c {
            '[' => {
                reading.inner = Some(start);
                reading.odd = true;
            }
            ']' => reading.odd = true,
            '-' => reading.odd |= start != first && !self.rest().starts_with(']'),
            _ if !c.is_ascii() => self.odd(start..self.at, OddityKind::BeyondAscii),
            _ => {}
        }
        Ok(c)
    }

    /// `[:alpha:]` or `[:^alpha:]`
    fn posix_class(&mut self) -> Result<Option<Class>, Problem> {
        let start = self.at;
        let Some(inner) = self.rest().strip_prefix("[:") else { return Ok(None) };
        let Some(length) = inner.find(":]") else { return Ok(None) };
        let name = inner.get(..length).unwrap_or("");
        self.at += length + 4;
        let bare = name.strip_prefix('^').unwrap_or(name);
        let Some(mut class) = class::posix(bare) else {
            let what = format!("RE2 does not know the class `[:{name}:]`");
            return Err(Problem::new(self.since(start), what, format!("it knows {}", class::POSIX.join(", "))));
        };
        self.case(&mut class);
        if bare.len() != name.len() {
            class.negate();
        }
        Ok(Some(class))
    }
}

/// A character as it stands in any engine's class.
fn plain(c: char) -> String {
    match c {
        '\\' | ']' | '[' | '^' | '-' | '&' | '~' => format!("\\{c}"),
        _ if c.is_control() => format!("\\x{{{:x}}}", u32::from(c)),
        _ => c.to_string(),
    }
}
