//! `kompox drift`

use clap::ValueEnum;

use super::error::{CliError, Exit};
use super::flow::fixed::Fixed;
use super::flow::planning::Selection;
use super::flow::session::{Needs, VERSION, with_session};
use super::global::Global;
use super::notify::{Chat, Webhook};
use super::ui::{PlanFormat, Ui};
use crate::engine::plan::{Mode, Plan};
use crate::report::sarif::Run;
use crate::report::{self, About, text};

/// How drift is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a person
    Text,
    /// One comment or issue
    Markdown,
    /// For machines
    Json,
    /// A page for a browser, one file that needs no network
    Html,
    /// For code hosts, which show findings beside the lines: SARIF 2.1.0
    Sarif,
    /// A test report
    Junit,
    /// A mermaid graph
    Mermaid,
    /// A Graphviz graph
    Dot,
}

/// Arguments of `drift`.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("refresh", |arg| arg.hide(true)),
    mut_arg("offline", |arg| arg.hide(true)),
    after_help = "Exit codes: 0 no drift, 2 drift, 1 error.\n\nTo put it right:    kompox apply\nTo accept it:       kompox apply --refresh-only\n\nExamples:\n  kompox drift\n  kompox drift --format sarif > drift.sarif\n  kompox drift --format junit > drift.xml\n  kompox drift --notify slack"
)]
pub struct Args {
    /// How to print it
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Tell a chat if there is drift, a line for each app; the URL of its webhook is in KOMPOX_NOTIFY_URL
    #[arg(long, value_enum, value_name = "CHAT")]
    notify: Option<Chat>,
    #[command(flatten)]
    selection: Selection,
}

impl Args {
    pub(super) fn is_for_machines(&self) -> bool {
        self.format == Format::Json
    }
}

/// Runs `drift`: a plan that would accept what is observed, for CI. Writes nothing.
pub async fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    args.selection.refuse_unseen("drift")?;
    let webhook = args.notify.map(|chat| Webhook::of(chat, global)).transpose()?;
    let looked = with_session(global, ui, Needs::Manifests, async |session| {
        let adjust = |graph: &_, snapshot: &_| args.selection.options(session, graph, snapshot);
        let plan = session.plan(Mode::RefreshOnly, Fixed::default(), adjust).await?.alone();
        Ok((plan, session.layout.shown_from(&global.cwd()?)))
    });
    let (plan, file) = looked.await?;
    print(&plan, &file, args, ui)?;
    if !text::has_drift(&plan) {
        return Ok(Exit::Done);
    }
    if let Some(webhook) = webhook {
        webhook.tell(&plan).await?;
    }
    Ok(Exit::Changes)
}

/// `file` stands for the project.
fn print(plan: &Plan, file: &str, args: &Args, ui: &Ui) -> Result<(), CliError> {
    let targets = args.selection.targets();
    let about = About { drift: true, targets, ..About::default() };
    let format = match args.format {
        Format::Sarif => {
            let run = Run { version: VERSION, category: "drift", file };
            return ui.document(&report::drift::sarif(plan, targets, &run, ui.commands()));
        }
        Format::Junit => {
            return ui.data(|out| out.write_all(report::drift::junit(plan, ui.commands()).as_bytes()));
        }
        Format::Text => PlanFormat::Text,
        Format::Markdown => PlanFormat::Markdown,
        Format::Json => PlanFormat::Json,
        Format::Html => PlanFormat::Html,
        Format::Mermaid => PlanFormat::Mermaid,
        Format::Dot => PlanFormat::Dot,
    };
    ui.plan(plan, format, false, &about)
}
