//! `kompox plan`

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::ValueEnum;

use super::error::{CliError, Exit};
use super::global::{Global, Terminal};
use super::output;
use super::session::{Fixed, Session};
use crate::advice::{Command, Name};
use crate::engine::address::{Address, resolve};
use crate::engine::graph::Graph;
use crate::engine::plan::{Mode, Plan};
use crate::engine::planfile;
use crate::engine::planner::Options;
use crate::report::{self, About, Saved, graph::GraphView, text};
use kompox_state::Snapshot;

/// How a plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person
    Text,
    /// One comment of a pull request
    Markdown,
    /// For machines
    Json,
    /// A mermaid graph
    Mermaid,
    /// A Graphviz graph
    Dot,
}

/// What a plan is about.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Selection {
    /// Only this object and what it needs; repeatable. An address or a unique suffix of one
    #[arg(long = "target", value_name = "ADDRESS")]
    targets: Vec<String>,
    /// Replace this object although nothing forces it; repeatable
    #[arg(long = "replace", value_name = "ADDRESS")]
    replace: Vec<String>,
    /// Ask the clouds what exists; false takes the state's word, but for disks, shares and snapshots and for what is removed
    #[arg(long = "refresh", value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    refresh: bool,
    /// No network at all; implies --refresh=false
    #[arg(long)]
    offline: bool,
    /// Take over fields of this object that another writer owns; repeatable
    #[arg(long = "force-conflicts", value_name = "ADDRESS")]
    force_conflicts: Vec<String>,
    /// Allow that this object is deleted with its data; repeatable
    #[arg(long = "allow-data-loss", value_name = "ADDRESS")]
    allow_data_loss: Vec<String>,
    /// Do without this cluster where it cannot be reached: what is to go in it is forgotten, and a disk is free when its
    /// provider says that no machine has it; repeatable. A cluster's Resource ID or a unique suffix of one
    #[arg(long = "abandon-cluster", value_name = "ID")]
    abandon_cluster: Vec<String>,
}

impl Selection {
    /// The engine's options.
    pub fn options(&self, session: &Session<'_>, graph: &Graph, snapshot: &Snapshot) -> Result<Options, CliError> {
        let names = session.names(graph, snapshot)?;
        let find = |flag: &str, texts: &[String]| -> Result<BTreeSet<Address>, CliError> {
            texts.iter().map(|text| names.find(flag, text)).collect()
        };
        let all: Vec<Address> = names.present.iter().chain(&names.gone).cloned().collect();
        let clusters = super::session::clusters(&all);
        let abandoned = self.abandon_cluster.iter().map(|text| resolve(text, &clusters));
        let abandoned = abandoned.collect::<Result<_, _>>();
        Ok(Options {
            abandoned: abandoned.map_err(|error| CliError::message(format!("--abandon-cluster: {error}")))?,
            targets: session.selection(graph, snapshot, &self.targets)?,
            replace: find("--replace", &self.replace)?,
            refresh: self.refresh && !self.offline,
            offline: self.offline,
            force_conflicts: find("--force-conflicts", &self.force_conflicts)?,
            allow_data_loss: find("--allow-data-loss", &self.allow_data_loss)?,
        })
    }
}

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kompox plan\n  kompox plan --out p.kplan && kompox apply p.kplan\n  kompox plan --format markdown --detailed-exitcode"
)]
pub struct Args {
    /// Save the plan here, for `kompox apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Show every field of what is created
    #[arg(long)]
    verbose: bool,
    /// Exit 0 without changes, 2 with changes
    #[arg(long)]
    detailed_exitcode: bool,
    /// Plan to remove everything
    #[arg(long, conflicts_with = "refresh_only")]
    destroy: bool,
    /// Plan to take what is observed into the state
    #[arg(long)]
    refresh_only: bool,
    #[command(flatten)]
    selection: Selection,
}

/// Runs `plan`. Takes no lock and changes nothing; the first time it makes the state, whose lineage and key every plan
/// needs.
pub async fn run(args: &Args, global: &Global, terminal: &Terminal) -> Result<Exit, CliError> {
    let mode = match (args.destroy, args.refresh_only) {
        (true, _) => Mode::Destroy,
        (_, true) => Mode::RefreshOnly,
        _ => Mode::Apply,
    };
    let session = if args.destroy { Session::open_state(global).await? } else { Session::open(global).await? };
    let planned = session
        .plan(mode, Fixed::default(), terminal, |graph, snapshot| args.selection.options(&session, graph, snapshot))
        .await?;
    let plan = planned.plan;
    let saved = match &args.out {
        Some(path) => {
            let digest = planfile::save(&plan, &global.cwd()?.join(path), &session.store.digester())?;
            Some((path.to_string_lossy().into_owned(), digest))
        }
        None => None,
    };
    let saved = saved.as_ref().map(|(file, digest)| Saved { file, digest });
    let format = if global.json { Format::Json } else { args.format };
    print(&plan, format, args.verbose, &About { saved, drift: false }, terminal)?;
    if let Some(saved) = saved {
        output::stderr(|err| {
            writeln!(err, "Saved to {}; its digest is {}", saved.file, saved.digest)?;
            writeln!(
                err,
                "To do exactly this:  {}",
                terminal.err.commands.command(&Command::new(Name::Apply).word(saved.file))
            )
        });
    }
    session.close().await;
    Ok(if args.detailed_exitcode && !plan.is_empty() { Exit::Changes } else { Exit::Done })
}

/// Prints a plan to stdout.
pub fn print(
    plan: &Plan,
    format: Format,
    expand: bool,
    about: &About<'_>,
    terminal: &Terminal,
) -> Result<(), CliError> {
    let commands = &terminal.out.commands;
    output::stdout(|out| match format {
        Format::Text if plan.mode == Mode::RefreshOnly => {
            text::drift(out, plan, text::Options { expand }, &terminal.out)
        }
        Format::Text => text::plan(out, plan, text::Options { expand }, &terminal.out),
        Format::Markdown => out.write_all(report::markdown::plan(plan, about, commands).as_bytes()),
        Format::Json => report::json::write(out, &report::json::plan(plan, about, commands), true),
        Format::Mermaid => report::graph::mermaid(out, &GraphView::of_plan(plan)),
        Format::Dot => report::graph::dot(out, &GraphView::of_plan(plan)),
    })
}
