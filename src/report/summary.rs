//! The end of a run, in words.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use super::Style;
use super::escape::clean;
use super::facts::counted;
use super::line::{Ink, Line, paint};
use super::text as plan_text;
use crate::advice::{Command, Name};
use crate::engine::address::Address;
use crate::engine::event::{SkipReason, Summary};
use crate::engine::plan::{Mode, Plan, Verb};
use crate::engine::provider::{ErrorClass, ProviderError};

/// Skipped objects named per failure.
const MOST_SKIPPED: usize = 10;

/// What was done, for a sentence: `3 created`.
pub(super) fn past(action: Verb) -> &'static str {
    match action {
        Verb::NoOp => "unchanged",
        Verb::Read => "read",
        Verb::Create => "created",
        Verb::Update => "updated",
        Verb::Replace => "replaced",
        Verb::Delete => "deleted",
        Verb::Import => "imported",
        Verb::Move => "moved",
        Verb::Forget => "forgotten",
        Verb::Refresh => "accepted",
    }
}

/// What is being done: `creating`.
pub(super) fn present(action: Verb) -> &'static str {
    match action {
        Verb::NoOp => "keeping",
        Verb::Read => "reading",
        Verb::Create => "creating",
        Verb::Update => "updating",
        Verb::Replace => "replacing",
        Verb::Delete => "deleting",
        Verb::Import => "importing",
        Verb::Move => "moving",
        Verb::Forget => "forgetting",
        Verb::Refresh => "accepting",
    }
}

/// A duration as people say it: `0.4 s`, `12 s`, `2 min 05 s`, `1 h 02 min`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}.{} s", 0, duration.subsec_millis() / 100),
        1..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The API's code, status and request id, as far as known.
