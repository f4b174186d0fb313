//! Envelopes, Resource IDs, and documents against each other.

use super::*;
use crate::kom::id::ResourceId;

fn load(text: &str) -> Result<Loaded, Diagnostics> {
    Folder::new(&[("kompoxapp.yml", text)]).load()
}

const COMPOSE: &str = "  compose: file:compose.yml";

#[test]
fn loads_one_of_each_kind() {
    let text = ground()
        + &document("App", APP, COMPOSE)
        + &document("Box", &format!("{APP}/box/tools"), "  image: busybox")
        + "# only a comment\n---\napiVersion: v1\nkind: Secret\n";
    let folder = Folder::new(&[("kompoxapp.yml", &text)]);
    let loaded = folder.load().unwrap();
    assert_eq!(
        lines(&loaded.diagnostics),
        ["note[kom-skipped] kompoxapp.yml:48:13: this document is skipped: its apiVersion is \"v1\" (document 7) | "]
    );
    let project = &loaded.project;
    let id = ResourceId::parse(&format!("{APP}/box/tools")).unwrap();
    assert_eq!(project.metas().count(), 5);
    assert_eq!(project.boxed(&id).unwrap().component, "tools");
    assert_eq!(project.app(&id).unwrap().meta.name, "a");
    assert_eq!(project.cluster(&id).unwrap().ingress.domain.as_deref(), Some("in.example.com"));
    assert_eq!(project.provider(&id).unwrap().driver, "aks");
    assert_eq!(project.workspace(&id).unwrap().meta.doc_index, 1);
    assert_eq!(project.boxes_of(&project.apps[0].meta.id).count(), 1);
    let app = &project.apps[0];
    assert_eq!(project.default_app.as_ref(), Some(&app.meta.id));
    assert_eq!((app.meta.doc_index, app.meta.in_app_file), (4, true));
    assert_eq!((&app.meta.file, &app.base_dir), (&folder.path("kompoxapp.yml"), &folder.path("")));
    assert_eq!(app.meta.annotations["ops.kompox.dev/doc-index"], "4");
    assert_eq!(app.meta.annotations["ops.kompox.dev/doc-path"], folder.path("kompoxapp.yml").display().to_string());
}

