//! The mesh policy language: text → syntax tree with spans, plus the formatter and the
//! [`Diagnostic`] type that every later stage reports with.
//!
//! This crate touches no file and knows neither Kubernetes nor Envoy. Parsing never fails as a
//! whole: it gives a tree of what could be read and a diagnostic for each part that could not.

#![forbid(unsafe_code)]

mod behind;
pub mod clause;
pub mod condition;
pub mod diagnostic;
mod foreign;
pub mod format;
mod grammar;
pub mod layout;
pub mod outline;
pub mod parallel;
pub mod parse;
mod recover;
mod slip;
pub mod source;
pub mod suggest;
pub mod syntax;
pub mod testing;
pub mod value;

pub use diagnostic::{Code, Diagnostic, Severity};
pub use source::{FileId, SourceFile, Sources, Span};
