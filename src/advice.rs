//! What to do about something, as data. Who finds a problem knows which command helps; only who prints knows with which
//! options this project and this cloud are meant, so a command is no text until then.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Advice {
    /// Words.
    Say(String),
    /// A command of this program.
    Run {
        /// What it does or when to run it, in words that a colon follows; empty where the line before says it.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        why: String,
        /// The command.
        run: Box<Command>,
    },
    /// An option to add to the command that was given.
    Add {
        /// What it does, in words that a colon follows.
        why: String,
        /// The option.
        add: Box<Flag>,
    },
    /// Lines for a file of the project, as they stand.
    Write {
        /// The lines.
        write: String,
    },
}

impl Advice {
    /// A command, after words that say why.
    pub fn run(why: impl Into<String>, run: Command) -> Self {
        Self::Run { why: why.into(), run: Box::new(run) }
    }

    /// An option to add, after words that say why.
    pub fn add(why: impl Into<String>, name: Switch, value: impl fmt::Display) -> Self {
        let add = Flag { name, value: Some(Word::from(value.to_string())) };
        Self::Add { why: why.into(), add: Box::new(add) }
    }

    /// An option without a value to add, after words that say why.
    pub fn switch(why: impl Into<String>, name: Switch) -> Self {
        Self::Add { why: why.into(), add: Box::new(Flag { name, value: None }) }
    }

    /// Lines for a file.
    pub fn write(lines: impl Into<String>) -> Self {
        Self::Write { write: lines.into() }
    }

    /// The lines of it, with commands as `typed` writes them.
    pub fn lines(&self, typed: impl Fn(&Command) -> String) -> Vec<String> {
        let after = |why: &str, what: String| if why.is_empty() { what } else { format!("{why}:  {what}") };
        match self {
            Self::Say(words) => vec![words.clone()],
            Self::Run { why, run } => vec![after(why, typed(run))],
            Self::Add { why, add } => vec![after(why, format!("add {add}"))],
            Self::Write { write } => write.lines().map(str::to_owned).collect(),
        }
    }
}

impl From<String> for Advice {
    fn from(words: String) -> Self {
        Self::Say(words)
    }
}

impl From<&str> for Advice {
    fn from(words: &str) -> Self {
        Self::Say(words.to_owned())
    }
}

/// Without the options of any call.
impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines(Command::to_string).join("\n"))
    }
}

#[cfg(test)]
impl Advice {
    /// Whether this stands in it.
    pub fn contains(&self, text: &str) -> bool {
        self.to_string().contains(text)
    }

    /// Whether it begins with this.
    pub fn starts_with(&self, text: &str) -> bool {
        self.to_string().starts_with(text)
    }
}

#[cfg(test)]
impl PartialEq<&str> for Advice {
    fn eq(&self, other: &&str) -> bool {
        let text = self.to_string();
        text == *other
    }
}

/// A command of this program.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Command {
    /// Which.
    pub name: Name,
    /// What follows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
}

/// Writes an enum of words that are typed, with the words, so that no list of them can lack one.
macro_rules! typed {
    ($(#[$about:meta])* $name:ident { $($word:ident = $text:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $word,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$word),+];

            /// As it is typed.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => $text,)+
                }
            }
        }
    };
}

typed! {
    /// The commands that are advised.
    Name {
        Apply = "apply",
        Destroy = "destroy",
        Drift = "drift",
        Import = "import",
        Init = "init",
        Plan = "plan",
        SandboxServe = "sandbox serve",
        StateAccept = "state accept",
        StateHistory = "state history",
        StateList = "state list",
        StateMv = "state mv",
        StateRebuild = "state rebuild",
        StateRm = "state rm",
        StateUnlock = "state unlock",
        Validate = "validate",
    }
}

typed! {
    /// The options that are advised.
    Switch {
        AbandonCluster = "--abandon-cluster",
        AllowDataLoss = "--allow-data-loss",
        AutoApprove = "--auto-approve",
        ForceConflicts = "--force-conflicts",
        LockTimeout = "--lock-timeout",
        Replace = "--replace",
        Target = "--target",
    }
}

impl Name {
    /// Whether it means a cloud and a part of the project; else only where the project is.
    pub fn means_a_cloud(self) -> bool {
        !matches!(self, Self::Init | Self::SandboxServe)
    }
}

impl Command {
    /// A command with nothing behind it.
    pub fn new(name: Name) -> Self {
        Self { name, words: Vec::new() }
    }

    /// With one word more.
    #[must_use]
    pub fn word(mut self, word: impl fmt::Display) -> Self {
        self.words.push(Word::from(word.to_string()));
        self
    }

