//! What folders of volumes hold and whose they are when a container starts, as `docker compose` would have it.

use crate::aks::Aks;
use crate::cluster::{Cluster, Need};
use crate::harness::wait_for;
use crate::shop::{Driver, Shop};

const COMPOSE: &str = r#"
services:
  site:
    image: nginx:1
    ports: ["8080:80"]
    volumes: ["./html:/usr/share/nginx/html"]
    x-kompox: {copyUp: true}
  theirs:
    image: busybox:1
    user: "1000:1000"
    command: [sh, -c, "chmod 700 /theirs && touch /theirs/x && exec sleep 9999"]
    volumes: ["./theirs:/theirs"]
    x-kompox: {chown: "1000"}
    stop_grace_period: 1s
"#;

#[test]
fn an_empty_folder_has_what_the_image_holds_there_and_belongs_to_whom_it_is_given() {
    let Some(cluster) = Cluster::with(Need::Own, "folders filled from images") else { return };
    let _calm = cluster.calm();
    let shop = Aks("shop-folders").shop(cluster);
    shop.project.write("compose.yml", COMPOSE);
    shop.apply();
    let page = |shop: &Shop| {
        let path = format!("/api/v1/namespaces/{}/services/{}-app:8080/proxy/", shop.namespace(), shop.name);
        wait_for("the site to answer", || {
            let answer = cluster.request("GET", &path, b"");
            (answer.status == 200).then(|| String::from_utf8(answer.body).unwrap())
        })
    };
    assert_eq!(page(&shop), "<h1>Welcome to nginx!</h1>\n");
    let pod = shop.pods()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let namespace = format!("--namespace={}", shop.namespace());
    let exec = |pod: &str, container: &str, script: &str| {
        let container = format!("--container={container}");
        cluster.kubectl(&[&namespace, "exec", pod, &container, "--", "sh", "-c", script])
    };
    assert_eq!(exec(&pod, "theirs", "stat -c '%u %g %a' /theirs"), "1000 1000 700\n");
    // Owner and mode are the image's, and nothing is left beside it.
    assert_eq!(exec(&pod, "site", "stat -c '%u %g %a' /usr/share/nginx/html"), "0 0 755\n");

    // What is there stays, whatever starts.
    let before = shop.ready_pod("");
    exec(&pod, "site", "echo mine > /usr/share/nginx/html/index.html");
    cluster.kubectl(&[&namespace, "delete", "pod", "--all", "--wait=false"]);
    shop.ready_pod(&before);
    assert_eq!(page(&shop), "mine\n");
    shop.run(&["destroy", "--auto-approve"]).done();
}
