//! What a reviewer must see first, looked for in the plan as a whole: what goes, which protection is lifted, what is opened
//! to the public, what may do more than before, and above all which part would start without its data.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::Planner;
use crate::engine::address::Address;
use crate::engine::kind::{Holds, Kind, Mount, Part};
use crate::engine::plan::{Danger, Mode, PlannedAction, Verb};
use crate::engine::provider::api_of;

/// An object before and after the plan, in its stored form; a side that is not there is none.
struct Standing {
    /// Its address after the plan.
    address: Address,
    /// The address under which the state knows it.
    recorded: Address,
    kind: &'static Kind,
    api: String,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
}

/// What is behind a place: the object that holds the data, and the provider's id of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Data {
    address: Address,
    id: Option<String>,
}

/// A folder of some data.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Spot {
    data: Data,
    folder: String,
}

impl Spot {
    fn is(&self, other: &Self) -> bool {
        let same = match (&self.data.id, &other.data.id) {
            (Some(one), Some(two)) => one.eq_ignore_ascii_case(two),
            // What nobody can tell apart from the address alone is taken for the same.
            _ => self.data.id == other.data.id && self.data.address == other.data.address,
        };
        same && self.folder == other.folder
    }

    fn folder(&self) -> String {
        if self.folder.is_empty() { "the top folder".to_owned() } else { format!("the folder {}", self.folder) }
    }
}

/// A path of a part that would find something else, or nothing.
struct Lost {
    workload: Address,
    part: String,
    path: String,
    before: Spot,
    after: Option<Spot>,
}

