//! Findings as SARIF 2.1.0 (OASIS), which code hosts show beside the lines that they speak of.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::diagnostics::sorted;
use super::typed::Commands;
use crate::diag::{Diagnostic, Diagnostics, Location, Severity};

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One run with a rule for each code and a result for each finding. Paths are relative to the working directory, as in
/// the text; what lies outside of it has its own `file:` URI. Source lines are left out, for they may be long, and
/// whoever shows the result has the file.
pub fn log(diagnostics: &Diagnostics, version: &str, commands: &Commands) -> Json {
    let findings = sorted(diagnostics);
    let codes: BTreeMap<&str, Severity> = findings.iter().fold(BTreeMap::new(), |mut codes, finding| {
        let level = codes.entry(finding.code).or_insert(finding.severity);
        *level = (*level).max(finding.severity);
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
    let results: Vec<Json> =
        findings.iter().map(|finding| result(finding, index.get(finding.code).copied(), commands)).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "kompox", "version": version, "rules": rules } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn result(finding: &Diagnostic, rule: Option<usize>, commands: &Commands) -> Json {
    // The first paragraph says what is wrong, the others what to do.
    let help = finding.help.iter().flat_map(|help| commands.lines(help));
    let text: Vec<String> = std::iter::once(finding.message.clone()).chain(help).collect();
    let mut result = json!({
        "ruleId": finding.code,
        "level": level(finding.severity),
        "message": { "text": text.join("\n\n") },
        "locations": finding.location.iter().map(location).collect::<Vec<_>>(),
    });
    if let Some(rule) = rule {
        result["ruleIndex"] = rule.into();
    }
    result
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
        let log = log(&all, "1.2.3", &Commands::PLAIN);
        insta::assert_snapshot!(pretty(&log["runs"][0]["results"]), @r#"
        [
          {
            "level": "note",
            "locations": [],
            "message": {
              "text": "no place"
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
