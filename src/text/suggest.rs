//! "Did you mean": the known word that an unknown one is probably a slip of.

/// The known word nearest to `word`, if it is near enough to be a slip: case aside, at most a third of its letters
/// (but one, and never more than three) are changed, added, dropped or swapped.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = folded(word)?;
    known
        .into_iter()
        .filter_map(|candidate| {
            let letters = folded(candidate)?;
            let allowed = (letters.len().max(word.len()) / 3).clamp(1, 3);
            // A one-letter word is near to everything short.
            let distance = distance(&word, &letters);
            (distance <= allowed && distance < letters.len()).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Whether `word` may be a slip of `known` by a wider bound than [`closest`] takes for a proposal: one letter and a
/// quarter of the word differ. For guards, to which it is better to see one slip too many.
pub fn resembles(word: &str, known: &str) -> bool {
    let (Some(word), Some(known)) = (folded(word), folded(known)) else { return false };
    distance(&word, &known) <= 1 + word.len() / 4
}

/// The letters of a word, case aside; none of one that is too long to be anybody's slip.
fn folded(word: &str) -> Option<Vec<char>> {
    // One letter for one: folding brings words nearer and never apart.
    let letters: Vec<char> = word.chars().take(MAX_WORD + 1).map(|c| c.to_lowercase().next().unwrap_or(c)).collect();
    (letters.len() <= MAX_WORD).then_some(letters)
}

/// The limit bounds the work for hostile input.
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
        assert_eq!(closest("enviroment", ["environment", "env_file"]), Some("environment"));
        assert_eq!(closest("volums", ["volumes"]), Some("volumes"));
        assert_eq!(closest("completely", ["volumes"]), None);
    }

    #[test]
    fn a_guard_sees_more() {
        for (word, known) in [("comand", "command"), ("Environments", "environment"), ("lables", "labels")] {
            assert!(resembles(word, known), "{word}");
        }
        // Two letters of four: nobody is asked whether that was meant, and it is still covered.
        assert!(resembles("arsg", "args") && resembles("agrz", "args"));
        assert_eq!(closest("agrz", ["args"]), None);
        assert!(!resembles("image", "command"));
    }

    /// Changes, insertions and deletions, every letter as it is.
    fn plain_distance(a: &str, b: &str) -> usize {
        let b: Vec<char> = b.chars().collect();
        let mut row: Vec<usize> = (0..=b.len()).collect();
        for (i, x) in a.chars().enumerate() {
            let mut diagonal = row[0];
            row[0] = i + 1;
            for (j, y) in b.iter().enumerate() {
                let cost = diagonal + usize::from(x != *y);
                diagonal = row[j + 1];
                row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
            }
        }
        row[b.len()]
    }

    proptest! {
        #[test]
        fn a_guard_sees_all_that_is_within_a_plain_distance(word in "[a-dA-Dİß]{0,12}", known in "[a-dİ]{1,12}") {
            let near = plain_distance(&word, &known) <= 1 + word.chars().count() / 4;
            prop_assert!(!near || resembles(&word, &known));
        }

        #[test]
        fn is_a_distance(a in "[a-c]{0,6}", b in "[a-c]{0,6}") {
            let (x, y): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            prop_assert_eq!(distance(&x, &y), distance(&y, &x));
            prop_assert_eq!(distance(&x, &y) == 0, x == y);
            prop_assert!(distance(&x, &y) <= x.len().max(y.len()));
        }
    }
}
