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
    const WHOLE: [&str; 5] = ["PASS", "PW", "PWD", "DSN", "PASSWORT"];
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

/// Which words of a command line may be secret: assignments to a name of one, the word behind a flag that is named like
/// one, and URLs with a password.
pub fn secret_arguments<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<bool> {
    let mut follows_secret_flag = false;
    let secret = |word: &str| {
        let assigned = word
            .split_whitespace()
            .any(|part| part.split_once('=').is_some_and(|(name, value)| !value.is_empty() && is_secret_name(name)));
        let secret = assigned || is_secret_literal(word) || follows_secret_flag;
        follows_secret_flag =
            word.starts_with('-') && !word.contains(['=', ' ']) && is_secret_name(word) || word == "--requirepass";
        secret
    };
    words.into_iter().map(secret).collect()
}

/// Whether a key names something whose value must not be shown.
pub fn is_sensitive_key(key: &str) -> bool {
    let key = key.to_ascii_uppercase();
    let names_secret = key.contains("PASSWORD")
        || key.contains("PASSWD")
        || key.contains("SECRET")
        || key.contains("TOKEN")
        || key.ends_with("_KEY")
        || key.contains("ACCESS_KEY");
    // A file or an identifier of a secret is none.
    names_secret
        && key != "SECRETS"
        && !["_FILE", "_PATH", "_ID", "_URL", "_URI", "_NAME"].iter().any(|end| key.ends_with(end))
}

/// Whether a line assigns something to a key that names a secret (inline compose text, settings), or has a URL with a password.
///
/// Takes one line of a file, without its line break. Such a line is never shown (`engine.md`, "State").
pub fn may_hold_secret(line: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let assigns = line.match_indices([':', '=']).any(|(at, _)| {
        let before = line[..at].trim_end_matches(['"', '\'', ' ']);
        let start =
            before.rfind(|c: char| !word(c)).map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
        is_sensitive_key(&before[start..])
    });
    assigns || is_secret_literal(line)
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
    walk(text, &mut |line| {
        let mut at = 0;
        for range in &line.covered {
            any = true;
            out.push_str(&line.content[at..range.start]);
            out.push_str(&cover(&line.content[range.clone()]));
            at = range.end;
        }
        out.push_str(&line.content[at..]);
        out.push_str(line.end);
    });
    any.then_some(out)
}

/// Whether a text holds what [`covered`] covers.
pub fn holds_secret(text: &str) -> bool {
    covered(text, &|_| String::new()).is_some()
}

/// What in a text may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight<'t> {
    /// A private key begins.
    PrivateKey,
    /// A URL with a password.
    Url,
    /// A name that [`is_secret_name`] knows has a value.
    Assigned {
        /// The name.
        name: &'t str,
        /// The rest of the line, from its value on.
        value: &'t str,
    },
}

/// All that may be a secret in a text, each with the number of its line, from 1.
pub fn sights(text: &str) -> Vec<(usize, Sight<'_>)> {
    let mut found = Vec::new();
    walk(text, &mut |line| found.extend(line.sights.into_iter().map(|sight| (line.number, sight))));
    found
}

/// A line, as [`walk`] sees it.
struct Line<'t> {
    number: usize,
    content: &'t str,
    /// What ends it.
    end: &'t str,
    /// What to cover, in order.
    covered: Vec<std::ops::Range<usize>>,
    sights: Vec<Sight<'t>>,
}

fn walk<'t>(text: &'t str, visit: &mut dyn FnMut(Line<'t>)) {
    let mut key_block = false;
    // The name whose value are the lines below it, and its indentation.
    let mut below: Option<(&str, usize)> = None;
    for (index, whole) in text.split_inclusive('\n').enumerate() {
        let content = whole.trim_end_matches(['\n', '\r']);
        let mut line =
            Line { number: index + 1, content, end: &whole[content.len()..], covered: Vec::new(), sights: Vec::new() };
        if content.trim().is_empty() {
            visit(line);
            continue;
        }
        let indent = content.len() - content.trim_start().len();
        let item = content.trim_start().starts_with("- ");
        if below.is_some_and(|(_, parent)| indent < parent || indent == parent && !item) {
            below = None;
        }
        let begins = content.contains("-----BEGIN") && content.contains("PRIVATE KEY");
        let in_key = key_block && !content.contains("-----END");
        if begins {
            line.sights.push(Sight::PrivateKey);
        }
        if let Some((name, _)) = below {
            line.sights.push(Sight::Assigned { name, value: content.trim() });
        }
        if below.is_some() || in_key {
            line.covered.push(indent..content.len());
        } else {
            below = secrets_of(&mut line).map(|name| (name, indent));
        }
        key_block = begins || in_key;
        visit(line);
    }
}

/// Finds the secrets of a line; gives a secret name whose value follows on lines below.
fn secrets_of<'t>(line: &mut Line<'t>) -> Option<&'t str> {
    let content = line.content;
    line.covered = url_passwords(content);
    if !line.covered.is_empty() {
        line.sights.push(Sight::Url);
    }
    let (mut opens, mut covers) = (None, false);
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut at = 0;
    while let Some(start) = content[at..].find(part).map(|found| at + found) {
        let end = content[start..].find(|c| !part(c)).map_or(content.len(), |found| start + found);
        at = end;
        let name = &content[start..end];
        if !is_secret_name(name) {
            continue;
        }
        match value_after(content, start, end) {
            Value::None => {}
            Value::Below => opens = Some(name),
            Value::At(from) => {
                line.sights.push(Sight::Assigned { name, value: content[from..].trim_end() });
                // The first covers the rest, and with it whatever else is named there.
                if !covers {
                    line.covered.retain(|range| range.end <= from);
                    line.covered.push(from..content.trim_end().len());
                    covers = true;
                }
            }
        }
    }
    opens.filter(|_| !covers)
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
    fn knows_which_lines_may_hold_a_secret() {
        for line in [
            "      POSTGRES_PASSWORD: hunter2",
            "  - \"DB_PASSWORD=x\"",
            "{A: 1, \"AZURE_CLIENT_SECRET\": x}",
            "api_key: x",
            "password : x",
            "    image: https://bob:hunter2@registry.example.com/x:1",
        ] {
            assert!(may_hold_secret(line), "{line}");
        }
        for line in [
            "source: https://kv.vault.azure.net/secrets/wild",
            "secrets:",
            "AZURE_FEDERATED_TOKEN_FILE: /x",
            "name: default",
            "",
        ] {
            assert!(!may_hold_secret(line), "{line}");
        }
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
