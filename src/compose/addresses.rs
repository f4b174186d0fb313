//! Addresses in texts that other programs read: environment values and commands.

/// Below this a number behind a name is an image's tag rather than a port: `redis:7`.
const LOWEST: u16 = 80;

/// What names the container itself, as [`addresses`] gives it.
pub const LOCAL: [&str; 4] = ["localhost", "127.0.0.1", "0.0.0.0", "[::1]"];

/// Every `host:port` in a text, in its order; also as `host/port` of `/dev/tcp` and as `host port` behind `nc`.
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
    found
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("http://a/9000", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(addresses(text), want, "{text}");
        }
    }
}
