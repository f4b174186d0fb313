//! Drift for what CI systems show beside their runs: findings (SARIF) and test reports (JUnit).

use std::fmt::Write as _;

use super::Style;
use super::escape::{clean, html};
use super::sarif::{self, Finding, Run};
use super::text::{self, Options};
use super::typed::Commands;
use super::value;
use crate::advice::Advice;
use crate::diag::{Diagnostic, Location};
use crate::engine::address::Address;
use crate::engine::plan::{FieldChange, Plan, PlannedAction};

/// The code of every finding.
const CODE: &str = "drift";

/// A warning for each object that somebody changed, at the line of the manifest that speaks of it. What to do about it
/// reaches no further than `targets`.
fn findings<'p>(plan: &'p Plan, targets: &[String]) -> Vec<(&'p Address, Diagnostic)> {
    let finding = |planned: &PlannedAction| {
        let message = format!("{}: {}", clean(planned.address.as_str()), details(plan, planned).join("; "));
        let ways = text::drift_ways(targets).into_iter().map(|(what, command)| Advice::run(what, command));
        let help = planned.who.iter().cloned().chain(ways);
        let finding = help.fold(Diagnostic::warning(CODE, message), Diagnostic::help);
        match &planned.origin {
            Some(origin) => finding.at(Location::new(origin.file.clone(), origin.line, origin.column), None),
            None => finding,
        }
    };
    text::drifted(plan).map(|planned| (&planned.address, finding(planned))).collect()
}

/// The same as SARIF; `targets` are what the report was narrowed to.
pub fn sarif(plan: &Plan, targets: &[String], run: &Run<'_>, commands: &Commands) -> serde_json::Value {
    let all = findings(plan, targets);
    let findings = all.iter().map(|(address, said)| Finding { said, about: Some(address.as_str()) });
    sarif::log(findings, run, commands)
}

/// A test report: a suite for each app and cluster, a case for each object in it that somebody changed, and one that
/// stands for all that are as they were (the schema is Jenkins's `junit-10.xsd`).
pub fn junit(plan: &Plan, commands: &Commands) -> String {
    let drifted: Vec<&PlannedAction> = text::drifted(plan).collect();
    let failures = drifted.len();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"kompox drift\" tests=\"{}\" failures=\"{failures}\" errors=\"0\">\n",
        failures + 1
    );
    for suite in drifted.chunk_by(|a, b| a.address.scope() == b.address.scope()) {
        let scope = html(suite[0].address.scope());
        let count = suite.len();
        // Writing to a string cannot fail.
        let _ = writeln!(xml, "  <testsuite name=\"{scope}\" tests=\"{count}\" failures=\"{count}\" errors=\"0\">");
        for planned in suite {
            let name = html(planned.address.short());
            let mut details = details(plan, planned);
            details.extend(planned.who.iter().flat_map(|who| commands.lines(who)));
            let _ = writeln!(xml, "    <testcase classname=\"{scope}\" name=\"{name}\">");
            let first = html(details.first().map_or("changed", String::as_str));
            let _ =
                writeln!(xml, "      <failure type=\"{CODE}\" message=\"{first}\">{}</failure>", html_lines(&details));
            xml.push_str("    </testcase>\n");
        }
        xml.push_str("  </testsuite>\n");
    }
    let _ = writeln!(
        xml,
        "  <testsuite name=\"unchanged\" tests=\"1\" failures=\"0\" errors=\"0\">\n    <testcase classname=\"unchanged\" name=\"{} objects are as they were applied\"/>\n  </testsuite>\n</testsuites>",
        plan.unchanged
    );
    xml
}

fn html_lines(lines: &[String]) -> String {
    lines.iter().map(|line| html(line)).collect::<Vec<_>>().join("\n")
}

