//! How Cilium is set up, as its own ConfigMap says it.

use super::super::client::Client;
use super::Finding;
use serde_json::Value;

/// Looks at the settings. Who may not look there learns nothing, which is no failure.
pub(super) async fn findings(client: &Client, namespace: &str) -> Vec<Finding> {
    let path = format!("/api/v1/namespaces/{namespace}/configmaps/cilium-config");
    let not_seen = |why: String, remedy: String| {
        vec![Finding::bad("Cilium's settings", format!("not seen: {why}"), remedy).unsure()]
    };
    match client.get(&path).await {
        Ok(Some(config)) => of_settings(config.get("data").unwrap_or(&Value::Null)),
        Ok(None) => not_seen(
            format!("there is no ConfigMap {namespace}/cilium-config"),
            "say where Cilium is by `--cilium-namespace`".to_owned(),
        ),
        Err(error) if error.is(403) => not_seen(
            format!("no permission to read the ConfigMap {namespace}/cilium-config"),
            format!("allow `get` on configmaps in `{namespace}`"),
        ),
        Err(error) => not_seen(error.to_string(), "ask again".to_owned()),
    }
}

fn of_settings(data: &Value) -> Vec<Finding> {
    let value = |key: &str| data.get(key).and_then(Value::as_str).unwrap_or("not set");
    let mut findings = vec![
        switch("enable-envoy-config", value("enable-envoy-config"), false, "envoyConfig.enabled"),
        switch("enable-l7-proxy", value("enable-l7-proxy"), true, "l7Proxy"),
    ];
    findings.push(match value("kube-proxy-replacement") {
        found @ ("true" | "strict" | "partial") => Finding::good("kube-proxy-replacement", found),
        found => {
            let remedy =
                "set Helm's `kubeProxyReplacement=true`: without it only traffic from pods to ClusterIPs is steered";
            Finding::bad("kube-proxy-replacement", found, remedy).unsure()
        }
    });
    let envoy = match value("external-envoy-proxy") {
        "true" => "in a DaemonSet of its own",
        _ => "inside the agent: it restarts with it",
    };
    findings.push(Finding::good("Envoy", envoy));
    findings
}

/// A setting without which the agents pass our objects over.
fn switch(key: &str, found: &str, default: bool, helm: &str) -> Finding {
    match found {
        "true" => Finding::good(key, found),
        "not set" if default => Finding::good(key, "on by default"),
        found => {
            let remedy = format!("set Helm's `{helm}=true` and restart the agents: they pass our objects over");
            Finding::bad(key, found, remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fatal(data: &Value) -> Vec<String> {
        of_settings(data).into_iter().filter(|f| f.fatal).map(|f| f.subject).collect()
    }

    #[test]
    fn what_must_be_on() {
        assert_eq!(fatal(&json!({"enable-envoy-config": "true"})), Vec::<String>::new());
        assert_eq!(fatal(&json!({"enable-envoy-config": "false"})), ["enable-envoy-config"]);
        assert_eq!(fatal(&json!({})), ["enable-envoy-config"]);
        assert_eq!(fatal(&json!({"enable-envoy-config": "true", "enable-l7-proxy": "false"})), ["enable-l7-proxy"]);
    }

    #[test]
    fn a_cluster_with_kube_proxy_is_looked_at() {
        let found = of_settings(&json!({"kube-proxy-replacement": "false"}));
        assert!(found.iter().any(|f| f.subject == "kube-proxy-replacement" && f.remedy.is_some() && !f.fatal));
        let found = of_settings(&json!({"kube-proxy-replacement": "strict", "external-envoy-proxy": "true"}));
        assert!(found.iter().any(|f| f.subject == "Envoy" && f.found.contains("DaemonSet")));
    }
}
