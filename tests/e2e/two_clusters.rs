//! Two clusters, three apps, a box: one graph, one apply.

use insta::assert_snapshot;

use crate::harness::project::Project;

#[test]
fn one_apply_builds_both_clusters() {
    let project = Project::example("two-clusters");
    let apply = project.run(&["apply", "--auto-approve"]).done();
    let summary = &apply.stdout[apply.stdout.find("Apply complete").unwrap()..];
    assert_snapshot!(project.redact(summary), @"
    Apply complete in [SECONDS] s: 84 created.

    Hosts:
      redmine-6146qb-8080.internal.example.com  (/ws/office/prv/aks1/cls/internal/app/redmine)
      redmine.example.org  (/ws/office/prv/aks1/cls/internal/app/redmine)
      uptime-b91p7e-3001.apps.example.com  (/ws/office/prv/aks1/cls/public/app/uptime)
      status.example.org  (/ws/office/prv/aks1/cls/public/app/uptime)
      wiki-1pp2q0-3000.apps.example.com  (/ws/office/prv/aks1/cls/public/app/wiki)
      wiki.example.org  (/ws/office/prv/aks1/cls/public/app/wiki)
      docs.example.org  (/ws/office/prv/aks1/cls/public/app/wiki)
    ");

    let ids = project.ids();
    let ending = |kind: &str| {
        let names = ids.iter().filter_map(|id| id.rsplit_once(kind)).map(|(_, name)| name);
        let mut names: Vec<String> =
            names.filter(|name| !name.contains('/')).map(|name| project.redact(name)).collect();
        names.sort_unstable();
        names.join("\n")
    };
    assert_snapshot!(ending("/managedClusters/"), @"
    k4x-1w55g2-internal
    k4x-1w55g2-public
    ");
    assert_snapshot!(ending("/disks/"), @"
    k4x-1w55g2_disk_db_[ID]_6146qb
    k4x-1w55g2_disk_default_[ID]_1pp2q0
    k4x-1w55g2_disk_default_[ID]_b91p7e
    k4x-1w55g2_disk_files_[ID]_6146qb
    ");
    assert_snapshot!(ending("/deployments/"), @"
    redmine-app
    redmine-maintenance
    traefik
    traefik
    uptime-app
    wiki-app
    ");
    let plan = project.run(&["plan", "--detailed-exitcode"]).done();
    assert_snapshot!(project.data(&plan), @"No changes. Everything is as the manifests say (84 objects).");

    // One app alone, by its name.
    project.edit("wiki/compose.yml", "wiki:2.5", "wiki:2.6");
    project.edit("redmine/compose.yml", "redmine:6.0", "redmine:6.1");
    let plan = project.run(&["plan", "--detailed-exitcode", "--app-name", "wiki"]).exits(2);
    assert_snapshot!(project.data(&plan), @r#"
    /ws/office/prv/aks1/cls/public/app/wiki
      ~ Deployment/wiki-app  spec.template.spec.containers[wiki].image "ghcr.io/requarks/wiki:2.5" → "ghcr.io/requarks/wiki:2.6"  (wiki/compose.yml:2)
          ~ spec.template.spec.containers[wiki].image:
              - "ghcr.io/requarks/wiki:2.5"
              + "ghcr.io/requarks/wiki:2.6"

    Plan: 0 to create, 1 to update, 0 to delete; 21 unchanged

    Restarts (one replica each, down until the new one is ready):
      /ws/office/prv/aks1/cls/public/app/wiki/Deployment/wiki-app  spec.template.spec.containers[wiki].image changes

    Hosts:
      redmine-6146qb-8080.internal.example.com  (/ws/office/prv/aks1/cls/internal/app/redmine)
      redmine.example.org  (/ws/office/prv/aks1/cls/internal/app/redmine)
      uptime-b91p7e-3001.apps.example.com  (/ws/office/prv/aks1/cls/public/app/uptime)
      status.example.org  (/ws/office/prv/aks1/cls/public/app/uptime)
      wiki-1pp2q0-3000.apps.example.com  (/ws/office/prv/aks1/cls/public/app/wiki)
      wiki.example.org  (/ws/office/prv/aks1/cls/public/app/wiki)
      docs.example.org  (/ws/office/prv/aks1/cls/public/app/wiki)
    "#);
    project.run(&["plan", "--detailed-exitcode", "-A", "app/uptime"]).done();
    let none = project.run(&["plan", "--app-name", "nothing"]).exits(1);
    assert_snapshot!(project.redact(&none.errors()), @r#"
    error[selector]: no address ends with "app/nothing"; these are close
                       /ws/office/prv/aks1/cls/internal/app/redmine
                       /ws/office/prv/aks1/cls/public/app/uptime
                       /ws/office/prv/aks1/cls/public/app/wiki

    1 error
    "#);

    // A protected cluster and a protected volume stop a destroy, each by name; nothing of it is begun.
    let before = project.ids();
    let destroy = project.run(&["destroy", "--auto-approve"]).exits(1);
    assert_snapshot!(project.redact(&destroy.errors()), @"
    error[protected]: /ws/office/prv/aks1/cls/internal/node-pool/npuser1 is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/office/prv/aks1/cls/internal/node-pool/npuser2 is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/office/prv/aks1/cls/internal/cluster/internal is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    error[protected]: /ws/office/prv/aks1/cls/internal/resource-group/internal is protected and this plan would delete it
     |
     = help: protection lives in the state: deleting its line or block does not lift it
     = help: apply an explicit preventDestroy: false or protection: none first

    4 errors
    ");
    assert_eq!(project.ids(), before);
}

#[test]
fn validate_and_render() {
    let project = Project::example("two-clusters");
    let valid = project.run(&["validate", "--strict"]).done();
    assert_snapshot!(project.data(&valid), @"The project is valid: 84 objects, 0 warnings.");
    let all = project.run(&["render"]).done().stdout;
    let one = project.run(&["render", "--app-name", "uptime"]).done().stdout;
    assert!(all.contains(&one) && one.contains("louislam/uptime-kuma") && !one.contains("redmine"), "{one}");
}
