//! Kind schemas: what the engine must know of a kind of object to compare, plan and order it, and nothing more.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use kompox_state::{Held, ProviderKey};

use super::address::Address;
use super::value::{Path, Segment, Value};
use crate::advice::Advice;

/// What a rule says of the fields that its pattern covers (see [`Path::matches`] for patterns).
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// A change forces replacement.
    Immutable,
    /// Filled in by the server; a desired value is sent on creation, a difference is none.
    Computed,
    /// Masked wherever it is observed.
    Sensitive,
    /// Texts of people: lines that are secrets are covered wherever it is observed (`secret::covered`).
    SecretLines,
    /// A list whose order means nothing.
    Set,
    /// A list of objects that these keys together tell apart, as they do for the server that merges it (`name` for
    /// containers, `port` and `protocol` for the ports of a Service). A key that an item lacks has its
    /// [`Default`](Self::Default).
    Keyed(&'static [&'static str]),
    /// How two values are the same although they are written differently.
    Same(Sameness),
    /// Absent and this text are the same.
    Default(&'static str),
    /// May grow in place; to shrink it is refused.
    GrowOnly,
    /// A version of a service: one that names fewer parts stands for every release of its line (`1.33` for `1.33.4`), and
    /// the service never goes back to an earlier one.
    Release,
    /// The order of a keyed list means something.
    Ordered,
    /// Filled in by the server as [`Computed`](Self::Computed), when it ties the object to another one, and cleared by us
    /// when that one is gone.
    Tie,
}

/// Ways to write one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    /// Letters without case: ARM ids, SKU names.
    IgnoreCase,
    /// `East US` and `eastus`.
    Location,
    /// Kubernetes quantities: `500m` and `0.5`, `1Gi` and `1073741824`.
    Quantity,
    /// `1` and `"1"`.
    NumberAsText,
}

/// A rule for the fields of a pattern.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Which fields, such as `properties.creationData.**`.
    pub pattern: &'static str,
    /// What holds for them.
    pub rule: Rule,
}

/// How a change of an immutable field is carried out.
#[derive(Clone, Copy)]
pub enum Replace {
    /// Delete the old object, then make the new one.
    DeleteFirst,
    /// Never at once: data would be lost, or what uses the object would hold on to it. The function says the safe
    /// way.
    Refused(fn(&Refusal<'_>) -> Vec<Advice>),
}

impl fmt::Debug for Replace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DeleteFirst => "DeleteFirst",
            Self::Refused(_) => "Refused",
        })
    }
}

/// A replacement that is refused: what the lines of the safe way are made from.
#[derive(Debug)]
pub struct Refusal<'a> {
    /// The object.
    pub address: &'a Address,
    /// The name part of the address, such as `default` or `default.blue`.
    pub name: &'a str,
    /// The provider's own id.
    pub physical_id: &'a str,
    /// The field.
    pub path: &'a Path,
    /// What it is.
    pub before: &'a Value,
    /// What was asked for.
    pub after: &'a Value,
    /// Nobody asked for a change: the object is not as it was applied, or was adopted as it is.
    pub outside: bool,
    /// The line that asks for it, as far as known.
    pub place: Option<String>,
    /// The addresses of what works with its data.
    pub users: Vec<Address>,
    /// The addresses of its scope that the manifests or the state have, where it holds data: what is made anew needs others.
    pub beside: BTreeSet<Address>,
}

/// Where an object says what it was made of. It may be a copy, and what it was copied from says nothing of what it is now;
/// but a wish for a copy of something else is a wish for another object.
#[derive(Debug, Clone, Copy)]
pub struct Made {
    /// The keys that lead to the id of what it was made of.
    pub field: &'static [&'static str],
    /// The keys that lead to something that is there whenever the object says how it was made.
    pub told_by: &'static [&'static str],
}

/// A change in place, put before the kind's own [`Kind::verdict`].
#[derive(Debug)]
pub struct InPlace<'a> {
    /// The provider's own id of the object.
    pub physical_id: &'a str,
    /// The field.
    pub path: &'a Path,
    /// What it is.
    pub before: &'a Value,
    /// What was asked for.
    pub after: &'a Value,
    /// The manifest says what it said at the last apply: somebody else changed the field.
    pub drifted: bool,
}

