//! Slips that people make who come from another language, and what to tell them.

use crate::clause::KEYWORDS;
use crate::condition::SUBJECTS;
use std::ops::Range;

/// What to tell of a slip, and how to mend it.
pub(crate) struct Slip {
    /// Where it stands, if not where it was noticed.
    pub(crate) at: Option<Range<usize>>,
    pub(crate) help: String,
    pub(crate) mend: Option<Mend>,
}

/// A replacement within the text that the slip was found in.
pub(crate) struct Mend {
    pub(crate) range: Range<usize>,
    pub(crate) replacement: String,
}

/// A sign that is no part of the language, what to tell of it, and the word that means the same.
const SIGNS: &[(&str, &str, Option<&str>)] = &[
    ("==", "equality is written with one `=`", Some("=")),
    ("=~", "a regular expression is written `path regex `^/v[0-9]+/``", None),
    ("~", "a regular expression is written `path regex `^/v[0-9]+/``", None),
    ("!=", "inequality is written with `not`, as in `not header x-env = \"prod\"`", None),
    ("&&", "conditions are joined by `and`", Some("and")),
    ("||", "conditions are joined by `or`", Some("or")),
    ("->", "a destination is written `to SERVICE`", Some("to")),
];

/// Words of other languages that begin no clause, each with what is written instead.
const WORDS: &[(&[&str], &str)] = &[
    (&["if", "where", "match", "location", "case"], "conditions are written `when CONDITION { … }`"),
    (
        &["path", "host", "method", "query", "cookie", "grpc", "prefix"],
        "a condition stands after `when`: `when path prefix \"/api\" { … }`",
    ),
    (
        &["else", "default", "elif"],
        "what holds for all other requests is written outside every `when`, or as `otherwise { … }`",
    ),
    (&["weight", "weights", "split", "canary", "percent"], "a share stands before each destination: `90% v1, 10% v2`"),
    (
        &["route", "destination", "forward", "proxy_pass", "backend", "upstream", "send", "go"],
        "a destination is written `to SERVICE`, or with shares: `90% v1, 10% v2`",
    ),
    (
        &["header", "headers", "set", "add", "remove"],
        "headers are changed by `request header set NAME \"VALUE\"` or `response header …`; a condition is `when header NAME = \"VALUE\" { … }`",
    ),
    (&["return", "status", "deny", "reject"], "an answer of the proxy's own is written `respond 403 \"TEXT\"`"),
    (
        &["limit", "rate", "limit_req", "rate_limit", "rate-limit", "throttle"],
        "a rate limit is written `ratelimit 100/s`",
    ),
    (&["attempts", "retries", "num_retries"], "retries are written `retry 3 on 5xx`"),
    (&["log", "access_log", "access-log"], "access logs are written `accesslog stdout json`"),
];

/// What to tell of a first word that begins no clause.
pub(crate) fn clause(word: &str) -> Option<&'static str> {
    WORDS.iter().find(|(words, _)| words.contains(&word)).map(|(_, help)| *help)
}

/// What to tell of a first word that begins no declaration.
pub(crate) fn declaration(word: &str) -> Option<&'static str> {
    const ROUTE: &str = "requests to a service are steered by a route: `route SERVICE:PORT { when path prefix \"/api\" { to other }; to v1 }`";
    match word {
        "location" | "server" | "virtualservice" | "virtualhost" | "host" | "match" | "backend" | "frontend" => {
            Some(ROUTE)
        }
        "upstream" | "cluster" | "destinationrule" => Some(
            "what is known of a service stands in `service NAME:PORT { … }`, and where its requests go in `route NAME:PORT { … }`",
        ),
        "import" | "include" | "use" => Some("all files of a folder are one program: nothing is included"),
        "let" | "var" | "const" | "set" => {
            Some("a parameter is declared as `param canary = 10%`, and used as `$canary`")
        }
        _ => None,
    }
}

/// `route cart 8080 { … }`: where its service ends, and where the port stands. A number before a name is a share.
pub(crate) fn port_apart(text: &str) -> Option<(usize, Range<usize>)> {
    let head = text.strip_prefix("route ").or_else(|| text.strip_prefix("service "))?;
    let subject = head.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '/')))?;
    let behind = head.get(subject..).filter(|_| subject > 0)?;
    let rest = behind.trim_start_matches([' ', '\t']);
    let (end, start) = (text.len() - behind.len(), text.len() - rest.len());
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let next = rest.get(digits..)?;
    let word = next.trim_start_matches([' ', '\t']);
    let name = word.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next().unwrap_or("");
    let clause = next.starts_with([' ', '\t']) && KEYWORDS.iter().any(|k| k.word == name);
    let ends = word.is_empty() || word.starts_with(['{', '\n', ';']) || clause;
    (ends && end < start && (1..=5).contains(&digits)).then(|| (end, start..start + digits))
}

