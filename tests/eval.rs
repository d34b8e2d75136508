//! `meshc eval` as a whole.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a test that fails panics, and says why")]

use serde_json::Value;
use std::process::{Command, Output};

const POLICY: &str = "\
service a:80 { version v1; version v2 }
route a {
  90% v1, 10% v2
  when header version = \"foo\" { to v2; rewrite prefix \"/api\" to \"/\" }
  when path = \"/old\" { redirect 308 to \"/new\" }
  retry 3 on connect-failure
  circuit-breaker max-requests 2
}
listen edge 127.0.0.1:9000 { when path = \"/m\" { respond 204 } }
";

fn eval(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(folder.path().join("p.mesh"), POLICY).expect("it can be written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_meshc"));
    command.args(["eval", "p.mesh"]).args(arguments).current_dir(folder.path()).output().expect("meshc runs")
}

fn out(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("it is UTF-8")
}

#[test]
fn an_answer_for_a_person() {
    let done = eval(&["--for", "a", "GET /api/x?y with header version = \"bar\", host = \"h\""]);
    assert_eq!(
        out(&done),
        "\
default/a:80: p.mesh:3 90% v1, 10% v2
  to               90% default/a-v1:80
  to               10% default/a-v2:80
  path             /api/x?y
  host             h
  retry            3 on connect-failure  (p.mesh:6)
  circuit-breaker  max-requests 2  (p.mesh:7)
  timeout          none
  idle-timeout     5m
rules that do not match:
  p.mesh:4 when header version = \"foo\"
    header `version` is `bar`, the rule wants `foo`
  p.mesh:5 when path = \"/old\"
    the path is `/api/x`, the rule wants `/old`
"
    );
}

#[test]
fn an_answer_for_a_program() {
    let done = eval(&["--for", "a", "--format", "json", "GET /old?z"]);
    let told: Value = serde_json::from_str(&out(&done)).expect("it is JSON");
    assert_eq!(told[0]["entry"], "default/a:80");
    assert_eq!(told[0]["status"], 308);
    assert_eq!(told[0]["rule"]["place"]["line"], 5);
    assert_eq!(told[0]["facts"][0]["value"], "308 to http://a/new?z");
    assert_eq!(told[0]["misses"][0]["reasons"][0], "there is no header `version`, the rule wants `foo`");
}

#[test]
fn a_listener_and_what_no_rule_takes() {
    assert!(out(&eval(&["--for", "listen edge", "GET /m"])).contains("respond          204\n"));
    assert!(out(&eval(&["--for", "listen edge", "GET /x"])).contains("respond          404: no rule is for it\n"));
    assert!(out(&eval(&["--for", "listen edge", "get /m"])).contains("400: the proxy refuses a method"));
}

#[test]
fn a_request_that_cannot_be_asked() {
    for (arguments, words) in [
        (&["--for", "a", "GET"][..], "error["),
        (&["GET /"][..], "does not say who takes its requests"),
        (&["--for", "x", "GET /"][..], "nothing takes requests for `x`"),
    ] {
        let done = eval(arguments);
        assert_eq!(done.status.code(), Some(1), "{arguments:?}");
        assert!(done.stdout.is_empty());
        assert!(String::from_utf8_lossy(&done.stderr).contains(words), "{arguments:?}: {done:?}");
    }
}
