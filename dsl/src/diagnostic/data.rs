//! A diagnostic and its parts.

use crate::source::Span;

/// How much a diagnostic weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is compiled.
    Error,
    /// Compiled, but probably not what was meant, or weaker than it looks.
    Warning,
    /// A fact worth knowing once.
    Note,
}

impl Severity {
    /// The word that all output formats use.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "note",
        }
    }
}

/// A stable diagnostic code. Its letter is its severity; a number is never used for another meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

impl Code {
    /// The severity that the code's letter stands for.
    pub fn severity(self) -> Severity {
        match self.0.as_bytes().first() {
            Some(b'W') => Severity::Warning,
            Some(b'N') => Severity::Note,
            _ => Severity::Error,
        }
    }
}

/// A place that a diagnostic speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The text to underline.
    pub span: Span,
    /// Whether this is the place of the mistake, not just a related one.
    pub primary: bool,
    /// A few words beside the underline; may be empty.
    pub text: String,
}

/// A replacement that mends the mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What to replace.
    pub span: Span,
    /// What to put there.
    pub replacement: String,
}

/// One mistake, warning or note. Messages are lower case, without a full stop, with the user's
/// own text in backticks; the remedy is in `help`, never in the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The stable code, which fixes the severity.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The places; the first primary one is where it is reported.
    pub labels: Vec<Label>,
    /// A certain mend, if there is one.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// A diagnostic at one place.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        let primary = Label { span, primary: true, text: String::new() };
        Self { code, message: shortened(message.into()), help: None, labels: vec![primary], fix: None }
    }

    /// A diagnostic of the whole program, at no place.
    pub fn global(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: shortened(message.into()), help: None, labels: Vec::new(), fix: None }
    }

    /// Adds what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(shortened(help.into()));
        self
    }

    /// Sets the words beside the primary underline.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        if let Some(label) = self.labels.first_mut() {
            label.text = text.into();
        }
        self
    }

    /// Adds a related place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, primary: false, text: text.into() });
        self
    }

    /// Adds a certain mend.
    #[must_use]
    pub fn fix(mut self, span: Span, replacement: impl Into<String>) -> Self {
        self.fix = Some(Fix { span, replacement: replacement.into() });
        self
    }

    /// The severity, from the code.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// Where the diagnostic is reported, if it has a place.
    pub fn place(&self) -> Option<Span> {
        self.labels.iter().find(|l| l.primary).map(|l| l.span)
    }
}

/// Sorts by file, place and code, notes without a place last, and drops exact repeats.
pub fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        let key = |d: &Diagnostic| (d.place().is_none(), d.place(), d.code);
        key(a).cmp(&key(b)).then_with(|| a.message.cmp(&b.message))
    });
    diagnostics.dedup();
}

/// Whether any of them is an error.
pub fn any_error(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity() == Severity::Error)
}

/// The longest message, in bytes, that is given as it is, and the longest piece of a longer one
/// between two blanks.
const LONGEST: usize = 600;
const LONGEST_WORD: usize = 120;

/// A message with what is very long in it, which is always the user's own text, cut short: where it
/// stands is underlined.
fn shortened(message: String) -> String {
    if message.len() <= LONGEST {
        return message;
    }
    let cut = |word: &str| match word.char_indices().nth(LONGEST_WORD) {
        None => word.to_owned(),
        Some((at, _)) => {
            let end = if word.ends_with('`') { "`" } else { "" };
            format!("{}…{end}", word.get(..at).unwrap_or(word))
        }
    };
    let words: Vec<String> = message.split(' ').map(cut).collect();
    let short = words.join(" ");
    // Many words may be the user's text as well as one.
    match short.char_indices().find(|(at, _)| *at >= 4 * LONGEST) {
        Some((at, _)) => format!("{}…", short.get(..at).unwrap_or("")),
        None => short,
    }
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn long_texts_are_cut() {
        let plain = "`timeut` begins no clause".to_owned();
        assert_eq!(shortened(plain.clone()), plain);
        let long = shortened(format!("`{}` begins no clause", "ä".repeat(5000)));
        assert!(long.len() < 300 && long.ends_with("ä…` begins no clause"), "{long}");
        assert!(shortened("a b ".repeat(5000)).len() < 3000);
    }
}
