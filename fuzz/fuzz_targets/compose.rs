//! Compose files, `.env` and one more file, separated by lines of `%%%`: read, converted, written; twice the same. What is
//! printed of the project reads back as the same project.
#![no_main]

use std::collections::BTreeMap;

use kompox::compose::convert::{
    Access, ConvertInput, IngressInput, IsolationInput, Placement, Scope, VolumeInput, VolumeSource,
    convert, manifest,
};
use kompox::compose::files::{FileError, Files};
use kompox::compose::gate::Gate;
use kompox::compose::load::project::Printing;
use kompox::compose::{ComposeProject, Input, ReadRequest, read};
use kompox::diag::Diagnostics;
use kompox::yaml::Source;
use libfuzzer_sys::fuzz_target;

/// `.env` has the third part, every other file the fourth.
struct Memory<'a> {
    env: Option<&'a str>,
    other: Option<&'a str>,
}

impl Files for Memory<'_> {
    fn read(&self, relative: &str) -> Result<Vec<u8>, FileError> {
        let found = if relative == ".env" { self.env } else { self.other };
        found.map(|text| text.as_bytes().to_vec()).ok_or(FileError::NotFound)
    }

    fn is_file(&self, relative: &str) -> bool {
        self.read(relative).is_ok()
    }

    fn is_dir(&self, _: &str) -> bool {
        false
    }
}

fn said(diagnostics: &Diagnostics) -> String {
    diagnostics.iter().map(|finding| format!("{finding}\n")).collect()
}

fn input_of(name: &str, text: &str) -> Input {
    Input::Text(Source::new(name, text))
}

fn outcome(parts: &[&str]) -> String {
    let part = |index: usize| parts.get(index).copied().filter(|text| !text.is_empty());
    let files = Memory { env: part(2), other: part(3) };
    let mut inputs = vec![input_of("compose.yml", part(0).unwrap_or_default())];
    inputs.extend(part(1).map(|text| input_of("override.yml", text)));
    let environment = BTreeMap::from([("A".to_owned(), "1".to_owned()), ("B".to_owned(), "$A".to_owned())]);
    let gate = Gate::new(environment, None);
    let request = ReadRequest { inputs, profiles: &["*".to_owned()], gate: &gate, files: &files };
    let (project, diagnostics) = read(request);
    assert_eq!(project.is_some(), !diagnostics.has_errors(), "a project exactly when there is no error");
    let Some(project) = project else { return said(&diagnostics) };
    let scope = Scope { workspace: "w".into(), provider: "p".into(), cluster: "c".into(), app: "a".into() };
    let volume = |name: &str| VolumeInput {
        name: name.to_owned(),
        disk: None,
        access: Access::ReadWriteOnce,
        size_bytes: 1 << 30,
        source: VolumeSource::Csi {
            driver: "disk.csi.azure.com".to_owned(),
            handle: format!("/disks/{name}"),
            attributes: BTreeMap::new(),
        },
        storage_class: "managed-csi".to_owned(),
        previous_handle: None,
        origin: None,
    };
    let input = ConvertInput {
        scope,
        provider_driver: "aks",
        compose: &project,
        volumes: vec![volume("default"), volume("data")],
        ingress: IngressInput::default(),
        placement: Placement::default(),
        resources: BTreeMap::new(),
        isolation: IsolationInput::default(),
        network_rules: Vec::new(),
        boxes: Vec::new(),
        live_secret_hashes: BTreeMap::new(),
    };
    let (rendered, diagnostics) = convert(&input);
    assert_eq!(rendered.is_some(), !diagnostics.has_errors(), "objects exactly when there is no error");
    let print = |project: &ComposeProject, show_secrets| {
        project.canonical.yaml(Printing { files: None, show_secrets }).0.expect("every project can be printed")
    };
    print(&project, false);
    let mut text = print(&project, true);
    let inputs = vec![input_of("compose.yml", &text)];
    let (again, findings) = read(ReadRequest { inputs, profiles: &["*".to_owned()], gate: &gate, files: &files });
    let again = again.unwrap_or_else(|| panic!("{text}\n{}", said(&findings)));
    assert_eq!(print(&again, true), text, "what is canonical stays");
    text.push_str(&said(&diagnostics));
    if let Some(rendered) = rendered {
        text.push_str(&manifest(&rendered, true).expect("every object can be written"));
        manifest(&rendered, false).expect("every masked object can be written");
    }
    text
}

fuzz_target!(|text: &str| {
    let parts: Vec<&str> = text.split("\n%%%\n").collect();
    assert_eq!(outcome(&parts), outcome(&parts));
});