impl Planner<'_> {
    /// Adds the dangers and notes that only the whole plan shows.
    pub(super) fn review(&mut self) {
        if self.inputs.mode == Mode::RefreshOnly || self.actions.is_empty() {
            return;
        }
        let positions = self.actions.iter().enumerate().map(|(position, planned)| (planned.address.clone(), position));
        self.positions = positions.collect();
        let standing = self.standing();
        let mut dangers = self.empty_starts(&standing);
        dangers.extend(self.losses());
        dangers.extend(self.lifted());
        dangers.extend(more_powers(&standing));
        let (opened, closed) = self.hosts(&standing);
        dangers.extend(opened);
        self.dangers.extend(dangers);
        self.say_where_it_goes();
        self.notes.extend(other_versions(&standing));
        self.notes.extend(closed);
    }

    /// What is kept is adopted again under an address of the manifests, which have none for it any more.
    fn say_where_it_goes(&mut self) {
        if self.inputs.mode != Mode::Apply {
            return;
        }
        let moves = |address: &Address| {
            let words = format!("kompox state mv {address} ");
            self.dangers.iter().any(|danger| danger.help.iter().any(|line| line.starts_with(&words)))
        };
        let moved: HashSet<Address> =
            self.notes.iter().filter_map(|note| note.address.clone()).filter(|address| moves(address)).collect();
        for note in self.notes.iter_mut().filter(|note| note.code == "kept") {
            let Some(address) = &note.address else { continue };
            if moved.contains(address) {
                note.help.clear();
            } else if let Some(first) = note.help.first_mut() {
                *first = "to adopt it again, put it back into the manifests, then:".to_owned();
            }
        }
    }

    /// Every object of a kind that reviewers hear of, before and after.
    fn standing(&self) -> Vec<Standing> {
        let inputs = self.inputs;
        let speaks = |kind: &Kind| kind.review.parts.is_some() || kind.volume.is_some() || kind.review.opens.is_some();
        let renamed: HashMap<&Address, &Address> = self.moved.iter().map(|(new, old)| (old, new)).collect();
        let mut all = Vec::new();
        for (recorded, record) in &self.records {
            let Some(kind) = (inputs.kinds)(&record.kind).filter(|kind| speaks(kind)) else { continue };
            let address = renamed.get(recorded).copied().unwrap_or(recorded);
            let before = record.applied.value();
            let after = match inputs.graph.get(address) {
                // What is not chosen stays as it is.
                _ if !self.selected.contains(recorded) && !self.selected.contains(address) => Some(before.clone()),
                _ if self.unchanged.contains(address) => Some(before.clone()),
                Some(node) => Some(node.desired.to_stored()),
                None => None,
            };
            let (address, recorded, api) = (address.clone(), recorded.clone(), api_of(&record.provider));
            all.push(Standing { address, recorded, kind, api, before: Some(before), after });
        }
        for node in inputs.graph.iter().filter(|node| speaks(node.kind) && self.selected.contains(&node.address)) {
            if self.record(&node.address).is_none() {
                let (address, recorded) = (node.address.clone(), node.address.clone());
                let (api, after) = (api_of(&node.provider), Some(node.desired.to_stored()));
                all.push(Standing { address, recorded, kind: node.kind, api, before: None, after });
            }
        }
        all.sort_by(|a, b| a.address.cmp(&b.address));
        all
    }

    fn action(&self, address: &Address) -> Option<&PlannedAction> {
        self.positions.get(address).map(|position| &self.actions[*position])
    }

    /// What goes with objects that are deleted. What goes with a container is not named again.
    fn losses(&self) -> Vec<Danger> {
        let kinds = self.inputs.kinds;
        let deleted: Vec<_> = self
            .actions
            .iter()
            .filter(|planned| planned.action.deletes())
            .filter_map(|planned| Some((planned, kinds(&planned.kind)?)))
            .collect();
        let containers: HashSet<&str> = deleted
            .iter()
            .filter(|(_, kind)| kind.holds == Holds::Objects)
            .map(|(planned, _)| planned.address.scope())
            .collect();
        let mut found: Vec<Danger> = deleted
            .iter()
            .filter_map(|(planned, kind)| {
                let loss = kind.review.loss?;
                let inside = kind.holds != Holds::Objects && containers.contains(planned.address.scope());
                let again = planned.action == Verb::Replace;
                // That a workload is made anew is a restart, and listed as one; what it does to others is told there.
                if inside || again && (!kind.restarts.is_empty() || kind.disturbs.is_some()) {
                    return None;
                }
                let suffix = if again { "; another one is made after it" } else { "" };
                Some(Danger::about(loss.code, &planned.address, format!("{}{suffix}", loss.text)))
            })
            .collect();
        found.sort_by(|a, b| a.address.cmp(&b.address));
        found
    }

    /// Protection that this plan takes away: from the next plan on it no longer holds.
    fn lifted(&self) -> Vec<Danger> {
        let kinds = self.inputs.kinds;
        let mut found: BTreeMap<(&str, &'static str, &'static str), Vec<&Address>> = BTreeMap::new();
        for planned in self.actions.iter().filter(|planned| {
            !matches!(planned.action, Verb::Delete | Verb::Forget | Verb::Read) && planned.action.is_change()
        }) {
            let Some(record) = self.record(&planned.address) else { continue };
            let (before, after) = (&record.protection, &planned.protection);
            let data = kinds(&planned.kind).is_some_and(|kind| kind.holds == Holds::Data);
            let mut lift = |lifted: bool, code, text| {
                if lifted {
                    found.entry((planned.address.scope(), code, text)).or_default().push(&planned.address);
                }
            };
            let text = if data {
                "deletionPolicy: Orphan → Delete: once it is no longer wanted, it is deleted with its data"
            } else {
                "deletionPolicy: Orphan → Delete: once it is no longer wanted, it is deleted"
            };
            lift(before.orphan && !after.orphan, "deletion-policy", text);
            let text = "its protection is lifted (preventDestroy): the next plan may delete it";
            lift(before.prevent_destroy && !after.prevent_destroy, "protection-lifted", text);
            let text = "its protection is lifted (readOnly): the next plan may change it";
            lift(before.read_only && !after.read_only, "protection-lifted", text);
            let text = "counts as made by kompox: the next plan may delete it";
            lift(before.adopted && !after.adopted, "protection-lifted", text);
        }
        let weight = |address: &Address| match kinds(address.kind()).map(|kind| kind.holds) {
            Some(Holds::Data) => 0,
            Some(Holds::Objects) => 1,
            _ => 2,
        };
        let danger = |((_, code, text), mut addresses): ((&str, &'static str, &'static str), Vec<&Address>)| {
            addresses.sort_by_key(|address| (weight(address), (*address).clone()));
            let data = addresses.iter().filter(|address| weight(address) == 0).count();
            // Each thing that holds data is named; of the rest of an app one stands for all.
            let named = data.max(1);
            let others = addresses.len() - named;
            let suffix = match others {
                0 => String::new(),
                1 => "; so is 1 other object".to_owned(),
                others => format!("; so are {others} other objects"),
            };
            addresses
                .into_iter()
                .take(named)
                .enumerate()
                .map(|(at, address)| {
                    Danger::about(
                        code,
                        address,
                        if at + 1 == named { format!("{text}{suffix}") } else { text.to_owned() },
                    )
                })
                .collect::<Vec<_>>()
        };
        found.into_iter().flat_map(danger).collect()
    }

    /// What anybody can reach from now on, and what nobody can any more.
    fn hosts(&self, standing: &[Standing]) -> (Vec<Danger>, Vec<Danger>) {
        let mut before: BTreeMap<String, &Address> = BTreeMap::new();
        let mut after: BTreeMap<String, &Address> = BTreeMap::new();
        for object in standing {
            let Some(opens) = object.kind.review.opens else { continue };
            before.extend(object.before.iter().flat_map(opens).map(|host| (host, &object.address)));
            after.extend(object.after.iter().flat_map(opens).map(|host| (host, &object.address)));
        }
        let only = |these: &BTreeMap<String, &Address>, those: &BTreeMap<String, &Address>| {
            let mut found: BTreeMap<Address, Vec<String>> = BTreeMap::new();
            for (host, address) in these.iter().filter(|(host, _)| !those.contains_key(*host)) {
                found.entry((*address).clone()).or_default().push(host.clone());
            }
            found
        };
        // The first apply of all opens everything that there is; its hosts are listed anyway.
        let first = self.records.is_empty();
        let opened = only(&after, &before).into_iter().filter(|_| !first);
        let opened = opened.map(|(address, hosts)| {
            Danger::about("opened", &address, format!("opens to the public: {}", hosts.join(", ")))
        });
        let closed = only(&before, &after).into_iter().map(|(address, hosts)| {
            Danger::about("host-removed", &address, format!("no longer answers: {}", hosts.join(", ")))
        });
        (opened.collect(), closed.collect())
    }

    /// Parts that would find an empty place, or another one, where their data was.
    fn empty_starts(&self, standing: &[Standing]) -> Vec<Danger> {
        let volumes = Volumes::of(self, standing);
        let mut parts: BTreeMap<(&str, String), Sides> = BTreeMap::new();
        for object in standing {
            let Some(read) = object.kind.review.parts else { continue };
            let mut keep = |side: &serde_json::Value, after: bool| {
                for part in read(side).into_iter().filter(|part| !part.name.is_empty()) {
                    let known = parts.entry((object.address.scope(), part.name.clone())).or_default();
                    let known = if after { &mut known.after } else { &mut known.before };
                    known.get_or_insert((&object.address, &object.api, Vec::new())).2.extend(part.mounts);
                }
            };
            object.before.iter().for_each(|side| keep(side, false));
            object.after.iter().for_each(|side| keep(side, true));
        }
        let mut lost = Vec::new();
        for ((scope, name), sides) in &parts {
            let Some((_, api, before)) = &sides.before else { continue };
            // A part under another name that takes the paths over.
            let heir = || {
                let new = parts.iter().filter(|((other, _), sides)| other == scope && sides.before.is_none());
                new.filter_map(|(_, sides)| sides.after.as_ref())
                    .find(|(.., mounts)| mounts.iter().any(|mount| before.iter().any(|was| was.path == mount.path)))
            };
            let Some((workload, api_after, after)) = sides.after.as_ref().or_else(heir) else { continue };
            let renamed = sides.after.is_none();
            let paths: BTreeSet<&str> = before.iter().chain(after).map(|mount| mount.path.as_str()).collect();
            for path in paths {
                let Some(was) = effective(before, path).and_then(|(v, folder)| volumes.spot(v, api, folder, false))
                else {
                    continue;
                };
                let is = effective(after, path).and_then(|(v, folder)| volumes.spot(v, api_after, folder, true));
                if is.as_ref().is_some_and(|is| was.is(is)) || renamed && is.is_none() {
                    continue;
                }
                let (workload, part) = ((*workload).clone(), name.clone());
                lost.push(Lost { workload, part, path: path.to_owned(), before: was, after: is });
            }
        }
        self.describe_lost(lost)
    }

    /// One danger for all paths that lose the same data to the same other.
    fn describe_lost(&self, lost: Vec<Lost>) -> Vec<Danger> {
        let mut groups: BTreeMap<(Address, Data, Option<Data>), Vec<Lost>> = BTreeMap::new();
        for one in lost {
            let key =
                (one.workload.clone(), one.before.data.clone(), one.after.as_ref().map(|after| after.data.clone()));
            groups.entry(key).or_default().push(one);
        }
        let mut dangers = Vec::new();
        for ((workload, old, new), lost) in groups {
            let paths: Vec<_> = lost.iter().map(|one| format!("{} ({})", one.path, one.part)).collect();
            let (paths, are) = (paths.join(" and "), if lost.len() == 1 { "is" } else { "are" });
            let Some(new) = new else {
                let text = format!(
                    "starts without its data: {paths} {are} no longer on {}; what is written there is lost with the Pod",
                    old.address.short()
                );
                let help = format!("what was there stays on {}; mount it again to go on with it", old.address.short());
                dangers.push(Danger { help: vec![help], ..Danger::about("starts-empty", &workload, text) });
                continue;
            };
            let same = new.id == old.id && (new.id.is_some() || new.address == old.address);
            if same {
                let moves: Vec<_> = lost
                    .iter()
                    .filter_map(|one| {
                        let after = one.after.as_ref()?;
                        let (path, part, old_folder) = (&one.path, &one.part, one.before.folder());
                        let at = old.address.short();
                        Some(format!("{path} ({part}) moves from {old_folder} of {at} to {}", after.folder()))
                    })
                    .collect();
                let text = format!(
                    "starts without its data: {}, which is empty unless somebody filled it",
                    moves.join(" and ")
                );
                let keep = lost.iter().map(|one| format!("mount {} at {} again", one.before.folder(), one.path));
                let mut help = vec!["nothing is deleted; to go on with the data:".to_owned()];
                help.extend(keep.collect::<BTreeSet<_>>());
                dangers.push(Danger { help, ..Danger::about("starts-empty", &workload, text) });
                continue;
            }
            let Some(empty) = self.is_empty(&new.address) else { continue };
            let text = format!(
                "starts without its data: {paths} move{} from {} to {} {}",
                if lost.len() == 1 { "s" } else { "" },
                old.address.short(),
                empty,
                new.address.short()
            );
            let help = self.carry_over(&old.address, &new.address);
            dangers.push(Danger { help, ..Danger::about("starts-empty", &workload, text) });
        }
        dangers
    }

    /// How empty the data is that a plan puts in another's place; none where it is a copy, or was chosen by its id.
    fn is_empty(&self, address: &Address) -> Option<&'static str> {
        let node = self.inputs.graph.get(address)?;
        let starts_empty = node.kind.review.starts_empty?;
        match self.record(address) {
            Some(record) => (!record.protection.adopted && starts_empty(&record.applied.value()))
                .then_some("what was made as an empty"),
            None => {
                let new = self.action(address).is_none_or(|planned| planned.action == Verb::Create);
                (new && starts_empty(&node.desired.to_stored())).then_some("the new, empty")
            }
        }
    }

    /// The lines that carry the data of one address over to another.
    fn carry_over(&self, old: &Address, new: &Address) -> Vec<String> {
        let stays = self.inputs.graph.get(old).is_some();
        if !stays && old.kind() == new.kind() && self.records.contains_key(old) && self.record(new).is_none() {
            return vec![
                "if it is the same under another name, say so before this apply, then plan again:".to_owned(),
                format!("kompox state mv {old} {new}"),
            ];
        }
        let what = if stays { "it stays where it is" } else { "the plan says below what becomes of it" };
        vec![format!("to go on with {}, undo this change; {what}", old.short())]
    }
}

