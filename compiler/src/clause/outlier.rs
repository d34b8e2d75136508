//! `outlier consecutive-5xx 5 consecutive-local-origin 2 interval 10s eject 30s max-ejected 50%`
//! → `Cluster.outlier_detection`.
//!
//! Envoy's default of 10 % never ejects the dead one of two endpoints, so 50 % is the default.

use crate::resolve::Cx;
use meshc_dsl::clause::Settings;
use meshc_dsl::diagnostic::codes;
use meshc_dsl::value::{ValueError, count, portion};
use meshc_dsl::{Diagnostic, Span};
use std::time::Duration;

/// When an endpoint is left out for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlier {
    /// Server errors in a row.
    pub consecutive_5xx: u32,
    /// Failures to connect in a row; counted with the server errors where `None`.
    pub consecutive_local_origin: Option<u32>,
    /// How often ejections are looked at.
    pub interval: Duration,
    /// How long the first ejection lasts.
    pub eject: Duration,
    /// How many endpoints at most, in whole percent.
    pub max_ejected: u32,
}

/// The settings that are written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Written {
    consecutive_5xx: Option<u32>,
    consecutive_local_origin: Option<u32>,
    interval: Option<Duration>,
    eject: Option<Duration>,
    max_ejected: Option<u32>,
}

const NAMES: &[&str] = &["consecutive-5xx", "consecutive-local-origin", "interval", "eject", "max-ejected"];

impl Written {
    pub(crate) fn read<'a>(clause: &'a Settings, cx: &mut Cx<'a>) -> Self {
        let mut written = Self::default();
        for setting in &clause.settings {
            let name = setting.name.text.as_str();
            let times = |cx: &mut Cx<'a>| cx.word(&setting.value, |w| count(w, "the number of failures", 1, u32::MAX));
            let time = |cx: &mut Cx<'a>| super::timeout::positive(&setting.value, "this time", cx);
            let before = match name {
                "consecutive-5xx" => replace(&mut written.consecutive_5xx, times(cx)),
                "consecutive-local-origin" => replace(&mut written.consecutive_local_origin, times(cx)),
                "interval" => replace(&mut written.interval, time(cx)),
                "eject" => replace(&mut written.eject, time(cx)),
                "max-ejected" => replace(&mut written.max_ejected, cx.word(&setting.value, whole_percent)),
                other => {
                    cx.unknown_word(setting.name.span, other, "a setting of outlier detection", NAMES.iter().copied());
                    false
                }
            };
            super::upstream::refuse_second(before, setting, cx);
        }
        written
    }

    pub(crate) fn over(self, outer: Self) -> Self {
        Self {
            consecutive_5xx: self.consecutive_5xx.or(outer.consecutive_5xx),
            consecutive_local_origin: self.consecutive_local_origin.or(outer.consecutive_local_origin),
            interval: self.interval.or(outer.interval),
            eject: self.eject.or(outer.eject),
            max_ejected: self.max_ejected.or(outer.max_ejected),
        }
    }

    /// Envoy's defaults where nothing is written, but for the share that may be ejected.
    pub(crate) fn finish(self) -> Outlier {
        Outlier {
            consecutive_5xx: self.consecutive_5xx.unwrap_or(5),
            consecutive_local_origin: self.consecutive_local_origin,
            interval: self.interval.unwrap_or(Duration::from_secs(10)),
            eject: self.eject.unwrap_or(Duration::from_secs(30)),
            max_ejected: self.max_ejected.unwrap_or(50),
        }
    }
}

fn replace<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    std::mem::replace(slot, value).is_some()
}

fn whole_percent(word: &str) -> Result<u32, ValueError> {
    let millionths = portion(word)?.0;
    if millionths == 0 || millionths % 10_000 != 0 {
        return Err(ValueError {
            code: codes::OUT_OF_RANGE,
            message: format!("`{word}` is not a whole percentage above zero"),
            help: "the endpoints that may be ejected are counted in whole percent, from `1%` to `100%`".into(),
        });
    }
    Ok(millionths / 10_000)
}

impl Outlier {
    /// Warns of an ejection that hits all, or that lasts longer than it is written.
    pub(crate) fn warn(&self, span: Span, cx: &mut Cx<'_>) {
        if self.consecutive_5xx == 1 && self.max_ejected == 100 {
            let message = "a single error of each endpoint takes all of them out";
            let help = "ask for more errors in a row, or let fewer be ejected";
            cx.report(Diagnostic::new(codes::EJECTS_ALL_AT_ONCE, span, message).help(help));
        }
        if self.eject < self.interval {
            let message = "an ejection lasts at least until the next look, which is later than it should end";
            let help = format!(
                "endpoints come back every {}s: lower `interval`, or raise `eject`",
                self.interval.as_secs_f64()
            );
            cx.report(Diagnostic::new(codes::EJECTION_UNDER_INTERVAL, span, message).help(help));
        }
    }

    /// The most endpoints of a destination of which none is ever ejected, before `always_eject_one_host`.
    pub(crate) fn never_ejected(&self) -> u32 {
        (100 / self.max_ejected.max(1)).saturating_sub(u32::from(100 % self.max_ejected.max(1) == 0))
    }
}
