//! What may be a secret: by the name it stands under, and by what it looks like. The one place that knows, so that a
//! variable, an argument, a line of a file and a message about either are judged alike.

/// Whether a name says that its value is a secret.
pub fn is_secret_name(name: &str) -> bool {
    const PARTS: [&str; 10] = [
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "SECRET",
        "TOKEN",
        "KEY",
        "CREDENTIAL",
        "CONNECTION_STRING",
        "CONNECTIONSTRING",
        "REQUIREPASS",
    ];
    const ENDS: [&str; 11] =
        ["_PASS", "_PWD", "-PASS", ".PASS", "DBPASS", "_DSN", ".DSN", "-DSN", "_SALT", "ERLANG_COOKIE", "MASTERAUTH"];
    const WHOLE: [&str; 4] = ["PASS", "PWD", "DSN", "PASSWORT"];
    let upper = name.to_ascii_uppercase();
    PARTS.iter().any(|part| upper.contains(part))
        || ENDS.iter().any(|end| upper.ends_with(end))
        || WHOLE.contains(&upper.as_str())
}

/// Whether a literal value carries a password in a URL: `scheme://user:password@host`.
pub fn is_secret_literal(value: &str) -> bool {
    !url_passwords(value).is_empty()
}

/// Where the passwords of URLs stand in a text.
fn url_passwords(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let length =
            text[start..].find(|c: char| matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>') || c.is_whitespace());
        let authority = &text[start..length.map_or(text.len(), |length| start + length)];
        let Some((user, _)) = authority.rsplit_once('@') else { continue };
        if let Some((name, password)) = user.split_once(':')
            && !password.is_empty()
        {
            let from = start + name.len() + 1;
            found.push(from..from + password.len());
        }
    }
    found
}

/// A text with the secrets of its lines replaced by what `cover` gives for each; none where it holds none.
///
/// A secret is what a line assigns to a name that [`is_secret_name`] knows, in the forms of configuration files (`name =
/// value`, `name: value`, `"name": "value"`, `$name = value`, `define('NAME', 'value')`, `<name>value</name>`, `name
/// value`), what is indented below such a name, the password of a URL, and a private key. Where a line holds one, the
/// whole rest of it is covered: it is better to show too little.
pub fn covered(text: &str, cover: &dyn Fn(&str) -> String) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut any = false;
    let mut key_block = false;
    // The indentation of a name whose value are the lines below it.
    let mut below: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        let indent = content.len() - content.trim_start().len();
        if content.trim().is_empty() {
            out.push_str(line);
            continue;
        }
        let item = content.trim_start().starts_with("- ");
        if below.is_some_and(|parent| indent < parent || indent == parent && !item) {
            below = None;
        }
        let end = &line[content.len()..];
        let begins = content.contains("-----BEGIN") && content.contains("PRIVATE KEY");
        if below.is_some() || key_block && !content.contains("-----END") {
            any = true;
            out.push_str(&content[..indent]);
            out.push_str(&cover(content.trim_start()));
        } else {
            let ranges = secrets_of(content);
            let mut at = 0;
            for range in ranges.covered {
                any = true;
                out.push_str(&content[at..range.start]);
                out.push_str(&cover(&content[range.clone()]));
                at = range.end;
            }
            out.push_str(&content[at..]);
            below = ranges.opens.then_some(indent);
        }
        key_block = begins || key_block && !content.contains("-----END");
        out.push_str(end);
    }
    any.then_some(out)
}

/// Whether a text holds what [`covered`] covers.
pub fn holds_secret(text: &str) -> bool {
    covered(text, &|_| String::new()).is_some()
}

/// The secrets of a line.
struct Found {
    /// What to cover, in order.
    covered: Vec<std::ops::Range<usize>>,
    /// Whether the value of a secret name follows on lines below.
    opens: bool,
}

fn secrets_of(line: &str) -> Found {
    let mut covered = url_passwords(line);
    let mut opens = false;
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut at = 0;
    while let Some(start) = line[at..].find(part).map(|found| at + found) {
        let end = line[start..].find(|c| !part(c)).map_or(line.len(), |found| start + found);
        at = end;
        if !is_secret_name(&line[start..end]) {
            continue;
        }
        match value_after(line, start, end) {
            Value::None => {}
            Value::Below => opens = true,
            Value::At(from) => {
                covered.retain(|range| range.end <= from);
                covered.push(from..line.trim_end().len());
                return Found { covered, opens: false };
            }
        }
    }
    Found { covered, opens }
}

/// Directives of nginx that are named as a password is, and say where requests go.
const NGINX: [&str; 6] = ["fastcgi_pass", "grpc_pass", "memcached_pass", "proxy_pass", "scgi_pass", "uwsgi_pass"];

enum Value {
    None,
    Below,
    At(usize),
}

