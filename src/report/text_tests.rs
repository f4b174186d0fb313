use super::*;
use crate::engine::value::{Path, Segment, Value};
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
    insta::assert_snapshot!(printed(&testing::plan(), Options::default(), &Style::PLAIN), @"");
}

#[test]
fn an_expanded_plan_shows_every_field() {
    let mut full = testing::plan();
    full.actions.truncate(2);
    let shown = printed(&Plan { actions: full.actions, ..empty() }, Options { expand: true }, &Style::PLAIN);
    insta::assert_snapshot!(shown, @"");
}

#[test]
fn no_changes() {
    insta::assert_snapshot!(printed(&empty(), Options::default(), &Style::PLAIN), @"");
    let noted = Plan { notes: testing::plan().notes, ..empty() };
    assert!(printed(&noted, Options::default(), &Style::PLAIN).starts_with("Notes:"));
}

#[test]
fn a_destroy_says_first_what_is_kept_and_how_to_adopt_it_again() {
    let full = testing::plan();
    let actions: Vec<_> =
        full.actions.into_iter().filter(|p| matches!(p.action, Action::Delete | Action::Forget)).collect();
    let shown = Plan { mode: Mode::Destroy, actions, ..empty() };
    insta::assert_snapshot!(printed(&shown, Options::default(), &Style::PLAIN), @"");
}

#[test]
fn drift_names_each_field_with_its_writer() {
    insta::assert_snapshot!(drift_of(&testing::drift_plan()), @"");
}

#[test]
fn drift_of_an_apply_plan_turns_the_sides() {
    insta::assert_snapshot!(drift_of(&testing::plan()), @"");
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
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        Just(Value::Null),
        Just(Value::Sensitive(crate::engine::value::Sensitive::digest_only(testing::DIGEST.into()))),
        any::<String>().prop_map(|name| Value::output(&Address::new("/ws/o", "k", &name), &name)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(any::<String>(), inner, 0..4).prop_map(Value::Object),
        ]
    })
}

/// A plan whose every text was written by somebody who means harm.
pub(in crate::report) fn hostile_plan() -> impl Strategy<Value = Plan> {
    let actions = prop::collection::vec((any::<String>(), 0usize..11, value(), value(), any::<String>()), 0..12);
    (actions, any::<String>()).prop_map(|(actions, text)| {
        let planned = actions.into_iter().map(|(name, action, before, after, key)| PlannedAction {
            physical_id: Some(text.clone()),
            after: Some(after.clone()),
            changes: vec![FieldChange {
                path: Path(vec![Segment::Key(key.clone()), Segment::Item(key)]),
                before: Some(before),
                after: Some(after),
                cause: Cause::Drift { writer: Some(text.clone()), time: None },
                forces_replacement: true,
            }],
            unconfirmed: Some(text.clone()),
            moved_from: Some(Address::from_text(text.clone())),
            ..testing::action(Address::new("/ws/o", &text, &name), Action::ALL[action], &text)
        });
        let danger =
            Danger { address: Some(Address::from_text(text.clone())), text: text.clone(), help: vec![text.clone()] };
        Plan {
            actions: planned.collect(),
            dangers: vec![danger.clone()],
            notes: vec![danger],
            restarts: vec![Restart { address: Address::from_text(text.clone()), because: text.clone() }],
            hosts: vec![(Address::from_text(text.clone()), text)],
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
            prop_assert!(!text.contains(testing::DIGEST));
            prop_assert!(text.lines().all(|line| line == line.trim_end()));
        }
    }
}
