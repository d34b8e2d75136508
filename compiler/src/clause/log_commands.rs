//! The commands of access-log formats. Envoy refuses a listener whose format has one that it does
//! not know.

use crate::target::{Feature, Target};
use meshc_dsl::suggest::nearest;

/// Whether a command has an argument in parentheses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Argument {
    None,
    May,
    Must,
}

use Argument::{May, Must, None as Never};

/// The commands that the Envoy 1.27 of cilium-1.15 knows, as every later one does.
const COMMANDS: &[(&str, Argument)] = &[
    ("BYTES_RECEIVED", Never),
    ("BYTES_SENT", Never),
    ("CLUSTER_METADATA", Must),
    ("CONNECTION_ID", Never),
    ("CONNECTION_TERMINATION_DETAILS", Never),
    ("DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Never),
    ("DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", Never),
    ("DOWNSTREAM_HEADER_BYTES_RECEIVED", Never),
    ("DOWNSTREAM_HEADER_BYTES_SENT", Never),
    ("DOWNSTREAM_LOCAL_ADDRESS", Never),
    ("DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Never),
    ("DOWNSTREAM_LOCAL_PORT", Never),
    ("DOWNSTREAM_PEER_SUBJECT", Never),
    ("DOWNSTREAM_PEER_URI_SAN", Never),
    ("DOWNSTREAM_REMOTE_ADDRESS", Never),
    ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Never),
    ("DOWNSTREAM_REMOTE_PORT", Never),
    ("DOWNSTREAM_TLS_CIPHER", Never),
    ("DOWNSTREAM_TLS_VERSION", Never),
    ("DOWNSTREAM_WIRE_BYTES_RECEIVED", Never),
    ("DOWNSTREAM_WIRE_BYTES_SENT", Never),
    ("DURATION", Never),
    ("DYNAMIC_METADATA", Must),
    ("ENVIRONMENT", Must),
    ("FILTER_CHAIN_NAME", Never),
    ("FILTER_STATE", Must),
    ("GRPC_STATUS", May),
    ("GRPC_STATUS_NUMBER", Never),
    ("HOSTNAME", Never),
    ("LOCAL_REPLY_BODY", Never),
    ("PROTOCOL", Never),
    ("REQ", Must),
    ("REQUESTED_SERVER_NAME", Never),
    ("REQUEST_DURATION", Never),
    ("REQUEST_HEADERS_BYTES", Never),
    ("REQUEST_TX_DURATION", Never),
    ("RESP", Must),
    ("RESPONSE_CODE", Never),
    ("RESPONSE_CODE_DETAILS", Never),
    ("RESPONSE_DURATION", Never),
    ("RESPONSE_FLAGS", Never),
    ("RESPONSE_HEADERS_BYTES", Never),
    ("RESPONSE_TRAILERS_BYTES", Never),
    ("RESPONSE_TX_DURATION", Never),
    ("ROUTE_NAME", Never),
    ("START_TIME", May),
    ("TRAILER", Must),
    ("UPSTREAM_CLUSTER", Never),
    ("UPSTREAM_HEADER_BYTES_RECEIVED", Never),
    ("UPSTREAM_HEADER_BYTES_SENT", Never),
    ("UPSTREAM_HOST", Never),
    ("UPSTREAM_LOCAL_ADDRESS", Never),
    ("UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Never),
    ("UPSTREAM_LOCAL_PORT", Never),
    ("UPSTREAM_METADATA", Must),
    ("UPSTREAM_PROTOCOL", Never),
    ("UPSTREAM_REMOTE_ADDRESS", Never),
    ("UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Never),
    ("UPSTREAM_REMOTE_PORT", Never),
    ("UPSTREAM_REQUEST_ATTEMPT_COUNT", Never),
    ("UPSTREAM_TRANSPORT_FAILURE_REASON", Never),
    ("UPSTREAM_WIRE_BYTES_RECEIVED", Never),
    ("UPSTREAM_WIRE_BYTES_SENT", Never),
    ("VIRTUAL_CLUSTER_NAME", Never),
];

/// Younger commands, which were tried on the Envoy 1.37 of cilium-1.20 and no older one.
const YOUNGER: &[(&str, Argument)] = &[
    ("ACCESS_LOG_TYPE", Never),
    ("COMMON_DURATION", Must),
    ("DOWNSTREAM_TRANSPORT_FAILURE_REASON", Never),
    ("EMIT_TIME", May),
    ("PATH", May),
    ("QUERY_PARAM", Must),
    ("RESPONSE_FLAGS_LONG", Never),
    ("ROUNDTRIP_DURATION", Never),
    ("STREAM_ID", Never),
    ("TRACE_ID", Never),
    ("UNIQUE_ID", Never),
    ("UPSTREAM_CLUSTER_RAW", Never),
    ("UPSTREAM_CONNECTION_ID", Never),
    ("UPSTREAM_HOST_NAME", Never),
];

const YOUNGER_FEATURE: Feature = Feature {
    name: "access log commands of Envoy 1.37",
    since: 20,
    backports: &[],
    envoy: true,
    reason: "older Envoys are not known to have this command",
};

/// What is wrong with a format: the range of the text, what, and what to write instead.
pub(crate) struct Problem {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// Everything that is wrong with the commands of a format, for a target.
pub(crate) fn check(text: &str, target: Target) -> Vec<Problem> {
    const FORM: &str = "commands are written `%NAME%` or `%NAME(ARGUMENT)%`; a percent sign is `%%`";
    let mut problems = Vec::new();
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('%')) {
        let start = at + found;
        let after = text.get(start + 1..).unwrap_or("");
        if after.starts_with('%') {
            at = start + 2;
            continue;
        }
        let command = Command::read(after);
        let length = command.length;
        let mut report = |message: String, help: String| {
            problems.push(Problem { start, end: (start + 1 + length).min(text.len()), message, help });
        };
        at = start + 1 + length;
        if command.name.is_empty() {
            report("a `%` that begins no command".to_owned(), FORM.to_owned());
        } else if !command.closed {
            report(format!("the command `%{}` is not closed", command.name), FORM.to_owned());
        } else if let Some((message, help)) = command.problem(target) {
            report(message, help);
        }
    }
    problems
}

/// A command behind its `%`.
struct Command<'t> {
    name: &'t str,
    argument: Option<&'t str>,
    closed: bool,
    /// How long it is, with its closing `%`.
    length: usize,
}

impl<'t> Command<'t> {
    fn read(text: &'t str) -> Self {
        let end =
            text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).unwrap_or(text.len());
        let (name, mut rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let mut argument = None;
        if let Some((inner, after)) = rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
            argument = Some(inner);
            rest = after;
        }
        if let Some(length) = rest.strip_prefix(':') {
            rest = length.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        let closed = rest.starts_with('%');
        let length = text.len() - rest.len() + usize::from(closed);
        Self { name, argument, closed, length }
    }

    /// What is wrong with it, and what to write instead.
    fn problem(&self, target: Target) -> Option<(String, String)> {
        let name = self.name;
        let young = YOUNGER.iter().any(|(n, _)| *n == name);
        let Some((_, wanted)) = COMMANDS.iter().chain(YOUNGER).find(|(n, _)| *n == name) else {
            let near = nearest(name, COMMANDS.iter().map(|(n, _)| *n));
            let help = match near {
                Some(near) => format!("did you mean `%{near}%`?"),
                None => "commands are, for example, `%REQ(:METHOD)%`, `%RESPONSE_CODE%` and `%DURATION%`".to_owned(),
            };
            return Some((format!("`%{name}%` is no command of an access log"), help));
        };
        if young && !target.has(&YOUNGER_FEATURE) {
            let help = format!("it works from {} on: {}", YOUNGER_FEATURE.first(), YOUNGER_FEATURE.reason);
            return Some((format!("`%{name}%` is not known to work on {target}"), help));
        }
        match (wanted, self.argument) {
            (Never, Some(_)) => Some((format!("`%{name}%` takes no argument"), format!("write `%{name}%`"))),
            (Must, None | Some("")) => {
                let example = if name == "REQ" || name == "RESP" { "USER-AGENT" } else { "NAME" };
                Some((format!("`%{name}%` needs an argument"), format!("write, for example, `%{name}({example})%`")))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str, target: Target) -> Vec<String> {
        check(text, target).into_iter().map(|p| p.message).collect()
    }

    #[test]
    fn good_formats_have_no_problem() {
        for text in
            ["", "100%%", "%REQ(:METHOD)% %START_TIME(%s)% %RESP(X):10% %GRPC_STATUS% %PROTOCOL%", "a %% %DURATION%"]
        {
            assert_eq!(messages(text, Target::DEFAULT), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn each_problem_has_its_place() {
        let text = "%% %REQ% x %DURATON% %";
        let found: Vec<&str> = check(text, Target::DEFAULT).iter().map(|p| text.get(p.start..p.end).unwrap()).collect();
        assert_eq!(found, ["%REQ%", "%DURATON%", "%"]);
    }

    #[test]
    fn younger_commands_need_a_younger_envoy() {
        assert!(messages("%UNIQUE_ID%", Target::Cilium { minor: 19, patch: 0 })[0].contains("cilium-1.19"));
        assert!(messages("%UNIQUE_ID%", Target::Envoy).is_empty());
    }

    #[test]
    fn commands_stand_in_order_and_once() {
        let names: Vec<&str> = COMMANDS.iter().map(|(n, _)| *n).collect();
        assert!(names.is_sorted());
        assert!(YOUNGER.iter().all(|(n, _)| !names.contains(n)));
    }
}
