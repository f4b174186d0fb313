//! Random compose projects, drawn from the JSON schema: every key, every type, one to three files, interpolations.
//!
//! The schema says which keys and types there are; [`words`] says which strings make sense in a place, so that most
//! projects are accepted and the rest fail for interesting reasons.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

use crate::words::{KEYS, NUMBERS, ODD, PLAIN, WHOLE, words};

/// A piece of YAML.
#[derive(Clone, Debug)]
pub enum Yaml {
    /// Written as it is: numbers, booleans, aliases.
    Plain(String),
    /// Written in double quotes.
    Text(String),
    Map(Vec<(String, Yaml)>),
    List(Vec<Yaml>),
    /// `!reset` or `!override`.
    Tagged(&'static str, Box<Yaml>),
}

impl Yaml {
    fn write(&self, indent: usize, out: &mut String) {
        match self {
            Self::Plain(text) => out.push_str(&format!(" {text}\n")),
            Self::Text(text) => out.push_str(&format!(" {}\n", Value::from(text.as_str()))),
            Self::Tagged(tag, inner) => {
                out.push_str(&format!(" {tag}"));
                inner.write(indent, out);
            }
            Self::Map(entries) if entries.is_empty() => out.push_str(" {}\n"),
            Self::List(items) if items.is_empty() => out.push_str(" []\n"),
            Self::Map(entries) => {
                out.push('\n');
                for (key, value) in entries {
                    out.push_str(&format!("{:indent$}{key}:", ""));
                    value.write(indent + 2, out);
                }
            }
            Self::List(items) => {
                out.push('\n');
                for item in items {
                    out.push_str(&format!("{:indent$}-", ""));
                    item.write(indent + 2, out);
                }
            }
        }
    }

    fn line(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out
    }

