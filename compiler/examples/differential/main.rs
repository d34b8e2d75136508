//! Holds the evaluator against a real Envoy: random policies over the whole HTTP language, each with
//! requests aimed at its edges. `differential --envoy PATH [--policies N] [--requests N] [--seed N]
//! [--show POLICY]`. Exits with 1 on a disagreement.

mod compare;
mod draw;
mod envoy;
mod http;
mod kept;
mod policies;
mod requests;

use compare::Judge;
use draw::Draw;
use meshc_compiler::evaluate::{Entry, Plan, Request};
use meshc_compiler::ir::Program;
use meshc_compiler::{Catalog, Options, Target};
use meshc_dsl::Sources;
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Policies that one Envoy holds at once.
const BATCH: usize = 25;
/// Clients at once.
const CLIENTS: usize = 2;
/// Disagreements that are shown of one policy.
const SHOWN: usize = 3;

struct Settings {
    envoy: PathBuf,
    policies: usize,
    requests: usize,
    seed: u64,
    show: Option<usize>,
}

fn settings() -> Result<Settings> {
    let mut settings = Settings { envoy: PathBuf::new(), policies: 200, requests: 500, seed: 1, show: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("`{name}` has no value"))?;
        match name.as_str() {
            "--envoy" => settings.envoy = value.into(),
            "--policies" => settings.policies = value.parse()?,
            "--requests" => settings.requests = value.parse()?,
            "--seed" => settings.seed = value.parse()?,
            "--show" => settings.show = Some(value.parse()?),
            _ => return Err(format!("`{name}` is no option").into()),
        }
    }
    Ok(settings)
}

/// A policy that compiles.
struct Policy {
    text: String,
    program: Program,
    bootstrap: String,
    requests: Vec<Request>,
}

fn compiled(text: &str) -> Option<(Program, String)> {
    let mut sources = Sources::default();
    let file = sources.add("policy.mesh", text);
    let options = Options {
        target: Target::Envoy,
        namespace: "default".into(),
        params: Vec::new(),
        max_regex_program: meshc_compiler::regex::LIMIT,
    };
    let compiled = meshc_compiler::compile(&sources, &[file], &Catalog::default(), &options);
    let bootstrap = meshc_compiler::emit::json(&compiled.manifest?).ok()?;
    let (program, _) = meshc_compiler::program(&sources, &[file], &Catalog::default(), &options);
    Some((program, bootstrap))
}

/// The policy of a number: the first draw that compiles.
fn drawn(number: usize, settings: &Settings) -> Result<Policy> {
    for attempt in 0..400 {
        let mut draw = Draw::new(settings.seed * 1_000_003 + number as u64 * 401 + attempt);
        let text = policies::policy(&mut draw, &format!("p{number}"));
        if let Some((program, bootstrap)) = compiled(&text) {
            let requests = (0..settings.requests).map(|_| requests::request(&mut draw)).collect();
            return Ok(Policy { text, program, bootstrap, requests });
        }
    }
    Err(format!("no draw of policy {number} compiles").into())
}

/// The policies of disagreements that were found and mended.
fn kept() -> Result<Vec<Policy>> {
    let one = |(number, kept): (usize, kept::Kept)| {
        let services = "service a:80 { version v1; version v2; version v3 }\nservice b:80";
        let text = format!("namespace kept{number}\n{services}\nroute a {{\n{}\n}}\n", kept.rules);
        let (program, bootstrap) = compiled(&text).ok_or_else(|| format!("this does not compile: {text}"))?;
        Ok(Policy { text, program, bootstrap, requests: kept.requests })
    };
    kept::all().into_iter().enumerate().map(one).collect()
}

/// Sends a policy's requests; gives what the two disagree in.
fn held(policy: &Policy, port: u16) -> Result<Vec<String>> {
    let plan = Plan::new(&policy.program)?;
    let site = plan.sites().first().ok_or("the policy takes no requests")?;
    let owner = match site.entry {
        Entry::Service(service) => service.to_string(),
        Entry::Listen(name) => format!("listen/{name}"),
    };
    let mut judge = Judge { site, owner, draws: Default::default() };
    let mut client = http::Client::new(port);
    let source = client.address()?;
    let mut found = Vec::new();
    for request in &policy.requests {
        let request = Request { source_ip: Some(source), ..request.clone() };
        let seen = client.send(&request).map_err(|error| format!("{error}: {request:?}"))?;
        if let Err(problem) = judge.judge(&request, &seen) {
            found.push(format!("{problem}\n    {request:?}"));
        }
    }
    found.extend(judge.unlikely());
    Ok(found)
}

/// Runs some policies on one Envoy; gives the disagreements by policy.
fn batch(policies: &[Policy], server: u16, settings: &Settings) -> Result<Vec<Vec<String>>> {
    let folder = std::env::temp_dir().join(format!("meshc-differential-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut config = envoy::Config::default();
    let ports: Vec<u16> = policies.iter().map(|p| config.add(&p.bootstrap, server)).collect::<Result<_>>()?;
    let proxy = config.start(&settings.envoy, &folder)?;
    let work: Vec<(&Policy, u16)> = policies.iter().zip(ports).collect();
    let found = std::thread::scope(|scope| {
        let parts = work.chunks(work.len().div_ceil(CLIENTS).max(1));
        let threads: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(|(policy, port)| held(policy, *port)).collect::<Vec<_>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect::<Result<Vec<_>>>()
    });
    drop(proxy);
    std::fs::remove_dir_all(&folder)?;
    found
}

fn main() -> Result<ExitCode> {
    let settings = settings()?;
    let mut out = std::io::stdout();
    if let Some(number) = settings.show {
        out.write_all(drawn(number, &settings)?.text.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    let server = http::serve()?;
    let (mut disagreements, mut sent) = (0, 0);
    let batches = (0..settings.policies).step_by(BATCH).map(Some);
    for first in std::iter::once(None).chain(batches) {
        let policies: Vec<Policy> = match first {
            None => kept()?,
            Some(first) => (first..(first + BATCH).min(settings.policies))
                .map(|number| drawn(number, &settings))
                .collect::<Result<_>>()?,
        };
        let found = batch(&policies, server, &settings)?;
        if found.len() != policies.len() {
            return Err("a client failed".into());
        }
        for (at, (policy, problems)) in policies.iter().zip(found).enumerate() {
            sent += policy.requests.len();
            disagreements += problems.len();
            if let Some(more) = problems.len().checked_sub(1) {
                let name = first.map_or("kept policy".to_owned(), |first| format!("policy {}", first + at));
                writeln!(out, "{name}: {} disagreements\n{}", more + 1, policy.text)?;
            }
            for problem in problems.iter().take(SHOWN) {
                writeln!(out, "  {problem}")?;
            }
        }
    }
    writeln!(out, "{} policies, {sent} requests: {disagreements} disagreements", settings.policies)?;
    Ok(if disagreements == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
