use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::project::{Printing, Project, Strictness};
use super::*;
use crate::compose::files::{FileError, Files};
use crate::yaml::Source;

/// Files held in memory, below `/p`.
struct Memory(BTreeMap<String, String>);

impl Files for Memory {
    fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        self.0.get(path).map(|text| text.clone().into_bytes()).ok_or(FileError::NotFound)
    }
    fn is_file(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }
    fn is_dir(&self, path: &str) -> bool {
        self.0.keys().any(|file| file.starts_with(&format!("{path}/")))
    }
}

/// Loads the first files, the others beside them; `show` shows secrets.
fn run(main: &[(&str, &str)], others: &[(&str, &str)], show: bool) -> Result<Json, String> {
    let files = Memory(others.iter().map(|(name, text)| (format!("/p/{name}"), (*text).to_owned())).collect());
    let inputs =
        main.iter().map(|(name, text)| (Input::Text(Source::new(*name, *text)), format!("/p/{name}"))).collect();
    let request = Request {
        inputs,
        name: Name::Found("p".to_owned()),
        working_dir: "/p".to_owned(),
        home: Some("/home/me".to_owned()),
        environment: BTreeMap::from([("VAR".to_owned(), "value".to_owned()), ("TAG".to_owned(), "1.2".to_owned())]),
        files: &files,
        display: &|path| path.strip_prefix("/p/").unwrap_or(path).to_owned(),
    };
    let (loaded, _, findings) = load(request);
    let told = |findings: &Diagnostics| findings.iter().map(|found| format!("{} {found}\n", found.code)).collect();
    let Some(loaded) = loaded else { return Err(told(&findings)) };
    let (project, findings) = Project::complete(loaded, &[], Strictness::Compose);
    let Some(project) = project else { return Err(told(&findings)) };
    let (json, findings) = project.json(Printing { files: Some(&files), show_secrets: show });
    json.ok_or_else(|| told(&findings))
}

fn one(text: &str) -> Result<Json, String> {
    run(&[("compose.yml", text)], &[], true)
}

#[test]
fn files_are_merged_with_their_tags() {
    let base = "services: {a: {image: x, ports: ['80:80'], environment: {A: 1, B: 2}, command: a b, tty: true}}";
    let over = "services: {a: {ports: !override ['81:80'], environment: [B=3, A=x], command: [c], tty: !reset null}}";
    let a = &run(&[("compose.yml", base), ("over.yml", over)], &[], true).unwrap()["services"]["a"];
    assert_eq!(a["environment"], json!({"A": "x", "B": "3"}));
    assert_eq!(a["ports"][0]["published"], "81");
    assert_eq!((a["ports"].as_array().unwrap().len(), &a["command"], a.get("tty")), (1, &json!(["c"]), None));
}

#[test]
fn services_extend_others_of_other_folders() {
    let main = "services: {web: {extends: {file: sub/base.yml, service: app}, environment: {A: 2}}}";
    let base = "services: {app: {extends: root, build: ctx, volumes: ['./d:/d'], environment: {A: 1, T: '${TAG}'}}, \
                root: {image: x, user: '7'}}";
    let project = run(&[("compose.yml", main)], &[("sub/base.yml", base)], true).unwrap();
    let web = &project["services"]["web"];
    assert_eq!(web["environment"], json!({"A": "2", "T": "1.2"}));
    assert_eq!(web["volumes"][0]["source"], "/p/sub/d");
    assert_eq!((&web["build"]["context"], &web["user"]), (&json!("/p/sub/ctx"), &json!("7")));
    assert!(project["services"].get("app").is_none());
}

#[test]
fn included_files_have_their_own_folder_and_variables() {
    let main = "include: [sub/a.yml]\nservices: {web: {image: x, depends_on: [db]}}";
    let others = [
        ("sub/a.yml", "include: [b.yml]\nservices: {db: {image: 'db:${DB}', env_file: db.env}}"),
        ("sub/b.yml", "volumes: {v: }"),
        ("sub/.env", "DB=7\nTAG=ignored\n"),
        ("sub/db.env", "X=$TAG\n"),
    ];
    let project = run(&[("compose.yml", main)], &others, true).unwrap();
    assert_eq!(project["services"]["db"]["image"], "db:7");
    assert_eq!(project["services"]["db"]["environment"], json!({"X": "1.2"}));
    assert_eq!(project["volumes"], json!({"v": {"name": "p_v"}}));
}

