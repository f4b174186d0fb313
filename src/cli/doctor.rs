//! `kompox doctor`

use std::collections::BTreeSet;
use std::sync::Arc;

use kompox_state::{Snapshot, Store};

use super::connect::Connections;
use super::error::{CliError, Exit};
use super::flow::manifests::{self, Manifests, state_config};
use super::flow::offline::offline;
use super::flow::session::{VERSION, stand_in};
use super::global::Global;
use super::ui::Ui;
use crate::advice::{Advice, Command, Name};
use crate::engine::address::Address;
use crate::engine::graph::Node;
use crate::engine::provider::{Observation, ProviderKey, Providers, Room, Target};
use crate::providers::azure::SignIns;
use crate::providers::opening::StandIn;
use crate::report::checks::{self, Check, Health};
use crate::resources::expand::{Expanded, Keep};

/// Hosts that are looked up.
const MOST_HOSTS: usize = 20;

/// Of how many percent of what there may be one should know.
const SCARCE: u64 = 80;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Looks and changes nothing. Exit codes: 0 all is well, 1 something must be mended.\n\nExamples:\n  kompox doctor\n  kompox --sandbox doctor --json"
)]
pub struct Args {}

/// Runs `doctor`.
pub async fn run(_: &Args, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let mut found = vec![Check::new("version", Health::Well, format!("kompox {VERSION}"))];
    if let Some(manifests) = project(global, &mut found) {
        let store = state(&manifests, global, &mut found);
        match offline(global, Keep::Graph) {
            Ok((expanded, _)) => {
                clouds(&expanded, store.as_deref(), &manifests, global, &mut found).await?;
                if let Some(store) = store.as_deref().filter(|_| !global.sandbox) {
                    let names = expanded.hosts.iter().map(|(_, host)| host.as_str()).collect();
                    found.extend(hosts(&names, &entrances(store), resolve).await);
                }
            }
            Err(error) => found.push(failed("manifests", &error)),
        }
    }
    match ui.json {
        true => ui.document(&checks::json(&found, ui.commands()))?,
        false => ui.show(|out| checks::text(out, &found, &ui.out))?,
    }
    let is_ill = found.iter().any(|check| check.health == Health::Ill);
    Ok(if is_ill { Exit::Failed } else { Exit::Done })
}

/// What an error says first, with what to do.
fn failed(code: &'static str, error: &CliError) -> Check {
    let findings = error.diagnostics();
    let first = findings.iter().flat_map(|findings| findings.iter()).next();
    let Some(first) = first else { return Check::new(code, Health::Ill, "it cannot be looked at") };
    let place = first.location.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    let check = Check::new(code, Health::Ill, format!("{place}{}", first.message));
    first.help.iter().cloned().fold(check, Check::help)
}

fn project(global: &Global, found: &mut Vec<Check>) -> Option<Manifests> {
    match manifests::read(global) {
        Ok(manifests) => {
            let text = format!("{} is read", manifests.layout.root.display());
            found.push(Check::new("project", Health::Well, text));
            Some(manifests)
        }
        Err(error) => {
            let all = Advice::run("see all of it", Command::new(Name::Validate));
            found.push(failed("project", &error).help(all));
            None
        }
    }
}

/// The state, its lock, and what an earlier run left. It is not made where there is none.
fn state(manifests: &Manifests, global: &Global, found: &mut Vec<Check>) -> Option<Arc<dyn Store>> {
    let opened = state_config(&manifests.layout, global).and_then(|config| {
        let place = config.place().to_string();
        Ok((kompox_state::open_existing(&config)?, place))
    });
    let (store, place) = match opened {
        Ok((Some(store), place)) => (store, place),
        Ok((None, place)) => {
            found.push(Check::new("state", Health::Well, format!("none yet; the first plan makes it at {place}")));
            return None;
        }
        Err(error) => {
            found.push(failed("state", &error));
            return None;
        }
    };
    match store.snapshot() {
        Ok(Snapshot { moved_to: Some(to), .. }) => {
            let text = format!("{place} has moved to {to}, and is not used any more");
            let help = "name that place in `state:` of `.kompox/config.yml`";
            found.push(Check::new("state", Health::Ill, text).help(help));
        }
        Ok(snapshot) => {
            let text = format!("{place}: {} objects", snapshot.records.len());
            found.push(Check::new("state", Health::Well, text));
            if !snapshot.open_intents.is_empty() {
                let text = format!("an earlier run left {} changes unfinished", snapshot.open_intents.len());
                let next = Advice::run("the next one looks into them first", Command::new(Name::Apply));
                found.push(Check::new("interrupted", Health::Odd, text).help(next));
            }
        }
        Err(error) => found.push(failed("state", &error.into())),
    }
    match store.holder() {
        Ok(None) => found.push(Check::new("lock", Health::Well, "free")),
        Ok(Some(holder)) => {
            let text = format!("held by {} on {} since {}: {}", holder.who, holder.host, holder.since, holder.command);
            let unlock = Command::new(Name::StateUnlock).word(&holder.id);
            found.push(Check::new("lock", Health::Odd, text).help(Advice::run("if it is certainly gone", unlock)));
        }
        Err(error) => found.push(failed("lock", &error.into())),
    }
    Some(store)
}

