//! One edit, one change.

use insta::assert_snapshot;

use crate::harness::project::Project;

#[test]
fn a_new_image_tag_is_one_update_of_one_field() {
    let project = Project::gitea_applied();
    project.edit("compose.yml", "gitea:1.24.6", "gitea:1.24.7");
    let plan = project.run(&["plan", "--detailed-exitcode"]).exits(2);
    assert_snapshot!(project.data(&plan), @r#"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
      ~ Deployment/app1-app  spec.template.spec.containers[gitea].image "docker.gitea.com/gitea:1.24.6" → "docker.gitea.com/gitea:1.24.7"  (compose.yml:2)
          ~ spec.template.spec.containers[gitea].image:
              - "docker.gitea.com/gitea:1.24.6"
              + "docker.gitea.com/gitea:1.24.7"

    Plan: 0 to create, 1 to update, 0 to delete; 32 unchanged

    Restarts (one replica each, down until the new one is ready):
      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app  spec.template.spec.containers[gitea].image changes

    Hosts:
      app1-13o40q-3000.cluster1.aks1.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
      gitea.custom.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
    "#);

    let json = project.run(&["plan", "--json"]).done().json();
    assert_eq!(json["counts"], serde_json::json!({"update": 1}));
    assert_eq!(json["actions"].as_array().unwrap().len(), 1);
    assert_eq!(json["actions"][0]["changes"].as_array().unwrap().len(), 1);
    assert_eq!(json["restarts"].as_array().unwrap().len(), 1);

    project.run(&["apply", "--auto-approve"]).done();
    let deployment = project.object("/deployments/app1-app");
    assert_eq!(deployment["spec"]["template"]["spec"]["containers"][0]["image"], "docker.gitea.com/gitea:1.24.7");
    project.run(&["plan", "--detailed-exitcode"]).done();
}

#[test]
fn a_service_that_is_gone_takes_its_objects_along() {
    let project = Project::gitea_applied();
    project.write(
        "compose.yml",
        "services:\n  gitea:\n    image: docker.gitea.com/gitea:1.24.6\n    environment:\n      - USER_UID=1000\n      \
         - USER_GID=1000\n    env_file:\n      - compose-gitea.env\n    volumes:\n      - ./data/gitea:/data\n    \
         ports:\n      - \"3000:3000\"\n",
    );
    let plan = project.run(&["plan", "--detailed-exitcode"]).exits(2);
    assert_snapshot!(project.data(&plan), @r#"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
      ~ Deployment/app1-app  3 fields change  (compose.yml:2)
          ~ spec.template.metadata.annotations["kompox.dev/compose-content-hash"]: (sensitive) changed
          - spec.template.spec.containers[postgres]:
              - envFrom:
              -   - secretRef:
              -       name: "app1-app-postgres-base"
              -       optional: true
              -   - secretRef:
              -       name: "app1-app-postgres-override"
              -       optional: true
              - image: "postgres:17"
              - imagePullPolicy: "IfNotPresent"
              - name: "postgres"
              - resources: {}
              - terminationMessagePath: "/dev/termination-log"
              - terminationMessagePolicy: "File"
              - volumeMounts:
              -   - mountPath: "/var/lib/postgresql/data"
              -     name: "default"
              -     subPath: "data/postgres"
          ~ spec.template.spec.initContainers[init-volume-subpaths].command[2]:
                mkdir -m 1777 -p /work/default/data/gitea
              - mkdir -m 1777 -p /work/default/data/postgres
      - Secret/app1-app-postgres-base  the manifests no longer mention it
      - Service/postgres  the manifests no longer mention it

    Plan: 0 to create, 1 to update, 2 to delete; 30 unchanged

    Restarts (one replica each, down until the new one is ready):
      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app  spec.template.metadata.annotations["kompox.dev/compose-content-hash"], spec.template.spec.containers[postgres], spec.template.spec.initContainers[init-volume-subpaths].command[2] changes

    Hosts:
      app1-13o40q-3000.cluster1.aks1.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
      gitea.custom.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
    "#);
    project.run(&["apply", "--auto-approve"]).done();
    let ids = project.ids();
    assert!(
        !ids.iter().any(|id| id.ends_with("/secrets/app1-app-postgres-base") || id.ends_with("/services/postgres"))
    );
    assert_eq!(project.disks().len(), 1);
    project.run(&["plan", "--detailed-exitcode"]).done();
}
