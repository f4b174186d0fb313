//! Planning: looks at everything, decides on each object, asks servers what they would do, checks the guards. Reads only.
//!
//! `look` gathers all that is known into a `View`, which nobody changes from then on. `decide` says what to
//! do with each object that is wished for, `remove` with what nobody wishes for, `drift` with what is to be accepted:
//! each is a function of the view. `ask` lets servers answer, and `fold` makes one `Findings` of all decisions. What
//! only the whole shows comes after that, each as a function of view and findings: `handover`, `seal`, `order`,
//! `review`.

mod ask;
mod change;
mod decide;
mod decision;
mod draft;
mod drift;
mod explain;
mod fold;
#[cfg(test)]
mod guard_tests;
mod handover;
#[cfg(test)]
mod handover_tests;
mod known;
mod look;
#[cfg(test)]
mod lost_tests;
mod marks;
mod order;
mod outputs;
mod places;
mod problem;
mod reads;
mod rebuild;
mod remove;
mod request;
mod review;
#[cfg(test)]
mod review_tests;
mod seal;
mod select;
#[cfg(test)]
mod tests;
mod unique;
mod users;
mod view;
mod wish;

use std::collections::HashSet;

use self::fold::Findings;
use self::known::Known;
pub(super) use self::outputs::{observed_fields, outputs_of, outputs_with_id};
pub use self::problem::{PlanError, Problem};
pub use self::rebuild::{Assumed, Left, Rebuilt, lineages, rebuild};
pub use self::request::{Inputs, Options};
use self::view::View;
use super::address::Address;
use super::code::NoteCode;
use super::plan::{Danger, Mode, Plan, Verb};
use crate::parallel;

/// Makes a plan. Reads through the providers, writes nowhere.
///
/// # Errors
/// Every guard that stops it, every object that could not be read.
pub async fn plan(inputs: Inputs<'_>) -> Result<Plan, PlanError> {
    let mut view = look::look(Known::new(&inputs)).await;
    (view.elsewhere, view.beside) = look::elsewhere(&view).await;
    view.inside = look::data_inside(&view).await;
    view.strangers = look::strangers(&view).await;
    let mut findings = decided(&view).await;
    findings.refusals.extend(look::unknown_kinds(&view));
    let disturbances: Vec<Danger> = seal::disturbances(&view, &findings.actions).collect();
    findings.dangers.extend(disturbances);
    put_into_order(&view, &mut findings).await;
    let problems = std::mem::take(&mut findings.refusals).into_problems(&view);
    if !problems.is_empty() {
        return Err(PlanError { problems });
    }
    let (dangers, notes) = review::review(&view, &findings);
    findings.dangers.extend(dangers);
    findings.dangers.splice(0..0, inputs.dangers.iter().cloned());
    if inputs.mode == Mode::Apply {
        review::say_where_it_goes(&findings.dangers, &mut findings.notes);
    }
    findings.notes.extend(inputs.notes.iter().cloned().chain(notes));
    findings.notes.extend(interrupted(inputs.snapshot.open_intents.len()));
    let plan = Plan {
        mode: inputs.mode,
        engine_version: inputs.engine_version.to_owned(),
        lineage: inputs.lineage.to_owned(),
        inputs: inputs.inputs.clone(),
        chosen: inputs.chosen.clone(),
        unchanged: findings.unchanged.len(),
        reads: reads::reads(&view, &findings),
        usage: findings.usage,
        // An import answers nowhere.
        hosts: if inputs.mode == Mode::Import { Vec::new() } else { hosts(&view) },
        actions: findings.actions,
        dangers: findings.dangers,
        notes: findings.notes,
        restarts: findings.restarts,
        offline: inputs.options.offline,
        rehearsal: false,
    };
    parallel::drop_aside((view.observations, findings.outputs, findings.unchanged));
    Ok(plan)
}

/// The hosts that answer after the plan: of apps that it is about, and of those that are there already.
fn hosts(view: &View<'_>) -> Vec<(Address, String)> {
    if view.inputs.options.targets.is_empty() {
        return view.inputs.hosts.clone();
    }
    let chosen = view.inputs.graph.iter().map(|node| &node.address).filter(|address| view.is_selected(address));
    let apps: HashSet<&str> = chosen.chain(view.records.keys()).map(Address::scope).collect();
    view.inputs.hosts.iter().filter(|(app, _)| apps.contains(app.as_str())).cloned().collect()
}

/// What to do with every object that the plan is about.
async fn decided(view: &View<'_>) -> Findings {
    let removals = |findings: &Findings| remove::removals(view, &findings.actions, &findings.becomes);
    match view.inputs.mode {
        Mode::Apply | Mode::Import => {
            let (decided, outputs) = decide::all(view);
            let decided = ask::settle(view, decided).await;
            let mut findings = Findings::of(decided.into_iter().map(|(node, one)| (node.address.clone(), one)));
            findings.outputs = outputs.into_iter().map(|(address, outputs)| (address.clone(), outputs)).collect();
            findings.refusals.extend(unique::problems(view, &findings.actions));
            if view.inputs.mode == Mode::Apply {
                findings.remove(removals(&findings));
            }
            findings
        }
        Mode::Destroy => {
            let mut findings = Findings::default();
            findings.remove(removals(&findings));
            findings
        }
        Mode::RefreshOnly => Findings::of(drift::all(view)),
    }
}

/// Puts the actions into an order in which nobody takes what another one still has.
async fn put_into_order(view: &View<'_>, findings: &mut Findings) {
    let handed = handover::handovers(view, findings).await;
    findings.notes.extend(handed.notes);
    findings.usage = handed.usage;
    handed.refusals.into_iter().for_each(|refusal| findings.refusals.add(refusal));
    for planned in findings.actions.iter_mut().filter(|planned| handed.to_end.contains(&planned.address)) {
        // The provider waits for the end of what ran in it.
        planned.action = Verb::Delete;
        planned.reason = "it is gone already; what ran in it must have ended".to_owned();
    }
    let seals = seal::seals(view, findings);
    findings.notes.extend(seals.notes);
    seals.refusals.into_iter().for_each(|refusal| findings.refusals.add(refusal));
    match order::order(view, std::mem::take(&mut findings.actions), &handed.found, &seals.waits) {
        Ok(actions) => findings.actions = actions,
        Err(circle) => findings.refusals.add(*circle),
    }
}

/// That an earlier apply left something.
fn interrupted(open: usize) -> Option<Danger> {
    let text = format!("an earlier apply was interrupted with {open} unfinished; the next apply looks into them first");
    (open > 0).then(|| Danger { code: NoteCode::Interrupted.into(), address: None, text, help: Vec::new() })
}
