//! What folders of volumes hold and whose they are when a container starts, and the names that it finds others by, as
//! `docker compose` would have it.

use crate::aks::Aks;
use crate::cluster::{Cluster, Need};
use crate::harness::run::Live;
use crate::harness::wait_for;
use crate::shop::{Driver, Shop};

const COMPOSE: &str = r#"
services:
  Site:
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
    // A name with a capital letter leads to its service, however it is written.
    let asked = exec(&shop, "theirs", "wget -q -O - http://Site; wget -q -O - http://site");
    assert_eq!(asked.matches("Welcome").count(), 2, "{asked}");
    assert_eq!(exec(&shop, "theirs", "stat -c '%u %g %a' /theirs"), "1000 1000 700\n");
    // Owner and mode are the image's, and nothing is left beside it.
    assert_eq!(exec(&shop, "site", "stat -c '%u %g %a' /usr/share/nginx/html"), "0 0 755\n");

    // What is there stays, whatever starts.
    let before = shop.ready_pod("");
    exec(&shop, "site", "echo mine > /usr/share/nginx/html/index.html");
    cluster.kubectl(&["--namespace", &shop.namespace(), "delete", "pod", "--all", "--wait=false"]);
    shop.ready_pod(&before);
    assert_eq!(page(&shop), "mine\n");
    shop.run(&["destroy", "--auto-approve"]).done();
}

/// Programs and libraries of a whole Debian: some hundred megabytes, without which nothing runs.
const LARGE: &str = r#"
services:
  copied: &it
    image: postgres:15
    entrypoint: [sleep, "9999"]
    volumes: ["./usr:/usr"]
    x-kompox: {copyUp: true}
    stop_grace_period: 1s
  own:
    <<: *it
    volumes: !reset []
"#;

/// Waits on a node until the copy is under way, kills the container that copies, and says what is in the folder then.
const KILL: &str = r#"
until [ -e "$0.copy-up/lib" ]; do sleep 0.01; done
container=$(ctr -n k8s.io containers list -q "labels.\"io.kubernetes.pod.namespace\"==$1,labels.\"io.kubernetes.container.name\"==init-copy-up-1")
ctr -n k8s.io task kill -s SIGKILL "$container"
ls -A "$0"
"#;

#[test]
fn a_copy_of_what_an_image_holds_that_is_killed_leaves_nothing_half() {
    let Some(cluster) = Cluster::with(Need::Own, "a copy from an image that is killed") else { return };
    let _calm = cluster.calm();
    let shop = Aks("shop-copied").shop(cluster);
    shop.project.write("compose.yml", LARGE);
    let apply = Live::start(shop.project.command(&shop.words(&["apply", "--auto-approve"])));
    let label = format!("/api/v1/persistentvolumes?labelSelector=app.kubernetes.io/name%3D{}", shop.name);
    let handle = wait_for("its disk", || {
        Some(cluster.read(&label)["items"][0]["spec"]["csi"]["volumeHandle"].as_str()?.to_lowercase())
    });
    let folder = cluster.folder().join("csi/disk.csi.azure.com/volumes").join(handle.trim_start_matches('/'));
    let folder = folder.join("usr");
    let left = cluster.on_node("node1", &["sh", "-c", KILL, folder.to_str().unwrap(), &shop.namespace()]);
    assert_eq!(left, "", "it is empty or whole");
    apply.end().done();
    let pod = &shop.pods()[0];
    let mut containers = pod["status"]["initContainerStatuses"].as_array().unwrap().iter();
    let copied = containers.find(|one| one["name"] == "init-copy-up-1").unwrap();
    assert_eq!(copied["restartCount"], 1, "{copied}");
    assert_eq!(copied["lastState"]["terminated"]["exitCode"], 137, "{copied}");

    // Each folder with its owner and mode, each link with its target, each file with size and time as well.
    let list = "find /usr -type d -printf '%P %m %U %G\\n' -o -type l -printf '%P %U %G %l\\n' \
                -o -printf '%P %y %m %U %G %s %T@\\n' | sort";
    let (copied, own) = (exec(&shop, "copied", list), exec(&shop, "own", list));
    assert!(own.lines().count() > 1000, "{own}");
    let differs = copied.lines().zip(own.lines()).find(|(copied, own)| copied != own);
    assert_eq!((differs, copied.lines().count()), (None, own.lines().count()));
    assert!(!folder.with_extension("copy-up").exists());
    shop.run(&["destroy", "--auto-approve"]).done();
}

/// What a script says in a container of the app.
#[track_caller]
fn exec(shop: &Shop, container: &str, script: &str) -> String {
    let pod = shop.pods()[0]["metadata"]["name"].as_str().unwrap().to_owned();
    let container = format!("--container={container}");
    shop.cluster.kubectl(&["--namespace", &shop.namespace(), "exec", &pod, &container, "--", "sh", "-c", script])
}
