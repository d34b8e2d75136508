//! Reachability held against brute force: random lists of rules, and every request of a small
//! universe that is built to lie on both sides of each test in them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a test that fails panics, and says why"
)]

mod random;

use meshc_compiler::ir::{Condition, Pattern, Subject, Test};
use meshc_compiler::reach::{Lost, Reach, Request};
use meshc_compiler::template::{Segment, Template};
use random::Random;
use std::cell::RefCell;
use std::collections::BTreeMap;

const PATHS: &[&str] = &[
    "/", "/a", "/a/", "/a/b", "/ab", "/b", "/a/b/c", "/b/a", "/a/x", "/x/b", "/abb", "/x", "/a/b/", "/b/", "/x/x",
    "/a1", "/1", "/a/*", "/A", "/ba", "/aa/b", "/xab", "/b/b", "/a/b1", "/b/x/b", "/ab/", "/ab/x", "/a/ab", "/é",
    "/bb", "/x/a/b", "/a/b/b", "/ab/b", "/c", "/ac", "//",
];
const TEXTS: &[&str] = &["", "1", "2", "12", "21", "x", "112", "1x", "x2", "é", "22", "121", "x12x", "122", "212"];
const HOSTS: &[&str] = &[
    "a.test",
    "a.test:80",
    "a.test:81",
    "b.test",
    "test",
    "x.test:80",
    "b.a.test",
    "ab",
    "x",
    "[a::b]:80",
    "ab.test",
    "bx",
    "b.test:80",
    "b",
    "a",
    "abx.test",
];
const METHODS: &[&str] = &["GET", "POST", "PUT"];

/// Which tests a list is made of.
#[derive(Clone, Copy, PartialEq)]
enum Tests {
    /// Whole texts, beginnings of paths, and whether something is there.
    Plain,
    Literal,
    All,
}

fn pattern(subject: &Subject, tests: Tests, random: &mut Random) -> Pattern {
    let kinds = match tests {
        Tests::Plain => 3,
        Tests::Literal => 6,
        Tests::All => 8,
    };
    let kind = random.below(kinds);
    let own = |text: &str| text.to_owned();
    match subject {
        Subject::Path => match kind {
            0 => Pattern::Equals(own(random.pick(&["/", "/a", "/a/", "/a/b", "/ab", "//"]))),
            1 | 2 => Pattern::Prefix(own(random.pick(&["/", "/a", "/a/", "/a/b", "/b"]))),
            3 => Pattern::Suffix(own(random.pick(&["b", "/b", "a/b", "/"]))),
            4 => Pattern::Contains(own(random.pick(&["a", "a/b", "/", "b"]))),
            5 => {
                let text = random.pick(&["/a/{x}", "/{x}/b", "/{x=**}", "/a/**", "/{x}"]);
                Pattern::Template(Template::parse(text).expect("a template"))
            }
            _ => {
                let of = [
                    "^/a", "b$", "^/[ab]+$", "a|x", "^/a(/|$)", r"\d", "^/a/?$", "^/[^/]*$", r"\bb\b", "^", "^//$",
                    "/a/b", "(/a)+/?b", "(?i)/A/B",
                ];
                Pattern::Regex(own(random.pick(&of)))
            }
        },
        Subject::Method => Pattern::Equals(own(random.pick(&METHODS[..2]))),
        Subject::Host => match kind {
            0..=2 => Pattern::Equals(own(random.pick(&["a.test", "*.test", "a.test:80", "*.test:80", "ab", "[a::b]"]))),
            3 => Pattern::Suffix(own(random.pick(&[".test", "b"]))),
            4 => Pattern::Contains(own(random.pick(&["b", "a"]))),
            5 => Pattern::Prefix(own(random.pick(&["a", "b"]))),
            _ => Pattern::Regex(own(random.pick(&["^A", "test$", "^[ab]", "A.TEST", "te.?st"]))),
        },
        _ => match kind {
            0 | 1 => Pattern::Equals(own(random.pick(&["1", "2", "12", ""]))),
            2 => Pattern::Exists,
            3 => Pattern::Prefix(own(random.pick(&["1", "12"]))),
            4 => Pattern::Suffix(own(random.pick(&["2", "12"]))),
            5 => Pattern::Contains(own(random.pick(&["12", "2"]))),
            _ => Pattern::Regex(own(random.pick(&["^1", "2$", "^[12]*$", "^$", "^.$"]))),
        },
    }
}

