//! Names and hashes of Kubernetes objects, as older deployments and other tools expect them (compose specification of
//! this project, "Names, labels, hashes").

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::text::dns;

/// Characters of every hash that is part of a name.
const HASH_LENGTH: usize = 6;

/// 36^12, the largest power of 36 below 2^64: a division by it gives twelve digits.
const TWELVE_DIGITS: u64 = 36u64.pow(12);

/// The first six base-36 characters of the SHA-256 of `input`, read as one big-endian number without leading zeros.
pub fn hash(input: &[u8]) -> String {
    let bytes: [u8; 32] = Sha256::digest(input).into();
    let mut limbs = [0u64; 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = chunk.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
    }
    first_digits(limbs)
}

/// The first digits in base 36 of a number given as big-endian limbs.
fn first_digits(mut limbs: [u64; 4]) -> String {
    // From the last digit to the first.
    let mut digits: Vec<u8> = Vec::with_capacity(60);
    while limbs.iter().any(|limb| *limb != 0) {
        let mut group: u64 = 0;
        for limb in &mut limbs {
            let value = u128::from(group) << 64 | u128::from(*limb);
            // group < TWELVE_DIGITS, so that quotient and remainder fit 64 bits.
            *limb = (value / u128::from(TWELVE_DIGITS)) as u64;
            group = (value % u128::from(TWELVE_DIGITS)) as u64;
        }
        for _ in 0..12 {
            digits.push((group % 36) as u8);
            group /= 36;
        }
    }
    // The last group brought zeros in front of the number.
    digits.truncate(digits.iter().rposition(|digit| *digit != 0).map_or(0, |last| last + 1));
    digits.resize(digits.len().max(HASH_LENGTH), 0);
    digits
        .iter()
        .rev()
        .take(HASH_LENGTH)
        .map(|digit| char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[usize::from(*digit)]))
        .collect()
}

/// The hash over `KEY=VALUE<NUL>` of every entry in the byte order of the keys: of a ConfigMap, a Secret or an env file.
pub fn content_hash<K: AsRef<[u8]>, V: AsRef<[u8]>>(entries: &BTreeMap<K, V>) -> String {
    let mut input = Vec::new();
    for (key, value) in entries {
        input.extend_from_slice(key.as_ref());
        input.push(b'=');
        input.extend_from_slice(value.as_ref());
        input.push(0);
    }
    hash(&input)
}

/// The hash on a Pod template: over the content hashes of everything the Pod refers to, in order, a missing one being
/// the empty string.
pub fn pod_content_hash<S: AsRef<str>>(hashes: &[S]) -> String {
    let joined: String = hashes.iter().map(AsRef::as_ref).collect();
    hash(joined.as_bytes())
}

/// `spHASH`: of workspace and provider.
pub fn sp_hash(workspace: &str, provider: &str) -> String {
    hash(format!("{workspace}:{provider}").as_bytes())
}

/// `clsHASH`: of a cluster.
pub fn cls_hash(workspace: &str, provider: &str, cluster: &str) -> String {
    hash(format!("{workspace}:{provider}:{cluster}").as_bytes())
}

/// `idHASH`: of an app, whatever cluster it runs on.
pub fn id_hash(workspace: &str, provider: &str, app: &str) -> String {
    hash(format!("{workspace}:{provider}:{app}").as_bytes())
}

/// `inHASH`: of an app on one cluster.
pub fn in_hash(workspace: &str, provider: &str, cluster: &str, app: &str) -> String {
    hash(format!("{workspace}:{provider}:{cluster}:{app}").as_bytes())
}

/// `volHASH`: of a disk's volume handle, the provider's resource id.
fn vol_hash(handle: &str) -> String {
    hash(handle.as_bytes())
}

/// The Namespace of an app.
pub fn namespace(sp_hash: &str, app: &str, id_hash: &str) -> String {
    format!("k4x-{sp_hash}-{app}-{id_hash}")
}

/// A PersistentVolume and its Claim.
pub fn persistent_volume(sp_hash: &str, volume: &str, id_hash: &str, handle: &str) -> String {
    format!("k4x-{sp_hash}-{volume}-{id_hash}-{}", vol_hash(handle))
}

/// Deployment and ingress Service of a component, which is also the value of its label `app`.
pub fn component(app: &str, component: &str) -> String {
    format!("{app}-{component}")
}

/// Role and RoleBinding of an app.
pub fn access(app: &str) -> String {
    format!("{app}-access")
}

/// The ConfigMap of a compose config.
pub fn config_map(app: &str, component: &str, config: &str) -> String {
    format!("{app}-{component}--cfg-{config}")
}

/// The Secret of a compose secret.
pub fn secret(app: &str, component: &str, secret: &str) -> String {
    format!("{app}-{component}--sec-{secret}")
}