/// What changed in an object, a line for each field: from what was applied to what is there now.
fn details(plan: &Plan, planned: &PlannedAction) -> Vec<String> {
    let style = Style { width: usize::MAX, ..Style::PLAIN };
    let line = |change: FieldChange| {
        let lines = value::change(&change, planned.address.scope(), Options::default(), &style);
        let texts = lines.iter().map(|line| line.spans.iter().map(|(_, text)| text.as_str()).collect::<String>());
        let text = texts.collect::<Vec<_>>().join(" ");
        match (&change.before, &change.after) {
            (Some(_), None) => format!("removed {text}"),
            (None, Some(_)) => format!("added {text}"),
            _ => text,
        }
    };
    let fields: Vec<String> = text::drifted_fields(plan, planned).map(line).collect();
    if !fields.is_empty() {
        return fields;
    }
    vec![clean(if planned.reason.is_empty() { "changed" } else { &planned.reason }).into_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    #[test]
    fn each_drifted_object_is_a_finding_with_both_ways_out() {
        let log = sarif(&testing::drift_plan(), &[], &testing::RUN, &Commands::PLAIN);
        let texts: Vec<&str> = log["runs"][0]["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["message"]["text"].as_str().unwrap())
            .collect();
        insta::assert_snapshot!(texts.join("\n---\n"), @r#"
        /ws/ops/prv/aks1/app/gitea/disk/default: removed tags.owner: "ops"  (drift: changed outside kompox)

        to put it right:  kompox apply

        to accept it:  kompox apply --refresh-only
        ---
        /ws/ops/prv/aks1/app/gitea/disk/gone: it is gone from the cloud

        to put it right:  kompox apply

        to accept it:  kompox apply --refresh-only
        ---
        /ws/ops/prv/aks1/cls/c1/app/gitea/Deployment/gitea-app: spec.replicas: 1 → 3  (drift: changed by kubectl-edit at 2026-05-01T10:00:00Z; the manifests ask for 2)

        to put it right:  kompox apply

        to accept it:  kompox apply --refresh-only
        "#);
        assert!(findings(&testing::drift_plan(), &[]).iter().all(|(_, one)| one.code == CODE));
    }

    #[test]
    fn a_test_report_fails_for_each_drifted_object() {
        insta::assert_snapshot!(junit(&testing::drift_plan(), &Commands::PLAIN), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="kompox drift" tests="4" failures="3" errors="0">
          <testsuite name="/ws/ops/prv/aks1/app/gitea" tests="2" failures="2" errors="0">
            <testcase classname="/ws/ops/prv/aks1/app/gitea" name="disk/default">
              <failure type="drift" message="removed tags.owner: &#34;ops&#34;  &#40;drift: changed outside kompox&#41;">removed tags.owner: &#34;ops&#34;  &#40;drift: changed outside kompox&#41;</failure>
            </testcase>
            <testcase classname="/ws/ops/prv/aks1/app/gitea" name="disk/gone">
              <failure type="drift" message="it is gone from the cloud">it is gone from the cloud</failure>
            </testcase>
          </testsuite>
          <testsuite name="/ws/ops/prv/aks1/cls/c1/app/gitea" tests="1" failures="1" errors="0">
            <testcase classname="/ws/ops/prv/aks1/cls/c1/app/gitea" name="Deployment/gitea-app">
              <failure type="drift" message="spec.replicas: 1 → 3  &#40;drift: changed by kubectl-edit at 2026-05-01T10:00:00Z; the manifests ask for 2&#41;">spec.replicas: 1 → 3  &#40;drift: changed by kubectl-edit at 2026-05-01T10:00:00Z; the manifests ask for 2&#41;</failure>
            </testcase>
          </testsuite>
          <testsuite name="unchanged" tests="1" failures="0" errors="0">
            <testcase classname="unchanged" name="120 objects are as they were applied"/>
          </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn without_drift_all_is_well() {
        let plan = Plan { actions: Vec::new(), ..testing::drift_plan() };
        assert!(findings(&plan, &[]).is_empty());
        assert!(junit(&plan, &Commands::PLAIN).contains("tests=\"1\" failures=\"0\""));
    }

    #[test]
    fn no_text_breaks_out_of_a_report() {
        let mut plan = testing::drift_plan();
        plan.actions[2].reason = "]]></failure><testcase name=\"x\"/>\u{1b}".to_owned();
        let report = junit(&plan, &Commands::PLAIN);
        assert_eq!(report.matches("<testcase").count(), 4, "{report}");
        assert!(!report.contains('\u{1b}'));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

        /// Whatever is hostile, a report is XML with as many cases as there are.
        #[test]
        fn a_hostile_plan_is_a_report(hostile in text::tests::hostile_plan()) {
            let plan = Plan { mode: crate::engine::plan::Mode::RefreshOnly, ..hostile };
            let report = junit(&plan, &Commands::PLAIN);
            let drifted = text::drifted(&plan).count();
            proptest::prop_assert_eq!(report.matches("<testcase ").count(), drifted + 1);
            proptest::prop_assert_eq!(report.matches("</failure>").count(), drifted);
            proptest::prop_assert_eq!(report.matches('<').count(), report.matches('>').count());
            proptest::prop_assert!(!report.contains(|c| c != '\n' && crate::report::escape::is_unsafe(c)));
        }
    }
}
