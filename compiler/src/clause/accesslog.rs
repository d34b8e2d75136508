//! `accesslog stdout json | "FORMAT"` → the connection manager's access log (from cilium-1.15).

use crate::envoy;
use crate::resolve::Cx;
use crate::target;
use meshc_dsl::clause;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::value::ValueKind;
use std::collections::BTreeMap;

/// What an access log line looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessLog {
    /// A JSON object with the usual facts.
    Json,
    /// Text with Envoy's commands; a line end is added.
    Text(String),
}

/// The facts of a JSON line, in the order of their keys.
const JSON: &[(&str, &str)] = &[
    ("authority", "%REQ(:AUTHORITY)%"),
    ("bytes_received", "%BYTES_RECEIVED%"),
    ("bytes_sent", "%BYTES_SENT%"),
    ("client", "%DOWNSTREAM_REMOTE_ADDRESS%"),
    ("duration_ms", "%DURATION%"),
    ("flags", "%RESPONSE_FLAGS%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("protocol", "%PROTOCOL%"),
    ("request_id", "%REQ(X-REQUEST-ID)%"),
    ("rule", "%ROUTE_NAME%"),
    ("status", "%RESPONSE_CODE%"),
    ("time", "%START_TIME%"),
    ("upstream", "%UPSTREAM_HOST%"),
    ("upstream_cluster", "%UPSTREAM_CLUSTER%"),
    ("user_agent", "%REQ(USER-AGENT)%"),
];

pub(crate) fn resolve<'a>(clause: &'a clause::Accesslog, cx: &mut Cx<'a>) -> Option<AccessLog> {
    cx.one_of(&clause.sink, "a place for an access log", &[("stdout", ())])?;
    let log = match cx.value(&clause.format)? {
        ValueKind::Text(text) => AccessLog::Text(text.clone()),
        ValueKind::Word(word) | ValueKind::Param(word) if word == "json" => AccessLog::Json,
        ValueKind::Word(word) | ValueKind::Param(word) => {
            let message = format!("`{word}` is not a format");
            cx.error(
                codes::UNKNOWN_WORD,
                clause.format.span,
                message,
                "write `json`, or a text such as `\"%REQ(:METHOD)% %RESPONSE_CODE%\"`",
            );
            return None;
        }
    };
    if let AccessLog::Text(text) = &log
        && let Some(problem) = format_problem(text)
    {
        cx.error(
            codes::BAD_VALUE,
            clause.format.span,
            problem,
            "commands are written `%NAME%` or `%NAME(ARGUMENT)%`; a percent sign is `%%`",
        );
        return None;
    }
    cx.needs(&target::ACCESS_LOG, clause.span, "`accesslog`").then_some(log)
}

/// What is wrong with the commands of a text format, seen from the outside: each is closed and named.
fn format_problem(text: &str) -> Option<String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        if let Some(tail) = after.strip_prefix('%') {
            rest = tail;
            continue;
        }
        let name_end =
            after.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).unwrap_or(after.len());
        let (name, mut tail) = after.split_at_checked(name_end)?;
        if name.is_empty() {
            return Some("a `%` that begins no command".into());
        }
        if let Some(argument) = tail.strip_prefix('(') {
            tail = argument.split_once(')').map_or("", |(_, t)| t);
        }
        if let Some(length) = tail.strip_prefix(':') {
            tail = length.trim_start_matches(|c: char| c.is_ascii_digit());
        }
        match tail.strip_prefix('%') {
            Some(tail) => rest = tail,
            None => return Some(format!("the command `%{name}` is not closed")),
        }
    }
    None
}

impl AccessLog {
    /// The logger of a connection manager.
    pub(crate) fn lower(&self) -> envoy::AccessLog {
        let log_format = match self {
            AccessLog::Json => {
                let fields: BTreeMap<_, _> = JSON.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
                envoy::LogFormat::JsonFormat(fields)
            }
            AccessLog::Text(text) => {
                envoy::LogFormat::TextFormatSource(envoy::DataSource { inline_string: format!("{text}\n") })
            }
        };
        envoy::AccessLog {
            name: "envoy.access_loggers.stdout".into(),
            typed_config: envoy::AccessLogConfig::Stdout { log_format },
        }
    }
}
