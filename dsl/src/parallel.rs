//! Work that is shared between the machine's cores.

use std::num::NonZero;
use std::thread;

/// The most threads that are used: beyond that the parts get too small to gain anything.
const MOST: usize = 8;

/// Calls `work` on consecutive parts of a list, each of at least `least` items, and gives the
/// results in the order of the list.
pub fn map_parts<'t, T: Sync, R: Send>(items: &'t [T], least: usize, work: impl Fn(&'t [T]) -> R + Sync) -> Vec<R> {
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

/// Does two things, both at once where there is more than one core.
pub fn join<A: Send, B>(one: impl FnOnce() -> A + Send, other: impl FnOnce() -> B) -> (A, B) {
    if thread::available_parallelism().map_or(1, NonZero::get) < 2 {
        return (one(), other());
    }
    thread::scope(|scope| {
        let one = scope.spawn(one);
        let other = other();
        (one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), other)
    })
}

#[cfg(test)]
mod tests {
    use super::{join, map_parts};

    #[test]
    fn two_things_are_done_each_once() {
        assert_eq!(join(|| 1 + 1, || "other"), (2, "other"));
    }

    #[test]
    fn parts_come_in_order_and_none_is_lost() {
        let items: Vec<usize> = (0..1000).collect();
        assert_eq!(map_parts(&items, 10, <[usize]>::to_vec).concat(), items);
        assert_eq!(map_parts(&items, 5000, <[usize]>::len), [1000]);
        assert_eq!(map_parts(&[] as &[usize], 1, <[usize]>::len), [0]);
    }
}
