//! Parts that would start without their data.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::whole::{Standing, Whole};
use crate::advice::{Advice, Command};
use crate::engine::address::Address;
use crate::engine::code::DangerCode;
use crate::engine::kind::{Holds, Mount};
use crate::engine::plan::{Danger, Verb};

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

/// Parts that would find an empty place, or another one, where their data was.
pub(super) fn starts(whole: &Whole<'_>, standing: &[Standing]) -> Vec<Danger> {
    let volumes = Volumes::of(whole, standing);
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
            let beside = parts.range((*scope, String::new())..).take_while(|((other, _), _)| other == scope);
            let new = beside.filter(|(_, sides)| sides.before.is_none());
            new.filter_map(|(_, sides)| sides.after.as_ref())
                .find(|(.., mounts)| mounts.iter().any(|mount| before.iter().any(|was| was.path == mount.path)))
        };
        let Some((workload, api_after, after)) = sides.after.as_ref().or_else(heir) else { continue };
        let renamed = sides.after.is_none();
        let paths: BTreeSet<&str> = before.iter().chain(after).map(|mount| mount.path.as_str()).collect();
        for path in paths {
            let Some(was) = effective(before, path).and_then(|(v, folder)| volumes.spot(v, api, folder, false)) else {
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
    describe_lost(whole, lost)
}

/// One danger for all paths that lose the same data to the same other.
fn describe_lost(whole: &Whole<'_>, lost: Vec<Lost>) -> Vec<Danger> {
    let mut groups: BTreeMap<(Address, Data, Option<Data>), Vec<Lost>> = BTreeMap::new();
    for one in lost {
        let key = (one.workload.clone(), one.before.data.clone(), one.after.as_ref().map(|after| after.data.clone()));
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
            dangers.push(Danger { help: vec![help.into()], ..Danger::about(DangerCode::StartsEmpty, &workload, text) });
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
            let text =
                format!("starts without its data: {}, which is empty unless somebody filled it", moves.join(" and "));
            let keep = lost.iter().map(|one| format!("mount {} at {} again", one.before.folder(), one.path));
            let mut help = vec![Advice::from("nothing is deleted; to go on with the data:")];
            help.extend(keep.collect::<BTreeSet<_>>().into_iter().map(Advice::from));
            dangers.push(Danger { help, ..Danger::about(DangerCode::StartsEmpty, &workload, text) });
            continue;
        }
        let Some(empty) = is_empty(whole, &new.address) else { continue };
        let text = format!(
            "starts without its data: {paths} move{} from {} to {} {}",
            if lost.len() == 1 { "s" } else { "" },
            old.address.short(),
            empty,
            new.address.short()
        );
        let help = carry_over(whole, &old.address, &new.address);
        dangers.push(Danger { help, ..Danger::about(DangerCode::StartsEmpty, &workload, text) });
    }
    dangers
}

/// How empty the data is that a plan puts in another's place; none where it is a copy, or was chosen by its id.
fn is_empty(whole: &Whole<'_>, address: &Address) -> Option<&'static str> {
    let node = whole.view.inputs.graph.get(address)?;
    let starts_empty = node.kind.review.starts_empty?;
    match whole.view.record(address) {
        Some(record) => {
            (!record.protection.adopted && starts_empty(&record.applied.value())).then_some("what was made as an empty")
        }
        None => {
            let new = whole.action(address).is_none_or(|planned| planned.action == Verb::Create);
            (new && starts_empty(&node.desired.to_stored())).then_some("the new, empty")
        }
    }
}

/// The lines that carry the data of one address over to another.
fn carry_over(whole: &Whole<'_>, old: &Address, new: &Address) -> Vec<Advice> {
    let stays = whole.view.inputs.graph.get(old).is_some();
    if !stays && old.kind() == new.kind() && whole.view.records.contains_key(old) && whole.view.record(new).is_none() {
        return vec![
            "if it is the same under another name, say so before this apply, then plan again:".into(),
            Advice::run("", Command::state_mv(old, new)),
        ];
    }
    let what = if stays { "it stays where it is" } else { "the plan says below what becomes of it" };
    vec![format!("to go on with {}, undo this change; {what}", old.short()).into()]
}

/// The nearest data that an object depends on.
fn behind(whole: &Whole<'_>, address: &Address, after: bool) -> Option<Data> {
    let kinds = whole.view.inputs.kinds;
    let mut seen = HashSet::new();
    let mut level = vec![address.clone()];
    while !level.is_empty() {
        let mut next = BTreeSet::new();
        for address in level {
            if !seen.insert(address.clone()) {
                continue;
            }
            if kinds(address.kind()).is_some_and(|kind| kind.holds == Holds::Data) {
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

fn id_after(whole: &Whole<'_>, address: &Address) -> Option<String> {
    let recorded = whole.view.record(address).map(|record| record.physical_id.as_str());
    let imported = || whole.view.inputs.graph.get(address)?.import.as_deref();
    let planned = || whole.action(address)?.physical_id.as_deref();
    recorded.or_else(imported).or_else(planned).map(str::to_ascii_lowercase)
}

/// A part before and after: its workload, its API, its mounts.
#[derive(Default)]
struct Sides<'a> {
    before: Option<(&'a Address, &'a Arc<str>, Vec<Mount>)>,
    after: Option<(&'a Address, &'a Arc<str>, Vec<Mount>)>,
}

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
                after.insert((object.api.clone(), volume), data);
            }
        }
        Self { before, after }
    }

    fn spot(&self, volume: &str, api: &Arc<str>, folder: String, after: bool) -> Option<Spot> {
        let side = if after { &self.after } else { &self.before };
        let data = side.get(&(api.clone(), volume.to_owned()))?.clone();
        Some(Spot { data, folder })
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
