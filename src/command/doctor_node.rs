//! `meshc doctor --node`

use super::compile::Checked;
use super::doctor;
use crate::cli::{Doctor, Program};
use crate::exit::Exit;
use crate::input::Select;
use crate::output::Terminal;
use meshc_compiler::yaml::Node;
use meshc_runtime::node::cilium::{self, FOLDERS, Maps};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Says whether this Cilium node steers what policies say; exit 3 where it does not.
pub(crate) fn run(args: &Doctor, terminal: &Terminal) -> Exit {
    let program = Program {
        paths: args.set.path.iter().cloned().collect(),
        target: None,
        catalog: args.catalog.clone(),
        set: Vec::new(),
        max_regex_program: None,
    };
    let checked = match Checked::read(&program, Select::Program) {
        Ok(checked) => checked,
        Err(message) => return terminal.fail(&message),
    };
    terminal.diagnostics(&checked.diagnostics, &checked.input.sources, &checked.input.shown);
    let Some(manifest) = &checked.manifest else { return Exit::Wrong };
    let services = services(&checked);
    if services.is_empty() {
        return terminal.fail(
            "the addresses of the Services are needed: `kubectl get services -A -o yaml > services.yaml`, and then \
             `--catalog services.yaml`",
        );
    }
    let namespace = checked.input.config.namespace.as_deref().unwrap_or("default");
    let frontends = cilium::frontends(&cilium::steered(manifest), &services, namespace);
    let folder = args.maps.clone().unwrap_or_else(folder);
    let findings = Maps::open(&folder).and_then(|maps| cilium::examine(&maps, &frontends));
    match findings {
        Ok(findings) => {
            doctor::show(("maps", &folder.display().to_string()), &findings, args.set.cluster.output, terminal)
        }
        Err(error) => terminal.refuse(&error.to_string(), Exit::Refused),
    }
}

/// The folder of Cilium's maps on this machine.
fn folder() -> PathBuf {
    let [first, second] = FOLDERS.map(Path::new);
    if !first.is_dir() && second.is_dir() { second.to_owned() } else { first.to_owned() }
}

/// The Services of the catalog's files.
fn services(checked: &Checked) -> Vec<Value> {
    let texts = checked.input.sources.iter().map(|(_, file)| file).filter(|file| {
        let name = file.name.as_str();
        [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end))
    });
    // What cannot be read was said when the catalog was.
    let documents = texts.filter_map(|file| Node::read_all(&file.text).ok()).flatten().map(|node| node.to_json());
    let items = documents.flat_map(|document| match document.get("items").and_then(Value::as_array) {
        Some(items) => items.clone(),
        None => vec![document],
    });
    items.filter(|item| item.get("kind").and_then(Value::as_str) == Some("Service")).collect()
}
