//! etcd refuses objects over 1 MiB, and an API server's dry run does not notice.

use crate::kubernetes::Object;
use meshc_dsl::Diagnostic;
use meshc_dsl::diagnostic::codes;
use serde::Serialize;
use std::io;

/// The largest object, in bytes of compact JSON.
pub(crate) const MAX_OBJECT: usize = 1024 * 1024;

/// Reports an object that is too large, with the parts that make up most of it.
pub fn size(object: &Object) -> Option<Diagnostic> {
    let Object::EnvoyConfig(config) = object else { return None };
    let bytes = json_size(object);
    if bytes <= MAX_OBJECT {
        return None;
    }
    let mut parts: Vec<(usize, &str)> = config.spec.resources.iter().map(|r| (json_size(r), r.plain.name())).collect();
    parts.sort_by(|a, b| b.cmp(a));
    let bulk: Vec<String> =
        parts.iter().take(3).map(|(bytes, name)| format!("`{name}` ({} KiB)", bytes / 1024)).collect();
    let message = format!("{} has {} KiB, and etcd takes 1024", object.title(), bytes / 1024);
    let source = config.metadata.annotations.get(crate::kubernetes::SOURCE_ANNOTATION);
    let from = source.map_or("", |s| s.as_ref());
    let help = format!(
        "split its rules over several services or shorten them; it comes from {from}, and most of it is {}",
        bulk.join(", ")
    );
    Some(Diagnostic::global(codes::OBJECT_TOO_LARGE, message).help(help))
}

/// The length of a value as compact JSON.
pub(super) fn json_size(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // Counting cannot fail, and our values have text keys only.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}
