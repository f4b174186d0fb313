//! Which revision of the manifests a run is of, where version control says so. Git's own files are read, so that no program of
//! the machine is run (<https://git-scm.com/docs/gitrepository-layout>).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What CI systems say of a checkout that has no history: GitHub, GitLab, Azure Pipelines.
const VARIABLES: [&str; 3] = ["GITHUB_SHA", "CI_COMMIT_SHA", "BUILD_SOURCEVERSION"];

/// The commit that the folder is a checkout of. What was changed since is not looked at.
pub fn of(folder: &Path, variables: &BTreeMap<String, String>) -> Option<String> {
    let repository = folder.ancestors().find_map(repository);
    let said = || VARIABLES.iter().find_map(|name| commit(variables.get(*name)?));
    repository.and_then(|repository| head(&repository)).or_else(said)
}

/// The repository of a checkout: beside it, or where a file says for a worktree or submodule.
fn repository(folder: &Path) -> Option<PathBuf> {
    let at = folder.join(".git");
    if at.is_dir() {
        return Some(at);
    }
    let text = std::fs::read_to_string(&at).ok()?;
    Some(folder.join(text.strip_prefix("gitdir:")?.trim()))
}

fn head(repository: &Path) -> Option<String> {
    let text = std::fs::read_to_string(repository.join("HEAD")).ok()?;
    let Some(name) = text.trim().strip_prefix("ref: ") else { return commit(&text) };
    let common = std::fs::read_to_string(repository.join("commondir"));
    let common = common.map_or_else(|_| repository.to_owned(), |common| repository.join(common.trim()));
    let loose = [repository, common.as_path()].into_iter().find_map(|at| std::fs::read_to_string(at.join(name)).ok());
    loose.and_then(|text| commit(&text)).or_else(|| {
        let packed = std::fs::read_to_string(common.join("packed-refs")).ok()?;
        let line = packed.lines().find(|line| line.split_once(' ').is_some_and(|(_, packed)| packed == name))?;
        commit(line.split(' ').next()?)
    })
}

/// A text as the id of a commit, if it is one.
fn commit(text: &str) -> Option<String> {
    let text = text.trim();
    let is_id = matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn the_commit_of_a_checkout_is_found_wherever_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let nothing = BTreeMap::new();
        let inside = folder.path().join("a/b");
        std::fs::create_dir_all(&inside).unwrap();
        let said = BTreeMap::from([("GITHUB_SHA".to_owned(), ID.to_owned())]);
        // The machine's own temporary folder is in no repository.
        assert_eq!(of(&inside, &nothing), None);
        assert_eq!(of(&inside, &said), Some(ID.to_owned()));
        assert_eq!(of(&inside, &BTreeMap::from([("GITHUB_SHA".to_owned(), "main".to_owned())])), None);

        write(".git/HEAD", "ref: refs/heads/main\n");
        write(".git/packed-refs", &format!("# pack-refs with: peeled\n{ID} refs/heads/main\n"));
        assert_eq!(of(&inside, &nothing), Some(ID.to_owned()));
        let other = ID.replace('0', "f");
        write(".git/refs/heads/main", &format!("{other}\n"));
        assert_eq!(of(&inside, &said), Some(other.clone()));
        write(".git/HEAD", &format!("{ID}\n"));
        assert_eq!(of(&inside, &nothing), Some(ID.to_owned()));

        write(".git/worktrees/w/HEAD", "ref: refs/heads/main\n");
        write(".git/worktrees/w/commondir", "../..\n");
        write("w/.git", "gitdir: ../.git/worktrees/w\n");
        assert_eq!(of(&folder.path().join("w"), &nothing), Some(other));
    }
}
