//! Paths as text: nothing here looks at a disk. A working directory is absolute where a user names files, and relative
//! to the app's folder where an app does.

use std::net::IpAddr;
use std::sync::LazyLock;

use super::fault::{Step, fail};
use super::path::{Cursor, Path, Rules};
use crate::compose::tree::{Tree, TreeContent};

/// What a path is, so how it is made absolute.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Any local path.
    Local,
    /// A build context, which may be a URL.
    Context,
    /// A path of this machine or of a Windows client.
    Host,
    /// A mount, if it binds a path.
    Mount,
    /// A volume whose driver options bind a path.
    DriverOptions,
    /// A path whose links are followed.
    Watched,
}

static RULES: LazyLock<Rules<Kind>> = LazyLock::new(|| {
    let mut rules = vec![
        ("services.*.develop.watch.*.path".to_owned(), Kind::Watched),
        ("configs.*.file".to_owned(), Kind::Host),
        ("secrets.*.file".to_owned(), Kind::Host),
        ("volumes.*".to_owned(), Kind::DriverOptions),
    ];
    for prefix in ["services.*", "jobs.*"] {
        for (key, kind) in [
            ("build.context", Kind::Context),
            ("build.additional_contexts.*", Kind::Context),
            ("build.ssh.*", Kind::Host),
            ("extends.file", Kind::Local),
        ] {
            rules.push((format!("{prefix}.{key}"), kind));
        }
    }
    for prefix in ["services.*", "jobs.*", "services.*.pre_start.*"] {
        for (key, kind) in [("env_file.*.path", Kind::Local), ("label_file.*", Kind::Local), ("volumes.*", Kind::Mount)]
        {
            rules.push((format!("{prefix}.{key}"), kind));
        }
    }
    Rules::new(rules)
});

/// What relative paths count from.
pub(super) struct Base<'a> {
    /// The folder; empty for the app's own.
    pub(super) dir: &'a str,
    /// The user's home, for `~`.
    pub(super) home: Option<&'a str>,
    /// Follows the first link in a path.
    pub(super) follow: &'a dyn Fn(&str) -> Option<String>,
}

/// Makes the paths of a tree count from the base's own folder.
pub(super) fn resolve(tree: &mut Tree, base: &Base<'_>) -> Step<()> {
    walk(tree, base, &Path::ROOT, RULES.root())
}

fn walk(tree: &mut Tree, base: &Base<'_>, path: &Path<'_>, cursor: Cursor) -> Step<()> {
    if cursor.is_none() {
        return Ok(());
    }
    if let Some(kind) = RULES.rule(cursor) {
        return apply(tree, *kind, base, path);
    }
    match &mut tree.content {
        TreeContent::Mapping(entries) => {
            for entry in entries {
                walk(&mut entry.value, base, &path.key(&entry.key), RULES.key(cursor, &entry.key))?;
            }
        }
        TreeContent::Sequence(items) => {
            for (at, item) in items.iter_mut().enumerate() {
                walk(item, base, &path.index(at), RULES.item(cursor))?;
            }
        }
        TreeContent::Scalar(_) => {}
    }
    Ok(())
}

fn apply(tree: &mut Tree, kind: Kind, base: &Base<'_>, path: &Path<'_>) -> Step<()> {
    match kind {
        Kind::Local => replace(tree, &|text| base.local(text)),
        Kind::Watched => replace(tree, &|text| {
            let local = base.local(text);
            (base.follow)(&local).unwrap_or(local)
        }),
        Kind::Context => replace(tree, &|text| if is_remote(text) { text.to_owned() } else { base.local(text) }),
        Kind::Host => replace(tree, &|text| base.host(text)),
        Kind::Mount => {
            if tree.get("type").and_then(Tree::as_str) != Some("bind") {
                return Ok(());
            }
            let location = tree.location.clone();
            match tree.get_mut("source") {
                Some(source) => replace(source, &|text| base.host(text)),
                None => return fail("compose-volume", format!("{path} binds a path and has no source"), &location),
            }
        }
        Kind::DriverOptions => {
            if tree.get("driver").and_then(Tree::as_str) != Some("local") {
                return Ok(());
            }
            let Some(options) = tree.get_mut("driver_opts") else { return Ok(()) };
            if options.get("o").and_then(Tree::as_str) == Some("bind")
                && let Some(device) = options.get_mut("device")
            {
                replace(device, &|text| base.host(text));
            }
        }
    }
    Ok(())
}

