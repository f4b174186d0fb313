//! Which physical object an id means: two records, or a record and a wish, are about one object exactly if they agree here.

use kompox_state::{ProviderKey, Record};

/// A physical object, whatever address, spelling or sign-in it is known by.
///
/// An id is unique in everything that its scheme reaches: an ARM id holds its subscription, so that two providers of
/// different subscriptions can know one disk. In an API that lives in an object ([`ProviderKey::host`]) it is unique in that
/// object. ARM ids have no case; of Kubernetes names
/// that differ in case only, the two are taken for one, which refuses too much rather than too little.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Identity(String);

impl Identity {
    /// The object with the id `physical_id` that the provider with this key knows.
    pub(crate) fn new(provider: &ProviderKey, physical_id: &str) -> Self {
        let within = match provider.host() {
            Some(host) => format!("#{}", plain(host)),
            None => provider.scheme().to_ascii_lowercase(),
        };
        Self(format!("{within} {}", plain(physical_id)))
    }

    /// The object that a record speaks of.
    pub(crate) fn of(record: &Record) -> Self {
        Self::new(&record.provider, &record.physical_id)
    }

    /// Whether the other is inside, by their ids.
    pub(crate) fn holds(&self, other: &Self) -> bool {
        other.0.strip_prefix(&self.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// What it may lie in, by its id, the nearest first.
    pub(crate) fn outer(&self) -> impl Iterator<Item = Self> {
        let steps = self.0.char_indices().rev().filter(|(_, step)| *step == '/').map(|(at, _)| at);
        steps.map(|at| Self(self.0[..at].to_owned()))
    }

    /// The text by which what is inside sorts right behind `self`.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// An id in one spelling: without case, doubled or trailing slashes.
fn plain(id: &str) -> String {
    let mut plain = String::with_capacity(id.len() + 1);
    for step in id.trim().split('/').filter(|step| !step.is_empty()) {
        plain.push('/');
        plain.push_str(step);
    }
    if plain.is_empty() {
        plain.push('/');
    }
    plain.make_ascii_lowercase();
    plain
}

/// Whether two ids, each with the key of the provider that knows it, are of one object.
pub fn is_one_object(one: (&ProviderKey, &str), other: (&ProviderKey, &str)) -> bool {
    Identity::new(one.0, one.1) == Identity::new(other.0, other.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_has_one_identity_in_every_spelling() {
        let id = "/subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/disks/D";
        let known = |key: &str, id: &str| Identity::new(&key.into(), id);
        let disk = known("azure://s?auth=azure_cli", id);
        assert_eq!(disk, known("azure://other?auth=managed_identity", &id.to_uppercase()));
        assert_eq!(disk, known("azure://s", &format!(" {}/", id.replace("/providers", "//providers"))));
        assert_ne!(disk, known("azure://s", &format!("{id}2")));
        let cluster = |name: &str| format!("kubernetes+azure://s?auth=x#/subscriptions/s/{name}");
        let path = "/api/v1/namespaces/n";
        assert_eq!(known(&cluster("c1"), path), known(&cluster("C1"), path));
        assert_ne!(known(&cluster("c1"), path), known(&cluster("c2"), path));
        assert_ne!(known("test", "/a"), known("other", "/a"));
    }

    #[test]
    fn what_is_inside_is_told_by_whole_steps() {
        let id = |text: &str| Identity::new(&"azure://s".into(), text);
        assert!(id("/g/A").holds(&id("/g/a/b")));
        assert!(!id("/g/a").holds(&id("/g/ab")) && !id("/g/a").holds(&id("/g/a")));
        let outer: Vec<_> = id("/g/a/b").outer().take(2).collect();
        assert_eq!(outer, [id("/g/a"), id("/g")]);
        assert!(!id("/g/a").holds(&Identity::new(&"other".into(), "/g/a/b")));
    }
}