    /// The text of a file; anchors that it does not use are left out.
    pub fn file(&self) -> String {
        let text = self.line();
        let used = |line: &&str| {
            let anchor = line.split_once('&').filter(|_| line.starts_with("x-")).map(|(_, rest)| rest);
            let name = anchor.and_then(|rest| rest.split(' ').next());
            name.is_none_or(|name| text.contains(&format!(" *{name}\n")))
        };
        text.lines().filter(|line| !line.is_empty()).filter(used).flat_map(|line| [line, "\n"]).collect()
    }
}

/// A project: files by path, and what the command is given.
#[derive(Clone, Debug)]
pub struct Project {
    /// The files of the command line.
    pub files: Vec<Yaml>,
    /// `sub/base.yml`, which services extend.
    pub base: Yaml,
    /// `inc/compose.yml`, which files include.
    pub included: Yaml,
    pub environment: BTreeMap<String, String>,
    pub dotenv: BTreeMap<String, String>,
    pub profiles: Vec<String>,
}

/// How likely a leaf is of a type that the schema does not have there, in a thousand.
const WRONG: u32 = 1;
/// Services of a generated project. Every file names some of them.
const SERVICES: [&str; 3] = ["web", "db", "a.b-c"];

/// Projects drawn from the schema.
pub fn projects(schema: &Value) -> impl Strategy<Value = Project> + use<> {
    let generator = Generator { schema };
    let (first, later) = (generator.file(true), generator.file(false));
    let base = generator.service("base", true).prop_map(|service| services(vec![("base".into(), service)]));
    let included = generator.service("inc", true).prop_map(|service| services(vec![("inc".into(), service)]));
    let files = (first, prop::collection::vec(later, 0..=2)).prop_map(|(first, later)| {
        let mut files = vec![first];
        files.extend(later);
        files
    });
    let variables = || prop::collection::btree_map(select(&["A", "B", "NUM", "YES"][..]), select(VALUES), 0..=3);
    let profiles = prop::collection::vec(select(&["p", "q", "*"][..]), 0..=1);
    (files, base, included, variables(), variables(), profiles).prop_map(
        |(files, base, included, environment, dotenv, profiles)| Project {
            files,
            base,
            included,
            environment: owned(environment),
            dotenv: owned(dotenv),
            profiles: profiles.into_iter().map(str::to_owned).collect(),
        },
    )
}

/// Values of variables.
const VALUES: &[&str] = &["1", "a", "", "true", "8080", "two words", "64m", "$A", "10s", "x: y"];

fn owned(map: BTreeMap<&str, &str>) -> BTreeMap<String, String> {
    map.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn services(services: Vec<(String, Yaml)>) -> Yaml {
    let mut entries = anchors();
    entries.push(("services".into(), Yaml::Map(services)));
    Yaml::Map(entries)
}

/// What aliases lead to: in every file, because anchors end with theirs.
fn anchors() -> Vec<(String, Yaml)> {
    vec![
        ("x-map".into(), Yaml::Plain("&map {one: 1, two: \"${A:-t}\"}".into())),
        ("x-list".into(), Yaml::Plain("&list [\"one=uno\", \"three\"]".into())),
    ]
}

/// Keys that the schema leaves out and the reference does not.
const NEEDED: &[&str] = &[
    "container_spec.devices[].target",
    "container_spec.volumes[].target",
    "workload_spec.ports[].target",
    "development.watch[].target",
];

struct Generator<'a> {
    schema: &'a Value,
}

impl Generator<'_> {
    fn file(&self, first: bool) -> BoxedStrategy<Yaml> {
        let names = SERVICES.into_iter().enumerate().map(|(index, name)| {
            let weight = if !first {
                0.4
            } else if index == 0 {
                0.99
            } else {
                0.8
            };
            prop::option::weighted(weight, self.service(name, first)).prop_map(move |service| (name, service)).boxed()
        });
        let services = names.collect::<Vec<_>>().prop_map(|services| {
            let present = services.into_iter().filter_map(|(name, service)| Some((name.to_owned(), service?)));
            present.collect::<Vec<_>>()
        });
        let resources = [
            ("networks", "network", ["n1", "n2"]),
            ("volumes", "volume", ["data", "cache"]),
            ("configs", "config", ["c1", "c2"]),
            ("secrets", "secret", ["s1", "s2"]),
            ("models", "model", ["m1", "m2"]),
        ];
        let sections = resources.map(|(section, definition, names)| {
            let entries = names.map(|name| {
                let given = prop::option::weighted(0.1, self.resource(definition, first));
                (Just(name), given, prop::bool::weighted(0.98)).boxed()
            });
            (Just(section), Vec::from(entries)).boxed()
        });
        let include = prop::bool::weighted(0.2);
        (services, Vec::from(sections), include)
            .prop_map(move |(services, sections, include)| {
                let mut entries = anchors();
                if include {
                    entries.push(("include".into(), Yaml::List(vec![Yaml::Text("inc/compose.yml".into())])));
                }
                entries.push(("services".into(), Yaml::Map(services)));
                for (section, given) in sections {
                    let resources: Vec<_> = given
                        .into_iter()
                        .filter_map(|(name, given, present)| {
                            let given = given.or_else(|| (first && present).then(|| declared(section)));
                            Some((name.to_owned(), given?))
                        })
                        .collect();
                    if !resources.is_empty() {
                        entries.push((section.into(), Yaml::Map(resources)));
                    }
                }
                Yaml::Map(entries)
            })
            .boxed()
    }

