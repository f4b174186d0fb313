//! Data that must not be made anew: it may be elsewhere, or nobody knows what it was.

use crate::advice::{Advice, Command};
use crate::engine::code::{NoteCode, ProblemCode};
use crate::engine::plan::Danger;
use crate::engine::planner::decision::{Decided, Decision};
use crate::engine::planner::problem::{Problem, Refusal, Unread};
use crate::engine::planner::wish::Wish;
use crate::engine::provider::{ErrorClass, ProviderError};

/// Refuses an object that would be made, where a state that was lost may have known it, or there is such data where kompox makes
/// none, or nobody could look; tells where the API does not let anybody look.
pub(super) fn check(wish: &Wish<'_>, decided: &mut Decided<'_>) {
    let node = wish.node;
    let elsewhere = wish.view.elsewhere.get(&node.address);
    let found = elsewhere.and_then(|ids| ids.as_ref().ok()).map(Vec::as_slice).unwrap_or_default();
    if wish.view.lost(node).is_some() {
        decided.decision = lost(wish, found).into();
    } else if !found.is_empty() {
        decided.decision = exists(wish, found).into();
    } else if let Some(Err(error)) = elsewhere {
        if error.class == ErrorClass::Denied {
            decided.notes.push(unseen(wish, error));
        } else {
            let unread = Unread::new(node.address.clone(), node.origin.clone(), error.clone());
            decided.decision = Decision::Refuse(Refusal::Unread(unread));
        }
    }
}

/// The lines that adopt each of these.
fn imports<'w>(wish: &'w Wish<'_>, ids: &'w [String]) -> impl Iterator<Item = Advice> + 'w {
    ids.iter().map(|id| Advice::run("", Command::import(&wish.node.address).word(id)))
}

/// Nobody knows which data it was, or whether there was any.
fn lost(wish: &Wish<'_>, found: &[String]) -> Problem {
    let address = &wish.node.address;
    let new = |why: &str| Advice::run(why, Command::state_rm(address));
    let why = "the state that knew was lost, and it holds data";
    let mut problem = match found {
        [] => Problem::of(ProblemCode::DataLost, wish.node, format!("{address} may have existed: {why}"))
            .help(Advice::run("if it is somewhere, or can be restored, adopt it", Command::import(address).open("id")))
            .help(new("or have a new one made")),
        found => {
            let message = format!("{address} may be any of these: {}; {why}", found.join(", "));
            Problem::of(ProblemCode::DataLost, wish.node, message).help("say which it is:")
        }
    };
    if !found.is_empty() {
        problem.help.extend(imports(wish, found));
        let new = new("or take their tags off and have a new one made");
        problem = problem.help(new);
    }
    problem
}

/// It is there, where kompox makes none.
fn exists(wish: &Wish<'_>, ids: &[String]) -> Problem {
    let message = format!("{} exists already, and not where kompox makes one: {}", wish.node.address, ids.join(", "));
    let mut problem = Problem::of(ProblemCode::Exists, wish.node, message)
        .help("it may hold data, so it is adopted only when you say so:");
    problem.help.extend(imports(wish, ids));
    problem.help("or take its tags off, and a new one is made")
}

/// Nobody may look whether it is elsewhere.
fn unseen(wish: &Wish<'_>, error: &ProviderError) -> Danger {
    let text = format!("is made anew, and nobody may look whether it is elsewhere: {}", error.described());
    Danger {
        help: error.hint.clone().into_iter().collect(),
        ..Danger::about(NoteCode::Unreadable, &wish.node.address, text)
    }
}
