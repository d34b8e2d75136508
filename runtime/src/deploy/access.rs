//! Kubeconfig → a client.

use super::client::Client;
use super::error::Error;
use kube::config::{ExecConfig, KubeConfigOptions, Kubeconfig};
use serde::Deserialize;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Instant;

/// Which cluster.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The kubeconfig; without it the one that kubectl would take.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it.
    pub context: Option<String>,
}

/// A client, and how the context and the server are called.
///
/// # Errors
/// When the kubeconfig or its credential plugin is of no use.
pub async fn connect(place: &Place, deadline: Instant) -> Result<(Client, String), Error> {
    let failed = |error: &dyn std::fmt::Display| Error::Access(format!("cannot read the kubeconfig: {error}"));
    let kubeconfig = match &place.kubeconfig {
        Some(path) => Some(Kubeconfig::read_from(path).map_err(|e| failed(&e))?),
        None => Kubeconfig::read().ok(),
    };
    let (mut config, context) = match kubeconfig {
        Some(kubeconfig) => {
            let context = place.context.clone().or_else(|| kubeconfig.current_context.clone()).unwrap_or_default();
            let options = KubeConfigOptions { context: place.context.clone(), ..KubeConfigOptions::default() };
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|e| failed(&e))?;
            (config, context)
        }
        None => match kube::Config::incluster() {
            Ok(config) => (config, "of this pod".to_owned()),
            Err(_) => return Err(Error::Access("there is no kubeconfig; name one by `--kubeconfig`".into())),
        },
    };
    if let Some(plugin) = config.auth_info.exec.take() {
        let credential = run(&plugin, deadline).await?;
        config.auth_info.token = credential.token.map(Into::into);
        config.auth_info.client_certificate_data = credential.client_certificate_data.map(|text| base64(&text));
        config.auth_info.client_key_data = credential.client_key_data.map(|text| base64(&text).into());
    }
    // Our own loop knows what may be sent twice, and does not believe every Retry-After.
    config.default_retry = false;
    let shown = format!("`{context}` ({})", config.cluster_url);
    let client = kube::Client::try_from(config)
        .map_err(|e| Error::Access(format!("the kubeconfig's credentials are of no use: {e}")))?;
    Ok((Client::new(client, deadline), shown))
}

/// What a credential plugin prints.
#[derive(Deserialize)]
struct Printed {
    status: Option<Credential>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credential {
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

/// Runs a credential plugin once, under the deadline. The library would run it three times, without one.
async fn run(plugin: &ExecConfig, deadline: Instant) -> Result<Credential, Error> {
    let name = plugin.command.clone().unwrap_or_default();
    let failed = |why: &str| Error::Access(format!("the kubeconfig's credential plugin `{name}` {why}"));
    let version = plugin.api_version.as_deref().unwrap_or("client.authentication.k8s.io/v1");
    let info = format!(r#"{{"apiVersion":"{version}","kind":"ExecCredential","spec":{{"interactive":false}}}}"#);
    let mut command = tokio::process::Command::new(&name);
    command.args(plugin.args.iter().flatten()).env("KUBERNETES_EXEC_INFO", info);
    for entry in plugin.env.iter().flatten() {
        if let (Some(key), Some(value)) = (entry.get("name"), entry.get("value")) {
            command.env(key, value);
        }
    }
    plugin.drop_env.iter().flatten().for_each(|key| {
        command.env_remove(key);
    });
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    let left = deadline.saturating_duration_since(Instant::now());
    let output = match tokio::time::timeout(left, command.output()).await {
        Err(_) => return Err(failed("does not end")),
        Ok(Err(error)) => return Err(failed(&format!("cannot be run: {error}"))),
        Ok(Ok(output)) => output,
    };
    if !output.status.success() {
        return Err(failed(&format!("fails: {}", output.status)));
    }
    let printed: Printed =
        serde_json::from_slice(&output.stdout).map_err(|_| failed("does not print a credential in JSON"))?;
    printed.status.ok_or_else(|| failed("prints no credential"))
}

fn base64(text: &str) -> String {
    let bytes = k8s_openapi::ByteString(text.as_bytes().to_vec());
    serde_json::to_value(bytes).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