fn replace(tree: &mut Tree, change: &dyn Fn(&str) -> String) {
    match &mut tree.content {
        TreeContent::Scalar(scalar) if !scalar.plain || !scalar.is_null() => {
            let text = change(&scalar.text);
            scalar.text = text;
            scalar.plain = false;
        }
        TreeContent::Sequence(items) => items.iter_mut().for_each(|item| replace(item, change)),
        _ => {}
    }
}

impl Base<'_> {
    fn local(&self, text: &str) -> String {
        let text = self.expanded(text);
        if text.is_empty() || is_absolute(&text) { text } else { join(self.dir, &text) }
    }

    fn host(&self, text: &str) -> String {
        let text = self.expanded(text);
        if is_absolute(&text) || is_windows_absolute(&text) { text } else { join(self.dir, &text) }
    }

    fn expanded(&self, text: &str) -> String {
        match (text.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) => join(home, rest),
            _ => text.to_owned(),
        }
    }
}

fn is_remote(text: &str) -> bool {
    const PREFIXES: [&str; 7] = ["https://", "http://", "git://", "ssh://", "github.com/", "git@", "service:"];
    text.contains("://") || PREFIXES.iter().any(|prefix| text.starts_with(prefix))
}

/// Whether it starts at the root.
pub(super) fn is_absolute(path: &str) -> bool {
    path.starts_with('/')
}

fn is_windows_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    let slash = |at: usize| bytes.get(at).is_some_and(|b| matches!(b, b'/' | b'\\'));
    let drive = bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.get(1) == Some(&b':');
    (drive && slash(2)) || (slash(0) && slash(1))
}

/// Two paths as one, without `.` and `..` where that can be.
pub(super) fn join(base: &str, path: &str) -> String {
    match (base.is_empty(), path.is_empty()) {
        (true, true) => String::new(),
        (true, false) => clean(path),
        (false, true) => clean(base),
        (false, false) => clean(&format!("{base}/{path}")),
    }
}

/// The shortest path that means the same; `.` for none.
pub(super) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            other => parts.push(other),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// The folder that a path is in.
pub(super) fn folder(path: &str) -> String {
    match path.rfind('/') {
        Some(at) => clean(&path[..=at]),
        None => ".".to_owned(),
    }
}

/// `path` as it is called from `base`; itself where one of them is absolute and the other is not.
pub(super) fn relative(base: &str, path: &str) -> String {
    let (base, path) = (clean(if base.is_empty() { "." } else { base }), clean(path));
    if base == path {
        return ".".to_owned();
    }
    if is_absolute(&base) != is_absolute(&path) {
        return path;
    }
    let parts = |text: &str| -> Vec<String> {
        text.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
    };
    let (from, to) = (parts(&base), parts(&path));
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if from[common..].iter().any(|part| part == "..") {
        return path;
    }
    let up = std::iter::repeat_n("..", from.len() - common);
    let down = to[common..].iter().map(String::as_str);
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// Where a mount goes, cleaned; empty stays so.
pub(super) fn clean_target(target: &str) -> String {
    if target.is_empty() { String::new() } else { clean(target) }
}

/// Whether it is an address of version 4 or 6.
pub(super) fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_joined_and_cleaned() {
        assert_eq!(join("/a/b", "../c"), "/a/c");
        assert_eq!(join("", "./data"), "data");
        assert_eq!(join("sub", "../../x"), "../x");
        assert_eq!(clean("/.."), "/");
        assert_eq!(clean(""), ".");
        assert_eq!(folder("a/b.yml"), "a");
        assert_eq!(folder("/b.yml"), "/");
        assert_eq!(folder("b.yml"), ".");
        assert_eq!(relative("/a/b", "/a/c/d"), "../c/d");
        assert_eq!(relative("", "sub"), "sub");
        assert_eq!(relative("", "."), ".");
    }

    proptest! {
        #[test]
        fn cleaning_twice_changes_nothing(text in "[a./]{0,20}") {
            let once = clean(&text);
            prop_assert_eq!(clean(&once), once);
        }
    }
}
