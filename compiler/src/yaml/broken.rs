//! What to say of a text that is not YAML, or not what JSON can hold.

use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;
use std::ops::Range;

/// What is wrong with a text as YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// What is wrong.
    pub message: String,
    /// Which character, in bytes.
    pub at: Range<usize>,
}

const DEEP: &str = "it nests deeper than 64";

/// What the library has to say, without its own words for what it could be told, and without the place.
pub(super) fn message(error: &Error) -> String {
    match error {
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("`{key}` stands in one map twice"),
        Error::DuplicateMappingKey { key: None, .. } => "a name stands in one map twice".to_owned(),
        Error::NonFiniteFloat { .. } => "there is no such number in JSON".to_owned(),
        Error::RecursiveReferencesRequireWeakTypes { .. } => "an alias stands within what it names".to_owned(),
        Error::MultipleDocuments { .. } => "it has more than one document".to_owned(),
        Error::Budget { breach, .. } => match breach {
            BudgetBreach::Depth { .. } => DEEP.to_owned(),
            BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => {
                "it has more than 250,000 values, aliases written out".to_owned()
            }
            BudgetBreach::Documents { .. } => "it has more than 1,024 documents".to_owned(),
            _ => "it has too many aliases or merged maps".to_owned(),
        },
        other => {
            let message = other.to_string();
            let line = message.lines().next().unwrap_or("");
            match line.rsplit_once(" at line ").map_or(line, |(what, _)| what) {
                "recursion limit exceeded" => DEEP.to_owned(),
                what => what.to_owned(),
            }
        }
    }
}
