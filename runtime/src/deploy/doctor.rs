//! Can this cluster take these policies? Each precondition with its remedy.

use super::client::{Call, Client};
use super::error::Error;
use super::object::Kind;
use super::set::Set;
use serde_json::{Value, json};

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

/// Looks at all of it.
///
/// # Errors
/// When the API server does not answer at all.
pub async fn examine(client: &Client, set: &Set) -> Result<Vec<Finding>, Error> {
    let version = client.call(&Call::get("/version")).await?;
    let mut findings = vec![server(&version)];
    findings.push(definitions(client).await?);
    findings.push(fields(client).await);
    for (verbs, group, resource, namespace) in needs(set) {
        findings.push(permission(client, verbs, group, resource, namespace.as_deref()).await?);
    }
    findings.extend(agent(client).await);
    Ok(findings)
}

/// A server by its numbers: its version's text is a placeholder in some builds.
fn server(version: &Value) -> Finding {
    let number = |key: &str| {
        let digits: String = version
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        digits.parse::<u32>().unwrap_or(0)
    };
    let (major, minor) = (number("major"), number("minor"));
    let found = format!("Kubernetes {major}.{minor}");
    if (major, minor) >= (1, 27) {
        return Finding::good("API server", found);
    }
    Finding::bad("API server", found, "Kubernetes 1.27 or newer is needed: older ones do not refuse unknown fields")
}

async fn definitions(client: &Client) -> Result<Finding, Error> {
    let subject = "Cilium's custom resources";
    let remedy = "install Cilium with `envoyConfig.enabled=true`";
    let Some(list) = client.get("/apis/cilium.io/v2").await? else {
        return Ok(Finding::bad(subject, "the cluster has none", remedy));
    };
    let served = list.get("resources").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let has = |kind: Kind| served.iter().any(|r| r.get("name").and_then(Value::as_str) == Some(kind.resource().1));
    let missing: Vec<&str> = [Kind::CiliumEnvoyConfig, Kind::CiliumClusterwideEnvoyConfig]
        .into_iter()
        .filter(|kind| !has(*kind))
        .map(Kind::name)
        .collect();
    Ok(match missing.as_slice() {
        [] => Finding::good(subject, "CiliumEnvoyConfig and CiliumClusterwideEnvoyConfig, v2"),
        missing => Finding::bad(subject, format!("without {}", missing.join(" and ")), remedy),
    })
}

/// Which fields the installed definition has: an older one drops the rest in silence.
async fn fields(client: &Client) -> Finding {
    let subject = "fields of CiliumEnvoyConfig";
    let document = client.get("/openapi/v3/apis/cilium.io/v2").await.ok().flatten();
    let schemas = document.as_ref().and_then(|d| d.pointer("/components/schemas")?.as_object());
    let schema = schemas.and_then(|s| s.iter().find(|(name, _)| name.ends_with(".CiliumEnvoyConfig")).map(|(_, v)| v));
    let Some(spec) = schema.and_then(|s| s.pointer("/properties/spec/properties")) else {
        return Finding::bad(subject, "not seen", "look at the custom resource by hand").unsure();
    };
    let ports = spec.pointer("/services/items/properties/ports").is_some();
    if ports {
        Finding::good(subject, "services can be steered port by port")
    } else {
        let remedy = "compile for `--target cilium-1.14` or `cilium-1.15`, or renew Cilium's custom resources";
        Finding::bad(subject, "`services[].ports` is not known", remedy).unsure()
    }
}

type Need = (&'static [&'static str], &'static str, &'static str, Option<String>);

/// Exactly what apply does.
fn needs(set: &Set) -> Vec<Need> {
    let own = Some(set.namespace.clone());
    vec![
        (&["get", "create", "patch", "delete"], "cilium.io", "ciliumenvoyconfigs", own.clone()),
        (&["list"], "cilium.io", "ciliumenvoyconfigs", None),
        (&["list"], "cilium.io", "ciliumclusterwideenvoyconfigs", None),
        (&["get", "list", "create", "patch", "delete"], "", "services", own.clone()),
        (&["get", "create", "update", "delete"], "", "configmaps", own.clone()),
        (&["list", "create", "delete"], "", "secrets", own),
    ]
}

async fn permission(
    client: &Client,
    verbs: &[&str],
    group: &str,
    resource: &str,
    namespace: Option<&str>,
) -> Result<Finding, Error> {
    let mut denied = Vec::new();
    for verb in verbs {
        let attributes = json!({"verb": verb, "group": group, "resource": resource, "namespace": namespace});
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        });
        let answer = client.call(&Call::ask("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review)).await?;
        if answer.pointer("/status/allowed").and_then(Value::as_bool) != Some(true) {
            denied.push(*verb);
        }
    }
    let place = namespace.map_or_else(|| "in all namespaces".to_owned(), |n| format!("in `{n}`"));
    let subject = format!("permission on {resource} {place}");
    if denied.is_empty() {
        return Ok(Finding::good(subject, verbs.join(", ")));
    }
    let remedy = "give the verbs by a Role; docs/deploy.md has the whole one";
    Ok(Finding::bad(subject, format!("without {}", denied.join(", ")), remedy))
}

/// How Cilium itself is set up. Who may not look there learns nothing, which is no failure.
async fn agent(client: &Client) -> Vec<Finding> {
    let subject = "Cilium's settings";
    let config = client.get("/api/v1/namespaces/kube-system/configmaps/cilium-config").await;
    let data = match config {
        Ok(Some(config)) => config.get("data").cloned().unwrap_or_default(),
        Ok(None) => {
            return vec![
                Finding::bad(
                    subject,
                    "not seen: there is no ConfigMap kube-system/cilium-config",
                    "look at them by hand",
                )
                .unsure(),
            ];
        }
        Err(error) => {
            return vec![
                Finding::bad(subject, format!("not seen: {error}"), "allow `get` on configmaps in kube-system")
                    .unsure(),
            ];
        }
    };
    let value = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or("not set").to_owned();
    let mut findings = Vec::new();
    for key in ["enable-envoy-config", "enable-l7-proxy"] {
        findings.push(match value(key).as_str() {
            "true" => Finding::good(key, "true"),
            other => {
                let remedy =
                    "set Helm's `envoyConfig.enabled=true` and `l7Proxy=true`: the agents pass our objects over";
                let finding = Finding::bad(key, other, remedy);
                // The proxy is on unless it is switched off.
                if key == "enable-l7-proxy" && other == "not set" {
                    Finding::good(key, "on by default")
                } else {
                    finding
                }
            }
        });
    }
    findings.push(match value("kube-proxy-replacement").as_str() {
        found @ ("true" | "strict" | "partial") => Finding::good("kube-proxy-replacement", found),
        found => Finding::bad(
            "kube-proxy-replacement",
            found,
            "set Helm's `kubeProxyReplacement=true`: services are not steered without it",
        )
        .unsure(),
    });
    let envoy = if value("external-envoy-proxy") == "true" { "in a DaemonSet of its own" } else { "inside the agent" };
    findings.push(Finding::good("Envoy", envoy));
    findings
}
