//! Every rule about what a `spec` may say.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::diag::Location;
use crate::kom::model::{
    App, Cluster, ComposeSource, DeletionPolicy, DiskSource, Guard, KomBox, Lifecycle, Located, VolumeType,
};

fn load(kind: &str, id: &str, spec: &str) -> Result<Loaded, Diagnostics> {
    // The document under test comes first, so that its lines are easy to count: spec begins on line 8.
    let mut text = document(kind, id, spec);
    text.push_str(&ground());
    if kind == "Cluster" {
        text = document(kind, id, spec)
            + &document("Workspace", "/ws/w", "")
            + &document("Provider", "/ws/w/prv/p", "  driver: k3s");
    }
    if kind == "Box" {
        text.push_str(&document("App", APP, "  compose: file:c.yml"));
    }
    Folder::new(&[("kompoxapp.yml", &text)]).load()
}

fn load_app(spec: &str) -> Result<Loaded, Diagnostics> {
    load("App", APP, &format!("  compose: file:c.yml\n{spec}"))
}

fn app(spec: &str) -> App {
    let result = load_app(spec);
    assert_eq!(findings(&result), [""; 0], "{spec}");
    result.unwrap().project.apps.remove(0)
}

fn cluster(spec: &str) -> Cluster {
    load("Cluster", "/ws/w/prv/p/cls/c", spec).unwrap().project.clusters.remove(0)
}

