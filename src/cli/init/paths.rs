//! Paths of compose files, held against a folder.

use std::path::Path;

/// The parts of a path without those that lead nowhere: `a/./b/../c` is `a/c`. What climbs out stays in front.
pub(super) fn lexical(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." && parts.last().is_some_and(|last| last != "..") {
            parts.pop();
        } else if part != ".." || !path.starts_with('/') {
            parts.push(part.to_owned());
        }
    }
    parts
}

/// A path as one below a folder, which is absolute and real, without `.` and `..`; none where it leads elsewhere.
pub(super) fn inside(root: &Path, path: &str) -> Option<String> {
    let mut parts = lexical(path);
    if path.starts_with('~') {
        return None;
    }
    if parts.first().is_some_and(|part| part == "..") {
        // What climbs out may come back in.
        parts = lexical(&format!("{}/{path}", root.to_str()?));
    } else if !path.starts_with('/') {
        return Some(parts.join("/"));
    }
    let absolute = Path::new("/").join(parts.join("/"));
    // The folder may have been named through a link.
    let real = absolute.ancestors().find_map(|above| {
        let rest = absolute.strip_prefix(above).ok()?;
        Some(above.canonicalize().ok()?.join(rest))
    });
    let relative = real.as_deref().unwrap_or(&absolute).strip_prefix(root).ok()?;
    relative.to_str().map(|text| text.trim_end_matches('/').to_owned())
}
