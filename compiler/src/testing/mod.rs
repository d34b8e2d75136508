//! `test` blocks: requests with what must become of them, answered by the evaluator.
//!
//! [`prepare`] resolves a program with its tests; [`Suite::run`] answers them.

mod coverage;
mod judge;
mod resolve;

pub use coverage::{Coverage, Point};
pub(crate) use resolve::resolve;

use crate::catalog::Catalog;
use crate::clause::accesslog::AccessLog;
use crate::clause::client_address::ClientAddress;
use crate::clause::cors::Cors;
use crate::clause::key::Key;
use crate::clause::ratelimit::RateLimit;
use crate::clause::retry::Retry;
use crate::clause::upstream::UpstreamSettings;
use crate::evaluate::{BadPattern, Plan, Request};
use crate::ir::Program;
use crate::resolve::resolve_tested;
use crate::{Options, evaluate};
use coverage::Probes;
use meshc_dsl::diagnostic::{any_error, codes, sort};
use meshc_dsl::parallel::map_parts;
use meshc_dsl::syntax::{Declaration, Policy};
use meshc_dsl::value::Portion;
use meshc_dsl::{Diagnostic, FileId, Severity, Sources, Span};
use std::time::Duration;

/// How many requests make a thread worth its start.
const LEAST: usize = 64;

/// A `test` block.
#[derive(Debug)]
pub struct Test {
    /// What it is called.
    pub name: String,
    /// `test` and the name.
    pub span: Span,
    /// Its requests; one for each of the services of a route where none is named.
    pub cases: Vec<Case>,
}

/// One request with what must become of it.
#[derive(Debug)]
pub struct Case {
    /// Who takes it: an index into [`Plan::sites`].
    pub site: usize,
    /// What is sent; nothing where it is a connection.
    pub request: Option<Request>,
    /// Where the request stands.
    pub span: Span,
    /// What must hold, all of it.
    pub expected: Vec<Expected>,
}

/// One thing that must hold.
#[derive(Debug)]
pub struct Expected {
    /// Where it is written.
    pub span: Span,
    /// What it is.
    pub kind: Expectation,
}

/// A destination that a test names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its place among the upstreams of the site; `None` where no rule there names it.
    pub upstream: Option<usize>,
    /// What is behind it.
    pub text: String,
}

/// What must hold. What is written of a policy without its options is compared by that alone.
#[derive(Debug)]
pub enum Expectation {
    /// The shares of all destinations.
    Split(Vec<(Portion, Named)>),
    /// Nothing goes there.
    NotTo(Named),
    /// The path that the upstream gets.
    Path(String),
    /// The host that the upstream gets.
    Host(String),
    /// A header that the upstream gets, or that it does not get.
    RequestHeader(String, Option<String>),
    /// A header that the proxy writes into the answer, or takes out of it.
    ResponseHeader(String, Option<String>),
    /// The status that the proxy answers with, and the text where it is named.
    Status(u32, Option<String>),
    /// Where the client is sent, by which status.
    Redirect(Option<u32>, String),
    /// The time for all tries.
    Timeout(Option<Duration>),
    /// The time without bytes.
    IdleTimeout(Option<Duration>),
    /// Further tries; only their number where the flag is not set.
    Retry(Retry, bool),
    /// The limit; only its rate where the flag is not set.
    Limit(RateLimit, bool),
    /// A copy of so many of the requests goes there.
    Mirror(Portion, Named),
    /// How a client keeps its side.
    Sticky(Key),
    /// Which pages may call.
    Cors(Cors),
    /// A part of the settings of each destination.
    Upstream(Aspect, Box<UpstreamSettings>),
    /// How requests are logged.
    AccessLog(AccessLog),
    /// Whose address destinations see.
    ClientAddress(ClientAddress),
    /// There is none of this.
    No(Kind),
    /// The line of the rule.
    Line(u32),
}

/// A part of the settings of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aspect {
    /// `circuit-breaker`
    CircuitBreaker,
    /// `outlier`
    Outlier,
    /// `balance`
    Balance,
    /// `connect-timeout`
    ConnectTimeout,
    /// `protocol`
    Protocol,
    /// `health-check`
    HealthCheck,
}

/// What a rule may do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `timeout`
    Timeout,
    /// `idle-timeout`
    IdleTimeout,
    /// `retry`
    Retry,
    /// `ratelimit`
    Limit,
    /// `mirror`
    Mirror,
    /// `sticky`
    Sticky,
    /// `cors`
    Cors,
}

/// A program with its tests.
#[derive(Debug)]
pub struct Suite {
    /// The program.
    pub program: Program,
    /// Its tests, in the order of files and places.
    pub tests: Vec<Test>,
    trees: Vec<Policy>,
}

/// What became of the request of a test.
#[derive(Debug)]
pub struct Outcome {
    /// Which test.
    pub test: usize,
    /// Who took it: `shop/cart:8080`, `listen metrics`.
    pub entry: String,
    /// Where it stands.
    pub span: Span,
    /// The rule that won, if one did.
    pub rule: Option<Span>,
    /// What does not hold; none where it passed.
    pub failures: Vec<Diagnostic>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// Every request, in the order of tests.
    pub outcomes: Vec<Outcome>,
    /// Which rules they reached.
    pub coverage: Coverage,
}

