//! `kompox completions`, and what it completes: the shell calls the program, which knows its commands, and the addresses
//! of the state.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};

use clap::Parser;
use clap_complete::CompleteEnv;
use clap_complete::Shell;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::Shells;

use super::error::{CliError, Exit};
use super::flow::manifests::state_config;
use super::global::Global;
use super::ui::Ui;
use crate::engine::address::{Address, ends};
use crate::kom::layout::discover;

/// The variable by which a shell asks; its value is the shell's name.
const ASKED: &str = "KOMPOX_COMPLETE";

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kompox completions bash > /etc/bash_completion.d/kompox\n  kompox completions zsh > ~/.zfunc/_kompox\n\nThe shell then calls kompox for commands, options, values, and addresses of the state."
)]
pub struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Runs `completions`.
pub fn run(args: &Args, ui: &Ui) -> Result<Exit, CliError> {
    let name = args.shell.to_string();
    let shells = Shells::builtins();
    let shell = shells.completer(&name);
    let shell = shell.ok_or_else(|| CliError::new("shell", format!("nothing is known of the shell {name}")))?;
    let mut script = Vec::new();
    shell.write_registration(ASKED, "kompox", "kompox", "kompox", &mut script)?;
    ui.data(|out| out.write_all(&script))?;
    Ok(Exit::Done)
}

/// Answers a shell about the program, if one asks.
pub fn answer(arguments: &[OsString], program: fn() -> clap::Command) -> bool {
    let asked = CompleteEnv::with_factory(program).var(ASKED);
    // A shell shows no errors while somebody types.
    asked.try_complete(arguments.to_vec(), None).unwrap_or(true)
}

/// The addresses of the state that begin so, each as short as tells it apart. None where the state cannot be read at once.
pub fn addresses(typed: &OsStr) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let all = recorded().unwrap_or_default();
    let mut count: HashMap<&str, usize> = HashMap::new();
    all.iter().flat_map(|address| ends(address.as_str())).for_each(|end| *count.entry(end).or_default() += 1);
    let short = |address: &'_ Address| {
        let unique = ends(address.as_str()).find(|end| count.get(end) == Some(&1));
        unique.unwrap_or(address.as_str()).to_owned()
    };
    let names = all.iter().map(|address| if typed.starts_with('/') { address.to_string() } else { short(address) });
    names.filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
}

/// The options of a line that say which project and which cloud.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    global: Global,
}

/// The addresses of the state that the line is about, which stands behind `--` on the command line. A state behind a
/// network is not asked.
fn recorded() -> Option<Vec<Address>> {
    let line: Vec<String> = std::env::args().skip_while(|word| word != "--").skip(1).collect();
    let mut options = vec!["kompox".to_owned()];
    let mut words = line.iter().peekable();
    while let Some(word) = words.next() {
        let takes_value = ["-C", "--kompox-root", "--kompox-dir"].contains(&word.as_str());
        if takes_value && let Some(value) = words.peek() {
            options.extend([word.clone(), (*value).clone()]);
        } else if word == "--sandbox" {
            options.push(word.clone());
        }
    }
    let global = Line::try_parse_from(options).ok()?.global;
    let config = state_config(&discover(&global.layout_request().ok()?).ok()?, &global).ok()?;
    let store = if config.is_local() { kompox_state::open_existing(&config).ok()?? } else { return None };
    Some(store.records().ok()?.into_iter().map(|record| record.address).collect())
}
