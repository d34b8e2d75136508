//! What the command's exit code says.

use std::process::{ExitCode, Termination};

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done,
    /// The policy is wrong, a test failed, or a check found a difference.
    Wrong,
    /// The command was used wrongly, or a file cannot be read or written.
    Usage,
    /// The cluster or the node refused, or was not reachable.
    Refused,
    /// Somebody else owns what was to be written.
    Conflict,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(match self {
            Exit::Done => 0,
            Exit::Wrong => 1,
            Exit::Usage => 2,
            Exit::Refused => 3,
            Exit::Conflict => 4,
        })
    }
}

/// Prints what the argument parser says: help on stdout, mistakes on stderr.
pub(crate) fn of_usage(error: &clap::Error) -> Exit {
    // A reader that went away wants no more words.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}
