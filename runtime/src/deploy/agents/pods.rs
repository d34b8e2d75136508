//! The pods of Cilium's agents.

use super::super::client::Client;
use super::super::error::Error;
use serde_json::Value;

/// The label of the agents' pods.
pub(in super::super) const SELECTOR: &str = "k8s-app=cilium";
/// The container in them.
pub(super) const CONTAINER: &str = "cilium-agent";

/// An agent's pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Agent {
    /// The node that it runs on.
    pub(in super::super) node: String,
    /// The pod's name.
    pub(in super::super) pod: String,
    /// The image that it runs.
    pub(in super::super) image: String,
}

/// All agents, by the names of their nodes. Pods that are on their way out do not count: another one takes
/// their place.
pub(in super::super) async fn agents(client: &Client, namespace: &str) -> Result<Vec<Agent>, Error> {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let mut agents = client.list(&path, Some(SELECTOR), |pod| agent(&pod)).await?;
    agents.sort();
    Ok(agents)
}

fn agent(pod: &Value) -> Option<Agent> {
    if pod.pointer("/metadata/deletionTimestamp").is_some() {
        return None;
    }
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let own = containers.iter().find(|c| c.get("name").and_then(Value::as_str) == Some(CONTAINER))?;
    Some(Agent {
        node: pod.pointer("/spec/nodeName")?.as_str()?.to_owned(),
        pod: pod.pointer("/metadata/name")?.as_str()?.to_owned(),
        image: own.get("image").and_then(Value::as_str).unwrap_or_default().to_owned(),
    })
}
