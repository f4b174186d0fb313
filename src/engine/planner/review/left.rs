//! Data that goes out of sight while other data of its app is made, and the way back to it.

use std::collections::{BTreeMap, BTreeSet};

use super::whole::Whole;
use crate::advice::{Advice, Command};
use crate::engine::address::Address;
use crate::engine::kind::Holds;
use crate::engine::planner::remove::Fate;

/// Data that goes out of sight while other data of its app is made.
#[derive(Default)]
pub(super) struct Left {
    /// What this plan lets go of, or what no manifest names any more and it does not look at, with the provider's id.
    let_go: BTreeMap<Address, String>,
    /// Whether this plan looks at all of these.
    looked_at: bool,
    /// Ids of what is there beside what is made, and that the state does not know.
    unknown: BTreeSet<String>,
}

/// What is left while this is made: of its own app, or of one that goes.
pub(super) fn left(whole: &Whole<'_>, made: &Address, workload: &Address) -> Left {
    let (view, graph) = (whole.view, whole.view.inputs.graph);
    let goes = |address: &Address| graph.iter().all(|node| node.address.scope() != address.scope());
    let stays = |id: &str| {
        let all = graph.iter().filter(|node| node.kind.holds == Holds::Data);
        all.filter_map(|node| id_after(whole, &node.address)).any(|other| other.eq_ignore_ascii_case(id))
    };
    let records = view.records.iter().filter(|(address, record)| {
        let may_be_it = view.kind_of(record).is_some_and(|kind| kind.review.starts_empty.is_some());
        let is_there = matches!(whole.findings.fate(address), Some(Fate::Deleted | Fate::Kept | Fate::GivenUp))
            || !view.inputs.lacks_apps && graph.get(address).is_none() && !view.is_selected(address);
        may_be_it
            && is_there
            && !view.is_renamed(address)
            && (address.scope() == made.scope() || goes(address))
            && !stays(&record.physical_id)
    });
    let mut let_go: BTreeMap<Address, String> =
        records.map(|(address, record)| (address.clone(), record.physical_id.clone())).collect();
    // Its own app's, else what has its name in another one.
    for likely in [&(|old: &Address| old.scope() == made.scope()) as &dyn Fn(&Address) -> bool, &|old: &Address| {
        (old.kind(), old.name()) == (made.kind(), made.name())
    }] {
        if let_go.keys().any(likely) {
            let_go.retain(|old, _| likely(old));
        }
    }
    // An app that the state knows nothing of may have been here before.
    let comes = view.records.keys().all(|known| known.scope() != made.scope() && known.scope() != workload.scope());
    let unknown = view.beside.get(made).filter(|_| comes).into_iter().flatten().cloned().collect();
    let looked_at = let_go.keys().all(|address| view.is_selected(address));
    Left { let_go, looked_at, unknown }
}

impl Left {
    /// What is left, in words.
    pub(super) fn words(&self) -> Option<String> {
        let named = |(address, id): (&Address, &String)| format!("{address} ({id})");
        let let_go: Vec<_> = self.let_go.iter().map(named).collect();
        let unknown: Vec<_> = self.unknown.iter().cloned().collect();
        let verb = if self.looked_at { "this plan lets go of" } else { "no manifest names any more" };
        let let_go = (!let_go.is_empty()).then(|| format!("{verb} {}", let_go.join(" and ")));
        let unknown = (!unknown.is_empty()).then(|| {
            format!("beside it is what an earlier apply made and the state forgot: {}", unknown.join(" and "))
        });
        let all: Vec<_> = let_go.into_iter().chain(unknown).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// How to go on with it instead of what is made.
    pub(super) fn cure(&self, whole: &Whole<'_>, made: &Address) -> Vec<Advice> {
        let mut help = Vec::new();
        match self.let_go.iter().next().filter(|_| self.let_go.len() == 1) {
            Some((old, _)) if old.scope() == made.scope() => help.extend(say_so(whole, old, made)),
            Some((_, id)) => help.extend(was_renamed(whole, id)),
            None if !self.let_go.is_empty() => {
                help.push(
                    "to go on with any of these, undo this change; the plan says below what becomes of them".into(),
                );
            }
            None => {}
        }
        if !self.unknown.is_empty() {
            help.push("to go on with it, give the volume the name that it had, then plan again".into());
        }
        help
    }
}

/// How the app of a workload that used data says that it has another name now.
fn was_renamed(whole: &Whole<'_>, id: &str) -> Vec<Advice> {
    let renamed = whole.view.users_of(id).into_iter().find_map(|user| {
        let record = whole.view.records.get(&user)?;
        Some((whole.view.kind_of(record)?.review.renamed?)(user.scope()))
    });
    renamed.unwrap_or_else(|| {
        vec![
            "if it is the same app under another name, say so with moved-from, then plan again (docs/manifests.md)"
                .into(),
        ]
    })
}

/// How to go on with data that no manifest names any more.
pub(super) fn say_so(whole: &Whole<'_>, old: &Address, new: &Address) -> Vec<Advice> {
    if old.kind() == new.kind() && whole.view.records.contains_key(old) && whole.view.record(new).is_none() {
        return vec![
            "if it is the same under another name, say so before this apply, then plan again:".into(),
            Advice::run("", Command::state_mv(old, new)),
        ];
    }
    vec![
        format!("to go on with {}, undo this change; the plan says below what becomes of it", old.short()).into(),
        "to copy its files, keep its volume beside the new one under another name: the plan then prints the lines"
            .into(),
    ]
}

pub(super) fn id_after(whole: &Whole<'_>, address: &Address) -> Option<String> {
    let recorded = whole.view.record(address).map(|record| record.physical_id.as_str());
    let imported = || whole.view.inputs.graph.get(address)?.import.as_deref();
    let planned = || whole.action(address)?.physical_id.as_deref();
    recorded.or_else(imported).or_else(planned).map(str::to_ascii_lowercase)
}
