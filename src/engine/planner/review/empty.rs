//! Parts that would start without their data.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::left::{id_after, left, say_so};
use super::whole::{Standing, Whole};
use crate::advice::{Advice, Command};
use crate::engine::address::Address;
use crate::engine::code::DangerCode;
use crate::engine::kind::{Carry, CarryOver, Holds, Mount, Moved, Shelf};
use crate::engine::plan::{Danger, Verb};

/// What is behind a place: the object that holds the data, and the provider's id of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Data {
    address: Address,
    id: Option<String>,
}

impl Data {
    fn is(&self, other: &Self) -> bool {
        match (&self.id, &other.id) {
            (Some(one), Some(two)) => one.eq_ignore_ascii_case(two),
            // What nobody can tell apart from the address alone is taken for the same.
            _ => self.id == other.id && self.address == other.address,
        }
    }
}

/// A folder of some data.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spot {
    data: Data,
    shelf: Shelf,
}

impl Spot {
    fn is(&self, other: &Self) -> bool {
        self.data.is(&other.data) && self.shelf.folder == other.shelf.folder
    }

    fn folder(&self) -> String {
        let folder = &self.shelf.folder;
        if folder.is_empty() { "the top folder".to_owned() } else { format!("the folder {folder}") }
    }

    /// Whether one of them is the other, or in it.
    fn overlaps(&self, other: &Self) -> bool {
        let holds = |outer: &str, inner: &str| {
            let rest = inner.strip_prefix(outer);
            rest.is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with('/'))
        };
        let (one, two) = (&self.shelf.folder, &other.shelf.folder);
        self.data.is(&other.data) && (holds(one, two) || holds(two, one))
    }
}

/// A path of a part that would find something else, or nothing.
struct Lost {
    workload: Address,
    part: String,
    /// The part's name from now on.
    now: String,
    path: String,
    before: Spot,
    after: Option<Spot>,
    /// What hides the place is no data.
    covered: bool,
    /// Somebody else goes on using what is there.
    shared: bool,
}

/// A path of a part that would find empty data, where it had some of which the state does not know what it is.
struct Strange {
    workload: Address,
    part: String,
    path: String,
    /// The volume that it worked on, by its name in its API.
    volume: String,
    after: Data,
}

impl Lost {
    fn changes_folder(&self) -> bool {
        self.after.as_ref().is_some_and(|after| after.shelf.folder != self.before.shelf.folder)
    }
}

/// What is said of parts that would start without their data.
#[derive(Default)]
pub(super) struct Starts {
    pub(super) dangers: Vec<Danger>,
    /// The data that these name as what is there instead.
    pub(super) told: BTreeSet<Address>,
    /// Data that is worked on after the plan, and by whom.
    pub(super) used: BTreeMap<Address, Address>,
}

/// Parts that would find an empty place, or another one, where their data was.
pub(super) fn starts(whole: &Whole<'_>, standing: &[Standing]) -> Starts {
    let volumes = Volumes::of(whole, standing);
    let mut parts: Parts<'_> = BTreeMap::new();
    for object in standing {
        let Some(read) = object.kind.review.parts else { continue };
        let mut keep = |side: &serde_json::Value, after: bool| {
            for part in read(side).into_iter().filter(|part| !part.name.is_empty()) {
                let known = parts.entry((object.address.scope(), part.name.clone())).or_default();
                let known = if after { &mut known.after } else { &mut known.before };
                let new = Side { workload: &object.address, api: &object.api, mounts: Vec::new(), covers: Vec::new() };
                let side = known.get_or_insert(new);
                side.mounts.extend(part.mounts);
                side.covers.extend(part.covers);
            }
        };
        object.before.iter().chain(&object.seen).for_each(|side| keep(side, false));
        object.after.iter().for_each(|side| keep(side, true));
    }
    follow_renames(&mut parts, &volumes);
    let after = || parts.values().filter_map(|sides| sides.after.as_ref());
    let used: Vec<Spot> = after().flat_map(|side| volumes.spots(side, true)).collect();
    let (mut lost, mut strange) = (Vec::new(), Vec::new());
    for ((scope, name), sides) in &parts {
        let Some(before) = &sides.before else { continue };
        let same = sides.after.as_ref().map(|after| (name, after));
        let Some((now, after)) = same.or_else(|| heir(&parts, &volumes, scope, before)) else { continue };
        let renamed = sides.after.is_none();
        let mounts = before.mounts.iter().chain(&after.mounts).map(|mount| &mount.path);
        let paths: BTreeSet<&str> = mounts.chain(&after.covers).map(String::as_str).collect();
        for path in paths {
            let Some((mount, folder)) = before.at(path) else { continue };
            let is = after.at(path).and_then(|(v, folder)| volumes.spot(v, after.api, folder, true));
            let (workload, part, path) = (after.workload.clone(), name.clone(), path.to_owned());
            let Some(was) = volumes.spot(mount, before.api, folder, false) else {
                let volume = mount.place.volume.clone();
                strange.extend(is.map(|is| Strange { workload, part, path, volume, after: is.data }));
                continue;
            };
            let covered = is.is_none() && after.covers.contains(&path) && !before.has(&path);
            let shared = used.iter().any(|spot| spot.overlaps(&was));
            // What a part gave up with its name and another one has now is where it was to go.
            if is.as_ref().is_some_and(|is| was.is(is)) || renamed && is.is_none() && !covered && shared {
                continue;
            }
            let now = now.clone();
            lost.push(Lost { workload, part, now, path, before: was, after: is, covered, shared });
        }
    }
    let mut starts = Starts::default();
    for side in after() {
        let data = volumes.spots(side, true).into_iter().map(|spot| (spot.data.address, side.workload.clone()));
        starts.used.extend(data);
    }
    describe_lost(whole, lost, &mut starts);
    describe_strange(whole, strange, &mut starts);
    starts
}

