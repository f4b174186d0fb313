//! The top of a comment, which is never cut but for the length of its lists: what it comes to, dangers and data, what users
//! notice, and how exactly this plan is applied.

use std::collections::BTreeSet;

use super::names::Names;
use super::words::{code, list, literal, prose, titled};
use crate::advice::Advice;
use crate::engine::address::Address;
use crate::engine::code::{DangerCode, NoteCode};
use crate::engine::plan::{Danger, FieldChange, Mode, Plan, PlannedAction, Verb};
use crate::engine::value::Value;
use crate::report::escape::{clean, fence, html};
use crate::report::typed::Commands;
use crate::report::{About, Style, facts, text};

/// Bytes of the lists; together they leave room for what follows.
const MOST_DANGERS: usize = 16_000;
const MOST_NOTES: usize = 6_000;
const MOST_HOSTS: usize = 3_000;
/// Bytes of a command in a list: it is useful as a whole only.
const MOST_COMMAND: usize = 2_000;

/// The first lines of a comment; `marker` finds it again.
pub(super) fn head(plan: &Plan, about: &About<'_>, commands: &Commands, marker: &str) -> String {
    let names = Names::of(plan);
    let says = |said: &Danger| item(said, &names, commands);
    let title = if about.drift { "drift" } else { "plan" };
    let mut head = format!("{marker}\n## kompox {title}\n\n**{}**\n\n", html(&text::sentence(plan, about.drift)));
    for (option, why) in text::marks(plan) {
        head.push_str(&format!("Made with `{option}`: {why}.\n\n"));
    }
    if !plan.dangers.is_empty() {
        head.push_str("> [!CAUTION]\n");
        list(&mut head, "> ", &data_first(&plan.dangers).map(says).collect::<Vec<_>>(), MOST_DANGERS);
    }
    if plan.mode == Mode::Destroy {
        titled(&mut head, text::KEPT, &text::kept(plan).iter().map(says).collect::<Vec<_>>(), MOST_NOTES);
    }
    let of = |wanted: &dyn Fn(&str) -> bool| -> Vec<Vec<String>> {
        plan.notes.iter().filter(|note| wanted(&note.code)).map(says).collect()
    };
    titled(&mut head, "Data:", &of(&is_data), MOST_NOTES);
    if !plan.is_empty() {
        titled(&mut head, "Storage that starts empty:", &empty_storage(plan, about, &names), MOST_NOTES);
        titled(&mut head, &restarts_title(plan, about), &restarts(plan, &names), MOST_NOTES);
        push_hosts(&mut head, plan, &names, of(&is_host));
    }
    titled(&mut head, "Notes:", &of(&|code| !is_data(code) && !is_host(code)), MOST_NOTES);
    push_ways(&mut head, plan, about, commands);
    head
}

/// What loses or hides data, then what allows that later, then the rest.
fn data_first(dangers: &[Danger]) -> impl Iterator<Item = &Danger> {
    const FIRST: [DangerCode; 5] = [
        DangerCode::DataDeleted,
        DangerCode::StartsEmpty,
        DangerCode::OlderData,
        DangerCode::DeletionPolicy,
        DangerCode::ProtectionLifted,
    ];
    let weight = |danger: &Danger| FIRST.iter().position(|code| code.as_str() == danger.code).unwrap_or(FIRST.len());
    let mut sorted: Vec<&Danger> = dangers.iter().collect();
    sorted.sort_by_key(|danger| weight(danger));
    sorted.into_iter()
}

fn is_data(code: &str) -> bool {
    [NoteCode::Kept, NoteCode::Handover, NoteCode::DataVersion].iter().any(|data| data.as_str() == code)
}

fn is_host(code: &str) -> bool {
    code == NoteCode::HostRemoved.as_str()
}

/// A danger or note as the lines of a list item: what it is, then each line of help.
fn item(said: &Danger, names: &Names<'_>, commands: &Commands) -> Vec<String> {
    let text = prose(&said.text);
    let first =
        said.address.as_ref().map_or_else(|| text.clone(), |address| format!("{}: {text}", named(address, names)));
    let lines = said.help.iter().flat_map(|advice| match advice {
        // Their indentation is part of them.
        Advice::Write { write } => {
            vec![format!("<pre>{}</pre>", write.lines().map(literal).collect::<Vec<_>>().join("&#10;"))]
        }
        other => commands.lines(other).iter().map(|line| help(line)).collect(),
    });
    std::iter::once(first).chain(lines).collect()
}

/// A line of help. What is typed is code; of a line with words before it, what follows them.
fn help(line: &str) -> String {
    let is_typed = |text: &str| ["kompox ", "add --", "az ", "kubectl "].iter().any(|start| text.starts_with(start));
    match line.split_once(":  ").filter(|(_, typed)| is_typed(typed) && line.len() < MOST_COMMAND) {
        Some((why, typed)) => format!("{}: {}", prose(why), code(typed)),
        // What is typed stands in the next line.
        None if line.ends_with(':') => prose(line),
        None if line.len() < MOST_COMMAND => code(line),
        None => prose(line),
    }
}

