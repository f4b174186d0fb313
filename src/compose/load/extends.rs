//! `extends`: a service over another one, of this file or of another.

use std::collections::HashMap;
use std::rc::Rc;

use super::fault::{Step, fail};
use super::limits::{self, MAX_DEPTH};
use super::loader::{Loader, Scope};
use super::parse::{self, reset_below};
use super::path::Path;
use super::{canonical, merge, paths, unicity};
use crate::compose::tree::{Tree, TreeContent};
use crate::diag::Location;

/// Files that services extend and that were read, canonical, by scope and path.
pub(super) type Known = HashMap<(usize, String), BaseFile>;

/// The services of a file that others extend, and what its tags take away.
#[derive(Clone)]
pub(super) struct BaseFile {
    services: Tree,
    resets: Rc<Vec<Vec<String>>>,
}

/// Services that are being resolved: file and name.
type Chain = Vec<(String, String)>;

/// Where a service comes from.
struct Origin<'r> {
    /// The file that is being read.
    file: &'r str,
    resets: Rc<Vec<Vec<String>>>,
    /// `services` or `jobs`.
    kind: &'r str,
}

/// Resolves `extends`.
pub(super) struct Extender<'e, 'a> {
    pub(super) loader: &'e mut Loader<'a>,
    pub(super) known: &'e mut Known,
}

impl Extender<'_, '_> {
    /// Resolves `extends` of every service of a document.
    pub(super) fn extend(&mut self, tree: &mut Tree, file: &str, resets: &[Vec<String>], scope: &Scope) -> Step<()> {
        let resets = Rc::new(resets.to_vec());
        for kind in ["services", "jobs"] {
            let Some(services) = tree.get_mut(kind) else { continue };
            let TreeContent::Mapping(entries) = &services.content else {
                return fail(
                    "compose-type",
                    format!("{kind} must be a mapping, not {}", services.kind()),
                    &services.location,
                );
            };
            let names: Vec<String> = entries.iter().map(|entry| entry.key.clone()).collect();
            let origin = Origin { file, resets: resets.clone(), kind };
            for name in names {
                self.extend_service(&name, services, &origin, &Vec::new(), scope)?;
            }
        }
        Ok(())
    }

    /// Resolves one service in place and all that it extends.
    fn extend_service(
        &mut self,
        name: &str,
        services: &mut Tree,
        origin: &Origin<'_>,
        chain: &Chain,
        scope: &Scope,
    ) -> Step<()> {
        let path = Path::ROOT.key(origin.kind);
        let path = path.key(name);
        let Some(service) = services.get(name).filter(|service| !service.is_null()) else { return Ok(()) };
        if service.as_mapping().is_none() {
            return fail(
                "compose-type",
                format!("{path} must be a mapping, not {}", service.kind()),
                &service.location,
            );
        }
        let Some(extends) = service.get("extends") else { return Ok(()) };
        let location = extends.location.clone();
        let (reference, file) = reference(extends, &path)?;
        let mut other;
        let (source, resets, filename) = match &file {
            Some(file) => {
                let base = self.base_file(file, &location, scope)?;
                other = base.services;
                (&mut other, base.resets, file.as_str())
            }
            None => (&mut *services, origin.resets.clone(), origin.file),
        };
        if source.get(&reference).is_none() {
            let place = if file.is_some() { filename } else { "this file" };
            return fail(
                "compose-extends",
                format!("{path} extends {reference}, which {place} does not define"),
                &location,
            );
        }
        let step = (filename.to_owned(), name.to_owned());
        if chain.contains(&step) {
            let mut names: Vec<&str> = chain.iter().map(|(_, name)| name.as_str()).collect();
            names.push(name);
            return fail("compose-extends", format!("services extend each other: {}", names.join(" → ")), &location);
        }
        if chain.len() >= MAX_DEPTH {
            return fail("compose-limit", format!("services extend each other more than {MAX_DEPTH} deep"), &location);
        }
        let mut chain = chain.clone();
        chain.push(step);
        let inner = Origin { file: origin.file, resets, kind: origin.kind };
        self.extend_service(&reference, source, &inner, &chain, scope)?;
        let Some(mut base) = source.get(&reference).filter(|base| !base.is_null()).cloned() else { return Ok(()) };
        reset_below(&mut base, &["services", name], &origin.resets);
        let Some(own) = services.get_mut(name) else { return Ok(()) };
        let place = own.location.clone();
        let service = std::mem::replace(own, Tree::null(place));
        let mut merged = merge::service(base, service, &path)?;
        merged.remove("extends");
        *own = merged;
        Ok(())
    }

    /// The services of another file, canonical, their paths counted from this one's folder.
    fn base_file(&mut self, file: &str, location: &Location, scope: &Scope) -> Step<BaseFile> {
        let full = if paths::is_absolute(file) { file.to_owned() } else { paths::join(&scope.folder, file) };
        let key = (scope.id, full.clone());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let opened = self.loader.open(&full, "extends", location)?;
        let mut merged: Option<Tree> = None;
        let mut resets = Vec::new();
        for node in opened.documents {
            let document = self.loader.lower(node, scope)?;
            let tree = document.tree;
            resets = document.resets;
            limits::services(&tree)?;
            if let Some(base) = &mut merged {
                parse::reset(base, &resets);
            }
            let place = tree.location.clone();
            let base = merged.take().unwrap_or_else(|| Tree::mapping(place, Vec::new()));
            let mut tree = merge::files(base, tree)?;
            unicity::enforce(&mut tree)?;
            canonical::canonical(&mut tree)?;
            unicity::enforce(&mut tree)?;
            merged = Some(tree);
        }
        let mut tree = merged.unwrap_or_else(|| Tree::null(opened.location.clone()));
        if tree.get("services").is_none() {
            return fail("compose-extends", format!("{file} has no services to extend"), location);
        }
        let dir = paths::relative(&scope.folder, &paths::folder(&full));
        self.loader.resolve_paths(&mut tree, &dir)?;
        let services = tree.remove("services").unwrap_or_else(|| Tree::null(opened.location.clone()));
        if services.as_mapping().is_none() {
            let message = format!("services must be a mapping, not {}", services.kind());
            return fail("compose-type", message, &services.location);
        }
        let base = BaseFile { services, resets: Rc::new(resets) };
        self.known.insert(key, base.clone());
        Ok(base)
    }
}

/// The service and the file that `extends` names.
fn reference(extends: &Tree, path: &Path<'_>) -> Step<(String, Option<String>)> {
    let path = path.key("extends");
    if let Some(text) = extends.as_str() {
        return Ok((text.to_owned(), None));
    }
    let Some(service) = extends.get("service").and_then(Tree::as_str) else {
        return fail("compose-extends", format!("{path} must name a service"), &extends.location);
    };
    let file = match extends.get("file").filter(|file| !file.is_null()) {
        None => None,
        Some(file) => match file.as_str() {
            Some(text) => Some(text.to_owned()),
            None => {
                let message = format!("{path}.file must be a string, not {}", file.kind());
                return fail("compose-type", message, &file.location);
            }
        },
    };
    Ok((service.to_owned(), file))
}
