//! Which machine a host means.

use std::net::IpAddr;

/// Whether a host, as a URL or a compose file writes it (`[::1]` in brackets or without), is this machine as it calls
/// itself: `localhost`, `127.0.0.0/8`, `::1`, and the second in the spelling of the third. What is sent there does not
/// leave the machine; no other name is trusted to stay.
pub fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    let address = bare.parse::<IpAddr>();
    bare.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine() {
        for here in ["localhost", "LocalHost", "127.0.0.1", "127.9.8.7", "::1", "[::1]", "[::ffff:127.0.0.1]"] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in [
            "",
            "localhost.",
            "localhost.example.com",
            "0.0.0.0",
            "::",
            "10.0.0.1",
            "[::ffff:10.0.0.1]",
            "127.0.0.1.nip.io",
        ] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }
}