    /// A service; the first file's have an image nearly always.
    fn service(&self, name: &'static str, first: bool) -> BoxedStrategy<Yaml> {
        let image = prop::option::weighted(if first { 0.99 } else { 0.1 }, select(&["nginx", "a/b:${NUM:-1}"][..]));
        let base = match name {
            "base" | "inc" => "",
            _ if !first => "{file: sub/base.yml, service: base}",
            "web" => "{file: sub/base.yml, service: base}",
            _ => "web",
        };
        let extends = prop::bool::weighted(if base.is_empty() { 0.0 } else { 0.15 });
        (self.value(&self.schema["$defs"]["service"], "service", 0), image, extends)
            .prop_map(move |(service, image, extends)| {
                let Yaml::Map(mut entries) = service else { return service };
                entries.retain(|(_, value)| !value.line().contains(&format!("\"{name}\"")));
                if let Some(image) = image.filter(|_| entries.iter().all(|(key, _)| key != "image")) {
                    entries.push(("image".into(), Yaml::Text(image.into())));
                }
                if extends {
                    entries.push(("extends".into(), Yaml::Plain(base.into())));
                }
                Yaml::Map(entries)
            })
            .boxed()
    }

    /// A network, volume, config, secret or model, mostly without parts that exclude each other.
    fn resource(&self, definition: &'static str, first: bool) -> BoxedStrategy<Yaml> {
        let value = self.value(&self.schema["$defs"][definition], definition, 1);
        (value, 0..10_u32)
            .prop_map(move |(value, kind)| {
                let Yaml::Map(mut entries) = value else { return value };
                if kind == 0 {
                    return Yaml::Map(entries);
                }
                entries.retain(|(key, _)| !["external", "file", "environment", "content"].contains(&key.as_str()));
                let kind = if definition == "model" { 9 } else { kind };
                let entry = |key: &str, text: &str| (key.to_owned(), Yaml::Plain(text.to_owned()));
                match definition {
                    _ if kind == 1 => entries = vec![entry("external", "true")],
                    "secret" if kind == 2 => entries.push(entry("file", "./secret")),
                    "config" if kind == 2 => entries.push(entry("file", "../config")),
                    "secret" if first => entries.push(entry("environment", "A")),
                    "config" if first => entries.push(entry("content", "x${A:-y}")),
                    _ => {}
                }
                Yaml::Map(entries)
            })
            .boxed()
    }

    /// A value for a place of the schema.
    fn value(&self, node: &Value, place: &str, depth: usize) -> BoxedStrategy<Yaml> {
        if let Some(reference) = node["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or_default();
            let place = if matches!(
                name,
                "list_or_dict" | "string_or_list" | "list_of_strings" | "command" | "service_config_or_secret"
            ) {
                place
            } else {
                name
            };
            return self.value(&self.schema["$defs"][name], place, depth);
        }
        if let Some(choices) = node["oneOf"].as_array() {
            let choices: Vec<_> = choices.iter().map(|choice| self.value(choice, place, depth)).collect();
            return prop::strategy::Union::new(choices).boxed();
        }
        if let Some(options) = node["enum"].as_array() {
            let options: Vec<String> = options.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            return select(options).prop_map(Yaml::Text).boxed();
        }
        let types: Vec<&str> = match &node["type"] {
            Value::String(name) => vec![name.as_str()],
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            _ if node["properties"].is_object() || node["allOf"].is_array() => vec!["object"],
            _ => vec!["string"],
        };
        let kinds: Vec<_> =
            types.iter().map(|kind| (30, self.typed(node, place, depth, kind, types.len() > 1))).collect();
        if types == ["object"] && depth == 0 {
            return prop::strategy::Union::new_weighted(kinds).boxed();
        }
        prop_oneof![
            (1000 - WRONG) => prop::strategy::Union::new_weighted(kinds),
            WRONG => wrong(),
        ]
        .boxed()
    }

