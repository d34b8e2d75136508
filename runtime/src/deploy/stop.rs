//! A run that a signal asks to stop: nothing is begun any more, what is under way ends, and the mark is
//! taken away, so that the next run need not wait for a dead one.

use super::client::Client;
use super::error::Error;
use crate::signals::Signals;
use std::time::Duration;

/// What a shell gives for a command that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// From now on the first of the signals that end a run asks the client's run to stop; a second one ends the
/// process at once. Must be called within the runtime.
///
/// # Errors
/// When the process may not listen for signals.
pub fn stop_on_signal(client: &Client) -> Result<(), Error> {
    let mut signals = Signals::listen().map_err(|e| Error::Access(format!("cannot listen for signals: {e}")))?;
    let client = client.clone();
    tokio::spawn(async move {
        loop {
            signals.any().await;
            if client.is_stopped() {
                std::process::exit(INTERRUPTED);
            }
            client.stop();
        }
    });
    Ok(())
}

impl Client {
    fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// Whether the run was asked to stop.
    pub(super) fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Fails once the run was asked to stop.
    pub(super) fn going(&self) -> Result<(), Error> {
        if self.is_stopped() { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Does work that may be left; fails as soon as the run is asked to stop.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, Error> {
        let mut stopped = self.stopped.subscribe();
        tokio::select! {
            done = work => Ok(done),
            _ = stopped.wait_for(|stopped| *stopped) => Err(Error::Stopped),
        }
    }

    /// Pauses.
    pub(super) async fn pause(&self, pause: Duration) -> Result<(), Error> {
        self.unless_stopped(tokio::time::sleep(pause)).await
    }
}
