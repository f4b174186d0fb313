//! `kompox state pull`, `push`, `migrate` and `verify`: whole states.

use std::io::Write;
use std::path::{Path, PathBuf};

use kompox_state::{Change, Config, Contents, Copy, Counts, Objects, RunResult, Store};
use serde_json::json;

use super::at_hand::{in_use, written};
use crate::advice::{Advice, Command, Name};
use crate::cli::error::{CliError, Exit};
use crate::cli::flow::locking::{asked, behind, take, take_as_it_is};
use crate::cli::flow::manifests::{objects_at, state_config, tables_in};
use crate::cli::flow::session::{Needs, Session, with_session};
use crate::cli::global::Global;
use crate::cli::ui::Ui;
use crate::engine::run::System;
use crate::engine::whereabouts::astray;
use crate::kom::layout::{Layout, discover, is_schema};
use crate::resources::drivers;

/// Writes the whole state to a file that only its owner can read: it holds the key of the digests.
pub fn pull(file: &Path, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let copy = in_use(global)?.0.copy()?;
    let path = global.cwd()?.join(file);
    let failed = |error: std::io::Error| {
        CliError::new("state-copy", format!("{} cannot be written: {error}", path.display()))
            .help("name a file that is not there yet, in a folder that can be written")
    };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut out = options.open(&path).map_err(failed)?;
    out.write_all(&copy.write()?).and_then(|()| out.sync_all()).map_err(failed)?;
    ui.say(|err| writeln!(err, "{}: {}.", path.display(), described(copy.contents())));
    Ok(Exit::Done)
}

fn described(contents: &Contents) -> String {
    let (objects, runs, serial) = (contents.records().len(), contents.runs().len(), contents.serial());
    format!("serial {serial}, {objects} objects, {runs} runs")
}

/// Puts a copy in the place of the state, if it is what has become of it.
pub async fn push(file: &Path, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let path = global.cwd()?.join(file);
    let refused = |why: String| {
        CliError::new("state-copy", format!("{} {why}", path.display()))
            .help("name a file that `state pull` wrote; nothing was changed")
    };
    let bytes = std::fs::read(&path).map_err(|error| refused(format!("cannot be read: {error}")))?;
    let copy = Copy::read(&bytes).map_err(|why| refused(format!("is no copy of a state: {why}")))?;
    let config = state_config(&discover(&global.layout_request()?)?, global)?;
    let store = match kompox_state::open_existing(&config)? {
        Some(store) if !kompox_state::is_blank(store.as_ref())? => store,
        _ => {
            let astray = kompox_state::astray(&config, &copy);
            kompox_state::restore(&config, &copy, &asked(global))?;
            ui.say(|err| {
                writeln!(err, "The state at {}: {}.", config.place(), described(copy.contents()))?;
                astray
                    .iter()
                    .try_for_each(|astray| writeln!(err, "note: {astray}; what was made since has no record in it"))
            });
            return Ok(Exit::Done);
        }
    };
    let lease = take_as_it_is(&store, None, global, ui).await?;
    let there = store.copy()?;
    let refused = |why: String| {
        let message = format!("{} is not put in the place of the state {}: {why}", path.display(), config.place());
        CliError::new("state-push", message)
    };
    if let Some(why) = not_newer(&copy, &there) {
        return Err(
            refused(why).help("nothing was changed; if the state there is not to be used any more, move it away first")
        );
    }
    if let Some(astray) = kompox_state::astray(&config, &copy) {
        return Err(refused(astray.to_string()).help(Advice::run(
            "nothing was changed; if the state there is the one to go on with, first",
            Command::new(Name::StateAccept),
        )));
    }
    if copy.contents() == there.contents() {
        ui.say(|err| writeln!(err, "note: the state is that copy already; nothing was done."));
        return Ok(Exit::Done);
    }
    let run = written(lease.lock().holder(), &System, RunResult::Ok, Counts::default());
    let contents = Box::new(copy.contents().clone());
    store.commit(lease.lock(), &[Change::Replace(contents), Change::StartRun(Box::new(run))])?;
    ui.say(|err| writeln!(err, "The state at {}: {}.", config.place(), described(copy.contents())));
    Ok(Exit::Done)
}

/// Why a copy is not what has become of a state, if so.
fn not_newer(copy: &Copy, there: &Copy) -> Option<String> {
    let (new, old) = (copy.contents(), there.contents());
    if copy.lineage() != there.lineage() {
        return Some(format!("it is another one, with the lineage {} and not {}", copy.lineage(), there.lineage()));
    }
    if !copy.has_key_of(there) {
        return Some("one of them was rebuilt: their digests are not of one key".to_owned());
    }
    if new.serial() < old.serial() {
        return Some(format!("it is older, serial {} and not {}", new.serial(), old.serial()));
    }
    let forked = !new.follow(old) || new.serial() == old.serial() && new != old;
    forked.then(|| "its history is another one: since both were the same, each was written to".to_owned())
}