/// What an API makes of a change in place, where no [`Rule`] can say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It carries it out.
    Accepted,
    /// It refuses it: why, and the lines of what to do.
    Refused(String, Vec<Advice>),
    /// It would refuse it, and what is there is as good: left as it is, and said.
    Left(String),
}

/// What a change of an object does to others that the graph does not name.
#[derive(Debug, Clone, Copy)]
pub struct Disturbance {
    /// The fields whose change does it; a replacement or deletion always does.
    pub fields: &'static [&'static str],
    /// What happens, as the plan says it.
    pub text: &'static str,
}

/// What an object forbids to be done to others (a management lock).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// The provider id of what it protects, with everything below it.
    pub scope: String,
    /// Nothing may change; else nothing may be deleted.
    pub changes: bool,
}

/// What is lost with an object of the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Nothing that cannot be made again from the manifest.
    Nothing,
    /// Data of users: a disk, a share, a snapshot.
    Data,
    /// Other objects, which go with it: a resource group, a Namespace, a cluster.
    Objects,
}

/// A place on a volume, and the part of an object that works in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The part: a container.
    pub part: String,
    /// The volume, by a name that is unique in its API.
    pub volume: String,
    /// The folder on it, empty for the whole.
    pub folder: String,
}

impl Use {
    /// Whether two places are the same or one holds the other.
    pub fn meets(&self, other: &Self) -> bool {
        let steps = |folder: &str| {
            folder.split('/').filter(|step| !matches!(*step, "" | ".")).map(str::to_owned).collect::<Vec<_>>()
        };
        self.volume == other.volume && steps(&self.folder).iter().zip(&steps(&other.folder)).all(|(a, b)| a == b)
    }
}

impl From<Held> for Use {
    fn from(Held { part, volume, folder }: Held) -> Self {
        Self { part, volume, folder }
    }
}

impl From<Use> for Held {
    fn from(Use { part, volume, folder }: Use) -> Self {
        Self { part, volume, folder }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.folder.as_str() {
            "" => write!(f, "the volume {}", self.volume),
            folder => write!(f, "{folder} on the volume {}", self.volume),
        }
    }
}

/// Reads off an object where it works; `None` where it does not tell.
pub type Uses = fn(&serde_json::Value) -> Option<Vec<Use>>;

/// What stands between a workload and data: an object that others work on under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name as [`Use::volume`] and [`Behind::Volume`] give it, unique in its API.
    pub name: String,
    /// Where its data is.
    pub behind: Behind,
}

/// Where the data of a volume is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behind {
    /// In another volume of the same API, by its name.
    Volume(String),
    /// In what a driver calls by this id: the same everywhere, whatever volumes lead to it.
    Data(String),
    /// The server keeps it for this volume alone.
    Itself,
}

/// Where a part of an object finds a place on a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The place.
    pub place: Use,
    /// What the object itself calls the volume.
    pub called: String,
    /// Where the part sees it, such as `/var/lib/postgresql/data`.
    pub path: String,
}

/// A folder of a volume, by the name that an object has for the volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf {
    /// What the object calls the volume.
    pub volume: String,
    /// The folder, without a slash at either end; empty for the top one.
    pub folder: String,
}

/// A path at which a part of an object would no longer find its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The part, by the name that it has from now on.
    pub part: String,
    /// The path in it.
    pub path: String,
    /// Where its data is.
    pub from: Shelf,
    /// Where it would look; none where nothing is mounted.
    pub to: Option<Shelf>,
}

/// How data can come to where a part would look for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carry {
    /// Not at all: the part has to look where the data is.
    Back,
    /// Both folders are on one volume, and nobody else needs the old one.
    Rename,
    /// The other volume is new, so that nothing is in its folders.
    Copy,
}

/// The lines by which parts go on with their data, for what moved from one volume to one other, or on one.
pub type CarryOver = fn(&[Moved], Carry) -> Vec<Advice>;

