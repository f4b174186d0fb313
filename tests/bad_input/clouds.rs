//! Clouds that cannot be reached, refuse, or talk nonsense while they are read.

use crate::harness::stage::{FAST, Stage};
use crate::{APPLY, NOWHERE, refused};

#[test]
fn no_network_is_said_with_the_endpoint() {
    let says = [
        " other objects cannot be read: ",
        "127.0.0.1 cannot be reached",
        "check the network, the proxy and the endpoint",
    ];
    std::thread::scope(|scope| {
        for stage in [Stage::new as fn() -> Stage, Stage::applied] {
            scope.spawn(move || refused(&stage(), NOWHERE, &[&["plan"], APPLY], &says));
        }
    });
}

/// Most of the time is spent on trying again, so all of them run at once.
#[test]
fn a_cloud_that_refuses_to_be_read_stops_the_plan() {
    let cases: &[(&str, &[&str])] = &[
        ("401", &["cannot be read", "HTTP 401", "help: "]),
        ("403", &["cannot be read", "HTTP 403", "help: "]),
        ("409", &["cannot be read", "HTTP 409"]),
        ("429,retry-after=1", &["cannot be read", "HTTP 429"]),
        ("500", &["cannot be read", "HTTP 500"]),
        ("nonsense", &["cannot be read", "JSON"]),
    ];
    std::thread::scope(|scope| {
        for (fault, says) in cases {
            scope.spawn(move || {
                let stage = Stage::applied();
                let rules: Vec<String> = ["get", "list"].iter().map(|verb| format!("disks.{verb}:{fault}")).collect();
                let mut options = FAST.to_vec();
                rules.iter().for_each(|rule| options.extend(["--fault", rule]));
                let cloud = stage.cloud(&options);
                for outcome in refused(&stage, &cloud.endpoint, &[&["plan"], APPLY], says) {
                    assert!(outcome.stderr.contains("disk/default"), "{fault}: {}", outcome.text());
                }
            });
        }
    });
}

#[test]
fn an_api_server_that_refuses_to_be_read_stops_the_plan() {
    for (fault, says) in
        [("deployments.list:403", "403"), ("secrets.list:401", "401"), ("services.list:nonsense", "cannot be read")]
    {
        println!("{fault}");
        let stage = Stage::applied();
        let mut options = FAST.to_vec();
        options.extend(["--fault", fault]);
        let single = fault.replace(".list", ".get");
        options.extend(["--fault", &single]);
        let cloud = stage.cloud(&options);
        refused(&stage, &cloud.endpoint, &[&["plan"], APPLY], &["cannot be read", says]);
    }
}

#[test]
fn an_endpoint_that_is_not_local_is_refused() {
    let stage = Stage::new();
    for endpoint in ["http://example.com", "https://127.0.0.1:1", "nonsense", "http://192.0.2.1:8600"] {
        refused(&stage, endpoint, &[&["plan"], APPLY], &["--sandbox-endpoint", "help: "]);
    }
}
