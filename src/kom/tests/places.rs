//! Roots, configuration, which paths are read, limits.

use std::fs;
use std::path::PathBuf;

use super::*;
use crate::kom::files::FileLimits;
use crate::kom::layout::StateConfig;

fn workspace(name: &str) -> String {
    document("Workspace", &format!("/ws/{name}"), "  {}")
}

fn names(loaded: &Loaded) -> Vec<&str> {
    loaded.project.workspaces.iter().map(|workspace| workspace.meta.name.as_str()).collect()
}

fn first(result: Result<Layout, Diagnostics>) -> String {
    lines(&result.unwrap_err()).remove(0)
}

#[test]
fn root_is_the_flag_then_the_variable_then_the_nearest_parent() {
    let folder = Folder::new(&[("sub/deep/x", ""), ("other/x", ""), ("third/x", "")]);
    let mut request = LayoutRequest { cwd: folder.path("sub/deep"), ..LayoutRequest::default() };
    assert_eq!(discover(&request).unwrap().root, folder.path("").canonicalize().unwrap());
    fs::create_dir(folder.path("sub/.kompox")).unwrap();
    assert_eq!(discover(&request).unwrap().root, folder.path("sub"));
    request.env.insert("KOMPOX_ROOT".into(), folder.path("other").display().to_string());
    assert_eq!(discover(&request).unwrap().root, folder.path("other"));
    assert_eq!(discover(&request).unwrap().dir, folder.path("other/.kompox"));
    request.kompox_root = Some("../../third".into());
    assert_eq!(discover(&request).unwrap().root, folder.path("third"));
    request.env.insert("KOMPOX_DIR".into(), "$KOMPOX_ROOT/../other".into());
    assert_eq!(discover(&request).unwrap().dir, folder.path("other"));
    request.kompox_dir = Some("..".into());
    assert_eq!(discover(&request).unwrap().dir, folder.path("sub"));
    request.kompox_dir = Some("nope".into());
    assert!(first(discover(&request)).starts_with("error[layout-dir-missing] --kompox-dir names \"nope\""));
    request.kompox_root = Some("nope".into());
    assert!(first(discover(&request)).starts_with("error[layout-root-missing] --kompox-root names \"nope\""));
}

#[test]
fn without_a_root_it_says_how_to_make_one() {
    // A temporary folder may lie inside a project, so the root is only missing where nothing above has one.
    let folder = Folder::bare(&[]);
    if !folder.path("").ancestors().any(|above| above.join(".kompox").is_dir()) {
        assert!(first(discover(&folder.request())).contains("kompox init"));
        folder.write("kompoxops.yml", "version: v1\n");
        assert_eq!(discover(&folder.request()).unwrap().root, folder.path(""), "the single file of old marks one, too");
    }
}

#[test]
fn the_app_file_may_be_absent_unless_it_was_named() {
    let folder = Folder::new(&[("a/my.yml", ""), ("kompoxapp.yml", ""), (".kompox/x.yml", "")]);
    assert_eq!(folder.layout().app_file, Some(folder.path("kompoxapp.yml")));
    let mut request = LayoutRequest { cwd: folder.path("a"), ..LayoutRequest::default() };
    let layout = discover(&request).unwrap();
    assert_eq!(layout.app_file, None);
    assert_eq!(
        lines(&layout.diagnostics),
        [
            "warning[layout-app-file-elsewhere] there is no kompoxapp.yml here; the one in .. is not read | run from the \
          project root with `-C ..`, or name the file with --kom-app"
        ]
    );
    request.env.insert("KOMPOX_KOM_APP".into(), "$KOMPOX_DIR/x.yml".into());
    assert_eq!(discover(&request).unwrap().app_file, Some(folder.path(".kompox/x.yml")));
    request.kom_app = Some("my.yml".into());
    assert_eq!(discover(&request).unwrap().app_file, Some(folder.path("a/my.yml")));
    request.kom_app = Some("gone.yml".into());
    assert!(first(discover(&request)).starts_with("error[layout-app-file-missing] --kom-app names \"gone.yml\""));
}

