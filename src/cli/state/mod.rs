//! `kompox state`

mod at_hand;
mod copies;
mod rebuild;

use std::path::PathBuf;

use clap::Subcommand;
use kompox_state::{Change, Counts, Progress, ProviderKey, Record, Run, RunResult, Store, Verb};

use self::at_hand::{existing, in_use, written};
use crate::advice::{Advice, Command as Advised, Name};
use crate::cli::error::{CliError, Exit};
use crate::cli::flow::locking::take;
use crate::cli::flow::naming::Names;
use crate::cli::flow::offline::offline_with;
use crate::cli::global::Global;
use crate::cli::ui::Ui;
use crate::engine::address::{Address, ResolveError, resolve};
use crate::engine::run::System;
use crate::report;
use crate::report::table::Table;

/// What to do with the state.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what the state knows
    #[command(after_help = "Examples:\n  kompox state list\n  kompox state list Deployment/ --json")]
    List {
        /// Only addresses that contain this text
        #[arg(value_name = "TEXT")]
        filter: Option<String>,
    },
    /// Show one object: ids, applied fields, outputs; never a secret
    #[command(after_help = "Example:\n  kompox state show app/gitea/disk/default")]
    Show {
        /// Its address, or a unique suffix
        address: String,
    },
    /// Forget an object; the object itself stays
    #[command(
        after_help = "The next apply adopts it again if it holds no data; a disk needs kompox import.\n\nExample:\n  kompox state rm Secret/gitea-app-base"
    )]
    Rm {
        /// Its address, or a unique suffix
        address: String,
    },
    /// Give an object another address
    #[command(
        after_help = "For a volume or disk that has another name in the manifests now: its data stays where it is.\n\n\
Examples:\n  kompox state mv disk/default disk/store\n  kompox state mv app/gitea/disk/default disk/default.blue"
    )]
    Mv {
        /// Its address now, or a unique suffix
        from: String,
        /// Its new address, as the manifests have it now, or a unique suffix
        to: String,
    },
    /// List what has been applied: who, when, what, how it ended
    #[command(after_help = "Examples:\n  kompox state history\n  kompox state history --limit 5 --json")]
    History {
        /// How many runs
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Write the whole state to a file, as a backup or for another place
    #[command(
        after_help = "The file holds the key of the digests: keep it like the state.\n\nExample:\n  kompox state pull backup.state"
    )]
    Pull {
        /// A file that is not there yet
        file: PathBuf,
    },
    /// Put a copy in the place of the state, if it is the same state and not an older one
    #[command(
        after_help = "Where there is no state, the copy becomes it.\n\nExample:\n  kompox state push backup.state"
    )]
    Push {
        /// A file that `kompox state pull` wrote
        file: PathBuf,
    },
    /// Move the state to where `.kompox/config.yml` says that it is now
    #[command(after_help = "Nobody writes to the old place any more; it is not deleted.\n\n\
Examples:\n  kompox state migrate --from .kompox/state/kompox.db\n  kompox state migrate --from s3://my-bucket/kompox/prod")]
    Migrate {
        /// Where it was: a SQLite file, a folder of objects, the URL of a bucket, or `postgres:<schema>`
        #[arg(long, value_name = "PLACE")]
        from: String,
    },
    /// Look whether the state is whole
    #[command(
        after_help = "It detects damage, not forgery. Exit codes: 0 all is as it says, 1 it is not.\n\nExamples:\n  kompox state verify\n  kompox state verify --online"
    )]
    Verify {
        /// Also ask the clouds whether everything that it speaks of exists
        #[arg(long)]
        online: bool,
    },
    /// Make a lost state again from the manifests and what exists
    Rebuild(rebuild::Args),
    /// Go on with a state that is older than, or another than, the one that was last written from here
    #[command(
        after_help = "What was made since has no record in it: what holds no data is taken back by the next apply, a disk stops \
it with its import line.\n\nExample:\n  kompox state accept"
    )]
    Accept,
    /// Take the lock away from a holder that is gone; the last resort
    #[command(after_help = "Example:\n  kompox state unlock 0b6c1f52-6a55-4f0e-a0ff-3a3f4f0ec1d7")]
    Unlock {
        /// The id of the lock, as the error message shows it
        id: String,
    },
}

