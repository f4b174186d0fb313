//! Who holds a file of the database, as the operating system knows.

use std::path::Path;

/// The process that holds locks on the database at `path`, or on the lock file beside it: `pid 7 on host (kompox apply),
/// stopped`. `None` where the system does not say (only Linux does), and when there is none but this one.
pub(super) fn of(path: &Path) -> Option<String> {
    #[cfg(target_os = "linux")]
    {
        linux::of(path)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = path;
        None
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::path::{Path, PathBuf};

    use crate::sqlite::paths::{beside, lock_path};

    pub(super) fn of(path: &Path) -> Option<String> {
        // SQLite locks the database and, with a write-ahead log, its `-shm`; `<db>.lock` is ours.
        let files = [path.to_owned(), beside(path, "-shm"), lock_path(path)];
        let inodes: Vec<u64> = files.iter().filter_map(|file| Some(fs::metadata(file).ok()?.ino())).collect();
        let locks = fs::read_to_string("/proc/locks").ok()?;
        let mut candidates: Vec<u32> = locks.lines().filter_map(|line| writer(line, &inodes)).collect();
        candidates.dedup();
        candidates.retain(|pid| *pid != std::process::id() && has_open(*pid, &files));
        candidates.first().map(|pid| describe(*pid))
    }

    /// The process of a line of `/proc/locks` (proc_locks(5)) that is a lock for writing on one of the files:
    /// `7: POSIX  ADVISORY  WRITE 4711 08:01:131 120 120`. Those that only wait have an arrow.
    fn writer(line: &str, inodes: &[u64]) -> Option<u32> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, "WRITE", pid, file, ..] = words.as_slice() else { return None };
        let inode = file.rsplit(':').next()?.parse().ok()?;
        if inodes.contains(&inode) { pid.parse().ok() } else { None }
    }

    /// Inodes of different file systems may be equal. Of processes of other users it cannot be seen; then the inode counts.
    fn has_open(pid: u32, files: &[PathBuf]) -> bool {
        let Ok(handles) = fs::read_dir(format!("/proc/{pid}/fd")) else { return true };
        let open = handles.flatten().filter_map(|handle| fs::read_link(handle.path()).ok());
        open.into_iter().any(|open| files.contains(&open))
    }

    fn describe(pid: u32) -> String {
        let of = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let stat = of("stat");
        // After the name, which is in parentheses and may hold anything.
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        let stopped = if matches!(state, Some('T' | 't')) { ", which is stopped" } else { "" };
        format!("pid {pid} on {} ({}){stopped}", host.trim(), command(&of("comm"), &of("cmdline")))
    }

    /// The program and the words that look like subcommands: what else it was given, others need not see.
    fn command(name: &str, line: &str) -> String {
        let plain = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
        let words = line.split('\0').skip(1).filter(plain).take(2);
        std::iter::once(name.trim()).chain(words).collect::<Vec<_>>().join(" ")
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn reads_the_kernels_list() {
            let line = "12: POSIX  ADVISORY  WRITE 4711 fe:01:131 120 120";
            assert_eq!(writer(line, &[5, 131]), Some(4711));
            assert_eq!(writer(line, &[5]), None);
            assert_eq!(writer("12: -> POSIX  ADVISORY  WRITE 4712 fe:01:131 120 120", &[131]), None);
            assert_eq!(writer("3: POSIX  ADVISORY  READ 4711 fe:01:131 123 123", &[131]), None);
            assert_eq!(writer("4: FLOCK  ADVISORY  WRITE 4711 fe:01:131 0 EOF", &[131]), Some(4711));
        }

        #[test]
        fn shows_no_arguments_but_subcommands() {
            assert_eq!(command("kompox\n", "/bin/kompox\0--token=S3cret\0apply\0/x/plan.kplan\0"), "kompox apply");
        }
    }
}
