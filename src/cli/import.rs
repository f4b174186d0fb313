//! `kompox import`

use std::collections::BTreeMap;

use kompox_state::Record;

use super::error::{CliError, Exit};
use super::flow::applying::{Execution, carry_out};
use super::flow::fixed::Fixed;
use super::flow::naming::addresses;
use super::flow::session::{Needs, Session, with_session};
use super::flow::settling::recover;
use super::global::Global;
use super::ui::{PlanFormat, Ui};
use crate::advice::{Advice, Command};
use crate::engine::address::resolve;
use crate::engine::identity::is_one_object;
use crate::engine::plan::Mode;
use crate::engine::planner::Options;
use crate::engine::whereabouts::{is_gone, is_unmarked};
use crate::report::About;
use crate::resources::drivers;

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "The object itself is not changed: the plan shows what the next apply would change.\n\n\
Example:\n  kompox import app/gitea/disk/default /subscriptions/…/providers/Microsoft.Compute/disks/old\n  \
kompox import app/gitea/disk/default local://…/node1/var/lib/kompox/disks/old")]
pub struct Args {
    /// Which object of the manifests it is: an address or a unique suffix of one
    #[arg(value_name = "ADDRESS")]
    address: String,
    /// The provider's id of the existing object, or the name of a PersistentVolume
    #[arg(value_name = "ID")]
    id: String,
}

/// Runs `import`: writes the state only.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    with_session(global, ui, Needs::Manifests, async |session| import(args, session).await).await
}

async fn import(args: &Args, session: &Session<'_>) -> Result<Exit, CliError> {
    let lease = session.lock(None).await?;
    recover(session, &session.snapshot()?, &lease).await?;
    let before = session.snapshot()?;
    let known = session.expand(&before, Fixed::default())?;
    let address = resolve(&args.address, &addresses(&known.graph, &before))
        .map_err(|error| CliError::new("address", error.to_string()))?;
    let id = session.id_named(&before, &address, &args.id).await?;
    if let Some(record) = session.store.record(&address)?.filter(|record| !record.progress.lost) {
        let is_same = is_one_object((&record.provider, &record.physical_id), (&record.provider, &id));
        let providers = session.providers(&session.sign_in(&before), &before)?;
        // What lost its mark is adopted again.
        if is_same && !is_unmarked(&record, &providers, drivers::kind).await {
            session.ui.say(|err| writeln!(err, "{address} is {id} already; nothing was done."));
            return Ok(Exit::Done);
        }
        // What is gone is given up with the import: between the two commands an apply would make an empty one.
        if !is_same && !is_gone(&record, &providers, drivers::kind).await {
            return Err(CliError::new(
                "recorded",
                format!("{address} is in the state already: {}", record.physical_id),
            )
            .help(Advice::run("to give it up first", Command::state_rm(&address))));
        }
    }
    let wanted = known.graph.get(&address).map(|node| (&node.provider, id.as_str()));
    let same =
        |record: &&Record| wanted.is_some_and(|wanted| is_one_object((&record.provider, &record.physical_id), wanted));
    if let Some(other) = before.records.iter().filter(|record| record.address != address).find(same) {
        return Err(CliError::new("recorded", format!("{id} is in the state already, as {}", other.address))
            .help(Advice::run("to rename it", Command::state_mv(&other.address, &address))));
    }
    let fixed = Fixed { imports: BTreeMap::from([(address.clone(), id.clone())]), ..Fixed::default() };
    session.look_closely(&before, fixed.clone(), &address, &id).await?;
    let options = Options { targets: vec![address.clone()], ..Options::default() };
    let planned = session.plan(Mode::Import, fixed, |_, _| Ok(options.clone())).await?;
    session.ui.plan(&planned.plan, PlanFormat::Text, false, &About::default())?;
    let execution = Execution { auto_approve: true, parallelism: 1, no_wait: false };
    let exit = carry_out(session, &planned, None, &execution, lease).await?;
    if exit == Exit::Done {
        session
            .ui
            .say(|err| writeln!(err, "{address} is now {id}. The next apply makes the changes shown above, if any."));
    }
    Ok(exit)
}
