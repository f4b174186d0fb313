//! A plan with something of everything, for the tests of each format.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::address::Address;
use crate::engine::event::{Event, Reconciled, SkipReason, Summary};
use crate::engine::graph::Protection;
use crate::engine::plan::{
    Asked, Cause, Danger, FieldChange, Mode, Origin, Plan, PlannedAction, Precondition, Restart, Verb,
};
use crate::engine::provider::{ErrorClass, ProviderError};
use crate::engine::value::{Path, Segment, Sensitive, Value};

/// The digest of the secrets in it; no text may show it.
pub(crate) const DIGEST: &str = "hmac-sha256:5ec2e7";

/// The text of the secrets whose text is at hand; nothing at all may show it.
pub(crate) const SECRET: &str = "hunter2-hunter2";

/// A run of SARIF.
pub(crate) const RUN: super::sarif::Run<'_> =
    super::sarif::Run { version: "1.2.3", category: "validate", file: "kompoxapp.yml" };

pub(crate) fn address(below: &str, kind: &str, name: &str) -> Address {
    Address::new(&format!("/ws/ops/prv/aks1/{below}"), kind, name)
}

pub(crate) fn action(address: Address, action: Verb, reason: &str) -> PlannedAction {
    PlannedAction {
        kind: address.kind().to_owned(),
        address,
        provider: "azure://s".into(),
        action,
        reason: reason.to_owned(),
        origin: None,
        physical_id: None,
        uid: None,
        after: None,
        changes: Vec::new(),
        desired_digest: None,
        after_addresses: Vec::new(),
        precondition: Precondition {
            record_serial: None,
            existed: None,
            uid: None,
            observed_digest: None,
            observed: None,
            outputs: None,
        },
        ending: false,
        unconfirmed: None,
        force: false,
        moved_from: None,
        protection: Protection::default(),
        dependencies: Vec::new(),
        who: None,
    }
}

pub(crate) fn path(dotted: &str) -> Path {
    Path(dotted.split('.').map(|key| Segment::Key(key.to_owned())).collect())
}

pub(crate) fn field(dotted: &str, before: impl Into<Value>, after: impl Into<Value>) -> FieldChange {
    FieldChange {
        path: path(dotted),
        before: Some(before.into()),
        after: Some(after.into()),
        asked: Asked::NoThird,
        cause: Cause::Manifest,
        forces_replacement: false,
    }
}

fn origin(file: &str, line: u32) -> Option<Origin> {
    Some(Origin { file: file.into(), line, column: 3 })
}

fn secret(suffix: &str) -> Value {
    Value::sensitive(Sensitive::digest_only(format!("{DIGEST}{suffix}")))
}

fn drift(writer: &str) -> Cause {
    Cause::Drift { writer: Some(writer.to_owned()), time: Some("2026-05-01T10:00:00Z".to_owned()), of_object: false }
}

fn gitea() -> PlannedAction {
    let deployment = address("cls/c1/app/gitea", "Deployment", "gitea-app");
    let mut image = field("", "gitea/gitea:1.23", "gitea/gitea:1.24");
    image.path = Path(vec![
        Segment::Key("spec".into()),
        Segment::Key("containers".into()),
        Segment::Item("gitea".into()),
        Segment::Key("image".into()),
    ]);
    let mut replicas = field("spec.replicas", 3, 1);
    replicas.cause = drift("kubectl-edit");
    let mut scale = field("spec.paused", true, false);
    (scale.before, scale.cause) = (None, Cause::Server);
    PlannedAction {
        origin: origin("compose.yml", 12),
        changes: vec![
            image,
            field("spec.env.DB_PASSWORD", secret("a"), secret("b")),
            field("data.app.ini", "[server]\nPORT = 3000\nHOST = a\n", "[server]\nPORT = 3000\nHOST = b\n"),
            replicas,
            scale,
        ],
        ..action(deployment, Verb::Update, "image changed; another writer changed replicas")
    }
}

