//! Faults on demand: rules such as `disks.put:429@0.3,seed=7`, and what they decide for a request.
//!
//! ```text
//! <type>.<verb>:<what>[@probability][,seed=N][,after=N][,times=N][,retry-after=S]
//! ```
//!
//! Decisions depend on nothing but the seed, the rule and how many requests it has matched before, so a run with the same requests meets
//! the same faults. Rules belong to a run of the sandbox, not to the world: a new run starts counting anew.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};

/// Resource types of the resource manager that a rule may name.
const ARM_TYPES: &[&str] = &[
    "resourceGroups",
    "resources",
    "disks",
    "snapshots",
    "managedClusters",
    "agentPools",
    "userAssignedIdentities",
    "federatedIdentityCredentials",
    "roleAssignments",
    "locks",
    "storageAccounts",
    "shares",
    "dnsZones",
    "recordSets",
    "operations",
];

/// Kubernetes resources (plural) that a rule may name.
const KUBERNETES_TYPES: &[&str] = &[
    "namespaces",
    "nodes",
    "pods",
    "events",
    "services",
    "endpoints",
    "endpointslices",
    "configmaps",
    "secrets",
    "serviceaccounts",
    "persistentvolumes",
    "persistentvolumeclaims",
    "limitranges",
    "resourcequotas",
    "deployments",
    "replicasets",
    "statefulsets",
    "daemonsets",
    "jobs",
    "cronjobs",
    "horizontalpodautoscalers",
    "poddisruptionbudgets",
    "ingresses",
    "ingressclasses",
    "networkpolicies",
    "roles",
    "rolebindings",
    "clusterroles",
    "clusterrolebindings",
    "storageclasses",
    "volumesnapshots",
    "customresourcedefinitions",
    "secretproviderclasses",
];

const VERBS: &[&str] = &["get", "list", "watch", "head", "put", "post", "patch", "delete"];

const EFFECTS: &[&str] = &[
    "429",
    "500",
    "503",
    "409",
    "403",
    "401",
    "reset-before",
    "reset-after",
    "truncate",
    "fail",
    "quota",
    "nonsense",
    "latency=MS",
];

const OPTIONS: &[&str] = &["seed=N", "after=N", "times=N", "retry-after=S"];

/// What a fault does to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The answer is this status and the request has no effect.
    Status(u16),
    /// The connection is reset before the request has an effect.
    ResetBefore,
    /// The connection is reset after the request had its effect, instead of an answer.
    ResetAfter,
    /// The answer breaks off in the middle of its body.
    Truncate,
    /// The long-running operation that the request starts ends in failure.
    Fail,
    /// A quota is exceeded.
    Quota,
    /// The answer is 200 with a body that is no JSON, as a proxy in between might give.
    Nonsense,
    /// The answer comes later.
    Latency(Duration),
}

impl Fault {
    /// Whether it takes the place of the real answer, and of the effect.
    #[must_use]
    pub const fn is_answer(self) -> bool {
        matches!(self, Self::Status(_) | Self::ResetBefore | Self::Quota | Self::Nonsense)
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultRule {
    text: String,
    resource: String,
    verb: String,
    /// What it does.
    pub fault: Fault,
    probability: f64,
    seed: Option<u64>,
    after: u64,
    times: Option<u64>,
    /// The value of `Retry-After` in seconds, for statuses.
    pub retry_after: Option<u32>,
}

/// A rule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault rule `{rule}`, position {position}: {problem}")]
pub struct FaultError {
    /// The rule as given.
    pub rule: String,
    /// Where, in characters from 1.
    pub position: usize,
    /// What is wrong, and which words are valid there.
    pub problem: String,
}

impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for FaultRule {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let parser = Parser { text };
        let colon = text.find(':').ok_or_else(|| {
            parser.error(
                text.len(),
                "expected `:` and what happens; a rule is <type>.<verb>:<what>, e.g. disks.put:429".into(),
            )
        })?;
        let selector = &text[..colon];
        let dot = selector
            .find('.')
            .ok_or_else(|| parser.error(colon, "expected `.` and a verb between the type and `:`".into()))?;
        let resource = parser.resource(&selector[..dot])?;
        let verb = parser.verb(&selector[dot + 1..], dot + 1)?;

        let mut parts = text[colon + 1..].split(',');
        let mut position = colon + 1;
        // `split` gives at least one part, however empty the text is.
        let first = parts.next().unwrap_or_default();
        let (what, probability) = match first.find('@') {
            Some(at) => (&first[..at], parser.probability(&first[at + 1..], position + at + 1)?),
            None => (first, 1.0),
        };
        let fault = parser.fault(what, position)?;
        position += first.len() + 1;

        let mut rule = Self {
            text: text.to_owned(),
            resource,
            verb,
            fault,
            probability,
            seed: None,
            after: 0,
            times: None,
            retry_after: None,
        };
        for part in parts {
            parser.option(part, position, &mut rule)?;
            position += part.len() + 1;
        }
        Ok(rule)
    }
}

struct Parser<'a> {
    text: &'a str,
}

