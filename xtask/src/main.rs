//! Chores that need code.
//!
//! `descriptors TYPES_BIN` makes the descriptors of the Envoy API that the compiler holds patches
//! and raw resources against: `compiler/src/schema/envoy.binpb`, trimmed to what the agent of some
//! Cilium release is linked with, and `compiler/src/schema/since.txt`, which release's agent knows
//! a field first. `TYPES_BIN` is `src/generated/types.bin` of the `envoy-types` package.

use prost_reflect::{DescriptorPool, FileDescriptor, MessageDescriptor};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The packages that a routing policy can have no use for.
const UNUSED: &[&str] = &["envoy.admin", "envoy.service", "envoy.config.bootstrap", "envoy.watchdog", "envoy.data"];
/// The releases whose registries are there.
const MINORS: std::ops::RangeInclusive<u8> = 14..=20;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["descriptors", types] => descriptors(Path::new(types)),
        _ => Err("usage: cargo run -p xtask -- descriptors TYPES_BIN".into()),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn descriptors(types: &Path) -> Outcome<()> {
    let pool = DescriptorPool::decode(fs::read(types)?.as_slice())?;
    let packages = fs::read_to_string(root().join("compiler/src/target/packages.txt"))?;
    let linked: BTreeSet<&str> = packages.lines().filter_map(|l| l.split(' ').next()).collect();
    let wanted = |file: &FileDescriptor| {
        let package = file.package_name();
        linked.contains(package) && !UNUSED.iter().any(|u| package.starts_with(u))
    };
    let mut files: Vec<FileDescriptor> = Vec::new();
    let mut seen = BTreeSet::new();
    for file in pool.files().filter(wanted) {
        add(file, &mut seen, &mut files);
    }
    let mut set = Vec::new();
    for file in &files {
        let bytes = without_comments(&file.encode_to_vec());
        set.push(0x0a);
        varint(bytes.len() as u64, &mut set);
        set.extend(bytes);
    }
    let folder = root().join("compiler/src/schema");
    fs::write(folder.join("envoy.binpb"), &set)?;
    fs::write(folder.join("since.txt"), since()?)?;
    Ok(())
}

/// Adds a file behind everything that it imports.
fn add(file: FileDescriptor, seen: &mut BTreeSet<String>, files: &mut Vec<FileDescriptor>) {
    if !seen.insert(file.name().to_owned()) {
        return;
    }
    file.dependencies().for_each(|import| add(import, seen, files));
    files.push(file);
}

/// A `FileDescriptorProto` without its `source_code_info` (field 9).
fn without_comments(file: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(file.len());
    let mut rest = file;
    while let Some((field, after)) = field(rest) {
        let length = rest.len() - after.len();
        if field != 9 {
            out.extend(rest.iter().take(length));
        }
        rest = after;
    }
    out
}

/// The number of the first field of a message, and what follows it.
fn field(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (tag, rest) = read_varint(bytes)?;
    let rest = match tag & 7 {
        0 => read_varint(rest)?.1,
        1 => rest.get(8..)?,
        2 => {
            let (length, rest) = read_varint(rest)?;
            rest.get(usize::try_from(length).ok()?..)?
        }
        5 => rest.get(4..)?,
        _ => return None,
    };
    Some((tag >> 3, rest))
}

fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The fields that some release's agent does not know, with the first that does.
fn since() -> Outcome<String> {
    let mut first: BTreeMap<String, u8> = BTreeMap::new();
    let mut messages: BTreeMap<String, u8> = BTreeMap::new();
    for minor in MINORS {
        let path = root().join(format!("tests/conformance/registry/data/cilium-1.{minor}.binpb"));
        let pool = DescriptorPool::decode(fs::read(path)?.as_slice())?;
        for message in pool.all_messages().filter(is_envoy) {
            messages.entry(message.full_name().to_owned()).or_insert(minor);
            for field in message.fields() {
                first.entry(field.full_name().to_owned()).or_insert(minor);
            }
        }
    }
    let mut text = String::from(
        "# The fields of the Envoy API that the agent of some Cilium release does not know: the field, then\n\
         # the first minor release (of Cilium 1.N) whose agent does. Made from the releases' protobuf registries.\n",
    );
    for (field, minor) in first {
        let message = field.rsplit_once('.').map_or("", |(message, _)| message);
        if messages.get(message).is_some_and(|from| *from < minor) {
            text.push_str(&format!("{field} {minor}\n"));
        }
    }
    Ok(text)
}

fn is_envoy(message: &MessageDescriptor) -> bool {
    message.full_name().starts_with("envoy.") && !message.is_map_entry()
}
