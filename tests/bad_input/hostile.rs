//! Input that means harm: it is refused by a limit that the message names, nothing changes, and no message steers the
//! terminal. What bounds time and memory are those limits; without them these tests would not end.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use kompox::report::escape::is_unsafe;

use crate::harness::run::Finished;
use crate::harness::stage::Stage;
use crate::{APPLY, NOWHERE, refused};

const APP: &str = "kompoxapp.yml";
const COMPOSE: &str = "compose.yml";
const ENV: &str = "compose-gitea.env";
const CONFIG: &str = ".kompox/config.yml";

/// A message is for a person: longer than this it is none.
const LONGEST_OUTPUT: usize = 200_000;

/// Prepares a project, and demands that it is refused with these words by all that reads it.
#[track_caller]
fn hostile(name: &str, says: &[&str], prepare: impl FnOnce(&Stage)) {
    println!("{name}");
    let stage = Stage::applied();
    prepare(&stage);
    let mut outcomes = refused(&stage, NOWHERE, &[&["plan"], APPLY], says);
    outcomes.push(stage.run(NOWHERE, &["validate"]).exits(1).says(says));
    outcomes.iter().for_each(harmless);
}

#[track_caller]
fn harmless(outcome: &Finished) {
    let text = outcome.text();
    assert!(!text.contains(|c| c != '\n' && is_unsafe(c)), "{text:?}");
    assert!(text.len() < LONGEST_OUTPUT, "{} bytes of output", text.len());
}

