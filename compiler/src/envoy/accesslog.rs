//! `envoy.config.accesslog.v3` and `envoy.extensions.access_loggers.stream.v3`.

use super::{DataSource, Str};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `accesslog.v3.AccessLog`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessLog {
    /// The logger's name.
    pub name: Str,
    /// Its settings.
    pub typed_config: AccessLogConfig,
}

/// The loggers that the compiler emits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "@type")]
pub enum AccessLogConfig {
    /// Standard output.
    #[serde(rename = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog")]
    Stdout {
        /// What a line looks like.
        log_format: LogFormat,
    },
}

/// `core.v3.SubstitutionFormatString`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line.
    JsonFormat(BTreeMap<Str, Str>),
    /// Text with commands.
    TextFormatSource(DataSource),
}
