//! How far a run is, on a terminal; elsewhere nothing is shown.

use indicatif::{ProgressBar, ProgressStyle};
use meshc_runtime::deploy::{Client, Verdict, View};
use std::time::Duration;

/// How often a bar is drawn anew.
const TICK: Duration = Duration::from_millis(100);

/// A line that goes away when the work is done.
fn bar(total: usize, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(total as u64);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// Shows how many of the objects are written, while the work goes on.
pub(super) async fn writing<T>(client: &Client, total: usize, work: impl Future<Output = T>) -> T {
    let bar = bar(total, "{spinner} {pos} of {len} objects {wide_bar} {elapsed}");
    let before = client.settled();
    let mut work = std::pin::pin!(work);
    let done = loop {
        match tokio::time::timeout(TICK, &mut work).await {
            Ok(done) => break done,
            Err(_) => bar.set_position(client.settled().saturating_sub(before) as u64),
        }
    };
    bar.finish_and_clear();
    done
}

/// How many nodes accepted, and what is waited for.
pub(super) struct Waiting {
    bar: ProgressBar,
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self { bar: bar(0, "{spinner} accepted {pos} of {len} {msg} {elapsed}") }
    }

    /// Shows a round of questions.
    pub(super) fn show(&self, view: &View) {
        let all: Vec<_> = view.all().collect();
        self.bar.set_length(all.len() as u64);
        self.bar.set_position(all.iter().filter(|(.., v)| **v == Verdict::Accepted).count() as u64);
        let open = all.iter().find(|(.., verdict)| **verdict != Verdict::Accepted);
        let text = open.map(|(id, node, _)| format!("(waiting for {id} on {node})")).unwrap_or_default();
        self.bar.set_message(text);
    }

    pub(super) fn end(self) {
        self.bar.finish_and_clear();
    }
}