#[test]
fn envelopes_are_checked() {
    let api = "apiVersion: ops.kompox.dev/v1alpha1\n";
    let id = "metadata: {name: w, annotations: {ops.kompox.dev/id: /ws/w}}\n";
    for (text, expected) in [
        ("[1]".to_owned(), "error[kom-type] kompoxapp.yml:1:1: a KOM document must be a mapping"),
        ("kind: App".to_owned(), "error[kom-required] kompoxapp.yml:1:1: this document has no \"apiVersion\""),
        (format!("{api}spec: {{}}"), "error[kom-required] kompoxapp.yml:1:1: a KOM document has no \"kind\""),
        (
            format!("{api}kind: Claster"),
            "error[kom-kind] kompoxapp.yml:2:7: \"Claster\" is no kind of KOM document | did you mean \"Cluster\"?",
        ),
        (
            format!("{api}kind: Service"),
            "error[kom-kind] kompoxapp.yml:2:7: \"Service\" is no kind of KOM document | it is one of",
        ),
        (format!("{api}kind: Workspace"), "error[kom-required] kompoxapp.yml:1:1: a KOM document has no \"metadata\""),
        (
            format!("{api}kind: Workspace\nmetadata: {{name: w}}"),
            "error[kom-required] kompoxapp.yml:3:11: the metadata of a Workspace has no annotation \"ops.kompox.dev/id\" | write annotations: {ops.kompox.dev/id: /ws/<name>}",
        ),
        (
            format!("{api}kind: Workspace\nmetadata: {{annotations: {{ops.kompox.dev/id: /ws/w}}}}"),
            "error[kom-required] kompoxapp.yml:3:11: the metadata of a Workspace has no \"name\"",
        ),
        (
            format!("{api}kind: Workspace\nmetadata: {{name: W, annotations: {{ops.kompox.dev/id: /ws/w}}}}"),
            "error[kom-name] kompoxapp.yml:3:18: \"name\" of the metadata of a Workspace cannot be \"W\"",
        ),
        (
            format!("{api}kind: Workspace\nmetadata: {{name: w, annotations: {{ops.kompox.dev/id: ws/w}}}}"),
            "error[kom-resource-id] kompoxapp.yml:3:54: \"ws/w\" is no Resource ID: a Resource ID begins with \"/ws/\" | the ID of a Workspace reads /ws/<name>",
        ),
        (
            format!("{api}kind: Workspace\nmetadata: {{name: v, annotations: {{ops.kompox.dev/id: /ws/w}}}}"),
            "error[kom-resource-id] kompoxapp.yml:3:54: the Resource ID ends in \"w\", but the name is \"v\"",
        ),
        (
            format!("{api}kind: Provider\n{id}"),
            "error[kom-resource-id] kompoxapp.yml:3:54: the Resource ID /ws/w is that of a Workspace, but the kind is Provider | the ID of a Provider reads /ws/<ws>/prv/<name>",
        ),
        (
            format!("{api}kind: Workspace\nmetdata: {{}}\n{id}"),
            "error[kom-unknown-key] kompoxapp.yml:3:1: a KOM document has no key \"metdata\" | did you mean \"metadata\"?",
        ),
        (
            format!(
                "{api}kind: Workspace\nmetadata: {{name: w, annotations: {{ops.kompox.dev/id: /ws/w, ops.kompox.dev/move-from: /ws/v}}}}"
            ),
            "error[kom-unknown-key] kompoxapp.yml:3:61: there is no annotation \"ops.kompox.dev/move-from\" | did you mean \"ops.kompox.dev/moved-from\"?",
        ),
        (
            format!("{api}kind: Workspace\n{id}spec: [1]"),
            "error[kom-type] kompoxapp.yml:4:7: the spec of a Workspace must be a mapping",
        ),
        (
            format!("{api}kind: Workspace\n{id}---\nversion: v1\nservice: {{name: ops}}\n"),
            "error[legacy-file] kompoxapp.yml:5:1: this is the legacy single-file format",
        ),
        ("a: b: c".to_owned(), "error[yaml-syntax] kompoxapp.yml:1:"),
    ] {
        let found = lines(&errors(load(&text)));
        assert!(found.iter().any(|line| line.starts_with(expected)), "{text}\n{found:#?}");
    }
}

#[test]
fn some_oddities_only_warn() {
    for (head, tail, expected) in [
        ("", "status: {x: y}", None),
        (
            "",
            "owner: me",
            Some("warning[kom-unknown-key] kompoxapp.yml:4:1: a KOM document has no key \"owner\" | it is ignored"),
        ),
        ("", "spec: ", None),
        (
            "",
            "spec: {colour: red}",
            Some("warning[kom-unknown-key] kompoxapp.yml:4:8: the spec of a Workspace has no key \"colour\""),
        ),
        (
            "2",
            "",
            Some(
                "warning[kom-skipped] kompoxapp.yml:1:13: this document is skipped: its apiVersion is \"ops.kompox.dev/v1alpha12\"",
            ),
        ),
    ] {
        let text = format!(
            "apiVersion: ops.kompox.dev/v1alpha1{head}\nkind: Workspace\nmetadata: {{name: w, annotations: \
             {{ops.kompox.dev/id: /ws/w, example.com/x: 1}}}}\n{tail}\n"
        );
        let folder = Folder::new(&[("kompoxapp.yml", &text)]);
        let found = findings(&folder.load());
        assert!(expected.is_none_or(|expected| found[0].starts_with(expected)), "{text}\n{found:?}");
        assert_eq!(expected.is_none(), found.is_empty(), "{text}\n{found:?}");
        assert!(folder.load().is_ok());
        let strict = LoadOptions { strict: true, ..LoadOptions::default() };
        assert_eq!(folder.load_with(&folder.request(), &strict).is_err(), expected.is_some(), "{text}");
    }
}