fn condition(subjects: &[Subject], tests: Tests, depth: usize, random: &mut Random) -> Condition {
    let parts = |random: &mut Random| (0..2).map(|_| condition(subjects, tests, depth - 1, random)).collect();
    match if depth == 0 { 9 } else { random.below(9) } {
        0 | 1 => Condition::And(parts(random)),
        2 | 3 => Condition::Or(parts(random)),
        4 => Condition::Not(Box::new(condition(subjects, tests, depth - 1, random))),
        _ => {
            let subject = subjects[random.below(subjects.len())].clone();
            let patterns = match &subject {
                Subject::Grpc => vec![Pattern::Exists],
                subject => (0..1 + random.below(4) / 3).map(|_| pattern(subject, tests, random)).collect(),
            };
            Condition::Test(Test { subject, patterns })
        }
    }
}

/// A header, cookie or query parameter of a request.
fn named(pairs: &[(String, String)], name: &str) -> Vec<String> {
    pairs.iter().filter(|(n, _)| n == name).map(|(_, value)| value.clone()).collect()
}

fn found(pattern: &str, text: &str) -> bool {
    thread_local! {
        static BUILT: RefCell<BTreeMap<String, regex::Regex>> = const { RefCell::new(BTreeMap::new()) };
    }
    BUILT.with_borrow_mut(|built| {
        let new = || regex::Regex::new(pattern).expect("a pattern");
        built.entry(pattern.to_owned()).or_insert_with(new).is_match(text)
    })
}

fn fits_template(template: &Template, path: &str) -> bool {
    let free = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "._~%!$&'()+,;:@=-".contains(c));
    let mut parts: Vec<&str> = path.split('/').skip(1).collect();
    if let Some(Segment::Rest(_)) = template.segments.last() {
        let fixed = template.segments.len() - 1;
        if parts.len() <= fixed || !parts[fixed..].iter().all(|part| free(part)) {
            return false;
        }
        parts.truncate(fixed);
        parts.push("");
    }
    parts.len() == template.segments.len()
        && parts.iter().zip(&template.segments).all(|(part, segment)| match segment {
            Segment::Literal(text) => part == text,
            Segment::One(_) => !part.is_empty() && free(part),
            Segment::Rest(_) => true,
        })
}

fn fits(subject: &Subject, pattern: &Pattern, text: &str) -> bool {
    if let (Subject::Host, Pattern::Equals(wanted)) = (subject, pattern) {
        let (name, port) = split_host(text);
        let (wanted, wanted_port) = split_host(wanted);
        let below = wanted.strip_prefix('*').is_some_and(|end| name.len() > end.len() && name.ends_with(end));
        return (name == wanted || below) && (wanted_port.is_none() || wanted_port == port);
    }
    if *subject == Subject::Host && text.starts_with('[') {
        // The text of a host is that of a name: an address with colons has none.
        return false;
    }
    let text = if *subject == Subject::Host { split_host(text).0 } else { text };
    match pattern {
        Pattern::Equals(wanted) => text == wanted,
        Pattern::Prefix(wanted) if *subject == Subject::Path && !wanted.ends_with('/') => {
            text == wanted || text.starts_with(&format!("{wanted}/"))
        }
        Pattern::Prefix(wanted) => text.starts_with(wanted),
        Pattern::Suffix(wanted) => text.ends_with(wanted),
        Pattern::Contains(wanted) => text.contains(wanted),
        Pattern::Regex(wanted) if *subject == Subject::Host => found(&format!("(?i){wanted}"), text),
        Pattern::Regex(wanted) => found(wanted, text),
        Pattern::Template(template) => fits_template(template, text),
        Pattern::Exists => true,
    }
}

fn split_host(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (text, None),
    }
}

/// Whether a condition holds; `every_cookie` where a cookie's test sees all of its name.
fn holds(condition: &Condition, request: &Request, every_cookie: bool) -> bool {
    match condition {
        Condition::And(parts) => parts.iter().all(|part| holds(part, request, every_cookie)),
        Condition::Or(parts) => parts.iter().any(|part| holds(part, request, every_cookie)),
        Condition::Not(part) => !holds(part, request, every_cookie),
        Condition::Test(Test { subject, patterns }) => {
            let values = match subject {
                Subject::Path => vec![request.path.clone()],
                Subject::Method => vec![request.method.clone()],
                Subject::Host => vec![request.host.clone().unwrap_or_else(|| "host.invalid".to_owned())],
                Subject::Header(name) => named(&request.headers, name),
                Subject::Query(name) => named(&request.query, name),
                Subject::Cookie(name) => {
                    let all = named(&request.cookies, name);
                    if every_cookie { all } else { all.into_iter().take(1).collect() }
                }
                Subject::Grpc => {
                    let types = named(&request.headers, "content-type");
                    return types.iter().any(|t| t == "application/grpc" || t.starts_with("application/grpc+"));
                }
            };
            values.iter().any(|value| patterns.iter().any(|pattern| fits(subject, pattern, value)))
        }
    }
}

