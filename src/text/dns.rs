//! Names as DNS, and with it Kubernetes, has them (RFC 1123 and 1035, lower case as Kubernetes wants it).

use std::net::IpAddr;

/// Longest DNS label.
pub const LABEL_MAX: usize = 63;
/// Longest DNS name, and with it subdomain.
const SUBDOMAIN_MAX: usize = 253;

/// Whether `text` is a DNS-1123 label: 1 to 63 of `a-z`, `0-9` and `-`, the last not at its ends.
pub fn is_label(text: &str) -> bool {
    is_label_within(text, LABEL_MAX)
}

/// Whether `text` is a DNS-1123 label of at most `max` characters.
pub fn is_label_within(text: &str, max: usize) -> bool {
    let bytes = text.as_bytes();
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=max).contains(&bytes.len())
        && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
        && bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
}

/// Whether `text` is a DNS-1035 label, as the names of Services are: it starts with a letter.
pub fn is_letter_label(text: &str) -> bool {
    is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Whether `text` is a DNS-1123 subdomain, as names of objects and hosts are: labels joined by dots, at most 253
/// characters in all.
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= SUBDOMAIN_MAX && text.split('.').all(is_label)
}

/// Whether `text` is an IP address, which is no name although IPv4 looks like one: also in the brackets of a URL, and with leading
/// zeros, as Kubernetes reads it (`ParseIPSloppy` of `k8s.io/utils/net`).
pub fn is_address(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let parts: Vec<&str> = bare.split('.').collect();
    let is_byte = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit()) && part.parse::<u8>().is_ok();
    bare.parse::<IpAddr>().is_ok() || parts.len() == 4 && parts.iter().all(is_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_no_names() {
        for address in ["10.0.0.1", "010.000.0.1", "::1", "[2001:db8::1]", "::ffff:10.0.0.1"] {
            assert!(is_address(address), "{address}");
        }
        for name in ["", "a", "10.0.0", "10.0.0.256", "10.0.0.1.nip.io", "10.0.0.+1", "*.0.0.1", "a::b.c"] {
            assert!(!is_address(name), "{name}");
        }
    }

    #[test]
    fn labels_and_subdomains() {
        let long = "a".repeat(63);
        for label in ["a", "0", "a-b", "a--b", "0a9", &long] {
            assert!(is_label(label) && is_subdomain(label), "{label}");
        }
        for other in ["", "-a", "a-", "-", "A", "a_b", "a b", "ä", "a.b", &format!("{long}a")] {
            assert!(!is_label(other), "{other}");
        }
        assert!(is_label_within("abcd", 4) && !is_label_within("abcde", 4));
        assert!(is_letter_label("a0") && !is_letter_label("0a"));
        assert!(is_subdomain("a.b-c.0") && is_subdomain(&format!("{long}.{long}.{long}.{}", "a".repeat(61))));
        for other in ["", ".", "a.", ".a", "a..b", "a.-b", &format!("{long}.{long}.{long}.{}", "a".repeat(62))] {
            assert!(!is_subdomain(other), "{other}");
        }
    }
}