/// What an app was under another name, its parts are under this one, if they go on with data that it had.
fn follow_renames(parts: &mut Parts<'_>, volumes: &Volumes) {
    let goes = |sides: &Sides<'_>| sides.before.is_some() && sides.after.is_none();
    let comes = |sides: &Sides<'_>| sides.before.is_none() && sides.after.is_some();
    let spots = |side: &Option<Side<'_>>, after| side.iter().flat_map(|side| volumes.spots(side, after)).collect();
    let pairs = parts.iter().filter(|(_, sides)| goes(sides)).filter_map(|(old, was)| {
        let had: Vec<Spot> = spots(&was.before, false);
        let has_it = |sides: &Sides<'_>| {
            let has: Vec<Spot> = spots(&sides.after, true);
            has.iter().any(|spot| had.iter().any(|before| before.data.is(&spot.data)))
        };
        let same = parts.iter().filter(|((scope, name), sides)| *scope != old.0 && *name == old.1 && comes(sides));
        Some((old.clone(), same.into_iter().find(|(_, sides)| has_it(sides))?.0.clone()))
    });
    for (old, new) in pairs.collect::<Vec<_>>() {
        let before = parts.get_mut(&old).and_then(|sides| sides.before.take());
        if let Some(sides) = parts.get_mut(&new) {
            sides.before = before;
        }
    }
}

/// A part under another name that takes paths over, or else the data at others.
fn heir<'p, 'a>(
    parts: &'p Parts<'a>,
    volumes: &Volumes,
    scope: &'a str,
    before: &Side<'_>,
) -> Option<(&'p String, &'p Side<'a>)> {
    let beside = parts.range((scope, String::new())..).take_while(|((other, _), _)| *other == scope);
    let new = beside.filter(|(_, sides)| sides.before.is_none());
    let new: Vec<_> = new.filter_map(|((_, name), sides)| Some((name, sides.after.as_ref()?))).collect();
    let had = volumes.spots(before, false);
    let has_path = |side: &Side<'_>| before.mounts.iter().any(|was| side.mounts.iter().any(|is| is.path == was.path));
    let has_data = |side: &Side<'_>| volumes.spots(side, true).iter().any(|spot| had.iter().any(|was| was.is(spot)));
    let by_path = new.iter().find(|(_, side)| has_path(side));
    by_path.or_else(|| new.iter().find(|(_, side)| has_data(side))).copied()
}