fn write(stage: &Stage, file: &str, content: impl AsRef<[u8]>) {
    let path = stage.file(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn append(stage: &Stage, file: &str, content: &str) {
    let text = fs::read_to_string(stage.file(file)).unwrap();
    write(stage, file, text + content);
}

/// A pipe that nobody writes to: reading it would never end.
fn pipe(stage: &Stage, file: &str) {
    let path = stage.file(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = fs::remove_file(&path);
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn link(stage: &Stage, target: &str, file: &str) {
    let path = stage.file(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = fs::remove_file(&path);
    symlink(target, path).unwrap();
}

/// Aliases that grow tenfold with each line.
fn alias_bomb() -> String {
    let mut bomb = String::from("x-a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for i in 1..12 {
        bomb.push_str(&format!("x-a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(",")));
    }
    bomb
}

/// Merges that grow ninefold with each line.
fn merge_bomb() -> String {
    let mut bomb = String::from("x-m0: &m0 {a: 1, b: 2, c: 3}\n");
    for i in 1..20 {
        let merged = vec![format!("*m{}", i - 1); 9].join(",");
        let own: String = (0..9).map(|k| format!(", k{i}-{k}: x")).collect();
        bomb.push_str(&format!("x-m{i}: &m{i} {{<<: [{merged}]{own}}}\n"));
    }
    bomb
}

/// Anchors around anchors, each of which would hold everything inside once more.
fn anchors() -> String {
    let open: String = (0..90).map(|i| format!("&a{i} [")).collect();
    format!("x-a: {open}{}{}\n", vec!["x"; 10_000].join(","), "]".repeat(90))
}

#[test]
fn yaml_that_grows() {
    for file in [APP, COMPOSE, CONFIG] {
        let at: &str = &format!("--> {file}:");
        hostile("an alias bomb", &["values once its aliases are expanded", at], |stage| {
            append(stage, file, &format!("---\n{}", alias_bomb()));
        });
        hostile("a merge bomb", &["once its aliases are expanded", at], |stage| {
            append(stage, file, &format!("---\n{}", merge_bomb()));
        });
        hostile("anchors around anchors", &["the anchors of the document hold more than 500000 values", at], |stage| {
            append(stage, file, &format!("---\n{}", anchors()));
        });
        hostile("an anchor in itself", &["refers to itself or to nothing", at], |stage| {
            append(stage, file, "---\na: &a [*a]\n");
        });
        hostile("deep nesting", &["nested more than 100 deep", at], |stage| {
            append(stage, file, &format!("---\n{}{}\n", "[".repeat(200), "]".repeat(200)));
        });
        hostile("very deep nesting", &["not valid YAML: recursion limit exceeded", at], |stage| {
            append(stage, file, &format!("---\n{}", "[".repeat(100_000)));
        });
        hostile("deep blocks", &["nested more than 100 deep", at], |stage| {
            let blocks: String = (0..500).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
            append(stage, file, &format!("---\n{blocks}"));
        });
        hostile("a key twice", &["the key \"version\" is given twice in one mapping", at], |stage| {
            append(stage, file, "---\nversion: 1\nversion: 1\n");
        });
    }
}

#[test]
fn bytes_that_are_no_text() {
    hostile("a NUL", &["not valid YAML", "--> kompoxapp.yml:"], |stage| append(stage, APP, "a: \0\n"));
    hostile("a NUL in a compose file", &["not valid YAML", "--> compose.yml:"], |stage| {
        append(stage, COMPOSE, "a: \0\n")
    });
    hostile("other bytes", &["kompoxapp.yml is not UTF-8 (byte 4)", "save it as UTF-8"], |stage| {
        write(stage, APP, b"a: \xff\xfe\n");
    });
    hostile("other bytes in a compose file", &["compose.yml is not UTF-8", "--> kompoxapp.yml:"], |stage| {
        write(stage, COMPOSE, b"a: \xff\xfe\n");
    });
    hostile("UTF-16", &["kompoxapp.yml is not UTF-8 (byte 1)"], |stage| {
        write(stage, APP, b"\xff\xfea\0:\0 \x001\0");
    });
    hostile(
        "other bytes in an env file",
        &["compose-gitea.env", "the file is not UTF-8 text", "--> compose.yml:8:9"],
        |stage| {
            write(stage, ENV, b"A=\xff\n");
        },
    );
    hostile("a NUL in an env file", &["the value of A holds a control character", "--> compose.yml:8:9"], |stage| {
        write(stage, ENV, b"A=x\0y\n");
    });

    // A byte order mark and the line ends of Windows are odd, but no harm.
    let stage = Stage::new();
    for file in [APP, COMPOSE, ENV, CONFIG] {
        let text = fs::read_to_string(stage.file(file)).unwrap();
        write(&stage, file, format!("\u{feff}{}", text.replace('\n', "\r\n")));
    }
    harmless(&stage.run(NOWHERE, &["validate"]).exits(0));
}

#[test]
fn files_that_are_too_long() {
    let long = |bytes: usize| format!("#{}\n", "x".repeat(bytes));
    hostile("a long manifest", &["kompoxapp.yml is longer than 2097152 bytes", "split it"], |stage| {
        append(stage, APP, &long(2 * 1024 * 1024));
    });
    hostile("a long compose file", &["bytes long; at most 2097152 are read", "--> compose.yml:1:1"], |stage| {
        append(stage, COMPOSE, &long(2 * 1024 * 1024));
    });
    hostile("a long configuration", &["config.yml is longer than 2097152 bytes"], |stage| {
        append(stage, CONFIG, &long(2 * 1024 * 1024));
    });
    hostile(
        "a long env file",
        &["names and values have more than 1000000 bytes together", "--> compose.yml:8:9"],
        |stage| {
            write(stage, ENV, format!("A={}\n", "x".repeat(1_000_001)));
        },
    );
    hostile("files that are long together", &["the KOM files are longer than 33554432 bytes in all"], |stage| {
        for i in 0..17 {
            write(stage, &format!(".kompox/kom/{i}.yml"), long(2 * 1024 * 1024 - 10));
        }
    });
    hostile("too many files", &["there are more than 5000 KOM files under"], |stage| {
        for i in 0..5_001 {
            write(stage, &format!(".kompox/kom/{i}.yml"), "");
        }
    });
    // A file without blocks is as long as it says.
    for (file, says) in [
        (APP, "is longer than 2097152 bytes"),
        (CONFIG, "is longer than 2097152 bytes"),
        (COMPOSE, "compose.yml cannot be read: it is longer than 4194304 bytes"),
        (ENV, "compose-gitea.env cannot be used: it is longer than 4194304 bytes"),
        (".env", ".env cannot be read: it is longer than 4194304 bytes"),
    ] {
        hostile("a terabyte", &[says], |stage| {
            fs::File::create(stage.file(file)).unwrap().set_len(1 << 40).unwrap();
        });
    }
}

#[test]
fn what_is_no_file() {
    for (file, says) in [
        (APP, "kompoxapp.yml is not a regular file"),
        (CONFIG, "config.yml is not a regular file"),
        (".kompox/kom/a.yml", "a.yml is not a regular file"),
        (COMPOSE, "compose.yml cannot be read: it is not a regular file"),
        (ENV, "compose-gitea.env cannot be used: it is not a regular file"),
        (".env", ".env cannot be read: it is not a regular file"),
    ] {
        hostile("a pipe", &[says], |stage| pipe(stage, file));
        hostile("a socket", &[says], |stage| {
            let _ = fs::remove_file(stage.file(file));
            fs::create_dir_all(stage.file(file).parent().unwrap()).unwrap();
            // The socket stays when its listener is gone.
            drop(UnixListener::bind(stage.file(file)).unwrap());
        });
    }
    for (file, says) in [
        (APP, "kompoxapp.yml is not a regular file"),
        (".kompox/kom/a.yml", "zero is not a regular file"),
        (COMPOSE, "a symbolic link leads out of the app's own folder"),
        (ENV, "a symbolic link leads out of the app's own folder"),
        (".env", "a symbolic link leads out of the app's own folder"),
    ] {
        hostile("a device", &[says], |stage| link(stage, "/dev/zero", file));
    }
    let stage = Stage::applied();
    pipe(&stage, "p.kplan");
    let says = ["is not a saved plan: it is not a regular file", "make a new plan"];
    refused(&stage, NOWHERE, &[&["apply", "p.kplan"], &["apply", "/dev/zero"]], &says).iter().for_each(harmless);
    refused(&stage, NOWHERE, &[&["show", "p.kplan"], &["show", "/dev/zero"]], &["error"]);
}

#[test]
fn paths_that_lead_out() {
    for (name, from, to, says) in [
        (
            "a compose file above",
            "file:compose.yml",
            "file:../compose.yml",
            "the path leaves the app's own folder with \"..\"",
        ),
        ("a compose file elsewhere", "file:compose.yml", "file:/etc/hostname", "the path is absolute"),
        ("a compose file at home", "file:compose.yml", "file:~/compose.yml", "the path is absolute"),
    ] {
        hostile(name, &[says, "--> kompoxapp.yml:"], |stage| stage.edit(APP, from, to));
    }
    for (name, from, to, says) in [
        ("an env file above", "- compose-gitea.env", "- ../../etc/passwd", "leaves the app's own folder with \"..\""),
        ("an env file elsewhere", "- compose-gitea.env", "- /etc/passwd", "the path is absolute"),
        ("a volume above", "./data/gitea:/data", "./data/../../x:/data", "leaves the volume with \"..\""),
        ("a folder of the machine", "./data/gitea:/data", "/etc:/data", "is a path of one machine"),
    ] {
        hostile(name, &[says, "--> compose.yml:"], |stage| stage.edit(COMPOSE, from, to));
    }
    hostile("a config elsewhere", &["/etc/passwd cannot be used: the path is absolute", "--> compose.yml:"], |stage| {
        append(stage, COMPOSE, "    configs: [c]\nconfigs:\n  c:\n    file: /etc/passwd\n");
    });
    for (file, says) in [(COMPOSE, "--> kompoxapp.yml:"), (ENV, "--> compose.yml:8:9")] {
        hostile("a link out", &["a symbolic link leads out of the app's own folder", says], |stage| {
            link(stage, "/etc/hostname", file);
        });
        hostile("a link to itself", &["cannot be", says], |stage| link(stage, file, file));
    }
    hostile("KOM outside of the project", &["which is outside the project", "--> kompoxapp.yml:"], |stage| {
        append(stage, APP, "---\napiVersion: ops.kompox.dev/v1alpha1\nkind: Defaults\nspec: {komPath: [/etc]}\n");
    });
    hostile("KOM behind a link", &["leads to /etc", "which is outside the project"], |stage| {
        link(stage, "/etc", ".kompox/out");
        append(
            stage,
            APP,
            "---\napiVersion: ops.kompox.dev/v1alpha1\nkind: Defaults\nspec: {komPath: [.kompox/out]}\n",
        );
    });
    hostile("a link to itself among KOM", &["a.yml cannot be read"], |stage| link(stage, "a.yml", ".kompox/kom/a.yml"));

    // Folders that hold themselves are read once.
    let stage = Stage::applied();
    link(&stage, "..", ".kompox/kom/up");
    link(&stage, ".", ".kompox/kom/here");
    harmless(&stage.run(NOWHERE, &["validate"]).exits(0));
}

#[test]
fn too_much_of_everything() {
    hostile("many documents", &["more errors", "20001 errors"], |stage| {
        append(stage, APP, &"---\na: 1\n".repeat(20_000));
        append(stage, APP, "---\n- 1\n");
    });
    hostile("many services", &["there are 601 services; at most 500 are read", "--> compose.yml:"], |stage| {
        let many: String = (0..599).map(|i| format!("  s{i}: {{image: x}}\n")).collect();
        append(stage, COMPOSE, &many);
    });
    for (name, ports, says) in [
        ("all ports", "1-65535:1-65535", "services.gitea.ports has more than 2000 ports"),
        (
            "ranges",
            "1-900:1-900\", \"2001-2900:2001-2900\", \"3001-3900:3001-3900",
            "services.gitea.ports has more than 2000 ports",
        ),
        ("port 65536", "65536:80", "is no port between 0 and 65535"),
        ("a backward range", "90-80:90-80", "ends before it starts"),
    ] {
        hostile(name, &[says, "--> compose.yml:"], |stage| {
            stage.edit(COMPOSE, "      - \"3000:3000\"", &format!("      [\"3000:3000\", \"{ports}\"]"));
        });
    }
    hostile("many items", &["expose has 2001 items; at most 2000 are read"], |stage| {
        // Each another one: what is said twice is read once.
        let ports: Vec<String> = (1..=2_001).map(|port| format!("\"{port}\"")).collect();
        stage.edit(COMPOSE, "image: postgres:17", &format!("image: postgres:17\n    expose: [{}]", ports.join(", ")));
    });
    hostile("one line with many findings", &["has no key \"k0\"", "more errors"], |stage| {
        let keys: String = (0..10_000).map(|i| format!(", k{i}: 1")).collect();
        append(stage, COMPOSE, &format!("  wide: {{image: x{keys}}}\n"));
    });
    hostile("a long key", &["has no key \"kkkk", "…"], |stage| {
        stage.edit(APP, "  existing: false", &format!("  ? \"{}\"\n  : 1\n  existin: false", "k".repeat(1 << 20)));
    });
    hostile(
        "an inline definition far to the right",
        &["the compose file has no key \"a\"", "--> kompoxapp.yml:"],
        |stage| {
            let lines = "\\n".repeat(200_000);
            stage.edit(
                APP,
                "compose: file:compose.yml",
                &format!("{{? \"{}\" : 1, compose: \"a:\\n{lines}\"}}\n", "x".repeat(100_000)),
            );
            let text = fs::read_to_string(stage.file(APP)).unwrap();
            // The rest of the App's keys cannot follow a flow mapping.
            let end = text.find("  ingress:\n    certResolver: staging\n    rules").unwrap();
            write(stage, APP, &text[..end]);
        },
    );
}

#[test]
fn interpolation_that_grows() {
    hostile(
        "values that double",
        &[".env cannot be read: names and values have more than 1000000 bytes together"],
        |stage| {
            let mut text = String::from("A0=xxxxxxxxxx\n");
            for i in 1..60 {
                text.push_str(&format!("A{i}=${{A{0}}}${{A{0}}}\n", i - 1));
            }
            write(stage, ".env", text);
        },
    );
    let long = format!("LONG={}\n", "x".repeat(900_000));
    hostile(
        "a long value many times in one text",
        &["the text grows beyond 4194304 bytes", "--> compose.yml:"],
        |stage| {
            write(stage, ".env", &long);
            stage.edit(
                COMPOSE,
                "image: postgres:17",
                &format!("image: postgres:17\n    labels: {{a: \"{}\"}}", "${LONG}".repeat(20)),
            );
        },
    );
    hostile(
        "a long value in many texts",
        &["the interpolated texts have more than 16777216 bytes together"],
        |stage| {
            write(stage, ".env", &long);
            let labels: String = (0..1_000).map(|i| format!("      l{i}: $LONG\n")).collect();
            stage.edit(
                COMPOSE,
                "image: postgres:17",
                &format!("image: postgres:17\n    labels:\n{}", labels.trim_end()),
            );
        },
    );
    hostile("defaults in defaults", &["invalid interpolation", "--> compose.yml:"], |stage| {
        let nested = format!("{}x{}", "${N:-".repeat(10_000), "}".repeat(10_000));
        stage.edit(COMPOSE, "image: postgres:17", &format!("image: \"{nested}\""));
    });
    hostile("many unset variables in one text", &["nope has no image"], |stage| {
        let many: String = (0..100_000).map(|i| format!("$V{i} ")).collect();
        append(stage, COMPOSE, &format!("  nope:\n    labels: {{a: \"{many}\"}}\n"));
    });
}

#[test]
fn env_files_of_other_formats() {
    for (name, file, text, says) in [
        ("deep JSON", "a.json", format!("{{\"A\":{}", "[".repeat(500_000)), "line 1: this is not valid JSON"),
        ("a bomb", "a.yml", alias_bomb().replace("x-", ""), "this is not valid YAML"),
        ("nested YAML", "a.yaml", "A: {b: c}\n".to_owned(), "the value of A must be a string, a number or a boolean"),
        ("a bad name", "a.json", "{\"A-B\": 1}".to_owned(), "a name must be letters, digits and \"_\""),
        ("an escaped NUL", "a.json", "{\"A\": \"\\u0000\"}".to_owned(), "the value of A holds a control character"),
    ] {
        hostile(name, &[file, says, "--> compose.yml:8:9"], |stage| {
            stage.edit(COMPOSE, "- compose-gitea.env", &format!("- {file}"));
            write(stage, file, &text);
        });
    }
}

#[test]
fn nothing_steers_the_terminal() {
    // Clear the screen, set the window's title, turn the order of reading, in all the ways that YAML can write it.
    const BAD: &str = "\\e[2J\\e]0;owned\\a\\u009b31m\\u202etxt.exe\\u2066\\r\\b\\u200b";
    for (name, from, to) in [
        ("a name", "name: cluster1\n", format!("name: \"{BAD}\"\n")),
        ("a key", "existing: false", format!("\"{BAD}\": 1\n  existing: nope")),
        ("an id", "id: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1\n", format!("id: \"/ws/{BAD}\"\n")),
        ("a setting", "AZURE_AUTH_METHOD: azure_cli", format!("AZURE_AUTH_METHOD: \"{BAD}\"")),
        ("a compose file", "file:compose.yml", format!("\"file:{BAD}\"")),
        ("a kind", "kind: Cluster", format!("kind: \"{BAD}\"")),
    ] {
        hostile(name, &["\\u{1b}"], |stage| stage.edit(APP, from, &to));
    }
    for (name, from, to) in [
        ("a service", "  postgres:\n", format!("  \"{BAD}\":\n")),
        ("a key of a service", "image: postgres:17", format!("image: postgres:17\n    \"{BAD}\": 1")),
        ("a volume", "./data/gitea:/data", format!("\"{BAD}:/data\"")),
        ("a port", "\"3000:3000\"", format!("\"{BAD}:3000\"")),
        ("a variable's message", "image: postgres:17", format!("image: \"${{NO:?{BAD}}}\"")),
    ] {
        hostile(name, &["\\u{1b}"], |stage| stage.edit(COMPOSE, from, &to));
    }
    hostile("a file's name", &["\\u{1b}[2J.yml"], |stage| write(stage, ".kompox/kom/\u{1b}[2J.yml", "a: [\n"));
    hostile("a line that is shown", &["not valid YAML"], |stage| append(stage, APP, "a: [\u{202e}\u{2066}\n"));

    // The same as JSON, and arguments.
    let stage = Stage::applied();
    stage.edit(APP, "kind: Cluster", &format!("kind: \"{BAD}\""));
    harmless(&stage.run(NOWHERE, &["validate", "--format", "json"]).exits(1).says(&["\\u001b", "\\u202e"]));
    harmless(&stage.run(NOWHERE, &["show", "\u{1b}[2J"]).exits(1));
    harmless(&stage.run(NOWHERE, &["plan", "--target", "\u{1b}[2J\u{202e}"]).exits(1));
}
