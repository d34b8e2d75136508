//! The command as a whole: what goes where, exit codes, files that are whole or not there.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

mod common;

use common::command::{err, folder, meshc, out};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const GOOD: &str = "route a:80 to b\nservice b:80\n";

fn with_stdin(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_meshc"))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("meshc runs");
    child.stdin.take().expect("it has stdin").write_all(input).expect("it reads");
    child.wait_with_output().expect("it ends")
}

#[test]
fn the_product_alone_goes_to_stdout() {
    let folder = folder(&[("p.mesh", GOOD)]);
    let done = meshc(folder.path(), &["compile", "p.mesh"]);
    assert_eq!(done.status.code(), Some(0));
    assert!(out(&done).starts_with("apiVersion: cilium.io/v2\n"));
    assert!(err(&done).contains("note[N0701]"));
    assert!(!err(&done).contains('\u{1b}'), "no colours off a terminal");
}

#[test]
fn a_wrong_policy_ends_with_1_and_writes_nothing() {
    let folder = folder(&[("p.mesh", "route a:80 timeout 5\n"), ("out.yaml", "as before")]);
    let done = meshc(folder.path(), &["compile", "p.mesh", "--out", "out.yaml"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(done.stdout.is_empty());
    assert_eq!(
        err(&done).trim(),
        "error[E0302]: `5` has no unit\n --> p.mesh:1:20\n  |\n1 | route a:80 timeout 5\n  |                    ^\n  |\n  = help: write `5s` or `5ms`; the units are ms, s, m and h"
    );
    assert_eq!(fs::read_to_string(folder.path().join("out.yaml")).expect("it is there"), "as before");
}

#[test]
fn wrong_use_ends_with_2() {
    let folder = folder(&[("p.mesh", GOOD), ("empty/x.txt", "")]);
    let cases: [&[&str]; 9] = [
        &["compile", "missing.mesh"],
        &["compile", "empty"],
        &["compile", "/dev/zero"],
        &["compile", "p.mesh", "--target", "cilium-2.0"],
        &["compile", "p.mesh", "--set", "canary"],
        &["compile", "p.mesh", "--catalog", "missing.yaml"],
        &["compile", "p.mesh", "--out", "missing/out.yaml"],
        &["frobnicate"],
        &[],
    ];
    for args in cases {
        let done = meshc(folder.path(), args);
        assert_eq!(done.status.code(), Some(2), "{args:?}: {}", err(&done));
        assert!(done.stdout.is_empty() && !done.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn stdin_is_a_policy_too() {
    let done = with_stdin(&["compile", "-"], GOOD.as_bytes());
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    assert!(out(&done).contains("meshc.dev/source: <stdin> route a:80"), "{}", out(&done));
}

#[test]
fn bytes_that_are_no_text_are_refused_by_name() {
    let done = with_stdin(&["compile", "-"], b"route a:80 \xff\xfe");
    assert_eq!(done.status.code(), Some(1));
    assert!(err(&done).contains("E0101") && err(&done).contains("byte 11 is not UTF-8"), "{}", err(&done));
    let large = vec![b' '; 1024 * 1024 + 1];
    let done = with_stdin(&["compile", "-"], &large);
    assert!(err(&done).contains("E0103"), "{}", err(&done));
    let largest = [GOOD.as_bytes(), &vec![b' '; 1024 * 1024 - GOOD.len()]].concat();
    assert_eq!(with_stdin(&["compile", "-"], &largest).status.code(), Some(0));
}

#[test]
fn json_is_one_list() {
    let done = with_stdin(&["compile", "-", "-o", "json"], GOOD.as_bytes());
    let value: serde_json::Value = serde_json::from_slice(&done.stdout).expect("it is JSON");
    assert_eq!(value["kind"], "List");
    assert_eq!(value["items"][0]["kind"], "CiliumEnvoyConfig");
    let done = with_stdin(&["compile", "-", "-o", "json", "--target", "envoy"], GOOD.as_bytes());
    let value: serde_json::Value = serde_json::from_slice(&done.stdout).expect("it is JSON");
    assert!(value["static_resources"]["listeners"].is_array());
}

#[test]
fn a_folder_gets_a_file_for_each_object() {
    let folder = folder(&[("p.mesh", "service a:80 {\n selector app=a\n version v1\n}\nroute a to v1\n")]);
    let done = meshc(folder.path(), &["compile", "p.mesh", "--out", "made/"]);
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    let mut names: Vec<_> = fs::read_dir(folder.path().join("made"))
        .expect("it is made")
        .map(|e| e.expect("it is read").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["ciliumenvoyconfig-default-meshc-a.yaml", "service-default-a-v1.yaml"]);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let many: String = (0..400).map(|n| format!("route a{n}:80 timeout 1s\n")).collect();
    let folder = folder(&[("p.mesh", &many)]);
    let mut child = Command::new(env!("CARGO_BIN_EXE_meshc"))
        .args(["compile", "p.mesh"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("meshc runs");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn the_order_of_files_and_paths_changes_nothing() {
    let policies = [
        ("a.mesh", "route a:80 use p\n"),
        ("b.mesh", "policy p { timeout 1s }\n"),
        ("c.mesh", "route c:80 to default/a\n"),
    ];
    let folder = folder(&policies);
    let one = meshc(folder.path(), &["compile", "a.mesh", "b.mesh", "c.mesh"]);
    let other = meshc(folder.path(), &["compile", "c.mesh", "b.mesh", "a.mesh", "a.mesh"]);
    let whole = meshc(folder.path(), &["compile"]);
    assert_eq!(one.status.code(), Some(0), "{}", err(&one));
    assert_eq!(out(&one), out(&other));
    assert_eq!(out(&one), out(&whole));
}

#[test]
fn a_folder_is_read_without_what_is_not_its_own() {
    let bad = "route broken\u{7}\n";
    let folder = folder(&[
        ("meshc.toml", "namespace = \"shop\"\ntargets = [\"cilium-1.18\"]\n[params]\nslow = \"3s\"\n"),
        ("sub/a.mesh", "param slow = 1s\nroute a:80 timeout $slow\n"),
        (".hidden/b.mesh", bad),
        ("snapshots/c.mesh", bad),
        ("other/meshc.toml", ""),
        ("other/d.mesh", bad),
        ("e_test.mesh", bad),
    ]);
    let done = meshc(folder.path(), &["compile"]);
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    assert!(out(&done).contains("namespace: shop") && out(&done).contains("timeout: 3s"));
    assert!(out(&done).contains("meshc.dev/source: sub/a.mesh route a:80"), "{}", out(&done));
    assert!(!out(&done).contains("cec.cilium.io"), "the first target of meshc.toml is the default");
    let set = meshc(folder.path(), &["compile", "--set", "slow=9s"]);
    assert!(out(&set).contains("timeout: 9s"), "the command line wins");
}

#[test]
fn mistakes_in_meshc_toml_have_their_places() {
    let text = "nam = \"x\"\nnamespace = \"Shop\"\ntargets = [\"cilium-9\", \"envoy\", \"envoy\"]\ncatalog = \"x\"\nparams = 1\n";
    let folder = folder(&[("meshc.toml", text), ("p.mesh", GOOD)]);
    let done = meshc(folder.path(), &["compile"]);
    assert_eq!(done.status.code(), Some(1));
    let said = err(&done);
    for words in [
        "meshc.toml:1:1",
        "did you mean `name`?",
        "meshc.toml:2:13",
        "meshc.toml:3:12",
        "meshc.toml:3:33",
        "meshc.toml:4:11",
        "meshc.toml:5:10",
    ] {
        assert!(said.contains(words), "`{words}` is not in {said}");
    }
    fs::write(folder.path().join("meshc.toml"), "name = \"x\nnamespace = 1").expect("it can be written");
    let done = meshc(folder.path(), &["compile"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(err(&done).contains("E0601"), "{}", err(&done));
}

#[test]
fn a_parameter_that_meshc_toml_sets_wrongly_is_shown_there() {
    let text = "name = \"x\"\n[params]\nslo = \"3s\"\nslow = \"3%\"\n";
    let folder = folder(&[("meshc.toml", text), ("p.mesh", "param slow = 1s\nroute a:80 timeout $slow\n")]);
    let done = meshc(folder.path(), &["check"]);
    assert_eq!(done.status.code(), Some(1));
    let said = err(&done);
    for words in ["E0603", "meshc.toml:3:1", "did you mean `slow`?", "p.mesh:1:", "set here", "slow = \"3%\""] {
        assert!(said.contains(words), "`{words}` is not in {said}");
    }
}

#[test]
fn a_broken_catalog_is_reported_at_its_place() {
    let folder = folder(&[
        ("p.mesh", GOOD),
        ("bad.yaml", "kind: Service\n  x: [1\n"),
        ("port.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 70000}]}\n"),
    ]);
    for name in ["bad.yaml", "port.yaml"] {
        let done = meshc(folder.path(), &["compile", "p.mesh", "--catalog", name]);
        assert_eq!(done.status.code(), Some(1), "{name}");
        assert!(err(&done).contains("E0602") && err(&done).contains(name), "{}", err(&done));
    }
}

#[test]
fn a_catalog_is_any_stream_of_objects() {
    let text = "---\n# nothing\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: {anything: [on, {}]}\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n  spec: {ports: [{port: 80, targetPort: http}]}\n- apiVersion: v1\n  kind: Service\n  metadata: {name: b}\n  spec: {ports: [{port: 81}]}\n";
    let folder = folder(&[("p.mesh", "route a to b\n"), ("all/services.yaml", text)]);
    let done = meshc(folder.path(), &["compile", "p.mesh", "--catalog", "all"]);
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    assert!(out(&done).contains("service_name: default/b:81"));
}

#[test]
fn fmt_formats_in_place_and_checks() {
    let folder = folder(&[("a.mesh", "route   a:80{timeout 5s;;\n}\n"), ("b.mesh", GOOD)]);
    let check = meshc(folder.path(), &["fmt", "--check"]);
    assert_eq!(check.status.code(), Some(1));
    assert!(err(&check).contains("a.mesh is not formatted") && !err(&check).contains("b.mesh"));
    assert_eq!(meshc(folder.path(), &["fmt"]).status.code(), Some(0));
    let formatted = fs::read_to_string(folder.path().join("a.mesh")).expect("it is there");
    assert_eq!(formatted, "route a:80 {\n  timeout 5s\n}\n");
    assert_eq!(meshc(folder.path(), &["fmt", "--check"]).status.code(), Some(0));
    let piped = with_stdin(&["fmt", "-"], b"route a:80   timeout 5s");
    assert_eq!(out(&piped), "route a:80 timeout 5s\n");
}

#[test]
fn fmt_leaves_what_does_not_parse_as_it_is() {
    let text = "route a:80 {\n   tiemout 5s\n}\n";
    let folder = folder(&[("a.mesh", text)]);
    let done = meshc(folder.path(), &["fmt"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(err(&done).contains("did you mean `timeout`"));
    assert_eq!(fs::read_to_string(folder.path().join("a.mesh")).expect("it is there"), text);
}

#[test]
fn the_readmes_first_command_compiles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).expect("it is there");
    let line =
        readme.lines().find_map(|l| l.strip_prefix("cargo run --release -- ")).expect("the README has a first command");
    let done = meshc(root, &line.split(' ').collect::<Vec<_>>());
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    assert!(out(&done).contains("kind: CiliumEnvoyConfig"));
}

#[test]
fn every_shell_has_its_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let done = meshc(Path::new("."), &["completions", shell]);
        assert!(done.status.success() && out(&done).contains("compile"));
    }
}

#[test]
fn the_limit_on_patterns_can_be_raised() {
    let policy = "route a:80 {\n  when path regex `^/[^/]{1,20}$` { to v1 }\n}\n";
    let folder = folder(&[("p.mesh", policy)]);
    let refused = meshc(folder.path(), &["compile", "p.mesh"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(err(&refused).contains("error[E0310]"), "{}", err(&refused));
    let raised = meshc(folder.path(), &["compile", "p.mesh", "--max-regex-program", "256"]);
    assert_eq!(raised.status.code(), Some(0), "{}", err(&raised));
    fs::write(folder.path().join("meshc.toml"), "max-regex-program = 256\n").expect("it can be written");
    assert_eq!(meshc(folder.path(), &["compile"]).status.code(), Some(0));
    fs::write(folder.path().join("meshc.toml"), "max-regex-program = \"256\"\n").expect("it can be written");
    let wrong = meshc(folder.path(), &["compile"]);
    assert!(err(&wrong).contains("error[E0601]"), "{}", err(&wrong));
}

const TESTED: &str = "service a:80 {\n  version v1\n  version v2\n}\nroute a {\n  90% v1, 10% v2\n  when path = \"/x\", \"/y\" { to v2 }\n}\n";

#[test]
fn tests_are_for_test_check_and_fmt_alone() {
    let broken = "test \"a\" for b { GET / => to v1 }\n";
    let folder =
        folder(&[("p.mesh", &format!("{TESTED}{broken}")), ("p_test.mesh", "test \"b\" { GET /   => frob }\n")]);
    let compiled = meshc(folder.path(), &["compile"]);
    assert_eq!(compiled.status.code(), Some(0), "{}", err(&compiled));
    assert!(!err(&compiled).contains("error"), "{}", err(&compiled));
    for command in [["check"].as_slice(), &["test"]] {
        let done = meshc(folder.path(), command);
        assert_eq!(done.status.code(), Some(1));
        assert!(err(&done).contains("`frob` does not fit here in an expectation"), "{}", err(&done));
    }
    let done = meshc(folder.path(), &["fmt", "--check"]);
    assert_eq!(done.status.code(), Some(1));
    fs::remove_file(folder.path().join("p_test.mesh")).expect("it is there");
    let done = meshc(folder.path(), &["check"]);
    assert!(err(&done).contains("E0702"), "{}", err(&done));
}

#[test]
fn tests_keep_their_comments_when_they_are_formatted() {
    let written = "test   \"a b\"for   a{ # head\n# first\nGET  /x?y=1&z={1}   with header a=\"b\" ,query c = \"d\"=>to v1,\n   path  \"/\" # last\n\n\n connection=>\n  50% a,50% b;POST \"/x y\" => status 403 \"no\"\n}\n";
    let wanted = "test \"a b\" for a { # head\n  # first\n  GET /x?y=1&z={1} with header a = \"b\", query c = \"d\" => to v1,\n    path \"/\" # last\n\n  connection =>\n    50% a, 50% b; POST \"/x y\" => status 403 \"no\"\n}\n";
    let once = with_stdin(&["fmt", "-"], written.replace("\"a b\"for", "\"a b\" for").as_bytes());
    assert_eq!(out(&once), wanted, "{}", err(&once));
    let twice = with_stdin(&["fmt", "-"], out(&once).as_bytes());
    assert_eq!(out(&twice), wanted);
}

#[test]
fn what_no_test_reaches_is_listed() {
    let folder = folder(&[("p.mesh", TESTED), ("p_test.mesh", "test \"x\" { GET /x => to v2 }\n")]);
    let done = meshc(folder.path(), &["test"]);
    assert_eq!(done.status.code(), Some(0), "{}", err(&done));
    let wanted = "no test reaches\n  p.mesh:6: 90% v1, 10% v2\n  p.mesh:7: the alternative \"/y\"\n\n1 request passed; the tests reach 2 of 4 rules and alternatives (50%)\n";
    assert_eq!(out(&done), wanted);
    assert_eq!(meshc(folder.path(), &["test", "--min-coverage", "50"]).status.code(), Some(0));
    let done = meshc(folder.path(), &["test", "--min-coverage", "51%"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(out(&done).contains("(50%), and 51% are wanted"), "{}", out(&done));
    for wrong in [["test", "--min-coverage", "101"], ["test", "--filter", "nothing is called so"]] {
        assert_eq!(meshc(folder.path(), &wrong).status.code(), Some(2), "{wrong:?}");
    }
}

/// Whether a text is elements within elements, each closed, with nothing bare between them.
fn well_formed(xml: &str) -> bool {
    let mut open = Vec::new();
    for part in xml.split('<').skip(1) {
        let Some((tag, text)) = part.split_once('>') else { return false };
        let quotes = tag.matches('"').count();
        let name = tag.split([' ', '/']).next().unwrap_or("");
        let closes = tag.strip_prefix('/').is_some_and(|name| open.pop() == Some(name));
        if quotes % 2 != 0 || text.contains('>') || (tag.starts_with('/') && !closes) {
            return false;
        }
        if !tag.starts_with(['/', '?']) && !tag.ends_with('/') {
            open.push(name);
        }
    }
    open.is_empty()
}

#[test]
fn programs_read_what_came_of_tests() {
    let tests = "test \"<&\\\"\" {\n  GET /x with header a = \"<b>\" => to v1\n  GET / => 90% v1, 10% v2\n}\n";
    let folder = folder(&[("p.mesh", TESTED), ("p_test.mesh", tests)]);
    let done = meshc(folder.path(), &["test", "--format", "json", "--min-coverage", "10"]);
    assert_eq!(done.status.code(), Some(1));
    assert!(done.stderr.is_empty(), "{}", err(&done));
    let value: serde_json::Value = serde_json::from_slice(&done.stdout).expect("it is JSON");
    assert_eq!(value["passed"], false);
    assert_eq!(value["requests"][0]["test"], "<&\"");
    assert_eq!(value["requests"][0]["line"], 2);
    assert_eq!(value["requests"][0]["rule"]["line"], 7);
    assert_eq!(value["requests"][0]["failures"][0]["code"], "E0703");
    assert_eq!(value["requests"][0]["failures"][0]["spans"][0]["start"]["line"], 2);
    assert_eq!(value["requests"][1]["passed"], true);
    assert_eq!(value["coverage"]["percent"], 75);
    let done = meshc(folder.path(), &["test", "--format", "junit", "--min-coverage", "90"]);
    assert_eq!(done.status.code(), Some(1));
    let xml = out(&done);
    assert!(well_formed(&xml), "{xml}");
    assert!(xml.contains("<testsuites name=\"meshc\" tests=\"3\" failures=\"2\">"), "{xml}");
    assert!(xml.contains("<testsuite name=\"&lt;&amp;&quot;\" tests=\"2\" failures=\"1\">"), "{xml}");
    assert!(!well_formed("<a><b></a>") && !well_formed("<a \"></a>"), "the check checks");
}

#[test]
fn a_wrong_policy_is_told_to_programs_too() {
    let folder = folder(&[("p.mesh", "route a:80 timeout 5\n")]);
    for (format, words) in [("json", "\"code\": \"E0302\""), ("junit", "<testsuite name=\"the policy\" tests=\"1\"")] {
        let done = meshc(folder.path(), &["test", "--format", format]);
        assert_eq!(done.status.code(), Some(1));
        assert!(out(&done).contains(words), "{}", out(&done));
    }
}