/// One danger for all paths that lose the same data to the same other.
fn describe_lost(whole: &Whole<'_>, lost: Vec<Lost>, starts: &mut Starts) {
    let mut groups: BTreeMap<(Address, Data, Option<Data>, bool), Vec<Lost>> = BTreeMap::new();
    for one in lost {
        let after = one.after.as_ref().map(|after| after.data.clone());
        groups.entry((one.workload.clone(), one.before.data.clone(), after, one.covered)).or_default().push(one);
    }
    for ((workload, old, new, covered), lost) in groups {
        if let Some(new) = new.as_ref().filter(|new| !new.is(&old))
            && let Some(copy) = copy(whole, &new.address)
        {
            starts.dangers.push(older(&workload, &old, &copy, &lost));
            starts.told.insert(new.address.clone());
            let lost: Vec<Lost> = lost.into_iter().filter(Lost::changes_folder).collect();
            if !lost.is_empty() {
                let (text, help) = moved(whole, &workload, &lost);
                starts.add(&workload, &text, help);
            }
            continue;
        }
        let described = match &new {
            None if covered => Some(hidden(&old, &lost)),
            None => Some(gone(whole, &workload, &old, &lost)),
            Some(new) if new.is(&old) => Some(moved(whole, &workload, &lost)),
            Some(new) => exchanged(whole, &workload, (&old, new), &lost),
        };
        let Some((text, help)) = described else { continue };
        starts.add(&workload, &text, help);
        starts.told.extend(new.map(|new| new.address));
    }
}

impl Starts {
    fn add(&mut self, address: &Address, text: &str, help: Vec<Advice>) {
        let text = format!("starts without its data: {text}");
        self.dangers.push(Danger { help, ..Danger::about(DangerCode::StartsEmpty, address, text) });
    }
}

/// One danger for all paths that find the same empty data where there was some that nobody knows.
fn describe_strange(whole: &Whole<'_>, strange: Vec<Strange>, starts: &mut Starts) {
    let mut groups: BTreeMap<(Address, String, Data), Vec<Strange>> = BTreeMap::new();
    for one in strange {
        groups.entry((one.workload.clone(), one.volume.clone(), one.after.clone())).or_default().push(one);
    }
    for ((workload, volume, new), strange) in groups {
        let Some((word, _)) = is_empty(whole, &new.address) else { continue };
        let paths: Vec<_> = strange.iter().map(|one| format!("{} ({})", one.path, one.part)).collect();
        let (s, to) = (if paths.len() == 1 { "s" } else { "" }, new.address.short());
        let mut text = format!(
            "{} move{s} from the volume {volume}, of which the state does not know what is behind it, to {word} {to}",
            paths.join(" and ")
        );
        let left = left(whole, &new.address, &workload);
        if let Some(left) = left.words() {
            text.push_str(&format!("; {left}"));
        }
        let mut help: Vec<Advice> = vec![
            "to go on with it, undo this change: name the volumes as they were when that volume was made, then plan again"
                .into(),
        ];
        help.extend(left.cure(whole, &new.address));
        starts.add(&workload, &text, help);
        starts.told.insert(new.address);
    }
}

fn paths(lost: &[Lost]) -> String {
    let paths: Vec<_> = lost.iter().map(|one| format!("{} ({})", one.path, one.part)).collect();
    paths.join(" and ")
}

/// Nothing is mounted there any more.
fn gone(whole: &Whole<'_>, workload: &Address, old: &Data, lost: &[Lost]) -> (String, Vec<Advice>) {
    let (are, at) = (if lost.len() == 1 { "is" } else { "are" }, old.address.short());
    let text = format!("{} {are} no longer on {at}; what is written there is lost with the Pod", paths(lost));
    let mut help = vec![format!("what was there stays on {at}; mount it again to go on with it").into()];
    // Where the volume goes too, it has to come back first.
    if whole.view.inputs.graph.get(&old.address).is_some() {
        help.extend(lines(whole, workload, lost, Carry::Back));
    }
    (text, help)
}

/// Something that is no data is mounted over it.
fn hidden(old: &Data, lost: &[Lost]) -> (String, Vec<Advice>) {
    let (paths, at) = (paths(lost), old.address.short());
    let (are, them) = if lost.len() == 1 { ("is", "it") } else { ("are", "them") };
    let text =
        format!("{paths} {are} hidden by what is mounted over {them}; what is written there no longer reaches {at}");
    let folders: BTreeSet<String> = lost.iter().map(|one| one.before.folder()).collect();
    let folders = folders.into_iter().collect::<Vec<_>>().join(" and ");
    (
        text,
        vec![
            format!("what was there stays in {folders} of {at}; take away what is mounted over it to go on with it")
                .into(),
        ],
    )
}

