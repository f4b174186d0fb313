//! What a reviewer must see first, looked for in the plan as a whole: what goes, which protection is lifted, what is opened
//! to the public, what may do more than before, and above all which part would start without its data.

use std::collections::HashSet;

use super::fold::Findings;
use super::view::View;
use crate::advice::Advice;
use crate::engine::address::Address;
use crate::engine::code::NoteCode;
use crate::engine::plan::{Danger, Mode};

mod afresh;
mod empty;
mod left;
mod losses;
mod powers;
mod whole;

use whole::Whole;

/// The dangers and notes that only the whole plan shows.
pub(super) fn review(view: &View<'_>, findings: &Findings) -> (Vec<Danger>, Vec<Danger>) {
    if view.inputs.mode == Mode::RefreshOnly || findings.actions.is_empty() {
        return Default::default();
    }
    let whole = Whole::new(view, findings);
    let standing = whole.standing();
    let starts = empty::starts(&whole, &standing);
    let mut dangers = afresh::made_beside(&whole, &starts);
    dangers.splice(0..0, starts.dangers);
    dangers.extend(losses::losses(&whole));
    dangers.extend(losses::lifted(&whole));
    dangers.extend(powers::more(&standing));
    let (opened, closed) = powers::hosts(&whole, &standing);
    dangers.extend(opened);
    let mut notes = powers::other_versions(&standing);
    notes.extend(closed);
    (dangers, notes)
}

/// What is kept is adopted again under an address of the manifests, which have none for it any more.
pub(super) fn say_where_it_goes(dangers: &[Danger], notes: &mut [Danger]) {
    let carried = |address: &Address| {
        let takes = |advice: &Advice| matches!(advice, Advice::Run { run, .. } if run.renames(address.as_str()));
        dangers.iter().any(|danger| danger.help.iter().any(takes))
    };
    let kept = notes.iter().filter_map(|note| note.address.clone());
    let carried: HashSet<Address> = kept.filter(|address| carried(address)).collect();
    for note in notes.iter_mut().filter(|note| note.code == NoteCode::Kept.as_str()) {
        let Some(address) = &note.address else { continue };
        if carried.contains(address) {
            note.help.clear();
        } else if let Some(first) = note.help.first_mut() {
            *first = "to adopt it again, put it back into the manifests, then:".into();
        }
    }
}
