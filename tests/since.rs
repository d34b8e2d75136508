//! `meshc diff --from`: two versions of policies, out of git and out of folders.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const POLICY: &str = "service shop:80 { version v1; version v2 }\nroute shop {\n  90% v1, 10% v2\n  \
                      when header x-tester = \"yes\" { to v2 }\n}\n";

/// Runs a line of a shell, with `meshc` on its path and nobody's git settings.
fn shell(folder: &Path, line: &str) -> Output {
    let own = Path::new(env!("CARGO_BIN_EXE_meshc")).parent().expect("it has a folder").to_owned();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&others))).expect("a path");
    let mut command = Command::new("sh");
    command.args(["-c", line]).env("PATH", path).current_dir(folder);
    for (name, value) in [("NAME", "a"), ("EMAIL", "a@example.com")] {
        command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
    }
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CEILING_DIRECTORIES", std::env::temp_dir());
    command.output().expect("sh runs")
}

/// Runs a line that must end with a code; gives what it wrote to stdout and to stderr.
fn ends(folder: &Path, line: &str, code: i32) -> (String, String) {
    let output = shell(folder, line);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("it is UTF-8");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "`{line}`:\n{out}\n{err}");
    (out, err)
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("it has a parent")).expect("it can be made");
    fs::write(path, text).expect("it can be written");
}

/// A repository with these files in its only commit.
fn repository(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder can be made");
    for (name, text) in files {
        write(folder.path(), name, text);
    }
    ends(folder.path(), "git init -q . && git add -A && git commit -q -m first", 0);
    folder
}

#[test]
fn a_change_is_told_with_a_request_and_its_lines() {
    let folder = repository(&[("shop.mesh", POLICY)]);
    write(folder.path(), "shop.mesh", &format!("# canary\n{}", POLICY.replace("90% v1, 10% v2", "75% v1, 25% v2")));
    let (out, err) = ends(folder.path(), "meshc diff --from HEAD", 1);
    let wanted = "\
default/shop:80
  any other request, as GET /  (HEAD:shop.mesh:3 → shop.mesh:4)
    to default/shop-v1:80: 90% → 75%
    to default/shop-v2:80: 10% → 25%
";
    assert_eq!(out, wanted);
    assert_eq!(err, "");
    let (out, _) = ends(folder.path(), "meshc diff --from HEAD -o json", 1);
    for part in [
        r#""what":"to default/shop-v2:80""#,
        r#""old":"10%""#,
        r#""text":"GET /""#,
        r#""file":"HEAD:shop.mesh","line":3"#,
        r#""not_compared":[]"#,
    ] {
        assert!(out.contains(part), "{part} in {out}");
    }
    assert_eq!(ends(folder.path(), "git status --porcelain", 0).0, " M shop.mesh\n", "nothing of git has changed");
}

#[test]
fn wording_alone_is_no_change() {
    let folder = repository(&[("shop.mesh", POLICY)]);
    let reworded = "service shop:80 {\n  version v1\n  version v2\n}\nroute shop {\n  when header X-Tester = \"yes\" { to v2 }\n  \
                    otherwise { 10% v2, rest v1 }\n}\n";
    write(folder.path(), "shop.mesh", reworded);
    let (out, err) = ends(folder.path(), "meshc diff --from HEAD", 0);
    assert_eq!((out.as_str(), err.trim()), ("", "note: every request is answered as in `HEAD`"));
    let (out, _) = ends(folder.path(), "meshc diff --from HEAD -o json", 0);
    assert_eq!(out, "{\"changes\":[],\"not_compared\":[]}\n");
}

#[test]
fn a_folder_is_a_version_too() {
    let folder = repository(&[("old/shop.mesh", POLICY), ("new/shop.mesh", &POLICY.replace("to v2", "to v1"))]);
    let (out, _) = ends(folder.path(), "meshc diff new --from old", 1);
    let wanted = "\
default/shop:80
  when header x-tester = \"yes\", as GET / with header x-tester = \"yes\"  (old/shop.mesh:4 → new/shop.mesh:4)
    to default/shop-v1:80: none → 100%
    to default/shop-v2:80: 100% → none
";
    assert_eq!(out, wanted);
    ends(folder.path(), "mkdir HEAD && cp new/shop.mesh HEAD && meshc diff new --from HEAD", 0);
}

