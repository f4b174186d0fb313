//! Passwords from a file, as `libpq` has them (<https://www.postgresql.org/docs/current/libpq-pgpass.html>).

use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use crate::place::Variables;

/// More than any such file has.
const LIMIT: u64 = 1 << 20;

/// The password for a host, port, database and user: of the file that `PGPASSFILE` names, or of `~/.pgpass`.
///
/// # Errors
/// The file that is named cannot be read, or others can read it; what is wrong, without anything of its content.
pub(super) fn password(variables: &Variables, wanted: [&str; 4]) -> Result<Option<String>, String> {
    let (path, is_named) = match (variables.get("PGPASSFILE"), variables.get("HOME")) {
        (Some(path), _) => (PathBuf::from(path), true),
        (None, Some(home)) => (PathBuf::from(home).join(".pgpass"), false),
        (None, None) => return Ok(None),
    };
    let unreadable = |e: std::io::Error| format!("the file of passwords {} cannot be read: {e}", path.display());
    let file = match std::fs::File::open(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound && !is_named => return Ok(None),
        file => file.map_err(unreadable)?,
    };
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&file.metadata().map_err(unreadable)?);
        if mode & 0o077 != 0 {
            let path = path.display();
            return Err(format!(
                "others can read the file of passwords {path}: let nobody but you (`chmod 600 {path}`)"
            ));
        }
    }
    let mut text = String::new();
    file.take(LIMIT).read_to_string(&mut text).map_err(unreadable)?;
    // Whoever connects by a socket is on the same machine.
    let [host, rest @ ..] = wanted;
    let host = if host.starts_with(['/', '@']) { "localhost" } else { host };
    let [port, database, user] = rest;
    Ok(text.lines().find_map(|line| matching(line, [host, port, database, user])))
}

/// The password of a line, if the line is for this.
fn matching(line: &str, wanted: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut rest = line.chars();
    for wanted in wanted {
        let field = field(&mut rest, true)?;
        if field != "*" && field != wanted {
            return None;
        }
    }
    field(&mut rest, false)
}

/// The next field, up to a colon; `None` where the line ends before one that `must_go_on`.
fn field(rest: &mut std::str::Chars<'_>, must_go_on: bool) -> Option<String> {
    let mut field = String::new();
    loop {
        match rest.next() {
            None => return (!must_go_on).then_some(field),
            Some(':') => return Some(field),
            Some('\\') => field.extend(rest.next()),
            Some(other) => field.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let wanted = ["db", "5432", "ops", "kompox"];
        for (line, password) in [
            ("db:5432:ops:kompox:p", Some("p")),
            ("*:*:*:kompox:p\\:q\\\\:more", Some("p:q\\")),
            ("d\\b:*:*:*:p", Some("p")),
            ("#db:5432:ops:kompox:p", None),
            ("other:5432:ops:kompox:p", None),
            ("db:5433:ops:kompox:p", None),
            ("db:5432:ops", None),
            ("", None),
        ] {
            assert_eq!(matching(line, wanted).as_deref(), password, "{line}");
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass");
        std::fs::write(&path, "*:*:*:*:hunter2\n").unwrap();
        let variables = |name: &str, value: &std::path::Path| -> Variables {
            [(name.to_owned(), value.to_str().unwrap().to_owned())].into_iter().collect()
        };
        let wanted = ["db", "5432", "ops", "kompox"];
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        let refused = password(&variables("PGPASSFILE", &path), wanted).unwrap_err();
        assert!(refused.contains("chmod 600") && !refused.contains("hunter2"), "{refused}");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(password(&variables("PGPASSFILE", &path), wanted).unwrap().as_deref(), Some("hunter2"));
        assert!(password(&variables("PGPASSFILE", &folder.path().join("none")), wanted).is_err());
        assert_eq!(password(&variables("HOME", folder.path()), wanted), Ok(None));
        std::fs::rename(&path, folder.path().join(".pgpass")).unwrap();
        assert_eq!(password(&variables("HOME", folder.path()), wanted).unwrap().as_deref(), Some("hunter2"));
    }
}
