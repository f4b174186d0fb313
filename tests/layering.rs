//! Who may use whom: scans every `crate::…`, `super::…` and `kompox_…::…` path of the sources of all crates and holds them
//! against the map in `ARCHITECTURE.md`. A layer that gains a dependency must gain it here, with its reason, first.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A layer, what it may use beside itself, and the rule in words.
struct Layer {
    path: &'static str,
    may_use: &'static [&'static str],
    rule: &'static str,
}

const LAYERS: &[Layer] = &[
    // Each module of the ground floor is a layer of its own, so that none grows onto another.
    Layer { path: "text::ci", may_use: &[], rule: "text::ci stands alone" },
    Layer { path: "text::dns", may_use: &[], rule: "text::dns stands alone" },
    Layer { path: "text::document", may_use: &[], rule: "text::document stands alone" },
    Layer { path: "text::host", may_use: &[], rule: "text::host stands alone" },
    Layer { path: "text::path", may_use: &[], rule: "text::path stands alone" },
    Layer { path: "text::scalar", may_use: &[], rule: "text::scalar stands alone" },
    Layer { path: "text::secret", may_use: &[], rule: "text::secret stands alone" },
    Layer { path: "text::suggest", may_use: &[], rule: "text::suggest stands alone" },
    Layer { path: "advice", may_use: &[], rule: "advice stands alone" },
    Layer { path: "diag", may_use: &["advice"], rule: "diag uses advice only" },
    Layer { path: "parallel", may_use: &[], rule: "parallel stands alone" },
    Layer { path: "policy", may_use: &[], rule: "policies see a plan as JSON and nothing else" },
    Layer { path: "yaml", may_use: &["diag"], rule: "yaml uses diag only" },
    Layer { path: "rules", may_use: &[], rule: "the rules of Kubernetes stand alone" },
    Layer { path: "state", may_use: &[], rule: "the state stands alone" },
    Layer {
        path: "engine",
        may_use: &["state", "advice", "rules::quantity", "text::secret", "parallel"],
        rule: "the engine uses nothing but itself, the state, advice, quantities, what may be a secret, and all processors to decide on: it names no cloud",
    },
    Layer {
        path: "report",
        may_use: &["engine", "advice", "diag", "text::ci"],
        rule: "report uses engine types, advice, diag and ci only",
    },
    Layer {
        path: "kom",
        may_use: &[
            "advice",
            "diag",
            "yaml",
            "rules::quantity",
            "text::dns",
            "text::document",
            "text::path",
            "text::scalar",
            "text::secret",
            "text::suggest",
        ],
        rule: "kom knows no provider, engine, resources or cli",
    },
    Layer {
        path: "compose",
        may_use: &["advice", "diag", "yaml", "rules", "text"],
        rule: "compose knows no provider, engine, resources or cli: conversion is pure",
    },
    Layer {
        path: "resources",
        may_use: &["engine", "state", "kom", "compose", "advice", "diag", "yaml", "rules", "text", "parallel"],
        rule: "resources turn manifests into a graph and never see a provider",
    },
    Layer { path: "providers::limiter", may_use: &[], rule: "the limiter stands alone" },
    Layer {
        path: "providers::opening",
        may_use: &["advice", "providers::retry"],
        rule: "what providers share of being opened",
    },
    Layer { path: "providers::retry", may_use: &["engine"], rule: "what providers share uses the engine only" },
    Layer {
        path: "providers::azure",
        may_use: &["engine", "advice", "text::host", "providers::limiter", "providers::opening", "providers::retry"],
        rule: "providers never see each other: the engine's types and what all share",
    },
    Layer {
        path: "providers::kubernetes",
        may_use: &[
            "engine",
            "advice",
            "rules::quantity",
            "text::host",
            "providers::limiter",
            "providers::opening",
            "providers::retry",
        ],
        rule: "providers never see each other: the engine's types and what all share",
    },
    Layer {
        path: "sandbox",
        may_use: &["rules"],
        rule: "the sandbox is an endpoint like a cloud's: it knows nothing of the program but the rules of Kubernetes",
    },
    Layer {
        path: "cli",
        may_use: &[
            "engine",
            "report",
            "kom",
            "compose",
            "resources",
            "providers",
            "sandbox",
            "state",
            "advice",
            "diag",
            "yaml",
            "text",
            "parallel",
            "policy",
        ],
        rule: "cli composes everything",
    },
];