#[test]
fn configuration_is_read_and_checked() {
    let text = "version: 1\nstore: {type: local}\nkomPath: [kom, $KOMPOX_ROOT/more]\n\
                logging: {dir: $KOMPOX_ROOT/logs, format: json, level: debug, retentionDays: 7}\n\
                state: {type: sqlite, path: s.db}\n";
    let folder = Folder::new(&[(".kompox/config.yml", text)]);
    let config = folder.layout().config;
    assert_eq!(
        config.kom_path.iter().map(|path| path.value.as_str()).collect::<Vec<_>>(),
        ["kom", "$KOMPOX_ROOT/more"]
    );
    let warnings: Vec<String> = folder.layout().diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, [".kompox/config.yml:4:10: \"logging\" has no effect: this version writes no log"]);
    assert_eq!(config.state, StateConfig::Sqlite { path: Some(folder.path(".kompox/s.db")) });
    for (text, expected) in [
        ("state: {type: object, url: 's3://b/p'}", StateConfig::Bucket("s3://b/p".to_owned())),
        ("state: {type: object, path: objects}", StateConfig::Folder(folder.path(".kompox/objects"))),
        ("state: {type: postgres}", StateConfig::Postgres("kompox".to_owned())),
        ("state: {type: postgres, schema: ops}", StateConfig::Postgres("ops".to_owned())),
    ] {
        folder.write(".kompox/config.yml", text);
        assert_eq!(folder.layout().config.state, expected);
        assert_eq!(folder.layout().config.sandbox_state, None);
    }
    folder.write(".kompox/config.yml", "state: {type: sqlite, sandbox: {type: object, path: objects}}");
    let config = folder.layout().config;
    assert_eq!(config.state, StateConfig::Sqlite { path: None });
    assert_eq!(config.sandbox_state, Some(StateConfig::Folder(folder.path(".kompox/objects"))));

    for (text, expected) in [
        ("version: 2", "error[kom-value] .kompox/config.yml:1:10: \"version\" cannot be 2"),
        ("store: {type: s3}", "error[kom-value] .kompox/config.yml:1:15: \"type\" cannot be \"s3\""),
        ("state: {type: postgres, schema: 'a\"b'}", "error[kom-value] .kompox/config.yml:1:33"),
        (
            "state: {type: object}",
            "error[kom-required] .kompox/config.yml:1:8: \"state\" of type object has no \"url\"",
        ),
        ("state: {type: object, url: 's3://b', path: x}", "error[config-state] .kompox/config.yml:1:28"),
        ("state: {type: sqlit}", "error[kom-value] .kompox/config.yml:1:15: \"type\" cannot be \"sqlit\""),
        ("state: {path: x}", "error[kom-required]"),
        (
            "state: {type: sqlite, sandbox: {type: object}}",
            "error[kom-required] .kompox/config.yml:1:32: \"sandbox\" of type object",
        ),
        ("logging: {format: xml}", "error[kom-value]"),
        ("logging: {retentionDays: -1}", "error[kom-value]"),
        (
            "komPaths: [x]",
            "error[kom-unknown-key] .kompox/config.yml:1:1: the configuration has no key \"komPaths\" | did you mean \"komPath\"?",
        ),
        ("[1]", "error[kom-type]"),
        ("a: [", "error[yaml-syntax]"),
        ("{}\n---\n{}\n", "error[config-documents]"),
    ] {
        folder.write(".kompox/config.yml", text);
        let found = first(discover(&folder.request()));
        assert!(found.starts_with(expected), "{text}\n{found}");
    }
    folder.write(".kompox/config.yml", "");
    assert_eq!(folder.layout().config, Default::default());
}

#[test]
fn the_first_level_that_is_set_decides() {
    let app = workspace("app");
    let with_defaults =
        format!("apiVersion: ops.kompox.dev/v1alpha1\nkind: Defaults\nspec: {{komPath: [./three]}}\n---\n{app}");
    let folder = Folder::new(&[
        ("kompoxapp.yml", &with_defaults),
        (".kompox/config.yml", "komPath: [four]"),
        (".kompox/four/w.yml", &workspace("four")),
        (".kompox/kom/w.yml", &workspace("five")),
        ("three/w.yml", &workspace("three")),
        ("two/w.yaml", &workspace("two")),
        ("two/more/w.yml", &workspace("more")),
        ("one.yml", &workspace("one")),
    ]);
    let mut request = folder.request();
    request.kom_paths = vec!["one.yml".into()];
    request.env.insert("KOMPOX_KOM_PATH".into(), "two".into());
    let load = |request: &LayoutRequest| folder.load_with(request, &LoadOptions::default()).unwrap();
    assert_eq!(names(&load(&request)), ["app", "one"]);
    request.kom_paths = vec!["${KOMPOX_ROOT}/one.yml".into(), "$KOMPOX_DIR/four".into(), "one.yml".into()];
    assert_eq!(names(&load(&request)), ["app", "four", "one"]);
    request.kom_paths.clear();
    assert_eq!(names(&load(&request)), ["app", "more", "two"]);
    let list = std::env::join_paths(["two/more", "one.yml"]).unwrap();
    request.env.insert("KOMPOX_KOM_PATH".into(), list.into_string().unwrap());
    assert_eq!(names(&load(&request)), ["app", "more", "one"]);
    request.env.insert("KOMPOX_KOM_PATH".into(), String::new());
    assert_eq!(names(&load(&request)), ["app", "three"]);
    folder.write("kompoxapp.yml", &app);
    assert_eq!(names(&load(&request)), ["app", "four"]);
    fs::remove_file(folder.path(".kompox/config.yml")).unwrap();
    assert_eq!(names(&load(&request)), ["app", "five"]);
    fs::remove_dir_all(folder.path(".kompox/kom")).unwrap();
    assert_eq!(names(&load(&request)), ["app"]);
}

