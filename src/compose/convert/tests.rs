use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::compose::files::{FileError, Files};
use crate::compose::{Input, ReadRequest, read};
use crate::yaml::{self, Limits, Source};

const GITEA: &str = r#"
services:
  gitea:
    image: docker.gitea.com/gitea:1.24.6
    environment:
      - USER_UID=1000
      - USER_GID=1000
    env_file:
      - compose-gitea.env
    volumes:
      - ./data/gitea:/data
    ports:
      - "3000:3000"
  postgres:
    image: postgres:17
    env_file:
      - compose-postgres.env
    volumes:
      - ./data/postgres:/var/lib/postgresql/data
"#;

/// Files held in memory.
struct Memory(BTreeMap<&'static str, &'static [u8]>);

impl Files for Memory {
    fn read(&self, relative: &str) -> Result<Vec<u8>, FileError> {
        self.0.get(relative.trim_start_matches("./")).map(|b| b.to_vec()).ok_or(FileError::NotFound)
    }
    fn is_file(&self, relative: &str) -> bool {
        self.0.contains_key(relative)
    }
    fn is_dir(&self, _relative: &str) -> bool {
        false
    }
}

fn files() -> Memory {
    Memory(BTreeMap::from([
        ("compose-gitea.env", &b"GITEA__database__PASSWD=hunter2\nGITEA__database__HOST=postgres\n"[..]),
        ("compose-postgres.env", b"POSTGRES_PASSWORD=hunter2\n"),
        ("conf/app.ini", b"[server]\n"),
        ("token.bin", b"\x00\xff"),
    ]))
}

fn project(text: &str) -> ComposeProject {
    let (project, diagnostics) = read_text(text);
    project.unwrap_or_else(|| panic!("{}", lines(&diagnostics)))
}

fn read_text(text: &str) -> (Option<ComposeProject>, Diagnostics) {
    let environment =
        BTreeMap::from([("DB_PASS".to_owned(), "hunter2".to_owned()), ("TAG".to_owned(), "1.2".to_owned())]);
    read(ReadRequest {
        inputs: vec![Input::Text(Source::new("compose.yml", text))],
        profiles: &["web".to_owned()],
        environment: &environment,
        files: &files(),
    })
}

fn lines(diagnostics: &Diagnostics) -> String {
    diagnostics.iter().map(|d| format!("{:?} {} {d}\n", d.severity, d.code)).collect()
}

fn volume(name: &str, id: &str) -> VolumeInput {
    VolumeInput {
        name: name.to_owned(),
        disk: None,
        access: Access::ReadWriteOnce,
        size_bytes: 10 << 30,
        handle: id.to_owned(),
        storage_class: "managed-csi".to_owned(),
        driver: "disk.csi.azure.com".to_owned(),
        attributes: BTreeMap::from([("fsType".to_owned(), "ext4".to_owned())]),
        previous_handle: None,
        origin: None,
    }
}

fn scope() -> Scope {
    Scope {
        workspace: "aks-e2e-gitea-20250925-060355".to_owned(),
        provider: "aks1".to_owned(),
        cluster: "cluster1".to_owned(),
        app: "app1".to_owned(),
    }
}

fn input<'a>(scope: &'a Scope, compose: &'a ComposeProject) -> ConvertInput<'a> {
    ConvertInput {
        scope,
        provider_driver: "aks",
        compose,
        volumes: vec![volume("default", "/subscriptions/s/disks/d1")],
        ingress: IngressInput { namespace: "traefik".to_owned(), ..IngressInput::default() },
        pools: Vec::new(),
        single_pool: true,
        zones: vec!["1".to_owned()],
        single_zone: true,
        resources: BTreeMap::new(),
        network_rules: Vec::new(),
        boxes: Vec::new(),
        live_secret_hashes: BTreeMap::new(),
    }
}

fn gitea_ingress() -> IngressInput {
    IngressInput {
        namespace: "traefik".to_owned(),
        domain: Some("cluster1.aks1.exp.kompox.dev".to_owned()),
        cert_resolver: Some("staging".to_owned()),
        rules: vec![RuleInput {
            name: "main".to_owned(),
            port: 3000,
            hosts: vec!["gitea.custom.exp.kompox.dev".to_owned()],
            location: None,
        }],
    }
}

fn gitea() -> Rendered {
    let (scope, project) = (scope(), project(GITEA));
    let (rendered, diagnostics) = convert(&ConvertInput { ingress: gitea_ingress(), ..input(&scope, &project) });
    rendered.unwrap_or_else(|| panic!("{}", lines(&diagnostics)))
}

/// Converts a text with the plain input: the objects, or what is wrong.
fn converted(text: &str) -> Result<Rendered, String> {
    let (project, found) = read_text(text);
    let Some(project) = project else { return Err(lines(&found)) };
    let scope = scope();
    let (rendered, diagnostics) = convert(&input(&scope, &project));
    rendered.ok_or_else(|| lines(&diagnostics))
}

fn find<'a>(rendered: &'a Rendered, kind: &str, name: &str) -> &'a Value {
    let found = rendered.objects.iter().find(|o| o.address_kind == kind && o.address_name == name);
    &found.unwrap_or_else(|| panic!("no {kind} {name}")).body
}

fn pod(rendered: &Rendered) -> &Value {
    &find(rendered, "Deployment", "app1-app")["spec"]["template"]["spec"]
}

/// Findings of reading and converting below errors, as `severity code message`.
fn findings(text: &str) -> String {
    let (project, found) = read_text(text);
    let mut all = lines(&found);
    if let Some(project) = project {
        let scope = scope();
        all.push_str(&lines(&convert(&input(&scope, &project)).1));
    }
    all
}

/// A project with one service that has these lines.
fn service(body: &str) -> String {
    format!("services:\n  web:\n    image: x\n{body}")
}

