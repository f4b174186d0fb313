use super::*;
use crate::engine::plan::Asked;
use crate::engine::value::{Path, Segment, Sensitive, Value};
use crate::report::escape::is_unsafe;
use crate::report::testing;
use proptest::prelude::*;

fn printed(shown: &Plan, options: Options, style: &Style) -> String {
    let mut out = Vec::new();
    plan(&mut out, shown, options, style).unwrap();
    String::from_utf8(out).unwrap()
}

fn drift_of(shown: &Plan) -> String {
    let mut out = Vec::new();
    drift(&mut out, shown, Options::default(), &Style::PLAIN).unwrap();
    String::from_utf8(out).unwrap()
}

fn empty() -> Plan {
    let full = testing::plan();
    Plan {
        actions: Vec::new(),
        dangers: Vec::new(),
        notes: Vec::new(),
        restarts: Vec::new(),
        hosts: Vec::new(),
        ..full
    }
}

#[test]
fn a_plan_reads_well() {
    insta::assert_snapshot!(printed(&testing::plan(), Options::default(), &Style::PLAIN), @r#"
    Dangers:
      ! /ws/ops/prv/aks1/cls/c1/agent-pool/npuser1: its nodes go away, with the Pods on them
            drain it first: kubectl drain -l kompox.dev/node-zone=1

    /ws/ops/prv/aks1/app/gitea
     <- disk/data  import in kompoxapp.yml
            id /subscriptions/s/resourceGroups/rg/providers/M.C/disks/data
          ~ tags.owner: "bob" → "kompox"
      + disk/default  PremiumV2_LRS, 10 GiB, zone 1, japaneast  (kompoxapp.yml:14)
      + role-assignment/cluster  principal (known after apply)

    /ws/ops/prv/aks1/app/old
      x disk/default  deletionPolicy Orphan
            id /subscriptions/s/resourceGroups/rg/providers/M.C/disks/old

    /ws/ops/prv/aks1/cls/c1
    -/+ agent-pool/npuser1  zone "1" → "2" forces replacement  Standard_D2lds_v6
          ~ properties.availabilityZones: "1" → "2"  forces replacement
     <= identity/ingress  read for its principal

    /ws/ops/prv/aks1/cls/c1/app/gitea
      + PersistentVolumeClaim/default  deleted by somebody since the last apply  10Gi, ReadWriteOnce
      ~ Deployment/gitea-app  image changed; another writer changed replicas  (compose.yml:12)
          ~ spec.containers[gitea].image: "gitea/gitea:1.23" → "gitea/gitea:1.24"
          ~ spec.env.DB_PASSWORD: (sensitive) changed
          ~ data.app.ini:
                [server]
                PORT = 3000
              - HOST = a
              + HOST = b
          ~ spec.replicas: 3 → 1  (drift: changed by kubectl-edit at 2026-05-01T10:00:00Z)
          + spec.paused: false  (the server decides it)
     -> Service/gitea-app  the app moved
            moved from /ws/ops/prv/aks1/cls/c0/app/gitea/Service/gitea-app

    /ws/ops/prv/aks1/cls/c1/app/old
      - Service/old-app  no manifest asks for it any more

    Notes:
      * pool npuser2 uses Spot nodes: apps with data on them are evicted now and then

    Plan: 1 to import, 3 to create, 1 to update, 1 to replace, 1 to delete, 1 to move, 1 to forget; 120 unchanged

    At risk (see the dangers above):
      /ws/ops/prv/aks1/cls/c1/agent-pool/npuser1

    Restarts (one replica each, down until the new one is ready):
      /ws/ops/prv/aks1/cls/c1/app/gitea/Deployment/gitea-app  its pod template changes

    Unknown until apply:
      properties.principalId of /ws/ops/prv/aks1/cls/c1/identity/ingress  (1 field)

    Planned without the server's answer, checked again when it can give one:
      1 object: the cluster does not exist yet

    Hosts:
      gitea.example.com  (/ws/ops/prv/aks1/cls/c1/app/gitea/Ingress/gitea-app)
    "#);
}

#[test]
fn an_expanded_plan_shows_every_field() {
    let mut full = testing::plan();
    full.actions.truncate(2);
    let shown = printed(&Plan { actions: full.actions, ..empty() }, Options { expand: true }, &Style::PLAIN);
    insta::assert_snapshot!(shown, @r#"
    /ws/ops/prv/aks1/app/gitea
     <- disk/data  import in kompoxapp.yml
            id /subscriptions/s/resourceGroups/rg/providers/M.C/disks/data
          ~ tags.owner: "bob" → "kompox"
      + disk/default  PremiumV2_LRS, 10 GiB, zone 1, japaneast  (kompoxapp.yml:14)
          + location: "japaneast"
          + properties:
          +   diskSizeGB: 10
          +   encryptionKey: (sensitive)
          + sku:
          +   name: "PremiumV2_LRS"
          + tags:
          +   managed-by: "kompox"
          + zones:
          +   - "1"

    Plan: 1 to import, 1 to create, 0 to update, 0 to delete; 120 unchanged
    "#);
}

#[test]
fn no_changes() {
    insta::assert_snapshot!(printed(&empty(), Options::default(), &Style::PLAIN), @r#"
    No changes. Everything is as the manifests say (120 objects).
    "#);
    let noted = Plan { notes: testing::plan().notes, ..empty() };
    assert!(printed(&noted, Options::default(), &Style::PLAIN).starts_with("Notes:"));
}

#[test]
fn a_destroy_says_first_what_is_kept_and_how_to_adopt_it_again() {
    let full = testing::plan();
    let actions: Vec<_> =
        full.actions.into_iter().filter(|p| matches!(p.action, Verb::Delete | Verb::Forget)).collect();
    let shown = Plan { mode: Mode::Destroy, actions, ..empty() };
    insta::assert_snapshot!(printed(&shown, Options::default(), &Style::PLAIN), @r#"
    Destroy: what is marked - is deleted; what is marked x stays, the state forgets it.

    Not deleted, only forgotten:
      x /ws/ops/prv/aks1/app/old/disk/default: deletionPolicy Orphan
            adopt it again:  kompox import /ws/ops/prv/aks1/app/old/disk/default /subscriptions/s/resourceGroups/rg/providers/M.C/disks/old

    /ws/ops/prv/aks1/app/old
      x disk/default  deletionPolicy Orphan
            id /subscriptions/s/resourceGroups/rg/providers/M.C/disks/old

    /ws/ops/prv/aks1/cls/c1/app/old
      - Service/old-app  no manifest asks for it any more

    Plan: 1 to delete, 1 to forget; 120 unchanged
    "#);
}

#[test]
fn drift_names_each_field_with_its_writer() {
    insta::assert_snapshot!(drift_of(&testing::drift_plan()), @r#"
    /ws/ops/prv/aks1/app/gitea
        disk/default
          - tags.owner: "ops"  (drift: changed outside kompox)
        disk/gone  it is gone from the cloud

    /ws/ops/prv/aks1/cls/c1/app/gitea
        Deployment/gitea-app
          ~ spec.replicas: 1 → 3  (drift: changed by kubectl-edit at 2026-05-01T10:00:00Z; the manifests ask for 2)

    Drift: 2 fields of 3 objects.
    "#);
}

#[test]
fn drift_of_an_apply_plan_turns_the_sides() {
    insta::assert_snapshot!(drift_of(&testing::plan()), @r#"
    /ws/ops/prv/aks1/cls/c1/app/gitea
        Deployment/gitea-app
          ~ spec.replicas: 1 → 3  (drift: changed by kubectl-edit at 2026-05-01T10:00:00Z)

    Drift: 1 field of 1 object.
    "#);
    assert_eq!(drift_of(&empty()), "No drift.\n");
}

#[test]
fn colour_changes_nothing_but_colour() {
    let style = Style { color: true, ..Style::PLAIN };
    let colored = printed(&testing::plan(), Options::default(), &style);
    assert!(colored.contains("\u{1b}[32m"));
    let plain = anstream::adapter::strip_str(&colored).to_string();
    assert_eq!(plain, printed(&testing::plan(), Options::default(), &Style::PLAIN));
}

#[test]
fn ascii_only_where_asked_for() {
    let style = Style { unicode: false, ..Style::PLAIN };
    let mut shown = testing::plan();
    for planned in &mut shown.actions {
        planned.reason.clear();
    }
    assert!(printed(&shown, Options::default(), &style).is_ascii());
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        hostile_text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        Just(Value::sensitive(Sensitive::new(testing::SECRET, testing::DIGEST.into()))),
        any::<String>().prop_map(|name| Value::output(&Address::new("/ws/o", "k", &name), &name)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| Value::Array(items.into())),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// What somebody writes who wants to call people, to draw, to break out of a block, or to steer a terminal or a runner.
const HARM: [&str; 42] = [
    "@root",
    "@org/team",
    "me@example.com",
    "#1",
    "org/repo#3",
    "GH-2",
    "!7",
    "~label",
    "$1",
    "%2",
    ":tada:",
    "`",
    "````",
    "~~~",
    "```mermaid\n",
    "<details>",
    "</details>",
    "<summary>",
    "</summary>",
    "<!--",
    "-->",
    "</code>",
    "</pre>",
    "<br>",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<a href=javascript:x>",
    "[a](javascript:x)",
    "![i](https://e.example/p)",
    "https://e.example",
    "www.e.example",
    "| a | b |\n|---|---|\n| c |",
    "\n\n# heading\n",
    "\r\n- [ ] task",
    "> [!CAUTION]",
    "\u{202e}",
    "\u{200b}\u{feff}",
    "\u{1b}[31m\u{7}\u{9b}2J",
    "\u{0}\u{ffff}",
    "&#64;root",
    "\\",
    "::error::x",
];

/// A text of such pieces, beside any characters at all.
pub(in crate::report) fn hostile_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(HARM.to_vec()).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => prop::sample::select(vec![" ", "a", "日本語", "😀", "**", "_"]).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

/// A plan whose every text was written by somebody who means harm.
pub(in crate::report) fn hostile_plan() -> impl Strategy<Value = Plan> {
    let actions = prop::collection::vec((hostile_text(), 0..Verb::ALL.len(), value(), value(), hostile_text()), 0..12);
    (actions, hostile_text()).prop_map(|(actions, text)| {
        let planned = actions.into_iter().map(|(name, action, before, after, key)| PlannedAction {
            physical_id: Some(text.clone()),
            after: Some(after.clone()),
            changes: vec![FieldChange {
                path: Path(vec![Segment::Key(key.clone()), Segment::Item(key)]),
                before: Some(before),
                after: Some(after),
                asked: Asked::Other(Some(text.as_str().into())),
                cause: Cause::Drift { writer: Some(text.clone()), time: None, of_object: false },
                forces_replacement: true,
            }],
            unconfirmed: Some(text.clone()),
            who: Some(text.as_str().into()),
            moved_from: Some(Address::new("/ws/o", "k", &text)),
            ..testing::action(Address::new("/ws/o", &text, &name), Verb::ALL[action], &text)
        });
        let danger = Danger {
            code: "x".into(),
            address: Some(Address::new("/ws/o", "k", &text)),
            text: text.clone(),
            help: vec![text.clone().into()],
        };
        Plan {
            actions: planned.collect(),
            dangers: vec![danger.clone()],
            notes: vec![danger],
            restarts: vec![Restart { address: Address::new("/ws/o", "k", &text), because: text.clone() }],
            hosts: vec![(Address::new("/ws/o", "k", &text), text)],
            ..empty()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_hostile_and_no_digest_reaches_the_output(shown in hostile_plan(), expand in any::<bool>()) {
        for text in [printed(&shown, Options { expand }, &Style::PLAIN), drift_of(&shown)] {
            prop_assert!(!text.chars().any(|c| c != '\n' && is_unsafe(c)));
            prop_assert!(!text.contains(testing::DIGEST) && !text.contains(testing::SECRET));
            prop_assert!(text.lines().all(|line| line == line.trim_end()));
        }
        let mut json = Vec::new();
        crate::report::json::write(&mut json, &crate::report::json::plan(&shown, &Default::default(), &Style::PLAIN.commands), true).unwrap();
        let json = String::from_utf8(json).unwrap();
        prop_assert!(!json.contains(testing::SECRET) && !json.chars().any(|c| c != '\n' && is_unsafe(c)));
    }
}
