//! The single file of old: read twice the same, and its rewriting as KOM is a project with the same objects.
#![no_main]

use std::fs;
use std::path::Path;

use kompox::diag::Diagnostics;
use kompox::kom::layout::{LayoutRequest, discover};
use kompox::kom::legacy::rewrite;
use kompox::kom::load::{LoadOptions, load};
use kompox::yaml::Source;
use libfuzzer_sys::fuzz_target;

const LEGACY: &str = "kompoxops.yml";
const APP: &str = "kompoxapp.yml";
/// What a project of KOM has beside it.
const FOLDER: &str = ".kompox";

/// The ids of all objects, or what is wrong.
fn outcome(root: &Path) -> Result<Vec<String>, String> {
    let request = LayoutRequest { cwd: root.to_owned(), ..LayoutRequest::default() };
    let loaded = discover(&request).and_then(|layout| load(&layout, &request, &LoadOptions::default()));
    let project = loaded.map_err(|diagnostics| said(&diagnostics))?.project;
    let mut ids: Vec<String> = project.apps.iter().map(|app| app.meta.id.as_str().to_owned()).collect();
    ids.extend(project.clusters.iter().map(|cluster| cluster.meta.id.as_str().to_owned()));
    ids.extend(project.providers.iter().map(|provider| provider.meta.id.as_str().to_owned()));
    Ok(ids)
}

fn said(diagnostics: &Diagnostics) -> String {
    assert!(diagnostics.has_errors(), "a failure without an error");
    diagnostics.iter().map(|finding| format!("{finding}\n")).collect()
}

thread_local! {
    static ROOT: tempfile::TempDir = tempfile::tempdir().expect("a folder");
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    ROOT.with(|root| {
        let root = root.path();
        let _ = (fs::remove_file(root.join(APP)), fs::remove_dir_all(root.join(FOLDER)));
        fs::write(root.join(LEGACY), text.as_bytes()).expect("a file");
        let first = outcome(root);
        assert_eq!(first, outcome(root));
        // An empty file is a project without objects.
        if first.as_ref().is_ok_and(Vec::is_empty) {
            return;
        }
        let rewritten = rewrite(&Source::new(LEGACY, &*text));
        assert!(first.is_err() || rewritten.is_ok(), "it is read, but cannot be rewritten: {text}");
        if let (Ok(ids), Ok(kom)) = (first, rewritten) {
            fs::remove_file(root.join(LEGACY)).expect("it was written");
            fs::create_dir(root.join(FOLDER)).expect("a folder");
            fs::write(root.join(APP), kom.text.as_bytes()).expect("a file");
            assert_eq!(outcome(root), Ok(ids), "{}", kom.text);
        }
    });
});
