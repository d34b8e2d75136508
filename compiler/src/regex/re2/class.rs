//! Sets of characters.

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange, HirKind};

/// The last character.
pub(crate) const LAST: u32 = 0x0010_ffff;
const SURROGATES: (u32, u32) = (0xd800, 0xdfff);

/// A set of characters: ranges in order, none touching the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Class {
    ranges: Vec<(u32, u32)>,
}

impl Class {
    pub(crate) fn new(ranges: impl IntoIterator<Item = (u32, u32)>) -> Self {
        let mut class = Class { ranges: ranges.into_iter().collect() };
        class.tidy();
        class
    }

    pub(crate) fn of(c: char) -> Self {
        Class::new([(u32::from(c), u32::from(c))])
    }

    pub(crate) fn ranges(&self) -> &[(u32, u32)] {
        &self.ranges
    }

    pub(crate) fn add(&mut self, other: &Class) {
        self.ranges.extend_from_slice(&other.ranges);
        self.tidy();
    }

    pub(crate) fn negate(&mut self) {
        let mut out = Vec::with_capacity(self.ranges.len() + 1);
        let mut next = 0;
        for (low, high) in &self.ranges {
            if next < *low {
                out.push((next, low - 1));
            }
            next = high + 1;
        }
        if next <= LAST {
            out.push((next, LAST));
        }
        self.ranges = out;
    }

    /// Adds what differs only in case.
    pub(crate) fn fold(&mut self) {
        let char = |c: u32| char::from_u32(c);
        let halves = self
            .ranges
            .iter()
            .flat_map(|(low, high)| [(*low, (*high).min(SURROGATES.0 - 1)), ((*low).max(SURROGATES.1 + 1), *high)]);
        let ranges = halves.filter(|(low, high)| low <= high);
        let ranges = ranges.filter_map(|(low, high)| Some(ClassUnicodeRange::new(char(low)?, char(high)?)));
        let mut folded = ClassUnicode::new(ranges);
        if folded.try_case_fold_simple().is_ok() {
            self.add(&from_unicode(&folded));
        }
    }

    pub(crate) fn contains(&self, c: u32) -> bool {
        self.ranges.iter().any(|(low, high)| *low <= c && c <= *high)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.ranges == [(0, LAST)]
    }

    /// How many characters are in it.
    pub(crate) fn len(&self) -> u32 {
        self.ranges.iter().map(|(low, high)| high - low + 1).sum()
    }

    /// The only character, or the letter that stands for both its cases: then `true`.
    pub(crate) fn as_literal(&self) -> Option<(char, bool)> {
        let first = self.ranges.first()?.0;
        let upper = (u32::from('A')..=u32::from('Z')).contains(&first);
        match self.len() {
            1 => char::from_u32(first).map(|c| (c, false)),
            2 if upper && self.contains(first + 32) => char::from_u32(first + 32).map(|c| (c, true)),
            _ => None,
        }
    }

    /// Whether it has a letter from A to Z just where it has the small one.
    pub(crate) fn folds_ascii(&self) -> bool {
        (u32::from('A')..=u32::from('Z')).all(|c| self.contains(c) == self.contains(c + 32))
    }

    fn tidy(&mut self) {
        self.ranges.sort_unstable();
        let mut out: Vec<(u32, u32)> = Vec::with_capacity(self.ranges.len());
        for (low, high) in self.ranges.drain(..) {
            match out.last_mut() {
                Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
                _ => out.push((low, high)),
            }
        }
        self.ranges = out;
    }
}

fn from_unicode(class: &ClassUnicode) -> Class {
    Class::new(class.iter().map(|r| (u32::from(r.start()), u32::from(r.end()))))
}

/// `\d`, `\s` and `\w`, without their denials: all of ASCII.
pub(crate) fn perl(letter: char) -> Option<Class> {
    posix(match letter {
        'd' => "digit",
        's' => return Some(ascii(&[('\t', '\n'), ('\u{c}', '\r'), (' ', ' ')])),
        'w' => "word",
        _ => return None,
    })
}

