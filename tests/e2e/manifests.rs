//! `schema`, and `validate` for machines.

use insta::assert_snapshot;
use serde_json::Value;

use crate::harness::project::Project;

#[test]
fn the_schema_takes_the_examples_and_marks_mistakes() {
    let project = Project::gitea();
    let schema = project.run_as_is(&["schema"]).done().json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let documents = |text: &str| -> Vec<Value> {
        let source = kompox::yaml::Source::new("kompoxapp.yml", text);
        let documents = kompox::yaml::parse(&source, kompox::yaml::Limits::default()).unwrap();
        documents.iter().map(|document| document.to_json()).collect()
    };
    let examples = [project.read("kompoxapp.yml"), Project::example("two-clusters").read("kompoxapp.yml")];
    for document in examples.iter().flat_map(|text| documents(text)) {
        let faults: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(faults, [""; 0], "{document:#}");
    }
    let slipped = examples[0].replace("volumes:", "volums:");
    assert!(documents(&slipped).iter().any(|document| !validator.is_valid(document)));
    for kind in ["workspace", "provider", "cluster", "app", "box", "defaults"] {
        let one = project.run_as_is(&["schema", kind]).done().json();
        let title = one["title"].as_str().unwrap();
        assert_eq!(title.to_lowercase(), kind);
        assert!(jsonschema::validator_for(&one).is_ok());
    }
    assert!(project.run_as_is(&["schema", "pod"]).exits(1).stderr.contains("possible values"));
}

#[test]
fn a_driver_that_there_is_not_is_shown_at_its_line() {
    let project = Project::gitea();
    project.edit("kompoxapp.yml", "driver: aks", "driver: gke");
    assert_snapshot!(project.words(&project.run(&["validate"]).exits(1)), @r#"
    error[driver]: this version has no driver "gke"
      --> kompoxapp.yml:26:11
       |
    26 |   driver: gke
       |           ^^^
       |
       = help: it has these: aks, k3s

    1 error
    "#);
}

/// The state knows an account by one key, so that nobody could tell who signs in.
#[test]
fn two_providers_of_one_account_sign_in_alike() {
    let project = Project::empty("two");
    project.write(".kompox/config.yml", "version: 1\n");
    let provider = |name: &str, client: &str| {
        format!(
            "---\napiVersion: ops.kompox.dev/v1alpha1\nkind: Provider\nmetadata: {{name: {name}, annotations: \
             {{ops.kompox.dev/id: /ws/w/prv/{name}}}}}\nspec:\n  driver: aks\n  settings: {{AZURE_AUTH_METHOD: \
             managed_identity, AZURE_SUBSCRIPTION_ID: 11111111-2222-3333-4444-555555555555, AZURE_LOCATION: eastus, \
             AZURE_CLIENT_ID: {client}}}\n"
        )
    };
    let workspace = "apiVersion: ops.kompox.dev/v1alpha1\nkind: Workspace\nmetadata: {name: w, annotations: \
                     {ops.kompox.dev/id: /ws/w}}\nspec: {}\n";
    let with = |client: &str| {
        project.write("kompoxapp.yml", &format!("{workspace}{}{}", provider("p", "a"), provider("q", client)));
        project.run_as_is(&["validate"])
    };
    with("a").done();
    assert_snapshot!(with("b").exits(1).errors(), @"
    error[sign-in]: the Providers q and p (kompoxapp.yml:6:1) are of one account and differ in how they sign in to it: AZURE_CLIENT_ID
      --> kompoxapp.yml:13:1
       |
    13 | apiVersion: ops.kompox.dev/v1alpha1
       | ^^^^^^^^^^
       |
       = help: write the same AZURE_CLIENT_ID in both, or sign in to one of them another way

    1 error
    ");
}

#[test]
fn findings_for_code_hosts_are_sarif() {
    let project = Project::gitea();
    let log = project.run_as_is(&["validate", "--format", "sarif"]).done().json();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert!(results.iter().all(|result| result["level"] != "error"), "{results:?}");
    project.edit("kompoxapp.yml", "      size: 10Gi", "      sise: 10Gi");
    project.edit("compose.yml", "USER_UID=1000", "DB_PASSWORD=hunter2\n      - ${");
    let wrong = project.run_as_is(&["validate", "--format", "sarif", "--json"]).exits(1);
    assert_eq!(wrong.stderr, "");
    assert!(!wrong.stdout.contains("hunter2"));
    assert_snapshot!(project.redact(&serde_json::to_string_pretty(&wrong.json()).unwrap()), @r#"
    {
      "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
      "runs": [
        {
          "automationDetails": {
            "id": "validate/"
          },
          "columnKind": "unicodeCodePoints",
          "invocations": [
            {
              "executionSuccessful": true,
              "toolExecutionNotifications": []
            }
          ],
          "results": [
            {
              "level": "error",
              "locations": [
                {
                  "physicalLocation": {
                    "artifactLocation": {
                      "uri": "kompoxapp.yml"
                    },
                    "region": {
                      "startColumn": 7,
                      "startLine": 83
                    }
                  }
                }
              ],
              "message": {
                "text": "a volume has no key \"sise\" (document 4)\n\ndid you mean \"size\"?"
              },
              "partialFingerprints": {
                "primaryLocationLineHash": "bf3f0134fbf37ac1:1"
              },
              "ruleId": "kom-unknown-key",
              "ruleIndex": 0
            }
          ],
          "tool": {
            "driver": {
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
                }
              ],
              "version": "0.1.0"
            }
          }
        }
      ],
      "version": "2.1.0"
    }
    "#);
    project.edit("kompoxapp.yml", "      sise: 10Gi", "      size: 10Gi");
    let wrong = project.run_as_is(&["validate", "--format", "sarif"]).exits(1);
    let log = wrong.json();
    // Errors come last, as in the text.
    let result = log["runs"][0]["results"].as_array().unwrap().last().unwrap();
    assert_eq!(result["ruleId"], "compose-interpolation");
    assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "compose.yml");
    assert!(!wrong.stdout.contains("hunter2"));
    // The same findings for other machines.
    let json = project.run_as_is(&["validate", "--format", "json"]).exits(1).json();
    assert_eq!(json.as_array().unwrap().last().unwrap()["code"], "compose-interpolation");
}

