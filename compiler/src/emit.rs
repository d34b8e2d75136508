//! Manifests as text: YAML documents, or JSON.

use crate::LEAST;
use crate::kubernetes::{Manifest, Object};
use meshc_dsl::parallel::map_parts;
use serde::Serialize;
use std::fmt;

/// How objects are written.
#[derive(Debug, thiserror::Error)]
pub enum EmitError {
    /// The YAML library refused a value.
    #[error("cannot write YAML: {0}")]
    Yaml(String),
    /// The JSON library refused a value.
    #[error("cannot write JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A manifest as a stream of YAML documents, in parts to be written one after the other. Text that a
/// YAML 1.1 reader would take for something else is quoted.
///
/// # Errors
/// When the YAML library refuses a value.
pub fn yaml(manifest: &Manifest) -> Result<Vec<String>, EmitError> {
    let parts = map_parts(&manifest.objects, LEAST, |part| {
        let mut text = String::new();
        for object in part {
            text.push_str("---\n");
            object_yaml(object, &mut text)?;
            // The library ends the last line of most values, but not of all.
            if !text.ends_with('\n') {
                text.push('\n');
            }
        }
        Ok(text)
    });
    let mut parts: Vec<String> = parts.into_iter().collect::<Result<_, EmitError>>()?;
    // Between documents, not in front of them.
    if let Some(first) = parts.first_mut() {
        first.drain(.."---\n".len().min(first.len()));
    }
    Ok(parts)
}

/// Writes one object as YAML.
///
/// # Errors
/// When the writer or the YAML library fails.
pub fn object_yaml(object: &Object, out: &mut impl fmt::Write) -> Result<(), EmitError> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_fmt_writer_with_options(out, object, options).map_err(|e| EmitError::Yaml(e.to_string()))
}

/// A manifest as JSON: a Kubernetes List, or the bootstrap itself.
///
/// # Errors
/// When the JSON library fails.
pub fn json(manifest: &Manifest) -> Result<String, EmitError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List<'a> {
        api_version: &'static str,
        kind: &'static str,
        items: &'a [Object],
    }
    let mut text = match manifest.objects.as_slice() {
        [Object::Bootstrap(bootstrap)] => serde_json::to_string_pretty(bootstrap)?,
        items => serde_json::to_string_pretty(&List { api_version: "v1", kind: "List", items })?,
    };
    text.push('\n');
    Ok(text)
}