#[test]
fn relative_paths_start_at_the_app_file_or_the_dir() {
    let defaults = "apiVersion: ops.kompox.dev/v1alpha1\nkind: Defaults\nspec: {komPath: [kom]}\n";
    let folder = Folder::new(&[
        ("sub/my.yml", defaults),
        ("sub/kom/w.yml", &workspace("sub")),
        ("kom/w.yml", &workspace("root")),
    ]);
    let mut request = folder.request();
    request.kom_app = Some("sub/my.yml".into());
    let loaded = folder.load_with(&request, &LoadOptions::default()).unwrap();
    assert_eq!(names(&loaded), ["sub"]);
    assert_eq!(loaded.kom_paths, [folder.path("sub/kom")]);
}

#[test]
fn folders_are_read_recursively_but_for_some() {
    let folder = Folder::new(&[(".kompox/kom/README.md", "no KOM"), (".kompox/kom/a/b.yml.bak", "no KOM")]);
    for skipped in [".git", ".github", "node_modules", "vendor", ".direnv", ".venv", "dist", "build"] {
        folder.write(&format!(".kompox/kom/{skipped}/x.yml"), "no KOM");
        folder.write(&format!(".kompox/kom/a/{skipped}/x.yml"), "no KOM");
    }
    folder.write(".kompox/kom/a/.hidden/x.yml", &workspace("hidden"));
    let loaded = folder.load().unwrap();
    assert_eq!(names(&loaded), ["hidden"]);
    assert!(loaded.diagnostics.is_empty());
}

#[test]
fn missing_and_wrong_paths_are_errors() {
    let folder = Folder::new(&[("x.txt", "")]);
    let mut request = folder.request();
    request.kom_paths = vec!["gone".into(), "x.txt".into(), "*.yml".into(), "https://example.com/kom.yml".into()];
    let found = findings(&folder.load_with(&request, &LoadOptions::default()));
    assert_eq!(found.len(), 4, "{found:#?}");
    assert!(
        found[0].starts_with("error[kom-path-missing] --kom-path names \"gone\", which cannot be read: "),
        "{}",
        found[0]
    );
    assert!(found[1].starts_with("error[kom-path-type] --kom-path names \"x.txt\""));
    assert!(found[2].contains("globs are not expanded"));
    assert!(found[3].contains("only local paths are read"));

    folder.write(".kompox/config.yml", "komPath:\n  - nothere\n");
    let found = findings(&folder.load());
    assert!(
        found[0].starts_with("error[kom-path-missing] .kompox/config.yml:2:5: komPath of config.yml names \"nothere\""),
        "{found:?}"
    );
}

#[cfg(unix)]
#[test]
fn each_real_file_is_read_once_and_loops_end() {
    use std::os::unix::fs::symlink;
    let folder = Folder::new(&[("kompoxapp.yml", &workspace("app")), ("real/w.yml", &workspace("w"))]);
    fs::create_dir(folder.path(".kompox/kom")).unwrap();
    symlink(folder.path("real"), folder.path(".kompox/kom/one")).unwrap();
    symlink(folder.path("real/w.yml"), folder.path(".kompox/kom/two.yml")).unwrap();
    symlink(folder.path(".kompox"), folder.path("real/loop")).unwrap();
    symlink(folder.path("kompoxapp.yml"), folder.path(".kompox/kom/app.yml")).unwrap();
    let loaded = folder.load().unwrap();
    assert_eq!(names(&loaded), ["app", "w"]);
    assert!(loaded.project.workspaces[0].meta.in_app_file);
    assert_eq!(loaded.sources.len(), 2);

    symlink(folder.path("gone.yml"), folder.path("real/dangling.yml")).unwrap();
    let found = findings(&folder.load());
    assert!(found[0].starts_with("error[kom-read] real/dangling.yml cannot be read"), "{found:?}");
}

