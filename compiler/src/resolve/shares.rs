//! Shares that hardly any request falls into, since a limit of the same rule lets too few through.

use super::Cx;
use crate::clause::ratelimit::RateLimit;
use crate::ir::Share;
use meshc_dsl::clause::Split;
use meshc_dsl::diagnostic::{Diagnostic, codes};
use meshc_dsl::value::{Portion, print_duration};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Warns of the sides of a split that get less than a request an hour on a node, whatever comes:
/// each request is drawn for itself, so that nothing but their number decides when a share shows.
pub(crate) fn check(split: &Split, sides: &[Share], limit: Option<&RateLimit>, cx: &mut Cx<'_>) {
    // A limit for each key lets through so much for each; one in the shadow lets all through.
    let Some(limit) = limit.filter(|limit| limit.by.is_none() && !limit.shadow) else { return };
    for (written, side) in split.shares.iter().zip(sides).filter(|_| sides.len() == split.shares.len()) {
        let Some(apart) = time_between(side.portion, limit).filter(|apart| *apart > HOUR) else { continue };
        let message = format!("no more than one request in {} goes here", shown(apart));
        let diagnostic = Diagnostic::new(codes::SHARE_UNSEEN, written.span, message)
            .also(limit.span, "this limit lets no more through on a node")
            .help("a share shows once requests fall into it: write a larger one, or a larger limit");
        cx.report(diagnostic);
    }
}

/// The time between two requests of a side when all comes that the limit lets through; `None` for a
/// side without a share.
fn time_between(portion: Portion, limit: &RateLimit) -> Option<Duration> {
    let passing = u128::from(limit.rate.events) * u128::from(portion.0);
    let millis = (limit.rate.period.as_millis() * u128::from(Portion::WHOLE.0)).checked_div(passing)?;
    Some(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
}

/// A long time, to the hour.
fn shown(time: Duration) -> String {
    let hours = (time.as_secs() + HOUR.as_secs() / 2) / HOUR.as_secs();
    match hours {
        0..48 => print_duration(HOUR * u32::try_from(hours.max(1)).unwrap_or(1)),
        _ => format!("{} days", hours / 24),
    }
}
