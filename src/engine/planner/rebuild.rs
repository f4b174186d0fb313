//! Records of what exists, for a state that was lost: every object that the manifests name, that is there and that carries the
//! mark of that state. What only the lost state knew counts as full protection, and is told.

use std::collections::{BTreeMap, HashMap, HashSet};

use kompox_state::{Progress, Protection, Record};

use super::known::Known;
use super::look;
use super::marks::Marks;
use super::outputs::outputs_of;
use super::problem::{PlanError, Problem, Refusal, Refusals, Unread};
use super::request::Inputs;
use super::view::View;
use super::wish::Wish;
use crate::engine::address::Address;
use crate::engine::code::ProblemCode;
use crate::engine::diff;
use crate::engine::graph::Node;
use crate::engine::ground::{self, Grounds, Seen};
use crate::engine::identity::Identity;
use crate::engine::kind::Holds;
use crate::engine::provider::{Marked, Observation, Observed, ProviderError, ProviderKey, Target, Transition};
use crate::engine::refresh;
use crate::engine::value::{Reference, Value};

/// What a lost state comes to again.
#[derive(Debug, Default)]
pub struct Rebuilt {
    /// The records.
    pub records: Vec<Record>,
    /// Records of data that the manifests name and that is in none of these: the lost state may have known it, so that nothing is
    /// made in its place before somebody says so ([`Progress::lost`]).
    pub lost: Vec<Record>,
    /// Objects that are not as the manifests say now: the next plan shows in what.
    pub differing: Vec<Address>,
    /// Protection that nobody can know any more, and that counts as full.
    pub assumed: Vec<(Address, Vec<Assumed>)>,
    /// What exists and was not attributed.
    pub left: Vec<Left>,
    /// What the manifests name and what is not there.
    pub missing: Vec<Address>,
}

/// A protection that only the lost state knew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assumed {
    /// See [`Protection::prevent_destroy`].
    PreventDestroy,
    /// See [`Protection::read_only`].
    ReadOnly,
    /// See [`Protection::adopted`] and [`Progress::unproven`].
    Adopted,
    /// Something of before may still run where nobody remembers. See [`Progress::unready`].
    Unready,
}

/// Something that exists and gets no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The address by which the manifests name it, if they do.
    pub address: Option<Address>,
    /// The provider's own id.
    pub physical_id: String,
    /// Why not.
    pub why: String,
}

/// The lineages that what the manifests name carries, and how many objects each.
///
/// # Errors
/// Every object that could not be read: half of them would be taken for all.
pub async fn lineages(inputs: Inputs<'_>) -> Result<BTreeMap<String, usize>, PlanError> {
    let view = look::look(Known::new(&inputs)).await;
    let (mut found, mut refusals) = (BTreeMap::new(), Refusals::default());
    for node in inputs.graph.iter().filter(|node| !node.read_only) {
        match view.observations.get(&node.address) {
            Some(Observation::Found(observed)) => {
                if let Some(lineage) = observed.lineage.as_ref().filter(|_| node.kind.marked) {
                    *found.entry(lineage.clone()).or_default() += 1;
                }
            }
            Some(Observation::Failed(error)) => refusals.add(unread(node, error)),
            _ => {}
        }
    }
    refused(refusals, &view)?;
    Ok(found)
}

/// Makes records of what exists. The snapshot holds what an earlier call of this made of it: names and places that a state
/// gives to its manifests are found only once there are records, so it is called until nothing changes any more.
///
/// # Errors
/// Every object that could not be read, and every container that could not be listed.
pub async fn rebuild(inputs: Inputs<'_>) -> Result<Rebuilt, PlanError> {
    let view = look::look(Known::new(&inputs)).await;
    let data: Vec<&Node> =
        inputs.graph.iter().filter(|node| node.kind.holds == Holds::Data && !node.read_only).collect();
    let marks = Marks::of(&inputs, &data).await;
    let marked = marks.all().map_err(|error| unlisted(None, error.clone()))?;
    let elsewhere = elsewhere(&view, &marks, &data).await?;
    let (outputs, rebuilt, refusals) = Default::default();
    let mut work = Work { view: &view, elsewhere: &elsewhere, outputs, rebuilt, refusals };
    for (_, node) in inputs.graph.levels().into_iter().flatten() {
        work.attribute(node);
    }
    let Work { mut rebuilt, refusals, .. } = work;
    refused(refusals, &view)?;
    leave_unmarked_of_others(&view, &mut rebuilt);
    let recorded: HashSet<&Address> = rebuilt.records.iter().map(|record| &record.address).collect();
    // What the manifests adopt themselves is looked for by its id, and nothing is made where it is not.
    let unsure = data.iter().filter(|node| !recorded.contains(&node.address) && node.import.is_none());
    rebuilt.lost = unsure.map(|node| lost(node)).collect();
    let strangers = strangers(&view, &rebuilt, &marked).await?;
    rebuilt.left.extend(strangers);
    Ok(rebuilt)
}