/// Resolves a program with its tests. There is a suite only where there is no error.
pub fn prepare(
    sources: &Sources,
    policies: &[FileId],
    catalog: &Catalog,
    options: &Options,
) -> (Option<Suite>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let mut trees = Vec::with_capacity(policies.len());
    for (mut tree, mut problems) in crate::parse_all(sources, policies) {
        diagnostics.append(&mut problems);
        diagnostics.append(&mut tree.test_diagnostics);
        trees.push(tree);
    }
    diagnostics.extend(trees.iter().flat_map(|tree| strangers(tree, sources)));
    let (program, tests, mut problems) = resolve_tested(&trees, &options.settings(sources, catalog));
    diagnostics.append(&mut problems);
    crate::followers::drop_all(&mut diagnostics, sources);
    sort(&mut diagnostics);
    if any_error(&diagnostics) {
        // As where it is compiled: facts only hide what is wrong.
        diagnostics.retain(|d| d.severity() != Severity::Note);
    }
    let suite = (!any_error(&diagnostics)).then_some(Suite { program, tests, trees });
    (suite, diagnostics)
}

/// What is wrong with the tests of a program, beside what compiling says; mistakes of both are
/// given again. The facts worth knowing are the compiler's alone to give. Nothing is resolved where
/// no text speaks of a test.
pub fn check(sources: &Sources, policies: &[FileId], catalog: &Catalog, options: &Options) -> Vec<Diagnostic> {
    let tested = |file: &FileId| sources.get(*file).is_some_and(|f| f.text.contains("test"));
    if !policies.iter().any(tested) {
        return Vec::new();
    }
    let (_, mut diagnostics) = prepare(sources, policies, catalog, options);
    diagnostics.retain(|d| d.severity() != Severity::Note);
    diagnostics
}

/// The end of the names of files that hold nothing but tests.
pub const TEST_FILE: &str = "_test.mesh";

/// Declarations of a test file that are no tests: what compiles would go without them.
fn strangers(tree: &Policy, sources: &Sources) -> Vec<Diagnostic> {
    if !sources.get(tree.file).is_some_and(|f| f.name.ends_with(TEST_FILE)) {
        return Vec::new();
    }
    let place = |declaration: &Declaration| match declaration {
        Declaration::Test(_) | Declaration::Namespace(_) => None,
        Declaration::Scope(name) => Some(name.span),
        Declaration::Param(node) => Some(node.name.span),
        Declaration::Bundle(node) => Some(node.name.span),
        Declaration::Service(node) => Some(node.name.span),
        Declaration::Route(node) => node.subjects.first().map(|name| name.span),
        Declaration::Listen(node) => Some(node.name.span),
    };
    let stranger = |span: Span| {
        Diagnostic::new(codes::NOT_A_TEST, span, "this is declared in a file of tests, and so never compiled")
            .help("move it into a policy file; a file that ends in `_test.mesh` holds `test` and `namespace` alone")
    };
    tree.declarations.iter().filter_map(place).map(stranger).collect()
}

impl Suite {
    /// Answers the requests of all tests whose names contain `filter`.
    ///
    /// # Errors
    /// When a pattern of the program is too large for the engine, and so for Envoy.
    pub fn run(&self, sources: &Sources, filter: Option<&str>) -> Result<Report, BadPattern> {
        let plan = Plan::new(&self.program)?;
        let probes = Probes::new(&self.program, &self.trees);
        let probe_plan = Plan::new(&probes.program)?;
        let wanted = |test: &&(usize, &Test)| filter.is_none_or(|text| test.1.name.contains(text));
        let tests: Vec<(usize, &Test)> = self.tests.iter().enumerate().collect();
        let cases: Vec<(usize, &Case)> =
            tests.iter().filter(wanted).flat_map(|(at, test)| test.cases.iter().map(move |case| (*at, case))).collect();
        let parts = map_parts(&cases, LEAST, |part| {
            let answer = |(test, case): &(usize, &Case)| self.answer(*test, case, &plan, sources);
            let reached = |(_, case): &(usize, &Case)| probes.reached(case, &plan, &probe_plan);
            (part.iter().filter_map(answer).collect::<Vec<_>>(), part.iter().flat_map(reached).collect::<Vec<_>>())
        });
        let (mut outcomes, mut reached) = (Vec::with_capacity(cases.len()), Vec::new());
        for (mut some, mut points) in parts {
            outcomes.append(&mut some);
            reached.append(&mut points);
        }
        Ok(Report { outcomes, coverage: probes.coverage(&reached) })
    }

    fn answer(&self, test: usize, case: &Case, plan: &Plan<'_>, sources: &Sources) -> Option<Outcome> {
        let site = plan.sites().get(case.site)?;
        let nothing = Request::default();
        let answer = site.answer(case.request.as_ref().unwrap_or(&nothing));
        let asked = judge::Asked { case, site, answer: &answer, program: &self.program, sources };
        Some(Outcome {
            test,
            entry: site.entry.to_string(),
            span: case.span,
            rule: answer.rule.map(|won| won.rule.span),
            failures: asked.failures(&self.tests.get(test)?.name),
        })
    }
}

/// What the proxy does with a request that no rule is for, in words.
fn refusal(outcome: &evaluate::Outcome<'_>) -> Option<String> {
    match outcome {
        evaluate::Outcome::Refused { status, reason } => Some(format!("is refused with {status}: {reason}")),
        evaluate::Outcome::NoRoute => Some("is answered with 404, since no rule is for it".to_owned()),
        evaluate::Outcome::ReadOnly => {
            Some("is answered with 405, since only GET and HEAD go to the administration interface".to_owned())
        }
        _ => None,
    }
}
