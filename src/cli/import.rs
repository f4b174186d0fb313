//! `kompox import`

use std::collections::BTreeMap;

use kompox_state::Record;

use super::apply::{Execution, carry_out, recover};
use super::error::{CliError, Exit};
use super::global::{Global, Terminal};
use super::output;
use super::plan::{self, Format};
use super::session::{Fixed, Session, addresses};
use crate::engine::address::resolve;
use crate::engine::identity::is_one_object;
use crate::engine::plan::Mode;
use crate::engine::planner::Options;
use crate::report::About;

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
    let exit = import(args, &session, global, terminal).await;
    session.close().await;
    exit
}

async fn import(args: &Args, session: &Session<'_>, global: &Global, terminal: &Terminal) -> Result<Exit, CliError> {
    let lock = session.lock(None).await?;
    recover(session, &session.snapshot()?, &lock, global, terminal).await?;
    let before = session.snapshot()?;
    let known = session.expand(&before, Fixed::default(), terminal)?;
    let address = resolve(&args.address, &addresses(&known.graph, &before))
        .map_err(|error| CliError::message(error.to_string()))?;
    if let Some(record) = session.store.record(&address)? {
        if is_one_object((&record.provider, &record.physical_id), (&record.provider, &args.id)) {
            output::stderr(|err| writeln!(err, "{address} is {} already; nothing was done.", args.id));
            return Ok(Exit::Done);
        }
        return Err(CliError::message(format!("{address} is in the state already: {}", record.physical_id))
            .help(format!("to give it up first:  kompox state rm {address}")));
    }
    let provider = known.graph.get(&address).map(|node| node.provider.clone()).unwrap_or_default();
    let same = |record: &&Record| is_one_object((&record.provider, &record.physical_id), (&provider, &args.id));
    if let Some(other) = before.records.iter().find(same) {
        return Err(CliError::message(format!("{} is in the state already, as {}", args.id, other.address))
            .help(format!("to rename it:  kompox state mv {} {address}", other.address)));
    }
    let fixed = Fixed { imports: BTreeMap::from([(address.clone(), args.id.clone())]), ..Fixed::default() };
    let options = Options { targets: vec![address.clone()], ..Options::default() };
    let planned = session.plan(Mode::Import, fixed, terminal, |_, _| Ok(options.clone())).await?;
    plan::print(
        &planned.plan,
        if global.json { Format::Json } else { Format::Text },
        false,
        &About::default(),
        terminal,
    )?;
    let execution = Execution { auto_approve: true, parallelism: 1, no_wait: false };
    let exit = carry_out(session, &planned, None, &execution, lock, global, terminal).await?;
    if exit == Exit::Done {
        output::stderr(|err| {
            writeln!(err, "{address} is now {}. The next apply makes the changes shown above, if any.", args.id)
        });
    }
    Ok(exit)
}
