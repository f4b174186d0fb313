//! Databases that take their time: nothing is killed for its health, and who needs them waits.

use serde_json::Value;

use crate::aks::Aks;
use crate::cluster::{Cluster, Need};
use crate::harness::wait_for;
use crate::shop::{Driver, Shop};

/// A database whose check gives up after three seconds, if anybody counted. Its first start takes twelve; so does one after a
/// crash: what a large one does then is played by a sleep. And a service that ends at once without it.
const COMPOSE: &str = r#"
services:
  web:
    image: kompox.test/webapp:1
    environment: {DATABASE_URL: "postgres://postgres:secret@db/app?sslmode=disable"}
    ports: ["8080:8080"]
    healthcheck: {test: [CMD, /webapp, check], interval: 1s, retries: 3}
  strict:
    image: postgres:15
    entrypoint: [sh, -c, "psql postgres://postgres:secret@db/app -c 'SELECT * FROM made' && exec sleep 9999"]
    stop_grace_period: 1s
    depends_on: {db: {condition: service_healthy}}
  db:
    image: postgres:15
    entrypoint:
      - sh
      - -c
      - if test -e /var/lib/postgresql/data/postmaster.pid; then echo recovering; sleep 12; fi; exec docker-entrypoint.sh postgres
    environment: {POSTGRES_PASSWORD: secret, POSTGRES_DB: app}
    healthcheck: {test: [CMD, pg_isready, -h, 127.0.0.1], interval: 1s, timeout: 1s, retries: 3}
    volumes: ["./pgdata:/var/lib/postgresql/data"]
    configs: [{source: slow, target: /docker-entrypoint-initdb.d/slow.sh}]
configs:
  slow: {content: "sleep 12; psql --username postgres --dbname app -c 'CREATE TABLE made (id int)'"}
"#;

/// What the Pod says of a container, which may be a sidecar.
fn container(shop: &Shop, name: &str) -> Value {
    let pods = shop.pods();
    let [pod] = pods.as_slice() else { return Value::Null };
    let kinds = ["containerStatuses", "initContainerStatuses"].into_iter();
    let mut all = kinds.flat_map(|kind| pod["status"][kind].as_array().into_iter().flatten());
    all.find(|one| one["name"] == name).cloned().unwrap_or_default()
}

#[test]
fn a_database_that_takes_its_time_is_not_killed_and_is_waited_for() {
    let Some(cluster) = Cluster::with(Need::Own, "databases that take their time") else { return };
    let _calm = cluster.calm();
    let shop = Aks("shop-health").shop(cluster);
    shop.project.write("compose.yml", COMPOSE);
    shop.apply();
    let restarts = |name: &str| container(&shop, name)["restartCount"].as_u64();
    for name in ["db", "strict", "web"] {
        assert_eq!(restarts(name), Some(0), "{name}");
    }
    let site = shop.site();
    site.write("a row");

    // It crashes: no signal that it could heed.
    let id = container(&shop, "db")["containerID"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    cluster.on_node(&shop.ready_pod_node(), &["ctr", "-n", "k8s.io", "task", "kill", "-s", "SIGKILL", &id]);
    wait_for("the database to be started again", || (restarts("db")? == 1).then_some(()));
    wait_for("the database to have recovered", || (container(&shop, "db")["ready"] == true).then_some(()));
    assert_eq!(site.rows(), ["a row"]);
    assert_eq!(restarts("db"), Some(1), "nobody killed it while it recovered");
    let pod = shop.pods()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let log = cluster.kubectl(&["--namespace", &shop.namespace(), "logs", &pod, "--container=db"]);
    assert!(log.contains("recovering") && log.contains("database system was interrupted"), "{log}");
    shop.run(&["destroy", "--auto-approve"]).done();
}
