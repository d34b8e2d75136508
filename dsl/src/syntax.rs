//! The syntax tree of one file.

use crate::clause::Clause;
use crate::diagnostic::Diagnostic;
use crate::source::{FileId, Name, Span};
use crate::testing::TestBlock;
use crate::value::Value;

/// A parsed file: what could be read of it, in order.
#[derive(Debug, Default)]
pub struct Policy {
    /// Which file.
    pub file: FileId,
    /// Its declarations.
    pub declarations: Vec<Declaration>,
    /// What is wrong with its tests, which does not keep the rest from being compiled.
    pub test_diagnostics: Vec<Diagnostic>,
}

/// One declaration.
#[derive(Debug)]
pub enum Declaration {
    /// `namespace NAME`: for the rest of the file.
    Namespace(Name),
    /// `scope cluster`.
    Scope(Name),
    /// `param NAME = VALUE`.
    Param(Param),
    /// `policy NAME { … }`.
    Bundle(Bundle),
    /// `service NAME { … }`.
    Service(Service),
    /// `route NAME, NAME … { … }`.
    Route(Route),
    /// `listen NAME ADDRESS { … }`.
    Listen(Listen),
    /// `test "NAME" … { … }`.
    Test(TestBlock),
}

/// A parameter with its default, which gives it its type.
#[derive(Debug)]
pub struct Param {
    /// Its name.
    pub name: Name,
    /// Its default.
    pub value: Value,
}

/// A named bundle of clauses.
#[derive(Debug)]
pub struct Bundle {
    /// Its name.
    pub name: Name,
    /// What `use` brings.
    pub body: Body,
}

/// What cannot be known from a route alone.
#[derive(Debug)]
pub struct Service {
    /// `namespace/service:port` as written.
    pub name: Name,
    /// Its clauses.
    pub body: Body,
}

/// The rules for the traffic of one or more services.
#[derive(Debug)]
pub struct Route {
    /// The steered services, as written; at least one.
    pub subjects: Vec<Name>,
    /// The rules.
    pub body: Body,
    /// The whole declaration.
    pub span: Span,
}

/// A listener on the node's own address.
#[derive(Debug)]
pub struct Listen {
    /// Its name.
    pub name: Name,
    /// The address and port, as written.
    pub address: Name,
    /// The rules.
    pub body: Body,
    /// The whole declaration.
    pub span: Span,
}

/// The clauses of a declaration or of a `when`.
#[derive(Debug, Default)]
pub struct Body {
    /// In the order written.
    pub clauses: Vec<Clause>,
}
