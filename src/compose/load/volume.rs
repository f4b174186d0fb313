//! The short syntaxes of mounts, ports and devices into the long ones.

use crate::compose::syntax::{self, port_range};
use crate::compose::tree::{Tree, TreeEntry};
use crate::diag::Location;

/// `[source:]target[:options]`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) source: String,
    pub(super) target: String,
    read_only: bool,
    propagation: Option<String>,
    selinux: Option<String>,
    no_copy: bool,
    /// Options that mean nothing to the reference.
    ignored: Vec<String>,
    /// Whether the spec was too short for the reference to look into.
    short: bool,
}

/// The key under which options stand that mean nothing: an extension, so that no file can mean it.
pub(in crate::compose) const IGNORED: &str = "x-#options";

/// Reads a mount without knowing the platform.
///
/// # Errors
/// A clause that says what is wrong.
pub(super) fn parse(spec: &str) -> Result<Mount, String> {
    let mut mount = Mount::default();
    if spec.is_empty() {
        return Err("a volume must not be empty".to_owned());
    }
    if spec.len() < 3 {
        mount.target = spec.to_owned();
        mount.short = true;
        return Ok(mount);
    }
    let mut buffer = String::new();
    // A section ends at a colon that follows no drive letter.
    let drive = |buffer: &str| buffer.chars().count() == 1 && buffer.chars().all(char::is_alphabetic);
    for c in spec.chars() {
        if c == ':' && !drive(&buffer) {
            section(&mut mount, &std::mem::take(&mut buffer), false).map_err(|why| format!("\"{spec}\": {why}"))?;
        } else {
            buffer.push(c);
        }
    }
    section(&mut mount, &buffer, true).map_err(|why| format!("\"{spec}\": {why}"))?;
    Ok(mount)
}

fn section(mount: &mut Mount, text: &str, last: bool) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("there is nothing between two colons");
    }
    if mount.source.is_empty() {
        if last {
            mount.target = text.to_owned();
        } else {
            mount.source = text.to_owned();
        }
        return Ok(());
    }
    if mount.target.is_empty() {
        mount.target = text.to_owned();
        return Ok(());
    }
    if !last {
        return Err("there are too many colons");
    }
    for option in text.split(',') {
        match option {
            "ro" => mount.read_only = true,
            "rw" => mount.read_only = false,
            "nocopy" => mount.no_copy = true,
            "rprivate" | "private" | "rshared" | "shared" | "rslave" | "slave" => {
                mount.propagation = Some(option.to_owned());
            }
            "z" | "Z" => mount.selinux = Some(option.to_owned()),
            _ => mount.ignored.push(option.to_owned()),
        }
    }
    Ok(())
}

impl Mount {
    /// Whether the source is a path of the host.
    fn is_path(&self) -> bool {
        let mut chars = self.source.chars();
        match (chars.next(), chars.next()) {
            (Some('.' | '/' | '~'), _) | (Some('\\'), Some('\\')) => true,
            (Some(first), Some(':')) => first.is_alphabetic(),
            _ => false,
        }
    }

    /// The long syntax.
    pub(super) fn tree(self, location: &Location, interpolated: bool) -> Tree {
        let text = |text: &str| Tree::text(text, location.clone(), interpolated);
        let truth = || Tree::literal("true", location.clone());
        let entry = |key: &str, value| TreeEntry { key: key.to_owned(), key_location: location.clone(), value };
        let mapping = |entries| Tree::mapping(location.clone(), entries);
        let is_path = self.is_path();
        let mut entries = vec![entry("type", text(if is_path { "bind" } else { "volume" }))];
        if !self.source.is_empty() {
            entries.push(entry("source", text(&self.source)));
        }
        entries.push(entry("target", text(&super::paths::clean_target(&self.target))));
        if self.read_only {
            entries.push(entry("read_only", truth()));
        }
        let mut bind = Vec::new();
        bind.extend(self.selinux.as_deref().map(|selinux| entry("selinux", text(selinux))));
        bind.extend(self.propagation.as_deref().map(|propagation| entry("propagation", text(propagation))));
        if is_path {
            bind.push(entry("create_host_path", truth()));
        }
        if !bind.is_empty() {
            entries.push(entry("bind", mapping(bind)));
        }
        if self.no_copy {
            entries.push(entry("volume", mapping(vec![entry("nocopy", truth())])));
        } else if !is_path && !self.short {
            entries.push(entry("volume", mapping(Vec::new())));
        }
        if !self.ignored.is_empty() {
            entries.push(entry(IGNORED, text(&self.ignored.join(","))));
        }
        mapping(entries)
    }
}