/// What to tell of the piece that stands at `start` in a clause or condition, if it is a known slip.
pub(crate) fn find(text: &str, start: usize, piece: &str) -> Option<Slip> {
    let before = text.get(..start).unwrap_or("");
    sign(text, start, piece)
        .or_else(|| last_word(before).and_then(|(at, word)| sign(text, at, word)))
        .or_else(|| separator(text, start, piece))
        .or_else(|| percent(text))
        .or_else(|| unit(text, start, piece))
        .or_else(|| rate(text, piece))
        .or_else(|| header(text))
        .or_else(|| method(text, start, piece))
        .or_else(|| keyword(text))
        .or_else(|| share(text, start))
}

fn help(text: impl Into<String>) -> Option<Slip> {
    Some(Slip { at: None, help: text.into(), mend: None })
}

pub(crate) fn last_word(text: &str) -> Option<(usize, &str)> {
    let trimmed = text.trim_end();
    let start = trimmed.rfind(char::is_whitespace).map_or(0, |i| i + 1);
    trimmed.get(start..).filter(|word| !word.is_empty()).map(|word| (start, word))
}

/// `==`, `&&`, `->` …
fn sign(text: &str, start: usize, piece: &str) -> Option<Slip> {
    let (at, (sign, help, word)) =
        SIGNS.iter().filter_map(|entry| piece.find(entry.0).map(|at| (at, entry))).min_by_key(|(at, _)| *at)?;
    let range = start + at..start + at + sign.len();
    let mend = match (*sign, word) {
        ("!=", _) => negated(text, range),
        (_, Some(word)) => Some(Mend { replacement: spaced(text, &range, word), range }),
        (_, None) => None,
    };
    let help = match &mend {
        Some(Mend { replacement, .. }) if *sign == "!=" => {
            let value = text.get(start + at + sign.len()..).and_then(|t| t.split_whitespace().next()).unwrap_or("…");
            format!("inequality is written with `not`: `{replacement} {value}`")
        }
        _ => (*help).to_owned(),
    };
    Some(Slip { at: None, help, mend })
}

/// A word with the blanks that it needs where the sign had none.
fn spaced(text: &str, range: &Range<usize>, word: &str) -> String {
    let touches = |c: Option<char>| c.is_some_and(|c| !c.is_whitespace());
    let apart = word.starts_with(|c: char| c.is_ascii_alphabetic());
    let before = text.get(..range.start).and_then(|t| t.chars().next_back());
    let after = text.get(range.end..).and_then(|t| t.chars().next());
    let blank = |c| if apart && touches(c) { " " } else { "" };
    format!("{}{word}{}", blank(before), blank(after))
}

/// `header x != "y"` → `not header x = "y"`, where the test is not negated already.
fn negated(text: &str, sign: Range<usize>) -> Option<Mend> {
    let (name_at, name) = last_word(text.get(..sign.start)?)?;
    let (at, subject) = match name {
        "path" | "host" => (name_at, name.to_owned()),
        _ => {
            let (at, kind) = last_word(text.get(..name_at)?)?;
            matches!(kind, "header" | "query" | "cookie").then(|| (at, format!("{kind} {name}")))?
        }
    };
    let free = last_word(text.get(..at)?).is_none_or(|(_, word)| matches!(word, "and" | "or"));
    free.then(|| Mend { range: at..sign.end, replacement: format!("not {subject} =") })
}

/// A comma where the clause ends: `timeout 5s, retry 3`.
fn separator(text: &str, start: usize, piece: &str) -> Option<Slip> {
    let comma = |before: &str| before.trim_end().strip_suffix(',').map(str::len);
    let before = text.get(..start)?;
    // The word behind the comma may have been taken for one more of a list.
    let behind = || last_word(before).and_then(|(at, _)| comma(before.get(..at)?));
    let at = if piece == "," { start } else { comma(before).or_else(behind)? };
    let next = text.get(at + 1..)?.trim_start();
    let word = next.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next().unwrap_or("");
    let follows = KEYWORDS.iter().any(|k| k.word == word && k.word != "to" && k.word != "rest");
    follows.then(|| Slip {
        at: Some(at..at + 1),
        help: "clauses are separated by `;` or stand on lines of their own".to_owned(),
        mend: Some(Mend { range: at..at + 1, replacement: ";".to_owned() }),
    })
}