/// Another folder of the same data.
fn moved(whole: &Whole<'_>, workload: &Address, lost: &[Lost]) -> (String, Vec<Advice>) {
    let moves = lost.iter().filter_map(|one| {
        let after = one.after.as_ref()?;
        let to = if after.data.is(&one.before.data) {
            after.folder()
        } else {
            format!("{} of {}", after.folder(), after.data.address.short())
        };
        let (path, part, folder, at) = (&one.path, &one.part, one.before.folder(), one.before.data.address.short());
        Some(format!("{path} ({part}) moves from {folder} of {at} to {to}"))
    });
    let moves: Vec<_> = moves.collect();
    let text = format!("{}, which is empty unless somebody filled it", moves.join(" and "));
    let apart = |one: &Lost| !one.shared && one.after.as_ref().is_none_or(|after| !after.overlaps(&one.before));
    let carry = if lost.iter().all(apart) { Carry::Rename } else { Carry::Back };
    let mut help = vec![Advice::from("nothing is deleted; to go on with the data:")];
    help.extend(lines(whole, workload, lost, carry));
    (text, help)
}

/// Data that is made from other data.
struct Copy {
    address: Address,
    /// What it is, in words.
    word: &'static str,
    /// The snapshot that it is made from; none where it is made from the other data as it is.
    snapshot: Option<Address>,
    /// Whether this plan takes what is copied.
    is_taken_now: bool,
}

/// Whether what is put in another's place is a copy; none where it was chosen by its id.
fn copy(whole: &Whole<'_>, address: &Address) -> Option<Copy> {
    let graph = whole.view.inputs.graph;
    let node = graph.get(address)?;
    let starts_empty = node.kind.review.starts_empty?;
    let is_made = |address: &Address| whole.action(address).is_some_and(|planned| planned.action == Verb::Create);
    let (is_copy, word) = match whole.view.record(address) {
        Some(record) => {
            (!record.protection.adopted && !starts_empty(&record.applied.value()), "what was made as a copy,")
        }
        None => (is_made(address) && !starts_empty(&node.desired.to_stored()), "the new copy"),
    };
    let is_snapshot = |address: &&Address| {
        let kind = graph.get(address).map(|node| node.kind);
        kind.is_some_and(|kind| kind.holds == Holds::Data && kind.review.starts_empty.is_none())
    };
    let snapshot = graph.dependencies(address).into_iter().find(is_snapshot).cloned();
    let is_taken_now = is_made(snapshot.as_ref().unwrap_or(address));
    is_copy.then(|| Copy { address: address.clone(), word, snapshot, is_taken_now })
}

/// A copy, which lacks what was written since.
fn older(workload: &Address, old: &Data, copy: &Copy, lost: &[Lost]) -> Danger {
    let (from, to, goes) = (old.address.short(), copy.address.short(), if lost.len() == 1 { "goes" } else { "go" });
    let taken = copy.snapshot.as_ref().map_or("it is made".to_owned(), |one| format!("{} is taken", one.short()));
    let text =
        format!("{} {goes} on with {} {to}: it lacks what is written to {from} after {taken}", paths(lost), copy.word);
    let mut help: Vec<Advice> = vec![format!("{from} stays where it is; to go on with it, undo this change").into()];
    if copy.is_taken_now {
        let why = "this plan copies what the app still writes to; stop the app before, and nothing is missing";
        help.push(Advice::run(why, Command::destroy(workload)));
    }
    Danger { help, ..Danger::about(DangerCode::OlderData, workload, text) }
}

/// Other data, if that is empty.
fn exchanged(
    whole: &Whole<'_>,
    workload: &Address,
    (old, new): (&Data, &Data),
    lost: &[Lost],
) -> Option<(String, Vec<Advice>)> {
    let (word, is_new) = is_empty(whole, &new.address)?;
    let (from, to, s) = (old.address.short(), new.address.short(), if lost.len() == 1 { "s" } else { "" });
    let text = format!("{} move{s} from {from} to {word} {to}", paths(lost));
    let graph = whole.view.inputs.graph;
    let stays = graph.get(&old.address).is_some();
    if !stays {
        return Some((text, say_so(whole, &old.address, &new.address)));
    }
    let made_from = graph.get(&new.address).and_then(|node| node.kind.review.made_from).filter(|_| is_new);
    let copy = made_from.and_then(|made_from| made_from(new.address.name(), old.address.name()));
    let mut help = vec![format!("to go on with {from}, undo this change; it stays where it is").into()];
    if let Some(copy) = copy {
        help.extend(["or make the new one from it, with this in its place:".into(), copy]);
    } else if lost
        .iter()
        .all(|one| one.after.as_ref().is_some_and(|after| after.shelf.volume != one.before.shelf.volume))
    {
        help.extend(lines(whole, workload, lost, if is_new { Carry::Copy } else { Carry::Back }));
    }
    Some((text, help))
}