#[test]
fn each_version_has_its_own_catalog_and_configuration() {
    let service = |name: &str, port: u16| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: mall}}\nspec: {{ports: [{{port: {port}}}]}}\n---\n"
        )
    };
    let all = |port| ["shop", "canary", "stable"].map(|name| service(name, port)).concat();
    let services = &all(80);
    let config = "namespace = \"mall\"\ntargets = [\"cilium-1.20\"]\ncatalog = [\"../services.yaml\"]\n\n[params]\npart = \"10%\"\n";
    let policy = "param part = 1%\nroute shop { $part canary, rest stable }\n";
    let folder = repository(&[("services.yaml", services), ("p/meshc.toml", config), ("p/shop.mesh", policy)]);
    ends(folder.path(), "meshc diff p --from HEAD", 0);
    // Before, the port was another one: the catalog of each version counts.
    write(folder.path(), "services.yaml", &all(81));
    let (out, _) = ends(folder.path(), "meshc diff p --from HEAD", 1);
    assert!(out.contains("mall/shop:81\n") && out.contains("mall/shop:80\n"), "{out}");
    write(folder.path(), "services.yaml", services);
    write(folder.path(), "p/meshc.toml", &config.replace("10%", "20%"));
    let (out, _) = ends(&folder.path().join("p"), "meshc diff --from HEAD", 1);
    assert!(
        out.contains("to mall/canary:80: 10% → 20%") && out.contains("(HEAD:p/shop.mesh:2 → shop.mesh:2)"),
        "{out}"
    );
}

#[test]
fn files_come_and_go() {
    let folder = repository(&[("shop.mesh", POLICY)]);
    write(folder.path(), "cart.mesh", "route cart:80 to shop@v1\n");
    let (out, _) = ends(folder.path(), "meshc diff --from HEAD", 1);
    assert!(
        out.starts_with("default/cart:80\n  any request, as GET /  (cart.mesh:1)\n    steered: no → yes\n"),
        "{out}"
    );
    let (out, _) = ends(folder.path(), "meshc diff cart.mesh shop.mesh --from HEAD", 1);
    assert!(out.contains("steered: no → yes"), "{out}");
    ends(folder.path(), "git add -A && git commit -q -m second && rm cart.mesh", 0);
    let (out, _) = ends(folder.path(), "meshc diff --from HEAD", 1);
    assert!(out.contains("(HEAD:cart.mesh:1)\n    steered: yes → no\n"), "{out}");
    ends(folder.path(), "git checkout -q . && meshc diff --from HEAD~1", 1);
    ends(folder.path(), "meshc diff --from HEAD", 0);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let folder = repository(&[("shop.mesh", "route shop:80 to\n")]);
    write(folder.path(), "shop.mesh", POLICY);
    let (out, err) = ends(folder.path(), "meshc diff --from HEAD", 1);
    assert!(out.is_empty() && err.contains(" HEAD:shop.mesh:1:"), "{err}");
    assert!(err.contains("the policies of `HEAD` do not compile"), "{err}");
    let (_, err) = ends(folder.path(), "meshc diff --from nowhere", 2);
    assert!(err.contains("`nowhere` is neither a folder nor a revision of the git repository"), "{err}");
    let (_, err) = ends(folder.path(), "meshc diff --from HEAD --revision 3", 2);
    assert!(err.contains("cannot be used with"), "{err}");
    let (_, err) = ends(folder.path(), "printf 'route a:80 to b:80\\n' | meshc diff - --from HEAD", 2);
    assert!(err.contains("stdin has no earlier version"), "{err}");
    write(folder.path(), "shop.mesh", "route shop:80 too v1\n");
    let (_, err) = ends(folder.path(), "git commit -q -a -m broken; meshc diff --from HEAD~1", 1);
    assert!(err.contains(" shop.mesh:1:"), "{err}");
    let bare = tempfile::tempdir().expect("a folder can be made");
    write(bare.path(), "shop.mesh", POLICY);
    let (_, err) = ends(bare.path(), "meshc diff --from HEAD", 2);
    assert!(err.contains("there is no folder `HEAD`, and no git repository around"), "{err}");
    let (_, err) = ends(bare.path(), "PATH=$(dirname $(command -v meshc)) && meshc diff --from HEAD", 2);
    assert!(err.contains("cannot run git"), "{err}");
}

#[test]
fn a_hook_s_own_index_is_left_alone() {
    let folder = repository(&[("shop.mesh", POLICY)]);
    write(folder.path(), "shop.mesh", &POLICY.replace("10%", "20%").replace("90%", "80%"));
    let line = "git add -A && GIT_INDEX_FILE=.git/index GIT_DIR=.git meshc diff --from HEAD";
    assert!(ends(folder.path(), line, 1).0.contains("10% → 20%"));
    assert_eq!(ends(folder.path(), "git status --porcelain", 0).0, "M  shop.mesh\n");
}
