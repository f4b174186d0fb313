//! A plan as a reviewer reads it: dangers first, then every change under the object it belongs to, then counts and what
//! the change means for those who use the apps (`engine.md`, Plan). Also the drift report.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::escape::clean;
use super::facts::{self, counted};
use super::line::{Ink, Line, paint};
use super::value;
use super::{About, Saved, Style};
use crate::advice::{Advice, Command, Name};
use crate::engine::address::Address;
use crate::engine::code::NoteCode;
use crate::engine::plan::{Cause, Danger, FieldChange, Mode, Plan, PlannedAction, Restart, Verb};
use crate::engine::value::Reference;

pub use super::value::Options;

/// The reason of a creation that goes without saying; it is not printed.
pub const PLAIN_CREATION: &str = "new";

/// Unknown outputs named at the end of a plan.
const MOST_UNKNOWN: usize = 10;

/// The title over what a destroy leaves.
pub(super) const KEPT: &str = "Not deleted, only forgotten:";

/// Writes a plan, in many small pieces: give it a buffered writer.
///
/// # Errors
/// The writer's own.
pub fn plan(out: &mut dyn Write, plan: &Plan, options: Options, style: &Style) -> io::Result<()> {
    let title = match plan.mode {
        Mode::Apply | Mode::Import => None,
        Mode::Destroy => Some("Destroy: what is marked - is deleted; what is marked x stays, the state forgets it."),
        Mode::RefreshOnly => Some("Refresh only: what is observed goes into the state, nothing in the cloud changes."),
    };
    if let Some(title) = title.filter(|_| !plan.is_empty()) {
        writeln!(out, "{}\n", paint(title, Ink::Bold, style))?;
    }
    write_section(out, "Dangers:", "!", Ink::Danger, &plan.dangers, style)?;
    if plan.mode == Mode::Destroy {
        write_kept(out, plan, style)?;
        write_notes(out, plan, style)?;
    }
    for (scope, actions) in by_scope(plan) {
        writeln!(out, "{}", paint(clean(scope).trim_end(), Ink::Bold, style))?;
        for planned in actions {
            for line in action_lines(planned, options, style) {
                line.write_text(out, style)?;
            }
        }
        writeln!(out)?;
    }
    if plan.mode != Mode::Destroy {
        write_notes(out, plan, style)?;
    }
    if plan.is_empty() {
        return writeln!(out, "{}", paint(&empty_sentence(plan), Ink::Bold, style));
    }
    writeln!(out, "{}", paint(&counts_sentence(plan), Ink::Bold, style))?;
    for section in closing(plan) {
        writeln!(out, "\n{}", paint(&section.title, Ink::Bold, style))?;
        for item in section.items {
            writeln!(out, "{}", format!("  {item}").trim_end())?;
        }
    }
    Ok(())
}

/// The changes by the scope that they belong to, scopes sorted, each scope's changes in execution order.
pub(super) fn by_scope(plan: &Plan) -> BTreeMap<&str, Vec<&PlannedAction>> {
    let mut groups: BTreeMap<&str, Vec<&PlannedAction>> = BTreeMap::new();
    for planned in plan.actions.iter().filter(|planned| planned.action != Verb::NoOp) {
        groups.entry(planned.address.scope()).or_default().push(planned);
    }
    groups
}

/// Whom a scope belongs to: an app with what outlives its cluster, or the scope itself.
pub(super) fn owner(scope: &str) -> String {
    let within = scope.split_once("/cls/").and_then(|(above, below)| Some((above, below.split_once("/app/")?.1)));
    let (above, app) = match (within, scope.split_once("/app/")) {
        (Some(found), _) | (None, Some(found)) => found,
        (None, None) => return scope.to_owned(),
    };
    format!("{above}/app/{}", app.split('/').next().unwrap_or(app))
}

