//! Output in the formats of 1.18 and 1.20, written from what these releases print.

use super::super::expect::{Expected, example};
use super::super::script::cut;
use super::*;

/// The table of configurations, which has not changed.
const CONFIGS: &str = r#"{
  "Name": {
    "Namespace": "shop",
    "Name": "web"
  },
  "Spec": {
    "services": [{"name": "web", "namespace": "shop", "ports": [80], "listener": "shop/web/in"}],
    "resources": [
      {"@type": "type.googleapis.com/envoy.config.listener.v3.Listener", "name": "shop/web/in"},
      {"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "shop/web/in"},
      {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "shop/web/v1", "connectTimeout": "0.250s"}
    ]
  },
  "Labels": {
    "meshc.dev/content": "abc"
  },
  "SelectsLocalNode": true,
  "Listeners": [
    {
      "k": "shop/web/in",
      "v": 10123
    }
  ],
  "Resources": {
    "Listeners": {"shop/web/in": {"name": "shop/web/in"}},
    "Secrets": {}
  }
}
"#;
/// 1.18: lists of resources, an older status, one redirect a service.
const RESOURCES_18: &str = r#"{
  "Name": {"Origin": "backendsync", "Cluster": "", "Namespace": "shop", "Name": "web"},
  "Status": {"Kind": "Done", "UpdatedAt": "2026-05-05T05:05:05Z", "Error": ""},
  "Resources": {"Listeners": null},
  "ReconciledResources": null,
  "Redirects": []
}
{
  "Name": {"Origin": "cec", "Cluster": "", "Namespace": "shop", "Name": "web"},
  "Status": {"Kind": "Done", "UpdatedAt": "2026-05-05T05:05:05Z", "Error": ""},
  "Resources": {
    "Listeners": {"shop/web/in": {"name": "shop/web/in"}},
    "Secrets": {}
  },
  "Redirects": [{"k": "shop/web", "v": {"ProxyPort": 10123, "Ports": [80]}}]
}
"#;
const SERVICES_18: &str = r#"{
  "Name": {"namespace": "shop", "name": "web"},
  "ProxyRedirect": {"ProxyPort": 10123, "Ports": [80]}
}
{
  "Name": {"namespace": "shop", "name": "db"},
  "ProxyRedirect": null
}
"#;
/// 1.20: names as texts, lists of redirects, another status.
const SERVICES_20: &str = r#"{
  "Name": "shop/web",
  "ProxyRedirects": [
    {"ProxyPort": 10123, "Ports": [80]}
  ]
}
"#;