/// The example's App with a share beside its disk.
const SHARE: &str = "    - name: media
      type: files
      size: 1Gi
      assigned: a
      disks:
        - {name: a}
        - {name: b, size: 2Gi}
";

#[test]
fn every_declared_share_exists_and_one_is_assigned() {
    let project = Project::gitea();
    let app = project.read("kompoxapp.yml");
    project.write("kompoxapp.yml", &format!("{}\n{SHARE}", app.trim_end()));
    project.edit("compose.yml", "- ./data/gitea:/data", "- ./data/gitea:/data\n      - media/files:/media");
    project.run(&["apply", "--auto-approve"]).done();
    let shares = |project: &Project| -> Vec<(String, String, u64)> {
        let shares =
            project.inspect().into_iter().filter(|object| object["id"].as_str().unwrap().contains("/shares/media-"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut shares: Vec<_> = shares
            .map(|share| {
                let properties = &share["object"]["properties"];
                let name = share["id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
                let assigned = text(&properties["metadata"]["kompox_files_share_assigned"]);
                (name, assigned, properties["shareQuota"].as_u64().unwrap())
            })
            .collect();
        shares.sort();
        shares
    };
    let both = |a: &str, b: &str| [("media-a".to_owned(), a.to_owned(), 1), ("media-b".to_owned(), b.to_owned(), 2)];
    assert_eq!(shares(&project), both("true", "false"));
    project.edit("kompoxapp.yml", "assigned: a", "assigned: b");
    project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(shares(&project), both("false", "true"), "the other one stays as it is");
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn what_a_share_cannot_have_is_an_error_at_its_place() {
    let project = Project::gitea();
    let app = project.read("kompoxapp.yml");
    let share = SHARE.replace("{name: b, size: 2Gi}", "{name: b, source: \"disk:a\"}")
        + "      snapshots: [{name: s, source: \"disk:a\"}]\n";
    project.write("kompoxapp.yml", &format!("{}\n{share}", app.trim_end()));
    let wrong = project.run_as_is(&["validate"]).exits(1);
    let errors = wrong.errors();
    let (errors, counts) = errors.trim_end().rsplit_once("\n\n").unwrap();
    assert!(counts.starts_with("2 errors"), "{counts}");
    assert_snapshot!(errors, @r#"
    error[volume]: the share b of the volume media cannot have a "source"
      --> kompoxapp.yml:92:29
       |
    92 |         - {name: b, source: "disk:a"}
       |                             ^^^^^
       |
       = help: only disks have one: take it out, or make the volume of type disk

    error[volume]: the volume media is a share, of which no snapshots are declared
      --> kompoxapp.yml:93:19
       |
    93 |       snapshots: [{name: s, source: "disk:a"}]
       |                   ^^^^^
       |
       = help: take the snapshots out, or make the volume of type disk
    "#);
}
