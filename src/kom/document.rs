//! What every KOM document has: `apiVersion`, `kind`, `metadata` with the Resource ID, and a place in a file.

use std::collections::BTreeMap;
use std::path::Path;

use super::id::{ResourceId, ResourceKind};
use super::keys::{
    self, ANNOTATION_PREFIX, ANNOTATIONS, API_VERSION, DOC_INDEX_ANNOTATION, DOC_PATH_ANNOTATION, ID_ANNOTATION,
    MOVED_FROM_ANNOTATION,
};
use super::legacy;
use super::model::{Located, Meta};
use super::reader::{Fields, Reader};
use crate::diag::Diagnostic;
use crate::text::dns::LABEL_MAX;
use crate::text::suggest::closest;
use crate::yaml::Node;

const KINDS: [&str; 6] = ["Workspace", "Provider", "Cluster", "App", "Box", "Defaults"];

/// Where a document is.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// The real path of its file.
    pub file: &'a Path,
    /// Whether that is the app file.
    pub in_app_file: bool,
    /// Its number in the file, from 1.
    pub index: usize,
}

/// A document as far as its envelope tells.
pub(super) enum Document<'n> {
    /// Nothing to load: empty, of another apiVersion, or too broken to say what it is.
    None,
    /// A `Defaults` document with its fields.
    Defaults(Fields<'n>),
    /// An object; also one whose envelope is wrong, so that its `spec` is checked all the same.
    Object(Box<Object<'n>>),
}

/// An object as far as its envelope tells.
pub(super) struct Object<'n> {
    /// Its kind.
    pub kind: ResourceKind,
    /// Its identity. Where `id` is none the ID here is a stand-in; where the name is missing it is "".
    pub meta: Meta,
    /// Its ID as written, which others may refer to even if the rest is wrong.
    pub id: Option<ResourceId>,
    /// Whether the envelope is right.
    pub valid: bool,
    /// Its `spec`, if there is one.
    pub spec: Option<&'n Node>,
}

/// Reads the envelope of a document.
pub(super) fn read<'n>(reader: &mut Reader<'_>, node: &'n Node, place: Place<'_>) -> Document<'n> {
    if node.is_null() || !is_kom(reader, node) {
        return Document::None;
    }
    let Some(fields) = reader.fields(node, "a KOM document", &keys::DOCUMENT) else { return Document::None };
    let help = format!("it is one of {}", KINDS.join(", "));
    let Some(kind) = reader.required_text(fields, "kind", &help) else { return Document::None };
    if kind.value == "Defaults" {
        return Document::Defaults(fields);
    }
    let Some(kind) = ResourceKind::ALL.into_iter().find(|known| known.name() == kind.value) else {
        let help = match closest(&kind.value, KINDS) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => help,
        };
        reader.error("kom-kind", format!("\"{}\" is no kind of KOM document", kind.value), &kind.location, help);
        return Document::None;
    };
    object(reader, fields, kind, place)
}

/// Whether the document is KOM of the version read here; says why where it is not.
fn is_kom(reader: &mut Reader<'_>, node: &Node) -> bool {
    if node.as_mapping().is_none() {
        reader.wrong_type(node, "a KOM document", "a mapping with apiVersion, kind, metadata and spec");
        return false;
    }
    match node.get("apiVersion").and_then(Node::as_text) {
        Some(API_VERSION) => true,
        Some(other) => {
            let at = node.get("apiVersion").map_or(&node.location, |value| &value.location);
            let message = format!("this document is skipped: its apiVersion is \"{other}\"");
            // A slip in our own group would drop an object from the plan, which deserves more than a note.
            let ours = other.starts_with(ANNOTATION_PREFIX) || closest(other, [API_VERSION]).is_some();
            let diagnostic = if ours {
                Diagnostic::warning("kom-skipped", message)
                    .help(format!("write `apiVersion: {API_VERSION}` to load it"))
            } else {
                Diagnostic::note("kom-skipped", message)
            };
            reader.report(diagnostic, at);
            false
        }
        None => {
            if legacy::is_legacy(node) {
                reader.report(legacy::not_alone(), &node.location);
            } else {
                let help = format!("write `apiVersion: {API_VERSION}`, or move the file away if it is no KOM");
                reader.error("kom-required", "this document has no \"apiVersion\"", &node.location, help);
            }
            false
        }
    }
}

fn object<'n>(reader: &mut Reader<'_>, fields: Fields<'n>, kind: ResourceKind, place: Place<'_>) -> Document<'n> {
    let identity = match fields.get("metadata") {
        Some(node) => identity(reader, node, kind),
        None => {
            let help = format!("write metadata with name and the annotation {ID_ANNOTATION}: {}", example_id(kind));
            reader.missing(fields, "metadata", help);
            None
        }
    };
    let Identity { name, id, valid, moved_from, mut annotations } = identity.unwrap_or_default();
    annotations.insert(DOC_PATH_ANNOTATION.to_owned(), place.file.to_string_lossy().into_owned());
    annotations.insert(DOC_INDEX_ANNOTATION.to_owned(), place.index.to_string());
    let Some(stand_in) = ResourceId::parse(&stand_in(kind)).ok() else { return Document::None };
    let known = id.as_ref().map(|id| id.value.clone());
    let id = id.unwrap_or_else(|| Located::new(stand_in, fields.location.clone()));
    let meta = Meta {
        id: id.value,
        name,
        location: fields.location.clone(),
        id_location: id.location,
        doc_index: place.index,
        file: place.file.to_owned(),
        in_app_file: place.in_app_file,
        moved_from,
        annotations,
    };
    Document::Object(Box::new(Object { kind, meta, id: known, valid, spec: fields.get("spec") }))
}