/// With which options a plan was made that cannot be applied to the real thing, and why.
pub(crate) fn marks(plan: &Plan) -> impl Iterator<Item = (&'static str, &'static str)> {
    let sandbox = plan.rehearsal.then_some(("--sandbox", "it is for the sandbox only"));
    let offline = plan.offline.then_some(("--offline", "nobody was asked for what there is, so it is not applied"));
    sandbox.into_iter().chain(offline)
}

/// The command that applies a saved plan and no other, if one does.
pub(super) fn exactly<'a>(plan: &Plan, about: &About<'a>) -> Option<(Saved<'a>, Command)> {
    let saved = about.saved.filter(|_| !plan.offline)?;
    Some((saved, Command::new(Name::Apply).word(saved.file).word("--expect-digest").word(saved.digest)))
}

/// What a plan or a drift report comes to, in a sentence.
pub(super) fn sentence(plan: &Plan, drift: bool) -> String {
    match (plan.is_empty(), drift) {
        (true, true) => "No drift.".to_owned(),
        (true, false) => empty_sentence(plan),
        (false, true) => drift_sentence(plan),
        (false, false) => counts_sentence(plan),
    }
}

/// The sentence of a plan that changes nothing.
pub(super) fn empty_sentence(plan: &Plan) -> String {
    let unchanged = counted(plan.unchanged, "object");
    match plan.mode {
        Mode::Apply | Mode::Import => format!("No changes. Everything is as the manifests say ({unchanged})."),
        Mode::Destroy => "No changes. The state owns nothing to remove.".to_owned(),
        Mode::RefreshOnly => format!("No changes. Everything is as the state says ({unchanged})."),
    }
}

/// `Plan: 2 to import, 31 to create, 1 to update, 0 to delete; 120 unchanged`. What a reader looks for first is named
/// even when there is none of it.
pub(super) fn counts_sentence(plan: &Plan) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (action, count) in plan.counts() {
        *counts.entry(action.word()).or_default() += count;
    }
    let always: &[Verb] = match plan.mode {
        Mode::Apply | Mode::Import => &[Verb::Create, Verb::Update, Verb::Delete],
        Mode::Destroy => &[Verb::Delete],
        Mode::RefreshOnly => &[],
    };
    let mut parts: Vec<String> = Vec::new();
    for action in Verb::ALL.iter().filter(|action| action.is_change()) {
        let count = counts.remove(action.word());
        if let Some(count) = count.or_else(|| always.contains(action).then_some(0)) {
            parts.push(format!("{count} to {}", action.word()));
        }
    }
    format!("Plan: {}; {} unchanged", parts.join(", "), plan.unchanged)
}

/// The lines of one action.
pub(super) fn action_lines(planned: &PlannedAction, options: Options, style: &Style) -> Vec<Line> {
    let scope = planned.address.scope();
    let ink = Ink::of(planned.action);
    let mut head = Line::new(planned.action.mark(), ink, 0).with(ink, clean(planned.address.short()));
    let made = match planned.action {
        Verb::Create | Verb::Replace => planned.after.as_ref(),
        _ => None,
    };
    let facts = made.map(|value| facts::of(value, scope, style)).unwrap_or_default();
    let reason = if planned.action == Verb::Create && planned.reason == PLAIN_CREATION { "" } else { &planned.reason };
    for part in [clean(reason).into_owned(), facts].into_iter().filter(|part| !part.is_empty()) {
        head = head.with(Ink::Plain, format!("  {part}"));
    }
    if let Some(origin) = &planned.origin {
        head = head.with(Ink::Dim, format!("  ({}:{})", clean(&origin.file), origin.line));
    }
    let mut lines = vec![head];
    let mut detail = |text: String| lines.push(Line::new("", Ink::Dim, 1).with(Ink::Dim, text));
    if let Some(from) = &planned.moved_from {
        detail(format!("moved from {}", clean(from.as_str())));
    }
    if let Some(id) =
        planned.physical_id.as_ref().filter(|_| options.expand || matches!(planned.action, Verb::Import | Verb::Forget))
    {
        detail(format!("id {}", clean(id)));
    }
    // Before a cluster exists that is so for everything in it; the end of the plan says it once.
    if let Some(why) = planned.unconfirmed.as_ref().filter(|_| options.expand || planned.action != Verb::Create) {
        detail(format!("unconfirmed: {}", clean(why)));
    }
    if planned.force {
        detail("takes over fields that other writers own".to_owned());
    }
    for change in &planned.changes {
        lines.extend(value::change(change, scope, options, style));
    }
    if let Some(made) = made.filter(|_| options.expand) {
        let block = value::block(made, scope).into_iter();
        lines.extend(block.map(|line| Line::new("+", Ink::Added, 1).with(Ink::Plain, line.text)));
    }
    lines.extend(who(planned, style));
    lines
}