fn unread(node: &Node, error: &ProviderError) -> Refusal {
    Refusal::Unread(Unread::new(node.address.clone(), node.origin.clone(), Box::new(error.clone())))
}

fn refused(refusals: Refusals, view: &View<'_>) -> Result<(), PlanError> {
    let problems = refusals.into_problems(view);
    if problems.is_empty() { Ok(()) } else { Err(PlanError { problems }) }
}

struct Work<'v> {
    view: &'v View<'v>,
    /// Data that is elsewhere than the manifests' own.
    elsewhere: &'v Elsewhere,
    /// What those give that others refer to.
    outputs: HashMap<&'v Address, serde_json::Value>,
    rebuilt: Rebuilt,
    refusals: Refusals,
}

impl<'v> Work<'v> {
    /// Only a person can tell which of these it was.
    fn leave_all(&mut self, node: &Node, ids: &[String]) {
        let why = format!("it carries the tags of this, and {} do", if ids.len() == 2 { "two" } else { "several" });
        let left = ids.iter().map(|id| {
            let address = Some(node.address.clone());
            Left { address, physical_id: id.clone(), why: why.clone() }
        });
        self.rebuilt.left.extend(left);
    }

    fn attribute(&mut self, node: &'v Node) {
        let observed = match self.view.observations.get(&node.address) {
            Some(Observation::Found(observed)) => observed,
            Some(Observation::Failed(error)) => return self.refusals.add(unread(node, error)),
            Some(Observation::Missing | Observation::NotYet(_)) | None => match self.elsewhere.get(&node.address) {
                Some(Place::One(observed)) => observed,
                Some(Place::Many(ids)) => return self.leave_all(node, ids),
                None => return self.rebuilt.missing.push(node.address.clone()),
            },
        };
        let given = &self.outputs;
        let lookup = |reference: &Reference| {
            let outputs = given.get(&reference.address)?;
            outputs.pointer(&reference.output).filter(|value| !value.is_null()).map(Value::from)
        };
        let wish = Wish::new(self.view, node, &lookup);
        if let Some(why) = not_attributed(&wish, observed) {
            let (address, physical_id) = (Some(node.address.clone()), observed.physical_id.clone());
            return self.rebuilt.left.push(Left { address, physical_id, why });
        }
        if let Some(outputs) = wish.outputs(observed) {
            self.outputs.insert(&node.address, outputs);
        }
        // Kompox makes nothing elsewhere. What an earlier pass found so is recorded by now.
        let adopted =
            self.elsewhere.contains_key(&node.address) || wish.record.is_some_and(|record| record.protection.adopted);
        let (protection, mut assumed) = protection(node, adopted);
        assumed.extend((node.kind.uses.is_some() && !observed.ready).then_some(Assumed::Unready));
        if !assumed.is_empty() {
            self.rebuilt.assumed.push((node.address.clone(), assumed));
        }
        let as_wished = node.read_only || wish.changes(observed).is_empty();
        if !as_wished {
            self.rebuilt.differing.push(node.address.clone());
        }
        self.rebuilt.records.push(record(&wish, observed, protection, as_wished));
    }
}

/// What is elsewhere than the manifests' own.
type Elsewhere = HashMap<Address, Place>;

/// Data that carries the tags of one wish.
enum Place {
    One(Box<Observed>),
    /// The ids of all that do.
    Many(Vec<String>),
}

/// Why what is there is not what the lost state knew, if so.
fn not_attributed(wish: &Wish<'_>, observed: &Observed) -> Option<String> {
    let node = wish.node;
    if node.read_only {
        return None;
    }
    if observed.transition == Some(Transition::Deleting) {
        return Some("it is being deleted".to_owned());
    }
    if node.kind.marked && observed.lineage.as_deref() != Some(wish.view.inputs.lineage) {
        return Some(match &observed.lineage {
            Some(other) => format!("it carries the mark of another state, {other}"),
            None => "it carries no mark of a state".to_owned(),
        });
    }
    wish.desired.has_unknown().then(|| "what it depends on is not there".to_owned())
}

/// Whether only the lost state knew if kompox made it. What holds nothing can be made again from the manifests, so it is taken for
/// kompox's own.
fn is_unproven(node: &Node) -> bool {
    node.kind.holds != Holds::Nothing && node.import.is_none() && !node.read_only
}