fn resources_20(kind: &str, error: &str) -> String {
    let status = format!(r#"{{"updated-at": "2026-05-05T05:05:05Z", "id": 7, "kind": "{kind}", "error": "{error}"}}"#);
    RESOURCES_18.replace(r#"{"Kind": "Done", "UpdatedAt": "2026-05-05T05:05:05Z", "Error": ""}"#, &status)
}

fn output(configs: &str, resources: &str, services: &str) -> String {
    format!(
        "{configs}\n\nmeshc: configs 0\n{resources}\n\nmeshc: resources 0\n{services}\n\nmeshc: services 0\n\
         \nmeshc: envoy 1\n\nmeshc: end 0\n"
    )
}

fn of(output: &str, expected: &Expected) -> Verdict {
    judge(&cut(output).unwrap(), std::slice::from_ref(expected)).remove(0)
}

fn verdict(configs: &str, resources: &str, services: &str) -> Verdict {
    of(&output(configs, resources, services), &example("abc"))
}

fn waits(verdict: &Verdict, text: &str) -> bool {
    matches!(verdict, Verdict::Waiting(why) if why.contains(text))
}

#[test]
fn agents_of_1_18_and_1_20_that_accepted() {
    assert_eq!(verdict(CONFIGS, RESOURCES_18, SERVICES_18), Verdict::Accepted);
    assert_eq!(verdict(CONFIGS, &resources_20("Done", ""), SERVICES_20), Verdict::Accepted);
}

#[test]
fn a_refusal_has_the_text_of_the_agent() {
    let text = "NACK: shop/web/in: Didn't find a registered implementation for 'x'";
    assert_eq!(verdict(CONFIGS, &resources_20("Error", text), SERVICES_20), Verdict::Refused(text.into()));
    let eighteen = RESOURCES_18.replace("\"Done\"", "\"error\"").replace("\"Error\": \"\"", "\"Error\": \"no\"");
    assert_eq!(verdict(CONFIGS, &eighteen, SERVICES_18), Verdict::Refused("no".into()));
    let slow = verdict(CONFIGS, &resources_20("Error", "context deadline exceeded"), SERVICES_20);
    assert!(waits(&slow, "deadline"), "{slow:?}");
}

#[test]
fn what_is_on_its_way_is_not_accepted() {
    let absent = verdict("", "", SERVICES_20);
    assert!(waits(&absent, "does not have it"), "{absent:?}");
    let older = of(&output(CONFIGS, RESOURCES_18, SERVICES_18), &example("def"));
    assert!(waits(&older, "another version"), "{older:?}");
    let behind =
        verdict(&CONFIGS.replace("{\"name\": \"shop/web/in\"}", "{\"name\": \"new\"}"), RESOURCES_18, SERVICES_18);
    assert!(waits(&behind, "not handed"), "{behind:?}");
    let pending = verdict(CONFIGS, &resources_20("Pending", ""), SERVICES_20);
    assert!(waits(&pending, "not answered"), "{pending:?}");
}

#[test]
fn what_the_agent_left_out_is_told() {
    let route = r#"{"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "shop/web/in"}"#;
    for (text, other, what) in [
        (route, "{}", "left out the RouteConfiguration `shop/web/in`"),
        ("0.250s", "1s", "left out the Cluster `shop/web/v1`"),
        (r#""ports": [80]"#, r#""ports": [81]"#, "other services"),
    ] {
        let found = verdict(&CONFIGS.replacen(text, other, 1), RESOURCES_18, SERVICES_18);
        assert!(waits(&found, what), "{found:?}");
    }
}

#[test]
fn another_node_is_not_meant() {
    let elsewhere = CONFIGS.replace("\"SelectsLocalNode\": true", "\"SelectsLocalNode\": false");
    assert_eq!(verdict(&elsewhere, "", SERVICES_20), Verdict::Elsewhere);
}

#[test]
fn redirects_are_those_that_are_wanted() {
    for (services, what) in [
        (String::new(), "no such service"),
        (SERVICES_20.replace("10123", "10124"), "to somebody else's listener"),
        (SERVICES_20.replace("[80]", "[81]"), "of another port"),
        (SERVICES_18.replace(r#"{"ProxyPort": 10123, "Ports": [80]}"#, "null"), "of nothing"),
    ] {
        let found = verdict(CONFIGS, RESOURCES_18, &services);
        assert!(waits(&found, "shop/web port 80 is not steered"), "{what}: {found:?}");
    }
    let all = SERVICES_20.replace("[80]", "null");
    assert_eq!(verdict(CONFIGS, RESOURCES_18, &all), Verdict::Accepted, "a redirect of all ports");
}

#[test]
fn envoy_must_have_the_clusters_and_routes_too() {
    let envoy = r#"{"configs": [{"dynamic_listeners": [{"name": "shop/web/in", "active_state": {"listener": {}}}]},
        {"dynamic_route_configs": [{"route_config": {"name": "shop/web/in"}}]}, {"dynamic_active_clusters": []}]}"#;
    let output =
        output(CONFIGS, RESOURCES_18, SERVICES_18).replace("meshc: envoy 1", &format!("{envoy}\nmeshc: envoy 0"));
    let found = of(&output, &example("abc"));
    assert!(waits(&found, "does not have the cluster `shop/web/v1`"), "{found:?}");
}

#[test]
fn a_part_of_a_table_is_never_believed() {
    let whole = output(CONFIGS, RESOURCES_18, SERVICES_18);
    for (at, _) in whole.char_indices() {
        assert_eq!(cut(whole.get(..at).unwrap()), None, "{at}");
    }
    // The agent died while it printed: its client ends as if nothing had happened.
    for at in 0..RESOURCES_18.len() {
        let found = verdict(CONFIGS, RESOURCES_18.get(..at).unwrap(), SERVICES_18);
        assert!(!matches!(found, Verdict::Refused(_)), "{at}: {found:?}");
        assert!(found != Verdict::Accepted || RESOURCES_18.get(at..).unwrap().trim().is_empty(), "{at}: {found:?}");
    }
    for at in 0..SERVICES_18.len() {
        let found = verdict(CONFIGS, RESOURCES_18, SERVICES_18.get(..at).unwrap());
        assert!(found != Verdict::Accepted || SERVICES_18.get(..at).unwrap().contains("[80]}\n}"), "{at}: {found:?}");
    }
}

#[test]
fn lines_that_the_client_broke_are_read() {
    let broken = CONFIGS.replace("\"abc\"", "\"a\nbc\"");
    assert_eq!(verdict(&broken, RESOURCES_18, SERVICES_18), Verdict::Accepted);
}

#[test]
fn an_object_of_an_earlier_meshc_is_not_judged() {
    let expected = Expected { content: None, ..example("abc") };
    assert!(matches!(of(&output(CONFIGS, RESOURCES_18, SERVICES_18), &expected), Verdict::NotSeen(_)));
}
