//! Mounts of what an image is built from: while developing they put the source over the copy in the image. In a cluster
//! the image has it, and an empty folder would hide it.

use std::path::Path;

use super::paths::inside;
use crate::compose::tree::Tree;

/// Names of folders that hold what a program writes.
const DATA: [&str; 30] = [
    "data",
    "db",
    "database",
    "databases",
    "storage",
    "store",
    "upload",
    "uploads",
    "media",
    "backup",
    "backups",
    "log",
    "logs",
    "cache",
    "tmp",
    "temp",
    "volume",
    "volumes",
    "var",
    "state",
    "files",
    "mysql",
    "mariadb",
    "postgres",
    "postgresql",
    "pgdata",
    "redis",
    "mongo",
    "sqlite",
    "instance",
];
/// Ends of names of source files.
const SOURCES: [&str; 44] = [
    "py", "js", "mjs", "cjs", "ts", "jsx", "tsx", "vue", "svelte", "go", "rb", "erb", "php", "java", "kt", "scala",
    "rs", "c", "h", "cc", "cpp", "cs", "fs", "ex", "exs", "erl", "clj", "hs", "lua", "pl", "r", "swift", "dart",
    "html", "htm", "css", "scss", "sass", "less", "twig", "tmpl", "jade", "pug", "sh",
];
/// Ends of names of databases in a file.
const DATABASES: [&str; 5] = ["db", "sqlite", "sqlite3", "mdb", "rdb"];
/// How far a folder is looked through.
const MOST_ENTRIES: usize = 2000;
const MOST_DEPTH: usize = 6;

/// What an image is built from.
pub struct Build {
    /// The context, from the compose file's folder; empty for that itself.
    context: String,
    /// The text of the Dockerfile, where it can be read.
    dockerfile: Option<String>,
}

/// What is known of a mount below a build context.
pub struct InContext {
    /// Files that look like databases, from the mounted folder.
    pub databases: Vec<String>,
}

impl Build {
    /// Reads the `build` of a service; none where its context is not in the folder of the compose file.
    pub fn of(root: &Path, service: &Tree) -> Option<Self> {
        let build = service.get("build").filter(|build| !build.is_null())?;
        let field = |key: &str| build.get(key).and_then(Tree::as_text);
        let context = build.as_text().or_else(|| field("context")).unwrap_or(".");
        if context.contains("://") || context.contains('@') || context.starts_with("github.com/") {
            return None;
        }
        let context = inside(root, context)?;
        let inline = field("dockerfile_inline").map(str::to_owned);
        let file = root.join(&context).join(field("dockerfile").unwrap_or("Dockerfile"));
        let dockerfile = inline.or_else(|| super::draft::text(&file).ok());
        Some(Self { context, dockerfile })
    }

    /// Whether the image has a folder that is mounted over it: the context itself, or source in it. What a program may
    /// have written stays a mount, since without one it would be gone with the container.
    pub fn has(&self, root: &Path, folder: &str) -> Option<InContext> {
        let rest = below(&self.context, folder)?;
        let full = root.join(folder);
        let mut found = Found::default();
        look(&full, "", 0, &mut found);
        if rest.is_empty() {
            return Some(InContext { databases: found.databases });
        }
        let data = rest.split('/').any(|part| DATA.contains(&part.to_ascii_lowercase().as_str()));
        let has = !data && found.source && found.databases.is_empty() && self.copies(root, rest);
        has.then(|| InContext { databases: Vec::new() })
    }