/// A part before and after: its workload, its API, its mounts.
#[derive(Default)]
struct Sides<'a> {
    before: Option<(&'a Address, &'a str, Vec<Mount>)>,
    after: Option<(&'a Address, &'a str, Vec<Mount>)>,
}

/// Which data is behind a volume, before and after.
struct Volumes {
    before: HashMap<(String, String), Data>,
    after: HashMap<(String, String), Data>,
}

impl Volumes {
    fn of(planner: &Planner<'_>, standing: &[Standing]) -> Self {
        let (mut before, mut after) = (HashMap::new(), HashMap::new());
        for object in standing {
            let Some(read) = object.kind.volume else { continue };
            let name = |object: &serde_json::Value| read(object).map(|volume| volume.name);
            if let Some(volume) = object.before.as_ref().and_then(name)
                && let Some(data) = planner.behind(&object.recorded, false)
            {
                before.insert((object.api.clone(), volume), data);
            }
            if let Some(volume) = object.after.as_ref().and_then(name)
                && let Some(data) = planner.behind(&object.address, true)
            {
                after.insert((object.api.clone(), volume), data);
            }
        }
        Self { before, after }
    }

    fn spot(&self, volume: &str, api: &str, folder: String, after: bool) -> Option<Spot> {
        let side = if after { &self.after } else { &self.before };
        let data = side.get(&(api.to_owned(), volume.to_owned()))?.clone();
        Some(Spot { data, folder })
    }
}