/// What makes one request of another.
type Change = Box<dyn Fn(&mut Request)>;

/// The requests that differ in these subjects.
fn requests(subjects: &[Subject]) -> Vec<Request> {
    let mut all = vec![Request { host: Some("host.invalid".to_owned()), ..Request::default() }];
    for subject in subjects {
        let changes: Vec<Change> = match subject {
            Subject::Path => changes(PATHS, |request, text| request.path = text),
            Subject::Method => changes(METHODS, |request, text| request.method = text),
            Subject::Host => changes(HOSTS, |request, text| request.host = Some(text)),
            Subject::Header(_) => optional(TEXTS, |request, text| request.headers.push(("x".to_owned(), text))),
            Subject::Query(_) => optional(TEXTS, |request, text| request.query.push(("q".to_owned(), text))),
            Subject::Cookie(_) => {
                let push = |request: &mut Request, text: String| request.cookies.push(("c".to_owned(), text));
                let mut changes = optional(TEXTS, push);
                for first in ["1", "2", "12", "x"] {
                    for second in ["1", "2", "12", "x"] {
                        changes.push(Box::new(move |request: &mut Request| {
                            push(request, first.to_owned());
                            push(request, second.to_owned());
                        }));
                    }
                }
                changes
            }
            Subject::Grpc => {
                let types = ["application/grpc", "application/grpc+proto", "application/grpcx", "text/html"];
                optional(&types, |request, text| request.headers.push(("content-type".to_owned(), text)))
            }
        };
        let changed = |request: &Request| -> Vec<Request> {
            let one = |change: &Change| {
                let mut request = request.clone();
                change(&mut request);
                request
            };
            changes.iter().map(one).collect()
        };
        all = all.iter().flat_map(changed).collect();
    }
    all
}

