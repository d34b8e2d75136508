//! Values: words and text as they stand in the tree, and the readers that turn them into
//! durations, rates, shares, counts and names.

use crate::diagnostic::{Code, codes};
use crate::source::Span;
use std::fmt;
use std::time::Duration;

/// A word, a text or a reference to a parameter, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Where it stands, quotes included.
    pub span: Span,
    /// What it is.
    pub kind: ValueKind,
}

/// The three forms of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueKind {
    /// A bare word.
    Word(String),
    /// `"…"` with its escapes resolved, or `` `…` `` as it is.
    Text(String),
    /// `$name`: stands for the whole value.
    Param(String),
}

impl Value {
    /// The word or text; for a parameter its name.
    pub fn as_str(&self) -> &str {
        match &self.kind {
            ValueKind::Word(s) | ValueKind::Text(s) | ValueKind::Param(s) => s,
        }
    }
}

/// Why a word is not a value of the wanted kind; the caller adds the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueError {
    /// Which diagnostic this becomes.
    pub code: Code,
    /// What is wrong, with the user's text in backticks.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

impl ValueError {
    fn new(code: Code, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: help.into() }
    }
}

/// The longest duration: Envoy's timers count milliseconds, and no policy needs more than a year.
pub const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads `250ms`, `5s`, `1m30s`, `2h`.
///
/// # Errors
/// When it is not a whole number of milliseconds with units, or over [`MAX_DURATION`].
pub fn duration(text: &str) -> Result<Duration, ValueError> {
    const HELP: &str = "durations are written `250ms`, `5s` or `1m30s`; the units are ms, s, m and h";
    let bad = |message: String| ValueError::new(codes::BAD_VALUE, message, HELP);
    if let Some(whole) = without_fraction(text) {
        let help = format!("durations have no fractions: write `{}`", print_duration(whole));
        return Err(ValueError::new(codes::BAD_VALUE, format!("`{text}` is not a duration"), help));
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let message = format!("`{text}` has no unit");
        return Err(ValueError::new(
            codes::MISSING_UNIT,
            message,
            format!("write `{text}s` or `{text}ms`; the units are ms, s, m and h"),
        ));
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut last_unit = u64::MAX;
    while !rest.is_empty() {
        let (number, unit, tail) = split_number(rest).ok_or_else(|| bad(format!("`{text}` is not a duration")))?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(bad(format!("`{text}` is not a duration"))),
        };
        if millis >= last_unit {
            return Err(bad(format!("the units of `{text}` do not go from large to small")));
        }
        last_unit = millis;
        let part = number.checked_mul(millis).map(Duration::from_millis);
        total = part.and_then(|p| total.checked_add(p)).filter(|t| *t <= MAX_DURATION).ok_or_else(|| {
            ValueError::new(
                codes::OUT_OF_RANGE,
                format!("`{text}` is longer than a year"),
                "a duration is at most `8760h`",
            )
        })?;
        rest = tail;
    }
    if text.is_empty() { Err(bad("a duration is missing".into())) } else { Ok(total) }
}

/// What a duration with a fraction comes to, if that is whole milliseconds: `1.5s` is 1500 of them.
fn without_fraction(text: &str) -> Option<Duration> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let (whole, decimals) = text.strip_suffix(unit)?.split_once('.')?;
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    let size = 10_u64.checked_pow(u32::try_from(decimals.len()).ok()?)?;
    let part = decimals.parse::<u64>().ok()?.checked_mul(millis)?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(millis)?;
    let total = Duration::from_millis(whole.checked_add(part / size)?);
    (part % size == 0 && total <= MAX_DURATION).then_some(total)
}

/// Splits `12ms3s` into 12, `ms` and `3s`.
fn split_number(text: &str) -> Option<(u64, &str, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, rest) = text.split_at_checked(digits)?;
    let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, tail) = rest.split_at_checked(unit)?;
    // More digits than fit are too long a duration, not a malformed one.
    let number = if number.is_empty() { return None } else { number.parse().unwrap_or(u64::MAX) };
    Some((number, unit, tail))
}

/// How a duration is written in the language; the inverse of [`duration`].
pub fn print_duration(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    let mut out = String::new();
    for (unit, size) in [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if millis >= size {
            out.push_str(&format!("{}{unit}", millis / size));
            millis %= size;
        }
    }
    if out.is_empty() { "0s".into() } else { out }
}

/// So many events in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Events a period.
    pub events: u32,
    /// The period.
    pub period: Duration,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = print_duration(self.period);
        write!(
            f,
            "{}/{}",
            self.events,
            period.strip_prefix('1').filter(|u| !u.starts_with(|c: char| c.is_ascii_digit())).unwrap_or(&period)
        )
    }
}

