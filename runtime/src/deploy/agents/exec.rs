//! A command in a pod, under a deadline.

use super::super::client::Client;
use super::pods::CONTAINER;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use std::time::Duration;
use tokio::io::AsyncReadExt;

/// The most that is read of an output: an agent of thousands of services prints some 10 MB.
const MOST: u64 = 128 << 20;

/// How much of an output is on its way within this process.
const BUFFER: usize = 256 << 10;

/// Runs a script in an agent's container; what it printed, or why that is not known. Success of the
/// exchange says nothing about the output: the API server reports it as well when the node died.
pub(super) async fn run(
    client: &Client,
    namespace: &str,
    pod: &str,
    script: &str,
    limit: Duration,
) -> Result<String, String> {
    match tokio::time::timeout(limit, exchange(client, namespace, pod, script)).await {
        Ok(output) => output,
        Err(_) => Err(format!("no whole answer within {} s", limit.as_secs())),
    }
}

async fn exchange(client: &Client, namespace: &str, pod: &str, script: &str) -> Result<String, String> {
    let pods: Api<Pod> = Api::namespaced(client.kube(), namespace);
    let parameters = AttachParams::default().container(CONTAINER).stdin(false).stderr(false);
    let parameters = parameters.stdout(true).max_stdout_buf_size(BUFFER);
    // The process ends with the value: dropping it closes the streams.
    let mut process = pods.exec(pod, ["sh", "-c", script], &parameters).await.map_err(|e| reason(&e, namespace))?;
    let Some(output) = process.stdout() else { return Err("the API server gives no output".into()) };
    let mut bytes = Vec::new();
    output.take(MOST).read_to_end(&mut bytes).await.map_err(|e| format!("the answer broke off: {e}"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn reason(error: &kube::Error, namespace: &str) -> String {
    match error {
        kube::Error::Api(status) if status.code == 403 => {
            format!("there is no permission to run a command in pods of `{namespace}`")
        }
        kube::Error::Api(status) => format!("the API server answers {}: {}", status.code, status.message),
        other => format!("no connection to the pod: {other}"),
    }
}