#[test]
fn gitea_has_the_objects_of_the_published_run() {
    let rendered = gitea();
    let list: Vec<String> = rendered
        .objects
        .iter()
        .map(|o| format!("{} {}", o.address_kind, o.body["metadata"]["name"].as_str().unwrap()))
        .collect();
    let pv = names::persistent_volume("50vf7y", "default", "13o40q", "/subscriptions/s/disks/d1");
    assert_eq!(
        list,
        [
            "Namespace k4x-50vf7y-app1-13o40q",
            "ServiceAccount app1",
            "Role app1-access",
            "RoleBinding app1-access",
            "NetworkPolicy app1",
            &format!("PersistentVolume {pv}"),
            &format!("PersistentVolumeClaim {pv}"),
            "Secret app1-app-gitea-base",
            "Secret app1-app-postgres-base",
            "Deployment app1-app",
            "Service app1-app",
            "Service gitea",
            "Service postgres",
            "Ingress app1-app-default",
            "Ingress app1-app-custom",
        ]
    );
    assert_eq!(rendered.hosts, ["app1-13o40q-3000.cluster1.aks1.exp.kompox.dev", "gitea.custom.exp.kompox.dev"]);
}

#[test]
fn addresses_have_no_hashes_and_edges_lead_to_objects() {
    let rendered = gitea();
    let addresses: Vec<(String, String)> =
        rendered.objects.iter().map(|o| (o.address_kind.clone(), o.address_name.clone())).collect();
    assert!(addresses.contains(&("Namespace".to_owned(), "app1".to_owned())));
    assert!(addresses.contains(&("PersistentVolumeClaim".to_owned(), "default".to_owned())));
    for (index, object) in rendered.objects.iter().enumerate() {
        for edge in &object.after {
            let at = addresses.iter().position(|address| address == edge);
            assert!(at.is_some_and(|at| at < index), "{} after {edge:?}", object.address_name);
        }
    }
    // Pods look each other up while they start, so names never wait for the rollout.
    let service = rendered.objects.iter().find(|o| o.address_name == "gitea").unwrap();
    assert_eq!(service.after, [("Namespace".to_owned(), "app1".to_owned())]);
}

