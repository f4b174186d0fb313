//! The parts of these tests themselves: a Pod with a database whose rows outlive it.

use crate::cluster::{Cluster, Need};
use crate::harness::wait_for;
use crate::site::Site;

const APP: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: real-smoke}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: real-smoke}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: app, namespace: real-smoke}
spec:
  selector: {matchLabels: {app: app}}
  serviceName: app
  template:
    metadata: {labels: {app: app}}
    spec:
      containers:
      - name: postgres
        image: postgres:15
        env: [{name: POSTGRES_PASSWORD, value: secret}, {name: POSTGRES_DB, value: app}]
        volumeMounts: [{name: data, mountPath: /var/lib/postgresql/data, subPath: pgdata}]
      - name: web
        image: kompox.test/webapp:1
        env: [{name: DATABASE_URL, value: "postgres://postgres:secret@127.0.0.1/app?sslmode=disable"}]
        readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
---
apiVersion: v1
kind: Service
metadata: {name: app, namespace: real-smoke}
spec: {selector: {app: app}, ports: [{port: 80, targetPort: 8080}]}
"#;

#[test]
fn rows_outlive_the_pod() {
    let Some(cluster) = Cluster::with(Need::Own, "the parts of the tests on a real cluster") else { return };
    let _calm = cluster.calm();
    cluster.apply(&APP.replace("resources:", "storageClassName: disk\n  resources:"));
    let site = Site::new(cluster, "real-smoke", "app", 80);
    site.write("one");
    let watch = site.watch();
    cluster.kubectl(&["--namespace=real-smoke", "delete", "pod", "app-0"]);
    wait_for("the next Pod to answer", || site.try_rows());
    assert_eq!(site.rows(), ["one"]);
    assert_eq!(site.version().as_deref(), Some("1"));
    assert!(!watch.longest().is_zero());
    cluster.kubectl(&["delete", "namespace", "real-smoke", "--wait=false"]);
}
