//! The parser that pest makes of `mesh.pest`.

use pest_derive::Parser;

/// The generated parser.
#[derive(Parser)]
#[grammar = "mesh.pest"]
pub(crate) struct Mesh;