/// The lines of the workload's kind.
fn lines(whole: &Whole<'_>, workload: &Address, lost: &[Lost], carry: Carry) -> Vec<Advice> {
    let kind = |address: &Address| whole.view.inputs.graph.get(address).map(|node| node.kind);
    let Some(carry_over): Option<CarryOver> = kind(workload).and_then(|kind| kind.review.carry_over) else {
        return Vec::new();
    };
    let moves = lost.iter().map(|one| {
        // What is on one volume is found under the name that it has from now on.
        let same = one.after.as_ref().filter(|after| after.data.is(&one.before.data));
        let volume = same.map_or(&one.before, |after| after).shelf.volume.clone();
        let from = Shelf { volume, folder: one.before.shelf.folder.clone() };
        let to = one.after.as_ref().map(|after| after.shelf.clone());
        Moved { part: one.now.clone(), path: one.path.clone(), from, to }
    });
    carry_over(&moves.collect::<Vec<_>>(), carry)
}

/// How empty the data is that a plan puts in another's place, and whether this plan makes it; none where it is a copy, or
/// was chosen by its id.
pub(super) fn is_empty(whole: &Whole<'_>, address: &Address) -> Option<(&'static str, bool)> {
    let node = whole.view.inputs.graph.get(address)?;
    let starts_empty = node.kind.review.starts_empty?;
    match whole.view.record(address) {
        Some(record) => (!record.protection.adopted && starts_empty(&record.applied.value()))
            .then_some(("what was made as an empty", false)),
        None => {
            let new = whole.action(address).is_none_or(|planned| planned.action == Verb::Create);
            (new && starts_empty(&node.desired.to_stored())).then_some(("the new, empty", true))
        }
    }
}

/// The nearest data that an object depends on.
fn behind(whole: &Whole<'_>, address: &Address, after: bool) -> Option<Data> {
    let holds_data = |address: &Address| {
        let planned = whole.view.inputs.graph.get(address).filter(|_| after).map(|node| &node.provider);
        let recorded = || whole.view.records.get(address).map(|record| &record.provider);
        let kind = planned.or_else(recorded).and_then(|provider| whole.view.kind(provider, address.kind()));
        kind.is_some_and(|kind| kind.holds == Holds::Data)
    };
    let mut seen = HashSet::new();
    let mut level = vec![address.clone()];
    while !level.is_empty() {
        let mut next = BTreeSet::new();
        for address in level {
            if !seen.insert(address.clone()) {
                continue;
            }
            if holds_data(&address) {
                let id = if after { id_after(whole, &address) } else { id_before(whole, &address) };
                return Some(Data { address, id });
            }
            if after && whole.view.inputs.graph.get(&address).is_some() {
                next.extend(whole.view.inputs.graph.dependencies(&address).into_iter().cloned());
            } else if let Some(record) = whole.view.records.get(&address) {
                next.extend(record.dependencies.iter().cloned());
            }
        }
        level = next.into_iter().collect();
    }
    None
}

fn id_before(whole: &Whole<'_>, address: &Address) -> Option<String> {
    whole.view.records.get(address).map(|record| record.physical_id.to_ascii_lowercase())
}

/// A part on one side of a plan.
struct Side<'a> {
    workload: &'a Address,
    api: &'a Arc<str>,
    mounts: Vec<Mount>,
    /// Where something else is mounted.
    covers: Vec<String>,
}

