//! `meshc explain`

use crate::exit::Exit;
use crate::output::Terminal;
use crate::pages;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::suggest::nearest;

const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

/// Prints the page of a code, or the list of all codes.
pub(crate) fn run(code: Option<&str>, terminal: &Terminal) -> Exit {
    let Some(code) = code else { return terminal.page(&list()) };
    let wanted = code.to_ascii_uppercase();
    match pages::find(&wanted) {
        Some(page) => terminal.page(&rendered(page.text)),
        None if codes::ALL.iter().any(|known| known.0 == wanted) => {
            terminal.fail(&format!("nothing is written about `{wanted}` yet"))
        }
        None => terminal.fail(&unknown(code, &wanted)),
    }
}

fn unknown(code: &str, wanted: &str) -> String {
    match nearest(wanted, codes::ALL.iter().map(|known| known.0)) {
        Some(near) => format!("no diagnostic has the code `{code}`; did you mean `{near}`?"),
        None => format!("no diagnostic has the code `{code}`; `meshc explain` lists all codes"),
    }
}

/// A line for each code.
fn list() -> String {
    let line = |page: pages::Page| format!("{BOLD}{}{PLAIN}  {}\n", page.code, page.title);
    pages::all().into_iter().map(line).collect()
}

/// Markdown for a terminal: headings in bold, code indented, without the signs of both.
fn rendered(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            code = !code;
            continue;
        }
        let heading = line.trim_start_matches('#');
        if code {
            let indented = if line.is_empty() { String::new() } else { format!("    {line}") };
            out.push_str(&indented);
        } else if heading.len() < line.len() {
            out.push_str(&format!("{BOLD}{}{PLAIN}", heading.trim_start()));
        } else {
            out.push_str(line);
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_loses_its_signs() {
        let page = "# E0302: no unit\n\nText `5`.\n\n```mesh\n# kept\nroute a:80\n```\n";
        let wanted = format!("{BOLD}E0302: no unit{PLAIN}\n\nText `5`.\n\n    # kept\n    route a:80\n");
        assert_eq!(rendered(page), wanted);
    }

    #[test]
    fn a_mistyped_code_is_offered_its_neighbour() {
        assert!(unknown("e0O01", "E0O01").contains("did you mean"));
        assert!(unknown("frobnicate", "FROBNICATE").contains("lists all codes"));
    }
}
