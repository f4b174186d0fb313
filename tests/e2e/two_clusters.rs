//! Two clusters, three apps, a box: one graph, one apply.

use insta::assert_snapshot;

use crate::project::Project;

#[test]
fn one_apply_builds_both_clusters() {
    let project = Project::example("two-clusters");
    let apply = project.run(&["apply", "--auto-approve"]).done();
    let summary = &apply.stdout[apply.stdout.find("Apply complete").unwrap()..];
    assert_snapshot!(project.redact(summary), @"");

    let ids = project.ids();
    let ending = |kind: &str| {
        let mut names: Vec<&str> = ids.iter().filter_map(|id| id.rsplit_once(kind)).map(|(_, name)| name).collect();
        names.retain(|name| !name.contains('/'));
        names.sort_unstable();
        names.join("\n")
    };
    assert_snapshot!(project.redact(&ending("/managedClusters/")), @"");
    assert_snapshot!(project.redact(&ending("/disks/")), @"");
    assert_snapshot!(project.redact(&ending("/deployments/")), @"");
    let plan = project.run(&["plan", "--detailed-exitcode"]).done();
    assert_snapshot!(project.data(&plan), @"");

    // One app alone, by its name.
    project.edit("wiki/compose.yml", "wiki:2.5", "wiki:2.6");
    project.edit("redmine/compose.yml", "redmine:6.0", "redmine:6.1");
    let plan = project.run(&["plan", "--detailed-exitcode", "--app-name", "wiki"]).exits(2);
    assert_snapshot!(project.data(&plan), @"");
    project.run(&["plan", "--detailed-exitcode", "-A", "app/uptime"]).done();
    let none = project.run(&["plan", "--app-name", "nothing"]).exits(1);
    assert_snapshot!(project.redact(&none.errors()), @"");

    // A protected cluster and a protected volume stop a destroy, each by name; nothing of it is begun.
    let before = project.ids();
    let destroy = project.run(&["destroy", "--auto-approve"]).exits(1);
    assert_snapshot!(project.redact(&destroy.errors()), @"");
    assert_eq!(project.ids(), before);
}

#[test]
fn validate_and_render() {
    let project = Project::example("two-clusters");
    let valid = project.run(&["validate", "--strict"]).done();
    assert_snapshot!(project.data(&valid), @"");
    let all = project.run(&["render"]).done().stdout;
    let one = project.run(&["render", "--app-name", "uptime"]).done().stdout;
    assert!(all.contains(&one) && one.contains("louislam/uptime-kuma") && !one.contains("redmine"), "{one}");
}
