//! Data that passes from one workload to another. Two programs in one place would destroy what is there, so whoever leaves
//! is gone before the other comes, whatever names, Namespaces and clusters lie between them.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::fold::Findings;
use super::places::{Place, Places};
use super::problem::{Problem, Refusal, Unread};
use super::remove::Fate;
use super::users::{Sight, Users};
use super::view::View;
use crate::advice::{Advice, Switch};
use crate::engine::address::Address;
use crate::engine::code::{NoteCode, ProblemCode};
use crate::engine::kind::Use;
use crate::engine::plan::{Danger, PlannedAction, Usage, Verb};
use crate::engine::provider::{ProviderError, ProviderKey};

/// One place that changes its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Handover {
    /// Who lets go, by a change or a removal.
    pub(super) from: Address,
    /// Who takes over.
    pub(super) to: Address,
}

/// What passes from hand to hand.
#[derive(Default)]
pub(super) struct Handovers {
    /// Who must have let go before whom.
    pub(super) found: Vec<Handover>,
    /// Who is gone already, but whose end must be waited for: what ran in an object that somebody deleted may run on.
    pub(super) to_end: HashSet<Address>,
    pub(super) notes: Vec<Danger>,
    /// Places that would be taken from a workload that this plan leaves alone, or that nobody can ask.
    pub(super) refusals: Vec<Refusal>,
    /// What all this was told by.
    pub(super) usage: Usage,
}

struct Comer {
    address: Address,
    gained: Vec<Place>,
}

struct Leaver {
    address: Address,
    /// The address that the state knows it by.
    recorded: Address,
    /// Where it works, or may still work, now.
    now: Vec<Place>,
    /// Where it will work.
    then: Vec<Place>,
    /// What the plan does with it.
    action: Option<Verb>,
    /// What becomes of it, where nobody wishes for it.
    fate: Option<Fate>,
    /// Why nobody can tell what else it uses by now.
    unread: Option<Box<ProviderError>>,
}

/// Which leavers can meet a place at all ([`Place::meets`]), so that not each is held against each.
struct Index<'a> {
    /// By volume, and by the id of data.
    by_volume: HashMap<(&'a str, &'a str), BTreeSet<usize>>,
    by_data: HashMap<&'a str, BTreeSet<usize>>,
    /// Those with a place of which nobody can tell what it leads to.
    unknown: BTreeSet<usize>,
    all: usize,
}

impl<'a> Index<'a> {
    fn of(leavers: &'a [Leaver]) -> Self {
        let mut index =
            Self { by_volume: HashMap::new(), by_data: HashMap::new(), unknown: BTreeSet::new(), all: leavers.len() };
        for (position, leaver) in leavers.iter().enumerate() {
            for place in &leaver.now {
                index.by_volume.entry((&place.api, &place.used.volume)).or_default().insert(position);
                for id in place.data.iter().flatten() {
                    index.by_data.entry(id).or_default().insert(position);
                }
                if place.data.is_none() {
                    index.unknown.insert(position);
                }
            }
        }
        index
    }

    fn may_meet(&self, gained: &[Place]) -> BTreeSet<usize> {
        if gained.iter().any(|place| place.data.is_none()) {
            return (0..self.all).collect();
        }
        let mut found = self.unknown.clone();
        for place in gained {
            let same_volume = self.by_volume.get(&(&*place.api, place.used.volume.as_str()));
            let same_data = place.data.iter().flatten().filter_map(|id| self.by_data.get(id.as_str()));
            found.extend(same_volume.into_iter().chain(same_data).flatten());
        }
        found
    }
}