/// Where the value of the name at `start..end` begins.
fn value_after(line: &str, start: usize, end: usize) -> Value {
    let quotes: &[char] = &['"', '\'', '`', ')', ']', '}', ' ', '\t'];
    let rest = line[end..].trim_start_matches(quotes);
    let skipped = line.len() - rest.len();
    let quoted = line[..start].ends_with(['"', '\'', '`']) && line[end..].starts_with(['"', '\'', '`']);
    let separators: &[char] = &['=', ':', '>', '?', '+'];
    let value = match rest.chars().next() {
        // A path or a word with one of these behind it is a name only with a blank, a quote or an end of it behind.
        Some('=' | ':') => rest.trim_start_matches(separators),
        Some('>') => &rest[1..],
        // define('DB_PASSWORD', 'x'); only a quoted name, else it is an item of a list.
        Some(',') if quoted => &rest[1..],
        // name="password" value="x"
        Some(_) if quoted && rest.contains('=') => rest,
        // requirepass x: a name and a value, with nothing before them.
        Some(c) if !quoted && skipped > end && c != '(' && line[..start].trim().is_empty() => {
            let directive = NGINX.contains(&&line[start..end]);
            // Paths to files that hold one.
            let path = c == '/' && rest[1..].contains(['/', '.']);
            return if directive || path || is_plain_value(rest) { Value::None } else { Value::At(skipped) };
        }
        _ => return Value::None,
    };
    let trimmed = value.trim();
    // A block scalar, and a mapping or a list below.
    if trimmed.is_empty() || trimmed.starts_with(['|', '>', '{', '[']) && trimmed.len() <= 3 {
        return Value::Below;
    }
    if is_plain_value(trimmed) {
        return Value::None;
    }
    Value::At(line.len() - value.trim_start().len())
}

/// What is no secret wherever it stands: a switch, nothing, or a reference to where the secret is.
fn is_plain_value(value: &str) -> bool {
    let value = value.trim().trim_end_matches([',', ';']).trim_matches(['"', '\'']);
    let reference = |open: &str, close: char| {
        value.strip_prefix(open).and_then(|rest| rest.strip_suffix(close)).is_some_and(|inner| {
            !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
        })
    };
    matches!(
        value.to_ascii_lowercase().as_str(),
        "" | "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "none" | "~"
    ) || reference("${", '}')
        || reference("$(", ')')
        || reference("{{", '}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        covered(text, &|_| "(x)".to_owned()).unwrap_or_else(|| text.to_owned())
    }

    #[test]
    fn names() {
        for name in [
            "DB_PASSWORD",
            "PASSWD",
            "pwd",
            "Pass",
            "db_pass",
            "api_key",
            "apiKey",
            "private-key",
            "SECRET_KEY_BASE",
            "SENTRY_DSN",
            "ConnectionString",
            "credentials",
            "requirepass",
            "NONCE_SALT",
            "access.token",
            "RABBITMQ_ERLANG_COOKIE",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["HOST", "compass", "user", "passive", "bypass", "DATABASE_URL", "port"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn lines_of_configuration_files() {
        for (line, want) in [
            ("password: hunter2", "password: (x)"),
            ("  password:   hunter2  # mine", "  password:   (x)"),
            ("PASSWD = `hunter2`", "PASSWD = (x)"),
            ("export DB_PASSWORD=hunter2", "export DB_PASSWORD=(x)"),
            ("# DB_PASSWORD=hunter2", "# DB_PASSWORD=(x)"),
            ("$DB_PASSWORD = 'hunter2';", "$DB_PASSWORD = (x)"),
            ("define('DB_PASSWORD', 'hunter2');", "define('DB_PASSWORD', (x)"),
            ("$conf['db']['password'] = 'hunter2';", "$conf['db']['password'] = (x)"),
            ("'password' => env('DB', 'hunter2'),", "'password' => (x)"),
            ("  \"admin_password\": \"hunter2\", \"a\": 1", "  \"admin_password\": (x)"),
            ("<password>hunter2</password>", "<password>(x)"),
            ("<entry key=\"x\" password=\"hunter2\"/>", "<entry key=(x)"),
            ("<add name=\"password\" value=\"hunter2\"/>", "<add name=\"password\" (x)"),
            ("requirepass hunter2", "requirepass (x)"),
            ("Server=db;Uid=u;Pwd=hunter2;", "Server=db;Uid=u;Pwd=(x)"),
            ("url = postgres://u:hunter2@db:5432/x", "url = postgres://u:(x)@db:5432/x"),
            ("database: \"mysql://u:hun@ter2@db/x\"", "database: \"mysql://u:(x)@db/x\""),
            ("redis://:hunter2@cache", "redis://:(x)@cache"),
        ] {
            assert_eq!(shown(line), want, "{line}");
        }
        for line in [
            "host: db",
            "listen 80;",
            "user = app",
            "password: ${DB_PASSWORD}",
            "password = ",
            "tokens: true",
            "https://example.com:80/a@b",
            "The password is asked for.",
            "# token",
            "proxy_pass http://api:80;",
            "ssl_certificate_key /etc/ssl/x.key;",
        ] {
            assert_eq!(covered(line, &|_| String::new()), None, "{line}");
        }
    }

    #[test]
    fn values_on_more_lines() {
        let text = "a: 1\npassword: |\n  one\n  two\nb: 2\ntokens:\n- x\n- y\nc: 3\n";
        assert_eq!(shown(text), "a: 1\npassword: |\n  (x)\n  (x)\nb: 2\ntokens:\n(x)\n(x)\nc: 3\n");
        let text = "x\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabcd\n-----END RSA PRIVATE KEY-----\ny\n";
        assert_eq!(shown(text), "x\n-----BEGIN RSA PRIVATE KEY-----\n(x)\n(x)\n-----END RSA PRIVATE KEY-----\ny\n");
    }

    proptest! {
        #[test]
        fn what_is_assigned_never_shows(
            before in "[a-z ]{0,8}",
            name in "(DB_PASSWORD|api_key|token|secret)",
            separator in "( = |: |=|=> |\": \")",
            value in "[A-Z0-9]{6,12}",
        ) {
            let line = format!("{before} {name}{separator}{value}");
            prop_assert!(!shown(&line).contains(&value), "{}", line);
        }

        #[test]
        fn never_panics(text in "(\\PC|\n|password|://|@|:|=){0,60}") {
            let _ = covered(&text, &|secret| secret.len().to_string());
        }
    }
}