/// An address, and beside it what its own side calls it.
fn named(address: &Address, names: &Names<'_>) -> String {
    let short = code(names.short(address.as_str()));
    match names.own(address) {
        Some(own) if own.place.is_some() || own.name != address.name() => {
            let place = own.place.map(|place| format!(" in {}", code(place))).unwrap_or_default();
            format!("{short} ({}{place})", code(own.name))
        }
        _ => short,
    }
}

/// Disks and shares that are made without data.
fn empty_storage(plan: &Plan, about: &About<'_>, names: &Names<'_>) -> Vec<Vec<String>> {
    let is_empty = |planned: &&PlannedAction| {
        let kind = about.kinds.and_then(|kinds| kinds(&planned.provider, &planned.kind));
        let starts_empty = kind.and_then(|kind| kind.review.starts_empty);
        let made = planned.after.as_ref().filter(|_| planned.action == Verb::Create);
        starts_empty.zip(made).is_some_and(|(starts_empty, made)| starts_empty(&made.to_stored()))
    };
    let line = |planned: &PlannedAction| {
        let made = planned.after.as_ref();
        let facts = made.map(|made| facts::of(made, planned.address.scope(), &Style::PLAIN)).unwrap_or_default();
        vec![format!("{}: {}", named(&planned.address, names), prose(&facts))]
    };
    plan.actions.iter().filter(is_empty).map(line).collect()
}

fn restarts_title(plan: &Plan, about: &About<'_>) -> String {
    let took = plan.restarts.iter().filter_map(|restart| about.updates?.get(restart.address.kind())).max();
    let took = took.map(|took| format!(", {:.0} s on average so far", took.as_secs_f64().ceil())).unwrap_or_default();
    format!("Restarts (one replica each: down until the new one is ready{took}):")
}

fn restarts(plan: &Plan, names: &Names<'_>) -> Vec<Vec<String>> {
    let line = |(address, because): (&Address, &str)| vec![format!("{}: {}", named(address, names), prose(because))];
    plan.restarts.iter().map(|restart| line((&restart.address, &restart.because))).collect()
}

/// Hosts that appear, those that vanish, and in one line those that stay.
fn push_hosts(out: &mut String, plan: &Plan, names: &Names<'_>, gone: Vec<Vec<String>>) {
    let new = new_texts(plan);
    let (appear, stay): (Vec<_>, Vec<_>) = plan.hosts.iter().partition(|(_, host)| new.contains(host.as_str()));
    let line = |(address, host): &(Address, String)| {
        vec![format!("{} of {}", code(host), code(names.short(address.as_str())))]
    };
    titled(out, "Hosts that appear:", &appear.into_iter().map(line).collect::<Vec<_>>(), MOST_HOSTS);
    titled(out, "Hosts that vanish:", &gone, MOST_HOSTS);
    let hosts: BTreeSet<&str> = stay.into_iter().map(|(_, host)| host.as_str()).collect();
    let mut line = String::new();
    for (number, host) in hosts.iter().enumerate() {
        if line.len() > MOST_HOSTS {
            line.push_str(&format!(" and {} more", hosts.len() - number));
            break;
        }
        line.push_str(if number == 0 { "Hosts that stay: " } else { ", " });
        line.push_str(&code(host));
    }
    if !line.is_empty() {
        out.push_str(&format!("{line}\n\n"));
    }
}

/// Texts in what is created, and in fields that had another value.
fn new_texts(plan: &Plan) -> BTreeSet<&str> {
    let mut texts = BTreeSet::new();
    for planned in &plan.actions {
        if let Some(made) = planned.after.as_ref().filter(|_| planned.action == Verb::Create) {
            collect(made, &mut texts);
        }
        for FieldChange { before, after, .. } in &planned.changes {
            let (mut old, mut new) = (BTreeSet::new(), BTreeSet::new());
            before.iter().for_each(|value| collect(value, &mut old));
            after.iter().for_each(|value| collect(value, &mut new));
            texts.extend(new.difference(&old));
        }
    }
    texts
}

fn collect<'v>(value: &'v Value, into: &mut BTreeSet<&'v str>) {
    match value {
        Value::String(text) => {
            into.insert(text);
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(map) => map.values().for_each(|inner| collect(inner, into)),
        _ => {}
    }
}

/// What a reader does next: apply exactly this, or one of the two ways out of drift.
fn push_ways(out: &mut String, plan: &Plan, about: &About<'_>, commands: &Commands) {
    if about.drift && !plan.is_empty() {
        let ways = text::drift_ways(about.targets).map(|(what, command)| (what, commands.command(&command)));
        for (what, command) in ways.iter().filter(|(_, command)| command.len() <= MOST_COMMAND) {
            out.push_str(&format!("- {what}: {}\n", code(command)));
        }
        out.push('\n');
    }
    if let Some((saved, command)) = text::exactly(plan, about) {
        let command = clean(&commands.command(&command)).into_owned();
        let fence = fence(&command);
        out.push_str(&format!(
            "Digest: {}. To do exactly this:\n\n{fence}console\n{command}\n{fence}\n\n",
            code(saved.digest)
        ));
    }
}