/// Each spec gives exactly one finding; `expected` begins after `kompoxapp.yml:`.
fn table(load: impl Fn(&str) -> Result<Loaded, Diagnostics>, cases: &[(&str, &str)]) {
    let mut wrong = Vec::new();
    for (spec, expected) in cases {
        let (head, tail) = expected.split_once("] ").unwrap();
        let start = format!("{head}] kompoxapp.yml:{tail}");
        let found: Vec<String> = findings(&load(spec)).iter().map(|line| line.replace(" (document 1)", "")).collect();
        if found.len() != 1 || !found[0].starts_with(&start) {
            wrong.push(format!("{spec}\n  wanted {start}\n  found  {}", found.join("\n         ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn clusters_have_their_defaults() {
    let plain = cluster("  {}");
    assert_eq!((plain.existing, plain.existing_location.as_ref()), (None, None));
    assert_eq!(
        (plain.protection.provisioning, plain.protection.installation, plain.protection.lock),
        (None, None, None)
    );
    let ingress = &plain.ingress;
    assert_eq!(
        (ingress.controller, ingress.namespace.as_str(), ingress.service_account.as_str()),
        (None, "traefik", "ingress-service-account")
    );
    assert_eq!((&ingress.domain, &ingress.cert_email, &ingress.cert_resolver), (&None, &None, &None));

    let full = cluster(
        "  existing: yes\n  protection: {provisioning: readOnly, installation: none, lock: true}\n  ingress:\n    \
         namespace: edge\n    serviceAccount: sa.x\n    domain: \"\"\n    certEmail: a@b.c\n    certResolver: own\n    \
         certificates: [{name: wild, source: \"https://kv1.vault.azure.net/secrets/wild\"}]\n  settings:\n    A:\n    \
         B: 1\n    C: true\n    D: 1.10\n  lifecycle: {preventDestroy: false, ignoreChanges: [/spec/a~1b]}",
    );
    assert_eq!(full.existing, Some(true));
    assert_eq!(full.protection.provisioning, Some(Guard::ReadOnly));
    assert_eq!((full.protection.installation, full.protection.lock), (Some(Guard::None), Some(true)));
    assert_eq!((full.ingress.namespace.as_str(), full.ingress.domain.as_deref()), ("edge", None));
    assert_eq!(full.ingress.certificates[0].name, "wild");
    let settings = ["A", "B", "C", "D", "E"].map(|key| full.settings.value(key));
    assert_eq!(settings, [Some(""), Some("1"), Some("true"), Some("1.10"), None]);
    let lifecycle = Lifecycle { prevent_destroy: Some(false), ignore_changes: vec!["/spec/a~1b".into()] };
    assert_eq!(full.lifecycle, lifecycle);
}

#[test]
fn clusters_are_checked() {
    table(
        |spec| load("Cluster", "/ws/w/prv/p/cls/c", spec),
        &[
            (
                "  exsiting: true",
                "error[kom-unknown-key] 8:3: the spec of a Cluster has no key \"exsiting\" | did you mean \"existing\"?",
            ),
            ("  existing: \"true\"", "error[kom-type] 8:13: \"existing\" must be true or false, not a string"),
            (
                "  protection: {provisioning: readonly}",
                "error[kom-value] 8:30: \"provisioning\" cannot be \"readonly\" | did you mean \"readOnly\"?",
            ),
            ("  protection: {lock: 1}", "error[kom-type] 8:22: \"lock\" must be true or false, not a number"),
            (
                "  ingress: {controller: nginx}",
                "error[kom-value] 8:25: \"controller\" cannot be \"nginx\" | it is one of traefik, existing",
            ),
            ("  ingress: {namespace: A}", "error[kom-value] 8:24: \"namespace\" cannot be \"A\""),
            ("  ingress: {domain: \"*.example.com\"}", "error[kom-value] 8:21: \"domain\" cannot be \"*.example.com\""),
            ("  ingress: {certEmail: nobody}", "error[kom-value] 8:24: \"certEmail\" cannot be \"nobody\""),
            ("  ingress: {certResolver: \"a b\"}", "error[kom-value] 8:27: \"certResolver\" cannot be \"a b\""),
            ("  ingress: {certificates: [{name: a}]}", "error[kom-required] 8:28: a certificate has no \"source\""),
            (
                "  ingress: {certificates: [{name: a, source: x}, {name: a, source: y}]}",
                "error[kom-duplicate] 8:57: the certificate \"a\" is given twice; first on line 8",
            ),
            ("  settings: {A: {b: c}}", "error[kom-type] 8:17: \"A\" must be a single value, not a mapping"),
            (
                "  settings: [a]",
                "error[kom-type] 8:13: \"settings\" must be a mapping of keys and values, not a sequence",
            ),
            (
                "  settings: {ADMIN_PASSWORD: x}",
                "warning[kom-secret-setting] 8:30: the setting ADMIN_PASSWORD is a credential",
            ),
            (
                "  lifecycle: {preventDestroy: sure}",
                "error[kom-type] 8:31: \"preventDestroy\" must be true or false, not a string",
            ),
            ("  lifecycle: {ignoreChanges: [spec]}", "error[kom-value] 8:31: \"spec\" is no JSON pointer"),
            ("  lifecycle: {ignoreChanges: [/a~2]}", "error[kom-value] 8:31: \"/a~2\" is no JSON pointer"),
            ("  lifecycle: {ignoreChanges: [/]}", "error[kom-value] 8:31: \"/\" is no JSON pointer"),
        ],
    );
}

#[test]
fn providers_are_checked() {
    table(
        |spec| {
            let text = document("Provider", "/ws/w/prv/p", spec) + &document("Workspace", "/ws/w", "");
            Folder::new(&[("kompoxapp.yml", &text)]).load()
        },
        &[
            (
                "  {}",
                "error[kom-required] 8:3: the spec of a Provider has no \"driver\" | it is one of aks, k3s, eks, gke, oke",
            ),
            ("  driver:", "error[kom-required] 8:3: the spec of a Provider has no \"driver\""),
            ("  driver: akz", "error[kom-value] 8:11: \"driver\" cannot be \"akz\" | did you mean \"aks\"?"),
            ("  driver: [aks]", "error[kom-type] 8:11: \"driver\" must be a single value"),
        ],
    );
}

#[test]
fn compose_has_four_forms() {
    let compose = |spec: &str| load("App", APP, spec).unwrap().project.apps.remove(0).compose;
    let files = |source: ComposeSource| match source {
        ComposeSource::File(files) => files.into_iter().map(|file| file.value).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(files(compose("  compose: file:compose.yml")), ["compose.yml"]);
    assert_eq!(files(compose("  compose: [\"file:a.yml\", file:b/c.yml]")), ["a.yml", "b/c.yml"]);
    match compose("  compose: {services: {a: {image: b}}}") {
        ComposeSource::InlineTree(node) => assert_eq!(node.to_json(), json!({"services": {"a": {"image": "b"}}})),
        other => panic!("{other:?}"),
    }
    match compose("  compose: |\n\n      services:\n        a: {image: b}\n") {
        ComposeSource::Inline { text, location } => {
            assert_eq!(text, "\nservices:\n  a: {image: b}\n");
            assert_eq!(location, Location::new("kompoxapp.yml", 9, 7));
        }
        other => panic!("{other:?}"),
    }
    match compose("  compose: 'services: {}'") {
        ComposeSource::Inline { text, location } => {
            assert_eq!((text.as_str(), location.line), ("services: {}", 8));
        }
        other => panic!("{other:?}"),
    }
    table(
        |spec| load("App", APP, spec),
        &[
            ("  {}", "error[kom-required] 8:3: the spec of an App has no \"compose\""),
            (
                "  compose: compose.yml",
                "error[kom-value] 8:12: \"compose\" is no compose definition: \"compose.yml\" | for a file write compose: file:compose.yml",
            ),
            ("  compose: []", "error[kom-value] 8:12: \"compose\" is an empty list"),
            ("  compose: [file:a.yml, b.yml]", "error[kom-value] 8:25: \"b.yml\" does not name a compose file"),
            ("  compose: \"file:\"", "error[kom-value] 8:12: \"file:\" does not name a compose file"),
        ],
    );
}

#[test]
fn apps_are_read_whole() {
    let app = app(
        "  profiles: [web, 1, \"\"]\n  ingress:\n    certResolver: staging\n    rules:\n      - {name: main, port: 3000, hosts: [a.org, \"*.b.org\"]}\n      \
         - {name: a-234567890123z, port: 65535}\n  deployment: {pools: [user, big], zone: 1}\n  resources: {cpu: 0.5, memory: 1Gi}\n  \
         settings: {AZURE_RESOURCE_GROUP_NAME: rg}\n  lifecycle: {preventDestroy: true}\n  networkPolicy:\n    ingressRules:\n      \
         - from: [{namespaceSelector: {matchLabels: {team: 1}}}]\n        ports: [{port: 9090}, {protocol: UDP, port: 53}]\n      \
         - from: [{namespaceSelector: {matchExpressions: [{key: a, operator: In, values: [b]}, {key: c, operator: Exists}]}}]",
    );
    assert_eq!(app.profiles, ["web", "1", ""]);
    assert_eq!(app.ingress.cert_resolver.as_deref(), Some("staging"));
    assert_eq!((app.ingress.rules[0].port, app.ingress.rules[0].hosts.len()), (3000, 2));
    assert_eq!((app.ingress.rules[1].name.as_str(), app.ingress.rules[1].port), ("a-234567890123z", 65535));
    assert_eq!((app.deployment.pools.len(), app.deployment.single_pool), (2, false));
    assert_eq!((app.deployment.zones.as_slice(), app.deployment.single_zone), (["1".to_owned()].as_slice(), true));
    assert_eq!(app.resources["cpu"].value, "0.5");
    assert_eq!(app.settings.value("AZURE_RESOURCE_GROUP_NAME"), Some("rg"));
    assert_eq!(
        app.network_policy,
        [
            json!({"from": [{"namespaceSelector": {"matchLabels": {"team": "1"}}}],
                   "ports": [{"protocol": "TCP", "port": 9090}, {"protocol": "UDP", "port": 53}]}),
            json!({"from": [{"namespaceSelector": {"matchExpressions": [
                {"key": "a", "operator": "In", "values": ["b"]}, {"key": "c", "operator": "Exists"}]}}]}),
        ]
    );
}

#[test]
fn ingress_is_checked() {
    table(
        load_app,
        &[
            (
                "  ingress: [{name: main, port: 80}]",
                "error[kom-type] 9:12: \"ingress\" must be a mapping, not a list of rules | put the list under `rules:`",
            ),
            ("  ingress: {rules: [{port: 80}]}", "error[kom-required] 9:21: an ingress rule has no \"name\""),
            (
                "  ingress: {rules: [{name: 1a, port: 80}]}",
                "error[kom-name] 9:28: \"1a\" cannot be the name of an ingress rule",
            ),
            ("  ingress: {rules: [{name: a234567890123456, port: 80}]}", "error[kom-name] 9:28"),
            ("  ingress: {rules: [{name: aB, port: 80}]}", "error[kom-name] 9:28"),
            ("  ingress: {rules: [{name: a-, port: 80}]}", "error[kom-name] 9:28"),
            ("  ingress: {rules: [{name: a--b, port: 80}]}", "error[kom-name] 9:28"),
            ("  ingress: {rules: [{name: a}]}", "error[kom-required] 9:21: an ingress rule has no \"port\""),
            (
                "  ingress: {rules: [{name: a, port: 0}]}",
                "error[kom-value] 9:37: \"port\" cannot be 0 | it is 1 to 65535",
            ),
            ("  ingress: {rules: [{name: a, port: 65536}]}", "error[kom-value] 9:37"),
            (
                "  ingress: {rules: [{name: a, port: \"80\"}]}",
                "error[kom-type] 9:37: \"port\" must be a whole number without quotes, not a string",
            ),
            (
                "  ingress: {rules: [{name: a, port: 80}, {name: b, port: 80}]}",
                "error[kom-duplicate] 9:58: two ingress rules have the port 80; first on line 9",
            ),
            (
                "  ingress: {rules: [{name: a, port: 80}, {name: a, port: 81}]}",
                "error[kom-duplicate] 9:49: the ingress rule \"a\" is given twice",
            ),
            (
                "  ingress: {rules: [{name: a, port: 80, hosts: [x.org]}, {name: b, port: 81, hosts: [x.org]}]}",
                "error[kom-duplicate] 9:86: two ingress rules have the host x.org",
            ),
            (
                "  ingress: {rules: [{name: a, port: 80, hosts: [x.org, x.org]}]}",
                "warning[kom-host] 9:56: the host x.org is repeated",
            ),
            (
                "  ingress: {rules: [{name: a, port: 80, hosts: [X.org]}]}",
                "error[kom-host] 9:49: \"X.org\" is no host name | write it in lower case: x.org",
            ),
            ("  ingress: {rules: [{name: a, port: 80, hosts: [\"https://x.org\"]}]}", "error[kom-host] 9:49"),
            ("  ingress: {rules: [{name: a, port: 80, hosts: [x.org.]}]}", "error[kom-host] 9:49"),
            (
                "  ingress: {rules: [{name: a, port: 80, hosts: [10.0.0.1]}]}",
                "error[kom-host] 9:49: \"10.0.0.1\" is an IP address",
            ),
            (
                "  ingress: {rules: [{name: a, port: 80, hosts: [\"2001:db8::1\"]}]}",
                "error[kom-host] 9:49: \"2001:db8::1\" is an IP address",
            ),
            (
                "  ingress: {rules: [{name: a, port: 80, hosts: x.org}]}",
                "error[kom-type] 9:48: \"hosts\" must be a list, not a string",
            ),
            (
                "  ingress: {rules: [{name: a, port: 80, host: x.org}]}",
                "error[kom-unknown-key] 9:41: an ingress rule has no key \"host\" | did you mean \"hosts\"?",
            ),
            (
                "  ingress: {rules: [{name: a, port: 80, path: /x}]}",
                "warning[kom-unknown-key] 9:41: an ingress rule has no key \"path\"",
            ),
        ],
    );
    let app =
        load_app("  ingress: {rules: [{name: a, port: 80, hosts: [x.org, x.org]}]}").unwrap().project.apps.remove(0);
    assert_eq!(app.ingress.rules[0].hosts.len(), 1);
}

#[test]
fn deployment_and_resources_are_checked() {
    table(
        load_app,
        &[
            (
                "  deployment: {pool: a, pools: [b]}",
                "error[kom-exclusive] 9:25: \"pool\" (line 9) and \"pools\" exclude each other",
            ),
            (
                "  deployment: {zone: 1, zones: [2]}",
                "error[kom-exclusive] 9:25: \"zone\" (line 9) and \"zones\" exclude each other",
            ),
            ("  deployment: {selectors: {a: b}}", "error[kom-reserved] 9:16: \"deployment.selectors\" is reserved"),
            ("  deployment: {zone: -a}", "error[kom-value] 9:22: \"-a\" cannot be a zone"),
            ("  deployment: {pools: [a, b.]}", "error[kom-value] 9:27: \"b.\" cannot be a pool"),
            ("  deployment: {zones: [1, 1]}", "error[kom-duplicate] 9:27: the zone \"1\" is given twice"),
            ("  deployment: {pool: \"a b\"}", "error[kom-value] 9:22: \"a b\" cannot be a pool"),
            ("  deployment: {zones: 1}", "error[kom-type] 9:23: \"zones\" must be a list, not a number"),
            ("  resources: {cpu: fast}", "error[kom-quantity] 9:20: \"cpu\" cannot be \"fast\": not a quantity"),
            (
                "  resources: {cpu: -1}",
                "error[kom-quantity] 9:20: \"cpu\" cannot be \"-1\": a quantity here cannot be negative",
            ),
            ("  resources: {memory: 0}", "error[kom-quantity] 9:23: \"memory\" cannot be zero"),
            (
                "  resources: {gpu: 1}",
                "error[kom-unknown-key] 9:15: the resources of an App has no key \"gpu\" | did you mean \"cpu\"?",
            ),
            (
                "  profiles: [a, {b: c}]",
                "error[kom-type] 9:17: an item of \"profiles\" must be a single value, not a mapping | write a single value here",
            ),
        ],
    );
    let app = app("  deployment: {pool: , zones: [\"1\", \"2\"]}");
    assert_eq!((app.deployment.pools.len(), app.deployment.zones.len(), app.deployment.single_zone), (0, 2, false));
    assert_eq!(app.deployment.zone_location, Some(Location::new("kompoxapp.yml", 9, 32)));
}

#[test]
fn quota_and_limits_are_read() {
    let app = app(
        "  quota: {requests.cpu: 2, limits.memory: 8Gi, pods: 10, services.loadbalancers: 0, count/jobs.batch: 3,\n    \
         requests.nvidia.com/gpu: 1, managed-csi.storageclass.storage.k8s.io/requests.storage: 50Gi}\n  \
         limits: {min: {cpu: 10m}, defaultRequest: {cpu: 100m, memory: 128Mi}, default: {cpu: 0.5}, max: {cpu: 2, memory: 1Gi}}",
    );
    let quota = app.quota.unwrap();
    assert_eq!(quota.hard.len(), 7);
    assert_eq!(quota.hard["requests.cpu"], Located::new("2".to_owned(), Location::new("kompoxapp.yml", 9, 25)));
    assert_eq!(quota.location, Location::new("kompoxapp.yml", 9, 10));
    let limits = app.limits.unwrap();
    assert_eq!((limits.min["cpu"].value.as_str(), limits.default["cpu"].value.as_str()), ("10m", "0.5"));
    assert_eq!((limits.default_request.len(), limits.max["memory"].value.as_str()), (2, "1Gi"));
    let app = self::app("  quota:\n  limits: ~");
    assert_eq!((app.quota, app.limits), (None, None));
}

#[test]
fn quota_and_limits_are_checked() {
    table(
        load_app,
        &[
            (
                "  quota: 2",
                "error[kom-type] 9:10: the quota of an App must be a mapping of keys and values, not a number",
            ),
            ("  quota: {}", "error[kom-value] 9:10: \"quota\" is empty | name what is limited"),
            (
                "  quota: {request.cpu: 2}",
                "error[kom-quota] 9:11: a quota cannot limit \"request.cpu\" | did you mean \"requests.cpu\"?",
            ),
            (
                "  quota: {limits.nvidia.com/gpu: 2}",
                "error[kom-quota] 9:11: a quota cannot limit \"limits.nvidia.com/gpu\" | known are cpu, memory,",
            ),
            (
                "  quota: {limits.cpu: lots}",
                "error[kom-quantity] 9:23: \"limits.cpu\" cannot be \"lots\": not a quantity",
            ),
            (
                "  quota: {pods: 1.5}",
                "error[kom-quantity] 9:17: \"pods\" cannot be \"1.5\": it counts objects | write a whole number",
            ),
            (
                "  quota: {count/pods: -1}",
                "error[kom-quantity] 9:23: \"count/pods\" cannot be \"-1\": a quantity here cannot be negative",
            ),
            ("  quota: {cpu: [1]}", "error[kom-type] 9:16: \"cpu\" must be a single value, not a sequence"),
            (
                "  limits: {defaultRequests: {cpu: 1}, max: {cpu: 1}}",
                "error[kom-unknown-key] 9:12: the limits of an App has no key \"defaultRequests\" | did you mean \"defaultRequest\"?",
            ),
            (
                "  limits: {max: {cpus: 1, cpu: 1}}",
                "error[kom-limits] 9:18: \"max\" cannot limit \"cpus\" | did you mean \"cpu\"?",
            ),
            ("  limits: {max: {}}", "error[kom-value] 9:11: \"limits\" limits nothing"),
            (
                "  limits: {default: {cpu: 500m}, defaultRequest: {cpu: 1}}",
                "error[kom-limits] 9:27: default.cpu is 500m, less than defaultRequest.cpu | defaultRequest is 1 on line 9;",
            ),
            (
                "  limits: {max: {memory: 1Gi}, min: {memory: 1025Mi}}",
                "error[kom-limits] 9:26: max.memory is 1Gi, less than min.memory",
            ),
        ],
    );
}

#[test]
fn network_policies_are_checked() {
    table(
        |rule| load_app(&format!("  networkPolicy:\n    ingressRules:\n      - {rule}")),
        &[
            ("{ports: [{port: 1}]}", "error[kom-required] 11:9: an ingress rule of a network policy has no \"from\""),
            ("{from: []}", "error[kom-required] 11:9"),
            (
                "{from: [{namespaceSelector: {}}]}",
                "error[kom-network-policy] 11:17: a \"from\" item selects every namespace",
            ),
            ("{from: [{}]}", "error[kom-network-policy] 11:17: a \"from\" item selects every namespace"),
            (
                "{from: [{namespaceSelector: {matchLabels: {}}}]}",
                "error[kom-network-policy] 11:37: \"namespaceSelector\" selects every namespace",
            ),
            (
                "{from: [{podSelector: {a: b}}]}",
                "error[kom-network-policy] 11:18: a \"from\" item cannot have \"podSelector\"",
            ),
            (
                "{from: [{namespaceSelector: {matchExpressions: [{key: a, operator: In}]}}]}",
                "error[kom-network-policy] 11:57: the operator In takes one or more values",
            ),
            (
                "{from: [{namespaceSelector: {matchLabels: {a: b}}}], ports: [{port: 70000}]}",
                "error[kom-value] 11:77: \"port\" cannot be 70000",
            ),
            (
                "{from: [{namespaceSelector: {matchLabels: {a: b}}}], ports: [{protocol: tcp, port: 1}]}",
                "error[kom-value] 11:81: \"protocol\" cannot be \"tcp\" | did you mean \"TCP\"?",
            ),
            (
                "{from: [{namespaceSelector: {matchExpressions: [{key: a, operator: \"\"}]}}]}",
                "error[kom-value] 11:76: \"operator\" is empty",
            ),
            (
                "{from: [{namespaceSelector: {matchLabels: {a: b}}}], ports: [{port: 0}]}",
                "error[kom-value] 11:77: \"port\" cannot be 0",
            ),
            (
                "{from: [{namespaceSelector: {matchLabels: {a: b}}}], ports: [{protocol: TCP}]}",
                "error[kom-required] 11:70: a \"ports\" item has no \"port\"",
            ),
        ],
    );
}

#[test]
fn volumes_are_read_whole() {
    let app = app(
        "  volumes:\n    - name: default\n      size: 10Gi\n      type: disk\n      options: {sku: PremiumV2_LRS, iops: 3000, burst: true}\n      \
         deletionPolicy: Delete\n      disks:\n        - {name: blue, zone: 1, size: 20Gi, options: {sku: x}}\n        \
         - {name: green, zone: \"2\", source: \"snapshot:before\"}\n        - {name: old, import: /subscriptions/x/disks/y}\n        \
         - {name: copy, source: /subscriptions/x/disks/z}\n      assigned: green\n      snapshots:\n        \
         - {name: before, source: \"disk:blue\"}\n        - {name: kept, import: /subscriptions/x/snapshots/z}\n      \
         lifecycle: {preventDestroy: true}\n    - {name: share, type: files, size: 1073741824}\n    - {name: bare}",
    );
    let volume = &app.volumes[0];
    assert_eq!((volume.size_bytes, volume.kind), (Some(10 << 30), VolumeType::Disk));
    assert_eq!(volume.size_location, Some(Location::new("kompoxapp.yml", 11, 13)));
    let options: Vec<_> = volume.options.iter().map(|(key, value)| (key.as_str(), value.value.as_str())).collect();
    assert_eq!(options, [("burst", "true"), ("iops", "3000"), ("sku", "PremiumV2_LRS")]);
    assert_eq!(volume.deletion_policy, DeletionPolicy::Delete);
    let sources: Vec<_> =
        volume.disks.iter().map(|disk| disk.source.as_ref().map(|source| source.value.clone())).collect();
    assert_eq!(
        sources,
        [
            None,
            Some(DiskSource::Snapshot("before".into())),
            None,
            Some(DiskSource::ProviderId("/subscriptions/x/disks/z".into()))
        ]
    );
    assert_eq!((volume.disks[0].size_bytes, volume.disks[0].options["sku"].value.as_str()), (Some(20 << 30), "x"));
    assert_eq!(volume.assigned_disk().map(|disk| disk.name.as_str()), Some("green"));
    assert_eq!(volume.snapshots[0].source.as_ref().unwrap().value, DiskSource::Disk("blue".into()));
    assert_eq!(volume.lifecycle.prevent_destroy, Some(true));
    assert_eq!((app.volumes[1].kind, app.volumes[1].size_bytes), (VolumeType::Files, Some(1 << 30)));
    assert_eq!((app.volumes[2].size_bytes, app.volumes[2].deletion_policy), (None, DeletionPolicy::Orphan));
    assert!(app.volumes[2].assigned_disk().is_none());
}

#[test]
fn volumes_are_checked() {
    table(
        |volume| load_app(&format!("  volumes:\n    - {volume}")),
        &[
            ("{size: 1Gi}", "error[kom-required] 10:7: a volume has no \"name\""),
            (
                "{name: a2345678901234567}",
                "error[kom-name] 10:14: \"name\" of a volume cannot be \"a2345678901234567\" | 1 to 16",
            ),
            ("{name: a_b}", "error[kom-name] 10:14"),
            ("{name: a, size: 10G i}", "error[kom-quantity] 10:23: \"size\" cannot be \"10G i\": not a quantity"),
            ("{name: a, size: 10}", "error[kom-quantity] 10:23: a size of \"10\" is 10 bytes, less than 1Mi"),
            ("{name: a, size: [1]}", "error[kom-type] 10:23: \"size\" must be a single value, not a sequence"),
            (
                "{name: a, type: block}",
                "error[kom-value] 10:23: \"type\" cannot be \"block\" | it is one of disk, files",
            ),
            ("{name: a, options: {sku: [x]}}", "error[kom-type] 10:32: \"sku\" must be a single value"),
            (
                "{name: a, deletionPolicy: delete}",
                "error[kom-value] 10:33: \"deletionPolicy\" cannot be \"delete\" | did you mean \"Delete\"?",
            ),
            (
                "{name: a, Size: 1Gi}",
                "error[kom-unknown-key] 10:17: a volume has no key \"Size\" | did you mean \"size\"?",
            ),
            ("{name: a, disks: []}", "error[kom-disks-empty] 10:24: \"disks\" is empty"),
            ("{name: a, disks: }", "error[kom-disks-empty] 10:"),
            (
                "{name: a, disks: [{name: x}, {name: x}], assigned: x}",
                "error[kom-duplicate] 10:36: the disk \"x\" is given twice",
            ),
            (
                "{name: a, disks: [{name: a234567890123456789012345}]}",
                "error[kom-name] 10:32: \"name\" of a disk cannot be \"a234567890123456789012345\" | 1 to 24",
            ),
            (
                "{name: a, snapshots: [{name: a234567890123456789012345, import: /x}]}",
                "error[kom-name] 10:36: \"name\" of a snapshot cannot be \"a234567890123456789012345\" | 1 to 24",
            ),
            (
                "{name: a, lifecycle: {preventDestroy: sure}}",
                "error[kom-type] 10:45: \"preventDestroy\" must be true or false",
            ),
            (
                "{name: a, disks: [{name: x}, {name: y}]}",
                "error[kom-assigned] 10:17: the volume has several disks but no \"assigned\" | say which one the pods mount: assigned: <one of x, y>",
            ),
            (
                "{name: a, disks: [{name: x}], assigned: z}",
                "error[kom-assigned] 10:47: \"assigned\" names \"z\", which is no disk of this volume | it is one of x",
            ),
            (
                "{name: a, assigned: z}",
                "error[kom-assigned] 10:27: \"assigned\" names \"z\", which is no disk of this volume | declare it",
            ),
            (
                "{name: a, disks: [{name: x, source: /x, import: /y}]}",
                "error[kom-disk-source] 10:55: a disk cannot have both \"source\" and \"import\"",
            ),
            (
                "{name: a, disks: [{name: x, source: y}]}",
                "error[kom-disk-source] 10:43: \"y\" may be a disk, a snapshot or a resource id | write \"snapshot:y\", \"disk:y\" or \"resourceId:y\"",
            ),
            (
                "{name: a, disks: [{name: x, source: \"disk:A\"}]}",
                "error[kom-disk-source] 10:43: \"disk:A\" names no disk or snapshot",
            ),
            (
                "{name: a, disks: [{name: x, source: \"snapshot:y\"}]}",
                "error[kom-disk-source] 10:43: the source \"snapshot:y\" is no snapshot of this volume | declare it: snapshots: [{name: y",
            ),
            (
                "{name: a, snapshots: [{name: x}]}",
                "error[kom-disk-source] 10:29: a snapshot needs a \"source\" or an \"import\"",
            ),
            (
                "{name: a, snapshots: [{name: x, import: /a, source: /b}]}",
                "error[kom-disk-source] 10:47: a snapshot cannot have both",
            ),
            (
                "{name: a, snapshots: [{name: x, source: /a}, {name: x, source: /b}]}",
                "error[kom-duplicate] 10:52: the snapshot \"x\" is given twice",
            ),
            (
                "{name: a, disks: [{name: x, source: \"snapshot:s\"}], snapshots: [{name: s, source: \"disk:x\"}]}",
                "error[kom-disk-cycle] 10:43: these disks and snapshots are made from each other | disk:x is made from snapshot:s (kompoxapp.yml:10:43) | snapshot:s is made from disk:x (kompoxapp.yml:10:89) | take one of these sources out",
            ),
            (
                "{name: a, disks: [{name: x, source: \"disk:x\"}]}",
                "error[kom-disk-cycle] 10:43: these disks and snapshots are made from each other | disk:x is made from disk:x",
            ),
            (
                "{name: a, disks: [{name: w, source: \"disk:x\"}, {name: x, source: \"disk:y\"}, {name: y, source: \"disk:x\"}], assigned: w}",
                "error[kom-disk-cycle] 10:72: these disks and snapshots are made from each other | disk:x is made from disk:y",
            ),
        ],
    );
    table(
        load_app,
        &[("  volumes: [{name: a}, {name: a}]", "error[kom-duplicate] 9:24: the volume \"a\" is given twice")],
    );
}

#[test]
fn boxes_are_checked() {
    let tools = format!("{APP}/box/tools");
    let boxed = |spec: &str| -> KomBox { load("Box", &tools, spec).unwrap().project.boxes.remove(0) };
    let full = boxed("  component: tools\n  image: busybox\n  command: [sleep, 1]\n  args: [x]");
    assert_eq!((full.command, full.args), (vec!["sleep".to_owned(), "1".to_owned()], vec!["x".to_owned()]));
    assert!(boxed("  {}").image.is_none());
    table(
        |spec| load("Box", &tools, spec),
        &[
            (
                "  component: other",
                "error[kom-box-component] 8:14: the component \"other\" is not the Box's name \"tools\"",
            ),
            ("  command: [x]", "error[kom-box-compose] 8:3: a compose Box (one without an image) takes no \"command\""),
            ("  args: [x]", "error[kom-box-compose] 8:3: a compose Box (one without an image) takes no \"args\""),
            ("  ingress: {}", "error[kom-reserved] 8:3: \"ingress\" of a Box is reserved"),
            ("  image: a\n  command: sleep", "error[kom-type] 9:12: \"command\" must be a list, not a string"),
        ],
    );
    table(
        |spec| load("Box", &format!("{APP}/box/app"), spec),
        &[("  image: a", "error[kom-box-name] 6:24: a Box cannot be named \"app\"")],
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_input_panics(text in "(apiVersion: ops.kompox.dev/v1alpha1\nkind: (App|Box|Cluster)\n)?([a-z{}\\[\\]:,&*!|>\"' \n-]{0,80})") {
        let folder = Folder::new(&[("kompoxapp.yml", &text)]);
        if let Err(diagnostics) = folder.load() {
            prop_assert!(diagnostics.has_errors());
        }
    }

    #[test]
    fn names_follow_the_pattern(name in "[a-zA-Z0-9-]{0,18}") {
        let result = load_app(&format!("  volumes: [{{name: \"{name}\"}}]"));
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        let valid = name.len() <= 16 && edge(name.chars().next()) && edge(name.chars().last())
            && !name.chars().any(|c| c.is_ascii_uppercase());
        prop_assert_eq!(result.is_ok(), valid, "{}", name);
    }
}
