//! Work on a list, shared between the machine's cores where it is long enough to pay.

use std::num::NonZero;
use std::thread;

/// The most threads that are used: beyond that the parts get too small to gain anything.
const MOST: usize = 8;

/// Calls `work` on consecutive parts of a list, each of at least `least` items, and gives the
/// results in the order of the list.
pub fn map_parts<T: Sync, R: Send>(items: &[T], least: usize, work: impl Fn(&[T]) -> R + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get).min(MOST);
    let parts = cores.min(items.len() / least.max(1));
    if parts < 2 {
        return vec![work(items)];
    }
    thread::scope(|scope| {
        let work = &work;
        let size = items.len().div_ceil(parts);
        let threads: Vec<_> = items.chunks(size).map(|part| scope.spawn(move || work(part))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::map_parts;

    #[test]
    fn parts_come_in_order_and_none_is_lost() {
        let items: Vec<usize> = (0..1000).collect();
        assert_eq!(map_parts(&items, 10, <[usize]>::to_vec).concat(), items);
        assert_eq!(map_parts(&items, 5000, <[usize]>::len), [1000]);
        assert_eq!(map_parts(&[] as &[usize], 1, <[usize]>::len), [0]);
    }
}
