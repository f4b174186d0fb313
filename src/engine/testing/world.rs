//! The world of the tests: what exists, and a provider that changes it and fails as it is told.

use super::*;

/// One object of the world.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Thing {
    pub object: Json,
    pub uid: String,
    pub lineage: Option<String>,
    pub transition: Option<Transition>,
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The API says no; nothing happened.
    Rejected,
    /// The answer was lost, the request had no effect.
    LostBefore,
    /// The answer was lost, the request had its effect.
    LostAfter,
    /// It happened, but the object does not become ready.
    NotReady,
}

/// The last moment of a killed process, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// In the n-th call, before its effect.
    Before(usize),
    /// In the n-th call, after its effect.
    After(usize),
    /// Right after the n-th commit.
    Commit(usize),
}

#[derive(Default)]
pub(super) struct Inside {
    objects: BTreeMap<String, Thing>,
    faults: HashMap<(String, &'static str), Fault>,
    writers: HashMap<String, Vec<Writer>>,
    conflicts: BTreeSet<String>,
    not_yet: BTreeSet<String>,
    unreadable: BTreeSet<String>,
    /// Nobody answers a read.
    silent: bool,
    /// Nobody may list what carries a lineage.
    unlisted: bool,
    /// How often that was asked for.
    lists: usize,
    /// Objects whose last change has not become effective yet.
    unready: BTreeSet<String>,
    /// Objects that are ready only once another one, by id, is there.
    ready_with: HashMap<String, String>,
    /// Objects that are tied to something that is gone.
    loose: BTreeSet<String>,
    /// The fields of each object that kompox applied last, as a server with field managers keeps them.
    owned: HashMap<String, BTreeSet<String>>,
    /// Objects whose operation URL was taken note of.
    operations: BTreeSet<String>,
    log: Vec<String>,
    made: u64,
    pub(super) moment: Option<Moment>,
    calls: usize,
    pub(super) commits: usize,
    dead: bool,
}

/// Everything that exists. Outlives the processes that change it.
#[derive(Clone, Default)]
pub(crate) struct World {
    inside: Arc<Mutex<Inside>>,
    pub(super) died: Arc<Notify>,
}

impl World {
    pub(super) fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap()
    }