impl Parser<'_> {
    fn error(&self, byte: usize, problem: String) -> FaultError {
        let position = self.text.get(..byte).map_or(0, |before| before.chars().count()) + 1;
        FaultError { rule: self.text.to_owned(), position, problem }
    }

    fn resource(&self, word: &str) -> Result<String, FaultError> {
        if word == "*" {
            return Ok(word.to_owned());
        }
        let known = ARM_TYPES.iter().chain(KUBERNETES_TYPES).any(|known| known.eq_ignore_ascii_case(word));
        if known {
            Ok(word.to_ascii_lowercase())
        } else {
            let valid: Vec<&str> = ARM_TYPES.iter().chain(KUBERNETES_TYPES).copied().collect();
            Err(self.error(0, format!("`{word}` is no resource type; valid are *, {}", valid.join(", "))))
        }
    }

    fn verb(&self, word: &str, at: usize) -> Result<String, FaultError> {
        if word == "*" || VERBS.contains(&word) {
            Ok(word.to_owned())
        } else {
            Err(self.error(at, format!("`{word}` is no verb; valid are *, {}", VERBS.join(", "))))
        }
    }

    fn probability(&self, word: &str, at: usize) -> Result<f64, FaultError> {
        word.parse::<f64>()
            .ok()
            .filter(|value| (0.0..=1.0).contains(value))
            .ok_or_else(|| self.error(at, format!("`{word}` is no probability; valid are numbers from 0 to 1")))
    }

    fn fault(&self, word: &str, at: usize) -> Result<Fault, FaultError> {
        Ok(match word {
            "429" | "500" | "503" | "409" | "403" | "401" => Fault::Status(word.parse().unwrap_or(500)),
            "reset-before" => Fault::ResetBefore,
            "reset-after" => Fault::ResetAfter,
            "truncate" => Fault::Truncate,
            "fail" => Fault::Fail,
            "quota" => Fault::Quota,
            "nonsense" => Fault::Nonsense,
            _ => match word.strip_prefix("latency=") {
                Some(ms) => Fault::Latency(Duration::from_millis(self.number(ms, at + "latency=".len())?)),
                None => {
                    return Err(self.error(at, format!("`{word}` is no fault; valid are {}", EFFECTS.join(", "))));
                }
            },
        })
    }

    fn number<T: FromStr>(&self, word: &str, at: usize) -> Result<T, FaultError> {
        word.parse().map_err(|_| self.error(at, format!("`{word}` is no whole number, or too large")))
    }

    fn option(&self, part: &str, at: usize, rule: &mut FaultRule) -> Result<(), FaultError> {
        let unknown = || self.error(at, format!("`{part}` is no option; valid are {}", OPTIONS.join(", ")));
        let (key, value) = part.split_once('=').ok_or_else(unknown)?;
        let at_value = at + key.len() + 1;
        match key {
            "seed" => rule.seed = Some(self.number(value, at_value)?),
            "after" => rule.after = self.number(value, at_value)?,
            "times" => rule.times = Some(self.number(value, at_value)?),
            "retry-after" => rule.retry_after = Some(self.number(value, at_value)?),
            _ => return Err(unknown()),
        }
        Ok(())
    }
}

/// What a request is about, as rules name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The resource type, lower case.
    pub resource: String,
    /// The verb.
    pub verb: &'static str,
}

/// The rules of a run with their counts.
#[derive(Debug)]
pub struct Faults {
    seed: u64,
    rules: Vec<FaultRule>,
    counts: Mutex<Vec<Count>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    matched: u64,
    fired: u64,
}

impl Faults {
    /// `seed` is used by the rules that name none.
    #[must_use]
    pub fn new(rules: Vec<FaultRule>, seed: u64) -> Self {
        let counts = Mutex::new(vec![Count::default(); rules.len()]);
        Self { seed, rules, counts }
    }