    /// With a word more that the reader has to know.
    #[must_use]
    pub fn open(mut self, what: &str) -> Self {
        self.words.push(Word::Open(what.to_owned()));
        self
    }

    /// Remove one object and what needs it.
    pub fn destroy(target: impl fmt::Display) -> Self {
        Self::new(Name::Destroy).word("--target").word(target)
    }

    /// Adopt what exists; the rest of the command is the id of it.
    pub fn import(address: impl fmt::Display) -> Self {
        Self::new(Name::Import).word(address)
    }

    /// Make a plan and save it.
    pub fn plan_again() -> Self {
        Self::new(Name::Plan).word("--out").word("FILE")
    }

    /// Add an App to a project that is there.
    pub fn add_app() -> Self {
        Self::new(Name::Init).word("--from").word("compose.yml").word("--into").word("PROJECT")
    }

    /// Let the state know an object by another address.
    pub fn state_mv(from: impl fmt::Display, to: impl fmt::Display) -> Self {
        Self::new(Name::StateMv).word(from).word(to)
    }

    /// Let the state forget an object.
    pub fn state_rm(address: impl fmt::Display) -> Self {
        Self::new(Name::StateRm).word(address)
    }

    /// Whether it gives another address to what is known by this one.
    pub fn renames(&self, address: &str) -> bool {
        self.name == Name::StateMv && matches!(self.words.first(), Some(Word::Is(word)) if word == address)
    }

    /// Whether it names its objects itself: then no selection of the call belongs to it, which would add others to a
    /// removal.
    pub fn names_targets(&self) -> bool {
        self.name == Name::Destroy && !self.words.is_empty()
    }

    /// As it is typed, with these options of the call (each with a blank before it).
    pub fn typed(&self, options: &str) -> String {
        let words: String = self.words.iter().map(|word| format!(" {word}")).collect();
        format!("kompox{options} {}{words}", self.name.as_str())
    }
}

/// Without the options of any call.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed(""))
    }
}

/// An option, and its value where it takes one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Flag {
    /// Which.
    pub name: Switch,
    /// Its value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Word>,
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_str())?;
        self.value.as_ref().map_or(Ok(()), |value| write!(f, " {value}"))
    }
}

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The word itself, whatever is in it.
    Is(String),
    /// What the reader has to put there: `id` prints as `<id>`.
    Open(String),
}

impl From<String> for Word {
    fn from(text: String) -> Self {
        Self::Is(text)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(text) => f.write_str(&quoted(text)),
            Self::Open(what) => write!(f, "<{what}>"),
        }
    }
}

/// A word as a shell takes it: in quotes where it would not be taken as it is.
pub fn quoted(text: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_one_line_but_for_what_is_to_be_written() {
        let address = "/ws/t/disk/data";
        let cases = [
            (Advice::from("wait"), "wait"),
            (Advice::run("forget it", Command::state_rm(address)), "forget it:  kompox state rm /ws/t/disk/data"),
            (Advice::run("", Command::destroy(address)), "kompox destroy --target /ws/t/disk/data"),
            (
                Advice::run("adopt it", Command::import(address).open("id")),
                "adopt it:  kompox import /ws/t/disk/data <id>",
            ),
            (Advice::run("", Command::import(address).word("/a b")), "kompox import /ws/t/disk/data '/a b'"),
            (
                Advice::add("or lose it", Switch::AllowDataLoss, address),
                "or lose it:  add --allow-data-loss /ws/t/disk/data",
            ),
            (Advice::write("a:\n  b: 1\n"), "a:\n  b: 1"),
        ];
        for (advice, text) in &cases {
            assert_eq!(advice.to_string(), *text);
            let kept: Advice = serde_json::from_value(serde_json::to_value(advice).unwrap()).unwrap();
            assert_eq!(kept, *advice, "as it was saved");
        }
        assert_eq!(
            cases[1].0.lines(|command| command.typed(" -C a")),
            ["forget it:  kompox -C a state rm /ws/t/disk/data"]
        );
        // What was saved before it was data.
        let old: Advice = serde_json::from_str("\"kompox import a b\"").unwrap();
        assert_eq!(old, Advice::Say("kompox import a b".to_owned()));
    }

    #[test]
    fn words_survive_a_shell() {
        let words = ["a/b.yml", "a b", "it's", ""].map(|text| quoted(text).into_owned());
        assert_eq!(words, ["a/b.yml", "'a b'", r"'it'\''s'", "''"]);
    }
}
