//! Data that carries the mark of the state, wherever it is: what a command adopted is elsewhere than what kompox makes, and is known
//! by its tags.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::future::join_all;

use super::request::Inputs;
use crate::engine::graph::Node;
use crate::engine::kind::Kind;
use crate::engine::provider::{Marked, ProviderError, ProviderKey};

/// Tags by name.
type Tags = Vec<(String, String)>;

/// An API and a kind of it.
type Place = (ProviderKey, &'static str);

/// All data of some kinds that carries the mark.
pub(super) struct Marks(BTreeMap<Place, Result<Shelf, ProviderError>>);

/// What one API has of one kind.
#[derive(Default)]
struct Shelf {
    all: Vec<Marked>,
    /// By those of its tags that a wish is known by.
    by_tags: HashMap<Tags, Vec<usize>>,
}

impl Marks {
    /// All data of the kinds of these nodes: one list for each API and kind, all at once.
    pub(super) async fn of(inputs: &Inputs<'_>, nodes: &[&Node]) -> Self {
        let mut asked: BTreeMap<Place, (&'static Kind, BTreeSet<Vec<String>>)> = BTreeMap::new();
        for node in nodes {
            let names = node.tags.keys().map(|name| name.to_lowercase()).collect();
            let kind = || (node.kind, BTreeSet::new());
            asked.entry((node.provider.clone(), node.kind.name)).or_insert_with(kind).1.insert(names);
        }
        let lists = asked.into_iter().map(|(place, (kind, names))| async move {
            let shelf = match inputs.providers.get(&place.0) {
                Some(provider) => provider.marked(kind, inputs.lineage).await.map(|all| Shelf::new(all, &names)),
                None => Ok(Shelf::default()),
            };
            (place, shelf)
        });
        Self(join_all(lists).await.into_iter().collect())
    }

    /// What carries the tags of a node.
    ///
    /// # Errors
    /// Its API could not be asked.
    pub(super) fn like<'m>(&'m self, node: &Node) -> Result<Vec<&'m Marked>, &'m ProviderError> {
        let Some(shelf) = self.0.get(&(node.provider.clone(), node.kind.name)) else { return Ok(Vec::new()) };
        let shelf = shelf.as_ref()?;
        let tags: Tags = node.tags.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
        let found = shelf.by_tags.get(&tags).filter(|_| !tags.is_empty());
        Ok(found.into_iter().flatten().map(|number| &shelf.all[*number]).collect())
    }

    /// All that is of the kind of a node, as far as anybody could look.
    pub(super) fn of_kind(&self, node: &Node) -> impl Iterator<Item = &Marked> {
        let shelf = self.0.get(&(node.provider.clone(), node.kind.name));
        shelf.and_then(|shelf| shelf.as_ref().ok()).into_iter().flat_map(|shelf| &shelf.all)
    }

    /// All of it, with its API.
    ///
    /// # Errors
    /// The first API that could not be asked.
    pub(super) fn all(&self) -> Result<Vec<(&ProviderKey, &Marked)>, &ProviderError> {
        let mut all = Vec::new();
        for ((key, _), shelf) in &self.0 {
            all.extend(shelf.as_ref()?.all.iter().map(|marked| (key, marked)));
        }
        Ok(all)
    }
}

impl Shelf {
    fn new(all: Vec<Marked>, names: &BTreeSet<Vec<String>>) -> Self {
        let mut by_tags: HashMap<Tags, Vec<usize>> = HashMap::new();
        for (number, marked) in all.iter().enumerate() {
            for names in names {
                let tag = |name: &String| Some((name.clone(), marked.tags.get(name)?.clone()));
                if let Some(tags) = names.iter().map(tag).collect::<Option<Tags>>() {
                    by_tags.entry(tags).or_default().push(number);
                }
            }
        }
        Self { all, by_tags }
    }
}