/// Who must have let go before whom. Looks at the workloads that the plan is not about, if any of them could be in the way.
pub(super) async fn handovers(view: &View<'_>, findings: &Findings) -> Handovers {
    let uses = |provider: &ProviderKey, kind: &str| view.kind(provider, kind).is_some_and(|kind| kind.uses.is_some());
    let verbs = [Verb::Create, Verb::Update, Verb::Replace, Verb::Import];
    let coming: Vec<&PlannedAction> = findings
        .actions
        .iter()
        .filter(|planned| verbs.contains(&planned.action) && uses(&planned.provider, &planned.kind))
        .collect();
    if coming.is_empty() || !view.records.values().any(|record| uses(&record.provider, &record.kind)) {
        return Handovers::default();
    }
    let places = view.places();
    let comers: Vec<Comer> = coming.into_iter().filter_map(|planned| comer(view, places, planned)).collect();
    let gained = || comers.iter().flat_map(|comer| &comer.gained);
    let mut users = Users::of(view, findings);
    let all_new = gained().all(|place| users.is_new(place));
    if !all_new {
        users.look(view).await;
    }
    let leavers = leavers(view, findings, places, &users);
    let index = Index::of(&leavers);
    let mut handovers = Handovers::default();
    for comer in &comers {
        for leaver in index.may_meet(&comer.gained).into_iter().map(|position| &leavers[position]) {
            if leaver.address != comer.address {
                handovers.add(view, comer, leaver);
            }
        }
        handovers.ask(view, comer, &leavers, &users);
    }
    if !all_new {
        handovers.usage = usage(gained(), &leavers, &users);
    }
    handovers
}

/// What must still be so when the plan is applied. What the plan changes itself has preconditions of its own.
fn usage<'a>(gained: impl Iterator<Item = &'a Place>, leavers: &[Leaver], users: &Users) -> Usage {
    let (known, unread): (Vec<&Leaver>, Vec<&Leaver>) =
        leavers.iter().filter(|leaver| leaver.action.is_none()).partition(|leaver| leaver.unread.is_none());
    let uses =
        |leaver: &Leaver| (leaver.recorded.clone(), leaver.now.iter().map(|place| place.used.to_string()).collect());
    let relied_on = gained.filter(|_| !unread.is_empty()).flat_map(|place| users.unattached(place));
    Usage { unattached: relied_on.cloned().collect(), uses: known.into_iter().map(uses).collect() }
}

/// What an action puts a workload in that it was not in before.
fn comer(view: &View<'_>, places: &Places, planned: &PlannedAction) -> Option<Comer> {
    let after = places.wished(view, &planned.address)?;
    // What was deleted outside of kompox uses nothing any more.
    let record = view.record(&planned.address).filter(|_| planned.action != Verb::Create);
    let before = record.and_then(|record| places.applied(view, record)).unwrap_or_default();
    let gained = lacking(&after, &before);
    (!gained.is_empty()).then(|| Comer { address: planned.address.clone(), gained })
}

/// Workloads that the state knows, with what they use.
fn leavers(view: &View<'_>, findings: &Findings, places: &Places, users: &Users) -> Vec<Leaver> {
    let actions = findings.by_address();
    let leaver = |(recorded, record): (&Address, &&kompox_state::Record)| {
        let address = view.address_now(recorded);
        let (action, fate) = (actions.get(address).map(|planned| planned.action), findings.fate(address));
        let mut now = places.applied(view, record)?;
        let sight = users.sight(view, address, record);
        let (seen, unread) = match sight {
            Sight::Uses(seen) => (seen, None),
            Sight::Unread(error) => (Vec::new(), Some(error)),
        };
        // A change that failed, or whose end nobody saw, leaves both behind: what was and what was to be.
        let held = record.progress.holds.iter().cloned().map(Use::from);
        let also = places.at(view, held.chain(seen).collect(), &record.provider, &record.dependencies);
        now.extend(lacking(&also, &now));
        let goes = action == Some(Verb::Delete) || matches!(fate, Some(Fate::Gone | Fate::Vanished));
        let then = match places.wished(view, address) {
            _ if goes => Vec::new(),
            _ if fate == Some(Fate::GivenUp) => now.iter().filter(|place| !users.is_free(place)).cloned().collect(),
            Some(wished) => wished,
            None if action.is_some() => now.clone(),
            None => Vec::new(),
        };
        Some(Leaver { address: address.clone(), recorded: recorded.clone(), now, then, action, fate, unread })
    };
    let mut leavers: Vec<Leaver> = view.records.iter().filter_map(leaver).collect();
    leavers.sort_by(|a, b| a.address.cmp(&b.address));
    leavers
}

