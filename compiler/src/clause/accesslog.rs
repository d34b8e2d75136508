//! `accesslog stdout json | "FORMAT"` → the connection manager's access log (from cilium-1.15).

use super::log_commands;
use super::patch::place;
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
    if let AccessLog::Text(text) = &log {
        let problems = log_commands::check(text, cx.env.target);
        let good = problems.is_empty();
        for problem in problems {
            let literal = text.len() + 2 == (clause.format.span.end - clause.format.span.start) as usize;
            let place = place(clause.format.span, literal, &(problem.start..problem.end));
            cx.error(codes::BAD_FORMAT, place, problem.message, problem.help);
        }
        if !good {
            return None;
        }
    }
    cx.needs(&target::ACCESS_LOG, clause.span, "`accesslog`").then_some(log)
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
