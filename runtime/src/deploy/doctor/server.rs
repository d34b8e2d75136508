//! The API server's version.

use super::Finding;
use serde_json::Value;

/// A server by its numbers: its version's text is a placeholder in some builds.
pub(super) fn finding(version: &Value) -> Finding {
    let (major, minor) = (number(version, "major"), number(version, "minor"));
    let found = format!("Kubernetes {major}.{minor}");
    if (major, minor) >= (1, 27) {
        return Finding::good("API server", found);
    }
    let mut remedy = "Kubernetes 1.27 or newer is needed: older ones do not refuse unknown fields".to_owned();
    if (major, minor) < (1, 19) {
        remedy.push_str("; before 1.19 Cilium does not steer services either");
    }
    Finding::bad("API server", found, remedy)
}

/// Some clouds write `27+`.
fn number(version: &Value, key: &str) -> u32 {
    let text = version.get(key).and_then(Value::as_str).unwrap_or_default();
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_server_is_new_enough_by_its_numbers() {
        let fatal = |major: &str, minor: &str| {
            finding(&json!({"major": major, "minor": minor, "gitVersion": "v0.0.0-master"})).fatal
        };
        assert!(!fatal("1", "27") && !fatal("1", "34+") && !fatal("2", "0"));
        assert!(fatal("1", "26") && fatal("1", "9") && fatal("", ""));
    }
}