fn changes(texts: &[&'static str], change: fn(&mut Request, String)) -> Vec<Change> {
    let one = |text: &'static str| -> Change { Box::new(move |r: &mut Request| change(r, text.to_owned())) };
    texts.iter().copied().map(one).collect()
}

fn optional(texts: &[&'static str], change: fn(&mut Request, String)) -> Vec<Change> {
    let mut all = changes(texts, change);
    all.push(Box::new(|_| {}));
    all
}

fn subjects() -> [Subject; 7] {
    let name = |name: &str| name.to_owned();
    [
        Subject::Path,
        Subject::Header(name("x")),
        Subject::Method,
        Subject::Host,
        Subject::Query(name("q")),
        Subject::Cookie(name("c")),
        Subject::Grpc,
    ]
}

/// What came of some lists.
#[derive(Debug, Default)]
struct Tally {
    pairs: usize,
    rules: usize,
    lost: usize,
    alternatives: usize,
    /// Lists that leave no request.
    full: usize,
    /// Rules that no request of the universe reaches, though nothing was said of them.
    silent: usize,
    /// Rules that were looked at for that.
    searched: usize,
}

/// Checks one list of rules.
fn check(rules: &[Condition], universe: &[Request], every_cookie: bool, complete: bool, tally: &mut Tally) {
    let mut reach = Reach::new(every_cookie);
    tally.pairs += rules.len() * (rules.len() - 1) / 2;
    for (at, rule) in rules.iter().enumerate() {
        tally.rules += 1;
        let before = &rules[..at];
        let taken = |request: &Request| before.iter().any(|earlier| holds(earlier, request, every_cookie));
        let reached = || universe.iter().find(|r| holds(rule, r, every_cookie) && !taken(r));
        match reach.lost(rule) {
            Some(why) => {
                tally.lost += 1;
                if let Some(request) = reached() {
                    panic!("false alarm: {request} reaches {rule:#?} behind {before:#?}, said to be {why:?}");
                }
                explained(&why, rule, before, universe, every_cookie);
            }
            None if complete => {
                tally.searched += 1;
                if reached().is_none() {
                    tally.silent += 1;
                    if std::env::var_os("REACH_SHOW").is_some() {
                        eprintln!("silent: {rule:?} behind {before:?}");
                    }
                }
            }
            None => {}
        }
        for (place, _) in reach.lost_alternatives(rule) {
            tally.alternatives += 1;
            let alone = only(rule, &place);
            if let Some(request) = universe.iter().find(|r| holds(&alone, r, every_cookie) && !taken(r)) {
                panic!("false alarm: {request} reaches {place:?} of {rule:#?} behind {before:#?}");
            }
        }
        reach.add(rule);
    }
    if reach.nothing_left().is_some() {
        tally.full += 1;
        let left = universe.iter().find(|r| !rules.iter().any(|rule| holds(rule, r, every_cookie)));
        assert!(left.is_none(), "false alarm: {left:?} is left by {rules:#?}");
    }
}

/// The condition with just one of its alternatives.
fn only(condition: &Condition, place: &[usize]) -> Condition {
    let Some((at, below)) = place.split_first() else { return condition.clone() };
    match condition {
        Condition::Or(parts) => only(&parts[*at], below),
        Condition::And(parts) => {
            let mut parts = parts.clone();
            parts[*at] = only(&parts[*at], below);
            Condition::And(parts)
        }
        Condition::Test(Test { subject, patterns }) => {
            Condition::Test(Test { subject: subject.clone(), patterns: vec![patterns[*at].clone()] })
        }
        Condition::Not(_) => panic!("a denial has no alternatives"),
    }
}

/// Checks the reason: the example satisfies the condition and goes where it is said to go, and the
/// rules that are named take everything between them.
fn explained(why: &Lost, rule: &Condition, before: &[Condition], universe: &[Request], every_cookie: bool) {
    match why {
        Lost::Contradiction => assert!(universe.iter().all(|r| !holds(rule, r, every_cookie)), "{rule:#?}"),
        Lost::Taken { by, example, taken_by } => {
            assert!(holds(rule, example, every_cookie), "{example} does not satisfy {rule:#?}");
            let first = before.iter().position(|earlier| holds(earlier, example, every_cookie));
            assert_eq!(first, Some(*taken_by), "{example} goes elsewhere in {before:#?}");
            assert!(by.contains(taken_by), "{by:?} names {taken_by}");
            for request in universe.iter().filter(|r| holds(rule, r, every_cookie)) {
                assert!(by.iter().any(|earlier| holds(&before[*earlier], request, every_cookie)), "{request} is left");
            }
        }
    }
}

fn run(tests: Tests, lists: usize, every: usize, seed: u64) -> Tally {
    let mut random = Random(seed);
    let mut tally = Tally::default();
    let all = subjects();
    let mut universes: BTreeMap<(usize, usize), Vec<Request>> = BTreeMap::new();
    for list in 0..lists {
        let (first, second) = match tests {
            Tests::Plain => ([0, 0, 1][random.below(3)], [1, 2][random.below(2)]),
            _ => ([0, 0, 1, 3][random.below(4)], random.below(all.len())),
        };
        let (first, second) = (first.min(second), first.max(second));
        let chosen =
            if first == second { vec![all[first].clone()] } else { vec![all[first].clone(), all[second].clone()] };
        let universe = universes.entry((first, second)).or_insert_with(|| requests(&chosen));
        let rules: Vec<Condition> =
            (0..2 + random.below(3)).map(|_| condition(&chosen, tests, random.below(3), &mut random)).collect();
        check(&rules, universe, list % 5 == 4, list % every == 0, &mut tally);
    }
    eprintln!("{tally:?}");
    tally
}

#[test]
fn every_lost_rule_is_found_where_texts_are_whole_or_path_prefixes() {
    let tally = run(Tests::Plain, 15_000, 1, 1);
    assert!(tally.lost > 1_000, "{tally:?}");
    assert_eq!(tally.silent, 0, "{tally:?}");
}

#[test]
fn nothing_is_said_to_be_lost_that_is_not() {
    let literal = run(Tests::Literal, 20_000, 20, 2);
    let all = run(Tests::All, 20_000, 20, 3);
    assert!(literal.pairs + all.pairs > 100_000, "{literal:?} {all:?}");
    assert!(all.lost > 5_000 && all.alternatives > 1_000 && all.full > 100, "{all:?}");
    // The universe is small: some of these are reached by requests that are not in it.
    assert!(literal.silent * 100 <= literal.searched, "{literal:?}");
    assert!(all.silent * 50 <= all.searched, "{all:?}");
}

/// Each pattern cannot do without a text of its own, by which it is told from thousands of others.
#[test]
fn thousands_of_patterns_are_told_apart() {
    let test =
        |pattern: String| Condition::Test(Test { subject: Subject::Path, patterns: vec![Pattern::Regex(pattern)] });
    let rules: Vec<Condition> = (0..5000).map(|at| test(format!("^/users/[0-9]+/{at}$"))).collect();
    let mut reach = Reach::new(false);
    for rule in &rules {
        assert_eq!(reach.lost(rule), None);
        reach.add(rule);
    }
    let lost = test("^/users/7[0-9]/4711$".to_owned());
    assert!(matches!(reach.lost(&lost), Some(Lost::Taken { taken_by: 4711, .. })));
}
