//! Who is let in. A world holds secrets in clear, its file is its owner's only, and a loopback port is open to every user
//! of the machine: so a request must come from a process of the same user, or bear the world's token.
//!
//! The token is in the file `token` beside the world, readable by its owner only. Whose process is at the other end of a
//! connection the kernel says (`/proc/net/tcp`, Linux); elsewhere everyone needs the token.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::world::WorldError;

/// Every token begins so. From processes of the same user any is taken; others need the world's own.
pub const TOKEN_PREFIX: &str = "sandbox-";

/// The name of the token's file inside the data directory.
pub const FILE_NAME: &str = "token";

/// How often the kernel is asked for a connection that it does not list.
#[cfg(target_os = "linux")]
const LOOKS: u32 = 8;

/// The token of the world in `data`; made when there is none.
///
/// # Errors
/// The file cannot be read or made.
pub fn token(data: &Path) -> Result<String, WorldError> {
    let path = data.join(FILE_NAME);
    let unusable = |source| WorldError::Directory { path: path.clone(), source };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if read(&path).is_none() {
        // Written whole under another name: whoever finds the file finds a token.
        let draft = data.join(format!("{FILE_NAME}.{}", Uuid::new_v4()));
        let mut file = options.open(&draft).map_err(unusable)?;
        let token = format!("{TOKEN_PREFIX}{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let made = file.write_all(token.as_bytes()).and_then(|()| fs::hard_link(&draft, &path));
        let made = match made {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            // Not every file system has links.
            Err(_) => fs::rename(&draft, &path),
            Ok(()) => Ok(()),
        };
        // It is there under its name, or was never of use.
        let _ = fs::remove_file(&draft);
        made.map_err(unusable)?;
    }
    read(&path).ok_or_else(|| unusable(ErrorKind::InvalidData.into()))
}

/// The token in a file, if there is one.
fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let token = text.trim();
    (token.len() > TOKEN_PREFIX.len() + 32 && token.starts_with(TOKEN_PREFIX)).then(|| token.to_owned())
}

/// The token of the world in `data`, if it has one that we may read.
pub fn existing_token(data: &Path) -> Option<String> {
    read(&data.join(FILE_NAME))
}

/// One connection's way in.
#[derive(Debug)]
pub(super) struct Door {
    digest: [u8; 32],
    peer: SocketAddr,
    own: Option<SocketAddr>,
    /// Asked once, when it is first needed.
    same_user: OnceLock<bool>,
}

impl Door {
    /// Of a connection from `peer` to `own`; without `own` only the token opens it.
    pub fn new(token: &str, peer: SocketAddr, own: Option<SocketAddr>) -> Self {
        Self { digest: Sha256::digest(token.as_bytes()).into(), peer, own, same_user: OnceLock::new() }
    }

    /// Whether a request may come in, as far as that is known without asking the kernel.
    pub fn knows(&self, headers: &HeaderMap) -> Option<bool> {
        // Digests are compared, so that the time it takes says nothing of the token.
        let bears =
            bearer(headers).is_some_and(|token| <[u8; 32]>::from(Sha256::digest(token.as_bytes())) == self.digest);
        if bears { Some(true) } else { self.same_user.get().copied() }
    }

    /// Whether a process of the same user is at the other end. Blocks the first time.
    pub fn is_of_same_user(&self) -> bool {
        *self.same_user.get_or_init(|| self.own.is_some_and(|own| is_same_user(self.peer, own)))
    }
}

/// The bearer token of a request.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(target_os = "linux")]
fn is_same_user(peer: SocketAddr, own: SocketAddr) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(me) = fs::metadata("/proc/self").map(|metadata| metadata.uid()) else { return false };
    let table = if peer.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    // The kernel writes the table page by page: a line can be missed while connections come and go.
    let looked = (0..LOOKS).find_map(|_| user_of(&fs::read_to_string(table).ok()?, peer, own));
    // Root reads the file anyway.
    looked.is_some_and(|user| user == me || user == 0)
}

#[cfg(not(target_os = "linux"))]
fn is_same_user(_: SocketAddr, _: SocketAddr) -> bool {
    false
}

/// Whose socket is connected from `peer` to `own`, by the kernel's table (proc_pid_net(5)). A socket that nobody has open
/// any more has no inode, and the table says 0 for its user: that is no answer.
#[cfg(target_os = "linux")]
fn user_of(table: &str, peer: SocketAddr, own: SocketAddr) -> Option<u32> {
    let (peer, own) = (in_table(peer), in_table(own));
    table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, _, _, _, _, user, _, inode, ..] = words.as_slice() else { return None };
        (*local == peer && *remote == own && *inode != "0").then(|| user.parse().ok()).flatten()
    })
}

/// An address as the table writes it: words of four bytes in the machine's order.
#[cfg(target_os = "linux")]
fn in_table(address: SocketAddr) -> String {
    let octets = match address.ip() {
        std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
        std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = octets.chunks_exact(4).map(|word| {
        let word = [word[0], word[1], word[2], word[3]];
        format!("{:08X}", u32::from_ne_bytes(word))
    });
    format!("{}:{:04X}", words.collect::<String>(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(existing_token(folder.path()), None);
        let made = token(folder.path()).unwrap();
        assert!(made.starts_with(TOKEN_PREFIX) && made.len() > 64);
        assert_eq!(token(folder.path()).unwrap(), made);
        assert_eq!(existing_token(folder.path()), Some(made));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(folder.path().join(FILE_NAME)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[cfg(all(target_os = "linux", target_endian = "little"))]
    #[test]
    fn the_kernel_says_whose_connection_it_is() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:2198 0100007F:C35A 01 00000000:00000000 00:00000000 00000000  1000        0 111 1 0 20 4 30 10 -1\n\
             1: 0100007F:C35A 0100007F:2198 01 00000000:00000000 00:00000000 00000000  1001        0 222 1 0 20 4 30 10 -1\n\
             2: 0100007F:C35B 0100007F:2198 06 00000000:00000000 03:00000F45 00000000     0        0 0 3 0\n";
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        assert_eq!(user_of(table, at(0xc35a), at(0x2198)), Some(1001));
        // It sent its request and closed: whose it was is not known any more, and it was not root's.
        assert_eq!(user_of(table, at(0xc35b), at(0x2198)), None);
        assert_eq!(user_of(table, at(1), at(0x2198)), None);
        assert_eq!(in_table("[::1]:8600".parse().unwrap()), "00000000000000000000000001000000:2198");
    }
}