/// `10 % v1`
fn percent(text: &str) -> Option<Slip> {
    let at = text.find(" %")?;
    let number = text.get(..at)?.trim_end();
    let start = number.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let digits = number.get(start..).filter(|digits| !digits.is_empty())?;
    Some(Slip {
        at: Some(start..at + 2),
        help: format!("a share is written without a blank: `{digits}%`"),
        mend: Some(Mend { range: number.len()..at + 1, replacement: String::new() }),
    })
}

/// `timeout 5 seconds`
fn unit(text: &str, start: usize, piece: &str) -> Option<Slip> {
    let unit = match piece {
        "ms" | "milliseconds" | "millis" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hour" | "hours" => "h",
        _ => return None,
    };
    let number = text.get(..start)?.trim_end();
    let digits = number.rsplit(char::is_whitespace).next()?;
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| Slip {
        at: None,
        help: format!("a duration is one word: `{digits}{unit}`"),
        mend: Some(Mend { range: number.len()..start + piece.len(), replacement: unit.to_owned() }),
    })
}

/// `ratelimit 100 per second`, `retry on 5xx`
fn rate(text: &str, piece: &str) -> Option<Slip> {
    let mut words = text.split_whitespace();
    match (words.next()?, words.next()?) {
        ("retry", "on") => help("how often comes first: `retry 3 on 5xx`"),
        ("ratelimit", number) if number.bytes().all(|b| b.is_ascii_digit()) && !matches!(piece, "," | ";") => {
            help(format!("a rate is one word: `{number}/s`, `{number}/m` or `{number}/5s`"))
        }
        _ => None,
    }
}

/// `request header set x-env=prod`
fn header(text: &str) -> Option<Slip> {
    let words = text.strip_prefix("request").or_else(|| text.strip_prefix("response"))?.trim_start();
    let words = words.strip_prefix("header")?.trim_start();
    let verb = ["set", "add"].into_iter().find(|verb| words.starts_with(verb))?;
    let pair = words.get(verb.len()..)?.trim_start();
    let (name, value) = pair.split_once('=').filter(|(name, _)| !name.trim_end().contains([' ', '"', '`']))?;
    let start = text.len() - pair.len();
    let (name, value) = (name.trim_end(), value.trim_matches([' ', '"']));
    let direction = text.get(..text.len() - words.len())?.trim_end();
    Some(Slip {
        at: Some(start..text.trim_end().len()),
        help: format!("a header and its value are set apart by a blank: `{direction} {verb} {name} \"{value}\"`"),
        mend: None,
    })
}

/// Two words that are one keyword: `circuit breaker`, `rate limit`.
pub(crate) fn joined(text: &str) -> Option<Slip> {
    let first = text.split_whitespace().next()?;
    let second = text.get(first.len()..)?.split_whitespace().next()?;
    let end = text.find(second)? + second.len();
    let (dashed, glued) = (format!("{first}-{second}"), format!("{first}{second}"));
    let keyword = KEYWORDS.iter().find(|k| k.word == dashed || k.word == glued)?;
    Some(Slip {
        at: None,
        help: format!("`{}` is one word", keyword.word),
        mend: Some(Mend { range: 0..end, replacement: keyword.word.to_owned() }),
    })
}

/// `method = GET`
fn method(text: &str, start: usize, piece: &str) -> Option<Slip> {
    let (_, word) = last_word(text.get(..start)?)?;
    if word != "method" || !piece.starts_with('=') {
        return None;
    }
    let end = text.len() - text.get(start + 1..)?.trim_start().len();
    Some(Slip {
        at: None,
        help: "methods are listed without a sign: `method GET, POST`".to_owned(),
        mend: Some(Mend { range: start..end, replacement: String::new() }),
    })
}

/// Tests of a condition that nothing joins: `path = "/a" method GET`, `path = "/a", method GET`
pub(crate) fn unjoined(text: &str, start: usize, piece: &str) -> Option<Slip> {
    let before = text.get(..start)?.trim_end();
    let (at, subject) = match SUBJECTS.contains(&piece) {
        true => (start, piece),
        false => last_word(before).filter(|(_, word)| SUBJECTS.contains(word))?,
    };
    let tests = text.get(..at)?.trim_end();
    let comma = tests.ends_with(',');
    // A test ends in its value; what stands behind a word alone may be something else.
    tests.trim_end_matches(',').ends_with(['"', '`', ')']).then(|| Slip {
        at: Some(if comma { tests.len() - 1..tests.len() } else { at..at + subject.len() }),
        help: format!("tests are joined by `and` or `or`: `… and {subject} …`"),
        mend: None,
    })
}

