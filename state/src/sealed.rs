//! Texts that begin with a line which has the SHA-256 of the rest: objects of a log, copies of a state. It shows damage. It
//! does not show forgery: who can write the text can write the line, too.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The newest layout of such texts that this version reads, and the one that it writes. 2: runs say where they come from and
/// are a chain.
pub(crate) const FORMAT: u32 = 2;

/// The bytes of a text, and the digest that its first line has.
pub(crate) fn write(value: &impl Serialize) -> Result<(Vec<u8>, String), serde_json::Error> {
    let body = serde_json::to_vec(value)?;
    let digest = digest(&body);
    let mut bytes = Vec::with_capacity(digest.len() + 1 + body.len());
    bytes.extend_from_slice(digest.as_bytes());
    bytes.push(b'\n');
    bytes.extend_from_slice(&body);
    Ok((bytes, digest))
}

/// What a text holds, and its digest.
///
/// # Errors
/// What is wrong with it, without anything of its content.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, String), String> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("has no line with its digest")?;
    let (first, body) = (&bytes[..end], &bytes[end + 1..]);
    let digest = digest(body);
    if first != digest.as_bytes() {
        return Err("is not what was written: its digest is another".to_owned());
    }
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    let found = serde_json::from_slice::<Versioned>(body).map(|versioned| versioned.format);
    if let Ok(newer) = found.as_ref()
        && *newer > FORMAT
    {
        return Err(format!("has the format {newer}, this kompox knows {FORMAT}: install the one that wrote it"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    match serde_path_to_error::deserialize(&mut deserializer) {
        Ok(value) => Ok((value, digest)),
        // The text of the error may have something of the content.
        Err(e) => Err(format!("cannot be read at `{}`: it was changed, or another version wrote it", e.path())),
    }
}

/// The SHA-256 of bytes, in hexadecimal digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
