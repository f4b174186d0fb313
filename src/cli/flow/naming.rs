//! What the words of a command mean: addresses, and which part of a project is selected.

use std::collections::BTreeSet;

use kompox_state::Snapshot;

use super::session::Session;
use crate::cli::error::CliError;
use crate::cli::ui::Ui;
use crate::engine::address::{self, Address, ResolveError, resolve};
use crate::engine::graph::Graph;
use crate::resources::drivers;

/// What the words of a command can name: what is wanted or recorded, and what had a record once. A command that was
/// interrupted is typed again as it was, although some of what it names is gone by then.
pub struct Names {
    /// Addresses of graph and state.
    pub present: Vec<Address>,
    /// Addresses that the state held once.
    pub gone: Vec<Address>,
}

impl Names {
    /// The address that a text means. One that is gone is told, and found all the same; a whole address is taken as gone
    /// even if nobody remembers it.
    ///
    /// # Errors
    /// Several have this suffix, or nothing has it and nothing ever had.
    pub fn find(&self, ui: &Ui, flag: &str, text: &str) -> Result<Address, CliError> {
        let error = match resolve(text, &self.present) {
            Ok(address) => return Ok(address),
            Err(error @ ResolveError::Ambiguous { .. }) => error,
            Err(error @ ResolveError::None { .. }) => {
                if let Some(address) = self.was(text) {
                    ui.say(|err| writeln!(err, "note: {flag}: {address} is gone already"));
                    return Ok(address);
                }
                if let Some(address) = whole(text) {
                    ui.say(|err| {
                        writeln!(
                            err,
                            "note: {flag}: nothing has the address {text}, and the state remembers none that had; taken as gone"
                        )
                    });
                    return Ok(address);
                }
                error
            }
        };
        Err(CliError::new("address", format!("{flag}: {error}")))
    }

    /// The address with this suffix that is gone; if several are, the last of them by name, since nothing is done to any.
    pub fn was(&self, text: &str) -> Option<Address> {
        self.gone.iter().rev().find(|address| address::names(text, address.as_str())).cloned()
    }
}

impl Session<'_> {
    /// The addresses that the user's selection means, or none for all.
    pub fn selection(&self, graph: &Graph, snapshot: &Snapshot, targets: &[String]) -> Result<Vec<Address>, CliError> {
        let names = self.names(graph, snapshot)?;
        let mut selected = Vec::new();
        for target in targets {
            selected.push(names.find(self.ui, "--target", target)?);
        }
        // What is gone already is selected too: a selection of nothing else must not become one of everything.
        let all: Vec<Address> = names.present.iter().chain(&names.gone).cloned().collect();
        // An app that has moved is meant where it is, not where it was.
        let scopes = self.scopes(&names.present).or_else(|_| self.scopes(&all))?;
        selected.extend(all.into_iter().filter(|address| {
            scopes
                .iter()
                .any(|scope| address.as_str().strip_prefix(scope.as_str()).is_some_and(|rest| rest.starts_with('/')))
        }));
        Ok(selected)
    }

    /// What the words of a command can name.
    pub fn names(&self, graph: &Graph, snapshot: &Snapshot) -> Result<Names, CliError> {
        let removed = self.store.removed()?;
        let present = addresses(graph, snapshot);
        let gone = removed.into_iter().filter(|address| !present.contains(address));
        Ok(Names { gone: gone.collect(), present })
    }

    /// Resource IDs that the selectors name: an app's, and the one under which what outlives its cluster is addressed.
    fn scopes(&self, all: &[Address]) -> Result<Vec<String>, CliError> {
        let global = self.global;
        let (wanted, segment) = match (&global.app_id, &global.app_name, &global.cluster_id, &global.cluster_name) {
            (Some(id), ..) => (id.clone(), "/app/"),
            (_, Some(name), ..) => (format!("app/{name}"), "/app/"),
            (_, _, Some(id), _) => (id.clone(), "/cls/"),
            (.., Some(name)) => (format!("cls/{name}"), "/cls/"),
            (None, None, None, None) => return Ok(Vec::new()),
        };
        let known: BTreeSet<Address> = all.iter().filter_map(|address| prefix_of(address, segment)).collect();
        // What outlives a cluster stands beside the app, not under it; only the app itself can be meant.
        let meant: Vec<Address> =
            known.iter().filter(|id| segment != "/app/" || id.as_str().contains("/cls/")).cloned().collect();
        let id = resolve(&wanted, &meant).map_err(|error| CliError::new("selector", error.to_string()))?;
        let mut scopes = vec![id.as_str().to_owned()];
        if let Some((provider, rest)) = id.as_str().split_once("/cls/")
            && let Some((_, app)) = rest.split_once("/app/")
        {
            scopes.push(format!("{provider}/app/{app}"));
        }
        Ok(scopes)
    }
}

fn prefix_of(address: &Address, segment: &str) -> Option<Address> {
    let text = address.as_str();
    let start = text.find(segment)? + segment.len();
    let end = start + text[start..].find('/')?;
    Address::parse(&text[..end]).ok()
}

/// The Resource IDs of all clusters in which something is or is to be.
pub fn clusters(all: &[Address]) -> Vec<Address> {
    let ids: BTreeSet<Address> = all.iter().filter_map(|address| prefix_of(address, "/cls/")).collect();
    ids.into_iter().collect()
}

/// All addresses of graph and state.
pub fn addresses(graph: &Graph, snapshot: &Snapshot) -> Vec<Address> {
    let recorded = snapshot.records.iter().map(|record| record.address.clone());
    let all: BTreeSet<Address> = graph.iter().map(|node| node.address.clone()).chain(recorded).collect();
    all.into_iter().collect()
}

/// The address that a text is, if it is a whole one: a Resource ID, a kind that there is, and a name.
fn whole(text: &str) -> Option<Address> {
    let address = Address::parse(text).ok()?;
    let steps: Vec<&str> = address.scope().split('/').collect();
    let pairs = steps.get(1..).unwrap_or_default().chunks(2);
    let levels: Option<Vec<&str>> = pairs
        .map(|pair| match pair {
            [level, name] if !name.is_empty() => Some(*level),
            _ => None,
        })
        .collect();
    let is_id = levels.is_some_and(|levels| {
        let mut order = ["ws", "prv", "cls", "app"].iter();
        levels.first() == Some(&"ws") && levels.iter().all(|level| order.any(|known| known == level))
    });
    (is_id && drivers::knows(address.kind())).then_some(address)
}
