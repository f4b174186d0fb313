//! Commands in messages, as they must be typed to mean the project and the cloud of this call.

use std::borrow::Cow;

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

/// Commands that work on an existing project and its cloud.
const WORKING: [&str; 14] = [
    "plan",
    "apply",
    "destroy",
    "drift",
    "import",
    "show",
    "graph",
    "validate",
    "render",
    "state list",
    "state show",
    "state mv",
    "state rm",
    "state ",
];
/// Commands for which only the place counts.
const PLACED: [&str; 3] = ["init", "sandbox ", "compose config"];

impl Commands {
    /// No options.
    pub const PLAIN: Self = Self { place: "", cloud: "", selection: "", again: "" };

    /// Text with every `kompox <command>` in it as it must be typed.
    pub fn typed<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.place.is_empty() && self.cloud.is_empty() && self.selection.is_empty() || !text.contains("kompox ") {
            return Cow::Borrowed(text);
        }
        let mut typed = String::with_capacity(text.len() + 32);
        let mut rest = text;
        while let Some(at) = rest.find("kompox ") {
            let (before, after) = (&rest[..at], &rest[at + "kompox ".len()..]);
            typed.push_str(before);
            typed.push_str("kompox");
            let begins =
                before.chars().next_back().is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '-' | '_' | '/' | '.'));
            if begins {
                self.push(after, &mut typed);
            }
            typed.push(' ');
            rest = after;
        }
        typed.push_str(rest);
        Cow::Owned(typed)
    }

    fn push(&self, after: &str, typed: &mut String) {
        let names = |command: &&&str| {
            let rest = after.strip_prefix(**command);
            rest.is_some_and(|rest| {
                // `a kompox state: …` is a thing, `kompox state mv` a command.
                let next = rest.chars().next();
                if command.ends_with(' ') {
                    next.is_some_and(|c| c.is_ascii_lowercase())
                } else {
                    next.is_none_or(|c| !c.is_alphanumeric() && c != '-')
                }
            })
        };
        if WORKING.iter().find(names).is_some() {
            typed.push_str(self.place);
            typed.push_str(self.cloud);
            // A destroy of one object must not become one of everything that is selected.
            let line = after.lines().next().unwrap_or_default();
            if !(after.starts_with("destroy") && line.contains("--target")) {
                typed.push_str(self.selection);
            }
        } else if PLACED.iter().find(names).is_some() {
            typed.push_str(self.place);
        }
    }

    /// The lines of some advice, with its commands as they must be typed.
    pub fn lines(&self, advice: &Advice) -> Vec<String> {
        match advice {
            Advice::Say(words) => vec![self.typed(words).into_owned()],
            other => other.lines(|command| self.command(command)),
        }
    }

    /// A command as it must be typed.
    pub fn command(&self, command: &Command) -> String {
        // A destroy of one object must not become one of everything that is selected.
        let selection = if command.names_targets() { "" } else { self.selection };
        command.typed(&format!("{}{}{selection}", self.place, self.cloud))
    }

    /// The command that does this again.
    pub fn again(&self, command: &str) -> String {
        if self.again.is_empty() { self.typed(command).into_owned() } else { self.again.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Commands =
        Commands { place: " -C a", cloud: " --sandbox", selection: " -A app/x", again: "kompox -C a --sandbox apply" };

    #[test]
    fn commands_get_the_options_of_the_call() {
        let typed = |text: &str| HERE.typed(text).into_owned();
        assert_eq!(typed("run `kompox apply` again"), "run `kompox -C a --sandbox -A app/x apply` again");
        assert_eq!(typed("kompox import a b"), "kompox -C a --sandbox -A app/x import a b");
        assert_eq!(typed("kompox state mv a b"), "kompox -C a --sandbox -A app/x state mv a b");
        assert_eq!(typed("kompox destroy --target a"), "kompox -C a --sandbox destroy --target a");
        assert_eq!(
            typed("kompox plan --out p, then kompox apply p"),
            "kompox -C a --sandbox -A app/x plan --out p, then kompox -C a --sandbox -A app/x apply p"
        );
        assert_eq!(typed("`kompox init` makes one"), "`kompox -C a init` makes one");
        for same in [
            "is not a kompox state: no",
            "kompox --sandbox plan",
            "the kompox that wrote it",
            "my-kompox plan",
            "kompox planner",
        ] {
            assert_eq!(typed(same), same);
        }
        assert_eq!(HERE.again("kompox apply"), "kompox -C a --sandbox apply");
        assert_eq!(Commands::PLAIN.again("kompox apply"), "kompox apply");
    }

    #[test]
    fn advised_commands_are_typed_as_the_call_was() {
        let lines = |advice: Advice| HERE.lines(&advice).join("\n");
        assert_eq!(
            lines(Advice::run("forget it", Command::state_rm("a"))),
            "forget it:  kompox -C a --sandbox -A app/x state rm a"
        );
        assert_eq!(lines(Advice::run("", Command::destroy("a"))), "kompox -C a --sandbox destroy --target a");
        assert_eq!(lines(Advice::add("or lose it", "--allow-data-loss", "a")), "or lose it:  add --allow-data-loss a");
        assert_eq!(lines(Advice::write("a:\n  b: kompox plan")), "a:\n  b: kompox plan");
    }
}