/// Signs in everywhere, and reads one object of each API: what is recorded there, else what the manifests ask for first.
async fn clouds(
    expanded: &Expanded,
    store: Option<&dyn Store>,
    manifests: &Manifests,
    global: &Global,
    found: &mut Vec<Check>,
) -> Result<(), CliError> {
    let variables = global.environment();
    let (sandbox, endpoint) = stand_in(global, &manifests.layout, &variables).await?;
    let sign_ins = SignIns::default();
    let connections = Connections {
        known: &expanded.connections,
        environment: &variables,
        sandbox: endpoint.as_ref().map(|(endpoint, token)| StandIn { endpoint, token }),
        allow_exec: global.allow_exec,
        seed: 0,
        sign_ins: &sign_ins,
    };
    for key in expanded.connections.keys() {
        match connections.open([key]) {
            Ok(providers) => {
                let check = answers(&providers, expanded, store).await;
                let is_well = check.health == Health::Well;
                found.push(check);
                if is_well {
                    found.extend(room(&providers, expanded).await);
                }
            }
            Err(error) => found.push(failed("sign-in", &error)),
        }
    }
    if let Some(sandbox) = sandbox {
        sandbox.stop().await;
    }
    Ok(())
}

/// A provider as a person calls it: a cluster by its name, else its API and account.
fn shown(key: &ProviderKey) -> String {
    let name = |host: &str| host.rsplit('/').next().unwrap_or(host).to_owned();
    key.host().map_or_else(|| key.described(), name)
}

/// Whether the only provider of these answers a read.
async fn answers(providers: &Providers, expanded: &Expanded, store: Option<&dyn Store>) -> Check {
    let Some((key, provider)) = providers.iter().next() else {
        return Check::new("sign-in", Health::Odd, "nothing to sign in to");
    };
    let code = if key.scheme() == "kubernetes" { "cluster" } else { "sign-in" };
    let recorded = |address: &Address| Some(store?.record(address).ok()??.physical_id);
    let target = |physical_id: Option<String>, node: &Node| Target {
        address: node.address.clone(),
        kind: node.kind,
        physical_id,
        find: None,
    };
    let nodes = || expanded.graph.iter().filter(|node| node.provider == *key);
    // What has an id is asked for; of what has none yet, nobody asks the API.
    let known = |node: &Node| recorded(&node.address).or_else(|| provider.physical_id(node.kind, &node.desired));
    let first = nodes().find_map(|node| Some(target(Some(known(node)?), node)));
    let Some(target) = first.or_else(|| nodes().next().map(|node| target(None, node))) else {
        return Check::new(code, Health::Well, format!("{}: nothing to read there", shown(key)));
    };
    match provider.read(std::slice::from_ref(&target)).await.into_iter().next() {
        Some(Observation::Failed(error)) => {
            let check = Check::new(code, Health::Ill, format!("{}: {}", shown(key), error.described()));
            error.hint.iter().cloned().fold(check, Check::help)
        }
        Some(Observation::NotYet(why)) => Check::new(code, Health::Odd, format!("{}: not yet: {why}", shown(key))),
        _ => Check::new(code, Health::Well, format!("{} answers", shown(key))),
    }
}

/// What the account of the only provider of these has left, where it limits anything.
async fn room(providers: &Providers, expanded: &Expanded) -> Option<Check> {
    let (key, provider) = providers.iter().next()?;
    let of_key = expanded.graph.iter().filter(|node| node.provider == *key);
    let objects: Vec<serde_json::Value> = of_key.map(|node| node.desired.to_stored()).collect();
    let rooms = match provider.room(&objects).await {
        Ok(rooms) => rooms,
        Err(error) => {
            let check =
                Check::new("quota", Health::Odd, format!("{}: it is not said: {}", shown(key), error.described()));
            return Some(error.hint.into_iter().fold(check, Check::help));
        }
    };
    (!rooms.is_empty()).then(|| quota(&rooms))
}

