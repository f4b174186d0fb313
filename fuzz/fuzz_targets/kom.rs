//! A whole project: app file, one more KOM file, the configuration, a compose file. Parts are separated by lines of `%%%`.
#![no_main]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use kompox::compose::convert::manifest;
use kompox::compose::gate::Gate;
use kompox::diag::Diagnostics;
use kompox::kom::layout::{LayoutRequest, discover};
use kompox::kom::load::{LoadOptions, Loaded, load};
use kompox::resources::expand::{Keep, Request, expand};
use kompox::resources::scope::{Chance, StateView};
use kompox_state::Digester;
use libfuzzer_sys::fuzz_target;

const FILES: [&str; 4] = ["kompoxapp.yml", ".kompox/kom/more.yml", ".kompox/config.yml", "compose.yml"];

fn read(root: &Path) -> Result<Loaded, Diagnostics> {
    let request = LayoutRequest { cwd: root.to_owned(), ..LayoutRequest::default() };
    load(&discover(&request)?, &request, &LoadOptions::default())
}

/// What a project renders to, or what is wrong with it.
fn outcome(root: &Path) -> String {
    let loaded = match read(root) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            assert!(diagnostics.has_errors(), "a failure without an error");
            return said(&diagnostics);
        }
    };
    assert!(!loaded.diagnostics.has_errors(), "loaded with an error");
    let environment: BTreeMap<String, String> = BTreeMap::from([("A".to_owned(), "1".to_owned())]);
    let gate = Gate::new(environment.clone(), None);
    let state = StateView {
        lineage: String::new(),
        digester: Digester::new(&[0; 32]),
        known: BTreeMap::new(),
        chosen: BTreeMap::new(),
        imports: BTreeMap::new(),
        found: BTreeMap::new(),
    };
    let request = Request {
        keep: Keep::Rendered,
        project: &loaded.project,
        sources: &loaded.sources,
        leaves_out: &|_| false,
        environment: &environment,
        gate: &gate,
        state: &state,
        chance: Chance { now: SystemTime::UNIX_EPOCH, random: &|| 0 },
    };
    match expand(&request) {
        Ok(expanded) => {
            let mut text = String::new();
            for (_, rendered) in &expanded.rendered {
                text.push_str(&manifest(rendered, true).expect("every object can be written"));
            }
            text
        }
        Err(diagnostics) => {
            assert!(diagnostics.has_errors(), "a failure without an error");
            said(&diagnostics)
        }
    }
}

/// As a terminal gets it: nothing in it may steer that.
fn said(diagnostics: &Diagnostics) -> String {
    let style = kompox::report::Style { unicode: false, width: 80, ..kompox::report::Style::PLAIN };
    let mut text = Vec::new();
    kompox::report::diagnostics::text(&mut text, diagnostics, &style).expect("a vector takes everything");
    let text = String::from_utf8(text).expect("text");
    assert!(!text.contains(|c| c != '\n' && kompox::report::escape::is_unsafe(c)), "{text:?}");
    text
}

thread_local! {
    static ROOT: tempfile::TempDir = {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join(".kompox/kom")).expect("a folder");
        root
    };
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split("\n%%%\n");
    ROOT.with(|root| {
        for file in FILES {
            fs::write(root.path().join(file), parts.next().unwrap_or_default()).expect("a file");
        }
        let first = outcome(root.path());
        assert_eq!(first, outcome(root.path()));
    });
});