/// The image pull Secret of a component; a command makes it, never a manifest.
pub fn pull_secret(app: &str, component: &str) -> String {
    format!("{app}-{component}--pull")
}

/// The Secret that holds a container's env files.
pub fn env_base(app: &str, component: &str, container: &str) -> String {
    format!("{app}-{component}-{container}-base")
}

/// The Secret that a command sets over a container's env files.
pub fn env_override(app: &str, component: &str, container: &str) -> String {
    format!("{app}-{component}-{container}-override")
}

/// The Ingress for hosts under the cluster's own domain.
pub fn ingress_default(app: &str, component: &str) -> String {
    format!("{app}-{component}-default")
}

/// The Ingress for the app's own hosts.
pub fn ingress_custom(app: &str, component: &str) -> String {
    format!("{app}-{component}-custom")
}

/// The host under the cluster's domain for a published port.
pub fn default_host(app: &str, id_hash: &str, port: u16, domain: &str) -> String {
    format!("{app}-{id_hash}-{port}.{domain}")
}

/// Whether `name` is a qualified name of Kubernetes, as keys of labels and annotations are: `[domain/]name`.
pub fn is_qualified_name(name: &str) -> bool {
    let (prefix, own) = match name.split_once('/') {
        Some((prefix, own)) => (Some(prefix), own),
        None => (None, name),
    };
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    prefix.is_none_or(dns::is_subdomain)
        && own.len() <= 63
        && ends(own.chars().next())
        && ends(own.chars().last())
        && own.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn published_vectors_hold() {
        let text = include_str!("../../tests/data/naming-vectors.json");
        let vectors: Vec<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(text).unwrap();
        assert!(vectors.len() >= 5);
        for vector in vectors {
            let field = |key: &str| vector[key].as_str().unwrap().to_owned();
            let (ws, prv, cls, app) = (field("workspace"), field("provider"), field("cluster"), field("app"));
            let (sp, id) = (sp_hash(&ws, &prv), id_hash(&ws, &prv, &app));
            assert_eq!(sp, field("spHASH"));
            assert_eq!(id, field("idHASH"));
            assert_eq!(cls_hash(&ws, &prv, &cls), field("clsHASH"));
            assert_eq!(in_hash(&ws, &prv, &cls, &app), field("inHASH"));
            assert_eq!(vol_hash(&field("volumeHandle")), field("volHASH"));
            assert_eq!(namespace(&sp, &app, &id), field("namespace"));
            assert_eq!(
                persistent_volume(&sp, &field("volume"), &id, &field("volumeHandle")),
                field("persistentVolume")
            );
        }
    }

    #[test]
    fn content_hash_separates_entries() {
        let a = BTreeMap::from([("A", "1"), ("B", "2")]);
        let b = BTreeMap::from([("A", "1\0B=2")]);
        // The NUL ends each entry, so only a NUL inside a value could collide, and values with NUL are refused.
        assert_eq!(content_hash(&a), hash(b"A=1\0B=2\0"));
        assert_eq!(content_hash(&b), hash(b"A=1\0B=2\0"));
        assert_ne!(content_hash(&BTreeMap::from([("A", "12")])), content_hash(&BTreeMap::from([("A1", "2")])));
    }

    /// The definition, digit by digit.
    fn slowly(mut number: [u8; 32]) -> String {
        let mut digits = Vec::new();
        while number.iter().any(|byte| *byte != 0) {
            let mut remainder: u32 = 0;
            for byte in &mut number {
                let value = (remainder << 8) | u32::from(*byte);
                *byte = u8::try_from(value / 36).unwrap();
                remainder = value % 36;
            }
            digits.push(char::from_digit(remainder, 36).unwrap());
        }
        digits.resize(digits.len().max(HASH_LENGTH), '0');
        digits.iter().rev().take(HASH_LENGTH).collect()
    }

    fn bytes(limbs: [u64; 4]) -> [u8; 32] {
        limbs.map(u64::to_be_bytes).concat().try_into().unwrap()
    }

    proptest! {
        #[test]
        fn digits_are_those_of_the_definition(limbs in any::<[u64; 4]>(), zeros in 0usize..=4) {
            let mut limbs = limbs;
            limbs[..zeros].fill(0);
            prop_assert_eq!(first_digits(limbs), slowly(bytes(limbs)));
            limbs[3] >>= 50;
            prop_assert_eq!(first_digits(limbs), slowly(bytes(limbs)));
        }

        #[test]
        fn hash_is_six_base36_characters(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            let value = hash(&input);
            prop_assert_eq!(value.len(), 6);
            prop_assert!(value.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()));
            prop_assert_eq!(value, hash(&input));
        }
    }
}