/// Reads `2/5s`, `100/s`, `600/m`.
///
/// # Errors
/// When a part is missing, zero or too large.
pub fn rate(text: &str) -> Result<Rate, ValueError> {
    const HELP: &str = "rates are written `2/5s`, `100/s` or `600/m`";
    let Some((events, period)) = text.split_once('/') else {
        if text.bytes().all(|b| b.is_ascii_digit()) {
            let help = format!("write `{text}/s`, `{text}/m` or, say, `{text}/5s`");
            return Err(ValueError::new(codes::MISSING_UNIT, format!("`{text}` does not say in how much time"), help));
        }
        return Err(ValueError::new(codes::BAD_VALUE, format!("`{text}` is not a rate"), HELP));
    };
    if events.is_empty() || !events.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ValueError::new(codes::BAD_VALUE, format!("`{text}` is not a rate"), HELP));
    }
    let count: u32 = events.parse().map_err(|_| {
        ValueError::new(codes::OUT_OF_RANGE, format!("`{events}` is more than a limit can count"), "at most 4294967295")
    })?;
    let period = if period.bytes().all(|b| b.is_ascii_digit()) && !period.is_empty() {
        return Err(ValueError::new(
            codes::MISSING_UNIT,
            format!("`{period}` has no unit"),
            format!("write `{events}/{period}s`"),
        ));
    } else if period.starts_with(|c: char| c.is_ascii_digit()) {
        duration(period).map_err(|e| ValueError { help: HELP.into(), ..e })?
    } else {
        duration(&format!("1{period}"))
            .map_err(|_| ValueError::new(codes::BAD_VALUE, format!("`{text}` is not a rate"), HELP))?
    };
    if count == 0 || period.is_zero() {
        return Err(ValueError::new(
            codes::OUT_OF_RANGE,
            format!("`{text}` lets nothing pass"),
            "to refuse all requests write `respond 429`",
        ));
    }
    Ok(Rate { events: count, period })
}

/// A part of the whole, in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Portion(pub u32);

impl Portion {
    /// All of it.
    pub const WHOLE: Portion = Portion(1_000_000);
}

impl fmt::Display for Portion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.0 / 10_000, self.0 % 10_000);
        if part == 0 {
            write!(f, "{whole}%")
        } else {
            write!(f, "{whole}.{}%", format!("{part:04}").trim_end_matches('0'))
        }
    }
}

/// Reads `90%`, `0.5%`, at most four decimals, at most `100%`.
///
/// # Errors
/// When the percent sign is missing, it is not a number, or it is over 100 %.
pub fn portion(text: &str) -> Result<Portion, ValueError> {
    const HELP: &str = "shares are written `90%` or `0.5%`, with at most four decimals";
    let bad = || ValueError::new(codes::BAD_VALUE, format!("`{text}` is not a share"), HELP);
    let Some(number) = text.strip_suffix('%') else {
        let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let Some(number) = text.parse::<f64>().ok().filter(|_| plain) else { return Err(bad()) };
        // `0.5` of the whole is rather a half than half a percent.
        let help = match text.contains('.') && number <= 1.0 {
            true => format!("write `{}`, or `{text}%` if so little is meant", Portion((number * 1e6).round() as u32)),
            false => format!("write `{text}%`"),
        };
        return Err(ValueError::new(codes::MISSING_UNIT, format!("`{text}` has no unit"), help));
    };
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 4 {
        return Err(bad());
    }
    let decimals: u32 = format!("{decimals:0<4}").parse().map_err(|_| bad())?;
    let over = || {
        ValueError::new(codes::OUT_OF_RANGE, format!("`{text}` is more than the whole"), "a share is at most `100%`")
    };
    let whole: u32 = whole.parse().map_err(|_| over())?;
    let millionths = whole.checked_mul(10_000).and_then(|w| w.checked_add(decimals)).filter(|m| *m <= Portion::WHOLE.0);
    millionths.map(Portion).ok_or_else(over)
}

/// Reads a whole number within `min..=max`; `what` names it in messages.
///
/// # Errors
/// When it is not one, or out of range.
pub fn count(text: &str, what: &str, min: u32, max: u32) -> Result<u32, ValueError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ValueError::new(
            codes::BAD_VALUE,
            format!("`{text}` is not a whole number"),
            format!("{what} is a number from {min} to {max}"),
        ));
    }
    let number = text.parse::<u32>().ok().filter(|n| (min..=max).contains(n));
    number.ok_or_else(|| {
        ValueError::new(
            codes::OUT_OF_RANGE,
            format!("`{text}` is out of range"),
            format!("{what} is a number from {min} to {max}"),
        )
    })
}