impl Side<'_> {
    /// Whether a volume is mounted right at a path.
    fn has(&self, path: &str) -> bool {
        self.mounts.iter().any(|mount| steps(&mount.path) == steps(path))
    }

    /// The mount that a path lies in, which is the longest one above it, and the folder of its volume; none where
    /// something else is mounted between them.
    fn at(&self, path: &str) -> Option<(&Mount, String)> {
        let path = steps(path);
        let above = self.mounts.iter().map(|mount| (mount, steps(&mount.path)));
        let (mount, at) = above.filter(|(_, at)| path.starts_with(at)).max_by_key(|(_, at)| at.len())?;
        let hides = |cover: &String| {
            let cover = steps(cover);
            cover.len() > at.len() && path.starts_with(&cover)
        };
        if self.covers.iter().any(hides) {
            return None;
        }
        let mut folder = steps(&mount.place.folder);
        folder.extend(&path[at.len()..]);
        Some((mount, folder.join("/")))
    }
}

/// A part before and after.
#[derive(Default)]
struct Sides<'a> {
    before: Option<Side<'a>>,
    after: Option<Side<'a>>,
}

/// All parts, by scope and name.
type Parts<'a> = BTreeMap<(&'a str, String), Sides<'a>>;

/// Which data is behind a volume, before and after.
struct Volumes {
    before: HashMap<(Arc<str>, String), Data>,
    after: HashMap<(Arc<str>, String), Data>,
}

impl Volumes {
    fn of(whole: &Whole<'_>, standing: &[Standing]) -> Self {
        let (mut before, mut after) = (HashMap::new(), HashMap::new());
        for object in standing {
            let Some(read) = object.kind.volume else { continue };
            let name = |object: &serde_json::Value| read(object).map(|volume| volume.name);
            if let Some(volume) = object.before.as_ref().and_then(name)
                && let Some(data) = behind(whole, &object.recorded, false)
            {
                before.insert((object.api.clone(), volume), data);
            }
            if let Some(volume) = object.after.as_ref().and_then(name)
                && let Some(data) = behind(whole, &object.address, true)
            {
                let key = (object.api.clone(), volume);
                // One that is there already and that the state does not know is what the wish for it says, unless that is
                // yet to be made.
                let made = |address: &Address| whole.action(address).is_some_and(|one| one.action == Verb::Create);
                if object.before.is_none() && !made(&object.address) && !made(&data.address) {
                    before.insert(key.clone(), data.clone());
                }
                after.insert(key, data);
            }
        }
        Self { before, after }
    }

    fn spot(&self, mount: &Mount, api: &Arc<str>, folder: String, after: bool) -> Option<Spot> {
        let side = if after { &self.after } else { &self.before };
        let data = side.get(&(api.clone(), mount.place.volume.clone()))?.clone();
        Some(Spot { data, shelf: Shelf { volume: mount.called.clone(), folder } })
    }

    /// Everything that a part uses after the plan, or before it.
    fn spots(&self, side: &Side<'_>, after: bool) -> Vec<Spot> {
        let folder = |mount: &Mount| steps(&mount.place.folder).join("/");
        side.mounts.iter().filter_map(|mount| self.spot(mount, side.api, folder(mount), after)).collect()
    }
}

fn steps(text: &str) -> Vec<&str> {
    text.split('/').filter(|step| !matches!(*step, "" | ".")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kind::Use;

    fn mount(path: &str, volume: &str, folder: &str) -> Mount {
        let place = Use { part: "p".into(), volume: volume.into(), folder: folder.into() };
        Mount { place, called: volume.into(), path: path.into() }
    }

    #[test]
    fn the_nearest_mount_above_a_path_counts() {
        let mounts = vec![mount("/data", "v", "app"), mount("/data/deep/", "w", ""), mount("/database", "x", "")];
        let (workload, api) = (Address::new("/ws/t", "pod", "p"), "test".into());
        let covers = vec!["/data/tmp/".to_owned(), "/".to_owned(), "/data".to_owned()];
        let side = Side { workload: &workload, api: &api, mounts, covers };
        let at = |path: &str| side.at(path).map(|(mount, folder)| format!("{}:{folder}", mount.called));
        assert_eq!(at("/data").as_deref(), Some("v:app"));
        assert_eq!(at("/data/a/b").as_deref(), Some("v:app/a/b"));
        assert_eq!(at("/data/deep/c").as_deref(), Some("w:c"));
        assert_eq!(at("/database/a").as_deref(), Some("x:a"));
        assert_eq!(at("/other"), None);
        assert_eq!((at("/data/tmp"), at("/data/tmp/a")), (None, None));
        assert_eq!(at("/data/tmpx").as_deref(), Some("v:app/tmpx"));
    }
}