#[test]
fn every_error_of_every_document_is_collected() {
    let text = document("Cluster", "/ws/w/prv/p/cls/c", "  existing: maybe\n  ingress: {domain: Bad_Domain}")
        + "just text\n---\n"
        + &document("App", APP, "  volumes: [{name: Toolongforavolumename, size: 10GB}]");
    let folder =
        Folder::new(&[("kompoxapp.yml", &text), (".kompox/kom/b.yml", "kind: App\n"), (".kompox/kom/c.yml", "a: [\n")]);
    let found: Vec<String> = lines(&errors(folder.load()));
    let starts = [
        "error[kom-missing-parent] kompoxapp.yml:6:24: /ws/w/prv/p/cls/c belongs to /ws/w/prv/p, which no document declares (document 1)",
        "error[kom-type] kompoxapp.yml:8:13: \"existing\" must be true or false, not a string (document 1)",
        "error[kom-value] kompoxapp.yml:9:21: \"domain\" cannot be \"Bad_Domain\" (document 1)",
        "error[kom-type] kompoxapp.yml:11:1: a KOM document must be a mapping",
        "error[kom-required] kompoxapp.yml:20:3: the spec of an App has no \"compose\" (document 3)",
        "error[kom-name] kompoxapp.yml:20:20: \"name\" of a volume cannot be \"Toolongforavolumename\" (document 3)",
        "error[kom-quantity] kompoxapp.yml:20:49: \"size\" cannot be \"10GB\": not a quantity",
        "error[kom-required] .kompox/kom/b.yml:1:1: this document has no \"apiVersion\" | ",
        "error[yaml-syntax] .kompox/kom/c.yml:",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (found, start) in found.iter().zip(starts) {
        assert!(found.starts_with(start), "{found}\n{start}");
    }
}

#[test]
fn a_wrong_envelope_does_not_hide_what_is_wrong_with_the_spec() {
    let cluster = document("Cluster", "/ws/w/prv/p/cls/c", "  existing: maybe");
    for (from, to) in [
        ("name: c\n", "name: d\n"),
        ("ops.kompox.dev/id: /ws/w/prv/p/cls/c", "ops.kompox.dev/id: nonsense"),
        ("ops.kompox.dev/id: /ws/w/prv/p/cls/c", "other: x"),
        ("metadata:", "labels:"),
    ] {
        let found = lines(&errors(load(&cluster.replace(from, to))));
        let about_spec = found.iter().filter(|line| line.starts_with("error[kom-type] kompoxapp.yml:8:13")).count();
        assert_eq!((about_spec, found.len() >= 2), (1, true), "{to}: {found:?}");
    }
    let twice = ground() + &cluster;
    let found = lines(&errors(load(&twice)));
    assert!(found[0].starts_with("error[kom-duplicate-id]") && found[1].starts_with("error[kom-type]"), "{found:?}");
}

#[test]
fn diagnostics_carry_their_line_unless_it_may_hold_a_secret() {
    let text =
        document("Provider", "/ws/w/prv/p", "  driver: aks\n  settings:\n    AZURE_CLIENT_SECRET: hunter2\n    A: [x]");
    let diagnostics = errors(load(&(text + "db_password: hunter2: x\n")));
    let shown: Vec<_> = diagnostics.iter().map(|d| d.source_line.as_deref()).collect();
    assert_eq!(shown, [None]);
    let text = document("Workspace", "/ws/w", "  {}")
        + &document(
            "Provider",
            "/ws/w/prv/p",
            "  driver: aks\n  settings:\n    AZURE_CLIENT_SECRET: hunter2\n    A: [x]",
        );
    let diagnostics = errors(load(&text));
    assert_eq!(
        lines(&diagnostics),
        [
            "warning[kom-secret-setting] kompoxapp.yml:19:26: the setting AZURE_CLIENT_SECRET is a credential in clear \
             text (document 2) | leave it out here and set the environment variable AZURE_CLIENT_SECRET",
            "error[kom-type] kompoxapp.yml:20:8: \"A\" must be a single value, not a sequence (document 2) | write a single \
             value here",
        ]
    );
    let shown: Vec<_> = diagnostics.iter().map(|d| d.source_line.as_deref()).collect();
    assert_eq!(shown, [None, Some("    A: [x]")]);
}

#[test]
fn debug_shows_no_texts() {
    let compose = "  compose: |\n    services: {a: {image: a, environment: {P: hunter2}}}\n  settings: {A: hunter2}";
    let text = ground() + &document("App", APP, compose);
    let folder = Folder::new(&[("kompoxapp.yml", &text)]);
    let mut request = folder.request();
    request.env.insert("SOMETHING".into(), "hunter2".into());
    let loaded = folder.load_with(&request, &LoadOptions::default()).unwrap();
    let shown = format!("{loaded:?} {request:?} {:?}", folder.layout());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn documents_are_checked_against_each_other() {
    let other = document("Cluster", "/ws/w/prv/p/cls/d", "  {}");
    let app = |id: &str, spec: &str| document("App", id, &format!("{COMPOSE}\n{spec}"));
    let host = |host: &str| format!("  ingress: {{rules: [{{name: main, port: 80, hosts: [{host}]}}]}}");
    let moved = |id: &str, from: &str| {
        app(id, "").replace("ops.kompox.dev/id:", &format!("ops.kompox.dev/moved-from: {from}\n    ops.kompox.dev/id:"))
    };
    let disk = |id: &str| format!("  volumes: [{{name: v, disks: [{{name: d, import: {id}}}]}}]");
    let b = "/ws/w/prv/p/cls/c/app/b";
    let mut wrong = Vec::new();
    for (text, expected) in [
        (
            app(APP, "") + &app(APP, ""),
            "error[kom-duplicate-id] kompoxapp.yml:43:24: /ws/w/prv/p/cls/c/app/a is declared twice; first at kompoxapp.yml:33:24 (document 5)",
        ),
        (
            app("/ws/w/prv/p/cls/x/app/a", ""),
            "error[kom-missing-parent] kompoxapp.yml:33:24: /ws/w/prv/p/cls/x/app/a belongs to /ws/w/prv/p/cls/x, which no document declares (document 4) | write a document of kind Cluster with that ID",
        ),
        (
            app(APP, "") + &other + &app("/ws/w/prv/p/cls/d/app/a", ""),
            "error[kom-app-name] kompoxapp.yml:52:24: /ws/w/prv/p/cls/d/app/a has the name of /ws/w/prv/p/cls/c/app/a",
        ),
        (
            app(APP, &host("x.in.example.com")),
            "error[kom-host-domain] kompoxapp.yml:36:52: the host x.in.example.com is under the cluster's own domain in.example.com",
        ),
        (
            app(APP, &host("x.org")) + &app(b, &host("x.org")),
            "warning[kom-host-shared] kompoxapp.yml:46:52: the host x.org is also one of /ws/w/prv/p/cls/c/app/a",
        ),
        (
            app(APP, &disk("/sub/X")) + &app(b, &disk("/SUB/x")),
            "error[kom-import] kompoxapp.yml:46:49: \"/SUB/x\" is imported twice; first at kompoxapp.yml:36:49",
        ),
        (
            app(APP, "") + &moved(b, APP),
            "error[kom-moved-from] kompoxapp.yml:38:1: /ws/w/prv/p/cls/c/app/b cannot have moved from /ws/w/prv/p/cls/c/app/a, which still exists (kompoxapp.yml:33:24)",
        ),
        (
            moved(APP, b).replace(": Defaults", "") + &moved("/ws/w/prv/p/cls/c/app/z", b),
            "error[kom-moved-from] kompoxapp.yml:39:1: /ws/w/prv/p/cls/c/app/b cannot have moved to both",
        ),
        (
            moved(b, b),
            "error[kom-moved-from] kompoxapp.yml:33:32: /ws/w/prv/p/cls/c/app/b cannot have moved from itself",
        ),
        (moved(b, "/ws/w"), "error[kom-moved-from] kompoxapp.yml:33:32: /ws/w is a Workspace, not an App"),
        (moved(b, "x"), "error[kom-moved-from] kompoxapp.yml:33:32: \"x\" is no Resource ID"),
    ] {
        let found = findings(&load(&(ground() + &text)));
        if found.len() != 1 || !found[0].starts_with(expected) {
            wrong.push(format!("wanted {expected}\nfound  {}", found.join("\n       ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The apex of the domain and look-alikes are not under it; the same host on another cluster is a move.
    let fine = app(APP, &host("in.example.com, xin.example.com, x.org"))
        + &other
        + &app("/ws/w/prv/p/cls/d/app/b", &host("x.org"));
    assert_eq!(findings(&load(&(ground() + &fine))), [""; 0]);
    let renamed = load(&(ground() + &moved(b, APP))).unwrap();
    assert_eq!(renamed.project.apps[0].meta.moved_from, Some(ResourceId::parse(APP).unwrap()));
}

#[test]
fn a_child_of_a_broken_document_is_not_blamed() {
    let text = ground().replace("name: c\n", "name: other\n") + &document("App", APP, COMPOSE);
    let found = lines(&errors(load(&text)));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("ends in \"c\", but the name is \"other\""));
    let text = ground().replace("driver: aks", "driver: azure") + &document("App", APP, COMPOSE);
    let found = lines(&errors(load(&text)));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("\"driver\" cannot be \"azure\""));
}

#[test]
fn the_default_app_is_named_or_the_only_one() {
    let api = "apiVersion: ops.kompox.dev/v1alpha1\nkind: Defaults\n";
    let b = "/ws/w/prv/p/cls/c/app/b";
    let one = ground() + &document("App", APP, COMPOSE);
    let two = one.clone() + &document("App", b, COMPOSE);
    let default = |text: &str| load(text).unwrap().project.default_app.map(|id| id.to_string());
    assert_eq!(default(&one).as_deref(), Some(APP));
    assert_eq!(default(&two), None);
    assert_eq!(default(&format!("{two}{api}spec: {{appId: {b}}}\n")).as_deref(), Some(b));
    for (tail, expected) in [
        (
            format!("{api}spec: {{appId: {b}}}\n"),
            "error[kom-default-app] kompoxapp.yml:39:15: the default app /ws/w/prv/p/cls/c/app/b is declared by no document",
        ),
        (
            format!("{api}spec: {{appId: /ws/w}}\n"),
            "error[kom-default-app] kompoxapp.yml:39:15: /ws/w is a Workspace, not an App",
        ),
        (
            format!("{api}spec: {{appID: {APP}}}\n"),
            "error[kom-unknown-key] kompoxapp.yml:39:8: the spec of Defaults has no key \"appID\"",
        ),
        (
            format!("{api}---\n{api}"),
            "error[kom-duplicate] kompoxapp.yml:40:1: Defaults is given twice; first on line 37",
        ),
    ] {
        let found = lines(&errors(load(&format!("{one}{tail}"))));
        assert!(found.len() == 1 && found[0].starts_with(expected), "{found:#?}\n{expected}");
    }
    // An App elsewhere is not "the only one of the app file", and Defaults elsewhere do not count.
    let elsewhere = format!("{}{api}spec: {{appId: {b}, komPath: [nowhere]}}\n", document("App", b, COMPOSE));
    let folder = Folder::new(&[("kompoxapp.yml", &one), (".kompox/kom/b.yml", &elsewhere)]);
    let loaded = folder.load().unwrap();
    assert_eq!(loaded.project.default_app, Some(ResourceId::parse(APP).unwrap()));
    assert_eq!(
        lines(&loaded.diagnostics),
        [
            "note[kom-defaults-ignored] .kompox/kom/b.yml:10:1: Defaults count in the app file only; these are ignored (document 2) | "
        ]
    );
    assert!(!loaded.project.apps[1].meta.in_app_file);
}

#[test]
fn a_project_without_documents_is_warned_about() {
    assert!(findings(&Folder::new(&[]).load())[0].starts_with("warning[kom-nothing-loaded]"));
}

#[test]
fn the_examples_load_without_a_word() {
    for (example, apps, volumes) in [("gitea", 1, 1), ("two-clusters", 3, 4), ("quota", 1, 1)] {
        let cwd = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(example);
        let request = LayoutRequest { cwd, ..LayoutRequest::default() };
        let options = LoadOptions { strict: true, ..LoadOptions::default() };
        let loaded = load_example(&request, &options);
        assert!(loaded.diagnostics.is_empty(), "{:?}", loaded.diagnostics);
        let project = &loaded.project;
        assert_eq!((project.apps.len(), project.apps.iter().flat_map(|app| &app.volumes).count()), (apps, volumes));
        assert!(project.default_app.is_some());
    }
}

fn load_example(request: &LayoutRequest, options: &LoadOptions) -> Loaded {
    let loaded = super::load(&discover(request).unwrap(), request, options).unwrap();
    schema::assert_valid(&loaded);
    loaded
}
