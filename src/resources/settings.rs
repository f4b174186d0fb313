//! Settings as drivers read them: by their tables, with the environment behind the manifest.

use std::collections::BTreeMap;

use super::scope::Findings;
use crate::diag::{Diagnostic, Location};
use crate::kom::model::{Located, Settings, Volume, VolumeType};
use crate::kom::settings::{Level, Setting, Tables, Takes};
use crate::text::suggest::closest;

/// Reads settings of one object, and collects what is wrong.
pub struct Reader<'a, 'b> {
    settings: &'a Settings,
    environment: &'a BTreeMap<String, String>,
    owner: &'a Location,
    findings: &'a mut Findings<'b>,
}

impl<'a, 'b> Reader<'a, 'b> {
    /// A reader of `settings`; a setting that is absent is read from `environment` (ext).
    pub fn new(
        settings: &'a Settings,
        environment: &'a BTreeMap<String, String>,
        owner: &'a Location,
        findings: &'a mut Findings<'b>,
    ) -> Self {
        Self { settings, environment, owner, findings }
    }

    fn raw(&self, setting: &Setting) -> Option<&'a str> {
        raw(self.settings, self.environment, setting)
    }

    /// The text of a setting; none where it is absent or empty.
    pub fn text(&self, setting: &Setting) -> Option<String> {
        text(self.settings, self.environment, setting)
    }

    /// Where a setting is written; where the object begins, if it is not.
    pub fn place(&self, setting: &Setting) -> Location {
        self.written(setting).unwrap_or_else(|| self.owner.clone())
    }

    /// Where a setting is written.
    pub fn written(&self, setting: &Setting) -> Option<Location> {
        self.settings.get(setting.key).map(|located| located.location.clone())
    }

    /// Says that a value cannot be.
    pub fn wrong(&mut self, setting: &Setting, message: String) {
        self.say(setting, Diagnostic::error("setting-value", message));
    }

    /// Says something of a value.
    pub fn say(&mut self, setting: &Setting, diagnostic: Diagnostic) {
        let place = self.place(setting);
        self.findings.push(diagnostic.at(place, None));
    }

    /// The text of a setting that must be there; empty where it is not, which is said.
    pub fn required(&mut self, setting: &Setting) -> String {
        debug_assert!(setting.required, "{}: the table says that it may be absent", setting.key);
        self.text(setting).unwrap_or_else(|| {
            let key = setting.key;
            let what = match setting.takes {
                Takes::Words(words) => words.join(", "),
                _ => setting.about.to_owned(),
            };
            let message = format!("the setting {key} ({what}) is missing");
            let help = format!("add {key} under spec.settings, or set the environment variable {key}");
            let diagnostic = Diagnostic::error("setting-missing", message).at(self.owner.clone(), None).help(help);
            self.findings.push(diagnostic);
            String::new()
        })
    }

    /// The word of a setting that takes words, as the table writes it.
    pub fn choice(&mut self, setting: &Setting) -> &'static str {
        let Takes::Words(words) = setting.takes else { return "" };
        let default = setting.default.unwrap_or_default();
        let Some(text) = self.text(setting) else { return default };
        match words.iter().find(|word| word.eq_ignore_ascii_case(&text)) {
            Some(word) => word,
            None => {
                let key = setting.key;
                self.wrong(setting, format!("{key} is \"{text}\"; it must be one of {}", words.join(", ")));
                default
            }
        }
    }

    /// The number of a setting; zero where neither it nor the table has one.
    pub fn number(&mut self, setting: &Setting) -> u32 {
        let default = || setting.default.and_then(|text| text.parse().ok()).unwrap_or_default();
        let Some(text) = self.text(setting) else { return default() };
        text.parse().unwrap_or_else(|_| {
            self.wrong(setting, format!("{} is \"{text}\"; it must be a whole number", setting.key));
            default()
        })
    }

    /// A comma or blank list. A setting that is there but empty is an empty list, not the default.
    pub fn list(&self, setting: &Setting) -> Vec<String> {
        let text = self.raw(setting).or(setting.default).unwrap_or_default();
        text.split([',', ' ']).map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }
}

fn raw<'a>(settings: &'a Settings, environment: &'a BTreeMap<String, String>, setting: &Setting) -> Option<&'a str> {
    settings.value(setting.key).or_else(|| environment.get(setting.key).map(String::as_str))
}