/// What `metadata` says.
#[derive(Default)]
struct Identity {
    name: String,
    id: Option<Located<ResourceId>>,
    valid: bool,
    moved_from: Option<ResourceId>,
    annotations: BTreeMap<String, String>,
}

fn identity(reader: &mut Reader<'_>, node: &Node, kind: ResourceKind) -> Option<Identity> {
    let what = format!("the metadata of {}", kind.with_article());
    let metadata = reader.fields(node, &what, &keys::METADATA)?;
    let name = reader.name(metadata, LABEL_MAX);
    let annotations = annotations(reader, metadata);
    let id = resource_id(reader, metadata, annotations.get(ID_ANNOTATION), kind);
    let mut valid = name.is_some() && id.as_ref().is_some_and(|id| id.value.kind() == kind);
    if let (Some(name), Some(id)) = (&name, &id)
        && name.value != id.value.name()
    {
        let message = format!("the Resource ID ends in \"{}\", but the name is \"{}\"", id.value.name(), name.value);
        reader.error("kom-resource-id", message, &id.location, "make metadata.name and the last segment equal");
        valid = false;
    }
    let moved_from = match &id {
        Some(id) => moved_from(reader, annotations.get(MOVED_FROM_ANNOTATION), &id.value),
        None => None,
    };
    let annotations = annotations.into_iter().map(|(key, located)| (key, located.value)).collect();
    Some(Identity { name: name.map(|name| name.value).unwrap_or_default(), id, valid, moved_from, annotations })
}

/// The ID as written; reported where it is missing, no ID, or that of another kind.
fn resource_id(
    reader: &mut Reader<'_>,
    metadata: Fields<'_>,
    written: Option<&Located<String>>,
    kind: ResourceKind,
) -> Option<Located<ResourceId>> {
    let help = format!("the ID of {} reads {}", kind.with_article(), example_id(kind));
    let Some(written) = written else {
        let message = format!("{} has no annotation \"{ID_ANNOTATION}\"", metadata.what);
        let at = metadata.key_location("annotations").unwrap_or(metadata.location);
        reader.error(
            "kom-required",
            message,
            at,
            format!("write annotations: {{{ID_ANNOTATION}: {}}}", example_id(kind)),
        );
        return None;
    };
    match ResourceId::parse(&written.value) {
        Ok(id) => {
            if id.kind() != kind {
                let other = id.kind().with_article();
                let message = format!("the Resource ID {id} is that of {other}, but the kind is {kind}");
                reader.error("kom-resource-id", message, &written.location, help);
            }
            Some(Located::new(id, written.location.clone()))
        }
        Err(error) => {
            let message = format!("\"{}\" is no Resource ID: {error}", written.value);
            reader.error("kom-resource-id", message, &written.location, help);
            None
        }
    }
}

/// An ID of this kind for a document whose own cannot be read; it never leaves the loader.
fn stand_in(kind: ResourceKind) -> String {
    ResourceKind::ALL
        .iter()
        .take_while(|outer| **outer <= kind)
        .map(|outer| format!("/{}/unknown", outer.short()))
        .collect()
}

/// How an ID of this kind reads: `/ws/<ws>/prv/<name>`.
fn example_id(kind: ResourceKind) -> String {
    let outer = ResourceKind::ALL.iter().take_while(|outer| **outer < kind);
    let parents: String = outer.map(|outer| format!("/{0}/<{0}>", outer.short())).collect();
    format!("{parents}/{}/<name>", kind.short())
}

fn annotations(reader: &mut Reader<'_>, metadata: Fields<'_>) -> BTreeMap<String, Located<String>> {
    let annotations = reader.scalars(metadata, "annotations");
    let node = metadata.get("annotations");
    for entry in node.and_then(Node::as_mapping).unwrap_or_default() {
        let key = entry.key.as_str();
        // Other domains belong to others; a slip in ours would silently unset it.
        let ours = key.to_ascii_lowercase().starts_with(ANNOTATION_PREFIX);
        if ANNOTATIONS.contains(&key) {
            continue;
        }
        match closest(key, ANNOTATIONS) {
            Some(near) if ours || key.contains("kompox") => {
                let message = format!("there is no annotation \"{key}\"");
                reader.error("kom-unknown-key", message, &entry.key_location, format!("did you mean \"{near}\"?"));
            }
            _ if ours => {
                let diagnostic = Diagnostic::warning("kom-unknown-key", format!("there is no annotation \"{key}\""))
                    .help("it is ignored; take it out");
                reader.report(diagnostic, &entry.key_location);
            }
            _ => {}
        }
    }
    annotations
}

fn moved_from(reader: &mut Reader<'_>, written: Option<&Located<String>>, id: &ResourceId) -> Option<ResourceId> {
    let written = written.filter(|written| !written.value.is_empty())?;
    let problem = match ResourceId::parse(&written.value) {
        Err(error) => format!("\"{}\" is no Resource ID: {error}", written.value),
        Ok(old) if old == *id => format!("{id} cannot have moved from itself"),
        Ok(old) if old.kind() != id.kind() => {
            format!("{old} is {}, not {}", old.kind().with_article(), id.kind().with_article())
        }
        Ok(old) => return Some(old),
    };
    reader.error("kom-moved-from", problem, &written.location, "write the ID that the object had before the rename");
    None
}
