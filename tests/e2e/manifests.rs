//! `schema`, and `validate` for machines.

use insta::assert_snapshot;
use serde_json::Value;

use crate::project::Project;

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
fn findings_for_code_hosts_are_sarif() {
    let project = Project::gitea();
    let log = project.run_as_is(&["validate", "--format", "sarif"]).done().json();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert!(results.iter().all(|result| result["level"] == "warning"), "{results:?}");
    project.edit("kompoxapp.yml", "      size: 10Gi", "      sise: 10Gi");
    project.edit("compose.yml", "USER_UID=1000", "DB_PASSWORD=hunter2\n      - ${");
    let wrong = project.run_as_is(&["validate", "--format", "sarif", "--json"]).exits(1);
    assert_eq!(wrong.stderr, "");
    assert!(!wrong.stdout.contains("hunter2"));
    assert_snapshot!(project.redact(&serde_json::to_string_pretty(&wrong.json()).unwrap()), @"");
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
