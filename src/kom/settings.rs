//! What `settings:` and `options:` take, as data. Drivers fill the tables ([`Tables`]); what they do with the values is
//! theirs. Checks, "did you mean" and the JSON Schema are made of them.

/// A setting of a driver.
#[derive(Debug)]
pub struct Setting {
    /// Its key in the manifest; for one that is absent, that of the environment variable, too.
    pub key: &'static str,
    /// What it takes.
    pub takes: Takes,
    /// What counts where it is absent.
    pub default: Option<&'static str>,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it says how to sign in: handed to the connection as it is, and no part of what a plan is made from.
    pub credential: bool,
    /// What it means, in one line.
    pub about: &'static str,
    /// What a new project has for it: the value, and the comment behind it.
    pub first: Option<(&'static str, &'static str)>,
}

/// What a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Any text.
    Text,
    /// A whole number.
    Whole,
    /// One of these words, whatever its case.
    Words(&'static [&'static str]),
    /// A list with commas or blanks between its items.
    List,
}

impl Setting {
    /// A setting that may be absent.
    pub const fn new(key: &'static str, takes: Takes, about: &'static str) -> Self {
        Self { key, takes, default: None, required: false, credential: false, about, first: None }
    }

    /// The same, which must be there.
    #[must_use]
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// The same, which says how to sign in.
    #[must_use]
    pub const fn credential(self) -> Self {
        Self { credential: true, ..self }
    }

    /// The same with what counts where it is absent.
    #[must_use]
    pub const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// The same, which a new project has with this value and comment (`init`); without a comment, with what it means.
    #[must_use]
    pub const fn first(self, value: &'static str, comment: &'static str) -> Self {
        let comment = if comment.is_empty() { self.about } else { comment };
        Self { first: Some((value, comment)), ..self }
    }

    /// What it means with what it takes, in one line.
    pub fn described(&self) -> String {
        let mut text = self.about.to_owned();
        if let Takes::Words(words) = self.takes {
            text.push_str(&format!("; one of {}", words.join(", ")));
        }
        if let Some(default) = self.default {
            text.push_str(&format!("; default {default}"));
        }
        text
    }
}

/// A place in a manifest that takes settings of a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `settings` of a Provider.
    Provider,
    /// `settings` of a Cluster.
    Cluster,
    /// `settings` of an App.
    App,
    /// `options` of a volume of type `disk`, and of its disks.
    Disk,
    /// `options` of a volume of type `files`, and of its disks.
    Files,
}

/// The settings of one driver.
#[derive(Debug)]
pub struct Tables {
    /// Of a Provider.
    pub provider: &'static [&'static Setting],
    /// Of a Cluster.
    pub cluster: &'static [&'static Setting],
    /// Of an App.
    pub app: &'static [&'static Setting],
    /// Options of disks.
    pub disk: &'static [&'static Setting],
    /// Options of shares.
    pub files: &'static [&'static Setting],
}

impl Tables {
    /// The settings of a place.
    pub fn of(&self, level: Level) -> &'static [&'static Setting] {
        match level {
            Level::Provider => self.provider,
            Level::Cluster => self.cluster,
            Level::App => self.app,
            Level::Disk => self.disk,
            Level::Files => self.files,
        }
    }
}
