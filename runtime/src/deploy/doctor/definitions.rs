//! Cilium's custom resources, and the fields that they have.

use super::super::client::Client;
use super::super::error::Error;
use super::super::object::Kind;
use super::Finding;
use serde_json::Value;
use std::collections::BTreeSet;

/// Cilium's kinds.
const OURS: [Kind; 2] = [Kind::CiliumEnvoyConfig, Kind::CiliumClusterwideEnvoyConfig];

/// The kinds that a cluster without flaws serves.
pub(super) fn all() -> BTreeSet<Kind> {
    OURS.into()
}

/// The kinds of Cilium's that the cluster serves.
pub(super) async fn served(client: &Client) -> Result<BTreeSet<Kind>, Error> {
    let Some(list) = client.get("/apis/cilium.io/v2").await? else { return Ok(BTreeSet::new()) };
    let served = list.get("resources").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let has = |kind: &Kind| served.iter().any(|r| r.get("name").and_then(Value::as_str) == Some(kind.resource().1));
    Ok(OURS.into_iter().filter(has).collect())
}

pub(super) fn finding(served: &BTreeSet<Kind>) -> Finding {
    let subject = "Cilium's custom resources";
    let remedy = "install Cilium with Helm's `envoyConfig.enabled=true`";
    let missing: Vec<&str> = OURS.into_iter().filter(|kind| !served.contains(kind)).map(Kind::name).collect();
    match missing.as_slice() {
        [] => Finding::good(subject, "CiliumEnvoyConfig and CiliumClusterwideEnvoyConfig, v2"),
        missing if missing.len() == OURS.len() => Finding::bad(subject, "the cluster has none", remedy),
        missing => Finding::bad(subject, format!("without {}", missing.join(" and ")), remedy),
    }
}

/// Which fields the installed definitions have: an older one drops the rest in silence, or refuses it.
pub(super) async fn fields(client: &Client) -> Vec<Finding> {
    let document = client.get("/openapi/v3/apis/cilium.io/v2").await.ok().flatten();
    OURS.into_iter().map(|kind| of_kind(kind, document.as_ref())).collect()
}

fn of_kind(kind: Kind, document: Option<&Value>) -> Finding {
    let subject = format!("fields of {}", kind.name());
    let schemas = document.and_then(|d| d.pointer("/components/schemas")?.as_object());
    let named = |name: &str| name.rsplit('.').next() == Some(kind.name());
    let schema = schemas.and_then(|s| s.iter().find(|(name, _)| named(name)).map(|(_, v)| v));
    let Some(spec) = schema.and_then(|s| s.pointer("/properties/spec/properties")) else {
        return Finding::bad(subject, "not seen", "look at the custom resource by hand").unsure();
    };
    let has = |path: &str| spec.pointer(path).is_some();
    if !has("/services/items/properties/listener") || !has("/backendServices/items/properties/number") {
        let remedy = "renew Cilium's custom resources: these are older than Cilium 1.14";
        return Finding::bad(subject, "`services[].listener` or `backendServices[].number` is not known", remedy);
    }
    if !has("/services/items/properties/ports") {
        let remedy = "compile for `--target cilium-1.14` or `cilium-1.15`, or renew Cilium's custom resources";
        return Finding::bad(subject, "`services[].ports` is not known", remedy).unsure();
    }
    Finding::good(subject, "all that is written: services can be steered port by port")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(service: Value) -> Finding {
        let spec = json!({"services": {"items": {"properties": service}},
                          "backendServices": {"items": {"properties": {"number": {}}}}});
        let schema = json!({"properties": {"spec": {"properties": spec}}});
        let schemas = json!({"io.cilium.v2.CiliumEnvoyConfig": schema, "io.cilium.v2.CiliumEnvoyConfigList": {}});
        of_kind(Kind::CiliumEnvoyConfig, Some(&json!({"components": {"schemas": schemas}})))
    }

    #[test]
    fn fields_tell_how_old_a_definition_is() {
        assert_eq!(found(json!({"listener": {}, "ports": {}})).remedy, None);
        let old = found(json!({"listener": {}}));
        assert!(old.remedy.is_some() && !old.fatal, "another target helps: {old:?}");
        assert!(found(json!({})).fatal);
        assert!(!of_kind(Kind::CiliumEnvoyConfig, None).fatal, "what is not seen is no obstacle");
    }
}
