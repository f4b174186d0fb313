//! Tests of the loader over real folders.

mod documents;
mod legacy;
mod places;
mod schema;
mod specs;

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::layout::{Layout, LayoutRequest, discover};
use super::load::{LoadOptions, Loaded, load};
use crate::diag::{Diagnostics, Severity};
use crate::yaml::Source;

/// A project folder with `.kompox/`.
struct Folder {
    dir: TempDir,
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self::bare(files);
        fs::create_dir_all(folder.path(".kompox")).unwrap();
        folder
    }

    fn bare(files: &[(&str, &str)]) -> Self {
        let folder = Self { dir: TempDir::new().unwrap() };
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    fn request(&self) -> LayoutRequest {
        LayoutRequest { cwd: self.path(""), ..LayoutRequest::default() }
    }

    fn load(&self) -> Result<Loaded, Diagnostics> {
        self.load_with(&self.request(), &LoadOptions::default())
    }

    fn load_with(&self, request: &LayoutRequest, options: &LoadOptions) -> Result<Loaded, Diagnostics> {
        let loaded = load(&discover(request)?, request, options)?;
        // Whatever loads in any test must be what an editor takes, too.
        schema::assert_valid(&loaded);
        Ok(loaded)
    }

    fn layout(&self) -> Layout {
        discover(&self.request()).unwrap()
    }
}

/// One line per finding: severity, code, place, message, help.
fn lines(diagnostics: &Diagnostics) -> Vec<String> {
    diagnostics
        .iter()
        .map(|d| {
            let severity = match d.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "note",
            };
            assert!(d.severity == Severity::Note || !d.help.is_empty(), "without help: {d}");
            format!(
                "{severity}[{}] {d} | {}",
                d.code,
                d.help.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
            )
        })
        .collect()
}

/// The findings of a load, whether it succeeded or not.
fn findings(result: &Result<Loaded, Diagnostics>) -> Vec<String> {
    match result {
        Ok(loaded) => lines(&loaded.diagnostics),
        Err(diagnostics) => lines(diagnostics),
    }
}

fn errors(result: Result<Loaded, Diagnostics>) -> Diagnostics {
    match result {
        Ok(loaded) => panic!("loaded: {loaded:?}"),
        Err(diagnostics) => diagnostics,
    }
}

/// A document; `spec` is YAML indented by two.
fn document(kind: &str, id: &str, spec: &str) -> String {
    let name = Path::new(id).file_name().unwrap().to_str().unwrap();
    format!(
        "apiVersion: ops.kompox.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n  annotations:\n    \
         ops.kompox.dev/id: {id}\nspec:\n{spec}\n---\n"
    )
}

/// A workspace, a provider and the cluster `/ws/w/prv/p/cls/c`, one document each.
fn ground() -> String {
    document("Workspace", "/ws/w", "  {}")
        + &document("Provider", "/ws/w/prv/p", "  driver: aks")
        + &document("Cluster", "/ws/w/prv/p/cls/c", "  ingress: {domain: in.example.com}")
}

const APP: &str = "/ws/w/prv/p/cls/c/app/a";
