//! A ready-queue over a fixed graph: hands out what is unblocked, the longest remaining path first. Knows nothing of what
//! its numbers stand for.

use std::collections::BinaryHeap;

/// Numbers 0..n with an order between them, spread over lanes that have limits of their own.
#[derive(Debug)]
pub struct Schedule {
    waiting: Vec<usize>,
    unblocks: Vec<Vec<usize>>,
    /// Cost of the longest path from here to the end, own cost included.
    rank: Vec<u64>,
    lane: Vec<usize>,
    ready: Vec<BinaryHeap<(u64, std::cmp::Reverse<usize>)>>,
    skipped: Vec<bool>,
}

impl Schedule {
    /// `needs[i]` must be done before `i`; `cost[i]` is how long it takes; `lane[i]` is where it runs.
    pub fn new(needs: &[Vec<usize>], cost: &[u64], lane: Vec<usize>) -> Self {
        let count = needs.len();
        let mut unblocks = vec![Vec::new(); count];
        for (number, needs) in needs.iter().enumerate() {
            for need in needs {
                unblocks[*need].push(number);
            }
        }
        let waiting: Vec<usize> = needs.iter().map(Vec::len).collect();
        let rank = ranks(&waiting, &unblocks, needs, cost);
        let lanes = lane.iter().max().map_or(0, |highest| highest + 1);
        let mut schedule =
            Self { waiting, unblocks, rank, lane, ready: vec![BinaryHeap::new(); lanes], skipped: vec![false; count] };
        for number in 0..count {
            if schedule.waiting[number] == 0 {
                schedule.enqueue(number);
            }
        }
        schedule
    }

    fn enqueue(&mut self, number: usize) {
        self.ready[self.lane[number]].push((self.rank[number], std::cmp::Reverse(number)));
    }

    /// Takes the most urgent number that is ready in a lane with room.
    pub fn take(&mut self, has_room: impl Fn(usize) -> bool) -> Option<usize> {
        let lanes = 0..self.ready.len();
        let best =
            lanes.filter(|lane| has_room(*lane)).filter_map(|lane| Some((*self.ready[lane].peek()?, lane))).max()?;
        self.ready[best.1].pop().map(|(_, std::cmp::Reverse(number))| number)
    }

    /// `number` is done: what waited for it alone becomes ready.
    pub fn done(&mut self, number: usize) {
        for next in std::mem::take(&mut self.unblocks[number]) {
            self.waiting[next] -= 1;
            if self.waiting[next] == 0 && !self.skipped[next] {
                self.enqueue(next);
            }
        }
    }

    /// `number` failed: everything behind it is skipped. Gives those numbers, each once over all failures.
    pub fn fail(&mut self, number: usize) -> Vec<usize> {
        let mut lost = Vec::new();
        let mut stack = std::mem::take(&mut self.unblocks[number]);
        while let Some(next) = stack.pop() {
            if !std::mem::replace(&mut self.skipped[next], true) {
                lost.push(next);
                stack.extend(std::mem::take(&mut self.unblocks[next]));
            }
        }
        lost.sort_unstable();
        lost
    }
}

fn ranks(waiting: &[usize], unblocks: &[Vec<usize>], needs: &[Vec<usize>], cost: &[u64]) -> Vec<u64> {
    let mut open = waiting.to_vec();
    let mut order: Vec<usize> = (0..open.len()).filter(|number| open[*number] == 0).collect();
    let mut next = 0;
    while next < order.len() {
        for follower in &unblocks[order[next]] {
            open[*follower] -= 1;
            if open[*follower] == 0 {
                order.push(*follower);
            }
        }
        next += 1;
    }
    let mut rank = cost.to_vec();
    for number in order.into_iter().rev() {
        for need in &needs[number] {
            rank[*need] = rank[*need].max(rank[number].saturating_add(cost[*need]));
        }
    }
    rank
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_longest_path_goes_first_and_lanes_have_room() {
        // 0 and 1 are free; 2 needs 1 and is long.
        let mut schedule = Schedule::new(&[vec![], vec![], vec![1]], &[5, 1, 50], vec![0, 1, 0]);
        assert_eq!(schedule.take(|_| true), Some(1));
        assert_eq!(schedule.take(|lane| lane != 0), None);
        schedule.done(1);
        assert_eq!(schedule.take(|_| true), Some(2));
        assert_eq!(schedule.take(|_| true), Some(0));
        assert_eq!(schedule.take(|_| true), None);
    }

    proptest! {
        #[test]
        fn everything_runs_once_after_its_needs_or_is_skipped(
            edges in prop::collection::vec((0_usize..20, 0_usize..20), 0..60),
            failing in prop::collection::btree_set(0_usize..20, 0..4),
        ) {
            let mut needs = vec![Vec::new(); 20];
            for (a, b) in edges {
                if a > b && !needs[a].contains(&b) { needs[a].push(b); }
            }
            let mut schedule = Schedule::new(&needs, &[1; 20], (0..20).map(|n| n % 3).collect());
            let (mut done, mut lost) = (Vec::new(), Vec::new());
            let mut failed = Vec::new();
            while let Some(number) = schedule.take(|_| true) {
                prop_assert!(needs[number].iter().all(|need| done.contains(need)));
                if failing.contains(&number) {
                    failed.push(number);
                    lost.extend(schedule.fail(number));
                } else {
                    done.push(number);
                    schedule.done(number);
                }
            }
            let mut all: Vec<_> = done.iter().chain(&failed).chain(&lost).copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..20).collect::<Vec<_>>());
        }
    }
}
