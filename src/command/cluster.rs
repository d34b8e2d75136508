//! What the commands about a cluster share: which set, the connection, the compiled program.

use crate::cli::{Cluster, Program, Shape};
use crate::exit::Exit;
use crate::input::{Input, Select};
use crate::output::Terminal;
use meshc_compiler::{Catalog, Manifest, Target, compile};
use meshc_dsl::clause::{Clause, Destination, DestinationKind};
use meshc_dsl::diagnostic::{any_error, sort};
use meshc_dsl::syntax::{Body, Declaration};
use meshc_dsl::{parse, value};
use meshc_runtime::deploy::{self, Client, Error, Place, Record, Set};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// A connection to the cluster, and the set that the command is about.
pub(super) struct Session {
    runtime: Runtime,
    pub(super) client: Client,
    pub(super) set: Set,
    /// How the context and the server are called.
    pub(super) place: String,
    /// The namespace of Cilium's agents and settings.
    pub(super) cilium: String,
    /// What `meshc.toml` compiles for.
    pub(super) targets: Vec<Target>,
}

impl Session {
    /// Connects. What is wrong is said already when an exit comes back.
    pub(super) fn open(input: &Input, args: &Cluster, terminal: &Terminal) -> Result<Self, Exit> {
        let Some(name) = input.config.name.clone() else {
            return Err(terminal.fail("the set has no name; write `name = \"shop\"` into meshc.toml"));
        };
        let namespace = namespace(input, args);
        let timeout = value::duration(&args.timeout).unwrap_or(Duration::ZERO);
        if timeout.is_zero() {
            return Err(terminal.fail(&format!("`--timeout {}` is no duration; write it as `2m`", args.timeout)));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|e| terminal.fail(&format!("cannot start: {e}")))?;
        let place = Place { kubeconfig: args.kubeconfig.clone(), context: args.context.clone() };
        let connected = runtime.block_on(deploy::connect(&place, Instant::now() + timeout));
        let (client, place) = connected.map_err(|e| failed(&e, terminal))?;
        let (cilium, targets) = (args.cilium_namespace.clone(), input.config.targets.clone());
        Ok(Self { runtime, client, set: Set { name, namespace }, place, cilium, targets })
    }

    /// The session of a command that reads no policies.
    pub(super) fn of_path(path: Option<&Path>, args: &Cluster, terminal: &Terminal) -> Result<Self, Exit> {
        let input = Input::of_config(path.unwrap_or(Path::new("."))).map_err(|e| terminal.failed(&e))?;
        terminal.diagnostics(&input.diagnostics, &input.sources, &input.shown);
        if any_error(&input.diagnostics) {
            return Err(Exit::Wrong);
        }
        Self::open(&input, args, terminal)
    }

    /// Runs work to its end; what the world did wrong is said.
    pub(super) fn run<T>(&self, work: impl Future<Output = Result<T, Error>>, terminal: &Terminal) -> Result<T, Exit> {
        self.runtime.block_on(work).map_err(|e| failed(&e, terminal))
    }

    /// From now on a signal lets what is under way end, and nothing more begin.
    pub(super) fn stop_on_signal(&self, terminal: &Terminal) -> Result<(), Exit> {
        self.run(async { deploy::stop_on_signal(&self.client) }, terminal)
    }

    /// Runs work that cannot fail.
    pub(super) fn complete<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// What to compile for when nobody says: the release that the cluster runs.
    fn target(&self, terminal: &Terminal) -> Result<Target, Exit> {
        let default = Target::DEFAULT;
        match self.complete(deploy::release(&self.client, &self.cilium)) {
            Ok(release) => match release.target() {
                Some(target) => {
                    terminal.note(&format!("compiled for `{target}`: the cluster runs Cilium {release}"));
                    Ok(target)
                }
                None => {
                    let text = format!("the cluster runs Cilium {release}, and 1.14 is the oldest that is known");
                    Err(terminal.refuse(&text, Exit::Refused))
                }
            },
            Err(why) => {
                terminal.note(&format!("compiled for `{default}`: the cluster's release of Cilium is not seen: {why}"));
                Ok(default)
            }
        }
    }
}

fn namespace(input: &Input, args: &Cluster) -> String {
    args.namespace.clone().or_else(|| input.config.namespace.clone()).unwrap_or_else(|| "default".to_owned())
}

/// Says what the world did wrong.
pub(super) fn failed(error: &Error, terminal: &Terminal) -> Exit {
    match error {
        Error::Access(_) => terminal.refuse(&error.to_string(), Exit::Refused),
        Error::Conflict(_) => {
            let text = format!("{error}\ntake the fields with `--force-conflicts`, or leave them to their owner");
            terminal.refuse(&text, Exit::Conflict)
        }
        _ if error.is_conflict() => terminal.refuse(&error.to_string(), Exit::Conflict),
        _ => terminal.refuse(&error.to_string(), Exit::Refused),
    }
}

/// A program compiled for the cluster, and what a revision keeps of it.
pub(super) struct Compiled {
    pub(super) session: Session,
    pub(super) record: Record,
    pub(super) commit: Option<String>,
}