/// Data that a command imported, and that is not where kompox makes any: it carries the tags by which the manifests know their
/// own. Of several that carry the same a person has to choose.
async fn elsewhere(view: &View<'_>, marks: &Marks, data: &[&Node]) -> Result<Elsewhere, PlanError> {
    let seen = view.observations.iter().filter_map(|(address, observation)| match observation {
        Observation::Found(observed) => Some((&view.inputs.graph.get(address)?.provider, observed)),
        _ => None,
    });
    let seen: HashSet<Identity> = seen.map(|(key, observed)| Identity::new(key, &observed.physical_id)).collect();
    let mut found = Elsewhere::new();
    let mut targets = Vec::new();
    for node in data {
        let is_seen =
            matches!(view.observations.get(&node.address), Some(Observation::Found(_) | Observation::Failed(_)));
        if is_seen || node.import.is_some() {
            continue;
        }
        let like = marks.like(node).map_err(|error| unlisted(Some(&node.address), error.clone()))?;
        let like = like.iter().map(|one| &one.physical_id);
        let ids: Vec<&String> = like.filter(|id| !seen.contains(&Identity::new(&node.provider, id))).collect();
        match ids.as_slice() {
            [] => {}
            [id] => {
                let target = Target { find: None, ..node.target(Some((*id).clone())) };
                targets.push((node.provider.clone(), target));
            }
            many => {
                let many = many.iter().map(|id| (*id).clone()).collect();
                found.insert(node.address.clone(), Place::Many(many));
            }
        }
    }
    let mut read = HashMap::new();
    refresh::read_all(view.inputs.providers, targets, &mut read).await;
    for (address, observation) in read {
        match observation {
            Observation::Found(observed) => drop(found.insert(address, Place::One(observed))),
            Observation::Failed(error) => return Err(unlisted(Some(&address), *error)),
            Observation::Missing | Observation::NotYet(_) => {}
        }
    }
    Ok(found)
}

/// The record of data of which nobody knows what it was, or whether there was any.
fn lost(node: &Node) -> Record {
    let nothing = Value::Null;
    let full = Protection { prevent_destroy: true, read_only: true, adopted: true, ..Protection::default() };
    Record {
        address: node.address.clone(),
        kind: node.kind.name.to_owned(),
        provider: node.provider.clone(),
        physical_id: node.address.as_str().to_owned(),
        applied: nothing.to_stored().into(),
        outputs: serde_json::json!({}).into(),
        dependencies: Vec::new(),
        protection: full,
        desired_digest: nothing.digest(),
        progress: Progress { lost: true, ..Progress::default() },
        source: node.origin.as_ref().map(ToString::to_string),
        created_serial: 0,
        updated_serial: 0,
    }
}

fn unlisted(address: Option<&Address>, error: ProviderError) -> PlanError {
    let mut problem = Problem::new(ProblemCode::Unreadable, address, error.described());
    problem.help.extend(error.hint);
    PlanError { problems: vec![problem] }
}

/// The protection of what exists, and what of it is taken for full because nobody knows it any more. A container that nobody
/// knows the maker of counts as adopted. Data does not: it carries our mark, where it is and how it is named follows from that,
/// and another mark on it would be somebody else's; but it is never deleted either ([`Progress::unproven`]).
fn protection(node: &Node, adopted: bool) -> (Protection, Vec<Assumed>) {
    let wish = &node.protection;
    if node.read_only {
        return (Protection { adopted: true, ..wish.over(&Protection::default()) }, Vec::new());
    }
    let is_container = node.kind.holds == Holds::Objects;
    let unproven = is_unproven(node) && (is_container || !adopted);
    let adopted = adopted || is_container || node.import.is_some();
    let full = Protection { prevent_destroy: true, read_only: true, adopted, ..Protection::default() };
    let assumed = [
        (wish.prevent_destroy.is_none(), Assumed::PreventDestroy),
        (wish.read_only.is_none(), Assumed::ReadOnly),
        (unproven, Assumed::Adopted),
    ];
    (wish.over(&full), assumed.into_iter().filter(|(unknown, _)| *unknown).map(|(_, what)| what).collect())
}