/// `timeout: 5s`, `timeout=5s`, `retry = 3`
fn keyword(text: &str) -> Option<Slip> {
    let word = text.split([':', '=', ' ', '\t']).next()?;
    let rest = text.get(word.len()..)?.trim_start();
    let sign = rest.chars().next().filter(|c| matches!(c, ':' | '='))?;
    let rest = rest.get(1..)?.trim_start();
    let name = if sign == ':' { "colon" } else { "`=`" };
    let at = text.find(sign)?;
    KEYWORDS.iter().any(|k| k.word == word).then(|| Slip {
        at: Some(at..at + 1),
        help: format!("no {name} follows a keyword: write `{word} {rest}`"),
        mend: Some(Mend { range: word.len()..text.len() - rest.len(), replacement: " ".to_owned() }),
    })
}

/// `90/10 v1, v2`, `90 to v1`, `90% v1, 10% to v2`, `90%v1`, `90% v1, v2`
fn share(text: &str, start: usize) -> Option<Slip> {
    let first = text.split_whitespace().next()?;
    let second = text.split_whitespace().nth(1).unwrap_or("");
    let number = first.bytes().all(|b| b.is_ascii_digit());
    if is_ratio(first) {
        return help("a share stands before each destination: `90% v1, 10% v2`");
    }
    if number && (second == "{" || KEYWORDS.iter().any(|k| k.word == second)) {
        return help(format!(
            "a port is joined to its service by a colon, as in `route cart:{first}`; a share is written `{first}% v1`"
        ));
    }
    if !first.contains('%') {
        return None;
    }
    share_to(text).or_else(|| share_glued(text, start)).or_else(|| shareless(text, start))
}

/// `10% to v2`
fn share_to(text: &str) -> Option<Slip> {
    let at = text.find("% to ")? + 2;
    let portion = text.get(..at)?.trim_end().rsplit([' ', ',']).next()?;
    let destination = text.get(at + 3..)?.split([' ', ',']).find(|word| !word.is_empty())?;
    Some(Slip {
        at: Some(at..at + 2),
        help: format!("a share stands right before its destination: `{portion} {destination}`"),
        mend: Some(Mend { range: at..at + 3, replacement: String::new() }),
    })
}

/// `90%v1`
fn share_glued(text: &str, start: usize) -> Option<Slip> {
    let rest = text.get(start..)?.trim_start_matches([',', ' ']);
    let start = text.len() - rest.len();
    let word = rest.split([' ', ',']).next()?;
    let (portion, destination) = word.split_once('%').filter(|(_, rest)| !rest.is_empty())?;
    portion.bytes().all(|b| b.is_ascii_digit() || b == b'.').then(|| Slip {
        at: Some(start..start + word.len()),
        help: format!("a blank stands between a share and its destination: `{portion}% {destination}`"),
        mend: Some(Mend { range: start + portion.len() + 1..start + portion.len() + 1, replacement: " ".to_owned() }),
    })
}

/// `90% v1, v2`
fn shareless(text: &str, start: usize) -> Option<Slip> {
    let behind = text.get(start..)?.strip_prefix(',')?;
    let word = behind.trim_start();
    let at = text.len() - word.len();
    let name = word.split([' ', ',']).next().filter(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()))?;
    Some(Slip {
        at: Some(at..at + name.len()),
        help: format!("a share stands before each destination: `10% {name}`, or `rest {name}` for what is left"),
        mend: None,
    })
}

/// `90/10`
pub(crate) fn is_ratio(word: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit() || b == b'%');
    word.split_once('/').is_some_and(|(left, right)| digits(left) && digits(right))
}

/// Whether a clause is a line of YAML: `- route:`, `http:`, `host: reviews`; among others, `timeout: 5s`.
pub(crate) fn is_yaml(text: &str, among_others: bool) -> bool {
    let item = text.strip_prefix('-').filter(|rest| rest.starts_with(char::is_whitespace));
    let first = item.unwrap_or(text).split_whitespace().next().unwrap_or("");
    let key = first.strip_suffix(':').unwrap_or("");
    let named = key.starts_with(|c: char| c.is_ascii_alphabetic());
    named && (item.is_some() || among_others || !KEYWORDS.iter().any(|k| k.word == key))
}

/// What follows the bullet of a clause in a list: `- timeout 5s`.
pub(crate) fn after_bullet(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(['-', '*'])?.trim_start();
    let word = rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).next().unwrap_or("");
    (KEYWORDS.iter().any(|k| k.word == word) || rest.starts_with(|c: char| c.is_ascii_digit())).then_some(rest)
}

/// Whether a word can hardly be anything but a destination: `v1`, `cart:8080`, `shop/cart`.
pub(crate) fn is_destination(word: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let version = word.strip_prefix('v').is_some_and(digits);
    version || word.split_once(':').is_some_and(|(name, port)| !name.is_empty() && digits(port)) || word.contains(['@'])
}