impl Planner<'_> {
    /// The nearest data that an object depends on.
    fn behind(&self, address: &Address, after: bool) -> Option<Data> {
        let kinds = self.inputs.kinds;
        let mut seen = HashSet::new();
        let mut level = vec![address.clone()];
        while !level.is_empty() {
            let mut next = BTreeSet::new();
            for address in level {
                if !seen.insert(address.clone()) {
                    continue;
                }
                if kinds(address.kind()).is_some_and(|kind| kind.holds == Holds::Data) {
                    let id = if after { self.id_after(&address) } else { self.id_before(&address) };
                    return Some(Data { address, id });
                }
                if after && self.inputs.graph.get(&address).is_some() {
                    next.extend(self.inputs.graph.dependencies(&address).into_iter().cloned());
                } else if let Some(record) = self.records.get(&address) {
                    next.extend(record.dependencies.iter().cloned());
                }
            }
            level = next.into_iter().collect();
        }
        None
    }

    fn id_before(&self, address: &Address) -> Option<String> {
        self.records.get(address).map(|record| record.physical_id.to_ascii_lowercase())
    }

    fn id_after(&self, address: &Address) -> Option<String> {
        let recorded = self.record(address).map(|record| record.physical_id.as_str());
        let imported = || self.inputs.graph.get(address)?.import.as_deref();
        let planned = || self.action(address)?.physical_id.as_deref();
        recorded.or_else(imported).or_else(planned).map(str::to_ascii_lowercase)
    }
}

