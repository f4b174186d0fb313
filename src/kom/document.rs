//! What every KOM document has: `apiVersion`, `kind`, `metadata` with the Resource ID, and a place in a file.

use std::collections::BTreeMap;
use std::path::Path;

use super::id::{LABEL_MAX, ResourceId, ResourceKind};
use super::layout::legacy_unsupported;
use super::model::{Located, Meta};
use super::reader::{Fields, Reader};
use super::suggest::closest;
use crate::diag::Diagnostic;
use crate::yaml::Node;

/// The `apiVersion` of every KOM document.
pub const API_VERSION: &str = "ops.kompox.dev/v1alpha1";
/// The annotation that holds the Resource ID.
pub const ID_ANNOTATION: &str = "ops.kompox.dev/id";
/// The annotation (ext) that names the ID before a rename.
pub const MOVED_FROM_ANNOTATION: &str = "ops.kompox.dev/moved-from";
/// The annotation the loader records: the file's real path.
pub const DOC_PATH_ANNOTATION: &str = "ops.kompox.dev/doc-path";
/// The annotation the loader records: the document's number in its file, from 1.
pub const DOC_INDEX_ANNOTATION: &str = "ops.kompox.dev/doc-index";

const ANNOTATION_PREFIX: &str = "ops.kompox.dev/";
const ANNOTATIONS: [&str; 4] = [ID_ANNOTATION, MOVED_FROM_ANNOTATION, DOC_PATH_ANNOTATION, DOC_INDEX_ANNOTATION];
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
    /// An object whose ID is known but whose envelope is wrong: others may still refer to it.
    Broken(Located<ResourceId>),
    /// An object and its `spec`, if there is one.
    Object(Box<Meta>, Option<&'n Node>),
}

/// Reads the envelope of a document.
pub(super) fn read<'n>(reader: &mut Reader<'_>, node: &'n Node, place: Place<'_>) -> Document<'n> {
    if node.is_null() || !is_kom(reader, node) {
        return Document::None;
    }
    let known = ["apiVersion", "kind", "metadata", "spec", "status"];
    let Some(fields) = reader.fields(node, "a KOM document", &known) else { return Document::None };
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
    let Some(entries) = node.as_mapping() else {
        reader.wrong_type(node, "a KOM document", "a mapping with apiVersion, kind, metadata and spec");
        return false;
    };
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
            let parts = ["workspace", "service", "provider", "cluster", "app"];
            let legacy =
                node.get("version").is_some() && entries.iter().any(|entry| parts.contains(&entry.key.as_str()));
            if legacy {
                reader.report(legacy_unsupported("this file"), &node.location);
            } else {
                let help = format!("write `apiVersion: {API_VERSION}`, or move the file away if it is no KOM");
                reader.error("kom-required", "this document has no \"apiVersion\"", &node.location, help);
            }
            false
        }
    }
}

fn object<'n>(reader: &mut Reader<'_>, fields: Fields<'n>, kind: ResourceKind, place: Place<'_>) -> Document<'n> {
    let example = format!("{}/<name>", example_id(kind));
    let Some(node) = fields.get("metadata") else {
        reader.missing(
            fields,
            "metadata",
            format!("write metadata with name and the annotation {ID_ANNOTATION}: {example}"),
        );
        return Document::None;
    };
    let what = format!("the metadata of {}", kind.with_article());
    let Some(metadata) = reader.fields(node, &what, &["name", "annotations", "labels"]) else { return Document::None };
    let name = reader.name(metadata, LABEL_MAX);
    let annotations = annotations(reader, metadata);
    let Some(written) = annotations.get(ID_ANNOTATION) else {
        let message = format!("{what} has no annotation \"{ID_ANNOTATION}\"");
        let at = metadata.key_location("annotations").unwrap_or(metadata.location);
        reader.error("kom-required", message, at, format!("write annotations: {{{ID_ANNOTATION}: {example}}}"));
        return Document::None;
    };
    let id = match ResourceId::parse(&written.value) {
        Ok(id) => id,
        Err(error) => {
            let message = format!("\"{}\" is no Resource ID: {error}", written.value);
            reader.error(
                "kom-resource-id",
                message,
                &written.location,
                format!("the ID of {} reads {example}", kind.with_article()),
            );
            return Document::None;
        }
    };
    let id = Located::new(id, written.location.clone());
    let mut valid = true;
    if id.value.kind() != kind {
        let message = format!(
            "the Resource ID {} is that of {}, but the kind is {kind}",
            id.value,
            id.value.kind().with_article()
        );
        reader.error(
            "kom-resource-id",
            message,
            &id.location,
            format!("the ID of {} reads {example}", kind.with_article()),
        );
        valid = false;
    }
    if let Some(name) = &name
        && name.value != id.value.name()
    {
        let message = format!("the Resource ID ends in \"{}\", but the name is \"{}\"", id.value.name(), name.value);
        reader.error("kom-resource-id", message, &id.location, "make metadata.name and the last segment equal");
        valid = false;
    }
    let moved_from = moved_from(reader, annotations.get(MOVED_FROM_ANNOTATION), &id.value);
    let (true, Some(name)) = (valid, name) else { return Document::Broken(id) };
    let mut annotations: BTreeMap<String, String> =
        annotations.into_iter().map(|(key, located)| (key, located.value)).collect();
    annotations.insert(DOC_PATH_ANNOTATION.to_owned(), place.file.to_string_lossy().into_owned());
    annotations.insert(DOC_INDEX_ANNOTATION.to_owned(), place.index.to_string());
    let meta = Meta {
        id: id.value,
        name: name.value,
        location: fields.location.clone(),
        id_location: id.location,
        doc_index: place.index,
        file: place.file.to_owned(),
        in_app_file: place.in_app_file,
        moved_from,
        annotations,
    };
    Document::Object(Box::new(meta), fields.get("spec"))
}

fn example_id(kind: ResourceKind) -> String {
    let mut text = String::new();
    for outer in ResourceKind::ALL.into_iter().take_while(|outer| *outer < kind) {
        text.push_str(&format!("/{0}/<{0}>", outer.short()));
    }
    format!("{text}/{}", kind.short())
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