fn record(wish: &Wish<'_>, observed: &Observed, protection: Protection, as_wished: bool) -> Record {
    let (view, node) = (wish.view, wish.node);
    let object = observed.object.value();
    let unproven = node.kind.holds == Holds::Data && is_unproven(node) && !protection.adopted;
    let projected;
    let applied: &Value = if as_wished {
        &wish.desired
    } else {
        let seen = diff::mask(node.kind, &object, &[&wish.desired], &view.digest());
        projected = diff::project(node.kind, &seen, &[&wish.desired]);
        &projected
    };
    Record {
        address: node.address.clone(),
        kind: node.kind.name.to_owned(),
        provider: node.provider.clone(),
        physical_id: observed.physical_id.clone(),
        applied: applied.to_stored().into(),
        outputs: outputs_of(node.kind, &observed.object).into(),
        dependencies: view.inputs.graph.dependencies(&node.address).into_iter().cloned().collect(),
        protection,
        desired_digest: applied.digest(),
        progress: Progress { uid: observed.uid.clone(), unready: !observed.ready, unproven, ..Progress::default() },
        source: node.origin.as_ref().map(ToString::to_string),
        created_serial: 0,
        updated_serial: 0,
    }
}

/// What cannot carry a mark is this state's by what it stands on.
fn leave_unmarked_of_others(view: &View<'_>, rebuilt: &mut Rebuilt) {
    let lineage_of = |record: &Record| match view.observations.get(&record.address) {
        Some(Observation::Found(observed)) => observed.lineage.clone(),
        _ => None,
    };
    let grounds = Grounds::new(&rebuilt.records, view.inputs.kinds);
    let foreign = rebuilt.records.iter().filter_map(|record| {
        let node = view.inputs.graph.get(&record.address).filter(|node| !node.kind.marked && !node.read_only)?;
        let stands_on = grounds.of(record).into_iter().map(|ground| {
            let adopted = view.inputs.graph.get(&ground.address).is_some_and(|node| node.read_only);
            Some(Seen { address: ground.address.clone(), lineage: lineage_of(ground), adopted })
        });
        let why = ground::not_ours(&stands_on.collect::<Vec<_>>(), view.inputs.lineage)?;
        Some(Left { address: Some(node.address.clone()), physical_id: record.physical_id.clone(), why })
    });
    let foreign: Vec<Left> = foreign.collect();
    let is_foreign = |address: &Address| foreign.iter().any(|left| left.address.as_ref() == Some(address));
    let kept = rebuilt.records.iter().filter(|record| !is_foreign(&record.address)).cloned().collect();
    rebuilt.assumed.retain(|(address, _)| !is_foreign(address));
    rebuilt.differing.retain(|address| !is_foreign(address));
    rebuilt.records = kept;
    rebuilt.left.extend(foreign);
}

/// What is in containers of this state, or carries its mark, and is in no record and told of by no address.
async fn strangers(
    view: &View<'_>,
    rebuilt: &Rebuilt,
    data: &[(&ProviderKey, &Marked)],
) -> Result<Vec<Left>, PlanError> {
    let records = &rebuilt.records;
    let told = rebuilt.left.iter().filter_map(|left| {
        let node = view.inputs.graph.get(left.address.as_ref()?)?;
        Some(Identity::new(&node.provider, &left.physical_id))
    });
    let known: HashSet<Identity> = records.iter().map(Identity::of).chain(told).collect();
    let mut left: BTreeMap<Identity, Left> = BTreeMap::new();
    let mut leave = |key: &ProviderKey, physical_id: String| {
        let why = "it carries the mark of this state, and no manifest names it".to_owned();
        left.insert(Identity::new(key, &physical_id), Left { address: None, physical_id, why });
    };
    for (key, provider) in view.inputs.providers {
        let containers = provider.containers(view.inputs.lineage).await.map_err(|error| unlisted(None, error))?;
        containers.into_iter().for_each(|content| leave(key, content.physical_id));
    }
    data.iter().for_each(|(key, marked)| leave(key, marked.physical_id.clone()));
    // What an API lives in is looked into by that API.
    let is_host =
        |id: &str| view.inputs.providers.keys().any(|key| key.host().is_some_and(|host| host.eq_ignore_ascii_case(id)));
    for record in records.iter().filter(|record| !is_host(&record.physical_id)) {
        let node =
            view.inputs.graph.get(&record.address).filter(|node| node.kind.holds == Holds::Objects && !node.read_only);
        let (Some(node), Some(provider)) = (node, view.inputs.providers.get(&record.provider)) else { continue };
        let target: Target = node.target(Some(record.physical_id.clone()));
        let contents = provider.contents(&target).await.map_err(|error| unlisted(Some(&node.address), error))?;
        for content in contents.into_iter().filter(|content| !content.server_made) {
            let why = format!("it is in {}, and no manifest names it", node.address);
            let identity = Identity::new(&record.provider, &content.physical_id);
            left.entry(identity).or_insert(Left { address: None, physical_id: content.physical_id, why });
        }
    }
    Ok(left.into_iter().filter(|(identity, _)| !known.contains(identity)).map(|(_, left)| left).collect())
}