/// Reads and compiles a program; the Services of the namespaces involved are the catalog unless one is
/// given.
pub(super) fn program(program: &Program, args: &Cluster, terminal: &Terminal) -> Result<Compiled, Exit> {
    let mut input = Input::read(&program.paths, Select::Program).map_err(|e| terminal.failed(&e))?;
    let mut options = super::compile::options(program, &input).map_err(|e| terminal.fail(&e))?;
    options.namespace = namespace(&input, args);
    let session = Session::open(&input, args, terminal)?;
    if program.target.is_none() && input.config.targets.is_empty() {
        options.target = session.target(terminal)?;
    }
    let catalog = if program.catalog.is_empty() {
        let namespaces = namespaces(&input, &options.namespace);
        let services = session.run(deploy::services(&session.client, &namespaces, &session.set), terminal)?;
        let mut catalog = Catalog::default();
        input.catalog_text("the cluster's Services", services.to_string(), &options.namespace, &mut catalog);
        catalog
    } else {
        input.catalog(&program.catalog, &options.namespace).map_err(|e| terminal.failed(&e))?
    };
    let compiled = compile(&input.sources, &input.policies, &catalog, &options);
    let mut diagnostics = std::mem::take(&mut input.diagnostics);
    let readable = !any_error(&diagnostics);
    diagnostics.extend(compiled.diagnostics);
    sort(&mut diagnostics);
    terminal.diagnostics(&diagnostics, &input.sources, &input.shown);
    let manifest = compiled.manifest.filter(|_| readable).ok_or(Exit::Wrong)?;
    let record = record(&input, &manifest, &session.set).map_err(|e| failed(&e, terminal))?;
    let commit = commit(input.root.as_deref().unwrap_or(Path::new(".")));
    Ok(Compiled { session, record, commit })
}

fn record(input: &Input, manifest: &Manifest, set: &Set) -> Result<Record, Error> {
    let source = |file| input.sources.get(file).map(|s| (s.name.clone(), s.text.clone()));
    let sources: BTreeMap<String, String> = input.policies.iter().filter_map(|file| source(*file)).collect();
    Ok(Record { sources, objects: deploy::desired(manifest, set)? })
}

/// The namespaces that policies speak of.
fn namespaces(input: &Input, default: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([default.to_owned()]);
    for file in &input.policies {
        let text = input.sources.get(*file).map_or("", |f| f.text.as_str());
        for declaration in parse::parse(*file, text).0.declarations {
            let body = match &declaration {
                Declaration::Namespace(name) => {
                    found.extend(value::name(&name.text).is_ok().then(|| name.text.clone()));
                    continue;
                }
                Declaration::Service(service) => {
                    qualified(&service.name.text, &mut found);
                    &service.body
                }
                Declaration::Route(route) => {
                    route.subjects.iter().for_each(|subject| qualified(&subject.text, &mut found));
                    &route.body
                }
                Declaration::Test(_) => continue,
                Declaration::Bundle(bundle) => &bundle.body,
                Declaration::Listen(listen) => &listen.body,
                Declaration::Scope(_) | Declaration::Param(_) => continue,
            };
            of_body(body, &mut found);
        }
    }
    found
}

fn of_body(body: &Body, found: &mut BTreeSet<String>) {
    for clause in &body.clauses {
        match clause {
            Clause::Split(split) => split.shares.iter().for_each(|share| of_destination(&share.destination, found)),
            Clause::Mirror(mirror) => of_destination(&mirror.destination, found),
            Clause::Version(version) => version.service.iter().for_each(|s| qualified(s.as_str(), found)),
            Clause::When(when) => of_body(&when.body, found),
            Clause::Otherwise(_, body) => of_body(body, found),
            _ => {}
        }
    }
}

fn of_destination(destination: &Destination, found: &mut BTreeSet<String>) {
    if let DestinationKind::Named(value) = &destination.kind {
        qualified(value.as_str(), found);
    }
}

fn qualified(text: &str, found: &mut BTreeSet<String>) {
    let namespace = text.split_once('/').map(|(namespace, _)| namespace).filter(|n| value::name(n).is_ok());
    found.extend(namespace.map(str::to_owned));
}

/// The commit that a folder is at, with a `+` when it is not just that.
fn commit(folder: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(folder).args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
        let output = command.output().ok().filter(|o| o.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--", "."])?;
    Some(if changes.is_empty() { commit } else { format!("{commit}+") })
}

/// Writes a report in the form that was asked for.
pub(super) fn report(shape: Shape, text: &str, json: &serde_json::Value, terminal: &Terminal) -> Exit {
    match shape {
        Shape::Text => terminal.product([text.as_bytes()]),
        Shape::Json => terminal.product([format!("{json}\n").as_bytes()]),
    }
}

/// The same, in colours on a terminal.
pub(super) fn colored(shape: Shape, text: &str, json: &serde_json::Value, terminal: &Terminal) -> Exit {
    match shape {
        Shape::Text => terminal.page(text),
        Shape::Json => report(shape, text, json, terminal),
    }
}

/// An object in JSON reports.
pub(super) fn object(id: &deploy::Id, key: &str, value: &str) -> serde_json::Value {
    json!({"kind": id.kind.name(), "namespace": id.namespace, "name": id.name, key: value})
}
