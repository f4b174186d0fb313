//! `kompox plan`

use std::path::PathBuf;

use super::error::{CliError, Exit};
use super::flow::fixed::Fixed;
use super::flow::planning::Selection;
use super::flow::revision::Revision;
use super::flow::session::{Needs, Session, with_session};
use super::global::Global;
use super::ui::{PlanFormat, Ui};
use crate::advice::{Command, Name};
use crate::engine::address::Address;
use crate::engine::code::{DangerCode, NoteCode};
use crate::engine::plan::{Danger, Mode, Plan};
use crate::engine::planfile;
use crate::policy::{Said, judge};
use crate::report::{self, About, Saved, text};
use crate::resources::drivers;

/// Arguments of `plan`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kompox plan\n  kompox plan --out p.kplan && kompox apply p.kplan\n  kompox plan --format markdown --detailed-exitcode\n  kompox plan --at HEAD~1"
)]
pub struct Args {
    /// Save the plan here, for `kompox apply FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
    format: PlanFormat,
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
    /// Plan the manifests that git has at this revision; env files are today's, and data is not rolled back
    #[arg(long, value_name = "REVISION", conflicts_with_all = ["out", "destroy", "refresh_only"])]
    at: Option<String>,
    /// Ask the rules of this file, in Rego; repeatable. A plan that they deny is not saved
    #[arg(long = "policy", value_name = "FILE")]
    policies: Vec<PathBuf>,
    #[command(flatten)]
    selection: Selection,
}

impl Args {
    pub(super) fn is_for_machines(&self) -> bool {
        self.format == PlanFormat::Json
    }
}

/// Runs `plan`. Takes no lock and changes nothing; the first time it makes the state, whose lineage and key every plan
/// needs.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let needs = if args.destroy { Needs::State } else { Needs::Manifests };
    let revision = args.at.as_deref().map(|asked| Revision::of(asked, global)).transpose()?;
    let global = Global { revision: revision.as_ref().map(Revision::root), ..global.clone() };
    with_session(&global, ui, needs, async |session| plan(args, revision.as_ref(), session).await).await
}

async fn plan(args: &Args, revision: Option<&Revision>, session: &Session<'_>) -> Result<Exit, CliError> {
    let mode = match (args.destroy, args.refresh_only) {
        (true, _) => Mode::Destroy,
        (_, true) => Mode::RefreshOnly,
        _ => Mode::Apply,
    };
    if mode == Mode::RefreshOnly {
        args.selection.refuse_unseen("--refresh-only")?;
    }
    let adjust = |graph: &_, snapshot: &_| args.selection.options(session, graph, snapshot);
    let mut plan = session.plan(mode, Fixed::default(), adjust).await?.alone();
    plan.notes.extend(revision.map(Revision::note));
    let denied = judged(&mut plan, &args.policies, session)?;
    let ui = session.ui;
    let saved = match &args.out {
        Some(path) if denied == 0 => {
            let digest = planfile::save(&plan, &session.global.cwd()?.join(path), &session.store.digester())?;
            Some((path.to_string_lossy().into_owned(), digest))
        }
        _ => None,
    };
    let saved = saved.as_ref().map(|(file, digest)| Saved { file, digest });
    let updates = session.updates()?;
    let about = About {
        saved,
        targets: args.selection.targets(),
        kinds: Some(drivers::kind),
        updates: Some(&updates),
        ..About::default()
    };
    ui.plan(&plan, args.format, args.verbose, &about)?;
    if let Some(saved) = saved {
        ui.say(|err| {
            writeln!(err, "Saved to {}; its digest is {}", saved.file, saved.digest)?;
            if plan.offline {
                return text::marks(&plan).try_for_each(|(option, why)| writeln!(err, "Made with {option}: {why}."));
            }
            let command = Command::new(Name::Apply).word(saved.file);
            writeln!(err, "To do exactly this:  {}", ui.commands().command(&command))
        });
    }
    if denied > 0 {
        let not_saved = if args.out.is_some() { " It was not saved." } else { "" };
        ui.say(|err| writeln!(err, "The policy denies this plan (policy-denied).{not_saved}"));
        return Ok(Exit::Failed);
    }
    Ok(if args.detailed_exitcode && !plan.is_empty() { Exit::Changes } else { Exit::Done })
}

/// Asks the policies; what they say is said with the plan. Gives how often they deny it.
fn judged(plan: &mut Plan, policies: &[PathBuf], session: &Session<'_>) -> Result<usize, CliError> {
    if policies.is_empty() {
        return Ok(0);
    }
    let failed = |why: String| CliError::new("policy", why);
    let here = session.global.cwd()?;
    let read = |path: &PathBuf| {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(here.join(path));
        text.map(|text| (name.clone(), text)).map_err(|error| failed(format!("{name} cannot be read: {error}")))
    };
    let files: Vec<(String, String)> = policies.iter().map(read).collect::<Result<_, _>>()?;
    let input = report::json::plan(plan, &About::default(), session.ui.commands());
    let verdict = judge(&files, &input).map_err(|error| failed(error.to_string()))?;
    let said = |code: std::borrow::Cow<'static, str>, Said { address, text }: Said| {
        let known = address.as_deref().and_then(|text| Address::parse(text).ok());
        let text = match (known.is_none(), address) {
            (true, Some(address)) => format!("{address}: {text}"),
            _ => text,
        };
        Danger { code, address: known, text, help: Vec::new() }
    };
    let denied = verdict.denied.len();
    plan.dangers.extend(verdict.denied.into_iter().map(|one| said(DangerCode::PolicyDenied.into(), one)));
    plan.notes.extend(verdict.warned.into_iter().map(|one| said(NoteCode::PolicyWarned.into(), one)));
    Ok(denied)
}
