//! The smaller commands.

use insta::assert_snapshot;

use crate::harness::project::Project;

#[test]
fn validate() {
    let project = Project::gitea();
    let valid = project.run_as_is(&["validate"]).done();
    assert_snapshot!(project.data(&valid), @"The project is valid: 33 objects, 0 warnings.");
    project.edit("kompoxapp.yml", "AZURE_LOCATION: eastus", "AZURE_LOCATION: tokyo");
    let valid = project.run_as_is(&["validate"]).done();
    assert_snapshot!(project.data(&valid), @"The project is valid: 33 objects, 1 warning.");
    let strict = project.run_as_is(&["validate", "--strict"]).exits(1);
    assert_snapshot!(project.words(&strict), @r#"
    error[setting-value]: AZURE_LOCATION is "tokyo", a region that this version of kompox does not know
      --> kompoxapp.yml:30:21
       |
    30 |     AZURE_LOCATION: tokyo
       |                     ^^^^^
       |
       = help: did you mean japaneast?

    1 error
    "#);
    let json = project.run_as_is(&["validate", "--format", "json"]).done().json();
    assert_snapshot!(json.to_string(), @r#"[{"code":"setting-value","column":21,"file":"kompoxapp.yml","help":["did you mean japaneast?"],"line":30,"message":"AZURE_LOCATION is \"tokyo\", a region that this version of kompox does not know","severity":"warning"}]"#);
    assert!(!project.root().join(".kompox/state").exists(), "validating makes no state");
}

#[test]
fn show_and_state() {
    let project = Project::gitea();
    let none = project.run(&["state", "list"]).exits(1);
    assert_snapshot!(project.words(&none), @"
    error[state-missing]: there is no state at [TMP]/gitea/.kompox/state/sandbox.db yet
     |
     = help: the sandbox has a state of its own
     = help: if it was lost, make it again from what exists:  kompox --sandbox state rebuild

    1 error
    ");
    project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(project.run(&["state", "list", "--json"]).done().json().as_array().unwrap().len(), 33);
    let list = project.run(&["state", "list", "Ingress/"]).done();
    assert_snapshot!(project.table(&list), @"
    ADDRESS  ID
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Ingress/app1-app-custom   /apis/networking.k8s.io/v1/namespaces/k4x-50vf7y-app1-13o40q/ingresses/app1-app-custom
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Ingress/app1-app-default  /apis/networking.k8s.io/v1/namespaces/k4x-50vf7y-app1-13o40q/ingresses/app1-app-default
    ");
    let show = project.run(&["state", "show", "disk/default"]).done();
    assert_snapshot!(project.data(&show), @r#"
    address: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default
    applied:
      id: >-
        /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_[ID]_13o40q
      location: eastus
      properties:
        creationData:
          createOption: Empty
        diskSizeGB: 10
      sku:
        name: PremiumV2_LRS
      tags:
        kompox-app-id-hash: 13o40q
        kompox-app-name: app1
        kompox-disk-assigned: "true"
        kompox-disk-name: k4x-50vf7y_disk_default_[ID]_13o40q
        kompox-lineage: [UUID]
        kompox-provider-name: aks1
        kompox-volume: default
        kompox-workspace-name: aks-e2e-gitea-20250925-060355
        managed-by: kompox
      zones:
      - "1"
    created_serial: [N]
    dependencies:
    - /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/resource-group/app1
    id: >-
      /subscriptions/[SUBSCRIPTION]/resourceGroups/k4x-50vf7y_app_app1_13o40q/providers/Microsoft.Compute/disks/k4x-50vf7y_disk_default_[ID]_13o40q
    kind: disk
    outputs:
      properties:
        diskSizeGB: 10
    protection:
      adopted: false
      orphan: true
      prevent_destroy: false
      read_only: false
    provider: azure://[SUBSCRIPTION]?auth=azure_cli
    source: kompoxapp.yml:82:7
    updated_serial: [N]
    "#);
    assert_eq!(project.run(&["show", "disk/default"]).done().stdout, show.stdout);
    let json = project.run(&["state", "show", "disk/default", "--json"]).done().json();
    assert_eq!(json["applied"]["zones"], serde_json::json!(["1"]));
    let yaml: serde_json::Value = serde_saphyr::from_str(&show.stdout).unwrap();
    assert_eq!(yaml["applied"], json["applied"], "the text is YAML");

    let ambiguous = project.run(&["state", "show", "app1"]).exits(1);
    assert_snapshot!(project.words(&ambiguous), @r#"
    error[address]: "app1" is ambiguous; it could be
                      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/resource-group/app1
                      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Namespace/app1
                      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/NetworkPolicy/app1
                      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/ServiceAccount/app1
     |
     = help: see all:  kompox --sandbox state list

    1 error
    "#);
    let missing = project.run(&["state", "show", "disk/defualt"]).exits(1);
    assert_snapshot!(project.words(&missing), @r#"
    error[address]: no address ends with "disk/defualt"; these are close
                      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default
     |
     = help: see all:  kompox --sandbox state list

    1 error
    "#);

    let history = project.run(&["state", "history", "--json"]).done().json();
    assert_eq!(history.as_array().unwrap().len(), 1);
    assert_eq!((&history[0]["actor"], &history[0]["result"]), (&"tester".into(), &"ok".into()), "{history:#}");
    assert_eq!(history[0]["counts"], serde_json::json!({"create": 33}));
}

#[test]
fn state_rm_forgets_and_apply_adopts_what_is_data_free() {
    let project = Project::gitea_applied();
    let ids = project.ids();
    let forgotten = project.run(&["state", "rm", "Secret/app1-app-gitea-base"]).done();
    assert_snapshot!(project.words(&forgotten), @"
    Forgotten: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Secret/app1-app-gitea-base. The object stays: /api/v1/namespaces/k4x-50vf7y-app1-13o40q/secrets/app1-app-gitea-base
    To adopt it again:  kompox --sandbox import /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Secret/app1-app-gitea-base /api/v1/namespaces/k4x-50vf7y-app1-13o40q/secrets/app1-app-gitea-base
    ");
    assert_eq!(project.ids(), ids, "the object stays");
    let plan = project.run(&["plan", "--detailed-exitcode"]).exits(2);
    assert_snapshot!(project.data(&plan), @"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
     <- Secret/app1-app-gitea-base  an earlier apply of this state made it  (compose.yml:7)
            id /api/v1/namespaces/k4x-50vf7y-app1-13o40q/secrets/app1-app-gitea-base

    Plan: 1 to import, 0 to create, 0 to update, 0 to delete; 32 unchanged

    Hosts:
      app1-13o40q-3000.cluster1.aks1.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
      gitea.custom.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
    ");
    project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(project.ids(), ids);
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn state_mv_gives_another_address() {
    let project = Project::gitea_applied();
    let from = "/ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default";
    let taken = project.run(&["state", "mv", "Service/gitea", "Service/postgres"]).exits(1);
    assert!(taken.stderr.contains("the manifests still speak of"), "{}", taken.stderr);
    // A volume that declares its disk from now on: the one that is there is that one.
    project.edit("kompoxapp.yml", "      size: 10Gi\n", "      size: 10Gi\n      disks: [{name: blue}]\n");
    let kind = project.run(&["state", "mv", "disk/default", "/ws/x/snapshot/default"]).exits(1);
    assert_snapshot!(project.words(&kind), @"
    error[address]: no address of the manifests for /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default: no address ends with \"/ws/x/snapshot/default\"
     |
     = help: the manifests have /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/disk/default.blue, which the state does not know

    1 error
    ");
    let to = format!("{from}.blue");
    let moved = project.run(&["state", "mv", "disk/default", "disk/default.blue"]).done();
    assert_eq!(moved.stderr, format!("Moved: {from} -> {to}\n"));
    let list = project.run(&["state", "list", "/disk/"]).done();
    assert!(list.stdout.contains(&to) && !list.stdout.contains(&format!("{from} ")), "{}", list.stdout);
    let disks = project.disks();
    project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(project.disks(), disks);
}

#[test]
fn the_sandbox_is_listed_and_emptied() {
    let project = Project::gitea();
    assert!(project.ids().is_empty());
    project.run(&["apply", "--auto-approve"]).done();
    let table = project.run(&["sandbox", "inspect"]).done();
    assert!(table.stdout.starts_with("KIND "), "{}", table.stdout);
    assert_eq!(table.stdout.lines().count(), project.ids().len() + 1);
    let reset = project.run(&["sandbox", "reset"]).done();
    assert_snapshot!(project.words(&reset), @"The sandbox at [TMP]/gitea/.kompox/sandbox is empty, and its state is gone.");
    assert!(project.ids().is_empty());
    project.run(&["apply", "--auto-approve"]).done();
}

#[test]
fn init_writes_a_project_that_works_at_once() {
    let project = Project::empty("hello");
    let init = project.run_as_is(&["init"]).done();
    assert_snapshot!(project.words(&init), @"
    written  kompoxapp.yml
    written  compose.yml
    written  .kompox/config.yml
    written  .kompox/.gitignore
    written  .kompox/schema.json

    Try it without an account:  kompox --sandbox apply
    Then put your subscription into kompoxapp.yml:  kompox plan
    ");
    project.run_as_is(&["validate", "--strict"]).done();
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();

    project.edit("compose.yml", "nginx:1.29", "nginx:1.30");
    let again = project.run_as_is(&["init"]).done();
    assert_snapshot!(project.words(&again), @"
    kept     kompoxapp.yml
    kept     compose.yml
    kept     .kompox/config.yml
    kept     .kompox/.gitignore
    kept     .kompox/schema.json

    Try it without an account:  kompox --sandbox apply
    Then put your subscription into kompoxapp.yml:  kompox plan
    ");
    assert!(project.read("compose.yml").contains("nginx:1.30"), "files that exist are kept");
    let bad = project.run_as_is(&["init", "--name", "Not A Name"]).exits(1);
    assert_snapshot!(project.words(&bad), @r#"
    error[app-name]: "Not A Name" cannot be the app's name
     |
     = help: it must be lower-case letters, digits and dashes, at most 30
     = help: name it:  kompox init --name my-app

    1 error
    "#);
}

#[test]
fn version() {
    let project = Project::empty("nothing");
    assert_eq!(project.run_as_is(&["version"]).done().stdout, "kompox 0.1.0\n");
    assert_eq!(project.run_as_is(&["version", "--json"]).done().json()["version"], "0.1.0");
    assert_eq!(project.run_as_is(&["--version"]).done().stdout, "kompox 0.1.0\n");
}

/// The commands below `path`, as their help lists them.
fn subcommands(project: &Project, path: &[&str]) -> Vec<String> {
    let mut arguments = path.to_vec();
    arguments.push("--help");
    let help = project.run_as_is(&arguments).done().stdout;
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let lines = list.lines().take_while(|line| !line.is_empty());
    lines
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_command_has_help_with_an_example() {
    let project = Project::empty("nothing");
    let mut without = Vec::new();
    let mut paths: Vec<Vec<String>> = vec![Vec::new()];
    let mut seen = 0;
    while let Some(path) = paths.pop() {
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        let below = subcommands(&project, &words);
        let help = project.run_as_is(&[&words[..], &["--help"]].concat()).done().stdout;
        seen += 1;
        assert!(help.contains("Usage: kompox"), "{path:?}: {help}");
        // A group of commands leaves the examples to them.
        if below.is_empty() && !help.contains("  kompox ") {
            without.push(path.join(" "));
        }
        paths.extend(below.into_iter().map(|name| [path.clone(), vec![name]].concat()));
    }
    assert!(seen > 20, "{seen}");
    assert!(without.is_empty(), "no example in the help of: {}", without.join(", "));
}

#[test]
fn mistakes_are_json_where_that_is_asked_for() {
    let project = Project::gitea();
    let usage = project.run_as_is(&["plan", "--json", "--nonsense"]).exits(1);
    assert_eq!(usage.reasons()[0]["code"], "usage");
    assert!(usage.stderr.starts_with("error: unexpected argument '--nonsense'"), "{}", usage.stderr);
    let missing = project.run(&["show", "no.such", "--format", "json"]).exits(1);
    assert_eq!(missing.reasons()[0]["severity"], "error");
    assert_eq!(project.run(&["plan", "--nonsense"]).exits(1).stdout, "");
}

#[test]
fn mistakes_on_the_command_line() {
    let project = Project::gitea();
    let unknown = project.run_as_is(&["aply"]).exits(1);
    assert_snapshot!(project.words(&unknown), @"
    error: unrecognized subcommand 'aply'

      tip: a similar subcommand exists: 'apply'

    Usage: kompox [OPTIONS] <COMMAND>

    For more information, try '--help'.
    ");
    let nowhere = project.run_as_is(&["-C", "nowhere", "plan"]).exits(1);
    assert_snapshot!(project.words(&nowhere), @"
    error[working-directory]: [TMP]/gitea/nowhere is no directory
     |
     = help: check the value of -C

    1 error
    ");
    let ambiguous = project.run(&["plan", "--target", "app1"]).exits(1);
    assert_snapshot!(project.redact(&ambiguous.errors()), @r#"
    error[address]: --target: "app1" is ambiguous; it could be
                      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1/resource-group/app1
                      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Namespace/app1
                      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/NetworkPolicy/app1
                      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/ServiceAccount/app1

    1 error
    "#);
}