#[test]
fn errors_stand_where_they_were_written() {
    let base = "services:\n  app:\n    image: x\n    portz: []\n    command: '${'\n";
    for (main, others, expected) in [
        (
            "services:\n  web:\n    extends: {file: b.yml, service: app}\n",
            vec![("b.yml", base)],
            "compose-interpolation b.yml:5:14: services.app.command: invalid interpolation",
        ),
        (
            "include: [b.yml]\n",
            vec![("b.yml", "services:\n  a:\n    imag: x\n")],
            "compose-unknown-key b.yml:3:5: services.a",
        ),
        (
            "x-a: &a\n  ports: [{target: '${VAR}'}]\nservices:\n  web:\n    <<: *a\n    image: x\n",
            vec![],
            "compose-type compose.yml:2:20: services.web.ports[0].target must be an integer; the value is none",
        ),
        ("include: [compose.yml]", vec![], "compose-include compose.yml:1:11: files include each other"),
        (
            "services: {a: {extends: b}, b: {extends: a}}",
            vec![],
            "compose-extends compose.yml:1:25: services extend each other: a → b → a",
        ),
        (
            "services: {a: {image: x, volumes: [dta:/d]}}\nvolumes: {data: }",
            vec![],
            "compose-undefined compose.yml:1:36: a uses the volume dta",
        ),
        (
            "services: {a: {image: x, networks: [n]}}",
            vec![],
            "compose-undefined compose.yml:1:37: a uses the network n",
        ),
        ("services: {a: {image: 1}}", vec![], "services.a.image must be a string, not an integer"),
        ("services: {a: {image: x, labels: {1: x}}}", vec![], "compose-key compose.yml:1:35: the key 1 is no text"),
        (
            "services: {a: {image: x, ports: [80, 80]}}\nservices2: {}",
            vec![],
            "the compose file has no key \"services2\"",
        ),
    ] {
        let error = run(&[("compose.yml", main)], &others, true).expect_err(main);
        assert!(error.contains(expected), "{main}\n{error}");
    }
}

#[test]
fn several_errors_are_told_at_once() {
    let error = one("services:\n  a: {image: x, portz: 1, restart: 5}\n  b: {immage: y}\n").unwrap_err();
    assert_eq!(error.lines().count(), 3, "{error}");
    let error = one("services:\n  a: {image: x, configs: [c], secrets: [s]}\n  b: {}\n").unwrap_err();
    assert_eq!(error.lines().count(), 3, "{error}");
}

#[test]
fn secrets_are_masked() {
    let text = "services: {a: {image: 'x:${TAG}', environment: {PASSWORD: hunter2, OPEN: '1', V: '${VAR}', U: 'http://a:hunter2@b'}, \
                command: [run, --token, hunter2], env_file: e.env}}\nconfigs: {c: {content: '${VAR}'}}\nx-a: {password: hunter2}";
    let others = [("e.env", "E=hunter2\n")];
    let shown = run(&[("compose.yml", text)], &others, true).unwrap();
    assert_eq!(shown["services"]["a"]["environment"]["E"], "hunter2");
    let masked = run(&[("compose.yml", text)], &others, false).unwrap();
    let printed = masked.to_string();
    assert!(!printed.contains("hunter2") && !printed.contains("\"value\""), "{printed}");
    assert_eq!(
        (&masked["services"]["a"]["environment"]["OPEN"], &masked["services"]["a"]["image"]),
        (&json!("1"), &json!("x:1.2"))
    );
}

