//! `docs/manifests.md`, written from the tables of [`super::keys`].

use std::fmt::Write as _;

use super::id::ResourceKind;
use super::keys::{self, API_VERSION, Key, Object, Shape};
use super::keys::{DOC_INDEX_ANNOTATION, DOC_PATH_ANNOTATION, ID_ANNOTATION, MOVED_FROM_ANNOTATION};
use super::limits::{QUOTA_AMOUNTS, QUOTA_COUNTS};
use crate::text::document;

/// `KOMPOX_ACCEPT=1 cargo test --lib kom::reference` writes the document anew.
#[test]
fn the_document_is_that_of_the_tables() {
    document::is_that_of_its_tables("manifests.md", &markdown(), "kom::reference");
}

fn markdown() -> String {
    let mut out = format!(
        "# Every key of the manifests\n\n\
         <!-- Written from the tables of KOM (src/kom/keys.rs); CONTRIBUTING.md says how. Do not edit. -->\n\n\
         The same tables check manifests and make the JSON Schema (`kompox schema`). What `settings` and `options` take is in \
         [settings.md](settings.md), what a compose file may have in [compose-support.md](compose-support.md), and how \
         `kompox init` writes all of it in [init.md](init.md). A key that is close to a known one is an error that says which; \
         any other that is not known is a warning. Numbers and booleans are taken as texts where a text is asked for, and null \
         as absent.\n\n\
         ## Every document\n\n\
         | key | |\n|---|---|\n\
         | `apiVersion` | **must** be `{API_VERSION}`; documents of another one are left out with a note |\n\
         | `kind` | **must** be one of the kinds below |\n\
         | `metadata.name` | **must** be there, but for `Defaults`: a DNS label, the last part of the Resource ID |\n\
         | `metadata.annotations[\"{ID_ANNOTATION}\"]` | **must** be there, but for `Defaults`: the Resource ID |\n\
         | `metadata.annotations[\"{MOVED_FROM_ANNOTATION}\"]` | the Resource ID before a rename: what there is keeps its objects |\n\
         | `metadata.annotations[\"{DOC_PATH_ANNOTATION}\"]`, `[\"{DOC_INDEX_ANNOTATION}\"]` | written by the loader; ignored in files |\n\
         | `spec` | the tables below |\n\
         | `status` | ignored |\n",
    );
    for kind in ResourceKind::ALL {
        section(&mut out, kind.name(), keys::spec(kind));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\nIts Resource ID is `{}`.", example(kind));
    }
    section(&mut out, "Defaults", &keys::DEFAULTS);
    let names = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let _ = write!(
        out,
        "\n## What a quota limits\n\n\
         By amount: {}. By number: {}, and `count/<plural>.<group>` for objects of any kind. \
         `<class>.storageclass.storage.k8s.io/requests.storage` and `…/persistentvolumeclaims` are for one StorageClass, and \
         devices such as `requests.nvidia.com/gpu` have a domain in their names.\n\n\
         ## `.kompox/config.yml`\n\n",
        names(&QUOTA_AMOUNTS),
        names(&QUOTA_COUNTS),
    );
    table(&mut out, "", &keys::CONFIG);
    out
}

fn example(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Workspace => "/ws/<name>",
        ResourceKind::Provider => "/ws/<ws>/prv/<name>",
        ResourceKind::Cluster => "/ws/<ws>/prv/<prv>/cls/<name>",
        ResourceKind::App => "/ws/<ws>/prv/<prv>/cls/<cls>/app/<name>",
        ResourceKind::Box => "/ws/<ws>/prv/<prv>/cls/<cls>/app/<app>/box/<name>",
    }
}

fn section(out: &mut String, name: &str, object: &Object) {
    // "A Provider: one account of a cloud" below its own title.
    let about = object.about.split_once(": ").map_or(object.about, |(_, about)| about);
    let _ = write!(out, "\n## {name}\n\n{}{}.\n\n", about[..1].to_uppercase(), &about[1..]);
    table(out, "spec.", object);
}

fn table(out: &mut String, above: &str, object: &Object) {
    out.push_str("| key | takes | |\n|---|---|---|\n");
    rows(out, above, object);
}

/// A row for each key, below it those of what it takes.
fn rows(out: &mut String, above: &str, object: &Object) {
    for key in object.keys {
        let path = format!("{above}{}", key.name);
        let must = if key.required { "**must**: " } else { "" };
        let _ = writeln!(out, "| `{path}` | {must}{} | {} |", takes(key), key.about);
        match key.shape {
            Shape::Object(inner) => rows(out, &format!("{path}."), inner),
            Shape::Objects(inner) => rows(out, &format!("{path}[]."), inner),
            _ => {}
        }
    }
}

fn takes(key: &Key) -> String {
    match &key.shape {
        Shape::Text => "text".to_owned(),
        Shape::Label(most) => format!("DNS label of at most {most} characters"),
        Shape::Pattern(pattern) => format!("text like `{pattern}`"),
        Shape::Choice(words) => words().iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Shape::Boolean => "`true`, `false`".to_owned(),
        Shape::Integer(least, most) => format!("whole number, {least} to {most}"),
        Shape::Texts => "list of texts".to_owned(),
        Shape::AnyTexts => "list of texts, or none".to_owned(),
        Shape::Scalars => "mapping of texts".to_owned(),
        Shape::Settings(_) => "mapping of texts, by driver".to_owned(),
        Shape::Object(_) => "mapping".to_owned(),
        Shape::Objects(_) => "list of mappings".to_owned(),
        Shape::Quota => "mapping of amounts and numbers".to_owned(),
        Shape::Compose => "`file:` and a path, a list of such, or the definition itself".to_owned(),
        Shape::Id(kind) => format!("Resource ID of one: {}", kind.name()),
        Shape::Reserved => "nothing: it may not be written".to_owned(),
    }
}