    fn typed(&self, node: &Value, place: &str, depth: usize, kind: &str, loose: bool) -> BoxedStrategy<Yaml> {
        match kind {
            "null" => Just(Yaml::Plain(String::new())).boxed(),
            "boolean" if !loose => select(&["true", "false"][..]).prop_map(|text| Yaml::Plain(text.into())).boxed(),
            "boolean" => select(&["true", "false", "\"true\"", "\"${U:-no}\""][..])
                .prop_map(|text| Yaml::Plain(text.into()))
                .boxed(),
            "number" | "integer" => {
                let known = if kind == "integer" { WHOLE } else { NUMBERS };
                let plain = word(known, 40).prop_map(|text| Yaml::Plain(text.into()));
                let text = select(&["${U:-3}", "${U:-${U-1}}"][..]).prop_map(|text| Yaml::Text(text.into()));
                prop_oneof![6 => plain, u32::from(loose) => text].boxed()
            }
            "array" if place == "healthcheck.test" => {
                let tests = ["[CMD, \"a b\", c]", "[CMD-SHELL, \"a || b\"]", "[NONE]", "[CMD]", "[]", "[a]"];
                select(tests.to_vec()).prop_map(|text| Yaml::Plain(text.into())).boxed()
            }
            "array" => {
                let items = self.value(&node["items"], &format!("{place}[]"), depth + 1);
                let unique = node["uniqueItems"] == true;
                let list = prop::collection::vec(items, 0..=3).prop_map(move |items| {
                    let mut kept: Vec<Yaml> = Vec::new();
                    for item in items {
                        if !unique || kept.iter().all(|other| other.line() != item.line()) {
                            kept.push(item);
                        }
                    }
                    Yaml::List(kept)
                });
                let simple = node["items"]["type"] == "string" && words(&format!("{place}[]")).is_none();
                prop_oneof![20 => list, u32::from(simple) => Just(Yaml::Plain("*list".into()))].boxed()
            }
            "object" => self.object(node, place, depth),
            _ => text(place, loose),
        }
    }

    fn properties<'a>(&'a self, node: &'a Value, place: &str, found: &mut Vec<(&'a str, &'a Value, String)>) {
        for part in node["allOf"].as_array().into_iter().flatten() {
            let name = part["$ref"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
            self.properties(&self.schema["$defs"][name], name, found);
        }
        // Who extends whom is chosen by the service's name.
        for (key, child) in node["properties"].as_object().into_iter().flatten().filter(|(key, _)| *key != "extends") {
            found.push((key, child, format!("{place}.{key}")));
        }
    }

    fn object(&self, node: &Value, place: &str, depth: usize) -> BoxedStrategy<Yaml> {
        let mut properties = Vec::new();
        self.properties(node, place, &mut properties);
        let required: Vec<&str> = node["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let usual = (3.5 / properties.len().max(1) as f64).min(0.4);
        let known: Vec<_> = properties
            .into_iter()
            .map(|(key, child, place)| {
                let weight = match () {
                    () if required.contains(&key) || NEEDED.contains(&place.as_str()) => 0.99,
                    // Whole containers inside containers say little more than the outer ones.
                    () if key == "pre_start" => usual / 4.0,
                    () => usual,
                };
                let value = self.value(child, &place, depth + 1);
                let value = if depth <= 1 { tagged(value) } else { value };
                let key = key.to_owned();
                prop::option::weighted(weight, value).prop_map(move |value| (key.clone(), value)).boxed()
            })
            .collect();
        let free: Vec<_> = node["patternProperties"]
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(pattern, _)| *pattern != "^x-")
            .map(|(_, child)| {
                let place = format!("{place}.*");
                let entry = (select(keys(&place)), self.value(child, &place, depth + 1));
                prop::collection::vec(entry, 0..=3).boxed()
            })
            .collect();
        let scalars = node["patternProperties"][".+"]["type"].is_array();
        let map = (known, free).prop_map(|(known, free)| {
            let mut entries: Vec<(String, Yaml)> =
                known.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
            for (key, value) in free.into_iter().flatten() {
                if entries.iter().all(|(other, _)| other != key) {
                    entries.push((key.to_owned(), value));
                }
            }
            Yaml::Map(entries)
        });
        prop_oneof![
            20 => map,
            u32::from(scalars) => Just(Yaml::Plain("*map".into())),
        ]
        .boxed()
    }
}

