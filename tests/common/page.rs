//! The pages of the diagnostics, `docs/diagnostics/CODE.md`.

use super::document;
use std::fs;
use std::path::Path;

/// A program as it stands on a page.
#[derive(Clone, Default)]
pub struct Example {
    /// Its files: name and contents.
    pub files: Vec<(String, Vec<u8>)>,
    /// What the command is told besides.
    pub options: Vec<(String, String)>,
}

impl Example {
    /// Whether it has a file of this name.
    pub fn has(&self, name: &str) -> bool {
        self.files.iter().any(|(n, _)| n == name)
    }
}

/// A page, taken apart.
#[derive(Default)]
pub struct Page {
    /// The code of its file's name.
    pub code: String,
    /// What its first line says behind the code.
    pub title: String,
    /// The example under `## Wrong`.
    pub wrong: Option<Example>,
    /// The example under `## Right`.
    pub right: Option<Example>,
    /// How it departs from the form of pages.
    pub problems: Vec<String>,
}

/// All pages, by code: errors, notes and warnings.
pub fn all_pages() -> Vec<Page> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/diagnostics");
    let entries = fs::read_dir(folder).expect("there are pages").map(|e| e.expect("it can be read").path());
    let mut pages: Vec<Page> = entries
        .filter(|p| p.extension().is_some_and(|e| e == "md") && !p.ends_with("README.md"))
        .map(|path| {
            let code = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
            read(&code, &fs::read_to_string(&path).expect("it can be read"))
        })
        .collect();
    pages.sort_by(|a, b| a.code.cmp(&b.code));
    pages
}

fn read(code: &str, text: &str) -> Page {
    let mut page = Page { code: code.to_owned(), ..Page::default() };
    let mut parts = text.splitn(3, "\n## ");
    let head = parts.next().unwrap_or("");
    let (first, explanation) = head.split_once('\n').unwrap_or((head, ""));
    match first.strip_prefix("# ").and_then(|l| l.split_once(": ")) {
        Some((c, title)) if c == code && !title.is_empty() => page.title = title.to_owned(),
        _ => page.problems.push(format!("the first line is `{first}`")),
    }
    let mut shared = Example::default();
    fences(explanation, &mut shared);
    if explanation.split("```").next().is_none_or(|prose| prose.trim().len() < 80) {
        page.problems.push("the explanation is missing or too short".into());
    }
    for part in parts {
        let (title, body) = part.split_once('\n').unwrap_or((part, ""));
        let mut example = shared.clone();
        fences(body, &mut example);
        match title.trim() {
            "Wrong" if page.right.is_none() => page.wrong = Some(example),
            "Right" => page.right = Some(example),
            other => page.problems.push(format!("`## {other}` has no place here")),
        }
    }
    page
}

/// Takes the files of a section in; one of a name that is there already replaces it.
fn fences(section: &str, example: &mut Example) {
    for block in document::blocks(section).0 {
        let name = match (block.language(), block.info.get(1).map(String::as_str)) {
            ("yaml", Some("catalog")) => "services.yaml",
            ("yaml", Some("cec")) => "cec.yaml",
            ("toml", Some("meshc.toml")) => "meshc.toml",
            ("mesh", Some("second.mesh")) => "second.mesh",
            ("mesh", _) => "policy.mesh",
            _ => continue,
        };
        for option in ["target", "set"] {
            example.options.extend(block.setting(option).map(|value| (format!("--{option}"), value.to_owned())));
        }
        let escaped = block.info.iter().any(|word| word == "escaped");
        let bytes = if escaped { unescape(block.text.as_bytes()) } else { block.text.into_bytes() };
        example.files.retain(|(n, _)| n != name);
        example.files.push((name.to_owned(), bytes));
    }
}

/// Puts the bytes in place of escapes such as `\x00`.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((first, others)) = rest.split_first() {
        let hex = others.strip_prefix(b"x").and_then(|h| h.get(..2)).filter(|_| *first == b'\\');
        let byte = hex.and_then(|h| u8::from_str_radix(std::str::from_utf8(h).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &others[3..] } else { others };
    }
    bytes
}