/// Reads `[address:][host[-host]:]container[-container][/protocol]` into one mapping per port.
///
/// # Errors
/// A clause that says what is wrong.
pub(super) fn ports(text: &str, location: &Location, interpolated: bool) -> Result<Vec<Tree>, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (address, host, container) = match parts.as_slice() {
        [container] => (String::new(), "", *container),
        [host, container] => (String::new(), *host, *container),
        [address @ .., host, container] => (address.join(":"), *host, *container),
        [] => (String::new(), "", ""),
    };
    let mut parts = container.split('/');
    let (container, protocol) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if container.is_empty() {
        return Err(format!("\"{text}\" names no container port"));
    }
    let protocol = if protocol.is_empty() { "tcp".to_owned() } else { protocol.to_lowercase() };
    syntax::protocol(&protocol)?;
    let address = match address.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((inner, "")) => inner.to_owned(),
            _ => return Err(format!("\"{address}\" is no address")),
        },
        None if address.contains(':') => return Err(format!("write the address {address} in brackets: [{address}]")),
        None => address,
    };
    if !address.is_empty() && !super::paths::is_address(&address) {
        return Err(format!("\"{address}\" is no address"));
    }
    let range = |text: &str| port_range(text).map(|(first, last)| (u32::from(first), u32::from(last)));
    let (first, last) = range(container)?;
    if first == 0 {
        return Err(format!("\"{text}\": 0 is no container port"));
    }
    let (from, to) = if host.is_empty() { (0, 0) } else { range(host)? };
    let count = last - first + 1;
    if !host.is_empty() && to - from != last - first && count != 1 {
        return Err(format!("the ranges {host} and {container} differ in length"));
    }
    let mut ports: Vec<(String, u32, String)> = (0..count)
        .map(|at| {
            let published = match (host.is_empty(), count == 1 && from != to) {
                (true, _) => String::new(),
                // One container port takes any of the host's.
                (false, true) => format!("{from}-{to}"),
                (false, false) => (from + at).to_string(),
            };
            (format!("{}/{protocol}", first + at), first + at, published)
        })
        .collect();
    // The reference sorts by text, so that 1000 stands before 999.
    ports.sort();
    let text = |text: &str| Tree::text(text, location.clone(), interpolated);
    let entry = |key: &str, value| TreeEntry { key: key.to_owned(), key_location: location.clone(), value };
    let tree = |(_, target, published): (String, u32, String)| {
        let mut entries = vec![entry("mode", text("ingress"))];
        if !address.is_empty() {
            entries.push(entry("host_ip", text(&address)));
        }
        entries.push(entry("target", Tree::literal(target.to_string(), location.clone())));
        if !published.is_empty() {
            entries.push(entry("published", text(&published)));
        }
        entries.push(entry("protocol", text(&protocol)));
        Tree::mapping(location.clone(), entries)
    };
    Ok(ports.into_iter().map(tree).collect())
}

/// Reads `source[:target[:permissions]]` of a device.
pub(super) fn device(text: &str, location: &Location, interpolated: bool) -> Option<Tree> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, permissions) = match parts.as_slice() {
        [source] => (*source, "", "rwm"),
        [source, target] => (*source, *target, "rwm"),
        [source, target, permissions] => (*source, *target, *permissions),
        _ => return None,
    };
    let target = if target.is_empty() { source } else { target };
    let entry = |key: &str, text: &str| TreeEntry {
        key: key.to_owned(),
        key_location: location.clone(),
        value: Tree::text(text, location.clone(), interpolated),
    };
    let entries = vec![entry("source", source), entry("target", target), entry("permissions", permissions)];
    Some(Tree::mapping(location.clone(), entries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::load::scalar::printed;

    fn at() -> Location {
        Location::new("f", 1, 1)
    }

    #[test]
    fn mounts() {
        let long = |spec: &str| printed(&parse(spec).unwrap().tree(&at(), false));
        assert_eq!(long("/data"), "map[target:/data type:volume volume:map[]]");
        assert_eq!(
            long("./a:/b/:ro,Z"),
            "map[bind:map[create_host_path:true selinux:Z] read_only:true source:./a target:/b type:bind]"
        );
        assert_eq!(long("db:/b:nocopy"), "map[source:db target:/b type:volume volume:map[nocopy:true]]");
        assert_eq!(long("C:\\x:/b"), "map[bind:map[create_host_path:true] source:C:\\x target:/b type:bind]");
        assert!(parse("").is_err() && parse("aa::bb").is_err() && parse("aa:bb:cc:dd").is_err());
    }

    #[test]
    fn port_forms() {
        let long = |text: &str| ports(text, &at(), false).unwrap().iter().map(printed).collect::<Vec<_>>().join(" ");
        assert_eq!(long("80"), "map[mode:ingress protocol:tcp target:80]");
        assert_eq!(long("[::1]:8080:80/UDP"), "map[host_ip:::1 mode:ingress protocol:udp published:8080 target:80]");
        assert_eq!(long("8000-8010:80"), "map[mode:ingress protocol:tcp published:8000-8010 target:80]");
        assert_eq!(ports("9-10:9-10", &at(), false).unwrap().len(), 2);
        for text in ["", "a:80", "1-3:1-2", "80/icmp", "3-1", "x:1:2", "70000"] {
            assert!(ports(text, &at(), false).is_err(), "{text}");
        }
    }
}
