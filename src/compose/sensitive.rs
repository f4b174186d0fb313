//! Whether a file may hold a secret, by its name and by what it says. Never gives a value.

use std::fmt;

use crate::text::secret::{Sight, is_secret_name, sights};

/// What makes a file one that may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// Its name.
    Name,
    /// It is no text.
    Binary,
    /// A key with a value; where, from 1.
    Key(String, usize),
    /// A URL with a password in it.
    Url(usize),
    /// A private key in PEM.
    PrivateKey(usize),
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("its name says so"),
            Self::Binary => f.write_str("it is no text"),
            Self::Key(key, line) => write!(f, "it sets {key} in line {line}"),
            Self::Url(line) => write!(f, "it holds a URL with a password in line {line}"),
            Self::PrivateKey(line) => write!(f, "it holds a private key in line {line}"),
        }
    }
}

/// The first sign that a file may hold a secret.
pub fn sign(name: &str, bytes: &[u8]) -> Option<Sign> {
    if is_secret_file_name(name) {
        return Some(Sign::Name);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') && !text.starts_with('\u{feff}') => sign_in_text(text),
        _ => Some(Sign::Binary),
    }
}

/// Whether files of this name hold secrets as a rule.
fn is_secret_file_name(path: &str) -> bool {
    const ENDS: [&str; 16] = [
        ".env",
        ".key",
        ".pem",
        ".p12",
        ".pfx",
        ".p8",
        ".jks",
        ".keystore",
        ".kdb",
        ".kdbx",
        ".ppk",
        ".ovpn",
        "htpasswd",
        "passwd",
        "shadow",
        ".pgpass",
    ];
    const NAMES: [&str; 12] = [
        "my.cnf",
        ".my.cnf",
        ".netrc",
        "_netrc",
        ".npmrc",
        ".pypirc",
        ".git-credentials",
        ".dockerconfigjson",
        "kubeconfig",
        "acme.json",
        "wp-config.php",
        "users.acl",
    ];
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    let template = [".example", ".sample", ".dist", ".template"].iter().any(|end| name.ends_with(end));
    // `.env.production`, `id_rsa`, `id_ed25519.old`
    let begins = (name.starts_with(".env.") || name.starts_with("id_rsa") || name.starts_with("id_e")) && !template;
    ENDS.iter().any(|end| name.ends_with(end)) || NAMES.contains(&name.as_str()) || begins || is_secret_name(&name)
}

/// The first line that says so. Whatever this leaves out is still covered where it is shown ([`crate::text::secret::covered`]).
pub fn sign_in_text(text: &str) -> Option<Sign> {
    sights(text).into_iter().find_map(|(line, sight)| match sight {
        Sight::PrivateKey => Some(Sign::PrivateKey(line)),
        Sight::Url => Some(Sign::Url(line)),
        Sight::Assigned { name, value } => is_literal(name, value).then(|| Sign::Key(name.to_owned(), line)),
    })
}

/// Whether a value is one, and not nothing, a reference to a variable, or, for what is only called a key, a path, a
/// number or a switch.
fn is_literal(key: &str, value: &str) -> bool {
    let value = value.trim_end_matches([';', ',', ')', '}', ']']).trim();
    let value = value.split("</").next().unwrap_or(value);
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
    let inner = match quote {
        Some(quote) => value[1..].split(quote).next().unwrap_or(""),
        None => value.split_once(" #").map_or(value, |(value, _)| value).trim(),
    };
    let nothing = ["", "~", "null", "nil", "none", "true", "false", "yes", "no", "on", "off", "|", ">", "{", "["];
    if nothing.contains(&inner.to_ascii_lowercase().as_str()) || inner.starts_with(['{', '[', '#']) {
        return false;
    }
    let reference = inner.starts_with('$') && inner[1..].starts_with(|c: char| c == '{' || c.is_ascii_alphabetic());
    let whole = inner.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '$' | '{' | '}' | '_'));
    if reference && whole {
        return false;
    }
    let upper = key.to_ascii_uppercase();
    let surely = ["PASS", "SECRET", "TOKEN", "CREDENTIAL", "PWD", "AUTH"].iter().any(|part| upper.contains(part));
    let path = inner.starts_with('/') || inner.starts_with("./") || inner.starts_with('$');
    let number = inner.parse::<f64>().is_ok();
    // `password_file: /run/secrets/db` names a file.
    let of_file = ["FILE", "PATH", "DIR"].iter().any(|end| upper.ends_with(end));
    if of_file && path {
        return false;
    }
    surely || !(path || number || inner.split_whitespace().count() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn files_are_known_by_their_names() {
        for name in [
            ".env",
            "prod.env",
            ".env.production",
            "tls/server.pem",
            "server.key",
            ".htpasswd",
            "gcp-credentials.json",
            "Vault.kdbx",
            "my.cnf",
            "id_ed25519",
            "db_password.txt",
        ] {
            assert!(is_secret_file_name(name), "{name}");
        }
        for name in ["nginx.conf", "environment.yml", ".env.example", "default.conf", "ca.crt", "idea.txt", "init.sql"]
        {
            assert!(!is_secret_file_name(name), "{name}");
        }
    }

    #[test]
    fn secrets_are_found_in_the_formats_of_files() {
        for text in [
            "a: 1\nsmtp:\n  password: hunter2\n",
            "PASSWD = `hunter2`",
            "[client]\npassword=hunter2\n",
            "$DB_PASSWORD='hunter2';",
            "define( 'AUTH_KEY', 'x y z!' );",
            "{\"admin_password\": \"hunter2\"}",
            "<password>hunter2</password>",
            "requirepass hunter2",
            "  secret_key=\"abc\"",
            "url = \"postgres://u:pw@db/x\"",
            "-----BEGIN RSA PRIVATE KEY-----",
            "export APP_KEY=base64:abc",
            "'password' => 'hunter2',",
            "api_key: abc # of us",
            "config.password = hunter2",
            "jwt_secret: 12345678",
            "{\"key\": \"two words\", \"password\": \"hunter2\"}",
            "password:\n  hunter2\n",
        ] {
            assert!(sign_in_text(text).is_some(), "{text}");
        }
        for text in [
            "password:\n",
            "password = \"\"",
            "password: ${DB_PASSWORD}",
            "password: $DB_PASSWORD",
            "password_file: /run/secrets/db",
            "ssl_certificate_key /etc/nginx/tls.key;",
            "ssl_certificate_key: /etc/nginx/tls.key",
            "proxy_cache_key $scheme$host;",
            "keepalive_timeout 65;",
            "http://example.com/a@b:c",
            "token: null",
            "password: true",
            "-----BEGIN CERTIFICATE-----",
            "",
        ] {
            assert_eq!(sign_in_text(text), None, "{text}");
        }
    }

    #[test]
    fn a_sign_names_the_key_and_no_value() {
        let sign = sign("app.ini", b"[db]\nPASSWD = hunter2\n").unwrap();
        assert_eq!(sign.to_string(), "it sets PASSWD in line 2");
        assert_eq!(super::sign("a.bin", &[0, 159]).unwrap().to_string(), "it is no text");
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,60}", name in "\\PC{0,20}") {
            let _ = super::sign(&name, text.as_bytes());
            let line = format!("password{text}");
            let _ = sign_in_text(&line);
        }
    }
}
