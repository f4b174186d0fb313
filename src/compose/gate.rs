//! Which variables of the process compose files may read, and whose values may be seen.
//!
//! Whoever edits a compose file decides what `${NAME}` it names; whoever runs kompox has variables, some of them secret. In
//! continuous integration these are two people, so there a variable comes from the process only if the caller names it.

use std::collections::{BTreeMap, BTreeSet};

use crate::advice::Advice;
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::text::secret::is_secret_name;
use crate::yaml::Source;

/// The flag by which a caller names variables.
const FLAG: &str = "--env-allow";

/// The process's environment, as far as compose files may read it. It has no `Debug`, since values may be secrets.
#[derive(Clone, Default)]
pub struct Gate {
    /// What may be read.
    variables: BTreeMap<String, String>,
    /// What is set and may not be read.
    withheld: BTreeSet<String>,
    /// Of what may be read, what was not named: it is read as `docker compose` does, but never shown.
    unnamed: BTreeSet<String>,
}

impl Gate {
    /// The gate before a process's environment. `named` are the variables that the caller allows, none where the caller
    /// says nothing of them; then everything may be read, unless `CI` is set.
    pub fn new(process: BTreeMap<String, String>, named: Option<&[String]>) -> Self {
        let ci = process.get("CI").is_some_and(|ci| !matches!(ci.to_ascii_lowercase().as_str(), "" | "0" | "false"));
        let (mut variables, mut withheld) = (BTreeMap::new(), BTreeSet::new());
        for (name, value) in process {
            let allowed = match named {
                Some(named) => named.contains(&name),
                None => !ci,
            };
            if allowed {
                variables.insert(name, value);
            } else {
                withheld.insert(name);
            }
        }
        let unnamed = if named.is_some() { BTreeSet::new() } else { variables.keys().cloned().collect() };
        Self { variables, withheld, unnamed }
    }

    /// What may be read.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Whether a variable is set that may not be read.
    pub fn withholds(&self, name: &str) -> bool {
        self.withheld.contains(name)
    }

    /// How to have a variable read that is withheld.
    pub fn help(name: &str) -> String {
        format!("let compose files read it: {FLAG} {name}, or KOMPOX_ENV_ALLOW={name}")
    }

    /// Says of each variable that the texts name, and that is set but withheld, that it is not read: once, where it is
    /// named first. What `environment` has from another place, such as `.env`, is not missed.
    pub fn withheld(&self, texts: &[&Source], environment: &BTreeMap<String, String>) -> Diagnostics {
        let mut findings = Diagnostics::default();
        let mut told = BTreeSet::new();
        for source in texts {
            for (number, line) in source.text.lines().enumerate() {
                if line.trim_start().starts_with('#') {
                    continue;
                }
                for (at, name) in references(line) {
                    if !self.withheld.contains(name) || environment.contains_key(name) || !told.insert(name) {
                        continue;
                    }
                    let message = format!("the variable {name} is set, but compose files may not read it");
                    let column = line[..at].chars().count() + 1;
                    let place = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
                    let location = Location::new(source.file.clone(), place(number + 1), place(column));
                    findings.push(
                        Diagnostic::warning("compose-variable-withheld", message)
                            .help(Self::help(name))
                            .at(location, None),
                    );
                }
            }
        }
        findings
    }

    /// What must not be seen of the variables that the texts name: values of the process that nobody named, and those
    /// of variables that are named like secrets, wherever they come from.
    pub fn veil(&self, texts: &[&Source], environment: &BTreeMap<String, String>) -> Veil {
        let mut values = BTreeMap::new();
        for (_, name) in texts.iter().flat_map(|source| references(&source.text)) {
            let Some(value) = environment.get(name) else { continue };
            let secret = is_secret_name(name);
            let unnamed = self.unnamed.contains(name);
            if secret || unnamed {
                let hidden = Hidden { name: name.to_owned(), secret };
                // A password such as `postgres` is in images and names by chance, and hiding these would give it away.
                for piece in pieces(value).into_iter().filter(|piece| unnamed || is_telling(piece, 6, 12)) {
                    values.entry(piece.to_ascii_lowercase()).or_insert_with(|| hidden.clone());
                }
            }
        }
        let mut values: Vec<(String, Hidden)> = values.into_iter().collect();
        values.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        Veil { values }
    }
}

/// Names of variables that a text looks up, with the place of their dollar sign.
fn references(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut escaped = None;
    for (at, _) in text.match_indices('$') {
        // `$$` is a dollar sign.
        if escaped == Some(at) {
            continue;
        }
        let rest = &text[at + 1..];
        if rest.starts_with('$') {
            escaped = Some(at + 1);
            continue;
        }
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        if length > 0 {
            found.push((at, &rest[..length]));
        }
    }
    found
}

/// The shortest text that is hidden: shorter ones are in every message, and no secrets.
const SHORTEST: usize = 4;
/// The shortest part of a value that is hidden by itself, since messages show what stands around a separator.
const SHORTEST_PART: usize = 8;

fn pieces(value: &str) -> Vec<&str> {
    let number = value.len() <= 5 && value.bytes().all(|b| b.is_ascii_digit());
    let word = matches!(value.to_ascii_lowercase().as_str(), "true" | "false" | "none" | "null");
    let whole = (value.len() >= SHORTEST && !number && !word).then_some(value);
    let parts = value.split(|c: char| c.is_whitespace() || ":,/=@;'\"".contains(c));
    whole.into_iter().chain(parts.filter(|part| part.len() >= SHORTEST_PART)).collect()
}

