//! Commands in messages, as they must be typed to mean the project and the cloud of this call.

use crate::advice::{Advice, Command};

/// The options of this call that a printed command needs too. Empty where a command is typed without any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commands {
    /// Where the project is: `-C`, `--kom-app` and alike; with a blank before each.
    pub place: &'static str,
    /// Which cloud: `--sandbox`, `--sandbox-endpoint`.
    pub cloud: &'static str,
    /// Which part of the project: `-A`, `--cluster-id` and alike.
    pub selection: &'static str,
    /// The whole command of this call, for doing it again; empty for `kompox` and the name of what is done.
    pub again: &'static str,
}

impl Commands {
    /// No options.
    pub const PLAIN: Self = Self { place: "", cloud: "", selection: "", again: "" };

    /// The lines of some advice, with its commands as they must be typed.
    pub fn lines(&self, advice: &Advice) -> Vec<String> {
        advice.lines(|command| self.command(command))
    }

    /// A command as it must be typed.
    pub fn command(&self, command: &Command) -> String {
        if !command.name.means_a_cloud() {
            return command.typed(self.place);
        }
        // A destroy of one object must not become one of everything that is selected.
        let selection = if command.names_targets() { "" } else { self.selection };
        command.typed(&format!("{}{}{selection}", self.place, self.cloud))
    }

    /// The command that does this again.
    pub fn again(&self, command: &Command) -> String {
        if self.again.is_empty() { self.command(command) } else { self.again.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice::{Name, Switch};

    const HERE: Commands =
        Commands { place: " -C a", cloud: " --sandbox", selection: " -A app/x", again: "kompox -C a --sandbox apply" };

    #[test]
    fn commands_get_the_options_of_the_call() {
        let lines = |advice: Advice| HERE.lines(&advice).join("\n");
        let cases = [
            (Advice::from("run kompox plan"), "run kompox plan"),
            (Advice::run("forget it", Command::state_rm("a")), "forget it:  kompox -C a --sandbox -A app/x state rm a"),
            (Advice::run("", Command::destroy("a")), "kompox -C a --sandbox destroy --target a"),
            (Advice::run("", Command::new(Name::Destroy)), "kompox -C a --sandbox -A app/x destroy"),
            (Advice::run("begin", Command::new(Name::Init)), "begin:  kompox -C a init"),
            (Advice::add("or lose it", Switch::AllowDataLoss, "a"), "or lose it:  add --allow-data-loss a"),
            (Advice::switch("or do not ask", Switch::AutoApprove), "or do not ask:  add --auto-approve"),
            (Advice::write("a:\n  b: kompox plan"), "a:\n  b: kompox plan"),
        ];
        for (advice, typed) in cases {
            assert_eq!(lines(advice), typed);
        }
        let apply = Command::new(Name::Apply);
        assert_eq!(HERE.again(&apply), "kompox -C a --sandbox apply");
        assert_eq!(Commands::PLAIN.again(&apply), "kompox apply");
    }
}
