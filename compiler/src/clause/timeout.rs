//! `timeout`, `idle-timeout`, `connect-timeout`.
//!
//! `timeout` bounds all tries of a request (`RouteAction.timeout`). Envoy's stream idle timeout
//! would cut a silent request first, so it is off where only a `timeout` is written.

use crate::resolve::Cx;
use meshc_dsl::clause::Single;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::value::{Value, ValueError, duration};
use std::time::Duration;

/// The idle timeout of a request where nothing is written.
pub const DEFAULT_IDLE: Duration = Duration::from_secs(300);
/// The connect timeout where nothing is written.
pub const DEFAULT_CONNECT: Duration = Duration::from_secs(5);

/// Reads a timeout in which `0s` means none.
pub(crate) fn resolve<'a>(clause: &'a Single, cx: &mut Cx<'a>) -> Option<Option<Duration>> {
    cx.word(&clause.value, duration).map(|d| Some(d).filter(|d| !d.is_zero()))
}

/// Reads a duration that Envoy wants above zero; `what` names it in the message.
pub(crate) fn positive<'a>(value: &'a Value, what: &str, cx: &mut Cx<'a>) -> Option<Duration> {
    cx.word(value, |word| {
        let read = duration(word)?;
        if read.is_zero() {
            let help = format!("{what} is more than zero");
            return Err(ValueError { code: codes::OUT_OF_RANGE, message: format!("`{word}` is no time at all"), help });
        }
        Ok(read)
    })
}

/// The request's timeout and idle timeout, with the language's defaults.
pub(crate) fn with_defaults(
    timeout: Option<Option<Duration>>,
    idle: Option<Option<Duration>>,
) -> (Option<Duration>, Option<Duration>) {
    let timeout = timeout.flatten();
    let default_idle = if timeout.is_some() { None } else { Some(DEFAULT_IDLE) };
    (timeout, idle.unwrap_or(default_idle))
}