    /// Whether the Dockerfile takes a folder of its context, as far as it can be read.
    fn copies(&self, root: &Path, folder: &str) -> bool {
        let ignored = super::draft::text(&root.join(&self.context).join(".dockerignore")).unwrap_or_default();
        let plain = |text: &str| text.trim().trim_start_matches("./").trim_matches('/').to_owned();
        if ignored.lines().map(plain).any(|line| !line.is_empty() && below(&line, folder).is_some()) {
            return false;
        }
        let Some(text) = &self.dockerfile else { return true };
        let lines = text.lines().map(str::trim);
        let copies = lines.filter(|line| {
            let word = line.split_whitespace().next().unwrap_or("");
            (word.eq_ignore_ascii_case("COPY") || word.eq_ignore_ascii_case("ADD")) && !line.contains("--from=")
        });
        let sources = copies.flat_map(|line| {
            let words = line.split(|c: char| c.is_whitespace() || matches!(c, '"' | '[' | ']' | ','));
            words.skip(1).filter(|word| !word.is_empty() && !word.starts_with("--")).map(plain).collect::<Vec<_>>()
        });
        sources.into_iter().any(|source| {
            let source = source.trim_end_matches('*').trim_end_matches('/');
            source.is_empty() || source == "." || below(source, folder).is_some() || below(folder, source).is_some()
        })
    }
}

/// What is left of a path below another; nothing for that itself.
fn below<'p>(folder: &str, path: &'p str) -> Option<&'p str> {
    if folder.is_empty() || folder == "." {
        return Some(path);
    }
    let rest = path.strip_prefix(folder)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

#[derive(Default)]
struct Found {
    entries: usize,
    source: bool,
    databases: Vec<String>,
}

fn look(folder: &Path, name: &str, depth: usize, found: &mut Found) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        found.entries += 1;
        if found.entries > MOST_ENTRIES {
            return;
        }
        let Ok(own) = entry.file_name().into_string() else { continue };
        let path = if name.is_empty() { own.clone() } else { format!("{name}/{own}") };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth < MOST_DEPTH && own != "node_modules" && own != ".git" => {
                look(&entry.path(), &path, depth + 1, found);
            }
            Ok(kind) if kind.is_file() => {
                let end = own.rsplit_once('.').map_or("", |(_, end)| end).to_ascii_lowercase();
                found.source |= SOURCES.contains(&end.as_str()) || own == "package.json" || own == "Dockerfile";
                if DATABASES.contains(&end.as_str()) {
                    found.databases.push(path);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(dockerfile: Option<&str>, files: &[&str], context: &str, folder: &str) -> bool {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, if file.ends_with(".dockerignore") { "src\n" } else { "" }).unwrap();
        }
        Build { context: context.to_owned(), dockerfile: dockerfile.map(str::to_owned) }
            .has(root.path(), folder)
            .is_some()
    }

    #[test]
    fn the_image_has_the_context_and_source_in_it() {
        assert!(has(None, &["app/main.py"], "app", "app"));
        assert!(has(None, &[], "", ""));
        assert!(has(Some("FROM a\nCOPY . .\n"), &["src/main.go"], "", "src"));
        assert!(has(Some("COPY [\"src/\", \"/code\"]\n"), &["web/src/x/a.ts"], "web", "web/src"));
        assert!(has(Some("COPY src/x /x\n"), &["src/x/a.ts"], "", "src"));
        assert!(!has(None, &["app/main.py"], "app", "other"), "not the context");
        assert!(!has(None, &["app/main.py"], "ap", "app"), "another folder that begins so");
        assert!(!has(None, &["data/a.py"], "", "data"), "data by its name");
        assert!(!has(None, &["x/a.py", "x/app.sqlite3"], "", "x"), "it holds a database");
        assert!(!has(None, &["x/a.bin"], "", "x"), "no source");
        assert!(!has(None, &[], "", "x"), "nothing is there yet: the program will write it");
        assert!(!has(Some("COPY src /src\n"), &["x/a.py"], "", "x"), "not copied");
        assert!(!has(Some("COPY --from=a . /src\n"), &["x/a.py"], "", "x"), "copied from elsewhere");
        assert!(!has(Some("COPY . .\n"), &["src/a.py", ".dockerignore"], "", "src"), "ignored");
    }
}