/// The text of a setting where nobody is told what is wrong; none where it is absent or empty.
pub fn text(settings: &Settings, environment: &BTreeMap<String, String>, setting: &Setting) -> Option<String> {
    raw(settings, environment, setting).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// The settings of a Provider that say how to sign in, as the manifest has them.
pub fn credentials(settings: &Settings, table: &[&'static Setting]) -> BTreeMap<String, String> {
    let written = table.iter().filter(|setting| setting.credential).filter_map(|setting| {
        let value = settings.value(setting.key).filter(|value| !value.is_empty())?;
        Some((setting.key.to_owned(), value.to_owned()))
    });
    written.collect()
}

/// Warns of settings that the driver does not know there.
pub fn unknown(driver: &str, settings: &Settings, table: &[&'static Setting], findings: &mut Findings<'_>) {
    for (key, value) in settings.iter().filter(|(key, _)| !knows(table, key)) {
        let message = format!("the setting {key} is not used: the driver {driver} does not know it here");
        tell(message, key, value, table, findings);
    }
}

/// Warns of options of a volume and its disks that the driver does not know.
pub fn unknown_options(driver: &str, volume: &Volume, tables: &Tables, findings: &mut Findings<'_>) {
    let (table, kind) = match volume.kind {
        VolumeType::Disk => (tables.of(Level::Disk), "disk"),
        VolumeType::Files => (tables.of(Level::Files), "files"),
    };
    let of_disks = volume.disks.iter().flat_map(|disk| &disk.options);
    for (key, value) in volume.options.iter().chain(of_disks).filter(|(key, _)| !knows(table, key)) {
        let message =
            format!("the option {key} is not used: the driver {driver} does not know it for volumes of type {kind}");
        tell(message, key, value, table, findings);
    }
}

fn knows(table: &[&'static Setting], key: &str) -> bool {
    table.iter().any(|setting| setting.key == key)
}

fn tell(message: String, key: &str, value: &Located<String>, table: &[&'static Setting], findings: &mut Findings<'_>) {
    let known: Vec<&str> = table.iter().map(|setting| setting.key).collect();
    let help = match closest(key, known.iter().copied()) {
        Some(near) => format!("did you mean {near}?"),
        None if known.is_empty() => "it has none here".to_owned(),
        None => format!("known here are {}", known.join(", ")),
    };
    findings.push(Diagnostic::warning("setting-unknown", message).at(value.location.clone(), None).help(help));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::composes::Texts;

    static SIZE: Setting = Setting::new("X_POOL_SIZE", Takes::Text, "the size").required();
    static ZONES: Setting = Setting::new("X_POOL_ZONES", Takes::List, "the zones").or("1,2");
    static PRIORITY: Setting =
        Setting::new("X_PRIORITY", Takes::Words(&["Regular", "Spot"]), "the priority").or("Spot");
    static GIB: Setting = Setting::new("X_GIB", Takes::Whole, "the size in GiB").or("110");
    static TABLE: &[&Setting] = &[&SIZE, &ZONES, &PRIORITY, &GIB];

    fn at() -> Location {
        Location { file: "kompoxapp.yml".into(), line: 3, column: 5 }
    }

    fn written(pairs: &[(&str, &str)]) -> Settings {
        let located = |value: &str| Located { value: value.to_owned(), location: at() };
        Settings(pairs.iter().map(|(key, value)| ((*key).to_owned(), located(value))).collect())
    }

    #[test]
    fn settings_that_nobody_reads_are_told_with_what_was_meant() {
        let texts = Texts::new(&[]);
        let mut found = Findings::new(&texts);
        unknown("x", &written(&[("X_POL_ZONES", "1"), ("X_POOL_SIZE", "1"), ("OTHER", "1")]), TABLE, &mut found);
        let found: Vec<_> = found.iter().map(|one| (one.to_string(), one.help[0].clone())).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].1, "known here are X_POOL_SIZE, X_POOL_ZONES, X_PRIORITY, X_GIB");
        assert!(found[1].0.contains("kompoxapp.yml:3:5: the setting X_POL_ZONES is not used"), "{found:?}");
        assert_eq!(found[1].1, "did you mean X_POOL_ZONES?");
    }

    #[test]
    fn what_is_absent_is_read_from_the_environment_and_then_from_the_table() {
        let texts = Texts::new(&[]);
        let mut found = Findings::new(&texts);
        let environment = BTreeMap::from([("X_PRIORITY".to_owned(), "regular".to_owned())]);
        let (settings, owner) = (written(&[("X_POOL_ZONES", ""), ("X_GIB", "many")]), at());
        let mut reader = Reader::new(&settings, &environment, &owner, &mut found);
        assert_eq!(reader.choice(&PRIORITY), "Regular");
        // Empty is a list of nothing; what cannot be read is told, and the table's counts.
        assert_eq!((reader.list(&ZONES), reader.number(&GIB)), (vec![], 110));
        assert_eq!(reader.required(&SIZE), "");
        let said: Vec<_> = found.iter().map(|one| one.message.clone()).collect();
        assert_eq!(
            said,
            ["X_GIB is \"many\"; it must be a whole number", "the setting X_POOL_SIZE (the size) is missing"]
        );
    }
}
