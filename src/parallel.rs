//! Work on many things at once, on all processors.

/// What one processor gets at least: less is not worth a thread.
const SHARE: usize = 8;

/// `work` on each item, results in the items' order. A panic of `work` is the caller's.
pub fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = processors.min(items.len() / SHARE);
    if workers < 2 {
        return items.iter().map(work).collect();
    }
    std::thread::scope(|scope| {
        let shares = items.chunks(items.len().div_ceil(workers));
        let work = &work;
        let running: Vec<_> =
            shares.map(|share| scope.spawn(move || share.iter().map(work).collect::<Vec<R>>())).collect();
        let ended =
            running.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        ended.flatten().collect()
    })
}

/// Drops a value of very many parts beside what its caller does next. Where there is no thread to be had, it is dropped now.
pub fn drop_aside(value: impl Send + 'static) {
    // The thread that cannot be started drops what it was to drop.
    let _ = std::thread::Builder::new().spawn(move || drop(value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_items() {
        for count in [0, 1, 7, 16, 1000, 1001] {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(map(&items, |item| item * 2), items.iter().map(|item| item * 2).collect::<Vec<_>>());
        }
    }
}