fn ascii(ranges: &[(char, char)]) -> Class {
    Class::new(ranges.iter().map(|(low, high)| (u32::from(*low), u32::from(*high))))
}

/// The names that stand in `[[:name:]]`.
pub(crate) const POSIX: &[&str] = &[
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper", "word",
    "xdigit",
];

/// `[:name:]`
pub(crate) fn posix(name: &str) -> Option<Class> {
    Some(match name {
        "alnum" => ascii(&[('0', '9'), ('A', 'Z'), ('a', 'z')]),
        "alpha" => ascii(&[('A', 'Z'), ('a', 'z')]),
        "ascii" => ascii(&[('\0', '\u{7f}')]),
        "blank" => ascii(&[('\t', '\t'), (' ', ' ')]),
        "cntrl" => ascii(&[('\0', '\u{1f}'), ('\u{7f}', '\u{7f}')]),
        "digit" => ascii(&[('0', '9')]),
        "graph" => ascii(&[('!', '~')]),
        "lower" => ascii(&[('a', 'z')]),
        "print" => ascii(&[(' ', '~')]),
        "punct" => ascii(&[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')]),
        "space" => ascii(&[('\t', '\r'), (' ', ' ')]),
        "upper" => ascii(&[('A', 'Z')]),
        "word" => ascii(&[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')]),
        "xdigit" => ascii(&[('0', '9'), ('A', 'F'), ('a', 'f')]),
        _ => return None,
    })
}

/// The general categories that RE2 knows.
const CATEGORIES: &[&str] = &[
    "C", "Cc", "Cf", "Co", "Cs", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl", "No", "P",
    "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs",
];

/// `\p{Name}`: a general category or a script, by the one name that RE2 has for it.
pub(crate) fn property(name: &str) -> Option<Class> {
    match name {
        "Any" => return Some(Class::new([(0, LAST)])),
        "Cs" => return Some(Class::new([SURROGATES])),
        // RE2's C leaves out the characters that are none yet.
        "C" => {
            let mut all = Class::new([SURROGATES]);
            for part in ["Cc", "Cf", "Co"] {
                all.add(&unicode("gc", part)?);
            }
            return Some(all);
        }
        _ => {}
    }
    let kind = if CATEGORIES.contains(&name) {
        "gc"
    } else if super::scripts::SCRIPTS.binary_search(&name).is_ok() {
        "sc"
    } else {
        return None;
    };
    unicode(kind, name)
}

fn unicode(kind: &str, name: &str) -> Option<Class> {
    match regex_syntax::parse(&format!("\\p{{{kind}={name}}}")).ok()?.into_kind() {
        HirKind::Class(regex_syntax::hir::Class::Unicode(class)) => Some(from_unicode(&class)),
        HirKind::Literal(text) => std::str::from_utf8(&text.0).ok()?.chars().next().map(Class::of),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_has_characters() {
        for name in CATEGORIES.iter().chain(super::super::scripts::SCRIPTS) {
            assert!(property(name).is_some_and(|c| !c.is_empty()), "{name}");
        }
        assert!(super::super::scripts::SCRIPTS.is_sorted());
        for name in ["Letter", "Alphabetic", "greek", "Emoji", "sc=Greek", "Cn", ""] {
            assert!(property(name).is_none(), "{name}");
        }
    }

    #[test]
    fn classes_fold_and_negate() {
        let mut k = Class::of('k');
        k.fold();
        assert_eq!(k.ranges(), [(0x4b, 0x4b), (0x6b, 0x6b), (0x212a, 0x212a)]);
        let mut all = Class::default();
        all.negate();
        assert!(all.is_full());
        assert_eq!(Class::new([(65, 65), (97, 97)]).as_literal(), Some(('a', true)));
        assert_eq!(Class::new([(65, 66)]).as_literal(), None);
    }
}
