//! Rules of a team about plans, written in Rego, the language of Open Policy Agent. A policy is a file of `package kompox`
//! whose rules `deny` and `warn` are sets of texts, or of objects with `msg` and `address`; its `input` is the plan as
//! `plan --json` prints it.

use std::num::NonZeroU32;
use std::time::Duration;

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};
use serde::Deserialize;

/// The package of every policy.
const PACKAGE: &str = "data.kompox";

/// How long all rules together may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a rule says of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The address that it is about, if it names one.
    pub address: Option<String>,
    /// Why, in a line.
    pub text: String,
}

/// What the rules come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why the plan must not be applied.
    pub denied: Vec<Said>,
    /// What else they say of it.
    pub warned: Vec<Said>,
}

/// Why rules cannot be asked. Whoever asks has no verdict, and must not go on as if there were a good one.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// It cannot be read as Rego.
    #[error("{file} is no policy: {why}")]
    NotRego {
        /// The file, as it was named.
        file: String,
        /// What is wrong, with its line.
        why: String,
    },
    /// Its rules would never be asked.
    #[error("{file} has the package {package}; the rules of `package kompox` are asked")]
    OtherPackage {
        /// The file, as it was named.
        file: String,
        /// What it has.
        package: String,
    },
    /// None of the files has one.
    #[error("the policy has neither a rule `deny` nor a rule `warn`")]
    NoRule,
    /// A rule failed, took too long, or says something else than texts.
    #[error("the rule `{rule}` of the policy cannot be asked: {why}")]
    Rule {
        /// `deny` or `warn`.
        rule: &'static str,
        /// What went wrong.
        why: String,
    },
}

/// An element of `deny` or `warn`.
#[derive(Deserialize)]
#[serde(untagged)]
enum Element {
    Text(String),
    Object {
        msg: String,
        #[serde(default)]
        address: Option<String>,
    },
}

/// Asks the rules of all files (name and text) about a plan.
///
/// # Errors
/// The rules cannot be asked.
pub fn judge(files: &[(String, String)], plan: &serde_json::Value) -> Result<Verdict, PolicyError> {
    let mut engine = Engine::new();
    // Never zero; a rule looks at the clock that often.
    let check_interval = NonZeroU32::new(1_000).unwrap_or(NonZeroU32::MIN);
    engine.set_execution_timer_config(ExecutionTimerConfig { limit: PATIENCE, check_interval });
    for (file, text) in files {
        let package = engine
            .add_policy(file.clone(), text.clone())
            .map_err(|error| PolicyError::NotRego { file: file.clone(), why: error.to_string() })?;
        if package != PACKAGE {
            return Err(PolicyError::OtherPackage { file: file.clone(), package });
        }
    }
    engine
        .set_input_json(&plan.to_string())
        .map_err(|error| PolicyError::Rule { rule: "deny", why: error.to_string() })?;
    let (denied, warned) = (ask(&mut engine, "deny")?, ask(&mut engine, "warn")?);
    if denied.is_none() && warned.is_none() {
        return Err(PolicyError::NoRule);
    }
    Ok(Verdict { denied: denied.unwrap_or_default(), warned: warned.unwrap_or_default() })
}

/// What a rule says; nothing where there is no such rule.
fn ask(engine: &mut Engine, rule: &'static str) -> Result<Option<Vec<Said>>, PolicyError> {
    let failed = |why: String| PolicyError::Rule { rule, why };
    let results = engine.eval_query(format!("{PACKAGE}.{rule}"), false).map_err(|error| failed(error.to_string()))?;
    let value = results.result.first().and_then(|result| result.expressions.first()).map(|one| &one.value);
    let Some(value) = value.filter(|value| **value != Value::Undefined) else { return Ok(None) };
    let json = value.to_json_str().map_err(|error| failed(error.to_string()))?;
    let elements: Vec<Element> = serde_json::from_str(&json)
        .map_err(|_| failed("it must be a set of texts, or of objects with `msg` and `address`".to_owned()))?;
    let said = elements.into_iter().map(|element| match element {
        Element::Text(text) => Said { address: None, text },
        Element::Object { msg, address } => Said { address, text: msg },
    });
    Ok(Some(said.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asked(text: &str) -> Result<Verdict, String> {
        let plan = json!({"actions": [{"address": "/ws/o/disk/d", "kind": "disk", "action": "create"}]});
        judge(&[("a.rego".to_owned(), text.to_owned())], &plan).map_err(|error| error.to_string())
    }

    #[test]
    fn rules_say_texts_and_objects() {
        let said = |address: Option<&str>, text: &str| Said { address: address.map(str::to_owned), text: text.into() };
        let verdict = asked(
            "package kompox\n\
             deny contains {\"msg\": \"no disks\", \"address\": a.address} if { some a in input.actions; a.kind == \"disk\" }\n\
             warn contains \"one\" if count(input.actions) == 1\n\
             warn contains \"two\" if count(input.actions) == 2\n",
        );
        let expected =
            Verdict { denied: vec![said(Some("/ws/o/disk/d"), "no disks")], warned: vec![said(None, "one")] };
        assert_eq!(verdict, Ok(expected));
        assert_eq!(asked("package kompox\ndeny contains \"x\" if false"), Ok(Verdict::default()));
    }

    #[test]
    fn what_cannot_be_asked_is_no_good_verdict() {
        let cases = [
            ("package kompox\ndeny contains", "a.rego is no policy: "),
            ("package other\ndeny contains \"x\"", "a.rego has the package data.other"),
            ("package kompox\nallow := true", "neither a rule `deny` nor a rule `warn`"),
            ("package kompox\ndeny := true", "the rule `deny` of the policy cannot be asked: it must be a set"),
            ("package kompox\nwarn contains x if x := 1 / 0", "the rule `warn` of the policy cannot be asked: "),
        ];
        for (text, why) in cases {
            let error = asked(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
