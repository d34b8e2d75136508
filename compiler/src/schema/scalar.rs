//! Numbers, texts, enumerations and the well-known types, in protobuf's JSON form.

use super::ProblemKind;
use super::walk::Walk;
use crate::yaml::{Kind, Node};
use meshc_dsl::suggest::nearest;
use prost_reflect::{EnumDescriptor, Kind as FieldKind, MessageDescriptor};

/// Checks a value of a type that is no message.
pub(super) fn check(walk: &mut Walk<'_>, node: &Node, kind: &FieldKind) {
    match kind {
        FieldKind::Bool => {
            if !matches!(node.kind, Kind::Bool(_)) {
                walk.wrong_type(node, "`true` or `false`");
            }
        }
        FieldKind::String => {
            if !matches!(node.kind, Kind::Text(_)) {
                walk.wrong_type(node, "text in quotes");
            }
        }
        FieldKind::Bytes => {
            if !matches!(&node.kind, Kind::Text(text) if base64(text)) {
                walk.wrong_type(node, "base64 text");
            }
        }
        FieldKind::Double | FieldKind::Float => {
            let digit = |t: &str| t.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
            let special =
                |t: &str| matches!(t, "NaN" | "Infinity" | "-Infinity") || digit(t) && t.parse::<f64>().is_ok();
            if !matches!(&node.kind, Kind::Number(_)) && !matches!(&node.kind, Kind::Text(t) if special(t)) {
                walk.wrong_type(node, "a number");
            }
        }
        FieldKind::Enum(descriptor) => enumeration(walk, node, descriptor),
        _ => integer(walk, node, kind),
    }
}

fn integer(walk: &mut Walk<'_>, node: &Node, kind: &FieldKind) {
    let (low, high, name) = match kind {
        FieldKind::Int32 | FieldKind::Sint32 | FieldKind::Sfixed32 => {
            (i128::from(i32::MIN), i128::from(i32::MAX), "an integer")
        }
        FieldKind::Uint32 | FieldKind::Fixed32 => (0, i128::from(u32::MAX), "an integer from 0 to 4294967295"),
        FieldKind::Int64 | FieldKind::Sint64 | FieldKind::Sfixed64 => {
            (i128::from(i64::MIN), i128::from(i64::MAX), "an integer")
        }
        _ => (0, i128::from(u64::MAX), "an integer from 0 on"),
    };
    if !number(node).is_some_and(|n| (low..=high).contains(&n)) {
        walk.wrong_type(node, name);
    }
}

/// The integer that a value is: a number without a fraction, or the text of one.
pub(super) fn number(node: &Node) -> Option<i128> {
    match &node.kind {
        Kind::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (Some(n), _, _) => Some(n.into()),
            (_, Some(n), _) => Some(n.into()),
            (_, _, Some(n)) if n.fract() == 0.0 && n.abs() < 1e15 => format!("{n:.0}").parse().ok(),
            _ => None,
        },
        Kind::Text(text) => text.parse().ok().filter(|_| !text.starts_with('+')),
        _ => None,
    }
}

fn enumeration(walk: &mut Walk<'_>, node: &Node, descriptor: &EnumDescriptor) {
    if let Kind::Text(text) = &node.kind {
        if descriptor.get_value_by_name(text).is_some() {
            return;
        }
        let values: Vec<_> = descriptor.values().collect();
        let names = values.iter().map(|v| v.name());
        let help = match nearest(&text.to_ascii_uppercase(), names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it is one of {}", names.map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ")),
        };
        let message = format!("`{text}` is no value of `{}`", descriptor.full_name());
        return walk.at("", &node.range, |walk| walk.problem(ProblemKind::WrongType, message, help));
    }
    if number(node).is_none_or(|n| i32::try_from(n).is_err()) {
        walk.wrong_type(node, "the name of a value");
    }
}

fn base64(text: &str) -> bool {
    text.trim_end_matches('=').bytes().all(|b| b.is_ascii_alphanumeric() || b"+/-_".contains(&b))
}

/// The nanoseconds from which on Envoy calls a duration out of range.
const TOO_LONG: i128 = 9_223_372_036 * 1_000_000_000;

/// Envoy takes no negative duration, whatever it is for (`DurationUtil`; tried with 1.38).
fn duration(walk: &mut Walk<'_>, node: &Node) {
    let Kind::Text(text) = &node.kind else { return walk.wrong_type(node, DURATION) };
    let what = match nanoseconds(text) {
        None => return walk.wrong_type(node, DURATION),
        Some(time) if time < 0 => "is negative",
        Some(time) if time >= TOO_LONG => "is longer than Envoy can count",
        Some(_) => return,
    };
    let message = format!("`{text}` {what}");
    let help = "Envoy refuses it, whatever it is for; where a time may be without a limit, that is `0s`";
    walk.at("", &node.range, |walk| walk.problem(ProblemKind::Rule, message, help));
}

const DURATION: &str = "a duration in seconds such as `1.5s`";

/// Checks a value of a type that has a JSON form of its own. `false` for all other messages.
pub(super) fn well_known(walk: &mut Walk<'_>, node: &Node, message: &MessageDescriptor) -> bool {
    let Some(name) = message.full_name().strip_prefix("google.protobuf.") else { return false };
    let wrapped = || message.get_field_by_name("value").map(|f| f.kind());
    match name {
        "Duration" => duration(walk, node),
        "Timestamp" | "FieldMask" => {
            if !matches!(node.kind, Kind::Text(_)) {
                walk.wrong_type(node, "text");
            }
        }
        "Struct" => {
            if !matches!(node.kind, Kind::Map(_)) {
                walk.wrong_type(node, "a map");
            }
        }
        "ListValue" => {
            if !matches!(node.kind, Kind::List(_)) {
                walk.wrong_type(node, "a list");
            }
        }
        "Value" => {}
        "Empty" => {
            if !matches!(&node.kind, Kind::Map(fields) if fields.is_empty()) {
                walk.wrong_type(node, "`{}`");
            }
        }
        _ if name.ends_with("Value") => match wrapped() {
            Some(kind) => check(walk, node, &kind),
            None => return false,
        },
        _ => return false,
    }
    true
}

/// The nanoseconds of a duration in protobuf's JSON form.
pub(crate) fn nanoseconds(text: &str) -> Option<i128> {
    let number = text.strip_suffix('s')?;
    let (negative, digits) = number.strip_prefix('-').map_or((false, number), |n| (true, n));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() || part.len() > 9 || !(whole.bytes().chain(part.bytes())).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let whole: i128 = whole.parse().ok().filter(|s| *s <= 315_576_000_000)?;
    let part: i128 = format!("{part:0<9}").parse().ok()?;
    let all = whole * 1_000_000_000 + part;
    Some(if negative { -all } else { all })
}

#[cfg(test)]
mod tests {
    use super::nanoseconds;

    #[test]
    fn durations() {
        assert_eq!(nanoseconds("1.5s"), Some(1_500_000_000));
        assert_eq!(nanoseconds("-0.25s"), Some(-250_000_000));
        for bad in ["1", "1ms", "s", ".5s", "1.s2", "1.0000000001s", "1e3s"] {
            assert_eq!(nanoseconds(bad), None, "{bad}");
        }
    }
}
