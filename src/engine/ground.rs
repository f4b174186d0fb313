//! Whose an object is that cannot carry a mark: that of what it stands on, which is what it lives in and what it was made
//! for. A node pool stands on its cluster, a role on its scope and on the identity that it was given to.

use std::collections::HashMap;

use kompox_state::Record;

use super::address::Address;
use super::identity::Identity;
use super::kind::Kinds;

/// What was seen of something that another object stands on.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Where the state knows it.
    pub address: Address,
    /// The lineage that it carries.
    pub lineage: Option<String>,
    /// kompox did not make it: whatever mark it carries, it says nothing about what stands on it.
    pub adopted: bool,
}

/// The records of everything that can carry a mark, by how others name it.
pub(crate) struct Grounds<'r> {
    by_address: HashMap<&'r Address, &'r Record>,
    by_identity: HashMap<Identity, Vec<&'r Record>>,
}

impl<'r> Grounds<'r> {
    pub(crate) fn new(records: &'r [Record], kinds: Kinds) -> Self {
        let mut grounds = Self { by_address: HashMap::new(), by_identity: HashMap::new() };
        for record in
            records.iter().filter(|record| kinds(&record.provider, &record.kind).is_some_and(|kind| kind.marked))
        {
            grounds.by_address.insert(&record.address, record);
            grounds.by_identity.entry(Identity::of(record)).or_default().push(record);
        }
        grounds
    }

    /// What `record` stands on: what it needs, and what its id lies in.
    pub(crate) fn of(&self, record: &Record) -> Vec<&'r Record> {
        let needs = record.dependencies.iter().filter_map(|need| self.by_address.get(need).copied());
        let mut found: Vec<&'r Record> = needs.collect();
        for outer in Identity::of(record).outer() {
            for place in self.by_identity.get(&outer).into_iter().flatten() {
                if !found.iter().any(|known| known.address == place.address) {
                    found.push(place);
                }
            }
        }
        found
    }
}

/// One of [`not_ours`] and [`theirs`].
pub(crate) type Judge = fn(&[Option<Seen>], &str) -> Option<String>;

/// Why an object that stands on these is not ours, if it is not: one of them is another state's, or none speaks for it.
/// What is gone (`None`) is nobody else's.
pub(crate) fn not_ours(grounds: &[Option<Seen>], lineage: &str) -> Option<String> {
    let none = !grounds.iter().any(|seen| seen.as_ref().is_none_or(|seen| is_ours(seen, lineage)));
    theirs(grounds, lineage)
        .or_else(|| none.then(|| "nothing that it belongs to carries the mark of this state".to_owned()))
}

/// Why an object that stands on these is another state's, if one of them is.
pub(crate) fn theirs(grounds: &[Option<Seen>], lineage: &str) -> Option<String> {
    let theirs = grounds.iter().flatten().find(|seen| !seen.adopted && !is_ours(seen, lineage))?;
    Some(format!("{}, which it belongs to, does not carry the mark of this state", theirs.address))
}

fn is_ours(seen: &Seen, lineage: &str) -> bool {
    seen.lineage.as_deref() == Some(lineage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unmarked_object_is_ours_only_by_something_that_is() {
        let seen = |lineage: Option<&str>, adopted: bool| {
            let lineage = lineage.map(str::to_owned);
            Some(Seen { address: Address::new("/ws/t", "thing", "a"), lineage, adopted })
        };
        let ours = || seen(Some("me"), false);
        assert_eq!(not_ours(&[ours()], "me"), None);
        // What somebody else made and this state uses says nothing against it, and nothing for it.
        assert_eq!(not_ours(&[ours(), seen(None, true), seen(Some("you"), true)], "me"), None);
        assert_eq!(not_ours(&[None, seen(Some("you"), true)], "me"), None);
        for foreign in [&[] as &[Option<Seen>], &[seen(None, true)], &[seen(Some("you"), true)]] {
            assert!(not_ours(foreign, "me").unwrap().starts_with("nothing that it belongs to"));
        }
        for foreign in [seen(Some("you"), false), seen(None, false)] {
            assert!(not_ours(&[ours(), foreign], "me").unwrap().starts_with("/ws/t/thing/a, which it belongs to"));
        }
    }
}