/// How a person finds out who changed it.
fn who(planned: &PlannedAction, style: &Style) -> impl Iterator<Item = Line> {
    let lines = planned.who.iter().flat_map(|who| style.commands.lines(who));
    lines.map(|line| Line::new("", Ink::Dim, 1).with(Ink::Dim, clean(&line)))
}

/// Writes a titled list of dangers, notes or what is kept; nothing if it is empty.
pub(super) fn write_dangers(
    out: &mut dyn Write,
    title: &str,
    mark: &'static str,
    ink: Ink,
    dangers: &[Danger],
    style: &Style,
) -> io::Result<()> {
    if dangers.is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", paint(title, ink, style))?;
    for danger in dangers {
        let text = match &danger.address {
            Some(address) => format!("{}: {}", clean(address.as_str()), clean(&danger.text)),
            None => clean(&danger.text).into_owned(),
        };
        Line::new(mark, ink, 0).with(Ink::Plain, text).write_text(out, style)?;
        for help in danger.help.iter().flat_map(|advice| style.commands.lines(advice)) {
            Line::new("", Ink::Plain, 1).with(Ink::Plain, clean(&help)).write_text(out, style)?;
        }
    }
    Ok(())
}

fn write_section(
    out: &mut dyn Write,
    title: &str,
    mark: &'static str,
    ink: Ink,
    dangers: &[Danger],
    style: &Style,
) -> io::Result<()> {
    write_dangers(out, title, mark, ink, dangers, style)?;
    if dangers.is_empty() { Ok(()) } else { writeln!(out) }
}

fn write_notes(out: &mut dyn Write, plan: &Plan, style: &Style) -> io::Result<()> {
    write_section(out, "Notes:", "*", Ink::Noted, &plan.notes, style)
}

/// What a destroy leaves in the cloud, and how to take each thing back: from the notes where they speak of it, else from
/// the address and the id.
pub(super) fn kept(plan: &Plan) -> Vec<Danger> {
    let spoken: BTreeSet<&Address> =
        plan.notes.iter().chain(&plan.dangers).filter_map(|note| note.address.as_ref()).collect();
    let silent = |planned: &&PlannedAction| planned.action == Verb::Forget && !spoken.contains(&planned.address);
    let entry = |planned: &PlannedAction| Danger {
        code: NoteCode::Kept.into(),
        address: Some(planned.address.clone()),
        text: match planned.reason.as_str() {
            "" => "the state forgets it".to_owned(),
            reason => reason.to_owned(),
        },
        help: planned
            .physical_id
            .iter()
            .map(|id| Advice::run("adopt it again", Command::import(&planned.address).word(id)))
            .collect(),
    };
    plan.actions.iter().filter(silent).map(entry).collect()
}

/// Everything that a destroy leaves in the cloud, with how to take it back, for the end of its run.
pub(super) fn kept_and_noted(plan: &Plan) -> Vec<Danger> {
    let forgotten: BTreeSet<&Address> =
        plan.actions.iter().filter(|planned| planned.action == Verb::Forget).map(|planned| &planned.address).collect();
    let about_kept = |note: &&Danger| note.address.as_ref().is_some_and(|address| forgotten.contains(address));
    let noted = plan.dangers.iter().chain(&plan.notes).filter(about_kept);
    noted.cloned().chain(kept(plan)).collect()
}

