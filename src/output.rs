//! stdout for the product, stderr for everything else, and files that are whole or not there.

use crate::cli::Color;
use crate::exit::Exit;
use crate::input::Failure;
use crate::render;
use anstream::ColorChoice;
use meshc_dsl::Diagnostic;
use meshc_dsl::Sources;
use std::fs::File;
use std::io::{self, BufRead, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;

/// The two streams of the command.
pub(crate) struct Terminal {
    color: ColorChoice,
}

impl Terminal {
    pub(crate) fn new(color: Color) -> Self {
        let color = match color {
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
            Color::Auto => ColorChoice::Auto,
        };
        Self { color }
    }

    /// Writes the product. A reader that goes away early is no failure.
    pub(crate) fn product<'p>(&self, parts: impl IntoIterator<Item = &'p [u8]>) -> Exit {
        // Not by `Stdout`, which would look for line ends in all of it.
        let written = standard_output().and_then(|mut out| parts.into_iter().try_for_each(|part| out.write_all(part)));
        match written {
            Ok(()) => Exit::Done,
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Exit::Done,
            Err(error) => self.fail(&format!("cannot write to stdout: {error}")),
        }
    }

    /// Shows diagnostics in the order given.
    pub(crate) fn diagnostics(&self, diagnostics: &[Diagnostic], sources: &Sources, shown: &[String]) {
        if !diagnostics.is_empty() {
            self.say(&render::human(diagnostics, sources, shown));
        }
    }

    /// Reports that the command cannot go on.
    pub(crate) fn fail(&self, message: &str) -> Exit {
        self.say(&render::failure(message));
        Exit::Usage
    }

    /// Reports what a cluster or another owner did not let happen.
    pub(crate) fn refuse(&self, message: &str, exit: Exit) -> Exit {
        self.say(&render::failure(message));
        exit
    }

    /// Asks on a terminal; `None` where there is none.
    pub(crate) fn ask(&self, question: &str) -> Option<bool> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        self.say(&format!("{question} [y/N]"));
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).ok()?;
        Some(matches!(answer.trim(), "y" | "yes"))
    }

    /// Says something that is not a failure of the command.
    pub(crate) fn note(&self, message: &str) {
        self.say(&render::note(message));
    }

    /// Reports a file that cannot be read.
    pub(crate) fn failed(&self, failure: &Failure) -> Exit {
        self.fail(&failure.to_string())
    }

    /// Writes a text for people as the product: with its colours on a terminal.
    pub(crate) fn page(&self, text: &str) -> Exit {
        let mut out = anstream::AutoStream::new(io::stdout().lock(), self.color);
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                self.fail(&format!("cannot write to stdout: {error}"))
            }
            _ => Exit::Done,
        }
    }

    /// Says a text for people as it is.
    pub(crate) fn say(&self, text: &str) {
        let mut err = anstream::AutoStream::new(io::stderr().lock(), self.color);
        // Nobody is left to tell when stderr is gone.
        let _ = writeln!(err, "{text}");
    }
}

/// Standard output without a buffer.
fn standard_output() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}

/// Writes a file so that it is either as before or complete.
pub(crate) fn write_whole(path: &Path, parts: &[String]) -> io::Result<()> {
    // A link stays one: what it leads to is written.
    let path = &std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
    let mut temporary = name.to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(temporary);
    let written = write_parts(&temporary, parts).and_then(|()| {
        if let Ok(old) = std::fs::metadata(path) {
            std::fs::set_permissions(&temporary, old.permissions())?;
        }
        std::fs::rename(&temporary, path)
    });
    if written.is_err() {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn write_parts(path: &Path, parts: &[String]) -> io::Result<()> {
    let mut file = File::create(path)?;
    parts.iter().try_for_each(|part| file.write_all(part.as_bytes()))?;
    file.sync_all()
}
