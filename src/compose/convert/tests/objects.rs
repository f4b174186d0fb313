//! Whole objects as they are rendered.

use super::*;

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
          trap 'exit 0' TERM INT
          exec 3</disks/default
          if ! flock -n 3; then
            echo 'waiting: another Pod uses the disk of volume default'
            flock 3 & wait $! || exit 1
            sleep 2
          fi
          touch /held
          while :; do sleep 86400 & wait $!; done
        image: busybox:1.36
        name: disk-fence
        resources:
          limits:
            cpu: 100m
            memory: 32Mi
          requests:
            cpu: 1m
            memory: 4Mi
        restartPolicy: Always
        startupProbe:
          exec:
            command:
            - test
            - -e
            - /held
          failureThreshold: 31536000
          periodSeconds: 1
          timeoutSeconds: 10
        volumeMounts:
        - mountPath: /disks/default
          name: default
          readOnly: true
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
    pod-security.kubernetes.io/enforce: baseline
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
  claimRef:
    apiVersion: v1
    kind: PersistentVolumeClaim
    name: k4x-50vf7y-default-13o40q-4hz6mw
    namespace: k4x-50vf7y-app1-13o40q
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
      - mountPath: /dev/shm
        name: tmp-45131c
      - mountPath: /run
        name: tmp-1uc17v
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
        trap 'exit 0' TERM INT
        exec 3</disks/data
        if ! flock -n 3; then
          echo 'waiting: another Pod uses the disk of volume data'
          flock 3 & wait $! || exit 1
          sleep 2
        fi
        exec 4</disks/default
        if ! flock -n 4; then
          echo 'waiting: another Pod uses the disk of volume default'
          flock 4 & wait $! || exit 1
          sleep 2
        fi
        touch /held
        while :; do sleep 86400 & wait $!; done
      image: busybox:1.36
      name: disk-fence
      resources:
        limits:
          cpu: 100m
          memory: 32Mi
        requests:
          cpu: 1m
          memory: 4Mi
      restartPolicy: Always
      startupProbe:
        exec:
          command:
          - test
          - -e
          - /held
        failureThreshold: 31536000
        periodSeconds: 1
        timeoutSeconds: 10
      volumeMounts:
      - mountPath: /disks/data
        name: data
        readOnly: true
      - mountPath: /disks/default
        name: default
        readOnly: true
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
    sysctls: {net.ipv4.tcp_syncookies: 1}
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
    failureThreshold: 6307200
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
  - name: net.ipv4.tcp_syncookies
    value: "1"
terminationGracePeriodSeconds: 90
volumes:
- name: default
  persistentVolumeClaim:
    claimName: k4x-50vf7y-default-13o40q-4hz6mw
"#);
    let found = findings(text);
    assert!(found.contains("extra_hosts: host-gateway is not used"), "{found}");
}

