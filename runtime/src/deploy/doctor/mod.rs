//! Can this cluster take these policies? Each precondition with its remedy.
//!
//! `server` looks at the API server, `definitions` at Cilium's custom resources, `rights` at what we may do,
//! `cilium` at how Cilium is set up, and `release` at which one it is. `obstacles` are those that make an
//! apply impossible: they are looked at before it writes.

mod cilium;
mod definitions;
mod release;
mod rights;
mod server;

use super::apply::Prepared;
use super::client::{Call, Client};
use super::error::Error;
use super::set::{Parent, Set};
use meshc_compiler::Target;
pub use release::{Release, release};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub subject: String,
    /// What was found.
    pub found: String,
    /// What to do; nothing where all is well.
    pub remedy: Option<String>,
    /// Whether `apply` cannot succeed.
    pub fatal: bool,
}

impl Finding {
    fn good(subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self { subject: subject.into(), found: found.into(), remedy: None, fatal: false }
    }

    fn bad(subject: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { subject: subject.into(), found: found.into(), remedy: Some(remedy.into()), fatal: true }
    }

    fn unsure(self) -> Self {
        Self { fatal: false, ..self }
    }
}

/// Looks at all of it. `namespace` is Cilium's, `targets` what the policies are compiled for.
///
/// # Errors
/// When the API server does not answer at all.
pub async fn examine(client: &Client, set: &Set, namespace: &str, targets: &[Target]) -> Result<Vec<Finding>, Error> {
    let version = client.call(&Call::get("/version")).await?;
    let mut findings = vec![server::finding(&version)];
    let served = definitions::served(client).await?;
    findings.push(definitions::finding(&served));
    if !served.is_empty() {
        findings.extend(definitions::fields(client).await);
    }
    let scope = Parent::read(client, set).await.map(|parent| parent.scope()).unwrap_or_default();
    for need in rights::of_set(set, &scope, namespace) {
        findings.push(rights::finding(client, &need, &served).await?);
    }
    findings.extend(release::findings(client, namespace, targets).await);
    findings.extend(cilium::findings(client, namespace).await);
    Ok(findings)
}

/// Looks at what makes it impossible that a plan is applied.
///
/// # Errors
/// All that stands in the way, with its remedies; or when the API server does not answer.
pub async fn obstacles(client: &Client, set: &Set, namespace: &str, prepared: &Prepared) -> Result<(), Error> {
    let mut findings = cilium::findings(client, namespace).await;
    for need in rights::of_plan(set, prepared) {
        findings.push(rights::finding(client, &need, &definitions::all()).await?);
    }
    let lines: Vec<String> = findings
        .into_iter()
        .filter(|finding| finding.fatal)
        .map(|f| format!("  {}: {}\n    → {}", f.subject, f.found, f.remedy.unwrap_or_default()))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    Err(Error::Unfit(format!("the cluster cannot take the set; nothing was written\n{}", lines.join("\n"))))
}