/// Rooms inside `compose`: text → tree → model → objects, and none knows of what comes after it.
const ROOMS: &[Layer] = &[
    Layer {
        path: "compose::load",
        may_use: &["compose::tree", "compose::files", "compose::interpolate", "compose::syntax", "compose::env"],
        rule: "the loader knows no reader, model, verdict or object",
    },
    Layer { path: "compose::model", may_use: &["compose::syntax::Protocol"], rule: "the model is types only" },
    Layer { path: "compose::support", may_use: &[], rule: "verdicts know nothing of what is judged by them" },
    Layer {
        path: "compose::project",
        may_use: &["compose::load", "compose::model", "compose::gate"],
        rule: "a project is a model with what messages and printing need",
    },
    Layer {
        path: "compose::convert",
        may_use: &[
            "compose::project",
            "compose::model",
            "compose::gate",
            "compose::names",
            "compose::addresses",
            "compose::syntax",
        ],
        rule: "the conversion knows no text, tree or reader",
    },
];

/// Who may print.
const PRINTING: &[&str] = &["report", "cli"];
const PRINTS: &[&str] = &["println!", "eprintln!", "print!", "eprint!", "dbg!", "stdout()", "stderr()"];

/// The folders of the crates, each with the module path that its root has here.
const CRATES: &[(&str, &[&str])] =
    &[("src", &[]), ("src/rules", &["rules"]), ("sandbox/src", &["sandbox"]), ("state/src", &["state"])];

/// A source file: its name below the root, its crate's root and its module path as [`CRATES`] begins it, its lines without
/// comments.
struct File {
    name: String,
    crate_root: Vec<String>,
    module: Vec<String>,
    lines: Vec<String>,
}

fn sources() -> Vec<File> {
    CRATES.iter().flat_map(|(below, module)| sources_of(below, module)).collect()
}

fn sources_of(below: &str, crate_root: &[&str]) -> Vec<File> {
    let crate_root: Vec<String> = crate_root.iter().map(|part| (*part).to_owned()).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join(below), &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let inner = name.strip_prefix(below).unwrap().trim_start_matches('/').trim_end_matches(".rs");
        let mut module: Vec<String> = crate_root.iter().cloned().chain(inner.split('/').map(str::to_owned)).collect();
        if module.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
            module.pop();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = |line: &str| if line.trim_start().starts_with("//") { String::new() } else { line.to_owned() };
        File { name, crate_root: crate_root.clone(), module, lines: text.lines().map(code).collect() }
    };
    paths.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.join("Cargo.toml").exists() {
                // A crate of its own.
                continue;
            }
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