/// A part of an object, as a reviewer must know it: a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Its name within the object.
    pub name: String,
    /// The places that it finds its data in.
    pub mounts: Vec<Mount>,
    /// The paths at which it finds something else, which hides what a place around them has there: `tmpfs`, a config.
    pub covers: Vec<String>,
    /// The program that reads the data and the version of its format, where the kind knows it: `("postgres", "17")`.
    pub reads: Option<(String, String)>,
    /// What it may do beyond its own four walls, in words: `privileged`, `capability SYS_ADMIN`.
    pub powers: Vec<String>,
}

/// What is said before an object of a kind is deleted.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    /// The stable name of the danger.
    pub code: &'static str,
    /// What goes, in one line.
    pub text: &'static str,
}

/// What reviewers must hear of changes of a kind, as far as only the kind can tell.
#[derive(Debug, Clone, Copy)]
pub struct Review {
    /// What goes with an object that is deleted.
    pub loss: Option<Loss>,
    /// The parts of an object (its stored form).
    pub parts: Option<fn(&serde_json::Value) -> Vec<Part>>,
    /// How the parts of an object go on with data that is not where they would look.
    pub carry_over: Option<CarryOver>,
    /// Whether an object that is made from this wish holds no data at first.
    pub starts_empty: Option<fn(&serde_json::Value) -> bool>,
    /// How an object with the first name is made from the data of one with the second, if it can be.
    pub made_from: Option<fn(&str, &str) -> Option<Advice>>,
    /// How an object says that everything of its scope was under this other one before.
    pub renamed: Option<fn(&str) -> Vec<Advice>>,
    /// What it lets anybody reach: hosts, ports.
    pub opens: Option<fn(&serde_json::Value) -> Vec<String>>,
    /// How a person finds out who changed the object with this id, where reading it does not tell.
    pub history: Option<fn(&str) -> Advice>,
}

impl Review {
    /// Nothing to say.
    pub const NONE: Self = Self {
        loss: None,
        parts: None,
        carry_over: None,
        starts_empty: None,
        made_from: None,
        renamed: None,
        opens: None,
        history: None,
    };

    /// A loss and nothing else.
    pub const fn loss(code: &'static str, text: &'static str) -> Self {
        Self { loss: Some(Loss { code, text }), ..Self::NONE }
    }
}

/// The schema of a kind.
#[derive(Debug)]
pub struct Kind {
    /// The name in addresses and records, such as `disk` or `Deployment`.
    pub name: &'static str,
    /// The rules that it shares with its family of kinds.
    pub common: &'static [Field],
    /// The rules of its own fields.
    pub fields: &'static [Field],
    /// What happens when an immutable field changes.
    pub replace: Replace,
    /// What is lost with it.
    pub holds: Holds,
    /// What it is made of, where it is made of others: sent on creation, and never another one afterwards.
    pub origin: Option<Made>,
    /// Whether the provider can copy its data before it is deleted.
    pub safeguarded: bool,
    /// Whether objects of the kind can carry our lineage. One that cannot is ours by its place (a child of what we own).
    pub marked: bool,
    /// Whether the server can say what a change would do (Kubernetes dry run).
    pub preview: bool,
    /// A change of these fields restarts the app; empty where none does.
    pub restarts: &'static [&'static str],
    /// What an object (its stored form) does with data, for kinds whose parts may pass from one object to another.
    pub uses: Option<Uses>,
    /// What an object (its stored form) is as a volume, for kinds through which workloads get at data.
    pub volume: Option<fn(&serde_json::Value) -> Option<Volume>>,
    /// What the API makes of a change in place; all are accepted where there is none.
    pub verdict: Option<fn(&InPlace<'_>) -> Verdict>,
    /// What a change does to others.
    pub disturbs: Option<Disturbance>,
    /// What an object of the kind (its id and form) forbids.
    pub seals: Option<fn(&str, &serde_json::Value) -> Option<Seal>>,
    /// Whether the provider says of data, as it was read, that no machine has it attached; for kinds that are attached to
    /// one machine at a time.
    pub unattached: Option<fn(&serde_json::Value) -> bool>,
    /// What a reviewer must hear of it.
    pub review: Review,
    /// JSON pointers into the object that other objects refer to; kept as outputs in the state. Never secrets.
    pub outputs: &'static [&'static str],
    /// How long a creation usually takes, until durations are learned from history.
    pub typical: Duration,
    /// When to give up waiting for readiness.
    pub timeout: Duration,
}

