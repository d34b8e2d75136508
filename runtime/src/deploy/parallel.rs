//! Work at once, but bounded.

use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// How much is under way at once.
const AT_ONCE: usize = 16;

/// Runs work at once but bounded; the results are in order, `None` where a task died.
pub(super) async fn parallel<T, F>(work: impl Iterator<Item = F>) -> Vec<Option<T>>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let bound = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for (index, future) in work.enumerate() {
        let bound = bound.clone();
        tasks.spawn(async move {
            let _permit = bound.acquire().await;
            (index, future.await)
        });
    }
    let mut done: Vec<Option<T>> = (0..tasks.len()).map(|_| None).collect();
    while let Some(joined) = tasks.join_next().await {
        if let Ok((index, result)) = joined
            && let Some(slot) = done.get_mut(index)
        {
            *slot = Some(result);
        }
    }
    done
}
