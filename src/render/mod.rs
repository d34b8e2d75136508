//! Diagnostics as people and programs read them.

pub(crate) mod changes;
mod human;
mod json;
mod places;
mod sarif;
mod short;
pub(crate) mod told;

pub(crate) use human::{failure, human, note, summary};
pub(crate) use json::{json, list};
pub(crate) use sarif::sarif;
pub(crate) use short::short;

use meshc_dsl::{Diagnostic, Sources};

/// Diagnostics with the texts that they speak of.
#[derive(Clone, Copy)]
pub(crate) struct Report<'a> {
    pub(crate) diagnostics: &'a [Diagnostic],
    pub(crate) sources: &'a Sources,
    /// How each text is called, by [`meshc_dsl::FileId`].
    pub(crate) shown: &'a [String],
}

impl<'a> Report<'a> {
    /// How a text is called.
    fn path(&self, file: meshc_dsl::FileId) -> &'a str {
        self.shown.get(file.0 as usize).map_or("", String::as_str)
    }
}
