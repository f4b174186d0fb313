//! "Did you mean": the known word that an unknown one is probably a slip of.

/// The known word nearest to `word`, if it is near enough to be a slip: case aside, at most a third of its letters
/// (but one, and never more than three) are changed, added, dropped or swapped.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded: Vec<char> = word.chars().take(MAX_WORD + 1).flat_map(char::to_lowercase).collect();
    if folded.len() > MAX_WORD {
        return None;
    }
    known
        .into_iter()
        .map(|candidate| (candidate, candidate.chars().flat_map(char::to_lowercase).collect::<Vec<_>>()))
        .filter_map(|(candidate, letters)| {
            let allowed = (letters.len().max(folded.len()) / 3).clamp(1, 3);
            // A one-letter word is near to everything short.
            let distance = distance(&folded, &letters);
            (distance <= allowed && distance < letters.len()).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Longer words are nobody's slip; the limit bounds the work for hostile input.
const MAX_WORD: usize = 64;

/// Optimal string alignment distance: changes, insertions, deletions and swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && *x == b[j - 1] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KNOWN: [&str; 6] = ["existing", "protection", "ingress", "settings", "lifecycle", "size"];

    #[test]
    fn finds_slips_only() {
        assert_eq!(closest("exsiting", KNOWN), Some("existing"));
        assert_eq!(closest("setting", KNOWN), Some("settings"));
        assert_eq!(closest("lifeCycle", KNOWN), Some("lifecycle"));
        assert_eq!(closest("Size", KNOWN), Some("size"));
        assert_eq!(closest("sizes", KNOWN), Some("size"));
        assert_eq!(closest("replicas", KNOWN), None);
        assert_eq!(closest("", KNOWN), None);
        assert_eq!(closest(&"s".repeat(10_000), KNOWN), None);
    }

    proptest! {
        #[test]
        fn is_a_distance(a in "[a-c]{0,6}", b in "[a-c]{0,6}") {
            let (x, y): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            prop_assert_eq!(distance(&x, &y), distance(&y, &x));
            prop_assert_eq!(distance(&x, &y) == 0, x == y);
            prop_assert!(distance(&x, &y) <= x.len().max(y.len()));
        }
    }
}