fn write_kept(out: &mut dyn Write, plan: &Plan, style: &Style) -> io::Result<()> {
    write_section(out, KEPT, Verb::Forget.mark(), Ink::Noted, &kept(plan), style)
}

/// A list at the end of a plan. Its texts are clean.
pub(super) struct Section {
    pub(super) title: String,
    pub(super) items: Vec<String>,
}

/// What a reviewer needs after the counts: what is at risk, what restarts, what stays unknown, which hosts there are.
pub(super) fn closing(plan: &Plan) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut add = |title: &str, items: Vec<String>| {
        if !items.is_empty() {
            sections.push(Section { title: title.to_owned(), items });
        }
    };
    let at_risk: BTreeSet<&Address> = plan.dangers.iter().filter_map(|danger| danger.address.as_ref()).collect();
    add(
        "At risk (see the dangers above):",
        at_risk.iter().map(|address| clean(address.as_str()).into_owned()).collect(),
    );
    let restart = |restart: &Restart| {
        format!("{}  {}", clean(restart.address.as_str()), clean(&restart.because)).trim_end().to_owned()
    };
    add("Restarts (one replica each, down until the new one is ready):", plan.restarts.iter().map(restart).collect());
    let unknown = not_known(plan);
    let host = |(address, host): &(Address, String)| format!("{}  ({})", clean(host), clean(address.as_str()));
    let hosts = Section { title: "Hosts:".to_owned(), items: plan.hosts.iter().map(host).collect() };
    sections.extend(unknown.into_iter().chain((!hosts.items.is_empty()).then_some(hosts)));
    sections
}

/// What only the apply will tell.
pub(super) fn not_known(plan: &Plan) -> Vec<Section> {
    let unknown = Section { title: "Unknown until apply:".to_owned(), items: unknown_items(plan) };
    let title = "Planned without the server's answer, checked again when it can give one:";
    let unconfirmed = Section { title: title.to_owned(), items: unconfirmed_items(plan) };
    [unknown, unconfirmed].into_iter().filter(|section| !section.items.is_empty()).collect()
}

fn unconfirmed_items(plan: &Plan) -> Vec<String> {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for why in plan.actions.iter().filter_map(|planned| planned.unconfirmed.as_deref()) {
        *reasons.entry(why).or_default() += 1;
    }
    reasons.into_iter().map(|(why, count)| format!("{}: {}", counted(count, "object"), clean(why))).collect()
}

fn unknown_items(plan: &Plan) -> Vec<String> {
    let mut waiting: BTreeMap<&Reference, usize> = BTreeMap::new();
    for planned in &plan.actions {
        let mut visit = |reference| *waiting.entry(reference).or_default() += 1;
        if let Some(after) = &planned.after {
            after.references(&mut visit);
        } else {
            planned.changes.iter().filter_map(|change| change.after.as_ref()).for_each(|v| v.references(&mut visit));
        }
    }
    let item = |(reference, count): (&&Reference, &usize)| {
        let output = clean(reference.output.trim_start_matches('/')).replace('/', ".");
        format!("{output} of {}  ({})", clean(reference.address.as_str()), counted(*count, "field"))
    };
    let mut items: Vec<String> = waiting.iter().take(MOST_UNKNOWN).map(item).collect();
    if waiting.len() > MOST_UNKNOWN {
        items.push(format!("and {} more", waiting.len() - MOST_UNKNOWN));
    }
    items
}

