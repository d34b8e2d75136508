//! Manifests as text: YAML documents, or JSON.

use crate::kubernetes::{Manifest, Object};
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

/// Writes a manifest as a stream of YAML documents. Text that a YAML 1.1 reader would take for
/// something else is quoted.
///
/// # Errors
/// When the writer or the YAML library fails.
pub fn yaml(manifest: &Manifest, out: &mut impl fmt::Write) -> Result<(), EmitError> {
    let failed = |e: fmt::Error| EmitError::Yaml(e.to_string());
    for (at, object) in manifest.objects.iter().enumerate() {
        if at > 0 {
            out.write_str("---\n").map_err(failed)?;
        }
        object_yaml(object, out)?;
        out.write_char('\n').map_err(failed)?;
    }
    Ok(())
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
