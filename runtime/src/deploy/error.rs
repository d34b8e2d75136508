//! What the world did wrong.

use super::object::Id;
use serde_json::Value;
use std::fmt;

/// Why a command about a cluster did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig, or the credential plugin that it names, is of no use.
    #[error("{0}")]
    Access(String),
    /// No answer that counts before the deadline.
    #[error("{what}: no answer in time; the last try: {last}")]
    Unreachable {
        /// What was asked for.
        what: String,
        /// What became of the last try.
        last: String,
    },
    /// The API server said no.
    #[error("{what}: {status}")]
    Refused {
        /// What was asked for.
        what: String,
        /// The answer.
        status: Box<Refusal>,
    },
    /// Somebody else owns a field.
    #[error("{0}")]
    Conflict(Box<Conflict>),
    /// Somebody else works on the set, or took it over.
    #[error("{0}")]
    Busy(String),
    /// An object that this set must not touch.
    #[error("{0}")]
    Foreign(String),
    /// The cluster cannot run it.
    #[error("{0}")]
    Unfit(String),
    /// What is in the cluster under the set's names cannot be read.
    #[error("{0}")]
    Record(String),
    /// The nodes' agents did not accept it, or cannot be seen.
    #[error("{0}")]
    Agents(String),
    /// A signal came.
    #[error("stopped by a signal: what was under way is done, the rest is not")]
    Stopped,
    /// A value cannot be written as JSON.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl Error {
    /// Whether another owner stands in the way.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Error::Conflict(_) | Error::Busy(_) | Error::Foreign(_))
    }

    /// Whether the API server answered with this status code.
    pub(super) fn is(&self, code: u16) -> bool {
        matches!(self, Error::Refused { status, .. } if status.code == code)
    }
}

/// The answer of an API server that refuses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The status code.
    pub code: u16,
    /// The API server's word for it; empty when it gives none.
    pub reason: String,
    /// What it says.
    pub message: String,
    /// Reason, field and message of each cause.
    pub causes: Vec<(String, String, String)>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.causes.iter().any(|(reason, ..)| reason == "NamespaceTerminating") {
            return write!(f, "the namespace is being deleted; apply again when it is gone and made anew");
        }
        write!(f, "the API server answers {}", self.code)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}

/// Fields of an object that belong to somebody else.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The object.
    pub id: Id,
    /// Each field with its owner.
    pub fields: Vec<Owned>,
}

/// A field that somebody else owns.
#[derive(Debug, Clone, PartialEq)]
pub struct Owned {
    /// Its path.
    pub path: String,
    /// Its owner, as the API server calls it.
    pub owner: String,
    /// What we want there.
    pub ours: Option<Value>,
    /// What is there.
    pub live: Option<Value>,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has another owner", self.id)?;
        for field in &self.fields {
            write!(f, "\n  {} is of {}: ", field.path, field.owner)?;
            write!(f, "{} there, {} here", short(field.live.as_ref()), short(field.ours.as_ref()))?;
        }
        Ok(())
    }
}

/// A value in at most some 60 characters.
pub(super) fn short(value: Option<&Value>) -> String {
    let text = value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    if text.chars().count() <= 60 { text } else { format!("{}…", text.chars().take(59).collect::<String>()) }
}
