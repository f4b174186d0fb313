//! Folders on the first volume. Those that a compose file names stay; those that get a name here lie neither on nor in
//! another one, also where upper and lower case are one.

use super::yaml::slug;

/// Folders that are taken.
#[derive(Default)]
pub struct Folders {
    taken: Vec<String>,
}

impl Folders {
    /// Takes a folder as it is written.
    pub fn hold(&mut self, folder: &str) {
        self.taken.push(folder.to_owned());
    }

    /// Takes the first of some folders that is free, else the last one with a number.
    pub fn claim(&mut self, wanted: &[String]) -> String {
        let last = wanted.last().map_or("data", String::as_str);
        let numbered = (2_u32..).map(|number| format!("{last}-{number}"));
        // There are more numbers than folders.
        let free = wanted.iter().cloned().chain(numbered).find(|folder| self.is_free(folder));
        let folder = free.unwrap_or_else(|| last.to_owned());
        self.hold(&folder);
        folder
    }

    /// Takes folders that belong together and may lie in each other, all below the first of some prefixes with which
    /// they are free; gives the prefix with its slash, or nothing.
    pub fn claim_all(&mut self, folders: &[String], prefix: &str) -> String {
        let numbered = (2_u32..).map(|number| format!("{prefix}-{number}/"));
        let mut prefixes = [String::new(), format!("{prefix}/")].into_iter().chain(numbered);
        let free = |prefix: &String| folders.iter().all(|folder| self.is_free(&format!("{prefix}{folder}")));
        let prefix = prefixes.find(free).unwrap_or_default();
        for folder in folders {
            self.hold(&format!("{prefix}{folder}"));
        }
        prefix
    }

    fn is_free(&self, folder: &str) -> bool {
        !self.taken.iter().any(|taken| overlap(taken, folder))
    }
}

/// Whether two folders are one, or one lies in the other. The root of the volume holds all and counts for none.
fn overlap(a: &str, b: &str) -> bool {
    let parts = |text: &str| -> Vec<String> {
        text.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_lowercase).collect()
    };
    let (a, b) = (parts(a), parts(b));
    !a.is_empty() && !b.is_empty() && a.iter().zip(&b).all(|(a, b)| a == b)
}

/// Folders for a mount without a name, the shortest first.
pub fn unnamed(service: &str, target: &str) -> [String; 3] {
    let last = target.rsplit('/').find(|part| !part.is_empty()).unwrap_or("data");
    let whole = slug(target, 60);
    let service = slug(service, 60);
    [format!("{service}/{}", slug(last, 40)), format!("{service}/{whole}"), format!("{service}-{whole}")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn claimed_folders_are_apart() {
        let mut folders = Folders::default();
        folders.hold("app/Files");
        folders.hold("data");
        assert_eq!(folders.claim(&unnamed("app", "/x/files")), "app/x-files");
        assert_eq!(folders.claim(&unnamed("app", "/y/files")), "app/y-files");
        assert_eq!(folders.claim(&unnamed("data", "/y/files")), "data-y-files");
        assert_eq!(folders.claim(&["data".into()]), "data-2");
        assert_eq!(folders.claim_all(&["srv/a".into(), "srv/a/b".into()], "host"), "");
        assert_eq!(folders.claim_all(&["Srv/a".into()], "home"), "home/");
        assert_eq!(folders.claim_all(&["srv".into()], "host"), "host/");
        assert_eq!(folders.claim_all(&["srv".into()], "host"), "host-2/");
    }

    proptest! {
        #[test]
        fn no_two_claimed_folders_overlap(
            held in proptest::collection::vec("[abA]{1,2}(/[abA]){0,2}", 0..4),
            mounts in proptest::collection::vec(("[ab]{1,2}", "(/[abA]{1,2}){1,3}"), 1..8),
        ) {
            let mut folders = Folders::default();
            held.iter().for_each(|folder| folders.hold(folder));
            let claimed: Vec<String> =
                mounts.iter().map(|(service, target)| folders.claim(&unnamed(service, target))).collect();
            for (index, one) in claimed.iter().enumerate() {
                prop_assert!(held.iter().chain(&claimed[..index]).all(|other| !overlap(one, other)), "{claimed:?} {held:?}");
            }
        }
    }
}
