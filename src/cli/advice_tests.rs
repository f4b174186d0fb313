//! Whatever is advised can be typed as it is printed, with the options of any call.

use clap::Parser;

use super::{Cli, Command};
use crate::advice::{self, Advice, Name, Switch};
use crate::compose::syntax;
use crate::report::typed::Commands;

const ADDRESS: &str = "/ws/a b/prv/p/cls/c/app/x/disk/it's";

/// Calls with no options, with all, and with what a shell would take apart.
const CALLS: [Commands; 3] = [
    Commands::PLAIN,
    Commands {
        place: " -C dir --kompox-root r --kompox-dir d --kom-path p --kom-path q --kom-app x.yml",
        cloud: " --sandbox --sandbox-endpoint http://127.0.0.1:8600",
        selection: " -A app/x",
        again: "kompox apply",
    },
    Commands {
        place: " -C 'a b'",
        cloud: " --sandbox",
        selection: " --cluster-name 'it'\\''s'",
        again: "kompox apply",
    },
];

/// Every way to advise a command.
fn advised(name: Name) -> Vec<advice::Command> {
    use advice::Command;
    let plain = Command::new(name);
    match name {
        Name::Apply => vec![
            plain.clone(),
            plain.clone().word("--refresh-only"),
            plain.clone().word("p.kplan").word("--sandbox"),
            plain.word("a b.kplan").word("--expect-digest").word("sha256:0"),
        ],
        Name::Destroy => vec![plain, Command::destroy(ADDRESS)],
        Name::Import => {
            vec![Command::import(ADDRESS).word("/subscriptions/s/x y"), Command::import(ADDRESS).open("id")]
        }
        Name::Init => {
            vec![
                plain.clone(),
                plain.clone().word("--name").word("my-app"),
                plain.word("--from").word("kompoxops.yml"),
                Command::add_app(),
            ]
        }
        Name::Plan => vec![plain, Command::plan_again()],
        Name::StateMv => vec![Command::state_mv(ADDRESS, "disk/new")],
        Name::StateRebuild => {
            vec![plain.clone(), plain.word("--lineage").word("0b6c1f52-6a55-4f0e-a0ff-3a3f4f0ec1d7")]
        }
        Name::StateRm => vec![Command::state_rm(ADDRESS)],
        Name::StateUnlock => vec![plain.word("0b6c1f52-6a55-4f0e-a0ff-3a3f4f0ec1d7")],
        Name::Drift
        | Name::SandboxServe
        | Name::StateAccept
        | Name::StateHistory
        | Name::StateList
        | Name::Validate => vec![plain],
    }
}

fn parsed(line: &str) -> Cli {
    let words = syntax::words(line).unwrap_or_else(|| panic!("{line} is no line of a shell"));
    Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn every_advised_command_is_one_with_the_options_of_any_call() {
    for (call, name) in CALLS.iter().flat_map(|call| Name::ALL.iter().map(move |name| (call, *name))) {
        for command in advised(name) {
            // That is advised only where the call was for no sandbox.
            if !call.cloud.is_empty() && command.to_string().contains("--sandbox") {
                continue;
            }
            let names_targets = command.names_targets();
            let [line] = call.lines(&Advice::run("", command)).try_into().expect("a command is one line");
            let line: String = line;
            let cli = parsed(&line.replace("<id>", "id"));
            let means_all = name.means_a_cloud();
            assert_eq!(cli.global.directory.is_some(), !call.place.is_empty(), "{line}");
            if means_all && !line.contains("p.kplan") {
                assert_eq!(cli.global.sandbox, !call.cloud.is_empty(), "{line}");
            }
            let selected = cli.global.app_id.is_some() || cli.global.cluster_name.is_some();
            assert_eq!(selected, means_all && !names_targets && !call.selection.is_empty(), "{line}");
            // The words are what was meant, whatever a shell makes of them.
            if let Command::State(super::state::Command::Rm { address }) = cli.command {
                assert_eq!(address, ADDRESS);
            }
        }
    }
}

#[test]
fn every_advised_option_is_one_of_apply_and_plan() {
    for switch in Switch::ALL {
        let (advice, applies_to): (Advice, &[&str]) = match switch {
            Switch::AutoApprove => (Advice::switch("x", *switch), &["apply", "destroy", "state rebuild"]),
            Switch::LockTimeout => (Advice::add("x", *switch, 300), &["apply", "destroy", "import a b", "state rm a"]),
            _ => (Advice::add("x", *switch, ADDRESS), &["apply", "plan", "destroy"]),
        };
        let [line] = Commands::PLAIN.lines(&advice).try_into().expect("an option is one line");
        let line: String = line;
        let option = line.strip_prefix("x:  add ").expect("it is said that it is added");
        for command in applies_to {
            parsed(&format!("kompox {command} {option}"));
        }
    }
}