pub(super) fn error_facts(error: &ProviderError) -> String {
    let code = error.code.as_ref().map(|code| format!("code {}", clean(code)));
    let status = error.status.map(|status| format!("HTTP {status}"));
    let request = error.request_id.as_ref().map(|id| format!("request id {}", clean(id)));
    [code, status, request].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Writes what was done, what failed and why, what was skipped, and what to do next. With the plan that was carried out,
/// a complete apply ends with the hosts of its apps, and a complete destroy with what it left and how to adopt it again.
///
/// # Errors
/// The writer's own.
pub fn text(out: &mut dyn Write, summary: &Summary, plan: Option<&Plan>, style: &Style) -> io::Result<()> {
    let (name, command) = match plan.map(|plan| plan.mode) {
        Some(Mode::Destroy) => ("Destroy", Name::Destroy),
        Some(Mode::RefreshOnly) => ("Refresh", Name::Apply),
        Some(Mode::Apply | Mode::Import) | None => ("Apply", Name::Apply),
    };
    let complete = summary.is_complete();
    let (how, ink) = match (complete, summary.interrupted) {
        (true, _) => ("complete in", Ink::Added),
        (false, true) => ("interrupted after", Ink::Danger),
        (false, false) => ("incomplete after", Ink::Danger),
    };
    let mut done: Vec<String> = Vec::new();
    for (action, count) in summary.done.iter().filter(|(_, count)| *count > 0) {
        done.push(format!("{count} {}", past(*action)));
    }
    if done.is_empty() {
        done.push("0 done".to_owned());
    }
    let mut counts = done.join(", ");
    for (count, word) in
        [(summary.failed.len(), "failed"), (summary.skipped.len(), "skipped"), (summary.open.len(), "open")]
    {
        if count > 0 {
            counts.push_str(&format!("; {count} {word}"));
        }
    }
    let head = format!("{name} {how} {}", duration(summary.took));
    writeln!(out, "{}: {counts}.", paint(&head, ink, style))?;
    write_failed(out, summary, style)?;
    write_skipped(out, summary, style)?;
    if !summary.open.is_empty() {
        title(out, "Open, because it is not known whether the cloud did it:", style)?;
        for address in &summary.open {
            Line::new("?", Ink::Changed, 0).with(Ink::Plain, clean(address.as_str())).write_text(out, style)?;
        }
    }
    if !summary.notes.is_empty() {
        title(out, "Notes:", style)?;
        for (address, text) in &summary.notes {
            let text = format!("{}: {}", clean(address.as_str()), clean(text));
            Line::new("*", Ink::Changed, 0).with(Ink::Plain, text).write_text(out, style)?;
        }
    }
    if complete {
        write_kept(out, plan, style)?;
        return write_hosts(out, plan, style);
    }
    let mut next = Vec::new();
    if !summary.open.is_empty() {
        next.push("The next run finds out what became of what is open, by itself.".to_owned());
    }
    let command = style.commands.again(&Command::new(command));
    if summary.failed.is_empty() {
        next.push(format!("Run `{command}` again to do the rest; what is done stays done."));
    } else {
        next.push(format!("Put right what failed, then run `{command}` again; what is done stays done."));
    }
    title(out, "Next:", style)?;
    next.iter().try_for_each(|line| writeln!(out, "  {line}"))
}

fn title(out: &mut dyn Write, title: &str, style: &Style) -> io::Result<()> {
    writeln!(out, "\n{}", paint(title, Ink::Bold, style))
}

fn write_failed(out: &mut dyn Write, summary: &Summary, style: &Style) -> io::Result<()> {
    if summary.failed.is_empty() {
        return Ok(());
    }
    title(out, "Failed:", style)?;
    for (address, action, error) in &summary.failed {
        let what = format!("{} {}: ", action.word(), clean(address.as_str()));
        let mut message = error.message.lines();
        let first = clean(message.next().unwrap_or_default()).into_owned();
        Line::new("!", Ink::Danger, 0).with(Ink::Bold, what).with(Ink::Plain, first).write_text(out, style)?;
        let facts = error_facts(error);
        let hint = error
            .hint
            .iter()
            .flat_map(|hint| style.commands.lines(hint))
            .flat_map(|hint| hint.lines().map(|line| format!("hint: {}", clean(line))).collect::<Vec<_>>());
        let rest = message.map(|line| clean(line).into_owned());
        let doubt = (error.class == ErrorClass::Ambiguous)
            .then(|| "it may have been done all the same; the next run finds out".to_owned());
        for detail in rest.chain(Some(facts).filter(|facts| !facts.is_empty())).chain(doubt).chain(hint) {
            Line::new("", Ink::Plain, 1).with(Ink::Plain, detail).write_text(out, style)?;
        }
    }
    Ok(())
}

fn write_skipped(out: &mut dyn Write, summary: &Summary, style: &Style) -> io::Result<()> {
    if summary.skipped.is_empty() {
        return Ok(());
    }
    let mut causes: BTreeMap<Option<&Address>, Vec<(&Address, Verb)>> = BTreeMap::new();
    for (address, action, because) in &summary.skipped {
        let cause = match because {
            SkipReason::DependencyFailed(failed) => Some(failed),
            SkipReason::Interrupted => None,
        };
        causes.entry(cause).or_default().push((address, *action));
    }
    title(out, "Skipped:", style)?;
    for (cause, skipped) in causes {
        let why = match cause {
            Some(address) => format!("because {} failed:", clean(address.as_str())),
            None => "because of the interruption:".to_owned(),
        };
        let why = format!("{} {why}", counted(skipped.len(), "change"));
        Line::new("", Ink::Plain, 0).with(Ink::Plain, why).write_text(out, style)?;
        for (address, action) in skipped.iter().take(MOST_SKIPPED) {
            let what = format!("{} {}", action.word(), clean(address.as_str()));
            Line::new("", Ink::Plain, 1).with(Ink::Plain, what).write_text(out, style)?;
        }
        if skipped.len() > MOST_SKIPPED {
            let more = format!("and {} more", skipped.len() - MOST_SKIPPED);
            Line::new("", Ink::Plain, 1).with(Ink::Plain, more).write_text(out, style)?;
        }
    }
    Ok(())
}

fn write_kept(out: &mut dyn Write, plan: Option<&Plan>, style: &Style) -> io::Result<()> {
    let kept = plan.filter(|plan| plan.mode == Mode::Destroy).map(plan_text::kept_and_noted).unwrap_or_default();
    if kept.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    plan_text::write_dangers(out, plan_text::KEPT, Verb::Forget.mark(), Ink::Noted, &kept, style)
}

fn write_hosts(out: &mut dyn Write, plan: Option<&Plan>, style: &Style) -> io::Result<()> {
    let Some(plan) = plan.filter(|plan| plan.mode == Mode::Apply && !plan.hosts.is_empty()) else { return Ok(()) };
    title(out, "Hosts:", style)?;
    plan.hosts.iter().try_for_each(|(address, host)| writeln!(out, "  {}  ({})", clean(host), clean(address.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing;

    fn printed(summary: &Summary) -> String {
        let mut out = Vec::new();
        text(&mut out, summary, Some(&testing::plan()), &Style::PLAIN).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_complete_run_ends_with_the_hosts() {
        let summary = Summary {
            done: vec![(Verb::Import, 1), (Verb::Create, 31)],
            took: Duration::from_secs(134),
            ..Summary::default()
        };
        insta::assert_snapshot!(printed(&summary), @r#"
        Apply complete in 2 min 14 s: 1 imported, 31 created.

        Hosts:
          gitea.example.com  (/ws/ops/prv/aks1/cls/c1/app/gitea/Ingress/gitea-app)
        "#);
    }

    #[test]
    fn a_complete_destroy_ends_with_what_it_left() {
        let mut plan = Plan { mode: Mode::Destroy, ..testing::plan() };
        plan.actions.retain(|planned| matches!(planned.action, Verb::Delete | Verb::Forget));
        let summary = Summary { done: vec![(Verb::Delete, 1), (Verb::Forget, 1)], ..Summary::default() };
        let mut out = Vec::new();
        super::text(&mut out, &summary, Some(&plan), &Style::PLAIN).unwrap();
        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        Destroy complete in 0.0 s: 1 deleted, 1 forgotten.

        Not deleted, only forgotten:
          x /ws/ops/prv/aks1/app/old/disk/default: deletionPolicy Orphan
                adopt it again:  kompox import /ws/ops/prv/aks1/app/old/disk/default /subscriptions/s/resourceGroups/rg/providers/M.C/disks/old
        "#);
    }

    #[test]
    fn a_failed_run_says_what_failed_what_it_held_up_and_what_to_do() {
        insta::assert_snapshot!(printed(&testing::failed_summary()), @r#"
        Apply incomplete after 34 s: 20 created, 1 updated; 1 failed; 2 skipped.

        Failed:
          ! create /ws/ops/prv/aks1/app/gitea/disk/default: Operation could not be completed as it results in exceeding approved quota.
                Limit: 10
                code QuotaExceeded, HTTP 409, request id 8b1f
                hint: ask for a higher quota of the region, or free some

        Skipped:
            2 changes because /ws/ops/prv/aks1/app/gitea/disk/default failed:
                create /ws/ops/prv/aks1/cls/c1/app/gitea/PersistentVolume/default
                update /ws/ops/prv/aks1/cls/c1/app/gitea/Deployment/gitea-app

        Next:
          Put right what failed, then run `kompox apply` again; what is done stays done.
        "#);
    }

    #[test]
    fn an_interrupted_run_says_how_to_go_on() {
        let summary = Summary {
            interrupted: true,
            open: vec![testing::address("app/gitea", "disk", "default")],
            skipped: vec![(testing::address("app/gitea", "disk", "other"), Verb::Create, SkipReason::Interrupted)],
            took: Duration::from_millis(420),
            ..Summary::default()
        };
        insta::assert_snapshot!(printed(&summary), @r#"
        Apply interrupted after 0.4 s: 0 done; 1 skipped; 1 open.

        Skipped:
            1 change because of the interruption:
                create /ws/ops/prv/aks1/app/gitea/disk/other

        Open, because it is not known whether the cloud did it:
          ? /ws/ops/prv/aks1/app/gitea/disk/default

        Next:
          The next run finds out what became of what is open, by itself.
          Run `kompox apply` again to do the rest; what is done stays done.
        "#);
    }

    #[test]
    fn durations_read_well() {
        let all = [950, 59_999, 60_000, 3_725_000].map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(all, ["0.9 s", "59 s", "1 min 00 s", "1 h 02 min"]);
    }
}
