//! Paths of the API: what they name.

use super::kinds::{Resource, find};
use super::status::Status;

/// The resource, object and subresource a path names.
#[derive(Debug)]
pub struct Route<'r> {
    /// The kind.
    pub resource: &'static Resource,
    /// The Namespace; empty when the path names none.
    pub namespace: &'r str,
    /// The object; empty for the collection.
    pub name: &'r str,
    /// The subresource; empty for the object itself.
    pub subresource: &'r str,
}

impl<'r> Route<'r> {
    /// What the decoded segments of a path name; none where the API server has nothing.
    #[must_use]
    pub fn parse(segments: &[&'r str]) -> Option<Self> {
        let (group, version, rest) = match segments {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, plural, more @ ..] if !matches!(*plural, "status" | "finalize") => {
                (*namespace, [&[*plural], more].concat())
            }
            other => ("", other.to_vec()),
        };
        let (plural, name, subresource) = match rest.as_slice() {
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return None,
        };
        let resource = find(group, version, plural)?;
        let placed = resource.namespaced || namespace.is_empty();
        let addressed = name.is_empty() || !resource.namespaced || !namespace.is_empty();
        (placed && addressed).then_some(Self { resource, namespace, name, subresource })
    }
}

/// The decoded segments of a path.
///
/// # Errors
/// 400 for what is not percent-encoded UTF-8.
pub fn segments(path: &str) -> Result<Vec<String>, Status> {
    path.split('/').filter(|s| !s.is_empty()).map(percent_decode).collect()
}

fn percent_decode(segment: &str) -> Result<String, Status> {
    let bad = || Status::bad_request(format!("malformed path segment {segment:?}"));
    let mut out = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next().ok_or_else(bad)?, bytes.next().ok_or_else(bad)?];
            let text = std::str::from_utf8(&digits).map_err(|_| bad())?;
            out.push(u8::from_str_radix(text, 16).map_err(|_| bad())?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).map_err(|_| bad())
}
