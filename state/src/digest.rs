//! Keyed digests: enough to see that a secret changed, nothing to guess it from.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

const PREFIX: &str = "hmac-sha256:";
const HEX: &[u8; 16] = b"0123456789abcdef";

/// HMAC-SHA-256 under the state's own key (`engine.md`, "No secret is ever stored").
///
/// Two states digest the same text differently, so a digest tells nothing outside the state it belongs to. Cloning is
/// cheap; `Debug` shows no key.
#[derive(Clone)]
pub struct Digester {
    keyed: Hmac<Sha256>,
}

impl Digester {
    /// A digester for the state whose key this is.
    pub fn new(key: &[u8; 32]) -> Self {
        // HMAC pads a key shorter than its block with zeros (RFC 2104), and the constructor that cannot fail takes a
        // whole block.
        let mut block = [0u8; 64];
        block[..32].copy_from_slice(key);
        Self { keyed: Hmac::new(&block.into()) }
    }

    /// The digest of `plaintext` as `hmac-sha256:` and 64 hexadecimal digits.
    pub fn digest(&self, plaintext: &[u8]) -> String {
        let mut mac = self.keyed.clone();
        mac.update(plaintext);
        let mut text = String::with_capacity(PREFIX.len() + 64);
        text.push_str(PREFIX);
        for byte in mac.finalize().into_bytes() {
            text.extend([byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)])));
        }
        text
    }
}

impl fmt::Debug for Digester {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digester(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_hmac_sha256() {
        // RFC 4231 has no test case with a key of 32 bytes; case 2's key ("Jefe") padded with zeros is the same HMAC.
        let mut key = [0u8; 32];
        key[..4].copy_from_slice(b"Jefe");
        assert_eq!(
            Digester::new(&key).digest(b"what do ya want for nothing?"),
            "hmac-sha256:5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn depends_on_the_key_and_hides_it() {
        let one = Digester::new(&[1; 32]);
        assert_eq!(one.digest(b"x"), one.clone().digest(b"x"));
        assert_ne!(one.digest(b"x"), one.digest(b"y"));
        assert_ne!(one.digest(b"x"), Digester::new(&[2; 32]).digest(b"x"));
        assert_eq!(format!("{one:?}"), "Digester(..)");
    }
}