/// Runs a `state` command.
pub async fn run(command: &Command, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    match command {
        Command::List { filter } => list(filter.as_deref(), global, ui),
        Command::Show { address } => show(address, global, ui),
        Command::Rm { address } => forget(address, global, ui).await,
        Command::Mv { from, to } => rename(from, to, global, ui).await,
        Command::History { limit } => history(*limit, global, ui),
        Command::Pull { file } => copies::pull(file, global, ui),
        Command::Push { file } => copies::push(file, global, ui).await,
        Command::Migrate { from } => copies::migrate(from, global, ui).await,
        Command::Verify { online } => copies::verify(*online, global, ui).await,
        Command::Rebuild(args) => rebuild::run(args, global, ui).await,
        Command::Accept => {
            let store = existing(global)?;
            let Some(astray) = store.astray()? else {
                ui.say(|err| {
                    writeln!(
                        err,
                        "note: the state is what was last written from here, or has become of it; nothing was done."
                    )
                });
                return Ok(Exit::Done);
            };
            store.accept()?;
            ui.say(|err| {
                writeln!(err, "The state counts as it is: {astray}.")?;
                let plan = ui.commands().command(&Advised::new(Name::Plan));
                writeln!(err, "See what the next apply would do:  {plan}")
            });
            Ok(Exit::Done)
        }
        Command::Unlock { id } => {
            let holder = existing(global)?.unlock(id)?;
            ui.say(|err| {
                writeln!(err, "The lock of {holder} is gone. What it was doing is looked into by the next apply.")
            });
            Ok(Exit::Done)
        }
    }
}

fn list(filter: Option<&str>, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let mut records = in_use(global)?.1.records;
    records.retain(|record| filter.is_none_or(|text| record.address.as_str().contains(text)));
    records.sort_by(|a, b| a.address.cmp(&b.address));
    if ui.json {
        let all: Vec<_> = records
            .iter()
            .map(|record| {
                serde_json::json!({
                    "address": record.address, "kind": record.kind, "provider": record.provider, "id": known_id(record),
                    "serial": record.updated_serial,
                })
            })
            .collect();
        ui.document(&all.into())?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["ADDRESS", "ID"]);
    for record in &records {
        table.row([record.address.as_str(), known_id(record).unwrap_or("(a lost state knew)")]);
    }
    ui.table(&table)?;
    Ok(Exit::Done)
}

/// The provider's id of what a record stands for; none where only a lost state knew which it was.
fn known_id(record: &Record) -> Option<&str> {
    (!record.progress.lost).then_some(record.physical_id.as_str())
}

fn find(records: Vec<Record>, text: &str) -> Result<Record, CliError> {
    let addresses: Vec<Address> = records.iter().map(|record| record.address.clone()).collect();
    let address = resolve(text, &addresses).map_err(|error| {
        CliError::new("address", error.to_string()).help(Advice::run("see all", Advised::new(Name::StateList)))
    })?;
    records
        .into_iter()
        .find(|record| record.address == address)
        .ok_or_else(|| CliError::new("address", format!("{address} is not in the state")))
}