impl Handovers {
    /// What one workload takes from another.
    fn add(&mut self, view: &View<'_>, comer: &Comer, leaver: &Leaver) {
        let to = &comer.address;
        let met = comer.gained.iter().flat_map(|place| {
            let meets = leaver.now.iter().filter(move |held| held.meets(place));
            meets.map(move |held| (place, held, !leaver.then.iter().any(|then| then.is_at(held))))
        });
        let met: Vec<(&Place, &Place, bool)> = met.collect();
        let runs_on = leaver.action == Some(Verb::Forget);
        // What both are to use is the wish of the manifests, as long as it is one volume in one place.
        let kept = met.iter().find(|(place, held, lets_go)| {
            let known = place.data.is_some() && held.data.is_some();
            !lets_go && (runs_on || known && !place.same_volume(held))
        });
        let lets_go = met.iter().find(|(_, _, lets_go)| *lets_go);
        let origin = view.inputs.graph.get(to).and_then(|node| node.origin.clone());
        let problem = |message: String| Problem::new(ProblemCode::InUse, Some(to), message).at(origin.clone());
        if let Some((place, held, _)) = kept {
            self.refusals.push(problem(says(to, leaver, place, held)).help(way_out(leaver, runs_on)).into());
        } else if let Some((place, held, _)) = lets_go {
            if leaver.action.is_some() {
                self.pass(leaver, to);
            } else if !view.is_selected(&leaver.address) {
                let mut message = says(to, leaver, place, held);
                if held.data.is_none() || place.data.is_none() {
                    message.push_str(", as far as can be told: what its volumes lead to is not in the state");
                }
                let both = Advice::add("change both in one go", Switch::Target, &leaver.address);
                self.refusals.push(problem(message).help(both).into());
            } else if leaver.fate.is_none() {
                // It was seen at work there, and this plan leaves it as it is.
                self.refusals.push(problem(says(to, leaver, place, held)).help(way_out(leaver, false)).into());
            }
        }
    }

    /// What a workload gains that one which nobody can ask may use.
    fn ask(&mut self, view: &View<'_>, comer: &Comer, leavers: &[Leaver], users: &Users) {
        if comer.gained.iter().all(|place| users.is_free(place) || users.is_new(place)) {
            return;
        }
        // What was in a cluster that is given up counts by the state's word.
        let counts = |leaver: &&Leaver| leaver.address != comer.address && !view.is_abandoned(&leaver.address);
        let others = leavers.iter().filter(counts);
        let unread = others.filter_map(|leaver| {
            let (address, error) = (leaver.address.clone(), leaver.unread.clone()?);
            let origin = view.inputs.graph.get(&comer.address).and_then(|node| node.origin.clone());
            Some(Refusal::Unread(Unread::new(address, origin, error).concerning(&comer.address)))
        });
        self.refusals.extend(unread);
    }

    fn pass(&mut self, leaver: &Leaver, to: &Address) {
        let from = &leaver.address;
        let text = format!("takes over what {from} uses now; it is down until that one has let go");
        self.notes.push(Danger::about(NoteCode::Handover, to, text));
        self.found.push(Handover { from: from.clone(), to: to.clone() });
        if leaver.fate == Some(Fate::Gone) {
            self.to_end.insert(from.clone());
        }
    }
}

fn says(to: &Address, leaver: &Leaver, place: &Place, held: &Place) -> String {
    let shared = place.data.iter().flatten().find(|id| held.data.iter().flatten().any(|other| other == *id));
    match shared.filter(|_| !place.same_volume(held)) {
        Some(id) => format!("{to} would use {} ({id}) while {} still does", place.used, leaver.address),
        None => format!("{to} would use {} while {} still does", place.used, leaver.address),
    }
}

fn way_out(leaver: &Leaver, runs_on: bool) -> &'static str {
    if leaver.fate == Some(Fate::GivenUp) {
        "its cluster is abandoned, but its provider does not say that no machine has the data attached; stop or delete the \
         machines of that cluster, then run again"
    } else if runs_on {
        "the state would forget it, but it would run on: delete it by hand first, or keep it"
    } else {
        "data has one user at a time: take the volume out of one of them"
    }
}

fn lacking(have: &[Place], others: &[Place]) -> Vec<Place> {
    have.iter().filter(|place| !others.iter().any(|other| other.is_at(place))).cloned().collect()
}