#[cfg(unix)]
#[test]
fn defaults_may_not_leave_the_project_but_others_may() {
    use std::os::unix::fs::symlink;
    let outside = Folder::bare(&[("w.yml", &workspace("outside"))]);
    let folder = Folder::new(&[]);
    symlink(outside.path(""), folder.path("link")).unwrap();
    symlink(outside.path("w.yml"), folder.path("inner.yml")).unwrap();
    fs::create_dir(folder.path("kom")).unwrap();
    symlink(outside.path("w.yml"), folder.path("kom/w.yml")).unwrap();
    let absolute = outside.path("").display().to_string();
    for path in ["link", "inner.yml", "kom", absolute.as_str(), "link/.."] {
        folder.write(
            "kompoxapp.yml",
            &format!("apiVersion: ops.kompox.dev/v1alpha1\nkind: Defaults\nspec: {{komPath: [\"{path}\"]}}\n"),
        );
        let found = findings(&folder.load());
        assert!(found[0].starts_with("error[kom-path-outside] kompoxapp.yml:3:"), "{path}: {found:?}");
    }
    fs::remove_file(folder.path("kompoxapp.yml")).unwrap();
    let mut request = folder.request();
    for path in ["link", "inner.yml", "kom"] {
        request.kom_paths = vec![PathBuf::from(path)];
        assert_eq!(names(&folder.load_with(&request, &LoadOptions::default()).unwrap()), ["outside"]);
    }
}

#[test]
fn limits_are_named() {
    let folder = Folder::new(&[
        (".kompox/kom/1.yml", &workspace("one")),
        (".kompox/kom/2.yml", &workspace("two")),
        (".kompox/kom/a/b/3.yml", &workspace("three")),
    ]);
    let size = workspace("three").len();
    let load = |limits: FileLimits| {
        findings(&folder.load_with(&folder.request(), &LoadOptions { limits, ..LoadOptions::default() }))
    };
    let exact = FileLimits { files: 3, file_bytes: size, total_bytes: 3 * size, depth: 2 };
    assert_eq!(load(exact), [""; 0]);
    for (limits, expected) in [
        (FileLimits { files: 2, ..exact }, "there are more than 2 KOM files"),
        (FileLimits { file_bytes: size - 1, ..exact }, &*format!("is longer than {} bytes", size - 1)),
        (FileLimits { total_bytes: size + 10, ..exact }, &format!("longer than {} bytes in all", size + 10)),
        (FileLimits { depth: 1, ..exact }, ".kompox/kom/a/b is more than 1 folders below"),
    ] {
        let found = load(limits);
        assert!(found[0].starts_with("error[kom-limit]") && found[0].contains(expected), "{expected}: {found:?}");
    }
    let limits = FileLimits::default();
    assert!(
        limits.files >= 5_000 && limits.file_bytes >= 2 << 20 && limits.total_bytes >= 32 << 20 && limits.depth >= 10
    );
}

#[test]
fn ten_folders_deep_is_read_and_eleven_is_not() {
    let folder = Folder::new(&[(".kompox/kom/1/2/3/4/5/6/7/8/9/10/w.yml", &workspace("deep"))]);
    assert_eq!(names(&folder.load().unwrap()), ["deep"]);
    folder.write(".kompox/kom/1/2/3/4/5/6/7/8/9/10/11/w.yml", &workspace("deeper"));
    assert!(findings(&folder.load())[0].contains("more than 10 folders below"));
}

#[test]
fn texts_that_are_none_are_refused() {
    let folder = Folder::new(&[]);
    fs::write(
        folder.path("kompoxapp.yml"),
        "kind: App\nmetadata: {name: é".bytes().chain(*b"\xff}\n").collect::<Vec<_>>(),
    )
    .unwrap();
    assert!(
        findings(&folder.load())[0]
            .starts_with("error[kom-encoding] kompoxapp.yml:2:19: kompoxapp.yml is not UTF-8 (byte 30)")
    );
}

#[test]
fn the_configuration_is_no_kom_wherever_it_lies() {
    let folder = Folder::new(&[(".kompox/config.yml", "komPath: [.]"), (".kompox/w.yml", &workspace("w"))]);
    assert_eq!(names(&folder.load().unwrap()), ["w"]);
}