/// A declaration that is always accepted.
fn declared(section: &str) -> Yaml {
    let (key, value) = match section {
        "configs" => ("content", "x"),
        "secrets" => ("environment", "A"),
        "models" => ("model", "ai/m"),
        _ => return Yaml::Map(Vec::new()),
    };
    Yaml::Map(vec![(key.into(), Yaml::Text(value.into()))])
}

fn keys(place: &str) -> &'static [&'static str] {
    let names = words(place).unwrap_or(KEYS);
    names.split(|name| *name == ODD).next().unwrap_or(names)
}

/// Sometimes `!reset` or `!override`.
fn tagged(value: BoxedStrategy<Yaml>) -> BoxedStrategy<Yaml> {
    prop_oneof![
        60 => value.clone(),
        1 => Just(Yaml::Tagged("!reset", Box::new(Yaml::Plain("null".into())))),
        1 => value.prop_map(|value| Yaml::Tagged("!override", Box::new(value))),
    ]
    .boxed()
}

fn wrong() -> BoxedStrategy<Yaml> {
    prop_oneof![
        Just(Yaml::Plain("7".into())),
        Just(Yaml::Plain("true".into())),
        Just(Yaml::Plain(String::new())),
        Just(Yaml::Text("odd".into())),
        Just(Yaml::List(vec![Yaml::Text("odd".into())])),
        Just(Yaml::Map(vec![("odd".into(), Yaml::Plain("1".into()))])),
    ]
    .boxed()
}

/// A word of a list, seldom an odd one.
fn word(list: &'static [&'static str], usual: u32) -> BoxedStrategy<&'static str> {
    match list.iter().position(|word| *word == ODD) {
        Some(at) => prop_oneof![usual => select(&list[..at]), 1 => select(&list[at + 1..])].boxed(),
        None => select(list).boxed(),
    }
}

/// A string for a place, sometimes interpolated, sometimes unquoted. A loose place takes numbers and booleans too.
fn text(place: &str, loose: bool) -> BoxedStrategy<Yaml> {
    let known = words(place);
    let word = word(known.unwrap_or(PLAIN), 60);
    // What a variable holds suits a place that takes any string.
    let forms = if known.is_some() { &FORMS[..SAFE] } else { FORMS };
    prop_oneof![
        12 => word.clone().prop_map(|word| Yaml::Text(word.into())),
        2 => (word, select(forms)).prop_map(|(word, form)| Yaml::Text(form.replace("WORD", word))),
        // Unquoted, it may read as a number, a boolean, a date or nothing.
        u32::from(loose && known.is_none()) * 6 => select(UNQUOTED).prop_map(|word| Yaml::Plain(word.into())),
    ]
    .boxed()
}

/// How many of the forms give the word whatever the variables are.
const SAFE: usize = 4;
/// Ways to write a word with variables.
const FORMS: &[&str] = &[
    "${U:-WORD}",
    "${U-WORD}",
    "${U:-${U:-WORD}}",
    "WORD${U}",
    "${A:-WORD}",
    "${A-WORD}",
    "${A:+WORD}",
    "${A+WORD}",
    "${U:-${B:-WORD}}",
    "${A?${B:-needed}}",
    "$A",
    "${NUM}",
    "WORD$$",
];

/// Plain scalars that a YAML reader has an opinion about.
const UNQUOTED: &[&str] = &[
    "yes",
    "Off",
    "0x1F",
    "017",
    "0o17",
    "1e3",
    "1_000",
    "2024-01-02",
    "~",
    "null",
    ".5",
    "1.0",
    "+1",
    "0b11",
    "1:30",
    "-0",
    "TRUE",
    "08",
    "1.50",
    "6.02e23",
    "12345678901234567890",
    "a b",
    "=",
    "2001-12-14t21:59:43.10-05:00",
];
