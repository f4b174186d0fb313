//! The history: what was run, how it ended, how long actions take.

use std::collections::{BTreeMap, HashMap};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::sealed::digest;
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
    /// The revision of the manifests, as their version control calls it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Its place in the chain of all that have ended; set by the store, ignored on input. `None` while it runs, and in runs of
    /// versions that made no chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
}

/// A link of the chain of runs: each names the one before it by its digest. That shows a run that was changed, or that is
/// missing. It does not show forgery: who can write the state can write the whole chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The digest of the run that ended before this one; empty in the first.
    pub previous: String,
    /// The SHA-256 of that and of this run.
    pub digest: String,
}

impl Run {
    /// The link of this run behind the one with the digest `previous`.
    pub(crate) fn linked(&self, previous: &str) -> Link {
        let bare = Self { link: None, ..self.clone() };
        // A run is plain text and numbers, which cannot fail to be JSON; if it could, the link would not hold.
        let text = serde_json::to_string(&bare).unwrap_or_default();
        Link { previous: previous.to_owned(), digest: digest(format!("{previous}\n{text}").as_bytes()) }
    }
}

/// Whether all runs that ended hang together, with the one whose digest `head` is as the last.
///
/// # Errors
/// What is wrong.
pub(crate) fn check_chain<'r>(runs: impl IntoIterator<Item = &'r Run>, head: &str) -> Result<u64, String> {
    let mut links: HashMap<&str, (&Run, &Link)> = HashMap::new();
    let mut count = 0;
    for run in runs {
        if let Some(link) = &run.link {
            count += 1;
            links.insert(&link.digest, (run, link));
        }
    }
    let (mut next, mut seen) = (head, 0);
    while !next.is_empty() {
        let Some((run, link)) = links.remove(next) else {
            return Err(format!(
                "the history is not whole: the run before {seen} others, with the digest {next}, is missing or was changed"
            ));
        };
        if run.linked(&link.previous) != *link {
            return Err(format!("the run {} in the history was changed", run.id));
        }
        seen += 1;
        next = &link.previous;
    }
    if seen == count { Ok(seen) } else { Err(format!("{} runs of the history are not in its chain", count - seen)) }
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

/// Where a state has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tip {
    /// The serial of the last commit.
    pub(crate) serial: u64,
    /// The digest of the last run that ended; empty before the first.
    pub(crate) head: String,
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
    fn a_run_that_was_changed_or_taken_out_breaks_the_chain() {
        let mut runs: Vec<Run> = ["r1", "r2", "r3"].map(crate::contract::run).into();
        let mut head = String::new();
        for run in &mut runs {
            let link = run.linked(&head);
            head.clone_from(&link.digest);
            run.link = Some(link);
        }
        assert_eq!(check_chain(&runs, &head), Ok(3));
        for at in 0..runs.len() {
            let mut changed = runs.clone();
            changed[at].counts.add(Verb::Delete);
            assert!(check_chain(&changed, &head).unwrap_err().contains("was changed"), "{at}");
            changed[at].link = None;
            assert!(check_chain(&changed, &head).is_err(), "{at}");
            changed.remove(at);
            assert!(check_chain(&changed, &head).unwrap_err().contains("is not whole"), "{at}");
        }
        assert!(check_chain(&runs, "").unwrap_err().contains("not in its chain"));
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
