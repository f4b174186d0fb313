//! Manifests, compose files and env files.

use std::fs;

use crate::harness::stage::Stage;
use crate::{APPLY, NOWHERE, refused};

/// What is done to the project, and what must be said of it.
struct Case {
    name: &'static str,
    file: &'static str,
    edit: Edit,
    says: &'static [&'static str],
}

enum Edit {
    Replace(&'static str, &'static str),
    Append(&'static str),
    Remove,
}

/// A value that no message may show.
const SECRET: &str = "hunter2";

const CASES: &[Case] = &[
    Case {
        name: "broken YAML",
        file: "kompoxapp.yml",
        edit: Edit::Append("foo: [\n"),
        says: &["not valid YAML", "unclosed bracket", "--> kompoxapp.yml:", "foo: [", "correct the YAML here"],
    },
    Case {
        name: "broken YAML in a compose file",
        file: "compose.yml",
        edit: Edit::Append("  - bad hunter2: [\n"),
        says: &["not valid YAML", "--> compose.yml:", "correct the YAML here"],
    },
    Case {
        name: "a wrong type",
        file: "kompoxapp.yml",
        edit: Edit::Replace("size: 10Gi", "size: [1]"),
        says: &[
            "\"size\" must be a single value, not a sequence",
            "--> kompoxapp.yml:",
            "size: [1]",
            "write a single value here",
        ],
    },
    Case {
        name: "an unknown key",
        file: "kompoxapp.yml",
        edit: Edit::Replace("zone: \"1\"", "zoen: \"1\""),
        says: &["has no key \"zoen\"", "--> kompoxapp.yml:", "did you mean \"zone\"?"],
    },
    Case {
        name: "an unknown kind",
        file: "kompoxapp.yml",
        edit: Edit::Replace("kind: Cluster", "kind: Claster"),
        says: &["\"Claster\" is no kind of KOM document", "--> kompoxapp.yml:", "did you mean \"Cluster\"?"],
    },
    Case {
        name: "an unknown key of the configuration",
        file: ".kompox/config.yml",
        edit: Edit::Append("verzion: 1\n"),
        says: &["the configuration has no key \"verzion\"", "--> .kompox/config.yml:", "did you mean \"version\"?"],
    },
    Case {
        name: "a cycle between disk and snapshot",
        file: "kompoxapp.yml",
        edit: Edit::Replace(
            "size: 10Gi\n",
            "size: 10Gi\n      disks:\n        - {name: blue, source: \"snapshot:s1\"}\n      snapshots:\n        - {name: s1, source: \"disk:blue\"}\n",
        ),
        says: &["these disks and snapshots are made from each other", "--> kompoxapp.yml:", "snapshot:s1", "help: "],
    },
    Case {
        name: "a missing parent",
        file: "kompoxapp.yml",
        edit: Edit::Replace("/cls/cluster1/app/app1", "/cls/cluster9/app/app1"),
        says: &[
            "/cls/cluster9, which no document declares",
            "--> kompoxapp.yml:",
            "write a document of kind Cluster with that ID",
        ],
    },
    Case {
        name: "a missing compose file",
        file: "compose.yml",
        edit: Edit::Remove,
        says: &["the compose file compose.yml cannot be read: there is no such file", "--> kompoxapp.yml:", "help: "],
    },
    Case {
        name: "a missing env file",
        file: "compose-gitea.env",
        edit: Edit::Remove,
        says: &["compose-gitea.env cannot be used: there is no such file", "--> compose.yml:8:9", "help: "],
    },
    Case {
        name: "a port nobody publishes",
        file: "kompoxapp.yml",
        edit: Edit::Replace("port: 3000", "port: 3001"),
        says: &["no service in compose.yml publishes host port 3001", "--> kompoxapp.yml:", "published are 3000"],
    },
    Case {
        name: "a volume nobody declares",
        file: "compose.yml",
        edit: Edit::Replace("./data/gitea:/data", "stuff:/data"),
        says: &["the app has no volume stuff", "--> compose.yml:10:9", "- stuff:/data", "help: "],
    },
    Case {
        name: "a service without an image",
        file: "compose.yml",
        edit: Edit::Replace("image: postgres:17", "image: \"\""),
        says: &["postgres has no image", "--> compose.yml:13:3", "help: "],
    },
    Case {
        name: "a setting that is no number",
        file: "kompoxapp.yml",
        edit: Edit::Replace("AZURE_AKS_USER_VM_DISK_SIZE_GB: 64", "AZURE_AKS_USER_VM_DISK_SIZE_GB: lots"),
        says: &["AZURE_AKS_USER_VM_DISK_SIZE_GB is \"lots\"; it must be a whole number", "--> kompoxapp.yml:"],
    },
    Case {
        name: "a setting that is none of the choices",
        file: "kompoxapp.yml",
        edit: Edit::Replace("AZURE_AUTH_METHOD: azure_cli", "AZURE_AUTH_METHOD: carrier_pigeon"),
        says: &["AZURE_AUTH_METHOD is \"carrier_pigeon\"; it must be one of azure_cli,", "--> kompoxapp.yml:"],
    },
    Case {
        name: "an env file with a control character",
        file: "compose-gitea.env",
        edit: Edit::Append("THING=hunter2\u{1}two\n"),
        says: &["compose-gitea.env", "the value of THING holds a control character", "--> compose.yml:8:9", "help: "],
    },
    Case {
        name: "an env file with an open quote",
        file: "compose-gitea.env",
        edit: Edit::Append("THING=\"hunter2 open\n"),
        says: &["compose-gitea.env: line 8: the quotes do not match", "--> compose.yml:8:9", "help: "],
    },
    Case {
        name: "an env file with a line that is none",
        file: "compose-gitea.env",
        edit: Edit::Append("just hunter2\n"),
        says: &["compose-gitea.env: line 8", "\"=\" is missing", "--> compose.yml:8:9", "help: "],
    },
];

#[test]
fn what_is_wrong_in_a_file_is_said_with_its_place() {
    for case in CASES {
        println!("{}", case.name);
        let stage = Stage::applied();
        let path = stage.file(case.file);
        match case.edit {
            Edit::Replace(from, to) => stage.edit(case.file, from, to),
            Edit::Append(text) => fs::write(&path, fs::read_to_string(&path).unwrap() + text).unwrap(),
            Edit::Remove => fs::remove_file(&path).unwrap(),
        }
        for outcome in refused(&stage, NOWHERE, &[&["plan"], APPLY], case.says) {
            assert!(!outcome.text().contains(SECRET), "a secret is shown: {}", outcome.text());
        }
        let outcome = stage.run(NOWHERE, &["validate"]).exits(1).says(&case.says[..1]);
        assert!(!outcome.text().contains(SECRET), "a secret is shown: {}", outcome.text());
    }
}