#[test]
fn errors_never_show_values() {
    for text in [
        "services: {a: {image: x, env_file: e.env}}",
        "services: {a: {image: x, stop_grace_period: '${VAR}'}}",
        "services: {a: {image: x, mem_limit: '${VAR}', ports: [{target: '${VAR}'}]}}",
        "services: {a: {image: '${NO:?${VAR}}'}}",
    ] {
        let error = run(&[("compose.yml", text)], &[("e.env", "value\"=value\nA='value")], true).expect_err(text);
        assert!(!error.contains("value\"") && !error.contains("value="), "{error}");
    }
}

#[test]
fn an_app_stays_in_its_folder() {
    let outer = tempfile::tempdir().unwrap();
    let dir = outer.path().join("app");
    std::fs::create_dir_all(dir.join("sub")).unwrap();
    std::fs::write(outer.path().join("out.yml"), "services: {out: {image: x}}").unwrap();
    std::fs::write(dir.join("sub/db.yml"), "services: {db: {image: db, volumes: ['./data:/d']}}").unwrap();
    let read = |text: &str| {
        crate::compose::read(crate::compose::ReadRequest {
            inputs: vec![Input::Text(Source::new("apps/compose.yml", text))],
            profiles: &[],
            gate: &Default::default(),
            files: &crate::compose::files::LocalFiles::new(&dir),
        })
    };
    let (project, _) = read("include: [sub/db.yml]\nservices: {web: {extends: db, image: web}}");
    let project = project.unwrap();
    let paths: Vec<&str> = project.services.iter().map(|service| service.mounts[0].sub_path.as_str()).collect();
    assert_eq!(paths, ["sub/data", "sub/data"]);
    assert!(project.sources.files().any(|file| &**file == "apps/sub/db.yml"));
    for text in [
        "include: [../out.yml]",
        "services: {a: {extends: {file: ../out.yml, service: out}}}",
        "include: [/etc/passwd]",
    ] {
        let (project, findings) = read(text);
        assert!(project.is_none() && findings.iter().any(|found| found.code == "compose-local-file"), "{text}");
    }
}

#[test]
fn hostile_files_end_soon() {
    let chain: String = (1..400).map(|i| format!("  s{i}: {{extends: s{}}}\n", i - 1)).collect();
    assert!(
        one(&format!("services:\n  s399x: {{extends: s399}}\n  s0: {{image: x}}\n{chain}"))
            .unwrap_err()
            .contains("compose-limit")
    );
    // Each file includes the next twice.
    let names: Vec<String> = (0..30).map(|i| format!("f{i}.yml")).collect();
    let texts: Vec<String> =
        (0..30).map(|i| format!("include: [f{0}.yml, ./f{0}.yml]\nservices: {{s{i}: {{image: x}}}}", i + 1)).collect();
    let mut others: Vec<(&str, &str)> =
        names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    others.push(("f30.yml", "services: {last: {image: x}}"));
    let project = run(&[("compose.yml", "include: [f0.yml]\n")], &others, true).unwrap();
    assert_eq!(project["services"].as_object().unwrap().len(), 31);
    let resets: String = (0..20_000).map(|i| format!("k{i}: !reset 1,")).collect();
    assert!(one(&format!("services: {{a: {{image: x, environment: {{{resets}}}}}}}")).is_ok());
}

proptest! {
    #[test]
    fn never_panics(text in "(services: |\\{|\\}|\\[|\\]|a: |x|, |\n|  |image: |!reset |!override |&a |\\*a |<<: |extends: |include: |ports: |'|\\$\\{|volumes: |build: |null|1|-){0,60}") {
        let _ = one(&text);
    }

    #[test]
    fn the_canonical_form_is_its_own(image in "[a-z]{1,8}", port in 1u16..60000, value in "[ -~]{0,12}") {
        let value = value.replace('\'', "''").replace('$', "$$");
        let text = format!("services: {{a: {{image: '{image}', ports: ['{port}'], environment: {{A: '{value}'}}, volumes: ['./d:/d']}}}}");
        let first = one(&text).unwrap();
        let again = one(&first.to_string().replace('$', "$$")).unwrap();
        prop_assert_eq!(first, again);
    }
}