/// Moves the state from where it was to where the configuration says now.
pub async fn migrate(from: &str, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let layout = discover(&global.layout_request()?)?;
    let (source, target) = (place(from, &layout, global)?, state_config(&layout, global)?);
    let store = kompox_state::open_existing(&source)?.ok_or_else(|| {
        CliError::new("state-missing", format!("there is no state at {}", source.place()))
            .help("name the place that `state:` of `.kompox/config.yml` had before; nothing was changed")
    })?;
    let lease = take(&store, None, global, ui).await?;
    let there = kompox_state::open_existing(&target)?;
    // Whatever the two are called: what holds our lock is what we have locked.
    let holder = there.as_ref().map(|there| there.holder()).transpose()?.flatten();
    if holder.is_some_and(|holder| holder.id == lease.lock().holder().id) {
        let message = format!("the configuration says that the state is at {}, where it is", target.place());
        return Err(CliError::new("state-migrate", message)
            .help("write the new place to `state:` of `.kompox/config.yml` first"));
    }
    let copy = store.verify()?;
    let moved = match there.filter(|there| has_arrived(there.as_ref(), &copy)) {
        Some(there) => there,
        None => kompox_state::restore(&target, &copy, &asked(global))?,
    };
    if !same(moved.copy()?.contents(), copy.contents()) {
        let message = format!("what was read back from {} is not what was written", target.place());
        return Err(CliError::new("state-migrate", message).help("the state stays where it was"));
    }
    store.retire(lease.lock(), &target.place().to_string())?;
    ui.say(|err| {
        writeln!(err, "Moved: {} -> {}: {}.", source.place(), target.place(), described(copy.contents()))?;
        writeln!(err, "What is at {} stays, and takes no writer any more.", source.place())
    });
    Ok(Exit::Done)
}

/// Whether a migration that was stopped before its end has brought everything.
fn has_arrived(there: &dyn Store, copy: &Copy) -> bool {
    let is_same = |found: Copy| {
        found.lineage() == copy.lineage() && found.has_key_of(copy) && same(found.contents(), copy.contents())
    };
    there.copy().is_ok_and(is_same)
}

/// Whether two hold the same but for their serials, which go up by being written.
fn same(one: &Contents, other: &Contents) -> bool {
    one.follow(other) && other.follow(one) && one.records() == other.records() && one.intents() == other.intents()
}

/// The place that a word of the command line names.
fn place(word: &str, layout: &Layout, global: &Global) -> Result<Config, CliError> {
    if let Some(schema) = word.strip_prefix("postgres:").filter(|schema| is_schema(schema)) {
        return Ok(tables_in(layout, schema.to_owned(), "migrate"));
    }
    let objects = if word.contains("://") {
        Objects::parse(word).map_err(|error| {
            CliError::new("state-place", error.to_string())
                .help("name a file, a folder, `postgres:<schema>`, or the URL of a bucket as `state:` of `.kompox/config.yml` has it")
        })?
    } else {
        let path: PathBuf = global.cwd()?.join(word);
        if !path.is_dir() {
            return Ok(Config::Sqlite { path });
        }
        Objects::Folder(path)
    };
    // The new place may be objects, too, and both are locked at once.
    Ok(objects_at(layout, objects, "migrate"))
}

/// Looks whether the state is whole, and with `online` whether what it speaks of exists.
pub async fn verify(online: bool, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let (store, _) = in_use(global)?;
    let copy = store.verify()?;
    let older = store.astray()?;
    let contents = copy.contents();
    let chained = contents.check_chain().unwrap_or_default();
    let wrong = match online {
        false => Vec::new(),
        true => {
            drop(store);
            let look = async |session: &Session<'_>| {
                let snapshot = session.snapshot()?;
                let providers = session.providers(&session.sign_in(&snapshot), &snapshot)?;
                let lineage = session.store.lineage();
                Ok(astray(&snapshot.records, &providers, drivers::kind, lineage).await)
            };
            with_session(global, ui, Needs::State, look).await?
        }
    };
    if ui.json {
        let astray: Vec<_> = wrong.iter().map(|(address, why)| json!({"address": address, "why": why})).collect();
        ui.document(&json!({
            "lineage": copy.lineage(), "serial": contents.serial(), "records": contents.records().len(),
            "open_intents": contents.intents().len(), "runs": contents.runs().len(), "chained_runs": chained,
            "online": online.then_some(astray), "behind": older.as_ref().map(ToString::to_string),
        }))?;
    } else {
        ui.data(|out| {
            let open = contents.intents().len();
            writeln!(
                out,
                "The state is whole: {}, {chained} of them in the chain, {open} open intents.",
                described(contents)
            )?;
            wrong.iter().try_for_each(|(address, why)| writeln!(out, "{address}: {why}"))?;
            match (online, wrong.len()) {
                (true, 0) => writeln!(out, "All that it speaks of exists."),
                _ => Ok(()),
            }
        })?;
    }
    if let Some(older) = &older {
        return Err(behind(older));
    }
    if wrong.is_empty() {
        return Ok(Exit::Done);
    }
    Err(CliError::new("state-astray", format!("{} of what the state speaks of is not as it says", wrong.len()))
        .help(Advice::run("see what the next apply would do about it", Command::new(Name::Plan))))
}
