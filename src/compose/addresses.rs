//! Addresses in texts that programs read: environment values, commands and configuration files.

/// Below this a number behind a name is an image's tag rather than a port: `redis:7`.
const LOWEST: u16 = 80;

/// What names the container itself, as [`addresses`] gives it.
pub const LOCAL: [&str; 4] = ["localhost", "127.0.0.1", "0.0.0.0", "[::1]"];

/// The ports that URLs mean without naming them, by scheme (IANA's registries of URI schemes and of ports).
const SCHEMES: [(&str, u16); 18] = [
    ("amqp", 5672),
    ("amqps", 5671),
    ("fcgi", 9000),
    ("http", 80),
    ("https", 443),
    ("kafka", 9092),
    ("mariadb", 3306),
    ("memcached", 11211),
    ("mongodb", 27017),
    ("mqtt", 1883),
    ("mysql", 3306),
    ("nats", 4222),
    ("postgres", 5432),
    ("postgresql", 5432),
    ("redis", 6379),
    ("rediss", 6379),
    ("ws", 80),
    ("wss", 443),
];

/// The host of every URL without a port, with the port of its scheme.
fn schemes(text: &str) -> impl Iterator<Item = (&str, u16)> {
    text.match_indices("://").filter_map(|(at, _)| {
        let before = &text[..at];
        let scheme = &before[before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '+').len()..];
        let (_, port) = SCHEMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme))?;
        let rest = &text[at + 3..];
        let end = rest.find(|c: char| c.is_whitespace() || "/?#\"'`,;)>|".contains(c)).unwrap_or(rest.len());
        let host = rest[..end].rsplit('@').next().unwrap_or_default();
        let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let bare = !host.is_empty() && host.chars().all(part);
        let bracketed = host.starts_with('[') && host.ends_with(']');
        (bare || bracketed).then_some((host, *port))
    })
}

/// The ports on which a line of a configuration file has its program listen: `listen 80;` of nginx, `bind *:80` of
/// HAProxy, `:80 {` of Caddy.
pub fn listens(line: &str) -> Option<u16> {
    let line = line.trim();
    let number = |text: &str| -> Option<u16> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let ends = text[digits..].chars().next().is_none_or(|c| c.is_whitespace() || c == ';' || c == '{' || c == ',');
        text[..digits].parse().ok().filter(|_| ends)
    };
    let words =
        line.strip_prefix("listen").or_else(|| line.strip_prefix("Listen")).or_else(|| line.strip_prefix("bind"));
    if let Some(rest) = words.filter(|rest| rest.starts_with([' ', '\t'])) {
        let word = rest.split_whitespace().next()?;
        return number(word).or_else(|| number(word.rsplit_once(':')?.1));
    }
    number(line.strip_prefix(':')?).filter(|_| line.ends_with('{'))
}

/// Every `host:port` in a text, in its order; also as `host/port` of `/dev/tcp` and as `host port` behind `nc`. Then the
/// hosts of URLs without a port, with that of their scheme.
pub fn addresses(text: &str) -> Vec<(&str, u16)> {
    let netcat = text.split_whitespace().any(|word| word == "nc" || word.ends_with("/nc"));
    let mut found = Vec::new();
    for (at, separator) in text.match_indices([':', '/', ' ']) {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        // `redis:7.2` and `8080px` are no ports.
        let ends = !after[digits..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_');
        let Some(port) = after[..digits].parse::<u16>().ok().filter(|port| ends && *port >= LOWEST) else { continue };
        let start = match before.strip_suffix(']') {
            Some(inner) => {
                // No address is longer than that.
                let back = inner.bytes().rev().take(45).position(|byte| byte == b'[');
                back.map(|back| inner.len() - back - 1)
            }
            None => {
                let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                Some(before.trim_end_matches(part).len())
            }
        };
        let Some(host) = start.map(|start| &before[start..]).filter(|host| !host.is_empty()) else { continue };
        let known = match separator {
            ":" => true,
            "/" => before.strip_suffix(host).is_some_and(|before| before.ends_with("/dev/tcp/")),
            _ => netcat,
        };
        if known {
            found.push((host, port));
        }
    }
    found.extend(schemes(text));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_say_where_their_program_listens() {
        for (line, want) in [
            ("  listen 80;", Some(80)),
            ("listen [::]:8080 default_server;", Some(8080)),
            ("Listen 0.0.0.0:81", Some(81)),
            ("bind *:443 ssl", Some(443)),
            (":2015 {", Some(2015)),
            ("listen unix:/run/x.sock;", None),
            ("bind_address 80", None),
            ("listener 80", None),
            (": 80", None),
        ] {
            assert_eq!(listens(line), want, "{line}");
        }
    }

    #[test]
    fn addresses_are_found_in_urls_commands_and_lists() {
        for (text, want) in [
            ("http://n8n:5679", vec![("n8n", 5679)]),
            ("redis://:pw@redis:6379/0", vec![("redis", 6379)]),
            ("a:80,b-c.d:8080", vec![("a", 80), ("b-c.d", 8080)]),
            ("curl -f http://localhost:8123/ping || exit 1", vec![("localhost", 8123)]),
            ("wget http://[::1]:3000/", vec![("[::1]", 3000)]),
            ("exec 3<>/dev/tcp/127.0.0.1/9000 && echo", vec![("127.0.0.1", 9000)]),
            ("nc -z localhost 9092", vec![("localhost", 9092)]),
            ("sleep localhost 9092", vec![]),
            ("redis:7", vec![]),
            ("redis:7.2-alpine postgres:160a x:80.1", vec![]),
            ("x:65536 x:99999999999999999999 :80 ]:80 é:80", vec![]),
            ("http://a/9000", vec![("a", 80)]),
            ("http://geo/v1,https://x", vec![("geo", 80), ("x", 443)]),
            ("postgres://u:pw@db/x?y=1 redis://cache", vec![("db", 5432), ("cache", 6379)]),
            ("curl -f 'http://localhost' || exit 1", vec![("localhost", 80)]),
            ("jdbc:postgresql://db/x", vec![("db", 5432)]),
            ("file:///a smb://b x://c http:// https://", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(addresses(text), want, "{text}");
        }
    }
}