pub(crate) fn plan() -> Plan {
    let identity = address("cls/c1", "identity", "ingress");
    let disk = address("app/gitea", "disk", "default");
    let claim = address("cls/c1/app/gitea", "PersistentVolumeClaim", "default");
    let mut disk_value = Value::from(serde_json::json!({
        "location": "japaneast", "sku": {"name": "PremiumV2_LRS"}, "zones": ["1"],
        "properties": {"diskSizeGB": 10}, "tags": {"managed-by": "kompox"},
    }));
    disk_value.set(&["properties", "encryptionKey"], secret("c"));
    let mut role = Value::object();
    role.set(&["properties", "principalId"], Value::output(&identity, "/properties/principalId"));
    let mut zones = field("properties.availabilityZones", "1", "2");
    zones.forces_replacement = true;
    let actions = vec![
        PlannedAction {
            physical_id: Some("/subscriptions/s/resourceGroups/rg/providers/M.C/disks/data".into()),
            changes: vec![field("tags.owner", "bob", "kompox")],
            ..action(address("app/gitea", "disk", "data"), Verb::Import, "import in kompoxapp.yml")
        },
        PlannedAction {
            origin: origin("kompoxapp.yml", 14),
            after: Some(disk_value),
            ..action(disk.clone(), Verb::Create, "new")
        },
        PlannedAction {
            after: Some(role),
            after_addresses: vec![disk.clone()],
            ..action(address("app/gitea", "role-assignment", "cluster"), Verb::Create, "new")
        },
        PlannedAction {
            after: Some(Value::from(serde_json::json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "default"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}},
            }))),
            after_addresses: vec![disk.clone()],
            unconfirmed: Some("the cluster does not exist yet".into()),
            ..action(claim.clone(), Verb::Create, "deleted by somebody since the last apply")
        },
        PlannedAction { after_addresses: vec![claim], ..gitea() },
        PlannedAction {
            changes: vec![zones],
            after: Some(Value::from(serde_json::json!({"properties": {"vmSize": "Standard_D2lds_v6"}}))),
            ..action(address("cls/c1", "agent-pool", "npuser1"), Verb::Replace, "zone \"1\" → \"2\" forces replacement")
        },
        action(address("cls/c1/app/old", "Service", "old-app"), Verb::Delete, "no manifest asks for it any more"),
        PlannedAction {
            physical_id: Some("/subscriptions/s/resourceGroups/rg/providers/M.C/disks/old".into()),
            ..action(address("app/old", "disk", "default"), Verb::Forget, "deletionPolicy Orphan")
        },
        PlannedAction {
            moved_from: Some(address("cls/c0/app/gitea", "Service", "gitea-app")),
            ..action(address("cls/c1/app/gitea", "Service", "gitea-app"), Verb::Move, "the app moved")
        },
        action(identity, Verb::Read, "read for its principal"),
    ];
    Plan {
        mode: Mode::Apply,
        engine_version: "0.1.0".into(),
        lineage: "5b0c1f6e-0000-4000-8000-000000000000".into(),
        inputs: BTreeMap::from([("kompoxapp.yml".into(), "hmac-sha256:1234".into())]),
        chosen: BTreeMap::new(),
        actions,
        unchanged: 120,
        reads: Default::default(),
        usage: Default::default(),
        dangers: vec![Danger {
            code: "pool-deleted".into(),
            address: Some(address("cls/c1", "agent-pool", "npuser1")),
            text: "its nodes go away, with the Pods on them".into(),
            help: vec!["drain it first: kubectl drain -l kompox.dev/node-zone=1".into()],
        }],
        notes: vec![Danger {
            code: "spot".into(),
            address: None,
            text: "pool npuser2 uses Spot nodes: apps with data on them are evicted now and then".into(),
            help: Vec::new(),
        }],
        restarts: vec![Restart {
            address: address("cls/c1/app/gitea", "Deployment", "gitea-app"),
            because: "its pod template changes".into(),
        }],
        hosts: vec![(address("cls/c1/app/gitea", "Ingress", "gitea-app"), "gitea.example.com".into())],
        offline: false,
        rehearsal: false,
    }
}