    /// The ids of everything.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.inside().objects.keys().cloned().collect()
    }

    /// One object.
    pub(crate) fn get(&self, id: &str) -> Option<Thing> {
        self.inside().objects.get(id).cloned()
    }

    /// Puts an object there without kompox.
    pub(crate) fn put(&self, id: &str, object: Json, lineage: Option<&str>) {
        let mut inside = self.inside();
        inside.made += 1;
        let uid = format!("uid-{}", inside.made);
        let thing = Thing { object, uid, lineage: lineage.map(str::to_owned), transition: None };
        inside.objects.insert(id.to_owned(), thing);
    }

    /// Changes an object behind kompox's back.
    pub(crate) fn edit(&self, id: &str, change: impl FnOnce(&mut Thing)) {
        change(self.inside().objects.get_mut(id).unwrap());
    }

    /// Deletes an object behind kompox's back, with what is in it.
    pub(crate) fn remove(&self, id: &str) {
        remove(&mut self.inside().objects, id);
    }

    /// Lets every `verb` call on the object of this name fail so, until [`World::heal`].
    pub(crate) fn fail(&self, name: &str, verb: &'static str, fault: Fault) {
        self.inside().faults.insert((name.to_owned(), verb), fault);
    }

    /// Ends all failures.
    pub(crate) fn heal(&self) {
        let mut inside = self.inside();
        inside.faults.clear();
        inside.conflicts.clear();
        inside.not_yet.clear();
        inside.unreadable.clear();
    }

    /// What reads say who wrote what of an object.
    pub(crate) fn written_by(&self, id: &str, writer: &str, field: &str) {
        let paths = vec![Path(vec![Segment::Key(field.to_owned())])];
        let writer = Writer { name: writer.to_owned(), time: Some("2026-01-01T00:00:00Z".to_owned()), paths };
        self.inside().writers.entry(id.to_owned()).or_default().push(writer);
    }

    /// Previews of the object of this name meet another writer, unless they are forced.
    pub(crate) fn contest(&self, name: &str) {
        self.inside().conflicts.insert(name.to_owned());
    }

    /// Reads of the object with this id say that its place does not exist yet.
    pub(crate) fn not_yet(&self, id: &str) {
        self.inside().not_yet.insert(id.to_owned());
    }

    /// Whoever makes the object with this id waits until the other one is there; gives up after many looks.
    pub(crate) fn ready_with(&self, id: &str, other: &str) {
        self.inside().ready_with.insert(id.to_owned(), other.to_owned());
    }

    /// Whether an object waits for another one.
    fn waits(&self, id: &str) -> bool {
        let inside = self.inside();
        inside.ready_with.get(id).is_some_and(|other| !inside.objects.contains_key(other))
    }

    /// From now on nobody answers reads.
    pub(crate) fn fall_silent(&self) {
        self.inside().silent = true;
    }

    /// Reads of the object with this id fail.
    pub(crate) fn unreadable(&self, id: &str) {
        self.inside().unreadable.insert(id.to_owned());
    }

    /// From now on nobody may list what carries a lineage.
    pub(crate) fn unlist(&self) {
        self.inside().unlisted = true;
    }

    /// How often that was listed since the last call of this.
    pub(crate) fn take_lists(&self) -> usize {
        std::mem::take(&mut self.inside().lists)
    }

    /// Whether somebody saw the last change of an object become effective.
    pub(crate) fn is_ready(&self, id: &str) -> bool {
        !self.inside().unready.contains(id)
    }

    /// What an object is tied to is gone.
    pub(crate) fn loosen(&self, id: &str) {
        self.inside().loose.insert(id.to_owned());
    }

    /// Takes the calls made so far, as `create /g/a`.
    pub(crate) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.inside().log)
    }

    /// How many calls and commits there were since the last start.
    pub(crate) fn counted(&self) -> (usize, usize) {
        let inside = self.inside();
        (inside.calls, inside.commits)
    }

    pub(super) fn start(&self, moment: Option<Moment>) {
        let mut inside = self.inside();
        (inside.moment, inside.calls, inside.commits, inside.dead) = (moment, 0, 0, false);
        // What nobody can ask for by its URL goes on by itself while no process runs.
        let known = inside.operations.clone();
        for (_, thing) in inside.objects.iter_mut().filter(|(id, _)| !known.contains(*id)) {
            thing.transition = thing.transition.filter(|transition| *transition != Transition::Changing);
        }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.inside().dead
    }

    pub(super) fn kill(&self) {
        self.inside().dead = true;
        self.died.notify_one();
    }

    /// A call of a dead process never returns.
    async fn alive(&self) {
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
    }

    async fn die(&self) {
        self.kill();
        std::future::pending::<()>().await;
    }
}

fn remove(objects: &mut BTreeMap<String, Thing>, id: &str) {
    let inner = format!("{id}/");
    objects.retain(|key, _| key != id && !key.starts_with(&inner));
}

fn error(class: ErrorClass, code: &str, message: String) -> ProviderError {
    ProviderError { code: Some(code.to_owned()), ..ProviderError::new(class, message) }
}

/// The provider of a world.
pub(crate) struct Memory(pub World);

impl Memory {
    fn id(desired: &Value) -> Option<String> {
        let name = desired.get("name")?.as_str()?;
        match desired.get("parent") {
            None => Some(format!("/{name}")),
            Some(parent) => Some(format!("{}/{name}", parent.as_str()?)),
        }
    }

    fn observe(inside: &Inside, id: &str) -> Option<Observed> {
        let thing = inside.objects.get(id)?;
        Some(Observed {
            ready: !inside.unready.contains(id),
            physical_id: id.to_owned(),
            object: thing.object.clone().into(),
            uid: Some(thing.uid.clone()),
            lineage: thing.lineage.clone(),
            transition: thing.transition,
            writers: inside.writers.get(id).cloned().map(|all| Writers::later(move || all.clone())).unwrap_or_default(),
            tie: thing.object.get("tied").and_then(Json::as_str).filter(|_| inside.loose.contains(id)).map(|value| {
                Tie { path: Path::root().key("tied"), value: value.to_owned(), to: "what it was tied to".to_owned() }
            }),
        })
    }