/// What can be done about drift of these targets, or of everything.
pub(super) fn drift_ways(targets: &[String]) -> [(&'static str, Command); 2] {
    let apply = Command::new(Name::Apply);
    let accept = apply.clone().word("--refresh-only");
    [("to put it right", narrowed(apply, targets)), ("to accept it", narrowed(accept, targets))]
}

/// A command that reaches no further than these targets.
pub(super) fn narrowed(command: Command, targets: &[String]) -> Command {
    targets.iter().fold(command, |command, one| command.word("--target").word(one))
}

/// `Drift: 2 fields of 1 object.`
pub(super) fn drift_sentence(plan: &Plan) -> String {
    let drifted = plan.actions.iter().filter(|planned| is_drifted(plan.mode, planned));
    let (mut objects, mut fields) = (0, 0);
    for planned in drifted {
        objects += 1;
        fields += planned.changes.iter().filter(|change| is_drift(plan.mode, change)).count();
    }
    match fields {
        0 => format!("Drift: {}.", counted(objects, "object")),
        _ => format!("Drift: {} of {}.", counted(fields, "field"), counted(objects, "object")),
    }
}

/// Whether anything differs from what was last applied because somebody else changed it. In a refresh-only plan that is
/// every change, in others the fields whose cause is drift.
pub fn has_drift(plan: &Plan) -> bool {
    plan.actions.iter().any(|planned| is_drifted(plan.mode, planned))
}

fn is_drift(mode: Mode, change: &FieldChange) -> bool {
    match change.cause {
        Cause::Drift { .. } => true,
        Cause::Server => mode == Mode::RefreshOnly,
        Cause::Manifest => false,
    }
}

/// The objects that somebody else changed.
pub(super) fn drifted(plan: &Plan) -> impl Iterator<Item = &PlannedAction> {
    by_scope(plan).into_values().flatten().filter(|planned| is_drifted(plan.mode, planned))
}

/// The fields of an object that somebody else changed, from what kompox applied to what is there now.
///
/// In a refresh-only plan, `before` of a change is what the state says and `after` what is observed; in other plans
/// `before` is what is observed and `after` what the apply would put right, and the sides are turned here.
pub(super) fn drifted_fields(plan: &Plan, planned: &PlannedAction) -> impl Iterator<Item = FieldChange> {
    planned.changes.iter().filter(|change| is_drift(plan.mode, change)).map(|change| {
        let mut turned = change.clone();
        turned.forces_replacement = false;
        if plan.mode != Mode::RefreshOnly {
            std::mem::swap(&mut turned.before, &mut turned.after);
        }
        turned
    })
}

fn is_drifted(mode: Mode, planned: &PlannedAction) -> bool {
    let by_itself = mode == Mode::RefreshOnly && planned.action.is_change();
    by_itself || planned.changes.iter().any(|change| is_drift(mode, change))
}

/// Writes the drift report: per object the fields that somebody changed.
///
/// # Errors
/// The writer's own.
pub fn drift(out: &mut dyn Write, plan: &Plan, options: Options, style: &Style) -> io::Result<()> {
    if !has_drift(plan) {
        return writeln!(out, "{}", paint("No drift.", Ink::Bold, style));
    }
    for (scope, actions) in by_scope(plan) {
        let mut titled = false;
        for planned in actions.into_iter().filter(|planned| is_drifted(plan.mode, planned)) {
            if !titled {
                writeln!(out, "{}", paint(clean(scope).trim_end(), Ink::Bold, style))?;
                titled = true;
            }
            let mut head = Line::new("", Ink::Plain, 0).with(Ink::Changed, clean(planned.address.short()));
            let drifted: Vec<FieldChange> = drifted_fields(plan, planned).collect();
            if drifted.is_empty() && !planned.reason.is_empty() {
                head = head.with(Ink::Plain, format!("  {}", clean(&planned.reason)));
            }
            head.write_text(out, style)?;
            for change in drifted {
                for line in value::change(&change, scope, options, style) {
                    line.write_text(out, style)?;
                }
            }
            for line in who(planned, style) {
                line.write_text(out, style)?;
            }
        }
        if titled {
            writeln!(out)?;
        }
    }
    writeln!(out, "{}", paint(&drift_sentence(plan), Ink::Bold, style))
}

#[cfg(test)]
#[path = "text_tests.rs"]
pub(in crate::report) mod tests;