/// The volume and folder that a path lies in: of the longest mount above it.
fn effective<'m>(mounts: &'m [Mount], path: &str) -> Option<(&'m str, String)> {
    let steps = |text: &str| -> Vec<String> {
        text.split('/').filter(|step| !matches!(*step, "" | ".")).map(str::to_owned).collect()
    };
    let path = steps(path);
    let above = mounts.iter().map(|mount| (mount, steps(&mount.path))).filter(|(_, at)| path.starts_with(at));
    let (mount, at) = above.max_by_key(|(_, at)| at.len())?;
    let mut folder = steps(&mount.place.folder);
    folder.extend(path[at.len()..].iter().cloned());
    Some((&mount.place.volume, folder.join("/")))
}

/// The parts of both sides of a workload.
fn parts(object: &Standing) -> Option<(Vec<Part>, Vec<Part>)> {
    let read = object.kind.review.parts?;
    let after = read(object.after.as_ref()?);
    Some((object.before.as_ref().map(read).unwrap_or_default(), after))
}

/// Parts that may do what they could not.
fn more_powers(standing: &[Standing]) -> Vec<Danger> {
    let danger = |object: &Standing| {
        let (before, after) = parts(object)?;
        let told: Vec<String> = after
            .iter()
            .filter_map(|part| {
                let had = before.iter().find(|old| old.name == part.name);
                let new = part.powers.iter().filter(|power| !had.is_some_and(|old| old.powers.contains(power)));
                let new: Vec<&str> = new.map(String::as_str).collect();
                let who = if part.name.is_empty() { "the Pod" } else { &part.name };
                (!new.is_empty()).then(|| format!("{who}: {}", new.join(", ")))
            })
            .collect();
        let text = format!("may do more than a container should, up to taking over its node: {}", told.join("; "));
        (!told.is_empty()).then(|| Danger::about("privileged", &object.address, text))
    };
    standing.iter().filter_map(danger).collect()
}

