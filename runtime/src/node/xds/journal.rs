//! What Envoy has, in the run's folder: a next run that takes Envoy over can set back to it what Envoy refuses.
//!
//! A file of entries, of which the last one of a resource counts: a line of JSON, and for a resource that is there the
//! bytes of its message behind it. A run that is killed while it writes leaves a last entry that is not whole.

use super::{Key, Resource, Snapshot};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file in the run's folder.
const NAME: &str = "taken";
/// How many bytes may be of no use before the file is written anew.
const WASTE: u64 = 4 << 20;

/// What stands before a message.
#[derive(Debug, Serialize, Deserialize)]
struct Head<K, R> {
    key: K,
    /// The resource without its message; none where it is gone.
    resource: Option<R>,
    /// The length of the message.
    length: usize,
}

/// Writes down what Envoy has.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// The versions that are written down.
    written: BTreeMap<Key, String>,
    /// The file, while it can be written.
    file: Option<File>,
    size: u64,
}

impl Journal {
    /// The one of a folder, which begins anew with what is kept next.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join(NAME), written: BTreeMap::new(), file: None, size: 0 }
    }

    /// What the run before wrote down; nothing where there is nothing to be read.
    pub fn recall(folder: &Path) -> Snapshot {
        fs::read(folder.join(NAME)).map(|bytes| read(&bytes)).unwrap_or_default()
    }

    /// Writes down what changed. Where that is impossible, as on a full disk, the next run has nothing to set back to.
    pub fn keep(&mut self, has: &Snapshot) {
        let live: usize = has.values().map(|resource| resource.body.len()).sum();
        if self.file.is_none() || self.size > WASTE + 2 * live as u64 {
            self.begin();
        }
        if self.append(has).is_err() {
            self.file = None;
            let _ = fs::remove_file(&self.path);
        }
    }

    fn begin(&mut self) {
        (self.written, self.size) = (BTreeMap::new(), 0);
        // Another file, so that a reader never sees half of either.
        let _ = fs::remove_file(&self.path);
        self.file = OpenOptions::new().append(true).create_new(true).open(&self.path).ok();
    }

    fn append(&mut self, has: &Snapshot) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotFound.into()) };
        let mut out = BufWriter::new(file);
        let gone: Vec<Key> = self.written.keys().filter(|key| !has.contains_key(*key)).cloned().collect();
        for key in gone {
            self.size += entry(&mut out, &key, None)?;
            self.written.remove(&key);
        }
        for (key, resource) in has {
            if self.written.get(key) != Some(&resource.version) {
                self.size += entry(&mut out, key, Some(resource))?;
                self.written.insert(key.clone(), resource.version.clone());
            }
        }
        out.flush()
    }
}

/// Writes an entry; gives its length.
fn entry(out: &mut impl Write, key: &Key, resource: Option<&Resource>) -> io::Result<u64> {
    let body = resource.map(|resource| resource.body.as_slice()).unwrap_or_default();
    let mut head = serde_json::to_vec(&Head { key, resource, length: body.len() })?;
    head.push(b'\n');
    out.write_all(&head)?;
    out.write_all(body)?;
    Ok((head.len() + body.len()) as u64)
}

fn read(mut bytes: &[u8]) -> Snapshot {
    let mut has = Snapshot::new();
    while let Some((head, body, rest)) = next(bytes) {
        match head.resource {
            Some(resource) => has.insert(head.key, Arc::new(Resource { body: body.to_vec(), ..resource })),
            None => has.remove(&head.key),
        };
        bytes = rest;
    }
    has
}

/// An entry: its head, its message, and what comes behind it.
type Entry<'b> = (Head<Key, Resource>, &'b [u8], &'b [u8]);

/// The next entry, if it is whole.
fn next(bytes: &[u8]) -> Option<Entry<'_>> {
    let (line, rest) = bytes.split_at_checked(bytes.iter().position(|byte| *byte == b'\n')?)?;
    let head: Head<Key, Resource> = serde_json::from_slice(line).ok()?;
    let (body, rest) = rest.get(1..)?.split_at_checked(head.length)?;
    Some((head, body, rest))
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::super::store::tests::snapshot;
    use super::*;

    #[test]
    fn what_was_kept_last_is_recalled() {
        let folder = std::env::temp_dir().join(format!("meshc-journal-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert!(Journal::recall(&folder).is_empty());
        let mut journal = Journal::new(&folder);
        let first = snapshot(&[(Kind::Cluster, "c", "1"), (Kind::Route, "a", "1"), (Kind::Listener, "a", "1")]);
        journal.keep(&first);
        assert_eq!(Journal::recall(&folder), first);
        let mut second = snapshot(&[(Kind::Cluster, "d", "1"), (Kind::Route, "a", "2"), (Kind::Listener, "a", "1")]);
        let key = (Kind::Route, "a".to_owned());
        // A message may hold anything.
        let route = Resource { body: b"\n{}\n\xff".to_vec(), ..(*second[&key]).clone() };
        second.insert(key, Arc::new(route));
        journal.keep(&second);
        assert_eq!(Journal::recall(&folder), second);
        // A last entry that is not whole takes nothing else away.
        let whole = fs::read(folder.join(NAME)).unwrap();
        fs::write(folder.join(NAME), &whole[..whole.len() - 1]).unwrap();
        let recalled = Journal::recall(&folder);
        assert_eq!(recalled.values().map(|r| r.version.as_str()).collect::<Vec<_>>(), ["1"; 3], "{recalled:?}");
        // The next run begins anew.
        Journal::new(&folder).keep(&first);
        assert_eq!(Journal::recall(&folder), first);
        fs::remove_dir_all(&folder).unwrap();
        journal.keep(&second);
        assert!(Journal::recall(&folder).is_empty());
    }
}