impl Kind {
    /// A kind without special fields: replaced delete-first, holds nothing, five seconds, ten minutes.
    pub const fn plain(name: &'static str) -> Self {
        Self {
            name,
            common: &[],
            fields: &[],
            replace: Replace::DeleteFirst,
            holds: Holds::Nothing,
            origin: None,
            safeguarded: false,
            marked: true,
            preview: false,
            restarts: &[],
            uses: None,
            verdict: None,
            disturbs: None,
            seals: None,
            volume: None,
            unattached: None,
            review: Review::NONE,
            outputs: &[],
            typical: Duration::from_secs(5),
            timeout: Duration::from_secs(600),
        }
    }

    /// Whether it runs programs: something of it restarts when it changes.
    pub fn is_workload(&self) -> bool {
        !self.restarts.is_empty()
    }

    /// All rules.
    pub fn rules(&self) -> impl DoubleEndedIterator<Item = &'static Field> {
        self.common.iter().chain(self.fields)
    }

    /// Whether any rule of a place satisfies `test`.
    pub fn any_rule(&self, path: &Path, test: impl Fn(Rule) -> bool) -> bool {
        self.rules().any(|field| test(field.rule) && path.matches(field.pattern))
    }

    /// Whether values of this place are secrets.
    pub fn is_sensitive(&self, path: &Path) -> bool {
        self.any_rule(path, |rule| matches!(rule, Rule::Sensitive))
    }

    /// Whether a change of this place forces replacement.
    pub fn is_immutable(&self, path: &Path) -> bool {
        self.any_rule(path, |rule| matches!(rule, Rule::Immutable))
    }

    /// Whether this place ties the object to another one: the server sets it, and it is cleared when that one is gone.
    pub fn is_tie(&self, path: &Path) -> bool {
        self.any_rule(path, |rule| matches!(rule, Rule::Tie))
    }

    /// Whether this place is an output that others refer to.
    pub fn is_output(&self, path: &Path) -> bool {
        let pointer = path.to_pointer();
        self.outputs.contains(&pointer.as_str())
    }

    /// How many rules of this kind speak of sensitive fields: lets callers skip the walk.
    pub fn has_sensitive(&self) -> bool {
        self.rules().any(|field| matches!(field.rule, Rule::Sensitive | Rule::SecretLines))
    }

    /// The keys that identify items of the list at this place, if it is a keyed one.
    pub fn list_keys(&self, path: &Path) -> Option<&'static [&'static str]> {
        self.rules().rev().find_map(|field| match field.rule {
            Rule::Keyed(keys) if path.matches(field.pattern) => Some(keys),
            _ => None,
        })
    }

    /// What an absent field and this text are the same as.
    fn default_of(&self, path: &Path) -> Option<&'static str> {
        self.rules().find_map(|field| match field.rule {
            Rule::Default(default) if path.matches(field.pattern) => Some(default),
            _ => None,
        })
    }

    /// What identifies an item of the keyed list at this place, from the texts of its fields: `53` for port 53 with the
    /// protocol that is the default, `53/UDP` for another. `None` if the list is not keyed or the item lacks a key.
    pub fn item_name(&self, list: &Path, field: impl Fn(&str) -> Option<String>) -> Option<String> {
        let (first, others) = self.list_keys(list)?.split_first()?;
        let item = list.then(Segment::Index(0));
        let value = |key: &str| {
            let default = self.default_of(&item.key(key));
            let value = field(key).or_else(|| default.map(str::to_owned))?;
            let is_default = default == Some(value.as_str());
            Some((value, is_default))
        };
        let (mut name, _) = value(first)?;
        for key in others {
            let (value, is_default) = value(key)?;
            if !is_default {
                name.push('/');
                name.push_str(&value);
            }
        }
        Some(name)
    }
}

/// Finds the schema of a kind by the key of the API that it is in and its name: two clouds may each have disks.
/// `resources` provides it.
pub type Kinds = fn(&ProviderKey, &str) -> Option<&'static Kind>;
