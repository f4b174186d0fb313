//! Findings as SARIF 2.1.0 (OASIS), which code hosts show beside the lines that they speak of.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

use super::diagnostics::order;
use super::typed::Commands;
use crate::diag::{Diagnostic, Diagnostics, Location, Severity};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The most results of a run that code hosts take (GitHub, "SARIF support for code scanning": 25,000, of which it shows
/// 5,000); more, and they refuse the file.
const MOST_RESULTS: usize = 25_000;

/// What is said of a whole run.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// The program's version.
    pub version: &'a str,
    /// What was looked for. Code hosts keep results of one category until the next upload of it, and take what is not in it
    /// any more as mended.
    pub category: &'static str,
    /// The file that stands for the project: where findings are that no line is at fault for. Code hosts refuse results
    /// without a place.
    pub file: &'a str,
}

/// A finding, and what it is about where that lasts longer than its words.
#[derive(Debug, Clone, Copy)]
pub struct Finding<'a> {
    /// What is said.
    pub said: &'a Diagnostic,
    /// What a code host knows it again by; its words where there is nothing better.
    pub about: Option<&'a str>,
}

impl<'a> Finding<'a> {
    /// Those of input files.
    pub fn of(diagnostics: &'a Diagnostics) -> impl Iterator<Item = Self> {
        diagnostics.iter().map(|said| Self { said, about: None })
    }
}

/// One run with a rule for each code and a result for each finding. Paths are relative to the working directory, as in
/// the text; what lies outside of it has its own `file:` URI. Source lines are left out, for they may be long, and
/// whoever shows the result has the file. Of too many findings the worst are kept, and the run says so.
pub fn log<'a>(findings: impl IntoIterator<Item = Finding<'a>>, run: &Run<'_>, commands: &Commands) -> Json {
    let mut findings: Vec<Finding<'_>> = findings.into_iter().collect();
    findings.sort_by(|a, b| order(a.said, b.said));
    let left_out = findings.len().saturating_sub(MOST_RESULTS);
    findings.drain(..left_out);
    let codes: BTreeMap<&str, Severity> = findings.iter().fold(BTreeMap::new(), |mut codes, finding| {
        let level = codes.entry(finding.said.code).or_insert(finding.said.severity);
        *level = (*level).max(finding.said.severity);
        codes
    });
    let rules: Vec<Json> = codes
        .iter()
        .map(|(code, severity)| {
            json!({
                "id": code,
                "name": pascal_case(code),
                "shortDescription": { "text": words(code) },
                "defaultConfiguration": { "level": level(*severity) },
            })
        })
        .collect();
    let index: BTreeMap<&str, usize> = codes.keys().enumerate().map(|(at, code)| (*code, at)).collect();
    let mut prints = Fingerprints::default();
    let result = |finding: &Finding<'_>| {
        let mut result = result(finding.said, run.file, commands);
        result["ruleIndex"] = index.get(finding.said.code).copied().into();
        result["partialFingerprints"] = json!({ "primaryLocationLineHash": prints.of(finding) });
        result
    };
    let results: Vec<Json> = findings.iter().map(result).collect();
    let told = (left_out > 0).then(|| {
        let text = format!("{left_out} findings are left out: code hosts take no more than {MOST_RESULTS}.");
        json!({ "level": "warning", "message": { "text": text } })
    });
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "kompox", "version": run.version, "rules": rules } },
            "automationDetails": { "id": format!("{}/", run.category) },
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": told.into_iter().collect::<Vec<_>>(),
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// What tells findings apart and lasts while lines move: by it a code host knows one again, whatever its words are now.
/// GitHub reads `primaryLocationLineHash` and no other, and without it hashes the line, which many objects may share.
#[derive(Default)]
struct Fingerprints(BTreeMap<String, usize>);