/// What `drift` shows of a Deployment that somebody scaled and a disk that lost its tag.
pub(crate) fn drift_plan() -> Plan {
    let mut replicas = field("spec.replicas", 1, 3);
    replicas.cause = drift("kubectl-edit");
    replicas.asked = Asked::Other(Some(2.into()));
    let mut tag = field("tags.owner", "ops", "");
    tag.asked = Asked::AsApplied;
    tag.after = None;
    tag.cause = Cause::Drift { writer: None, time: None, of_object: false };
    let refreshed = |address, changes| PlannedAction { changes, ..action(address, Verb::Refresh, "changed outside") };
    Plan {
        mode: Mode::RefreshOnly,
        actions: vec![
            refreshed(address("cls/c1/app/gitea", "Deployment", "gitea-app"), vec![replicas]),
            refreshed(address("app/gitea", "disk", "default"), vec![tag]),
            action(address("app/gitea", "disk", "gone"), Verb::Forget, "it is gone from the cloud"),
        ],
        dangers: Vec::new(),
        notes: Vec::new(),
        restarts: Vec::new(),
        hosts: Vec::new(),
        ..plan()
    }
}

fn quota() -> ProviderError {
    ProviderError {
        class: ErrorClass::Rejected,
        code: Some("QuotaExceeded".into()),
        status: Some(409),
        message: "Operation could not be completed as it results in exceeding approved quota.\nLimit: 10".into(),
        request_id: Some("8b1f".into()),
        hint: Some("ask for a higher quota of the region, or free some".into()),
    }
}

pub(crate) fn failed_summary() -> Summary {
    let disk = address("app/gitea", "disk", "default");
    Summary {
        done: vec![(Verb::Create, 20), (Verb::Update, 1)],
        failed: vec![(disk.clone(), Verb::Create, quota())],
        skipped: vec![
            (
                address("cls/c1/app/gitea", "PersistentVolume", "default"),
                Verb::Create,
                SkipReason::DependencyFailed(disk.clone()),
            ),
            (address("cls/c1/app/gitea", "Deployment", "gitea-app"), Verb::Update, SkipReason::DependencyFailed(disk)),
        ],
        took: Duration::from_secs(34),
        ..Summary::default()
    }
}

pub(crate) fn events() -> Vec<Event> {
    let group = address("app/gitea", "resource-group", "rg");
    let disk = address("app/gitea", "disk", "default");
    let claim = address("cls/c1/app/gitea", "PersistentVolumeClaim", "default");
    let status = |text: &str| Event::Status { address: group.clone(), text: text.into() };
    vec![
        Event::Began { changes: 3 },
        Event::Reconciled { address: address("app/gitea", "snapshot", "daily"), outcome: Reconciled::Adopted },
        Event::Started { address: group.clone(), action: Verb::Create, at: Duration::from_millis(5) },
        status("accepted"),
        status("accepted"),
        status("still\n\u{1b}[31mcreating"),
        Event::Retried { address: group.clone(), delay: Duration::from_secs(2), reason: "HTTP 429".into() },
        Event::Finished { address: group.clone(), action: Verb::Create, took: Duration::from_secs(3) },
        Event::Started { address: disk.clone(), action: Verb::Create, at: Duration::from_secs(3) },
        Event::Failed { address: disk.clone(), action: Verb::Create, took: Duration::from_millis(700), error: quota() },
        Event::Skipped { address: claim, action: Verb::Create, because: SkipReason::DependencyFailed(disk) },
        Event::Interrupted { graceful: true, running: 1 },
        Event::Interrupted { graceful: false, running: 1 },
        Event::Ended(failed_summary()),
    ]
}
