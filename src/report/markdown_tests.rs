use super::*;
use crate::engine::action::Action;
use crate::engine::address::Address;
use crate::report::escape::is_unsafe;
use crate::report::testing;
use crate::report::text::tests::hostile_plan;
use proptest::prelude::*;

#[test]
fn a_comment_begins_with_counts_and_dangers() {
    insta::assert_snapshot!(plan(&testing::plan()), @"");
}

/// A plan of `apps` apps with one big update each.
fn big(apps: usize, lines: usize) -> Plan {
    let text: String = (0..lines).map(|n| format!("a line of some length, number {n}\n")).collect();
    let update = |app: usize| {
        let mut planned =
            testing::action(testing::address(&format!("app/a{app}"), "ConfigMap", "c"), Action::Update, "changed");
        planned.changes = vec![testing::field("data", text.as_str(), text.to_uppercase())];
        planned
    };
    Plan { actions: (0..apps).map(update).collect(), ..testing::plan() }
}

#[test]
fn what_is_too_long_is_cut_from_the_least_important_end_and_says_so() {
    let mut shown = big(60, 15);
    shown.dangers[0].address = Some(Address::from_text("/ws/ops/prv/aks1/app/a7/ConfigMap/c"));
    let comment = plan(&shown);
    assert!(comment.len() <= LIMIT);
    assert!(!comment.contains("```mermaid"));
    assert!(comment.contains("<b>/ws/ops/prv/aks1/app/a7</b>: 1 to update</summary>"), "the dangerous one stays whole");
    assert!(comment.contains("(fields left out)"));
    let last = comment.lines().last().unwrap();
    assert!(last.contains("this is left out: the graph, details of"), "{last}");
}

#[test]
fn thousands_of_groups_and_dangers_fit_too() {
    let mut shown = big(3_000, 1);
    shown.dangers = (0..3_000)
        .map(|n| Danger {
            address: Some(testing::address("app/a", "disk", &format!("d{n}"))),
            text: "x".repeat(900),
            help: vec!["y".repeat(900)],
        })
        .collect();
    let comment = plan(&shown);
    assert!(comment.len() <= LIMIT);
    assert!(comment.contains("> - and ") && comment.contains(" altogether"));
}

#[test]
fn a_value_cannot_leave_its_fence_nor_mention_anybody() {
    let mut shown = big(1, 1);
    shown.actions[0].changes = vec![testing::field("data", "a\nb", "a\n````\n</details> @root")];
    shown.notes[0].text = "@root <img src=x> [link](https://e.x) ![i](x)".into();
    let comment = plan(&shown);
    assert!(comment.contains("`````diff\n"));
    assert!(!comment.contains("<img") && !comment.contains("](") && !comment.contains("- @root"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_comment_is_short_enough_and_safe(hostile in hostile_plan(), apps in 0usize..80, lines in 0usize..40) {
        let mut shown = hostile;
        shown.actions.extend(big(apps, lines).actions);
        let comment = plan(&shown);
        prop_assert!(comment.len() <= LIMIT);
        prop_assert!(!comment.chars().any(|c| c != '\n' && is_unsafe(c)));
        prop_assert!(!comment.contains(testing::DIGEST));
    }
}
