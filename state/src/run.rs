//! The history: what was run, how it ended, how long actions take.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::verb::Verb;

/// One apply, destroy or other writing command in the history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// UUID of the run.
    pub id: String,
    /// Who ran it.
    pub actor: String,
    /// On which host.
    pub host: String,
    /// The command, without secrets.
    pub command: String,
    /// Digest of the plan it executed.
    pub plan_digest: Option<String>,
    /// When it started (RFC 3339).
    pub started_at: String,
    /// When it ended (RFC 3339); `None` while it runs, and for ever if it was killed and nobody finished it.
    pub finished_at: Option<String>,
    /// How it ended; `None` as long as it has not finished.
    pub result: Option<RunResult>,
    /// How many actions were planned; `None` in runs of versions that did not say.
    pub planned: Option<Counts>,
    /// How many actions were done, until now or in the end.
    pub counts: Counts,
    /// Wall time in milliseconds, until the last action that was done or to the end.
    pub duration_ms: Option<u64>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunResult {
    /// Everything that was planned was done.
    Ok,
    /// Something was not.
    Failed,
    /// A signal or its end stopped it.
    Interrupted,
}

impl RunResult {
    const ALL: [RunResult; 3] = [Self::Ok, Self::Failed, Self::Interrupted];

    /// The word in texts and in the state.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// The result with this word, if there is one.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|result| result.word() == word)
    }
}

/// How many actions of each verb. As JSON an object with a number per [`word`](Verb::word).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Verb, u64>);

impl Counts {
    /// Counts one more.
    pub fn add(&mut self, verb: Verb) {
        let count = self.0.entry(verb).or_default();
        *count = count.saturating_add(1);
    }

    /// Verbs and how often, each verb once.
    pub fn iter(&self) -> impl Iterator<Item = (Verb, u64)> {
        self.0.iter().map(|(verb, count)| (*verb, *count))
    }

    /// How many actions in all.
    pub fn total(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

impl FromIterator<(Verb, u64)> for Counts {
    fn from_iter<T: IntoIterator<Item = (Verb, u64)>>(counts: T) -> Self {
        Self(counts.into_iter().collect())
    }
}

impl Serialize for Counts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(verb, count)| (verb.word(), count)))
    }
}

impl<'de> Deserialize<'de> for Counts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let counts = BTreeMap::<String, u64>::deserialize(deserializer)?;
        let typed = counts.into_iter().map(|(word, count)| Some((Verb::from_word(&word)?, count)));
        typed.collect::<Option<Self>>().ok_or_else(|| D::Error::custom("a count of what is no verb"))
    }
}

/// How long actions of one verb take on one kind. The scheduler plans with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionDuration {
    /// Name of the kind.
    pub kind: String,
    /// The verb.
    pub action: Verb,
    /// Wall time in milliseconds: of one action where it is written, the mean of all where it is read.
    pub millis: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_they_were_written() {
        let mut counts: Counts = [(Verb::Create, 3), (Verb::Refresh, 1)].into_iter().collect();
        counts.add(Verb::Delete);
        counts.add(Verb::Delete);
        assert_eq!(counts.total(), 6);
        let json = serde_json::json!({"accept": 1, "create": 3, "delete": 2});
        assert_eq!(serde_json::to_value(&counts).unwrap(), json);
        assert_eq!(serde_json::from_value::<Counts>(json).unwrap(), counts);
        for text in [r#"{"explode":1}"#, r#"{"create":-1}"#, r#"{"create":"1"}"#, "[]", "1"] {
            assert!(serde_json::from_str::<Counts>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_result_is_read_back() {
        for result in RunResult::ALL {
            assert_eq!(RunResult::from_word(result.word()), Some(result));
            assert_eq!(serde_json::to_value(result).unwrap(), result.word());
        }
        assert_eq!(RunResult::from_word("done"), None);
    }
}
