//! Names that every driver gives (`resources.md`, "Kinds"): functions of the manifest, so that a lost state can be rebuilt
//! and a retry never makes a second object. Kubernetes names are in [`crate::compose::names`].

use std::time::SystemTime;

use crate::compose::names::sp_hash;

/// The longest name of a disk or snapshot; longer ones are cut with their hash kept.
const CUT: usize = 72;
/// The longest prefix.
const PREFIX: usize = 32;

/// The prefix of all names of a Provider: what its settings say, else `k4x-<spHASH>`.
pub fn prefix(setting: Option<&str>, workspace: &str, provider: &str) -> String {
    match setting {
        Some(prefix) => prefix.chars().take(PREFIX).collect(),
        None => format!("k4x-{}", sp_hash(workspace, provider)),
    }
}

/// `<head>_<hash>`, at most 72 characters: the head is cut, never the hash.
pub fn with_hash(head: &str, hash: &str) -> String {
    let room = CUT.saturating_sub(hash.chars().count() + 1);
    let head: String = head.chars().take(room).collect();
    format!("{head}_{hash}")
}

/// A disk of a volume of an app.
pub fn disk(prefix: &str, volume: &str, disk: &str, id_hash: &str) -> String {
    with_hash(&format!("{prefix}_disk_{volume}_{disk}"), id_hash)
}

/// A snapshot of a volume of an app.
pub fn snapshot(prefix: &str, volume: &str, snapshot: &str, id_hash: &str) -> String {
    with_hash(&format!("{prefix}_snap_{volume}_{snapshot}"), id_hash)
}

/// A compact id, for a disk that nobody named: 7 base-36 digits of the Unix time, 5 random.
pub fn compact_id(now: SystemTime, random: u64) -> String {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    format!("{}{}", base36(seconds, 7), base36(random, 5))
}

/// The last `digits` base-36 digits of a number, padded with zeros.
fn base36(mut number: u64, digits: usize) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut text = vec![b'0'; digits];
    for place in text.iter_mut().rev() {
        // A remainder by 36 is an index into 36 digits.
        *place = DIGITS[(number % 36) as usize];
        number /= 36;
    }
    text.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn compact_ids_sort_by_time() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(compact_id(at(0), 0), "000000000000");
        assert!(compact_id(at(1_700_000_000), 9) < compact_id(at(1_700_000_001), 1));
        assert_eq!(compact_id(at(u64::MAX / 4), u64::MAX).len(), 12);
    }
}
