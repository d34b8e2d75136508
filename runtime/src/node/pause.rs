//! The pause before an Envoy that ended by itself is started again.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);
/// An Envoy that was there for so long did not end since it cannot run.
const HEALTHY: Duration = Duration::from_secs(10);

/// Doubles from one end to the next, and begins anew after one that was there for a while.
#[derive(Debug)]
pub(super) struct Pause(Duration);

impl Default for Pause {
    fn default() -> Self {
        Self(SHORTEST)
    }
}

impl Pause {
    /// The pause after an Envoy that was there for so long.
    pub(super) fn after(&mut self, lived: Duration) -> Duration {
        if lived >= HEALTHY {
            self.0 = SHORTEST;
        }
        let next = (self.0 * 2).min(LONGEST);
        std::mem::replace(&mut self.0, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_and_begins_anew() {
        let (mut pause, soon) = (Pause::default(), Duration::from_secs(9));
        let pauses: Vec<_> = (0..8).map(|_| pause.after(soon).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(pause.after(HEALTHY).as_millis(), 100);
        assert_eq!(pause.after(soon).as_millis(), 200);
    }
}