impl Fingerprints {
    /// Rule, file and what it is about; equal ones are counted.
    fn of(&mut self, Finding { said, about }: &Finding<'_>) -> String {
        let file = said.location.as_ref().map(|location| &*location.file).unwrap_or_default();
        let about = about.unwrap_or(&said.message);
        let digest = Sha256::digest(format!("{}\0{file}\0{about}", said.code));
        let print: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let count = self.0.entry(print.clone()).or_default();
        *count += 1;
        format!("{print}:{count}")
    }
}

fn result(finding: &Diagnostic, file: &str, commands: &Commands) -> Json {
    // The first paragraph says what is wrong, the others what to do.
    let help = finding.help.iter().flat_map(|help| commands.lines(help));
    let text: Vec<String> = std::iter::once(finding.message.clone()).chain(help).collect();
    let whole = Location::new(file, 1, 1);
    json!({
        "ruleId": finding.code,
        "level": level(finding.severity),
        "message": { "text": text.join("\n\n") },
        "locations": [location(finding.location.as_ref().unwrap_or(&whole))],
    })
}

fn location(location: &Location) -> Json {
    json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri(&location.file) },
            "region": { "startLine": location.line.max(1), "startColumn": location.column.max(1) },
        },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// `kom-unknown-key` as `KomUnknownKey`.
fn pascal_case(code: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    code.split('-').map(capital).collect()
}

/// `kom-unknown-key` as `kom: unknown key`.
fn words(code: &str) -> String {
    match code.split_once('-') {
        Some((area, rest)) => format!("{area}: {}", rest.replace('-', " ")),
        None => code.to_owned(),
    }
}