/// Programs that would read data that another version of them wrote.
fn other_versions(standing: &[Standing]) -> Vec<Danger> {
    let mut notes = Vec::new();
    for object in standing {
        let Some((before, after)) = parts(object) else { continue };
        for part in after.iter().filter(|part| !part.mounts.is_empty()) {
            let was = before.iter().find(|old| old.name == part.name && !old.mounts.is_empty());
            if let (Some(was), Some(is)) = (was.and_then(|old| old.reads.as_ref()), &part.reads)
                && was != is
            {
                let text = format!(
                    "{} changes from {} {} to {} {}, which may not read the data, and there is no way back once it has written",
                    part.name, was.0, was.1, is.0, is.1
                );
                let help = vec!["dump the data, or take a snapshot, before this apply".to_owned()];
                notes.push(Danger { help, ..Danger::about("data-version", &object.address, text) });
            }
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::kind::Use;

    fn mount(path: &str, volume: &str, folder: &str) -> Mount {
        Mount { place: Use { part: "p".into(), volume: volume.into(), folder: folder.into() }, path: path.into() }
    }

    #[test]
    fn the_nearest_mount_above_a_path_counts() {
        let mounts = [mount("/data", "v", "app"), mount("/data/deep/", "w", ""), mount("/database", "x", "")];
        let at = |path: &str| effective(&mounts, path).map(|(volume, folder)| format!("{volume}:{folder}"));
        assert_eq!(at("/data").as_deref(), Some("v:app"));
        assert_eq!(at("/data/a/b").as_deref(), Some("v:app/a/b"));
        assert_eq!(at("/data/deep/c").as_deref(), Some("w:c"));
        assert_eq!(at("/database/a").as_deref(), Some("x:a"));
        assert_eq!(at("/other"), None);
    }
}
