//! How many steps parsing takes. pest counts them against a limit that is one for the process, so
//! these tests are one test in a process of its own.

use meshc_dsl::diagnostic::codes;
use meshc_dsl::{FileId, parse};
use std::num::NonZeroUsize;

/// A name, texts by size, and the size that is tried.
type Maker<'a> = (&'a str, &'a dyn Fn(usize) -> String, usize);

/// Whether a text is parsed in so many steps.
fn parsed_within(text: &str, steps: usize) -> bool {
    pest::set_call_limit(NonZeroUsize::new(steps));
    let (_, diagnostics) = parse::parse(FileId(0), text);
    diagnostics.iter().all(|d| d.code != codes::TOO_COMPLEX)
}

#[test]
fn steps_grow_in_proportion_to_the_text() {
    // The first parse sets the limit of the process, which is changed after it.
    parse::parse(FileId(0), "");
    let nested = |n: usize| format!("route a:80 {{ when {}path = \"/x\"{} {{ to b }} }}", "(".repeat(n), ")".repeat(n));
    let negated = |n: usize| format!("route a:80 {{ when {}path = \"/x\" {{ to b }} }}", "not ".repeat(n));
    let chain = |n: usize| format!("route a:80 {{ when {} {{ to b }} }}", vec!["path = \"/x\""; n].join(" and "));
    let choice = |n: usize| format!("route a:80 {{ when {} {{ to b }} }}", vec!["header x exists"; n].join(" or "));
    let list = |n: usize| format!("route a:80 {{ when path = {} {{ to b }} }}", vec!["\"/x\""; n].join(", "));
    let broken = |n: usize| format!("route a:80 {{ when {}pth {{ to b }} }}", "(".repeat(n));
    let junk = |n: usize| format!("route a:80 {{ {} }}", "foo { bar ( baz ) } ;".repeat(n));
    let whens = |n: usize| format!("route a:80 {{ {} {} }}", "when x { ".repeat(n), "}".repeat(n));
    let makers: [Maker<'_>; 8] = [
        ("nested", &nested, 62),
        ("negated", &negated, 10_000),
        ("chain", &chain, 10_000),
        ("choice", &choice, 10_000),
        ("list", &list, 10_000),
        ("broken", &broken, 62),
        ("junk", &junk, 10_000),
        ("whens", &whens, 62),
    ];
    for (name, make, size) in makers {
        let text = make(size);
        assert!(parsed_within(&text, 96 * text.len() + 1000), "{name} takes more than 96 steps a byte");
    }
    let text = chain(100);
    assert!(!parsed_within(&text, 50), "a limit that is reached is said");
    let (policy, diagnostics) = parse::parse(FileId(0), &text);
    assert!(policy.declarations.is_empty());
    assert_eq!(diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), [codes::TOO_COMPLEX]);
}
