//! Names of images, as every runtime reads them: the grammar of `github.com/distribution/reference` (`regexp.go`), with what its
//! `ParseNormalizedNamed` and the digests of `github.com/opencontainers/go-digest` ask besides. The kubelet reads names by it, too,
//! and calls another one `InvalidImageName` when the Pod that ran before has ended.

use super::context::Context;
use super::yaml::MASK;
use crate::compose::model::Located;
use crate::diag::Diagnostic;
use crate::text::secret::covered;

/// The longest path of a repository (`RepositoryNameTotalLengthMax`).
const MAX_PATH: usize = 255;
/// The longest tag.
const MAX_TAG: usize = 128;

/// Says of each image that is run whether it has a name that a runtime takes.
pub(super) fn check(cx: &mut Context<'_>) {
    let input = cx.input;
    let services = cx.services.clone();
    let of_services = services.iter().filter_map(|service| {
        let image = service.image.as_ref()?;
        Some((service.name.as_str(), image))
    });
    let of_boxes = input.boxes.iter().filter_map(|declared| {
        let image = declared.image.as_ref()?;
        Some((declared.name.as_str(), image))
    });
    for (name, Located { value: image, location }) in of_services.chain(of_boxes) {
        let Err(why) = reference(image) else { continue };
        let image = covered(image, &|_| MASK.to_owned()).unwrap_or_else(|| image.clone());
        let finding =
            Diagnostic::error("compose-image", format!("{name}: no runtime takes the image \"{image}\": {why}"))
                .help("write it as registry.example.com/name:tag, or name:tag");
        cx.push(finding, location);
    }
}

/// Checks a reference: `[domain/]path[:tag][@digest]`.
///
/// # Errors
/// Why it is none.
fn reference(text: &str) -> Result<(), &'static str> {
    let (named, digest) = text.split_once('@').map_or((text, None), |(named, digest)| (named, Some(digest)));
    let tagged = named.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
    let (name, tag) = tagged.map_or((named, None), |(name, tag)| (name, Some(tag)));
    if text.contains("://") {
        return Err("it is a URL, and a name has no scheme");
    }
    let first = name.split('/').next().unwrap_or_default();
    let path = name.split_once('/').map(|(_, rest)| rest).filter(|_| is_domain(first)).unwrap_or(name);
    if !path.split('/').all(is_component) {
        return Err(match path {
            "" => "it has no name",
            path if path.bytes().any(|byte| byte.is_ascii_uppercase()) => "its name must be in lower case",
            path if path.contains(':') => "it has more than one tag",
            _ => "its name may have a-z, 0-9 and /, and between them . _ __ or dashes",
        });
    }
    if path.len() > MAX_PATH {
        return Err("its name is too long");
    }
    if name.len() == 64 && is_hex(name) && tag.is_none() && digest.is_none() {
        return Err("it is the id of an image, and a runtime pulls by name");
    }
    match tag {
        Some("") => return Err("the tag after the colon is empty"),
        Some(tag) if !is_tag(tag) => {
            return Err("its tag may have letters, digits, _, and after the first . and -, 128 at most");
        }
        _ => {}
    }
    match digest {
        Some(digest) if !is_digest(digest) => Err("its digest must be sha256: and 64 hexadecimal digits in lower case"),
        _ => Ok(()),
    }
}

/// `domainAndPort`: names with dots, or an IPv6 address in brackets, and a port.
fn is_domain(text: &str) -> bool {
    let port = text.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
    let (host, port) = port.map_or((text, None), |(host, port)| (host, Some(port)));
    let is_part = |part: &str| {
        let ends = part.bytes().next().zip(part.bytes().next_back());
        ends.is_some_and(|(first, last)| first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match address {
        Some(inner) => !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':'),
        None => host.split('.').all(is_part),
    };
    is_host && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `pathComponent`: `[a-z0-9]+`, joined by one of `.`, `_`, `__`, or dashes.
fn is_component(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separators =
        text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit()).filter(|between| !between.is_empty());
    let is_separator = |between: &str| matches!(between, "." | "_" | "__") || between.bytes().all(|byte| byte == b'-');
    let ends = text.bytes().next().zip(text.bytes().next_back());
    ends.is_some_and(|(first, last)| is_plain(first) && is_plain(last)) && separators.into_iter().all(is_separator)
}

/// `tag`: `[\w][\w.-]{0,127}`.
fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= MAX_TAG
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

/// The algorithms of go-digest, each with as many digits as it gives.
fn is_digest(text: &str) -> bool {
    const ALGORITHMS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];
    let Some((algorithm, hex)) = text.split_once(':') else { return false };
    ALGORITHMS.contains(&(algorithm, hex.len())) && is_hex(hex)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_runtimes_do() {
        let hex = "0123456789abcdef".repeat(4);
        for good in [
            "nginx",
            "postgres:17",
            "nginx:${TAG}".replace("${TAG}", "1.27-alpine_x").as_str(),
            "docker.gitea.com/gitea:1.24.6",
            "localhost:5000/a/b-c--d__e.f:v1",
            "Registry.Example.com:443/a",
            "[2001:db8::1]:5000/a:b",
            "localhost:5000",
            "a/b/c",
            &format!("nginx@sha256:{hex}"),
            &format!("ghcr.io/a/b:1@sha256:{hex}"),
            &format!("a@sha512:{hex}{hex}"),
            &format!("{hex}:1"),
            &format!("a:{}", "t".repeat(128)),
        ] {
            assert_eq!(reference(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "postgres 17",
            "Postgres:17",
            "postgres:",
            "https://docker.io/nginx",
            "nginx:1:2",
            "nginx@sha256:abc",
            "nginx@",
            "nginx:.a",
            "/nginx",
            "nginx/",
            "a//b",
            "a..b",
            "a___b",
            "-a",
            "a_",
            "a._b",
            "example.com:/a",
            "[g]/a",
            "é",
            "example.com/A",
            &hex,
            &format!("nginx@sha256:{}", hex.to_uppercase()),
            &format!("nginx@md5:{}", &hex[..32]),
            &format!("a:{}", "t".repeat(129)),
            &"a".repeat(256),
        ] {
            assert!(reference(bad).is_err(), "{bad}");
        }
    }
}
