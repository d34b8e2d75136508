//! Documents: their fenced blocks, with what the fences say of them.

use std::fs;
use std::path::Path;

/// A fenced block.
pub struct Block {
    /// The words behind the fence: language, file name, settings.
    pub info: Vec<String>,
    /// The text inside, with its last line end.
    pub text: String,
    /// The line of the fence, from 1.
    pub line: usize,
}

impl Block {
    /// The first word behind the fence.
    pub fn language(&self) -> &str {
        self.info.first().map_or("", String::as_str)
    }

    /// The value of `key=value` behind the fence.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.info.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }

    /// The name of the file that the block is.
    pub fn file(&self) -> Option<&str> {
        self.info.get(1).map(String::as_str).filter(|word| word.contains('.') && !word.contains('='))
    }
}

/// A document of `docs/`.
pub fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("docs/{name}: {error}"))
}

/// The blocks of a document, and what stands outside them. A fence that is never closed is a mistake.
pub fn blocks(text: &str) -> (Vec<Block>, String) {
    let (mut found, mut outside) = (Vec::new(), String::new());
    let mut open: Option<Block> = None;
    for (at, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => {
                let info = info.split_whitespace().map(str::to_owned).collect();
                open = Some(Block { info, text: String::new(), line: at + 1 });
            }
            (Some(_), Some("")) => found.extend(open.take()),
            (Some(block), _) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {
                outside.push_str(line);
                outside.push('\n');
            }
        }
    }
    assert!(open.is_none(), "the fence in line {} is never closed", open.map_or(0, |b| b.line));
    (found, outside)
}