#[test]
fn stand_alone_box() {
    let (scope, project) = (scope(), project("services: {web: {image: x}}"));
    let one = |command: &[&str]| BoxInput {
        name: "tools".to_owned(),
        image: Some(boxed_image("debian:stable")),
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
}

/// The object as Kubernetes' own types read it and write it again: a field they do not know would be gone.
pub(super) fn typed(body: &Value) -> Value {
    fn through<T: serde::Serialize + serde::de::DeserializeOwned>(body: &Value) -> Value {
        serde_json::to_value(serde_json::from_value::<T>(body.clone()).unwrap()).unwrap()
    }
    use k8s_openapi::api::{apps::v1 as apps, core::v1 as core, networking::v1 as networking, rbac::v1 as rbac};
    match body["kind"].as_str().unwrap() {
        "Namespace" => through::<core::Namespace>(body),
        "ServiceAccount" => through::<core::ServiceAccount>(body),
        "Role" => through::<rbac::Role>(body),
        "RoleBinding" => through::<rbac::RoleBinding>(body),
        "NetworkPolicy" => through::<networking::NetworkPolicy>(body),
        "PersistentVolume" => through::<core::PersistentVolume>(body),
        "PersistentVolumeClaim" => through::<core::PersistentVolumeClaim>(body),
        "ConfigMap" => through::<core::ConfigMap>(body),
        "Secret" => through::<core::Secret>(body),
        "Deployment" => through::<apps::Deployment>(body),
        "Service" => through::<core::Service>(body),
        "Ingress" => through::<networking::Ingress>(body),
        other => panic!("no type for {other}"),
    }
}

#[test]
fn kubernetes_types_know_every_field() {
    let (scope, project) = (scope(), project(EVERYTHING));
    let tools = BoxInput {
        name: "tools".to_owned(),
        image: Some(boxed_image("debian:stable")),
        command: Vec::new(),
        args: vec!["x".to_owned()],
        network_rules: vec![json!({"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 80}]})],
        location: None,
    };
    let rendered = convert(&ConvertInput {
        ingress: gitea_ingress(),
        placement: placed((&["a", "b"], false), (&["1"], true)),
        boxes: vec![tools],
        live_secret_hashes: BTreeMap::from([("app1-app--pull".to_owned(), "pppppp".to_owned())]),
        ..input(&scope, &project)
    });
    let rendered = rendered.0.unwrap_or_else(|| panic!("{}", lines(&rendered.1)));
    for object in &rendered.objects {
        assert_eq!(typed(&object.body), object.body, "{} {}", object.kind, object.address_name);
    }
}

/// One project with everything that becomes a field.
pub(super) const EVERYTHING: &str = r#"
services:
  web:
    image: x
    entrypoint: [a]
    command: b c
    environment: {A: 1}
    env_file: compose-gitea.env
    ports: ["3000:80", "53:53/udp", {target: 81, published: "81", app_protocol: http}]
    expose: [9000]
    volumes: ["./data:/data:ro"]
    tmpfs: "/run:size=1m"
    configs: [{source: c, target: /c, mode: 0444}]
    secrets: [s, e]
    healthcheck: {test: [CMD, a], start_period: 10s}
    depends_on: {job: {condition: service_completed_successfully}}
    mem_limit: 1g
    cpus: 1.5
    user: "1:2"
    group_add: [3]
    working_dir: /w
    tty: true
    stdin_open: true
    stop_grace_period: 5s
    read_only: true
    cap_add: [CHOWN]
    cap_drop: [KILL]
    security_opt: [no-new-privileges, seccomp:unconfined, apparmor:unconfined, "label:level:s0"]
    sysctls: [net.a.b=1]
    extra_hosts: ["h:10.0.0.1"]
    dns: [1.1.1.1]
    dns_search: a.b
    dns_opt: ["ndots:2", rotate]
    pull_policy: always
    annotations: {a: b}
    hostname: h
    container_name: other
    gpus: [{count: 1}]
    post_start: [{command: a}]
    pre_stop: [{command: a, environment: {A: b}}, {command: b, working_dir: /c}]
  job:
    image: y
    depends_on: [db]
  db:
    image: z
    privileged: true
    healthcheck: {test: a}
configs:
  c: {content: x}
secrets:
  s: {environment: DB_PASS}
  e: {external: true, name: other}
"#;

#[test]
fn quota_and_limits_come_before_what_they_count() {
    let (scope, project) = (scope(), project("services: {web: {image: x}}"));
    let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let isolation = IsolationInput {
        quota: text(&[("requests.cpu", "2"), ("services.nodeports", "0")]),
        limits: BTreeMap::from([("default", text(&[("cpu", "500m")])), ("max", text(&[("cpu", "1")]))]),
        ..IsolationInput::default()
    };
    let rendered = convert(&ConvertInput { isolation, ..input(&scope, &project) }).0.unwrap();
    let namespace = &find(&rendered, "Namespace", "app1");
    for (kind, spec) in [
        ("ResourceQuota", json!({"hard": {"requests.cpu": "2", "services.nodeports": "0"}})),
        ("LimitRange", json!({"limits": [{"type": "Container", "default": {"cpu": "500m"}, "max": {"cpu": "1"}}]})),
    ] {
        let body = find(&rendered, kind, "app1");
        assert_eq!(body["spec"], spec);
        assert_eq!(body["metadata"]["name"], "app1");
        assert_eq!(body["metadata"]["namespace"], namespace["metadata"]["name"]);
        let mut labels = namespace["metadata"]["labels"].clone();
        labels.as_object_mut().unwrap().remove(kompox_rules::pod_security::ENFORCE);
        assert_eq!(body["metadata"]["labels"], labels);
    }
    let waits = |kind: &str, name: &str| -> Vec<&str> {
        let object = rendered.objects.iter().find(|o| o.kind.name() == kind && o.address_name == name).unwrap();
        let after = object.after.iter().map(|(kind, _)| kind.name());
        after.filter(|kind| matches!(*kind, "ResourceQuota" | "LimitRange")).collect()
    };
    assert_eq!(waits("Deployment", "app1-app"), ["LimitRange", "ResourceQuota"]);
    assert_eq!(waits("Service", "web"), ["ResourceQuota"]);
    assert_eq!(waits("PersistentVolumeClaim", "default"), [] as [&str; 0]);
    assert_eq!(waits("Role", "app1-access"), [] as [&str; 0]);
}