/// Checks a Kubernetes name (DNS label): `[a-z0-9]([-a-z0-9]*[a-z0-9])?`, at most 63 bytes.
///
/// # Errors
/// When it is none.
pub fn name(text: &str) -> Result<(), ValueError> {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = bytes.first().is_some_and(|b| inner(*b)) && bytes.last().is_some_and(|b| inner(*b));
    if ends && bytes.iter().all(|b| inner(*b) || *b == b'-') {
        if bytes.len() <= 63 {
            return Ok(());
        }
        let message = format!("`{text}` has {} characters", bytes.len());
        return Err(ValueError::new(codes::BAD_NAME, message, "a Kubernetes name has at most 63"));
    }
    if text.is_empty() {
        return Err(ValueError::new(codes::BAD_NAME, "a name is missing", "names are written like `cart` or `cart-2`"));
    }
    let near = text.to_ascii_lowercase().replace('_', "-");
    let help = match near != text && name(&near).is_ok() {
        true => format!("names have no capitals and no `_`: `{near}`"),
        false => "names are lower-case letters, digits and `-`, and begin and end with a letter or digit".to_owned(),
    };
    Err(ValueError::new(codes::BAD_NAME, format!("`{text}` is not a Kubernetes name"), help))
}

/// The kinds of value a parameter may have, told from its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `90%`
    Share,
    /// `5s`
    Duration,
    /// `2/5s`
    Rate,
    /// `3`
    Number,
    /// `"…"`
    Text,
    /// any other word
    Word,
}

impl Kind {
    /// Tells the kind of a value.
    pub fn of(value: &ValueKind) -> Kind {
        match value {
            ValueKind::Text(_) => Kind::Text,
            ValueKind::Word(w) | ValueKind::Param(w) => Kind::of_word(w),
        }
    }

    fn of_word(word: &str) -> Kind {
        if portion(word).is_ok() {
            Kind::Share
        } else if duration(word).is_ok() {
            Kind::Duration
        } else if rate(word).is_ok() {
            Kind::Rate
        } else if !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit()) {
            Kind::Number
        } else {
            Kind::Word
        }
    }

    /// What the kind is called in messages.
    pub fn noun(self) -> &'static str {
        match self {
            Kind::Share => "a share such as `10%`",
            Kind::Duration => "a duration such as `5s`",
            Kind::Rate => "a rate such as `2/5s`",
            Kind::Number => "a number",
            Kind::Text => "a text in quotes",
            Kind::Word => "a word",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for bad in ["", "s", "-1s", "1.5s", "5", "1s1m", "1s1s", "5sec", "1e3s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for long in ["99999999999999999999h", "9223372036855s", "8761h"] {
            assert_eq!(duration(long).map_err(|e| e.code), Err(codes::OUT_OF_RANGE), "{long}");
        }
        assert_eq!(without_fraction("1.5s").map(print_duration).as_deref(), Some("1s500ms"));
        assert_eq!(without_fraction("0.1ms"), None);
        for text in ["1h", "1m30s", "250ms", "0s", "1h1ms"] {
            assert_eq!(duration(text).map(print_duration).as_deref(), Ok(text));
        }
    }

    #[test]
    fn rates() {
        assert_eq!(rate("2/5s"), Ok(Rate { events: 2, period: Duration::from_secs(5) }));
        assert_eq!(rate("600/m"), Ok(Rate { events: 600, period: Duration::from_secs(60) }));
        for text in ["2/5s", "100/s", "600/m", "1/15s"] {
            assert_eq!(rate(text).map(|r| r.to_string()).as_deref(), Ok(text));
        }
        assert_eq!(rate("5").map_err(|e| e.code), Err(codes::MISSING_UNIT));
        assert_eq!(rate("2/5").map_err(|e| e.code), Err(codes::MISSING_UNIT));
        assert_eq!(rate("0/s").map_err(|e| e.code), Err(codes::OUT_OF_RANGE));
        assert_eq!(rate("4294967296/s").map_err(|e| e.code), Err(codes::OUT_OF_RANGE));
        for bad in ["/", "2/", "/s", "a/s", "2/x", "2//s", "-2/s"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn portions() {
        assert_eq!(portion("90%"), Ok(Portion(900_000)));
        assert_eq!(portion("0.0001%"), Ok(Portion(1)));
        assert_eq!(portion("33.3333%").map(|p| p.to_string()).as_deref(), Ok("33.3333%"));
        assert_eq!(portion("90").map_err(|e| e.code), Err(codes::MISSING_UNIT));
        assert_eq!(portion("100.0001%").map_err(|e| e.code), Err(codes::OUT_OF_RANGE));
        assert_eq!(portion("4294967296%").map_err(|e| e.code), Err(codes::OUT_OF_RANGE));
        for bad in ["%", "-1%", "1.%", ".5%", "1.00001%", "1e2%"] {
            assert!(portion(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names() {
        for good in ["a", "v1", "echo-service-1", "0"] {
            assert_eq!(name(good), Ok(()));
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "é", &"a".repeat(64)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
