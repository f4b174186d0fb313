//! `kompox render`

use std::path::PathBuf;

use super::error::{CliError, Exit};
use super::flow::offline::offline;
use super::global::Global;
use super::ui::Ui;
use crate::compose::convert;
use crate::compose::load::project::Printing;
use crate::engine::address::{Address, resolve};
use crate::parallel;
use crate::resources::expand::Keep;

/// Arguments of `render`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Secrets are masked unless --show-secrets is given. Without a state, ids of disks are placeholders.\n\n\
Examples:\n  kompox render\n  kompox render --out-manifest app.yml --out-compose -"
)]
pub struct Args {
    /// Write the Kubernetes objects here; - is stdout [default: -, unless --out-compose is given]
    #[arg(long, value_name = "FILE")]
    out_manifest: Option<PathBuf>,
    /// Write the canonical compose file here, as compose config prints it; - is stdout
    #[arg(long, value_name = "FILE")]
    out_compose: Option<PathBuf>,
    /// Print values of env files, secrets and alike
    #[arg(long)]
    show_secrets: bool,
}

/// Runs `render`: reads local files only.
pub fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    if global.json {
        return Err(CliError::new("usage", "render prints YAML, which has no JSON form: leave --json out"));
    }
    let (expanded, findings) = offline(global, Keep::Rendered)?;
    ui.findings(&findings);
    let apps: Vec<Address> = expanded.rendered.iter().map(|(app, _)| app.clone()).collect();
    let wanted = match (&global.app_id, &global.app_name) {
        (Some(id), _) => Some(resolve(id, &apps)),
        (_, Some(name)) => Some(resolve(&format!("app/{name}"), &apps)),
        _ => None,
    };
    let wanted = wanted.transpose().map_err(|error| CliError::new("address", error.to_string()))?;
    let chosen = |app: &Address| wanted.as_ref().is_none_or(|wanted| wanted == app);
    let failed = |error: convert::WriteError| CliError::new("output", error.to_string());
    if args.out_manifest.is_some() || args.out_compose.is_none() {
        let rendered: Vec<_> = expanded.rendered.iter().filter(|(app, _)| chosen(app)).collect();
        let texts = parallel::map(&rendered, |(_, rendered)| convert::manifest(rendered, args.show_secrets));
        let text = texts.into_iter().collect::<Result<String, _>>().map_err(failed)?;
        ui.file(args.out_manifest.as_deref().unwrap_or("-".as_ref()), &text)?;
    }
    if let Some(path) = &args.out_compose {
        let chosen: Vec<_> = expanded.composes.iter().filter(|(app, _)| chosen(app)).collect();
        let mut texts = Vec::with_capacity(chosen.len());
        for (text, findings) in parallel::map(&chosen, |(_, compose)| {
            let (text, findings) = compose.canonical.yaml(Printing { files: None, show_secrets: args.show_secrets });
            let covered = text.as_deref().filter(|_| !args.show_secrets).and_then(|text| compose.veil.cover(text));
            (covered.or(text), findings)
        }) {
            texts.push(text.ok_or(CliError::Diagnostics(findings))?);
        }
        let text = texts.join("---\n");
        ui.file(path, &text)?;
    }
    Ok(Exit::Done)
}
