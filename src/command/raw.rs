//! Hand-written CiliumEnvoyConfigs, which `check` reads when they are named.

use crate::input::Input;
use meshc_compiler::check::check_raw;
use meshc_compiler::{Catalog, Options};
use meshc_dsl::Diagnostic;

/// Everything worth saying of the CiliumEnvoyConfigs that were read.
pub(super) fn check(input: &Input, options: &Options, catalog: &Catalog) -> Vec<Diagnostic> {
    let texts = input.raw.iter().filter_map(|file| Some((*file, input.sources.get(*file)?)));
    texts
        .flat_map(|(file, source)| check_raw(file, &source.text, options.target, catalog, options.max_regex_program))
        .collect()
}
