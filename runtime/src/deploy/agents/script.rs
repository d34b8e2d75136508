//! What is run in an agent's pod, and how its output is cut into parts.

use std::collections::BTreeMap;

/// What starts a line of ours in the output.
const MARK: &str = "meshc: ";

/// Asks the agent's own command. Agents from 1.18 on have tables; older ones have Envoy's configuration
/// and the load balancer's map. Each part ends with a line that has its name and the command's exit code;
/// without the last one the output is not whole, whatever the API server says of it. Envoy's configuration
/// comes on stderr in some releases.
const SCRIPT: &str = r#"c=cilium-dbg
command -v $c >/dev/null 2>&1 || c=cilium
part() { printf '\nmeshc: %s %s\n' "$2" "$1"; }
if configs=$($c shell -- db/show ciliumenvoyconfigs --format=json 2>/dev/null) &&
  case $configs in ''|'{'*) true ;; *) false ;; esac
then
  printf '%s\n' "$configs"; part 0 configs
  $c shell -- db/show envoy-resources --format=json 2>/dev/null; part $? resources
  $c shell -- db/show services --format=json 2>/dev/null; part $? services
else
  $c bpf lb list -o json 2>/dev/null; part $? balancer
fi
$c envoy admin config 2>&1; part $? envoy
part 0 end
"#;

/// The script.
pub(super) fn text() -> String {
    SCRIPT.to_owned()
}

/// The parts of a whole output, by name. Commands that failed have none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts<'t> {
    parts: BTreeMap<&'t str, &'t str>,
}

impl<'t> Parts<'t> {
    /// Whether the agent has tables to show.
    pub(super) fn has_tables(&self) -> bool {
        self.parts.contains_key("configs")
    }

    pub(super) fn get(&self, name: &str) -> Option<&'t str> {
        self.parts.get(name).copied()
    }
}

/// Cuts an output; nothing when it is not whole.
pub(super) fn cut(text: &str) -> Option<Parts<'_>> {
    let mut parts = Parts::default();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let before = at;
        at += line.len();
        let Some(mark) = line.strip_prefix(MARK).and_then(|rest| rest.strip_suffix('\n')) else { continue };
        let (name, code) = mark.split_once(' ')?;
        if name == "end" {
            return Some(parts);
        }
        if code == "0" {
            parts.parts.insert(name, text.get(start..before)?);
        }
        start = at;
    }
    None
}

/// JSON as an agent's shell prints it. Its client breaks long lines, also within texts: JSON has no bare
/// line breaks there, so these can be taken out again.
pub(super) fn unbroken(text: &str) -> String {
    let (mut out, mut inside, mut escaped) = (String::with_capacity(text.len()), false, false);
    for c in text.chars() {
        if inside && matches!(c, '\n' | '\r') {
            continue;
        }
        match c {
            _ if escaped => escaped = false,
            '\\' if inside => escaped = true,
            '"' => inside = !inside,
            _ => {}
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "{\n}\n\nmeshc: configs 0\n\nmeshc: resources 1\n{}\n\nmeshc: envoy 0\n\nmeshc: end 0\n";

    #[test]
    fn a_whole_output_has_its_parts() {
        let parts = cut(WHOLE).unwrap();
        assert!(parts.has_tables());
        assert_eq!(parts.get("configs").map(str::trim), Some("{\n}"));
        assert_eq!(parts.get("resources"), None, "its command failed");
        assert_eq!(parts.get("envoy").map(str::trim), Some("{}"));
    }

    #[test]
    fn no_beginning_of_an_output_is_whole() {
        for (at, _) in WHOLE.char_indices() {
            assert_eq!(cut(WHOLE.get(..at).unwrap()), None, "{at}");
        }
    }

    #[test]
    fn long_lines_come_back_together() {
        assert_eq!(unbroken("{\"a\": \"x\ny\",\n \"b\": 1}"), "{\"a\": \"xy\",\n \"b\": 1}");
        assert_eq!(unbroken("\"a\\\"\nb\"\n"), "\"a\\\"b\"\n", "a quote within a text does not end it");
        assert_eq!(unbroken("\"a\\\\\"\nb"), "\"a\\\\\"\nb", "a backslash may be the last of a text");
    }
}