/// Shows one record.
pub fn show(text: &str, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let record = find(in_use(global)?.1.records, text)?;
    let mut value = serde_json::json!({
        "address": record.address,
        "kind": record.kind,
        "provider": record.provider,
        "id": known_id(&record),
        "applied": record.applied.value(),
        "outputs": record.outputs.value(),
        "dependencies": record.dependencies,
        "protection": record.protection,
        "source": record.source,
        "created_serial": record.created_serial,
        "updated_serial": record.updated_serial,
    });
    let Progress { lost, unproven, unready, .. } = record.progress;
    // Said where it is so: of most objects there is nothing to say.
    for (word, _) in [("lost", lost), ("unproven", unproven), ("unready", unready)].iter().filter(|(_, so)| *so) {
        value[word] = true.into();
    }
    if ui.json {
        ui.document(&value)?;
        return Ok(Exit::Done);
    }
    let text = crate::text::ci::yaml(&value).map_err(|why| CliError::new("output", why))?;
    ui.data(|out| {
        for line in text.lines() {
            writeln!(out, "{}", report::escape::clean(line))?;
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}

/// Writes one change under the lock, and into the history that it was made. Without a change nothing is written.
async fn write(
    global: &Global,
    ui: &Ui,
    verb: Verb,
    change: impl FnOnce(&dyn Store) -> Result<Option<Change>, CliError>,
) -> Result<(), CliError> {
    let store = existing(global)?;
    let lease = take(&store, None, global, ui).await?;
    if !store.open_intents()?.is_empty() {
        return Err(CliError::new("unsettled", "an apply was interrupted; what it was doing is not settled yet")
            .help(Advice::run("let kompox look into it first", Advised::new(Name::Apply))));
    }
    let Some(change) = change(store.as_ref())? else { return Ok(()) };
    let counts: Counts = [(verb, 1)].into_iter().collect();
    let run = written(lease.lock().holder(), &System, RunResult::Ok, counts);
    store.commit(lease.lock(), &[change, Change::StartRun(Box::new(run))])?;
    Ok(())
}

async fn forget(text: &str, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let mut forgotten = None;
    write(global, ui, Verb::Forget, |store| {
        let names = Names {
            present: store.records()?.into_iter().map(|record| record.address).collect(),
            gone: store.removed()?,
        };
        if matches!(resolve(text, &names.present), Err(ResolveError::None { .. }))
            && let Some(address) = names.was(text)
        {
            ui.say(|err| writeln!(err, "note: {address} is forgotten already; nothing was done."));
            return Ok(None);
        }
        let record = find(store.records()?, text)?;
        forgotten = Some((record.address.clone(), known_id(&record).map(str::to_owned)));
        Ok(Some(Change::DeleteRecord(record.address)))
    })
    .await?;
    if let Some((address, id)) = forgotten {
        ui.say(|err| match &id {
            Some(id) => {
                writeln!(err, "Forgotten: {address}. The object stays: {id}")?;
                let command = Advised::import(&address).word(id);
                writeln!(err, "To adopt it again:  {}", ui.commands().command(&command))
            }
            None => writeln!(err, "Settled: {address} counts as one that never was; the next apply makes it."),
        });
    }
    Ok(Exit::Done)
}

async fn rename(from: &str, to: &str, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let mut moved = None;
    write(global, ui, Verb::Move, |store| {
        let record = find(store.records()?, from)?;
        let to = new_address(store, &record, to, global)?;
        moved = Some((record.address.clone(), to.clone()));
        Ok(Some(Change::MoveRecord { from: record.address, to }))
    })
    .await?;
    if let Some((from, to)) = moved {
        ui.say(|err| writeln!(err, "Moved: {from} -> {to}"));
    }
    Ok(Exit::Done)
}

/// The address that a record is to have: one of the manifests, of the same kind and place, that the state does not know.
/// Any other would be a record that no plan can make sense of.
fn new_address(store: &dyn Store, record: &Record, to: &str, global: &Global) -> Result<Address, CliError> {
    let from = record.address.clone();
    let mut snapshot = store.snapshot()?;
    // What is given up must not hold the manifests to itself: they speak of the new name.
    snapshot.records.retain(|other| other.address != record.address);
    let (expanded, _) = offline_with(global, &snapshot, store.lineage(), &store.digester())?;
    if expanded.graph.get(&from).is_some() {
        let message = format!("the manifests still speak of {from}: under another address it would be made anew");
        return Err(CliError::new("state-mv", message).help("rename it in the manifests first"));
    }
    let same_kind = expanded.graph.iter().filter(|node| node.kind.name == record.kind);
    let candidates: Vec<&Address> = same_kind.map(|node| &node.address).collect();
    let to = resolve(to, candidates.iter().copied()).map_err(|error| {
        let mut refused = CliError::new("address", format!("no address of the manifests for {from}: {error}"));
        let free =
            candidates.iter().filter(|address| !snapshot.records.iter().any(|record| record.address == ***address));
        for address in free.take(MOST_FREE) {
            refused = refused.help(format!("the manifests have {address}, which the state does not know"));
        }
        refused
    })?;
    if let Some(other) = snapshot.records.iter().find(|other| other.address == to) {
        let message = format!("{to} is in the state already: {}", other.physical_id);
        return Err(CliError::new("state-mv", message).help(Advice::run("to give it up first", Advised::state_rm(&to))));
    }
    let provider = expanded.graph.get(&to).map(|node| &node.provider);
    if provider.map(ProviderKey::api) != Some(record.provider.api()) {
        let message = format!("{to} is in another cloud or cluster than {from}: an object cannot move there");
        return Err(CliError::new("state-mv", message));
    }
    Ok(to)
}

/// Addresses offered in a message.
const MOST_FREE: usize = 5;

/// What a run did, and of how much where that was not all.
fn done(run: &Run) -> String {
    let mut words: Vec<_> = run.counts.iter().map(|(verb, count)| (verb.word(), count)).collect();
    words.sort_unstable();
    let words = words.iter().map(|(verb, count)| format!("{count} {verb}")).collect::<Vec<_>>().join(", ");
    match (words.as_str(), run.planned.as_ref().map_or(0, Counts::total)) {
        (_, all) if all <= run.counts.total() => words,
        ("", all) => format!("0 of {all}"),
        (words, all) => format!("{words} of {all}"),
    }
}

fn history(limit: usize, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let runs = in_use(global)?.0.runs(limit)?;
    if ui.json {
        let all: Vec<_> = runs.iter().map(|run| serde_json::to_value(run).unwrap_or_default()).collect();
        ui.document(&all.into())?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["STARTED", "WHO", "RESULT", "DONE", "SECONDS", "REVISION", "COMMAND"]);
    for run in &runs {
        let done = done(run);
        let seconds = run.duration_ms.map_or(String::new(), |millis| format!("{:.1}", millis as f64 / 1000.0));
        let result = run.result.map_or("running", RunResult::word).to_owned();
        let who = format!("{}@{}", run.actor, run.host);
        // As long as it is mostly shown, and unique in nearly every repository.
        let revision = run.revision.iter().flat_map(|revision| revision.chars()).take(12).collect();
        table.row([run.started_at.clone(), who, result, done, seconds, revision, run.command.clone()]);
    }
    ui.table(&table)?;
    Ok(Exit::Done)
}