    /// The effect of a change; what it refers to must be there, what others refer to must stay.
    fn effect(&self, operation: &Operation, id: &str) -> Result<(), ProviderError> {
        let mut inside = self.0.inside();
        let marked = operation.target.kind.marked;
        let missing = |inside: &Inside, desired: &Json| {
            let uses = desired["uses"].as_array().into_iter().flatten().chain(desired.get("parent"));
            uses.filter_map(Json::as_str).find(|need| !inside.objects.contains_key(*need)).map(str::to_owned)
        };
        let fill = |object: &mut Json, uid: &str| {
            object["token"] = format!("token-{uid}").into();
            // A field that this server does not keep.
            object.as_object_mut().map(|object| object.remove("unkept"));
            if object.get("mode").is_none() {
                object["mode"] = "auto".into();
            }
        };
        if let Change::Create { desired } | Change::Update { desired, .. } = &operation.change {
            let keys = desired.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
            inside.owned.insert(id.to_owned(), keys);
        }
        match &operation.change {
            Change::Create { desired } => {
                if let Some(need) = missing(&inside, desired) {
                    return Err(error(ErrorClass::Rejected, "NotFound", format!("{id} needs {need}")));
                }
                if let Some(there) = inside.objects.get(id)
                    && marked
                    && there.lineage.as_deref() != Some(&operation.lineage)
                {
                    return Err(error(ErrorClass::Conflict, "Exists", format!("{id} exists already")));
                }
                inside.made += 1;
                let uid = inside.objects.get(id).map_or(format!("uid-{}", inside.made), |there| there.uid.clone());
                let mut object = desired.clone();
                fill(&mut object, &uid);
                let lineage = marked.then(|| operation.lineage.clone());
                inside.objects.insert(id.to_owned(), Thing { object, uid, lineage, transition: None });
            }
            Change::Update { desired, removed } => {
                if let Some(need) = missing(&inside, desired) {
                    return Err(error(ErrorClass::Rejected, "NotFound", format!("{id} needs {need}")));
                }
                let Some(there) = inside.objects.get_mut(id) else {
                    return Err(error(ErrorClass::Rejected, "NotFound", format!("{id} is not there")));
                };
                for fixed in ["fixed", "zone"] {
                    if there.object.get(fixed) != desired.get(fixed) {
                        return Err(error(ErrorClass::Rejected, "Immutable", format!("{fixed} of {id} is fixed")));
                    }
                }
                for path in removed {
                    if let (Some(object), [Segment::Key(key)]) = (there.object.as_object_mut(), path.0.as_slice()) {
                        object.remove(key);
                    }
                }
                for (key, value) in desired.as_object().into_iter().flatten() {
                    there.object[key] = value.clone();
                }
                let uid = there.uid.clone();
                fill(&mut there.object, &uid);
                there.transition = None;
                if marked {
                    there.lineage = Some(operation.lineage.clone());
                }
            }
            Change::Delete { uid } => {
                if let Some(there) = inside.objects.get(id) {
                    if uid.as_ref().is_some_and(|uid| *uid != there.uid) {
                        return Err(error(ErrorClass::Conflict, "Other", format!("{id} is another object now")));
                    }
                    let inner = format!("{id}/");
                    let user = inside.objects.iter().find(|(user, thing)| {
                        !user.starts_with(&inner)
                            && thing.object["uses"].as_array().into_iter().flatten().any(|used| used == id)
                    });
                    if let Some((user, _)) = user {
                        return Err(error(ErrorClass::Rejected, "InUse", format!("{id} is used by {user}")));
                    }
                    remove(&mut inside.objects, id);
                }
            }
            Change::Release { tie } => {
                let there = inside.objects.get_mut(id);
                if let Some(object) = there.and_then(|there| there.object.as_object_mut())
                    && object.get("tied").and_then(Json::as_str) == Some(&tie.value)
                {
                    object.remove("tied");
                } else {
                    return Err(error(ErrorClass::Conflict, "Tied", format!("{id} is tied to another one now")));
                }
            }
            Change::Resume { .. } => {
                if let Some(there) = inside.objects.get_mut(id) {
                    there.transition = None;
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Provider for Memory {
    async fn read(&self, targets: &[Target]) -> Vec<Observation> {
        self.0.alive().await;
        tokio::task::yield_now().await;
        self.0.alive().await;
        let inside = self.0.inside();
        let read = |target: &Target| {
            let tagged = |find: &Find| {
                let has = |thing: &Thing| find.tags.iter().all(|(tag, value)| thing.object["tags"][tag] == *value);
                inside.objects.iter().find(|(_, thing)| has(thing)).map(|(id, _)| id)
            };
            let found = target.physical_id.as_ref().or_else(|| tagged(target.find.as_ref()?));
            let Some(id) = found else { return Observation::Missing };
            if inside.unreadable.contains(id) {
                return Observation::failed(error(ErrorClass::Denied, "Forbidden", format!("{id} is not for you")));
            }
            if inside.silent {
                return Observation::failed(ProviderError::new(ErrorClass::Rejected, "nobody answers"));
            }
            if inside.not_yet.contains(id) {
                return Observation::NotYet("its cluster does not exist yet".to_owned());
            }
            Self::observe(&inside, id).map_or(Observation::Missing, |seen| Observation::Found(Box::new(seen)))
        };
        targets.iter().map(read).collect()
    }

    fn physical_id(&self, _: &Kind, desired: &Value) -> Option<String> {
        Self::id(desired)
    }

    async fn marked(&self, _: &Kind, lineage: &str) -> Result<Vec<Marked>, ProviderError> {
        let mut inside = self.0.inside();
        inside.lists += 1;
        if inside.unlisted {
            return Err(error(ErrorClass::Denied, "Forbidden", "a list is not for you".to_owned()));
        }
        let ours = inside.objects.iter().filter(|(_, thing)| thing.lineage.as_deref() == Some(lineage));
        let marked = ours.map(|(id, thing)| {
            let tags = thing.object["tags"].as_object().into_iter().flatten();
            let tags = tags.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect();
            Marked { physical_id: id.clone(), tags }
        });
        Ok(marked.collect())
    }

    async fn preview(&self, target: &Target, desired: &Json, force: bool) -> Result<Preview, ProviderError> {
        let inside = self.0.inside();
        let id = target.physical_id.clone().unwrap_or_default();
        let name = desired["name"].as_str().unwrap_or_default();
        if inside.conflicts.contains(name) && !force {
            return Ok(Preview::Conflict(vec![Conflict { field: ".value".into(), writer: "somebody".into() }]));
        }
        let mut object = inside.objects.get(&id).map_or(json!({}), |thing| thing.object.clone());
        let dropped = inside.owned.get(&id).into_iter().flatten().filter(|key| desired.get(key.as_str()).is_none());
        for key in dropped {
            object.as_object_mut().map(|object| object.remove(key));
        }
        for (key, value) in desired.as_object().into_iter().flatten() {
            // This server knows no other spelling of a value than the lower-case one.
            object[key] = value.as_str().map_or(value.clone(), |text| text.to_ascii_lowercase().into());
        }
        let uid = inside.objects.get(&id).map(|thing| thing.uid.clone());
        Ok(Preview::Object(Box::new(Observed {
            ready: true,
            physical_id: id,
            object: object.into(),
            uid,
            lineage: None,
            transition: None,
            writers: Writers::default(),
            tie: None,
        })))
    }

    async fn execute(&self, operation: &Operation, progress: &dyn Progress) -> Result<Option<Observed>, ProviderError> {
        self.0.alive().await;
        let id = operation.target.physical_id.clone().unwrap_or_default();
        let verb = operation.change.verb();
        let (number, moment, fault) = {
            let mut inside = self.0.inside();
            inside.calls += 1;
            inside.log.push(format!("{verb} {id}"));
            let name = id.rsplit('/').next().unwrap_or_default().to_owned();
            (inside.calls, inside.moment, inside.faults.get(&(name, verb)).copied())
        };
        tokio::task::yield_now().await;
        self.0.alive().await;
        if moment == Some(Moment::Before(number)) {
            self.0.die().await;
        }
        match fault {
            Some(Fault::Rejected) => {
                return Err(error(ErrorClass::Rejected, "Quota", format!("no room for {id}")));
            }
            Some(Fault::LostBefore) => {
                return Err(error(ErrorClass::Ambiguous, "Lost", "the connection was lost".to_owned()));
            }
            _ => {}
        }
        self.effect(operation, &id)?;
        if operation.target.kind.name == SLOW.name && matches!(operation.change, Change::Create { .. }) {
            self.0.edit(&id, |thing| thing.transition = Some(Transition::Changing));
            // A second life of an id is another operation: whoever dies now leaves nobody who knows its URL.
            self.0.inside().operations.remove(&id);
            progress.accepted(&format!("/operations{id}")).await;
            self.0.alive().await;
            self.0.inside().operations.insert(id.clone());
            progress.status("still working");
            if moment == Some(Moment::After(number)) {
                self.0.die().await;
            }
            self.0.edit(&id, |thing| thing.transition = None);
        }
        if moment == Some(Moment::After(number)) {
            if operation.target.kind.name == POD.name {
                self.0.inside().unready.insert(id.clone());
            }
            self.0.die().await;
        }
        tokio::task::yield_now().await;
        self.0.alive().await;
        if self.0.waits(&id) {
            progress.waiting();
            let mut looks = 0;
            while self.0.waits(&id) {
                looks += 1;
                if looks > 10_000 {
                    return Err(error(ErrorClass::NotReady, "Timeout", format!("{id} did not become ready")));
                }
                tokio::task::yield_now().await;
            }
        }
        if operation.target.kind.name == POD.name {
            // A change of a Pod is slow; who waits for it sees its end.
            if fault == Some(Fault::NotReady) || !operation.wait {
                self.0.inside().unready.insert(id.clone());
            } else {
                self.0.inside().unready.remove(&id);
            }
        }
        match fault {
            Some(Fault::LostAfter) => Err(error(ErrorClass::Ambiguous, "Lost", "the connection was lost".to_owned())),
            Some(Fault::NotReady) => Err(error(ErrorClass::NotReady, "Timeout", format!("{id} did not become ready"))),
            _ => Ok(Self::observe(&self.0.inside(), &id)),
        }
    }

    async fn containers(&self, _: &str) -> Result<Vec<Content>, ProviderError> {
        Ok(Vec::new())
    }

    async fn contents(&self, target: &Target) -> Result<Vec<Content>, ProviderError> {
        let inner = format!("{}/", target.physical_id.as_deref().unwrap_or_default());
        // What is data by its kind, the world knows of what has a size.
        let holds_data = |id: &str| self.0.get(id).is_some_and(|thing| thing.object.get("size").is_some());
        let content = |id: String| {
            let holds_data = holds_data(&id);
            Content { physical_id: id, kind: "object".to_owned(), server_made: false, holds_data }
        };
        Ok(self.0.ids().into_iter().filter(|id| id.starts_with(&inner)).map(content).collect())
    }

    async fn safeguard(&self, operation: &Operation, _: &dyn Progress) -> Result<Option<Safeguard>, ProviderError> {
        let id = operation.target.physical_id.clone().unwrap_or_default();
        let mut inside = self.0.inside();
        inside.log.push(format!("copy {id}"));
        let name = id.rsplit('/').next().unwrap_or_default().to_owned();
        if inside.faults.contains_key(&(name, "safeguard")) {
            return Err(error(ErrorClass::Rejected, "Quota", "no room for a copy".to_owned()));
        }
        let copy = format!("{id}_safety");
        let thing = Thing {
            object: json!({}),
            uid: format!("{copy}-uid"),
            lineage: Some(operation.lineage.clone()),
            transition: None,
        };
        inside.objects.insert(copy.clone(), thing);
        Ok(Some(Safeguard { physical_id: copy.clone(), restore: format!("restore {copy}") }))
    }

    fn concurrency(&self) -> usize {
        4
    }
}