/// Whether a text is so long, or so mixed, that it is nowhere by chance.
fn is_telling(text: &str, mixed: usize, any: usize) -> bool {
    let mixture = text.bytes().any(|b| b.is_ascii_digit()) && text.bytes().any(|b| b.is_ascii_alphabetic());
    text.len() >= if mixture { mixed } else { any }
}

#[derive(Clone)]
struct Hidden {
    name: String,
    /// Whether its name alone says so.
    secret: bool,
}

/// Values that no message, plan or state may show. It has no `Debug`, since it holds them.
#[derive(Clone, Default)]
pub struct Veil {
    /// In lower case as far as they are ASCII, the longest first.
    values: Vec<(String, Hidden)>,
}

impl Veil {
    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The text with `${NAME}` in place of each value; none if it holds none.
    pub fn cover(&self, text: &str) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let mut text = text.to_owned();
        let mut any = false;
        for (value, Hidden { name, .. }) in &self.values {
            let mut from = 0;
            // Lower case of ASCII only, so that places stay what they are.
            while let Some(at) = text[from..].to_ascii_lowercase().find(value.as_str()) {
                let at = from + at;
                let with = format!("${{{name}}}");
                text.replace_range(at..at + value.len(), &with);
                from = at + with.len();
                any = true;
            }
        }
        any.then_some(text)
    }

    /// Whether a text holds a value.
    pub fn meets(&self, text: &str) -> bool {
        let lower = text.to_ascii_lowercase();
        self.values.iter().any(|(value, _)| lower.contains(value.as_str()))
    }

    /// The variable whose value a name holds, and what to do, since names cannot be hidden. A value that is
    /// a word may be in a name by chance.
    pub fn in_name(&self, text: &str) -> Option<(&str, String)> {
        if self.is_empty() {
            return None;
        }
        let lower = text.to_ascii_lowercase();
        let holds = |(value, _): &&(String, Hidden)| is_telling(value, 8, 16) && lower.contains(value.as_str());
        let (_, hidden) = self.values.iter().find(holds)?;
        let help = match hidden.secret {
            true => "write out what is no secret; a variable that is named like one is never shown".to_owned(),
            false => format!("allow it to be shown: {FLAG} {}", hidden.name),
        };
        Some((&hidden.name, help))
    }

    /// The findings without the values.
    #[must_use]
    pub fn over(&self, findings: Diagnostics) -> Diagnostics {
        if self.is_empty() {
            return findings;
        }
        let mut covered = Diagnostics::default();
        for finding in findings {
            let Diagnostic { severity, code, message, location, source_line, help } = finding;
            let cover = |text: String| self.cover(&text).unwrap_or(text);
            let covered_advice = |advice: Advice| self.cover(&advice.to_string()).map_or(advice, Advice::Say);
            covered.push(Diagnostic {
                severity,
                code,
                message: cover(message),
                location,
                source_line: source_line.filter(|line| !self.meets(line)),
                help: help.into_iter().map(covered_advice).collect(),
            });
        }
        covered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn text(text: &str) -> Source {
        Source::new("compose.yml", text)
    }

    #[test]
    fn what_may_be_read() {
        let names = |gate: &Gate| gate.variables().keys().cloned().collect::<Vec<_>>();
        let here = process(&[("A", "aaaa"), ("B", "bbbb")]);
        let there = process(&[("A", "aaaa"), ("B", "bbbb"), ("CI", "true")]);
        assert_eq!(names(&Gate::new(here.clone(), None)), ["A", "B"]);
        assert_eq!(names(&Gate::new(here, Some(&["B".to_owned()]))), ["B"]);
        assert!(names(&Gate::new(there.clone(), None)).is_empty());
        assert_eq!(names(&Gate::new(there.clone(), Some(&["A".to_owned()]))), ["A"]);
        assert!(names(&Gate::new(there, Some(&[]))).is_empty());
    }

    #[test]
    fn withheld_variables_are_told_once_and_without_their_values() {
        let gate = Gate::new(process(&[("A", "aaaa"), ("B", "bbbb"), ("C", "cccc"), ("CI", "1")]), None);
        let source = text("# ${C}\na: $A $$B ${A:-x}\nb: ${B}\n");
        let found = gate.withheld(&[&source], &process(&[("B", "from .env")]));
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["compose.yml:2:4: the variable A is set, but compose files may not read it"]);
    }

    #[test]
    fn values_are_covered_by_their_names() {
        let all =
            process(&[("TAG", "Hunter2"), ("DB_PASSWORD", "tr0ub4dor"), ("PORT", "8080"), ("URL", "x://longenough/y")]);
        let source = text("${TAG} ${DB_PASSWORD} ${PORT} $URL");
        let shown =
            |gate: &Gate, line: &str| gate.veil(&[&source], &all).cover(line).unwrap_or_else(|| line.to_owned());
        let open = Gate::new(all.clone(), None);
        assert_eq!(shown(&open, "a HUNTER2 b 8080 longenough"), "a ${TAG} b 8080 ${URL}");
        let named = Gate::new(all.clone(), Some(&["TAG".to_owned(), "DB_PASSWORD".to_owned()]));
        assert_eq!(shown(&named, "hunter2 tr0ub4dor"), "hunter2 ${DB_PASSWORD}");
        let words = process(&[("DB_PASSWORD", "postgres")]);
        let source = text("${DB_PASSWORD}");
        let named = Gate::new(BTreeMap::new(), None);
        assert!(named.veil(&[&source], &words).cover("the image postgres:17").is_none());
        // What no text names is no business of a message.
        assert!(open.veil(&[&text("")], &all).cover("hunter2").is_none());
    }
}
