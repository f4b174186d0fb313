//! `kompox import`

use std::collections::BTreeMap;

use super::apply::{Reporter, recover};
use super::error::{CliError, Exit};
use super::global::{Global, Terminal};
use super::plan::{self, Format};
use super::session::{Fixed, Session, addresses};
use super::{output, signal};
use crate::engine::action::Action;
use crate::engine::address::resolve;
use crate::engine::apply::{Work, apply};
use crate::engine::journal::Journal;
use crate::engine::plan::Mode;
use crate::engine::planner::Options;
use crate::report::summary;

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The object itself is not changed: the plan shows what the next apply would change.\n\n\
Example:\n  kompox import app/gitea/disk/default /subscriptions/…/providers/Microsoft.Compute/disks/old")]
pub struct Args {
    /// Which object of the manifests it is: an address or a unique suffix of one
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// The provider's id of the existing object
    #[arg(value_name = "ID")]
    id: String,
}

/// Runs `import`: writes the state only.
pub async fn run(args: &Args, global: &Global, terminal: &Terminal) -> Result<Exit, CliError> {
    let session = Session::open(global).await?;
    let lock = session.lock(None).await?;
    recover(&session, &session.snapshot()?, &lock, global, terminal).await?;
    let before = session.snapshot()?;
    let known = session.expand(&before, Fixed::default(), terminal)?;
    let address = resolve(&args.address, &addresses(&known.graph, &before))
        .map_err(|error| CliError::message(error.to_string()))?;
    if let Some(record) = session.store.record(address.as_str())? {
        if record.physical_id.eq_ignore_ascii_case(&args.id) {
            output::stderr(|err| writeln!(err, "{address} is {} already; nothing was done.", args.id));
            return Ok(Exit::Done);
        }
        return Err(CliError::message(format!("{address} is in the state already: {}", record.physical_id))
            .help(format!("to give it up first:  kompox state rm {address}")));
    }
    let fixed = Fixed { imports: BTreeMap::from([(address.clone(), args.id.clone())]), ..Fixed::default() };
    let mut planned = session
        .plan(Mode::Apply, fixed, terminal, |_, _| {
            Ok(Options { targets: vec![address.clone()], only_targets: true, ..Options::default() })
        })
        .await?;
    planned.plan.actions.retain(|action| action.address == address && action.action == Action::Import);
    planned.plan.restarts.clear();
    planned.plan.hosts.clear();
    if planned.plan.actions.is_empty() {
        return Err(CliError::message(format!("{address} cannot be imported")));
    }
    for action in &mut planned.plan.actions {
        action.after_addresses.clear();
    }
    plan::print(&planned.plan, if global.json { Format::Json } else { Format::Text }, false, terminal)?;
    let digester = session.store.digester();
    let journal = Journal::start(session.store.clone(), lock);
    let reporter = Reporter::new(global, terminal)?;
    let id = session.environment.unique_id();
    let mut run = session.run(&journal, &planned.providers, &id, &digester, &reporter.sink, true);
    run.adopt_only = true;
    let work = Work {
        plan: &planned.plan,
        graph: &planned.graph,
        records: &planned.snapshot.records,
        durations: &[],
        parallelism: 1,
    };
    let outcome = apply(&run, &work, signal::on_interrupt()).await;
    reporter.sink.finish()?;
    drop(journal);
    let complete = outcome.is_complete();
    if complete {
        output::stderr(|err| {
            writeln!(err, "{address} is now {}. The next apply makes the changes shown above, if any.", args.id)
        });
    } else {
        output::stdout(|out| summary::text(out, &outcome, None, &terminal.out))?;
    }
    session.close().await;
    Ok(if complete { Exit::Done } else { Exit::Failed })
}
