//! A policy as its declarations and their clauses, each clause on one line: what two versions of a text are
//! compared by where its form does not matter.

use crate::source::FileId;
use crate::syntax::Declaration;
use crate::{format, layout, parse};

/// Each declaration of a text by a name such as `route helloworld`, with the namespace where the file names one,
/// and its clauses in their canonical form, without comments. Tests are left out. A text that does not parse is
/// taken as it stands.
pub fn outline(text: &str) -> Vec<(String, Vec<String>)> {
    let text = format::format(FileId::default(), text).unwrap_or_else(|_| text.to_owned());
    let cut = layout::layout(FileId::default(), &text);
    let (mut found, mut place) = (Vec::new(), String::new());
    for declaration in parse::parse(FileId::default(), &text).0.declarations {
        if let Declaration::Namespace(name) = &declaration {
            place = format!("{}/", name.text);
        }
        let Some((name, at)) = head(&declaration, &place) else { continue };
        let chunk = cut.declarations.iter().find(|chunk| chunk.range.contains(&at.saturating_sub(1)));
        let body = chunk.and_then(|chunk| cut.text.get(at..chunk.range.end)).unwrap_or_default();
        found.push((name, clauses(body)));
    }
    found
}

/// A declaration's name, and where its clauses begin. Tests change nothing.
fn head(declaration: &Declaration, place: &str) -> Option<(String, usize)> {
    let placed = |name: &str| if name.contains('/') { name.to_owned() } else { format!("{place}{name}") };
    let (name, last) = match declaration {
        Declaration::Namespace(_) | Declaration::Test(_) => return None,
        Declaration::Scope(name) => ("scope".to_owned(), name.span.start),
        Declaration::Param(param) => (format!("param {}", param.name.text), param.name.span.end),
        Declaration::Bundle(bundle) => (format!("policy {}", bundle.name.text), bundle.name.span.end),
        Declaration::Service(service) => (format!("service {}", placed(&service.name.text)), service.name.span.end),
        Declaration::Listen(listen) => (format!("listen {}", placed(&listen.name.text)), listen.name.span.end),
        Declaration::Route(route) => {
            let subjects: Vec<String> = route.subjects.iter().map(|s| placed(&s.text)).collect();
            (format!("route {}", subjects.join(", ")), route.subjects.last()?.span.end)
        }
    };
    Some((name, last as usize))
}

/// The clauses of a declaration's text without comments, each with the heads of the blocks around it.
fn clauses(body: &str) -> Vec<String> {
    let (mut found, mut heads, mut clause, mut quote) = (Vec::new(), Vec::<String>::new(), String::new(), None);
    let mut escaped = false;
    for c in body.chars() {
        if let Some(end) = quote {
            clause.push(c);
            (escaped, quote) = (c == '\\' && !escaped && end == '"', if c == end && !escaped { None } else { quote });
            continue;
        }
        match c {
            '"' | '`' => {
                quote = Some(c);
                clause.push(c);
            }
            '{' => heads.push(std::mem::take(&mut clause).trim().to_owned()),
            ';' | '\n' | '}' => {
                found.extend(told(&heads, &std::mem::take(&mut clause)));
                if c == '}' {
                    heads.pop();
                }
            }
            // Where a line was broken there are more blanks than one.
            ' ' if clause.ends_with(' ') => {}
            _ => clause.push(c),
        }
    }
    found.extend(told(&heads, &clause));
    found
}

/// A clause in its blocks on one line; nothing of a clause without words.
fn told(heads: &[String], clause: &str) -> Option<String> {
    let clause = clause.trim();
    let heads: Vec<&str> = heads.iter().map(String::as_str).filter(|head| !head.is_empty()).collect();
    let around = heads.iter().map(|head| format!("{head} {{ ")).collect::<String>();
    (!clause.is_empty()).then(|| format!("{around}{clause}{}", " }".repeat(heads.len())))
}

#[cfg(test)]
mod tests {
    use super::outline;

    #[test]
    fn declarations_and_clauses_whatever_their_form() {
        let text = "namespace shop\nroute   web 90% v1,  10% v2;timeout 3s # why\ntest \"t\" { GET / => to v1 }";
        let clauses = vec!["90% v1, 10% v2".to_owned(), "timeout 3s".to_owned()];
        assert_eq!(outline(text), [("route shop/web".to_owned(), clauses)]);
    }

    #[test]
    fn blocks_stand_around_their_clauses_and_quotes_hide_what_is_in_them() {
        let text = "route web {\n  when path = \"/a;b}\" { to v2; timeout 1s }\n  to v1\n}\n";
        let wanted = ["when path = \"/a;b}\" { to v2 }", "when path = \"/a;b}\" { timeout 1s }", "to v1"];
        let (_, clauses) = outline(text).pop().unwrap();
        assert_eq!(clauses.len(), wanted.len());
        assert!(wanted.iter().all(|clause| clauses.iter().any(|c| c == clause)), "{clauses:?}");
    }
}
