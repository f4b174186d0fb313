//! Small projects around one value each, put together from pieces of its syntax: what random words of a list never reach.

use proptest::prelude::*;
use proptest::sample::select;

use crate::generate::{Project, Yaml};

/// A kind of value: where it stands, its pieces, and whether it is written without quotes.
struct Kind {
    place: Place,
    pieces: &'static [&'static str],
}

#[derive(Clone, Copy, Debug)]
enum Place {
    /// The value of a key of the service.
    Key(&'static str),
    /// The only item of a list of the service.
    Item(&'static str),
    /// A label without quotes.
    Plain,
    /// A label in quotes.
    Label,
    /// The project's `.env`, seen through labels.
    DotEnv,
    /// A service's env file.
    EnvFile,
    /// The same, in the raw format.
    RawEnvFile,
    /// The project's name.
    Name,
    /// `healthcheck.interval`.
    Interval,
}

const KINDS: &[Kind] = &[
    Kind {
        place: Place::Label,
        pieces: &[
            "$", "{", "}", "$$", "A", "U", "${A", "${U", ":-", "-", ":?", "?", "+", ":+", " ", "x", "'", "\"", "\\",
            "_", "1", "\n", "é", ":",
        ],
    },
    Kind {
        place: Place::Item("ports"),
        pieces: &[
            "80",
            "1",
            "65535",
            "65536",
            "0",
            "-",
            ":",
            "/",
            "tcp",
            "udp",
            "sctp",
            "[",
            "]",
            "::1",
            "127.0.0.1",
            "a",
            " ",
            "8000-8002",
            "UDP",
        ],
    },
    Kind {
        place: Place::Item("volumes"),
        pieces: &[
            "data", "./", "/", ":", ":", "ro", "rw", ",", "~", "..", "z", "Z", "c", "\\", "nocopy", "rslave", "a b",
            ".", "cached", "//",
        ],
    },
    Kind {
        place: Place::Key("stop_grace_period"),
        pieces: &[
            "1", "20", "0", "h", "m", "s", "ms", "us", "ns", "d", "w", ".", "-", " ", "+", "µs", "y", "1.5s", "S",
            "9999999",
        ],
    },
    Kind {
        place: Place::Interval,
        pieces: &["1", "20", "0", "h", "m", "s", "ms", "us", "ns", "d", "w", ".", "-", "+", "1.5", "1h1s"],
    },
    Kind {
        place: Place::Key("mem_limit"),
        pieces: &[
            "1", "64", "0", ".", "5", "k", "kb", "m", "MB", "MiB", "g", "GB", "b", "B", "t", "p", "e", " ", "-", "+",
            "ki", "_", "i",
        ],
    },
    Kind {
        place: Place::Key("command"),
        pieces: &[
            "a", "b c", " ", "'", "\"", "\\", "$$", "`", "(", ")", "#", ";", "|", "&", ">", "<", "\n", "\t", "*", "=",
            "~", "é",
        ],
    },
    Kind {
        place: Place::DotEnv,
        pieces: &[
            "A", "B", "=", "=", "x", "\"", "'", "#", " ", "\n", "\n", "$", "{", "}", "$B", "${B}", "export ", "\\",
            "n", ":", ":-", "\t", "A=1\n", "B=",
        ],
    },
    Kind {
        place: Place::EnvFile,
        pieces: &[
            "A", "B", "=", "=", "x", "\"", "'", "#", " ", "\n", "\n", "$", "{", "}", "$B", "${B}", "export ", "\\",
            "n", ":", "-", "\r\n", "A=1\n", "B=", "é", ".",
        ],
    },
    Kind {
        place: Place::RawEnvFile,
        pieces: &["A", "B", "=", "x", "\"", "'", "#", " ", "\n", "\n", "$B", "\\", "\r\n", "A=1\n", "B=", "é"],
    },
    Kind {
        place: Place::Plain,
        pieces: &[
            "0",
            "1",
            "7",
            "9",
            "_",
            ".",
            "e",
            "E",
            "x",
            "0x",
            "0o",
            "0b",
            "-",
            "+",
            "T",
            "Z",
            ":",
            "f",
            "nan",
            "inf",
            "true",
            "No",
            "null",
            "2020-01-02",
            "<<",
            "=",
        ],
    },
    Kind {
        place: Place::Item("extra_hosts"),
        pieces: &["h", "g", ":", "=", "10.0.0.1", "::1", "[", "]", "host-gateway", " ", ","],
    },
    Kind { place: Place::Item("devices"), pieces: &["/dev/a", "/dev/b", ":", "rwm", "r", "x", "v/c=d", "=", "/"] },
    Kind { place: Place::Item("tmpfs"), pieces: &["/t", ":", "size=1m", ",", "mode=1777", "/"] },
    Kind { place: Place::Item("environment"), pieces: &["A", "B", "U", "=", " ", "$$", "${A}", "\"", "'", "x", "#"] },
    Kind { place: Place::Item("labels"), pieces: &["a", "b", ".", "=", " ", "${A}", "\"", "x"] },
    Kind { place: Place::Item("expose"), pieces: &["80", "81", "-", "/", "tcp", "udp", "a", ":"] },
    Kind { place: Place::Key("cpus"), pieces: &["1", "0", ".", "5", "e", "-", "+", "x", " ", "_"] },
    Kind { place: Place::Key("pids_limit"), pieces: &["1", "0", "-", "+", "x", "_", "9", " ", "0x", "."] },
    Kind { place: Place::Key("shm_size"), pieces: &["1", "64", ".", "5", "k", "m", "g", "b", " ", "-", "+"] },
    Kind { place: Place::Key("env_file"), pieces: &["one.env", "./", "sub/", "../", "~", "/"] },
    Kind { place: Place::Key("network_mode"), pieces: &["service:", "container:", "web", "db", "host", "none", ""] },
    Kind {
        place: Place::Key("init"),
        pieces: &["true", "false", "y", "Y", "n", "N", "o", "on", "ON", "off", "1", "0", "", "es", "T", "t", "rue"],
    },
    Kind { place: Place::Key("umask"), pieces: &["0", "7", "2", "o", "x", "-", "8", "99", "4294967295"] },
    Kind {
        place: Place::Key("build"),
        pieces: &[
            "./",
            "..",
            "/",
            "a",
            "https://",
            "git@",
            "github.com",
            ":",
            ".git",
            "#",
            "~",
            "docker-image://",
            "ssh://",
            " ",
        ],
    },
    Kind { place: Place::Name, pieces: &["a", "B", "1", "-", "_", ".", " ", "${A}", "é", "/", "%"] },
];

/// Projects with one value each, put together at random.
pub fn projects() -> impl Strategy<Value = Project> {
    let kinds: Vec<_> = KINDS
        .iter()
        .map(|kind| {
            let value = prop::collection::vec(select(kind.pieces), 1..=7).prop_map(|pieces| pieces.concat());
            (Just(kind.place), value).boxed()
        })
        .collect();
    let variable = prop::option::of(select(&["1", "a b", "", "$U", "x}y"][..]));
    (prop::strategy::Union::new(kinds), variable).prop_map(|((place, value), variable)| project(place, value, variable))
}

fn project(place: Place, value: String, variable: Option<&str>) -> Project {
    let text = |text: &str| Yaml::Text(text.to_owned());
    let map =
        |entries: Vec<(&str, Yaml)>| Yaml::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect());
    let mut web = vec![("image", text("nginx"))];
    let mut top = Vec::new();
    let mut dotenv = None;
    let mut env_file = None;
    match place {
        Place::Key(key) => web.push((key, Yaml::Text(value))),
        Place::Item(key) => web.push((key, Yaml::List(vec![Yaml::Text(value)]))),
        Place::Label => web.push(("labels", map(vec![("l", Yaml::Text(value))]))),
        // What ends a plain scalar or starts something else is another matter than what it reads as.
        Place::Plain => web.push(("labels", map(vec![("l", Yaml::Plain(value))]))),
        Place::Interval => web.push(("healthcheck", map(vec![("test", text("x")), ("interval", Yaml::Text(value))]))),
        Place::DotEnv => {
            web.push((
                "labels",
                map(vec![("a", text("${A-unset}")), ("b", text("${B-unset}")), ("x", text("${x-unset}"))]),
            ));
            dotenv = Some(value);
        }
        Place::EnvFile => {
            web.push(("env_file", text("one.env")));
            env_file = Some(value);
        }
        Place::RawEnvFile => {
            let entry = map(vec![("path", text("one.env")), ("format", text("raw"))]);
            web.push(("env_file", Yaml::List(vec![entry])));
            env_file = Some(value);
        }
        Place::Name => top.push(("name", Yaml::Text(value))),
    }
    let db = map(vec![("image", text("postgres"))]);
    top.push(("services", map(vec![("web", map(web)), ("db", db)])));
    top.push(("volumes", map(vec![("data", map(Vec::new()))])));
    Project {
        files: vec![map(top)],
        base: map(Vec::new()),
        included: map(Vec::new()),
        environment: variable.map(|value| ("A".to_owned(), value.to_owned())).into_iter().collect(),
        dotenv: dotenv.unwrap_or_default(),
        env_file,
        profiles: Vec::new(),
    }
}