#[test]
fn gitea_deployment() {
    insta::assert_snapshot!(serde_saphyr::to_string(find(&gitea(), "Deployment", "app1-app")).unwrap(), @r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    app: app1-app
    app.kubernetes.io/component: app
    app.kubernetes.io/instance: app1-2aopo7
    app.kubernetes.io/managed-by: kompox
    app.kubernetes.io/name: app1
    kompox.dev/app-id-hash: 13o40q
    kompox.dev/app-instance-hash: 2aopo7
  name: app1-app
  namespace: k4x-50vf7y-app1-13o40q
spec:
  replicas: 1
  selector:
    matchLabels:
      app: app1-app
  strategy:
    type: Recreate
  template:
    metadata:
      annotations:
        kompox.dev/compose-content-hash: 1jhvyo
      labels:
        app: app1-app
        app.kubernetes.io/component: app
        app.kubernetes.io/instance: app1-2aopo7
        app.kubernetes.io/managed-by: kompox
        app.kubernetes.io/name: app1
        kompox.dev/app-id-hash: 13o40q
        kompox.dev/app-instance-hash: 2aopo7
    spec:
      automountServiceAccountToken: false
      containers:
      - env:
        - name: USER_GID
          value: "1000"
        - name: USER_UID
          value: "1000"
        envFrom:
        - secretRef:
            name: app1-app-gitea-base
            optional: true
        - secretRef:
            name: app1-app-gitea-override
            optional: true
        image: docker.gitea.com/gitea:1.24.6
        name: gitea
        ports:
        - containerPort: 3000
        volumeMounts:
        - mountPath: /data
          name: default
          subPath: data/gitea
      - envFrom:
        - secretRef:
            name: app1-app-postgres-base
            optional: true
        - secretRef:
            name: app1-app-postgres-override
            optional: true
        image: postgres:17
        name: postgres
        volumeMounts:
        - mountPath: /var/lib/postgresql/data
          name: default
          subPath: data/postgres
      initContainers:
      - command:
        - sh
        - -c
        - |-
          mkdir -m 1777 -p /work/default/data/gitea
          mkdir -m 1777 -p /work/default/data/postgres
        image: busybox:1.36
        name: init-volume-subpaths
        volumeMounts:
        - mountPath: /work/default
          name: default
      nodeSelector:
        kompox.dev/node-pool: user
        kompox.dev/node-zone: "1"
      volumes:
      - name: default
        persistentVolumeClaim:
          claimName: k4x-50vf7y-default-13o40q-4hz6mw
"#);
}

#[test]
fn gitea_services_and_ingresses() {
    let rendered = gitea();
    let text: String = [
        ("Service", "app1-app"),
        ("Service", "gitea"),
        ("Ingress", "app1-app-default"),
        ("Ingress", "app1-app-custom"),
    ]
    .iter()
    .map(|(kind, name)| format!("---\n{}", serde_saphyr::to_string(find(&rendered, kind, name)).unwrap()))
    .collect();
    insta::assert_snapshot!(text, @r#"
---
apiVersion: v1
kind: Service
metadata:
  labels:
    app: app1-app
    app.kubernetes.io/component: app
    app.kubernetes.io/instance: app1-2aopo7
    app.kubernetes.io/managed-by: kompox
    app.kubernetes.io/name: app1
    kompox.dev/app-id-hash: 13o40q
    kompox.dev/app-instance-hash: 2aopo7
  name: app1-app
  namespace: k4x-50vf7y-app1-13o40q
spec:
  ports:
  - name: main
    port: 3000
    targetPort: 3000
  selector:
    app: app1-app
---
apiVersion: v1
kind: Service
metadata:
  labels:
    app: app1-app
    app.kubernetes.io/component: app
    app.kubernetes.io/instance: app1-2aopo7
    app.kubernetes.io/managed-by: kompox
    app.kubernetes.io/name: app1
    kompox.dev/app-id-hash: 13o40q
    kompox.dev/app-instance-hash: 2aopo7
    kompox.dev/compose-service-headless: "true"
  name: gitea
  namespace: k4x-50vf7y-app1-13o40q
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector:
    app: app1-app
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  annotations:
    traefik.ingress.kubernetes.io/router.entrypoints: websecure
    traefik.ingress.kubernetes.io/router.tls: "true"
  labels:
    app: app1-app
    app.kubernetes.io/component: app
    app.kubernetes.io/instance: app1-2aopo7
    app.kubernetes.io/managed-by: kompox
    app.kubernetes.io/name: app1
    kompox.dev/app-id-hash: 13o40q
    kompox.dev/app-instance-hash: 2aopo7
  name: app1-app-default
  namespace: k4x-50vf7y-app1-13o40q
spec:
  ingressClassName: traefik
  rules:
  - host: app1-13o40q-3000.cluster1.aks1.exp.kompox.dev
    http:
      paths:
      - backend:
          service:
            name: app1-app
            port:
              name: main
        path: /
        pathType: Prefix
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  annotations:
    traefik.ingress.kubernetes.io/router.entrypoints: websecure
    traefik.ingress.kubernetes.io/router.tls: "true"
    traefik.ingress.kubernetes.io/router.tls.certresolver: staging
  labels:
    app: app1-app
    app.kubernetes.io/component: app
    app.kubernetes.io/instance: app1-2aopo7
    app.kubernetes.io/managed-by: kompox
    app.kubernetes.io/name: app1
    kompox.dev/app-id-hash: 13o40q
    kompox.dev/app-instance-hash: 2aopo7
  name: app1-app-custom
  namespace: k4x-50vf7y-app1-13o40q
spec:
  ingressClassName: traefik
  rules:
  - host: gitea.custom.exp.kompox.dev
    http:
      paths:
      - backend:
          service:
            name: app1-app
            port:
              name: main
        path: /
        pathType: Prefix
"#);
}

#[test]
fn gitea_policies_and_volumes() {
    let rendered = gitea();
    let text: String = rendered.objects[..7]
        .iter()
        .map(|object| format!("---\n{}", serde_saphyr::to_string(&object.body).unwrap()))
        .collect();
    insta::assert_snapshot!(text, @r#"
---
apiVersion: v1
kind: Namespace
metadata:
  annotations:
    kompox.dev/app: aks-e2e-gitea-20250925-060355/aks1/cluster1/app1
    kompox.dev/provider-driver: aks
  labels:
    app.kubernetes.io/instance: app1-2aopo7
    app.kubernetes.io/managed-by: kompox
    app.kubernetes.io/name: app1
    kompox.dev/app-id-hash: 13o40q
    kompox.dev/app-instance-hash: 2aopo7
  name: k4x-50vf7y-app1-13o40q
---
apiVersion: v1
kind: ServiceAccount
metadata:
  labels:
    app.kubernetes.io/instance: app1-2aopo7
    app.kubernetes.io/managed-by: kompox
    app.kubernetes.io/name: app1
    kompox.dev/app-id-hash: 13o40q
    kompox.dev/app-instance-hash: 2aopo7
  name: app1
  namespace: k4x-50vf7y-app1-13o40q
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  labels:
    app.kubernetes.io/instance: app1-2aopo7
    app.kubernetes.io/managed-by: kompox
    app.kubernetes.io/name: app1
    kompox.dev/app-id-hash: 13o40q
    kompox.dev/app-instance-hash: 2aopo7
  name: app1-access
  namespace: k4x-50vf7y-app1-13o40q
rules:
- apiGroups:
  - ""
  resources:
  - pods
  verbs:
  - get
  - list
  - watch
- apiGroups:
  - ""
  resources:
  - pods/log
  verbs:
  - get
  - watch
- apiGroups:
  - ""
  resources:
  - pods/exec
  - pods/portforward
  - pods/attach
  verbs:
  - create
- apiGroups:
  - ""
  resources:
  - events
  - services
  - endpoints
  verbs:
  - get
  - list
  - watch
- apiGroups:
  - apps
  resources:
  - deployments
  - replicasets
  verbs:
  - get
  - list
  - watch
- apiGroups:
  - ""
  resources:
  - pods/ephemeralcontainers
  verbs:
  - update
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  labels:
    app.kubernetes.io/instance: app1-2aopo7
    app.kubernetes.io/managed-by: kompox
    app.kubernetes.io/name: app1
    kompox.dev/app-id-hash: 13o40q
    kompox.dev/app-instance-hash: 2aopo7
  name: app1-access
  namespace: k4x-50vf7y-app1-13o40q
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: app1-access
subjects:
- kind: ServiceAccount
  name: app1
  namespace: k4x-50vf7y-app1-13o40q
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  labels:
    app.kubernetes.io/instance: app1-2aopo7
    app.kubernetes.io/managed-by: kompox
    app.kubernetes.io/name: app1
    kompox.dev/app-id-hash: 13o40q
    kompox.dev/app-instance-hash: 2aopo7
  name: app1
  namespace: k4x-50vf7y-app1-13o40q
spec:
  ingress:
  - from:
    - podSelector: {}
    - namespaceSelector:
        matchExpressions:
        - key: kubernetes.io/metadata.name
          operator: In
          values:
          - kube-system
          - traefik
  podSelector: {}
  policyTypes:
  - Ingress
---
apiVersion: v1
kind: PersistentVolume
metadata:
  labels:
    app.kubernetes.io/instance: app1-2aopo7
    app.kubernetes.io/managed-by: kompox
    app.kubernetes.io/name: app1
    kompox.dev/app-id-hash: 13o40q
    kompox.dev/app-instance-hash: 2aopo7
  name: k4x-50vf7y-default-13o40q-4hz6mw
spec:
  accessModes:
  - ReadWriteOnce
  capacity:
    storage: 10Gi
  csi:
    driver: disk.csi.azure.com
    volumeAttributes:
      fsType: ext4
    volumeHandle: /subscriptions/s/disks/d1
  persistentVolumeReclaimPolicy: Retain
  storageClassName: managed-csi
  volumeMode: Filesystem
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  labels:
    app.kubernetes.io/instance: app1-2aopo7
    app.kubernetes.io/managed-by: kompox
    app.kubernetes.io/name: app1
    kompox.dev/app-id-hash: 13o40q
    kompox.dev/app-instance-hash: 2aopo7
  name: k4x-50vf7y-default-13o40q-4hz6mw
  namespace: k4x-50vf7y-app1-13o40q
spec:
  accessModes:
  - ReadWriteOnce
  resources:
    requests:
      storage: 10Gi
  storageClassName: managed-csi
  volumeMode: Filesystem
  volumeName: k4x-50vf7y-default-13o40q-4hz6mw
"#);
}

#[test]
fn secrets_are_marked_masked_and_never_debugged() {
    let (scope, project) = (scope(), project(GITEA));
    assert!(!format!("{project:?}").contains("hunter2"));
    let (rendered, _) = convert(&input(&scope, &project));
    let rendered = rendered.unwrap();
    assert!(!format!("{rendered:?}").contains("hunter2"));
    let masked = manifest(&rendered, false).unwrap();
    assert!(!masked.contains("hunter2") && !masked.contains("aHVudGVyMg") && masked.contains("(sensitive)"));
    assert!(manifest(&rendered, true).unwrap().contains("aHVudGVyMg"));
    let secret = rendered.objects.iter().find(|o| o.address_name == "app1-app-postgres-base").unwrap();
    assert_eq!(secret.sensitive, [vec!["metadata", "annotations", CONTENT_HASH], vec!["data", "POSTGRES_PASSWORD"]]);
    let hash = names::content_hash(&BTreeMap::from([("POSTGRES_PASSWORD", "hunter2")]));
    assert_eq!(secret.body["metadata"]["annotations"][CONTENT_HASH], hash);
    let deployment = rendered.objects.iter().find(|o| o.address_kind == "Deployment").unwrap();
    let hash = &deployment.body["spec"]["template"]["metadata"]["annotations"][CONTENT_HASH];
    assert_eq!(deployment.masked()["spec"]["template"]["metadata"]["annotations"][CONTENT_HASH], "(sensitive)");
    assert!(!masked.contains(hash.as_str().unwrap()));
}

#[test]
fn what_is_sensitive_in_a_service() {
    let text = service(
        r#"    command: ["run", "--db", "${DB_PASS}", "--api-token", "abc", "--key=x"]
    environment:
      PLAIN: visible
      FROM: "p-${DB_PASS}"
      API_TOKEN: literal
      DATABASE_URL: postgres://u:pw@db/x
      DB_PASS:
    healthcheck: {test: "check ${DB_PASS}"}
    ports: ["80${NONE-80}:80"]
"#,
    )
    .replace("image: x", "image: x:${TAG}");
    let rendered = converted(&text).unwrap();
    let deployment = rendered.objects.iter().find(|o| o.address_kind == "Deployment").unwrap();
    let masked = &deployment.masked()["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(masked["image"], "x:1.2");
    assert_eq!(masked["args"], json!(["run", "--db", "(sensitive)", "--api-token", "(sensitive)", "(sensitive)"]));
    let env: BTreeMap<&str, &str> = masked["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["name"].as_str().unwrap(), e["value"].as_str().unwrap()))
        .collect();
    assert_eq!(env["PLAIN"], "visible");
    for name in ["FROM", "API_TOKEN", "DATABASE_URL", "DB_PASS"] {
        assert_eq!(env[name], "(sensitive)", "{name}");
    }
    assert_eq!(masked["livenessProbe"]["exec"]["command"], json!(["/bin/sh", "-c", "(sensitive)"]));
    assert_eq!(masked["ports"], json!([{"containerPort": 80}]));
    let shown = normalised(&project(&text), false).to_string();
    assert!(!shown.contains("hunter2") && !shown.contains("literal") && shown.contains("visible"));
}

#[test]
fn diagnostics_never_show_lines_with_secrets() {
    let text = "services: {web: {image: x, environment: {PASSWORD: hunter2}, ports: ['bad']}}";
    let (_, diagnostics) = read_text(text);
    assert!(diagnostics.has_errors());
    assert!(diagnostics.iter().all(|d| d.source_line.is_none()), "{}", lines(&diagnostics));
    let (_, diagnostics) = read_text("services:\n  web:\n    environment: {PASSWORD: hunter2, \"a: b\n");
    assert!(diagnostics.has_errors() && diagnostics.iter().all(|d| d.source_line.is_none()));
    let (_, diagnostics) = read_text(&service("    ports: ['bad']\n"));
    assert!(diagnostics.iter().any(|d| d.source_line.as_deref() == Some("    ports: ['bad']")));
}

#[test]
fn pod_hash_follows_its_secrets() {
    let (scope, project) = (scope(), project(GITEA));
    let hash = |live: &[(&str, &str)]| {
        let live_secret_hashes = live.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let rendered = convert(&ConvertInput { live_secret_hashes, ..input(&scope, &project) }).0.unwrap();
        let deployment = find(&rendered, "Deployment", "app1-app").clone();
        (
            deployment["spec"]["template"]["metadata"]["annotations"][CONTENT_HASH].as_str().unwrap().to_owned(),
            deployment,
        )
    };
    let base = |pairs: &[(&str, &str)]| names::content_hash(&pairs.iter().copied().collect::<BTreeMap<_, _>>());
    let gitea = base(&[("GITEA__database__HOST", "postgres"), ("GITEA__database__PASSWD", "hunter2")]);
    let postgres = base(&[("POSTGRES_PASSWORD", "hunter2")]);
    assert_eq!(hash(&[]).0, names::pod_content_hash(&[&gitea, &postgres]));
    let (live, deployment) = hash(&[("app1-app-postgres-override", "oooooo"), ("app1-app--pull", "pppppp")]);
    assert_eq!(live, names::pod_content_hash(&["pppppp", &gitea, &postgres, "oooooo"]));
    assert_eq!(deployment["spec"]["template"]["spec"]["imagePullSecrets"], json!([{"name": "app1-app--pull"}]));
}

#[test]
fn volumes_and_files() {
    let text = r#"
services:
  web:
    image: x
    volumes:
      - ./a b:/one
      - data/x:/two:ro
      - data:/three
      - {type: volume, source: data, target: /four, volume: {subpath: sub/y}}
      - ./covered:/etc/app.ini
    configs:
      - {source: app, target: /etc/app.ini, mode: 0440}
      - inline
    secrets: [token]
    tmpfs: ["/run:size=64m"]
    shm_size: 1gb
configs:
  app: {file: ./conf/app.ini}
  inline: {content: "x=${TAG}"}
secrets:
  token: {file: token.bin}
"#;
    let project = project(text);
    let scope = scope();
    let volumes = vec![volume("default", "/d/1"), volume("data", "/d/2")];
    let (rendered, diagnostics) = convert(&ConvertInput { volumes, ..input(&scope, &project) });
    let rendered = rendered.unwrap();
    assert!(lines(&diagnostics).contains("Warning compose-target"), "{}", lines(&diagnostics));
    insta::assert_snapshot!(serde_saphyr::to_string(pod(&rendered)).unwrap(), @r#"
automountServiceAccountToken: false
containers:
- envFrom:
  - secretRef:
      name: app1-app-web-base
      optional: true
  - secretRef:
      name: app1-app-web-override
      optional: true
  image: x
  name: web
  volumeMounts:
  - mountPath: /one
    name: default
    subPath: a b
  - mountPath: /two
    name: data
    readOnly: true
    subPath: x
  - mountPath: /three
    name: data
  - mountPath: /four
    name: data
    subPath: sub/y
  - mountPath: /run
    name: tmp-1uc17v
  - mountPath: /dev/shm
    name: tmp-45131c
  - mountPath: /etc/app.ini
    name: cfg-app
    readOnly: true
    subPath: app.ini
  - mountPath: /inline
    name: cfg-inline
    readOnly: true
    subPath: inline
  - mountPath: /run/secrets/token
    name: sec-token
    readOnly: true
    subPath: token.bin
initContainers:
- command:
  - sh
  - -c
  - |-
    mkdir -m 1777 -p '/work/default/a b'
    mkdir -m 1777 -p /work/data/sub/y
    mkdir -m 1777 -p /work/data/x
  image: busybox:1.36
  name: init-volume-subpaths
  volumeMounts:
  - mountPath: /work/data
    name: data
  - mountPath: /work/default
    name: default
nodeSelector:
  kompox.dev/node-pool: user
  kompox.dev/node-zone: "1"
volumes:
- name: default
  persistentVolumeClaim:
    claimName: k4x-50vf7y-default-13o40q-53n948
- name: data
  persistentVolumeClaim:
    claimName: k4x-50vf7y-data-13o40q-4n9i8r
- configMap:
    defaultMode: 288
    name: app1-app--cfg-app
  name: cfg-app
- configMap:
    name: app1-app--cfg-inline
  name: cfg-inline
- name: sec-token
  secret:
    secretName: app1-app--sec-token
- emptyDir:
    medium: Memory
    sizeLimit: 64Mi
  name: tmp-1uc17v
- emptyDir:
    medium: Memory
    sizeLimit: 1Gi
  name: tmp-45131c
"#);
    assert_eq!(find(&rendered, "ConfigMap", "app1-app--cfg-app")["data"], json!({"app.ini": "[server]\n"}));
    assert_eq!(find(&rendered, "ConfigMap", "app1-app--cfg-inline")["data"], json!({"inline": "x=1.2"}));
    assert_eq!(find(&rendered, "Secret", "app1-app--sec-token")["data"], json!({"token.bin": "AP8="}));
    let inline = rendered.objects.iter().find(|o| o.address_name.ends_with("cfg-inline")).unwrap();
    assert!(inline.sensitive.contains(&vec!["data".to_owned(), "inline".to_owned()]));
}

#[test]
fn persistent_volume_sizes_and_disk_switch() {
    let project = project("services: {web: {image: x}}");
    let scope = scope();
    let one = VolumeInput {
        disk: Some("green".to_owned()),
        size_bytes: (10 << 30) + 1,
        access: Access::ReadWriteMany,
        previous_handle: Some("/old".to_owned()),
        ..volume("default", "/new")
    };
    let rendered = convert(&ConvertInput { volumes: vec![one], ..input(&scope, &project) }).0.unwrap();
    let pv = find(&rendered, "PersistentVolume", "default.green");
    assert_eq!(pv["spec"]["capacity"]["storage"], "10241Mi");
    assert_eq!(pv["spec"]["accessModes"], json!(["ReadWriteMany"]));
    assert_eq!(pv["metadata"]["annotations"], json!({"kompox.dev/volume-handle-previous": "/old"}));
    assert_eq!(pv["spec"]["csi"]["volumeAttributes"], json!({"fsType": "ext4"}));
    let claim = find(&rendered, "PersistentVolumeClaim", "default.green");
    assert_eq!(claim["spec"]["volumeName"], pv["metadata"]["name"]);
}

#[test]
fn completion_makes_init_containers_and_what_they_need() {
    let text = r#"
services:
  web:
    image: x
    depends_on:
      migrate: {condition: service_completed_successfully}
      cache: {condition: service_started}
  migrate:
    image: x
    restart: on-failure
    healthcheck: {test: [CMD, "true"]}
    depends_on: {db: {condition: service_healthy}}
  db:
    image: postgres
    healthcheck: {test: [CMD, pg_isready], interval: 5s}
  cache: {image: redis}
"#;
    let rendered = converted(text).unwrap();
    let pod = pod(&rendered);
    let names =
        |key: &str| -> Vec<&str> { pod[key].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect() };
    assert_eq!(names("initContainers"), ["db", "migrate"]);
    assert_eq!(names("containers"), ["web", "cache"]);
    let init = &pod["initContainers"];
    assert_eq!(init[0]["restartPolicy"], "Always");
    assert_eq!(init[0]["startupProbe"]["periodSeconds"], 5);
    assert!(init[1].get("restartPolicy").is_none() && init[1].get("livenessProbe").is_none());
    let found = findings(text);
    assert!(found.contains("Note compose-depends-on compose.yml:7:7: web does not wait for cache"), "{found}");
    assert!(!found.contains("compose-restart"));
}

#[test]
fn process_and_pod_fields() {
    let text = r#"
services:
  web:
    image: x
    entrypoint: /bin/sh -c "echo $$HOME $$(date)"
    command: [a, "b c"]
    user: "1000:1001"
    working_dir: /srv
    tty: true
    stdin_open: "true"
    stop_grace_period: 1m30s
    read_only: true
    cap_add: [CAP_NET_ADMIN]
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true", "seccomp=unconfined"]
    sysctls: {net.core.somaxconn: 1024}
    extra_hosts: ["a:10.0.0.1", "b=10.0.0.1", "gw:host-gateway"]
    dns: 1.1.1.1
    dns_search: [example.com]
    pull_policy: missing
    group_add: [100]
    mem_limit: 512m
    cpus: 0.5
    deploy: {resources: {reservations: {cpus: "0.25", memory: 64M}}, replicas: 1}
    x-kompox: {limits: {memory: 1Gi}}
    healthcheck: {test: curl -f localhost, interval: 10s, timeout: 2s, retries: 5, start_period: 21s}
    expose: ["9000", "53/udp"]
"#;
    insta::assert_snapshot!(serde_saphyr::to_string(pod(&converted(text).unwrap())).unwrap(), @r#"
automountServiceAccountToken: false
containers:
- args:
  - a
  - b c
  command:
  - /bin/sh
  - -c
  - echo $HOME $$(date)
  envFrom:
  - secretRef:
      name: app1-app-web-base
      optional: true
  - secretRef:
      name: app1-app-web-override
      optional: true
  image: x
  imagePullPolicy: IfNotPresent
  livenessProbe:
    exec:
      command:
      - /bin/sh
      - -c
      - curl -f localhost
    failureThreshold: 5
    periodSeconds: 10
    timeoutSeconds: 2
  name: web
  ports:
  - containerPort: 9000
  - containerPort: 53
    protocol: UDP
  resources:
    limits:
      cpu: 500m
      memory: 1Gi
    requests:
      cpu: 250m
      memory: 64Mi
  securityContext:
    allowPrivilegeEscalation: false
    capabilities:
      add:
      - NET_ADMIN
      drop:
      - ALL
    readOnlyRootFilesystem: true
    runAsGroup: 1001
    runAsUser: 1000
    seccompProfile:
      type: Unconfined
  startupProbe:
    exec:
      command:
      - /bin/sh
      - -c
      - curl -f localhost
    failureThreshold: 10
    periodSeconds: 5
    timeoutSeconds: 2
  stdin: true
  tty: true
  workingDir: /srv
dnsConfig:
  nameservers:
  - "1.1.1.1"
  searches:
  - example.com
hostAliases:
- hostnames:
  - a
  - b
  ip: "10.0.0.1"
nodeSelector:
  kompox.dev/node-pool: user
  kompox.dev/node-zone: "1"
securityContext:
  supplementalGroups:
  - 100
  sysctls:
  - name: net.core.somaxconn
    value: "1024"
terminationGracePeriodSeconds: 90
volumes:
- name: default
  persistentVolumeClaim:
    claimName: k4x-50vf7y-default-13o40q-4hz6mw
"#);
    let found = findings(text);
    assert!(found.contains("extra_hosts gw"), "{found}");
}

#[test]
fn placement_by_pools_and_zones() {
    let (scope, project) = (scope(), project("services: {web: {image: x}}"));
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
    let render = |pools: &[&str], single_pool, zones: &[&str], single_zone| {
        let (pools, zones) = (list(pools), list(zones));
        let one = ConvertInput { pools, single_pool, zones, single_zone, ..input(&scope, &project) };
        pod(&convert(&one).0.unwrap()).clone()
    };
    let plain = render(&[], false, &[], false);
    assert_eq!(plain["nodeSelector"], json!({"kompox.dev/node-pool": "user"}));
    assert!(plain.get("affinity").is_none());
    let several = render(&["a", "b"], false, &["1"], true);
    assert_eq!(several["nodeSelector"], json!({"kompox.dev/node-zone": "1"}));
    let terms = &several["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    assert_eq!(
        terms["nodeSelectorTerms"][0]["matchExpressions"],
        json!([{"key": "kompox.dev/node-pool", "operator": "In", "values": ["a", "b"]}])
    );
}

#[test]
fn default_resources_go_to_services_without_any() {
    let (scope, project) = (scope(), project("services: {a: {image: x}, b: {image: x, cpus: 2}}"));
    let resources = BTreeMap::from([("cpu".to_owned(), "500m".to_owned())]);
    let rendered = convert(&ConvertInput { resources, ..input(&scope, &project) }).0.unwrap();
    assert_eq!(pod(&rendered)["containers"][0]["resources"], json!({"requests": {"cpu": "500m"}}));
    assert_eq!(pod(&rendered)["containers"][1]["resources"], json!({"limits": {"cpu": "2"}}));
}

#[test]
fn services_without_rules_list_published_ports() {
    let text = "services: {a: {image: x, ports: ['8081:81', '53:53/udp', '8080:80']}}";
    let rendered = converted(text).unwrap();
    assert_eq!(
        find(&rendered, "Service", "app1-app")["spec"]["ports"],
        json!([
            {"name": "p53-udp", "port": 53, "protocol": "UDP", "targetPort": 53},
            {"name": "p8080", "port": 8080, "targetPort": 80},
            {"name": "p8081", "port": 8081, "targetPort": 81},
        ])
    );
    assert!(rendered.objects.iter().all(|o| o.address_kind != "Ingress"));
    let none = converted("services: {a: {image: x}}").unwrap();
    assert!(none.objects.iter().all(|o| o.address_name != "app1-app" || o.address_kind != "Service"));
}

#[test]
fn stand_alone_box() {
    let (scope, project) = (scope(), project("services: {web: {image: x}}"));
    let one = |command: &[&str]| BoxInput {
        name: "tools".to_owned(),
        image: Some("debian:stable".to_owned()),
        command: command.iter().map(|c| (*c).to_owned()).collect(),
        args: Vec::new(),
        network_rules: vec![json!({"from": [{"podSelector": {}}]})],
        location: None,
    };
    let rendered = convert(&ConvertInput { boxes: vec![one(&[])], ..input(&scope, &project) }).0.unwrap();
    insta::assert_snapshot!(serde_saphyr::to_string(find(&rendered, "Deployment", "app1-tools")).unwrap(), @r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    app: app1-tools
    app.kubernetes.io/component: tools
    app.kubernetes.io/instance: app1-2aopo7
    app.kubernetes.io/managed-by: kompox
    app.kubernetes.io/name: app1
    kompox.dev/app-id-hash: 13o40q
    kompox.dev/app-instance-hash: 2aopo7
  name: app1-tools
  namespace: k4x-50vf7y-app1-13o40q
spec:
  replicas: 1
  selector:
    matchLabels:
      app: app1-tools
  strategy:
    type: Recreate
  template:
    metadata:
      labels:
        app: app1-tools
        app.kubernetes.io/component: tools
        app.kubernetes.io/instance: app1-2aopo7
        app.kubernetes.io/managed-by: kompox
        app.kubernetes.io/name: app1
        kompox.dev/app-id-hash: 13o40q
        kompox.dev/app-instance-hash: 2aopo7
    spec:
      affinity:
        podAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - labelSelector:
              matchLabels:
                app: app1-app
            topologyKey: kubernetes.io/hostname
      automountServiceAccountToken: false
      containers:
      - args:
        - sleep infinity
        command:
        - sh
        - -c
        image: debian:stable
        name: box
        volumeMounts:
        - mountPath: /mnt/default
          name: default
      nodeSelector:
        kompox.dev/node-pool: user
        kompox.dev/node-zone: "1"
      volumes:
      - name: default
        persistentVolumeClaim:
          claimName: k4x-50vf7y-default-13o40q-4hz6mw
"#);
    assert_eq!(
        find(&rendered, "NetworkPolicy", "app1-tools")["spec"]["podSelector"],
        json!({"matchLabels": {"app": "app1-tools"}})
    );
    let rendered = convert(&ConvertInput { boxes: vec![one(&["top"])], ..input(&scope, &project) }).0.unwrap();
    let container = &find(&rendered, "Deployment", "app1-tools")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"], json!(["top"]));
    assert!(container.get("args").is_none());
    let compose_box = BoxInput { image: None, ..one(&[]) };
    let (rendered, diagnostics) = convert(&ConvertInput { boxes: vec![compose_box], ..input(&scope, &project) });
    assert!(rendered.is_none() && lines(&diagnostics).contains("not supported yet"));
}

#[test]
fn every_error_has_its_code_and_place() {
    for (text, expected) in [
        (
            service("    volumes: ['/abs:/mnt']\n"),
            "compose-volume compose.yml:4:15: volumes: \"/abs\" is a path of one",
        ),
        (service("    volumes: ['~/x:/mnt']\n"), "compose-volume compose.yml:4:15"),
        (service("    volumes: ['../x:/mnt']\n"), "leaves the volume"),
        (
            service("    volumes: ['other:/mnt']\n"),
            "compose-volume-undeclared compose.yml:4:15: web: the app has no volume other",
        ),
        (service("    volumes: ['/mnt']\n"), "names no volume"),
        (service("    volumes: ['./conf/app.ini:/x']\n"), "compose-bind-file compose.yml:4:15"),
        (service("    volumes: [{type: npipe, source: a, target: /b}]\n"), "the type npipe cannot be used"),
        (service("    ports: ['0:80']\n"), "compose-port compose.yml:4:13"),
        (
            service("    env_file: nope.env\n"),
            "compose-local-file compose.yml:4:15: env_file: nope.env cannot be used: there is no such file",
        ),
        (service("    configs: [nope]\n"), "compose-undefined compose.yml:4:15"),
        (
            service("    depends_on: [nope]\n"),
            "compose-dependency compose.yml:4:18: web depends on nope, which is no service",
        ),
        (
            service("    depends_on: [web]\n"),
            "compose-dependency-cycle compose.yml:2:3: depends_on goes round in a circle: web → web",
        ),
        (
            service("    enviroment: {A: 1}\n"),
            "compose-unknown-key compose.yml:4:5: service web has no key \"enviroment\"",
        ),
        (service("    extends: {service: a}\n"), "compose-key-refused compose.yml:4:5: web: extends cannot be used"),
        (service("    volumes_from: [a]\n"), "compose-key-refused"),
        (service("    command: 'a \"b'\n"), "compose-command"),
        (
            service("    environment: {A: '${X:?say why}'}\n"),
            "compose-interpolation compose.yml:4:22: the variable X is required: say why",
        ),
        (service("    environment: {A: '${'}\n"), "compose-interpolation"),
        (service("    mem_limit: lots\n"), "compose-type compose.yml:4:16: mem_limit"),
        (service("    healthcheck: {test: [a]}\n"), "compose-healthcheck"),
        (service("    stop_grace_period: soon\n"), "is no duration"),
        (service("    restart: sometimes\n"), "compose-restart"),
        (service("    x-kompox: {limits: {cpu: lots}}\n"), "compose-type"),
        ("services: {web: {build: .}}".to_owned(), "compose-image compose.yml:1:18: web has only a build"),
        ("services: {web: {}}".to_owned(), "compose-image compose.yml:1:12: web has no image"),
        ("services: {My_App: {image: x}}".to_owned(), "compose-name compose.yml:1:12"),
        ("services: {app1-app2: {image: x}}".to_owned(), "is reserved"),
        (
            "services: {a: {image: x, ports: ['1:80']}, b: {image: x, expose: [80]}}".to_owned(),
            "compose-port-conflict compose.yml:1:67: a and b both use container port 80",
        ),
        (
            "services: {a: {image: x, ports: ['1:80']}, b: {image: x, ports: ['1:81']}}".to_owned(),
            "host port 1 is published twice",
        ),
        ("include: [a.yml]\nservices: {a: {image: x}}".to_owned(), "compose-include compose.yml:1:1"),
        ("serivces: {}".to_owned(), "compose-unknown-key compose.yml:1:1"),
        ("services: {a: {image: x, profiles: [off]}}".to_owned(), "compose-no-services"),
        ("[]".to_owned(), "compose-type compose.yml:1:1"),
        ("".to_owned(), "compose-empty"),
        ("a: [".to_owned(), "yaml-syntax"),
        (
            "services: {a: {image: x, configs: [c]}}\nconfigs: {c: {file: token.bin}}".to_owned(),
            "compose-file-content compose.yml:2:21: config c is not UTF-8",
        ),
        ("services: {a: {image: x, configs: [c]}}\nconfigs: {c: {}}".to_owned(), "compose-file-source"),
        (
            "services: {a: {image: x, configs: [c_d]}}\nconfigs: {c_d: {content: x}}".to_owned(),
            "compose-name compose.yml:2:11",
        ),
        ("services: {a: {image: x, sysctls: {s: 1}}, b: {image: x, sysctls: {s: 2}}}".to_owned(), "compose-sysctl"),
    ] {
        let error = converted(&text).expect_err(&text);
        assert!(error.lines().any(|line| line.starts_with("Error ") && line.contains(expected)), "{text}\n{error}");
    }
}

#[test]
fn nothing_is_dropped_in_silence() {
    for (body, expected) in [
        ("    hostname: a\n", "Note compose-key-noted compose.yml:4:5: web: hostname is not used"),
        ("    labels: {a: b}\n", "Note compose-key-noted"),
        ("    devices: [/dev/dri]\n", "Warning compose-key-warned compose.yml:4:5"),
        ("    network_mode: host\n", "Warning compose-key-warned"),
        ("    restart: 'no'\n", "Warning compose-restart compose.yml:4:14"),
        ("    user: git\n", "Warning compose-user"),
        ("    scale: 3\n", "Warning compose-replicas"),
        ("    ports: ['80']\n", "Warning compose-port compose.yml:4:13"),
        ("    ports: ['127.0.0.1:80:80']\n", "Note compose-key-noted compose.yml:4:13"),
        ("    build: .\n", "Note compose-key-noted compose.yml:4:5: web: build is not used"),
        ("    environment: [NOT_SET]\n", "Warning compose-variable-unset"),
        ("    command: ${NOT_SET}\n", "Warning compose-variable-unset compose.yml:4:14"),
    ] {
        let found = findings(&service(body));
        assert!(found.contains(expected), "{body}{found}");
    }
    // Whatever the table says, a key with a harmless value leaves a trace or acts.
    for row in crate::compose::support::SERVICE_KEYS {
        if row.verdict != crate::compose::support::Verdict::Mapped {
            let found = findings(&service(&format!("    {}: x\n", row.key)));
            assert!(found.contains(row.key), "{}: {found}", row.key);
        } else {
            let found = findings(
                &service(&format!("    {}: \n", row.key)).replace("    image: x\n    image:", "    image: x #"),
            );
            assert!(!found.contains("is not used\n"), "{}: {found}", row.key);
        }
    }
}

#[test]
fn an_ingress_rule_needs_a_published_port() {
    let (scope, project) = (scope(), project("services: {a: {image: x, ports: ['8080:80']}}"));
    let (rendered, diagnostics) = convert(&ConvertInput {
        ingress: IngressInput {
            rules: vec![RuleInput {
                location: Some(Location::new("kompoxapp.yml", 9, 17)),
                ..gitea_ingress().rules.remove(0)
            }],
            ..gitea_ingress()
        },
        ..input(&scope, &project)
    });
    assert!(rendered.is_none());
    let error = diagnostics.iter().next().unwrap();
    assert_eq!(
        error.to_string(),
        "kompoxapp.yml:9:17: ingress rule main: no service in compose.yml publishes host port 3000"
    );
    assert_eq!(error.help, ["published are 8080"]);
}

#[test]
fn several_files_profiles_and_dotenv() {
    let base = "services:\n  web: {image: 'x:${TAG}', environment: {A: 1, B: 2}, ports: ['80:80']}\n  debug: {image: y, profiles: [debug]}\n";
    let over = "services:\n  web: {environment: [B=3], ports: !override ['81:80']}\n  debug: {profiles: [web]}\n";
    struct Dotenv;
    impl Files for Dotenv {
        fn read(&self, _: &str) -> Result<Vec<u8>, FileError> {
            Ok(b"TAG=9\n".to_vec())
        }
        fn is_file(&self, relative: &str) -> bool {
            relative == ".env"
        }
        fn is_dir(&self, _: &str) -> bool {
            false
        }
    }
    let (project, diagnostics) = read(ReadRequest {
        inputs: vec![Input::Text(Source::new("a.yml", base)), Input::Text(Source::new("b.yml", over))],
        profiles: &["web".to_owned()],
        environment: &BTreeMap::new(),
        files: &Dotenv,
    });
    let project = project.unwrap_or_else(|| panic!("{}", lines(&diagnostics)));
    assert_eq!(
        normalised(&project, true),
        json!({"services": {
            "web": {
                "image": "x:9",
                "environment": {"A": "1", "B": "3"},
                "ports": [{"target": 80, "published": "81", "protocol": "tcp"}],
            },
            "debug": {"image": "y"},
        }})
    );
}

#[test]
fn manifests_are_stable_and_read_back() {
    let rendered = gitea();
    let text = manifest(&rendered, true).unwrap();
    assert_eq!(text, manifest(&gitea(), true).unwrap());
    let documents = yaml::parse(&Source::new("m", text.as_str()), Limits::default()).unwrap();
    let back: Vec<Value> = documents.iter().map(yaml::Node::to_json).collect();
    let bodies: Vec<Value> = rendered.objects.iter().map(|object| object.body.clone()).collect();
    assert_eq!(back, bodies);
}

proptest! {
    #[test]
    fn any_environment_value_survives_the_manifest(value in "\\PC{0,40}") {
        let quoted = serde_json::to_string(&value.replace('$', "$$")).unwrap();
        let rendered = converted(&service(&format!("    environment: {{A: {quoted}}}\n"))).unwrap();
        let text = manifest(&rendered, true).unwrap();
        let documents = yaml::parse(&Source::new("m", text.as_str()), Limits::default()).unwrap();
        let deployment = documents.iter().map(yaml::Node::to_json).find(|d| d["kind"] == "Deployment").unwrap();
        prop_assert_eq!(&deployment, find(&rendered, "Deployment", "app1-app"));
    }

    #[test]
    fn reading_never_panics(text in "(services|image|ports|volumes|web|x|[-:{}\\[\\]$ '\"\n!&*]|  ){0,60}") {
        let _ = converted(&text);
    }
}
