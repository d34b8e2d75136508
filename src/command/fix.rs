//! `meshc check --fix`: mends in the files what can be mended for certain.

use super::compile::Checked;
use crate::input::Input;
use crate::output::{self, Terminal};
use meshc_dsl::diagnostic::Fix;
use meshc_dsl::{FileId, Severity, parse};
use std::path::Path;

/// More rounds than slips hide behind each other in one place.
const ROUNDS: usize = 20;

/// Mends, and reads again what was mended, since one slip can hide another.
pub(super) fn run(read: impl Fn() -> Result<Checked, String>, terminal: &Terminal) -> Result<Checked, String> {
    let mut checked = read()?;
    if checked.input.files.contains(&None) {
        return Err("`--fix` changes files, and stdin is none".to_owned());
    }
    for raw in checked.input.raw.iter().filter_map(|file| checked.input.sources.get(*file)) {
        terminal.note(&format!("{}: left as it is, since `--fix` changes policies alone", raw.name));
    }
    for _ in 0..ROUNDS {
        if !mend_all(&checked, terminal)? {
            break;
        }
        checked = read()?;
    }
    Ok(checked)
}

/// Mends each file; says whether there was something to mend.
fn mend_all(checked: &Checked, terminal: &Terminal) -> Result<bool, String> {
    let Input { policies, files, .. } = &checked.input;
    let mut mended = false;
    for (file, path) in policies.iter().zip(files) {
        if let Some(path) = path {
            mended |= mend(checked, *file, path, terminal)?;
        }
    }
    Ok(mended)
}

fn mend(checked: &Checked, file: FileId, path: &Path, terminal: &Terminal) -> Result<bool, String> {
    let fixes = fixes(checked, file);
    let Some(source) = checked.input.sources.get(file).filter(|_| !fixes.is_empty()) else { return Ok(false) };
    let Some(text) = apply(&source.text, &fixes) else { return Ok(false) };
    // A mend that the parser likes less than the slip was none.
    if errors(file, &text) > errors(file, &source.text) {
        return Ok(false);
    }
    output::write_whole(path, &[text]).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    for fix in fixes {
        let at = checked.input.sources.position(file, fix.span.start);
        let place = format!("{}:{}:{}", path.display(), at.line, at.column);
        terminal.note(&format!("{place}: {}", change(checked.input.sources.text(fix.span), &fix.replacement)));
    }
    Ok(true)
}

/// The mends of one file, in order, without those that overlap an earlier one.
fn fixes(checked: &Checked, file: FileId) -> Vec<&Fix> {
    let mut fixes: Vec<&Fix> =
        checked.diagnostics.iter().filter_map(|d| d.fix.as_ref()).filter(|f| f.span.file == file).collect();
    fixes.sort_by_key(|f| (f.span.start, f.span.end));
    let mut end = 0;
    fixes.retain(|fix| {
        let free = fix.span.start >= end;
        end = if free { fix.span.end.max(fix.span.start + 1) } else { end };
        free
    });
    fixes
}

fn apply(text: &str, fixes: &[&Fix]) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for fix in fixes {
        out.push_str(text.get(at..fix.span.start as usize)?);
        out.push_str(&fix.replacement);
        at = fix.span.end as usize;
    }
    out.push_str(text.get(at..)?);
    Some(out)
}

fn errors(file: FileId, text: &str) -> usize {
    let (_, diagnostics) = parse::parse(file, text);
    diagnostics.iter().filter(|d| d.severity() == Severity::Error).count()
}

fn change(old: &str, new: &str) -> String {
    match (old, new) {
        (old, "") => format!("took `{old}` away"),
        ("", new) => format!("added `{new}`"),
        (old, new) => format!("wrote `{new}` for `{old}`"),
    }
}