    /// The rules that strike a request, in their order. Of those that put something in place of the answer one strikes at most; the
    /// others keep their times for later requests.
    pub fn decide(&self, subject: &Subject) -> Vec<&FaultRule> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut struck: Vec<&FaultRule> = Vec::new();
        for (index, (rule, count)) in self.rules.iter().zip(counts.iter_mut()).enumerate() {
            let matches = (rule.resource == "*" || rule.resource == subject.resource)
                && (rule.verb == "*" || rule.verb == subject.verb);
            if !matches {
                continue;
            }
            count.matched += 1;
            if rule.fault.is_answer() && struck.iter().any(|other| other.fault.is_answer()) {
                continue;
            }
            let due = count.matched > rule.after && rule.times.is_none_or(|times| count.fired < times);
            if due && draw(rule.seed.unwrap_or(self.seed), index, &rule.text, count.matched) < rule.probability {
                count.fired += 1;
                struck.push(rule);
            }
        }
        struck
    }
}

/// A number in 0..1 that depends on its arguments only.
fn draw(seed: u64, index: usize, rule: &str, ordinal: u64) -> f64 {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update((index as u64).to_be_bytes());
    hash.update(rule.as_bytes());
    hash.update(ordinal.to_be_bytes());
    let digest = hash.finalize();
    let mut top = [0_u8; 4];
    top.copy_from_slice(&digest[..4]);
    f64::from(u32::from_be_bytes(top)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in "\\PC{0,40}|[a-z*]{0,9}[.:@,=a-z0-9é]{0,30}") {
            if let Err(error) = text.parse::<FaultRule>() {
                prop_assert!(error.position >= 1 && error.position <= text.chars().count() + 1);
            }
        }
    }

    fn subject(resource: &str, verb: &'static str) -> Subject {
        Subject { resource: resource.to_ascii_lowercase(), verb }
    }

    #[test]
    fn reads_the_whole_grammar() {
        let rule: FaultRule = "disks.put:429@0.3,seed=7,after=2,times=3,retry-after=5".parse().unwrap();
        assert_eq!(rule.fault, Fault::Status(429));
        assert_eq!((rule.seed, rule.after, rule.times, rule.retry_after), (Some(7), 2, Some(3), Some(5)));
        let rule: FaultRule = "*.*:latency=250".parse().unwrap();
        assert_eq!(rule.fault, Fault::Latency(Duration::from_millis(250)));
        for word in EFFECTS.iter().filter(|word| !word.contains('=')) {
            format!("managedClusters.delete:{word}").parse::<FaultRule>().unwrap();
        }
    }

    #[test]
    fn errors_name_the_position_and_the_words() {
        let error = |text: &str| text.parse::<FaultRule>().unwrap_err();
        assert_eq!(error("disk.put:429").position, 1);
        assert!(error("disk.put:429").problem.contains("disks, snapshots"));
        assert_eq!(error("disks.write:429").position, 7);
        assert!(error("disks.write:429").problem.contains("put, post, patch"));
        assert_eq!(error("disks.put:418").position, 11);
        assert!(error("disks.put:418").problem.contains("reset-before"));
        assert_eq!(error("disks.put:429@2").position, 15);
        assert_eq!(error("disks.put:429,often=1").position, 15);
        assert!(error("disks.put:429,often=1").problem.contains("retry-after=S"));
        assert_eq!(error("disks.put:429,times=x").position, 21);
        assert_eq!(error("disks.put").position, 10);
        assert_eq!(error("disks:429").position, 6);
        assert_eq!(error("").position, 1);
    }

    #[test]
    fn the_same_seed_strikes_the_same_requests() {
        let strikes = |seed: u64| -> Vec<bool> {
            let faults = Faults::new(vec!["disks.put:429@0.3".parse().unwrap()], seed);
            (0..200).map(|_| !faults.decide(&subject("disks", "put")).is_empty()).collect()
        };
        assert_eq!(strikes(7), strikes(7));
        assert_ne!(strikes(7), strikes(8));
        let count = strikes(7).iter().filter(|struck| **struck).count();
        assert!((30..=90).contains(&count), "{count} of 200 at 0.3");
    }

    #[test]
    fn after_and_times_count_matching_requests_only() {
        let faults = Faults::new(vec!["disks.put:500,after=1,times=2".parse().unwrap()], 0);
        let mut struck = Vec::new();
        for _ in 0..5 {
            assert!(faults.decide(&subject("disks", "get")).is_empty());
            assert!(faults.decide(&subject("snapshots", "put")).is_empty());
            struck.push(!faults.decide(&subject("disks", "put")).is_empty());
        }
        assert_eq!(struck, [false, true, true, false, false]);
    }
}
