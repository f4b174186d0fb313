//! The first apply builds everything; what follows finds nothing to do.

use insta::assert_snapshot;

use crate::harness::project::Project;

const GROUPS: &str = "/subscriptions/9473abf6-f25e-420e-b3f2-128c1c7b46f2/resourceGroups";

#[test]
fn the_first_apply_builds_everything_and_the_second_finds_no_changes() {
    let project = Project::gitea();
    let first = project.run(&["apply", "--auto-approve"]).done();
    let summary = &first.stdout[first.stdout.find("Apply complete").unwrap()..];
    assert_snapshot!(project.redact(summary), @"
    Apply complete in [SECONDS] s: 33 created.

    Hosts:
      app1-13o40q-3000.cluster1.aks1.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
      gitea.custom.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
    ");

    let ids = project.ids();
    let app_group = format!("{GROUPS}/k4x-50vf7y_app_app1_13o40q");
    let cluster_group = format!("{GROUPS}/k4x-50vf7y_cls_cluster1_62mpgv");
    let cluster = format!("{cluster_group}/providers/Microsoft.ContainerService/managedClusters/k4x-50vf7y-cluster1");
    let identity =
        format!("{cluster_group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-k4x-50vf7y-cluster1");
    let app = "k4x-50vf7y-app1-13o40q";
    let kubernetes = [
        "/api/v1/namespaces/traefik".to_owned(),
        "/api/v1/namespaces/traefik/configmaps/traefik".to_owned(),
        "/api/v1/namespaces/traefik/persistentvolumeclaims/traefik".to_owned(),
        "/api/v1/namespaces/traefik/serviceaccounts/ingress-service-account".to_owned(),
        "/api/v1/namespaces/traefik/services/traefik".to_owned(),
        "/apis/apps/v1/namespaces/traefik/deployments/traefik".to_owned(),
        "/apis/networking.k8s.io/v1/ingressclasses/traefik".to_owned(),
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/traefik-traefik".to_owned(),
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/traefik-traefik".to_owned(),
        "/apis/secrets-store.csi.x-k8s.io/v1/namespaces/traefik/secretproviderclasses/traefik-kv-l0wdevtls-jpe-prd1"
            .to_owned(),
        format!("/api/v1/namespaces/{app}"),
        format!("/api/v1/namespaces/{app}/secrets/app1-app-gitea-base"),
        format!("/api/v1/namespaces/{app}/secrets/app1-app-postgres-base"),
        format!("/api/v1/namespaces/{app}/serviceaccounts/app1"),
        format!("/api/v1/namespaces/{app}/services/app1-app"),
        format!("/api/v1/namespaces/{app}/services/gitea"),
        format!("/api/v1/namespaces/{app}/services/postgres"),
        format!("/apis/apps/v1/namespaces/{app}/deployments/app1-app"),
        format!("/apis/networking.k8s.io/v1/namespaces/{app}/ingresses/app1-app-custom"),
        format!("/apis/networking.k8s.io/v1/namespaces/{app}/ingresses/app1-app-default"),
        format!("/apis/networking.k8s.io/v1/namespaces/{app}/networkpolicies/app1"),
        format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{app}/roles/app1-access"),
        format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{app}/rolebindings/app1-access"),
    ];
    let expected = [
        app_group.clone(),
        cluster_group,
        cluster.clone(),
        format!("{cluster}/agentPools/npuser1"),
        identity.clone(),
        format!("{identity}/federatedIdentityCredentials/fic-ingress"),
    ];
    for id in expected.into_iter().chain(kubernetes.into_iter().map(|path| cluster.clone() + &path)) {
        assert!(ids.contains(&id), "{id} is missing in {ids:#?}");
    }
    let with = |text: &str| ids.iter().filter(|id| id.contains(text)).count();
    assert_eq!(with(&format!("{app_group}/providers/Microsoft.Authorization/roleAssignments/")), 1);
    assert_eq!(with(&format!("{app_group}/providers/Microsoft.Compute/disks/")), 1);
    assert_eq!(with(&format!("/api/v1/namespaces/{app}/persistentvolumeclaims/k4x-50vf7y-default-13o40q-")), 1);
    assert_eq!(with("/api/v1/persistentvolumes/k4x-50vf7y-default-13o40q-"), 1);
    assert_eq!(project.object("/deployments/app1-app")["status"]["availableReplicas"], 1);

    let plan = project.run(&["plan", "--detailed-exitcode"]).done();
    assert_snapshot!(project.data(&plan), @"No changes. Everything is as the manifests say (33 objects).");
    let second = project.run(&["apply", "--auto-approve"]).done();
    assert_eq!(second.stdout, plan.stdout);
    assert_eq!(project.ids(), ids, "nothing was made twice");
}

#[test]
fn the_first_plan() {
    let project = Project::gitea();
    let plan = project.run(&["plan", "--detailed-exitcode"]).exits(2);
    assert_snapshot!(project.data(&plan), @r"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/app/app1
      + resource-group/app1  eastus  (kompoxapp.yml:62)
      + disk/default  PremiumV2_LRS, 10 GiB, zone 1, eastus  (kompoxapp.yml:82)

    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1
      + resource-group/cluster1  eastus  (kompoxapp.yml:32)
      + identity/ingress  eastus  (kompoxapp.yml:32)
      + cluster/cluster1  Base, Kubernetes 1.33, eastus  (kompoxapp.yml:32)
      + role-assignment/disks-app1  role [UUID], principal (known after apply)  (kompoxapp.yml:62)
      + IngressClass/traefik  controller traefik.io/ingress-controller  (kompoxapp.yml:32)
      + ClusterRole/traefik-traefik  4 rules  (kompoxapp.yml:32)
      + Namespace/traefik  (kompoxapp.yml:32)
      + Service/traefik  LoadBalancer, port 80 443  (kompoxapp.yml:32)
      + SecretProviderClass/traefik-kv-l0wdevtls-jpe-prd1  spec.parameters.clientID (known after apply), spec.parameters.keyvaultName l0wdevtls-jpe-prd1, spec.parameters.objects array:\n  - |\n    objectName: cluster1-aks1-exp…, spec.parameters.tenantId (known after apply)  (kompoxapp.yml:32)
      + ConfigMap/traefik  1 key  (kompoxapp.yml:32)
      + PersistentVolumeClaim/traefik  1Gi, ReadWriteOnce  (kompoxapp.yml:32)
      + ServiceAccount/ingress-service-account  (kompoxapp.yml:32)
      + ClusterRoleBinding/traefik-traefik  role traefik-traefik, subject ingress-service-account  (kompoxapp.yml:32)
      + Deployment/traefik  image docker.io/library/traefik:v3.5.3, replicas 1  (kompoxapp.yml:32)
      + federated-credential/ingress  subject system:serviceaccount:traefik:ingress-service-account  (kompoxapp.yml:32)
      + node-pool/npuser1  Standard_D2ds_v4, Regular, zone 1, min 0, max 10  (kompoxapp.yml:32)

    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
      + PersistentVolume/default  10Gi, ReadWriteOnce, class managed-csi, handle k4x-50vf7y_disk_default_[ID]_13o40q  (kompoxapp.yml:82)
      + Namespace/app1  (kompoxapp.yml:62)
      + Service/postgres  spec.clusterIP None, spec.publishNotReadyAddresses true, spec.selector.app app1-app  (compose.yml:13)
      + Service/gitea  spec.clusterIP None, spec.publishNotReadyAddresses true, spec.selector.app app1-app  (compose.yml:2)
      + Service/app1-app  port 3000  (compose.yml:12)
      + Secret/app1-app-postgres-base  Opaque, 3 keys  (compose.yml:15)
      + Secret/app1-app-gitea-base  Opaque, 5 keys  (compose.yml:7)
      + PersistentVolumeClaim/default  10Gi, ReadWriteOnce, class managed-csi, volume k4x-50vf7y-default-13o40q-[HASH]  (kompoxapp.yml:82)
      + NetworkPolicy/app1  Ingress  (kompoxapp.yml:62)
      + Role/app1-access  6 rules  (kompoxapp.yml:62)
      + ServiceAccount/app1  (kompoxapp.yml:62)
      + RoleBinding/app1-access  role app1-access, subject app1  (kompoxapp.yml:62)
      + Ingress/app1-app-custom  host gitea.custom.exp.kompox.dev, class traefik  (kompoxapp.yml:74)
      + Ingress/app1-app-default  host app1-13o40q-3000.cluster1.aks1.exp.kompox.dev, class traefik  (kompoxapp.yml:74)
      + Deployment/app1-app  image docker.gitea.com/gitea:1.24.6 postgres:17, replicas 1  (compose.yml:2)

    Plan: 33 to create, 0 to update, 0 to delete; 0 unchanged

    Unknown until apply:
      identity.principalId of /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/cluster/cluster1  (1 field)
      properties.oidcIssuerProfile.issuerURL of /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/cluster/cluster1  (1 field)
      properties.clientId of /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/identity/ingress  (2 fields)
      properties.tenantId of /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/identity/ingress  (2 fields)

    Planned without the server's answer, checked again when it can give one:
      25 objects: the cluster does not exist yet

    Hosts:
      app1-13o40q-3000.cluster1.aks1.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
      gitea.custom.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
    ");
    assert_snapshot!(project.words(&plan), @r#"
    warning[key-vault-unknown]: the ingress cannot be allowed to read the certificate "l0wdevtls": where the vault l0wdevtls-jpe-prd1 is, is not known
      --> kompoxapp.yml:46:9
       |
    46 |       - name: l0wdevtls
       |         ^^^^
       |
       = help: add the vault's resource id to AZURE_KEY_VAULT_RESOURCE_IDS of the cluster, or give the ingress identity the role Key Vault Secrets User yourself

    1 warning
    "#);
    assert!(project.ids().is_empty(), "a plan changes nothing");
}

#[test]
fn nobody_is_there_to_say_yes() {
    let project = Project::gitea();
    let apply = project.run(&["apply"]).exits(1);
    assert_snapshot!(project.words(&apply), @"
    error[no-terminal]: there is nobody to ask: standard input is no terminal
     |
     = help: review a plan first:  kompox --sandbox plan --out p.kplan
     = help: then apply it:  kompox --sandbox apply p.kplan
     = help: or go on without a question:  add --auto-approve

    1 error
    ");
    assert!(project.ids().is_empty());
    let reasons = project.run(&["apply", "--json"]).exits(1).reasons();
    assert_eq!((&reasons[0]["code"], &reasons[0]["severity"]), (&"no-terminal".into(), &"error".into()));
    assert_eq!(reasons[0]["help"][2], "or go on without a question:  add --auto-approve");
}

#[test]
fn what_is_printed_instead_of_a_question_does_the_same() {
    let project = Project::gitea_applied();
    let all = project.ids();
    let words = project.words(&project.run(&["destroy", "--target", "Deployment/app1-app"]).exits(1));
    let printed = |start: &str| {
        let line =
            words.lines().find_map(|line| line.split_once(start)).unwrap_or_else(|| panic!("{start}: {words}")).1;
        line.trim().strip_prefix("kompox --sandbox ").unwrap().split(' ').map(str::to_owned).collect::<Vec<_>>()
    };
    let typed = |line: &[String]| {
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        project.run(&line)
    };
    assert_eq!(printed("review a plan first:").join(" "), "plan --destroy --target Deployment/app1-app --out p.kplan");
    let plan = typed(&printed("review a plan first:")).done();
    assert!(plan.stdout.contains("1 to delete"), "{}", plan.stdout);
    let mut apply = printed("then apply it:");
    apply.push("--auto-approve".to_owned());
    typed(&apply).done();
    assert!(project.ids().len() < all.len());
    // Also what was allowed.
    let words = project.words(&project.run(&["destroy", "--allow-data-loss", "disk/default"]).exits(1));
    assert!(words.contains("plan --destroy --allow-data-loss disk/default --out p.kplan"), "{words}");
}

#[test]
fn a_saved_plan_takes_no_options_of_another_one() {
    let project = Project::gitea_applied();
    project.edit("compose.yml", "gitea:1.24.6", "gitea:1.24.7");
    project.run(&["plan", "--out", "p.kplan"]).done();
    let before = project.inspect();
    for options in
        [&["--target", "disk/default"][..], &["--replace", "disk/default"], &["--refresh=false"], &["--offline"]]
    {
        let refused = project.run(&[&["apply", "p.kplan", "--auto-approve"], options].concat()).exits(1);
        assert!(refused.stderr.contains("error[usage]: a saved plan is done as it is, and --"), "{}", refused.stderr);
    }
    assert_eq!(project.inspect(), before);
    project.run(&["apply", "p.kplan", "--auto-approve"]).done();
}

#[test]
fn a_plan_is_saved_over_nothing_but_a_plan() {
    let project = Project::gitea();
    let manifest = project.read("kompoxapp.yml");
    for file in ["kompoxapp.yml", ".kompox/state/sandbox.db", ".kompox"] {
        let refused = project.run(&["plan", "--out", file]).exits(1);
        assert!(refused.stderr.contains("is there already and is no saved plan"), "{}", refused.stderr);
    }
    assert_eq!(project.read("kompoxapp.yml"), manifest);
    assert!(!project.folder().join(".kompox.part").exists());
    project.run(&["plan", "--out", "p.kplan"]).done();
    project.run(&["plan", "--destroy", "--out", "p.kplan"]).done();
    project.run(&["state", "list"]).done();
}

#[test]
fn progress_for_machines_is_json_lines() {
    let project = Project::gitea();
    let apply = project.run(&["apply", "--auto-approve", "--json"]).done();
    let lines: Vec<serde_json::Value> = apply.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
    assert_eq!((of("started"), of("finished")), (33, 33), "{:#?}", lines.last());
    assert_snapshot!(project.redact(&lines.last().unwrap().to_string()), @r#"{"complete":true,"done":{"create":33},"failed":[],"format_version":1,"interrupted":false,"notes":[],"open":[],"skipped":[],"took_ms":0,"type":"summary"}"#);
}