impl File {
    /// Whether it names a module right below it by that module's own name.
    fn calls(&self, below: &[String]) -> bool {
        let name = format!("{}::", below.last().map_or("", String::as_str));
        let begins = |line: &str, at: usize| {
            !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '$')
        };
        self.lines.iter().any(|line| line.match_indices(&name).any(|(at, _)| begins(line, at)))
    }

    fn is_test(&self) -> bool {
        self.module.iter().any(|part| part == "tests" || part.ends_with("_tests") || part == "testing")
    }

    /// Every module that this file names, absolute, with the line where it does.
    fn uses(&self) -> BTreeSet<(usize, Vec<String>)> {
        self.names(3)
    }

    /// The file without its unit tests, which close it in a module of their own.
    fn without_tests(&self) -> Self {
        let opens = |at: &usize| {
            self.lines[*at].trim() == "#[cfg(test)]"
                && self.lines.get(at + 1).is_some_and(|line| line.contains("mod tests {"))
        };
        let end = (0..self.lines.len()).find(opens).unwrap_or(self.lines.len());
        Self {
            name: self.name.clone(),
            crate_root: self.crate_root.clone(),
            module: self.module.clone(),
            lines: self.lines[..end].to_vec(),
        }
    }

    /// Every path below the crate that this file names, absolute and so many segments long, with the line where it does.
    fn names(&self, depth: usize) -> BTreeSet<(usize, Vec<String>)> {
        let text = self.lines.join("\n");
        // Unit tests close a file, in a module of their own.
        let tests = text.find("mod tests {").unwrap_or(text.len());
        let mut uses = BTreeSet::new();
        let starts = ["crate::", "super::", "kompox::", "kompox_rules", "kompox_sandbox", "kompox_state"];
        for (start, _) in starts.iter().flat_map(|start| text.match_indices(start)) {
            let before = text[..start].chars().next_back();
            let is_visibility = text[..start].ends_with("(in ");
            if is_visibility || before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$') {
                continue;
            }
            let line = text[..start].matches('\n').count() + 1;
            let mut rest = &text[start..];
            let mut base = Vec::new();
            if let Some(after) = rest.strip_prefix("crate::") {
                base.clone_from(&self.crate_root);
                rest = after;
            } else if let Some(after) = rest.strip_prefix("kompox::").or(rest.strip_prefix("kompox_")) {
                rest = after;
            } else {
                base.clone_from(&self.module);
                if start > tests {
                    base.push("tests".to_owned());
                }
                while let Some(after) = rest.strip_prefix("super::") {
                    base.pop();
                    rest = after;
                }
            }
            for tail in paths(rest, depth) {
                uses.insert((line, [base.clone(), tail].concat()));
            }
        }
        uses
    }
}

/// The circles among some files: modules of which each uses all others in the end, by their names.
fn circles(files: &[File]) -> Vec<Vec<String>> {
    let files: Vec<File> = files.iter().filter(|file| !file.is_test()).map(File::without_tests).collect();
    let place: BTreeMap<&[String], usize> =
        files.iter().enumerate().map(|(at, file)| (file.module.as_slice(), at)).collect();
    let module = |path: &[String]| (1..=path.len()).rev().find_map(|length| place.get(&path[..length]).copied());
    let uses = |at: usize| -> BTreeSet<usize> {
        let file = &files[at];
        let named = file.names(8).into_iter().filter_map(|(_, path)| module(&path));
        // A module names its own without `self::`, too.
        let below = files.iter().enumerate().filter(|(_, other)| other.module.len() == file.module.len() + 1);
        let below = below.filter(|(_, other)| other.module.starts_with(&file.module) && file.calls(&other.module));
        named.chain(below.map(|(other, _)| other)).filter(|other| *other != at).collect()
    };
    let uses: Vec<BTreeSet<usize>> = (0..files.len()).map(uses).collect();
    let reached: Vec<BTreeSet<usize>> = (0..files.len())
        .map(|start| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![start]);
            while let Some(at) = next.pop() {
                next.extend(uses[at].iter().filter(|other| seen.insert(**other)));
            }
            seen
        })
        .collect();
    let circle = |at: usize| -> BTreeSet<usize> {
        reached[at].iter().copied().filter(|other| reached[*other].contains(&at)).collect()
    };
    let found: BTreeSet<BTreeSet<usize>> = (0..files.len()).map(circle).filter(|circle| circle.len() > 1).collect();
    found.into_iter().map(|circle| circle.into_iter().map(|at| files[at].module.join("::")).collect()).collect()
}

