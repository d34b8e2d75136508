//! Groups that begin with `(?`: named ones, flags, and what RE2 does not have.

use super::Problem;
use super::parse::Parser;

impl Parser<'_> {
    pub(super) fn special_group(&mut self) -> Result<(), Problem> {
        let start = self.at;
        let rest = self.rest();
        if let Some(problem) = self.foreign(start, rest) {
            return Err(problem);
        }
        let named = ["(?P<", "(?<"].into_iter().find(|head| rest.starts_with(head));
        match named {
            Some(head) => self.named(start, head),
            None => self.flag_group(start),
        }
    }

    /// What other engines have.
    fn foreign(&self, start: usize, rest: &str) -> Option<Problem> {
        const KINDS: &[(&str, &str, &str)] = &[
            ("(?=", "RE2 has no look-around", "test it apart: `when path regex … and path regex …`"),
            ("(?!", "RE2 has no look-around", "test it apart: `when path regex … and not path regex …`"),
            ("(?<=", "RE2 has no look-around", "test it apart: `when path regex … and path regex …`"),
            ("(?<!", "RE2 has no look-around", "test it apart: `when path regex … and not path regex …`"),
            ("(?>", "RE2 has no atomic groups", "write `(?:`, which takes the same texts here"),
            ("(?|", "RE2 has no groups that share numbers", "write `(?:`"),
            ("(?#", "RE2 has no comments in patterns", "write the comment behind `#` on a line of its own"),
            ("(?P=", "RE2 has no back-references", "write out what may stand there"),
            ("(?P>", "RE2 has no calls of groups", "write the group out where it is used"),
            ("(?&", "RE2 has no calls of groups", "write the group out where it is used"),
            ("(?(", "RE2 has no conditions in patterns", "write the alternatives out, with `|`"),
            ("(?'", "RE2 has no names in quotes", "write `(?P<name>…)`"),
        ];
        // The longest that fits: `(?<=` is not `(?<`.
        let (_, what, help) = KINDS.iter().find(|(head, ..)| rest.starts_with(head))?;
        Some(Problem::new(start..self.group_end(start), *what, *help))
    }

    fn named(&mut self, start: usize, head: &str) -> Result<(), Problem> {
        let inner = start + head.len();
        let Some(end) = self.slice(inner..self.text.len()).find('>').map(|at| inner + at) else {
            let at = start..self.text.len();
            return Err(Problem::new(at, "the name of this group has no end", "write `(?P<name>…)`"));
        };
        let name = self.slice(inner..end);
        self.at = end + 1;
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            let what = format!("`{name}` is not the name of a group for RE2");
            return Err(Problem::new(inner..end, what, "names are of letters, digits and `_`"));
        }
        // Envoy counts groups and never names them, so an odd name can go.
        let plain = !name.starts_with(|c: char| c.is_ascii_digit());
        if !self.names.insert(name) || !plain {
            self.edits.push((self.since(start), "(".to_owned()));
        } else if head == "(?<" {
            self.edits.push((self.since(start), format!("(?P<{name}>")));
        }
        self.open(start, true)
    }

    fn flag_group(&mut self, start: usize) -> Result<(), Problem> {
        self.at += 2;
        let mut flags = self.flags;
        let mut seen: Vec<(char, bool)> = Vec::new();
        // Whether a `-` was there, and whether no flag has followed it yet.
        let (mut negated, mut bare) = (false, false);
        let mut repeated = false;
        loop {
            let at = self.at;
            let Some(c) = self.take() else {
                return Err(Problem::new(start..at, "this group is never closed", "write `)` where it ends"));
            };
            let on = !negated;
            match c {
                'i' => flags.fold = on,
                'm' => flags.lines = on,
                's' => flags.dot_all = on,
                'U' => flags.lazy = on,
                '-' if on => {
                    (negated, bare) = (true, true);
                    continue;
                }
                ':' | ')' if !bare => break,
                _ => return Err(self.bad_flag(c, at, start)),
            }
            repeated |= seen.iter().any(|(other, _)| *other == c);
            seen.retain(|(other, _)| *other != c);
            seen.push((c, on));
            bare = false;
        }
        self.end_of_flags(start, flags, repeated.then_some(seen.as_slice()), seen.is_empty())
    }

    /// Opens the group, or goes on with the new flags. Flags that were written twice are written
    /// anew, and empty ones left out.
    fn end_of_flags(
        &mut self,
        start: usize,
        flags: super::ast::Flags,
        anew: Option<&[(char, bool)]>,
        empty: bool,
    ) -> Result<(), Problem> {
        let opens = self.slice(self.at - 1..self.at) == ":";
        if let Some(seen) = anew {
            let some = |wanted: bool| seen.iter().filter(|(_, on)| *on == wanted).map(|(c, _)| *c).collect::<String>();
            let (on, off) = (some(true), some(false));
            let off = if off.is_empty() { off } else { format!("-{off}") };
            self.edits.push((self.since(start), format!("(?{on}{off}{}", if opens { ':' } else { ')' })));
        } else if empty && !opens {
            self.edits.push((self.since(start), String::new()));
        }
        if opens {
            self.open(start, false)?;
        }
        self.flags = flags;
        Ok(())
    }

    fn bad_flag(&self, c: char, at: usize, start: usize) -> Problem {
        let help = match c {
            'x' => "write the pattern without blanks and comments in it",
            'u' => r"leave it out; classes of Unicode are written `\pL` or `\p{Greek}`",
            'R' => r"leave it out; a path or header has no line ends",
            _ => "the flags are `i`, `m`, `s` and `U`",
        };
        if c.is_ascii_alphabetic() {
            return Problem::new(at..self.at, format!("RE2 has no flag `{c}`"), help);
        }
        let shown = self.slice(start..self.at);
        Problem::new(start..self.at, format!("RE2 has no groups that begin with `{shown}`"), help)
    }

    /// Where the group that starts here ends, as far as brackets tell.
    fn group_end(&self, start: usize) -> usize {
        let (mut depth, mut escaped, mut in_class) = (0_usize, false, false);
        for (at, c) in self.slice(start..self.text.len()).char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '[' => in_class = true,
                ']' => in_class = false,
                '(' if !in_class => depth += 1,
                ')' if !in_class && depth == 1 => return start + at + 1,
                ')' if !in_class => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        self.text.len()
    }
}