fn quota(rooms: &[Room]) -> Check {
    let scarce: Vec<String> = rooms
        .iter()
        .filter(|room| room.used.saturating_mul(100) >= room.limit.saturating_mul(SCARCE))
        .map(|room| format!("{}: {} of {}", room.what, room.used, room.limit))
        .collect();
    match scarce.as_slice() {
        [] => Check::new("quota", Health::Well, format!("there is room in each of {} limits", rooms.len())),
        _ => Check::new("quota", Health::Odd, format!("little is left: {}", scarce.join("; ")))
            .help("free some, or ask the provider for more, before something new is made"),
    }
}

/// Whether the names of the apps lead to where their clusters answer, as far as that is known. `resolve` asks for the
/// addresses of a name.
async fn hosts(
    names: &BTreeSet<&str>,
    entrances: &BTreeSet<String>,
    resolve: impl AsyncFn(&str) -> std::io::Result<Vec<String>>,
) -> Vec<Check> {
    let mut found = Vec::new();
    for host in names.iter().take(MOST_HOSTS) {
        let addresses = resolve(host).await;
        let known = if entrances.is_empty() {
            "the address of the cluster's ingress controller".to_owned()
        } else {
            entrances.iter().cloned().collect::<Vec<_>>().join(" or ")
        };
        let odd = |text: String| Check::new("dns", Health::Odd, text).help(format!("its record must lead to {known}"));
        found.push(match addresses {
            Err(error) => odd(format!("{host} has no address: {error}")),
            Ok(addresses) if addresses.is_empty() => odd(format!("{host} has no address")),
            Ok(addresses) if entrances.is_empty() || addresses.iter().any(|one| entrances.contains(one)) => {
                Check::new("dns", Health::Well, format!("{host} is {}", addresses.join(", ")))
            }
            Ok(addresses) => {
                odd(format!("{host} is {}, where no cluster of the project answers", addresses.join(", ")))
            }
        });
    }
    found
}

/// Where the clusters of the project answer, by the state: addresses of load balancers.
fn entrances(store: &dyn Store) -> BTreeSet<String> {
    let address = |record: kompox_state::Record| {
        let outputs = record.outputs.value();
        Some(outputs.pointer("/status/loadBalancer/ingress/0/ip")?.as_str()?.to_owned())
    };
    store.records().unwrap_or_default().into_iter().filter_map(address).collect()
}

async fn resolve(host: &str) -> std::io::Result<Vec<String>> {
    let addresses: BTreeSet<String> =
        tokio::net::lookup_host((host, 443)).await?.map(|address| address.ip().to_string()).collect();
    Ok(addresses.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_must_lead_to_where_a_cluster_answers() {
        let names = ["a.example.com", "b.example.com", "c.example.com"].into();
        let resolve = async |host: &str| match host {
            "a.example.com" => Ok(vec!["192.0.2.1".to_owned(), "2001:db8::1".to_owned()]),
            "b.example.com" => Ok(vec!["192.0.2.9".to_owned()]),
            _ => Err(std::io::Error::other("no such name")),
        };
        let text = |checks: Vec<Check>| {
            let line = |check: Check| {
                let help: String = check.help.iter().map(|help| format!(" / {help}")).collect();
                format!("{:?} {}{help}", check.health, check.text)
            };
            checks.into_iter().map(line).collect::<Vec<_>>().join("\n")
        };
        let known = ["192.0.2.1".to_owned(), "192.0.2.2".to_owned()].into();
        insta::assert_snapshot!(text(hosts(&names, &known, resolve).await), @r"
        Well a.example.com is 192.0.2.1, 2001:db8::1
        Odd b.example.com is 192.0.2.9, where no cluster of the project answers / its record must lead to 192.0.2.1 or 192.0.2.2
        Odd c.example.com has no address: no such name / its record must lead to 192.0.2.1 or 192.0.2.2
        ");
        insta::assert_snapshot!(text(hosts(&names, &BTreeSet::new(), resolve).await), @r"
        Well a.example.com is 192.0.2.1, 2001:db8::1
        Well b.example.com is 192.0.2.9
        Odd c.example.com has no address: no such name / its record must lead to the address of the cluster's ingress controller
        ");
        // The machine's own names are asked for as any others.
        assert!(super::resolve("localhost").await.unwrap().iter().any(|one| one == "127.0.0.1" || one == "::1"));
    }

    #[test]
    fn little_room_is_said() {
        let room = |what: &str, used, limit| Room { what: what.to_owned(), used, limit };
        assert_eq!(quota(&[room("cores", 79, 100)]).health, Health::Well);
        let check = quota(&[room("cores in a", 80, 100), room("disks in a", 1, 100), room("cores in b", 7, 4)]);
        assert_eq!(
            (check.health, &*check.text),
            (Health::Odd, "little is left: cores in a: 80 of 100; cores in b: 7 of 4")
        );
    }
}
