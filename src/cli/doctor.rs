//! `kompox doctor`

use std::collections::BTreeSet;
use std::sync::Arc;

use kompox_state::Store;

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
use crate::engine::provider::{Observation, Providers, Target};
use crate::providers::azure::SignIns;
use crate::providers::opening::StandIn;
use crate::report::checks::{self, Check, Health};
use crate::resources::expand::{Expanded, Keep};

/// Hosts that are looked up.
const MOST_HOSTS: usize = 20;

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
                if !global.sandbox && store.is_some() {
                    hosts(&expanded, &mut found).await;
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
            Ok(providers) => found.push(answers(&providers, expanded, store).await),
            Err(error) => found.push(failed("sign-in", &error)),
        }
    }
    if let Some(sandbox) = sandbox {
        sandbox.stop().await;
    }
    Ok(())
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
        return Check::new(code, Health::Well, format!("{key}: nothing to read there"));
    };
    match provider.read(std::slice::from_ref(&target)).await.into_iter().next() {
        Some(Observation::Failed(error)) => {
            let check = Check::new(code, Health::Ill, format!("{key}: {}", error.described()));
            error.hint.iter().cloned().fold(check, Check::help)
        }
        Some(Observation::NotYet(why)) => Check::new(code, Health::Odd, format!("{key}: not yet: {why}")),
        _ => Check::new(code, Health::Well, format!("{key} answers")),
    }
}

/// Whether the names of the apps lead anywhere.
async fn hosts(expanded: &Expanded, found: &mut Vec<Check>) {
    let names: BTreeSet<&str> = expanded.hosts.iter().map(|(_, host)| host.as_str()).collect();
    for host in names.into_iter().take(MOST_HOSTS) {
        let addresses = tokio::net::lookup_host((host, 443)).await;
        found.push(match addresses.map(|addresses| addresses.map(|address| address.ip().to_string()).next()) {
            Ok(Some(address)) => Check::new("dns", Health::Well, format!("{host} is {address}")),
            Ok(None) => Check::new("dns", Health::Odd, format!("{host} has no address")),
            Err(error) => Check::new("dns", Health::Odd, format!("{host} has no address: {error}"))
                .help("its record must lead to the address of the cluster's ingress controller"),
        });
    }
}