/// A path as a URI reference (RFC 3986): relative ones stay relative.
fn uri(path: &str) -> String {
    let path = path.replace('\\', "/");
    let mut uri = String::with_capacity(path.len());
    let drive = matches!(path.as_bytes(), [letter, b':', b'/', ..] if letter.is_ascii_alphabetic());
    if path.starts_with('/') {
        uri.push_str("file://");
    } else if drive {
        uri.push_str("file:///");
    } else if path.split('/').next().is_some_and(|first| first.contains(':')) {
        // Else the part before the colon would be a scheme.
        uri.push_str("./");
    }
    for byte in path.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@".contains(&byte);
        if plain {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    fn pretty(json: &Json) -> String {
        serde_json::to_string_pretty(json).unwrap()
    }

    #[test]
    fn findings_have_rules_levels_and_regions() {
        let mut all = Diagnostics::default();
        all.push(
            Diagnostic::error("kom-unknown-key", "a volume has no key \"sise\"")
                .at(Location::new("apps/my app.yml", 14, 5), Some("    sise: 1".into()))
                .help("did you mean \"size\"?"),
        );
        all.push(Diagnostic::warning("spot", "data on Spot nodes").at(Location::new("/abs/ä.yml", 2, 0), None));
        all.push(Diagnostic::note("spot", "no place"));
        let log = log(Finding::of(&all), &testing::RUN, &Commands::PLAIN);
        insta::assert_snapshot!(pretty(&log["runs"][0]["results"]), @r#"
        [
          {
            "level": "note",
            "locations": [
              {
                "physicalLocation": {
                  "artifactLocation": {
                    "uri": "kompoxapp.yml"
                  },
                  "region": {
                    "startColumn": 1,
                    "startLine": 1
                  }
                }
              }
            ],
            "message": {
              "text": "no place"
            },
            "partialFingerprints": {
              "primaryLocationLineHash": "8eb4397de5bca730:1"
            },
            "ruleId": "spot",
            "ruleIndex": 1
          },
          {
            "level": "warning",
            "locations": [
              {
                "physicalLocation": {
                  "artifactLocation": {
                    "uri": "file:///abs/%C3%A4.yml"
                  },
                  "region": {
                    "startColumn": 1,
                    "startLine": 2
                  }
                }
              }
            ],
            "message": {
              "text": "data on Spot nodes"
            },
            "partialFingerprints": {
              "primaryLocationLineHash": "01491058b5eb508d:1"
            },
            "ruleId": "spot",
            "ruleIndex": 1
          },
          {
            "level": "error",
            "locations": [
              {
                "physicalLocation": {
                  "artifactLocation": {
                    "uri": "apps/my%20app.yml"
                  },
                  "region": {
                    "startColumn": 5,
                    "startLine": 14
                  }
                }
              }
            ],
            "message": {
              "text": "a volume has no key \"sise\"\n\ndid you mean \"size\"?"
            },
            "partialFingerprints": {
              "primaryLocationLineHash": "55f5fd7b4e272b3d:1"
            },
            "ruleId": "kom-unknown-key",
            "ruleIndex": 0
          }
        ]
        "#);
        insta::assert_snapshot!(pretty(&log["runs"][0]["tool"]["driver"]), @r#"
        {
          "name": "kompox",
          "rules": [
            {
              "defaultConfiguration": {
                "level": "error"
              },
              "id": "kom-unknown-key",
              "name": "KomUnknownKey",
              "shortDescription": {
                "text": "kom: unknown key"
              }
            },
            {
              "defaultConfiguration": {
                "level": "warning"
              },
              "id": "spot",
              "name": "Spot",
              "shortDescription": {
                "text": "spot"
              }
            }
          ],
          "version": "1.2.3"
        }
        "#);
        assert!(!log.to_string().contains("sise: 1"), "no source line: it may hold a secret");
    }

    #[test]
    fn a_finding_is_known_again_by_what_it_is_about() {
        let finding =
            |line, message: &str| Diagnostic::warning("drift", message).at(Location::new("a.yml", line, 1), None);
        let print = |about: &str, all: Vec<Diagnostic>| {
            let findings = all.iter().map(|said| Finding { said, about: Some(about) });
            let log = log(findings, &testing::RUN, &Commands::PLAIN);
            let results = log["runs"][0]["results"].as_array().unwrap().clone();
            let prints = results.iter().map(|one| one["partialFingerprints"]["primaryLocationLineHash"].clone());
            prints.collect::<Vec<_>>()
        };
        let first = print("/ws/a/disk/d", vec![finding(2, "1 → 2")]);
        assert_eq!(first, print("/ws/a/disk/d", vec![finding(7, "1 → 3")]));
        assert_ne!(first, print("/ws/a/disk/e", vec![finding(2, "1 → 2")]));
        let twice = print("/ws/a/disk/d", vec![finding(2, "x"), finding(2, "x")]);
        assert_eq!(twice[0], first[0]);
        assert_eq!(twice[1].as_str().unwrap(), first[0].as_str().unwrap().replace(":1", ":2"));
    }

    #[test]
    fn of_too_many_the_worst_are_kept() {
        let mut all = Diagnostics::default();
        all.extend((0..MOST_RESULTS).map(|n| Diagnostic::warning("w", n.to_string())));
        all.push(Diagnostic::error("e", "bad"));
        let log = log(Finding::of(&all), &testing::RUN, &Commands::PLAIN);
        let run = &log["runs"][0];
        assert_eq!(run["results"].as_array().unwrap().len(), MOST_RESULTS);
        assert_eq!(run["results"][MOST_RESULTS - 1]["ruleId"], "e");
        let told = &run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
        assert_eq!(told, "1 findings are left out: code hosts take no more than 25000.");
    }

    #[test]
    fn paths_are_uris() {
        for (path, expected) in [
            ("kompoxapp.yml", "kompoxapp.yml"),
            ("../a b/c#d?.yml", "../a%20b/c%23d%3F.yml"),
            ("a:b/c", "./a:b/c"),
            ("C:\\x\\y.yml", "file:///C:/x/y.yml"),
            ("/x/y", "file:///x/y"),
        ] {
            assert_eq!(uri(path), expected);
        }
    }
}