/// The paths that a `use` tree begins, at most `depth` segments long.
fn paths(text: &str, depth: usize) -> Vec<Vec<String>> {
    if depth == 0 {
        return vec![Vec::new()];
    }
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        return branches(group).into_iter().flat_map(|branch| paths(branch, depth)).collect();
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (segment, rest) = text.split_at(end);
    if segment.is_empty() || segment == "self" {
        return vec![Vec::new()];
    }
    let below = rest.strip_prefix("::").map_or_else(|| vec![Vec::new()], |rest| paths(rest, depth - 1));
    below.into_iter().map(|below| [vec![segment.to_owned()], below].concat()).collect()
}

/// The branches of a group, up to its closing brace.
fn branches(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut found) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth > 0 => {}
            ',' | '}' => {
                found.push(&group[start..at]);
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found.retain(|branch| !branch.trim().is_empty());
    found
}

fn layer_of(module: &[String]) -> Option<&'static Layer> {
    let path = module.join("::") + "::";
    LAYERS.iter().find(|layer| path.starts_with(&format!("{}::", layer.path)))
}

#[test]
fn every_layer_uses_only_what_it_may() {
    let files = sources();
    let mut broken = Vec::new();
    let mut checked = 0;
    for file in &files {
        let Some(layer) = layer_of(&file.module) else { continue };
        for (line, used) in file.uses() {
            let path = used.join("::") + "::";
            let within = |allowed: &str| path.starts_with(&format!("{allowed}::"));
            checked += 1;
            if !within(layer.path) && !layer.may_use.iter().any(|allowed| within(allowed)) {
                broken.push(format!("{}:{line}: {} uses {}: {}", file.name, layer.path, used.join("::"), layer.rule));
            }
        }
    }
    assert!(checked > 300, "the scan finds paths at all: {checked}");
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn compose_goes_one_way() {
    let mut broken = Vec::new();
    for file in sources().iter().filter(|file| !file.is_test()).map(File::without_tests) {
        let path = file.module.join("::") + "::";
        let Some(room) = ROOMS.iter().find(|room| path.starts_with(&format!("{}::", room.path))) else { continue };
        for (line, used) in file.uses() {
            let path = used.join("::") + "::";
            let within = |allowed: &str| path.starts_with(&format!("{allowed}::"));
            if within("compose") && !within(room.path) && !room.may_use.iter().any(|allowed| within(allowed)) {
                broken.push(format!("{}:{line}: {} uses {}: {}", file.name, room.path, used.join("::"), room.rule));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn modules_use_each_other_one_way() {
    let found: Vec<String> = circles(&sources()).iter().map(|circle| circle.join(" ")).collect();
    assert!(found.is_empty(), "modules of which each uses the others in the end:\n{}\n", found.join("\n"));
}

#[test]
fn circles_are_found() {
    let file = |name: &str, text: &str| File {
        name: format!("src/{name}.rs"),
        crate_root: Vec::new(),
        module: name.split('/').map(str::to_owned).collect(),
        lines: text.lines().map(str::to_owned).collect(),
    };
    let files = [
        file("a", "use b::x;\npub(in crate::d) fn y() {}"),
        file("a/b", "fn x() { super::c::y() }"),
        file("a/c", "use crate::a::{self, d};"),
        file("d", "use crate::a::c;\n#[cfg(test)]\nmod tests {\n    use crate::e;\n}"),
        file("e", "use crate::d::{f, g::{h}};"),
        file("a/tests", "use super::super::d;"),
    ];
    assert_eq!(circles(&files), [["a", "a::b", "a::c"]]);
}

/// Where a cloud may be called by its name: its driver, its provider, and what opens that.
const CLOUDS: &[(&str, &str)] = &[
    ("src/resources/drivers/aks/", "the driver"),
    ("src/resources/drivers/k3s/", "the driver"),
    ("src/providers/kubernetes/kubeconfig.rs", "the way of the driver k3s"),
    ("src/providers/azure/", "the provider"),
    ("src/kom/legacy.rs", "a format of old, which knew one cloud"),
    ("src/kom/keys.rs", "the words that `driver:` has in KOM, whatever of them this version supports"),
    ("src/cli/init", "writes a project for a cloud"),
    ("src/cli/import.rs", "its help shows an id"),
    ("src/report/facts.rs", "finds facts where bodies of clouds keep them"),
];

/// What only a driver knows: its word, its settings, what its cloud calls things.
const CLOUDY: &[&str] = &[
    "\"aks\"",
    "\"k3s\"",
    "K3S_",
    "AZURE_",
    "azure://",
    "subscription",
    "resource group",
    "resource_group",
    "resource-group",
    "resourcegroup",
    "key vault",
    "key_vault",
    "key-vault",
    "keyvault",
];

#[test]
fn only_its_driver_names_a_cloud() {
    let mut broken = Vec::new();
    let mut used = BTreeSet::new();
    for file in
        sources().iter().filter(|file| file.name.starts_with("src/") && !file.is_test()).map(File::without_tests)
    {
        let may = CLOUDS.iter().find(|(place, _)| file.name.starts_with(place));
        for (number, line) in file.lines.iter().enumerate() {
            let lower = line.to_lowercase();
            let Some(word) = CLOUDY.iter().find(|word| lower.contains(&word.to_lowercase())) else { continue };
            match may {
                Some((place, _)) => drop(used.insert(*place)),
                None => broken.push(format!("{}:{}: {word}: only its driver names a cloud", file.name, number + 1)),
            }
        }
    }
    let idle: Vec<_> = CLOUDS.iter().filter(|(place, _)| !used.contains(place)).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
    assert!(idle.is_empty(), "these need no exception any more: {idle:?}");
}

#[test]
fn every_module_belongs_to_a_layer() {
    let outside: Vec<String> =
        sources().into_iter().filter(|file| layer_of(&file.module).is_none()).map(|file| file.name).collect();
    assert_eq!(outside, ["src/lib.rs", "src/main.rs", "src/providers/mod.rs", "src/text/mod.rs"]);
}

#[test]
fn only_report_and_cli_print() {
    let mut broken = Vec::new();
    for file in sources() {
        if layer_of(&file.module).is_some_and(|layer| PRINTING.contains(&layer.path)) || file.is_test() {
            continue;
        }
        // Unit tests close a file, as modules.
        let is_test_module = |at: usize| {
            file.lines[at].trim() == "#[cfg(test)]" && file.lines.get(at + 1).is_some_and(|line| line.contains("mod "))
        };
        let code = file.lines.iter().enumerate().take_while(|(at, _)| !is_test_module(*at)).map(|(_, line)| line);
        for (number, line) in code.enumerate() {
            if let Some(call) = PRINTS.iter().find(|call| line.contains(*call)) {
                broken.push(format!("{}:{}: {call}: only report and cli print", file.name, number + 1));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn the_scan_reads_groups_and_parents() {
    let file = File {
        name: "src/providers/azure/read.rs".to_owned(),
        crate_root: Vec::new(),
        module: ["providers", "azure", "read"].map(str::to_owned).into(),
        lines: vec![
            "use crate::{engine::value::Value, providers::{retry, kubernetes::{self, x}}};".to_owned(),
            "let a = super::super::kubernetes::Api; my_crate::b(); kompox_sandbox::{World, inspect()};".to_owned(),
        ],
    };
    let uses: Vec<String> = file.uses().into_iter().map(|(line, path)| format!("{line} {}", path.join("::"))).collect();
    assert_eq!(
        uses,
        [
            "1 engine::value::Value",
            "1 providers::kubernetes",
            "1 providers::kubernetes::x",
            "1 providers::retry",
            "2 providers::kubernetes::Api",
            "2 sandbox::World",
            "2 sandbox::inspect",
        ]
    );
}
