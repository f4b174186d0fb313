//! `kompox schema`

use super::error::{CliError, Exit};
use super::ui::Ui;
use crate::kom::schema;
use crate::resources::drivers;

/// Arguments of `schema`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Editors that speak YAML take it from the first line of a file, which `kompox init` writes:\n  \
# yaml-language-server: $schema=.kompox/schema.json\n\nExamples:\n  kompox schema > .kompox/schema.json\n  kompox schema app"
)]
pub struct Args {
    /// The kind of document
    #[arg(default_value = "all", value_parser = clap::builder::PossibleValuesParser::new(schema::names()))]
    kind: String,
}

/// Runs `schema`: prints the JSON Schema of KOM.
pub fn run(args: &Args, ui: &Ui) -> Result<Exit, CliError> {
    // The parser took only names that there are.
    let schema = schema::of(&args.kind, &drivers::settings()).unwrap_or_default();
    ui.document(&schema)?;
    Ok(Exit::Done)
}
