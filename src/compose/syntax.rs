//! The small languages inside compose values: durations, sizes, ports, mounts, quantities. Pure text to value.

use crate::compose::model::Protocol;

/// Ports that one entry may expand to.
const MAX_RANGE: u16 = 1000;

/// Whole seconds of a duration such as `1m30s` or `500ms`, rounded up.
pub fn duration_seconds(text: &str) -> Option<i64> {
    const UNITS: [(&str, f64); 8] = [
        ("ns", 1e-9),
        ("us", 1e-6),
        ("µs", 1e-6),
        ("ms", 1e-3),
        ("s", 1.0),
        ("m", 60.0),
        ("h", 3600.0),
        ("d", 86400.0),
    ];
    let text = text.trim();
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut seconds = 0.0f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let (_, factor) = UNITS.iter().find(|(unit, _)| *unit == &rest[..end])?;
        seconds += number * factor;
        rest = &rest[end..];
    }
    if text.is_empty() || seconds > f64::from(i32::MAX) { None } else { Some((seconds - 1e-9).ceil() as i64) }
}

/// Splits a command as `docker compose` does: quotes and backslashes as in a shell, no variables, no comments. The command
/// ends at an operator of the shell (`;`, `&`, `|`, `<`, `>`) outside of quotes. None when quotes or brackets do not match.
pub fn words(text: &str) -> Option<Vec<String>> {
    let mut split = Split::default();
    for c in text.chars() {
        if !split.step(c)? {
            break;
        }
    }
    split.finish()
}

/// Whether a command goes on after an operator of the shell, so that its rest is not run.
pub fn is_cut(text: &str) -> bool {
    let mut split = Split::default();
    text.chars().any(|c| split.step(c) == Some(false))
}

#[derive(Default)]
struct Split {
    words: Vec<String>,
    word: String,
    /// Whether there is a word, be it empty.
    started: bool,
    escaped: bool,
    double: bool,
    single: bool,
    back: bool,
    bracket: bool,
}

impl Split {
    /// Takes a character; false at the end of the command, none where it cannot be read.
    fn step(&mut self, c: char) -> Option<bool> {
        let quoted = self.double || self.single || self.back || self.bracket;
        if self.escaped {
            self.escaped = false;
            self.add(c);
            return Some(true);
        }
        match c {
            '\\' if self.single => {
                // Nothing is escaped in single quotes, nor is the word begun by this.
                self.word.push(c);
                return Some(true);
            }
            '\\' => {
                self.escaped = true;
                return Some(true);
            }
            ' ' | '\t' | '\r' | '\n' => {
                if quoted {
                    self.word.push(c);
                } else if self.started {
                    self.words.push(std::mem::take(&mut self.word));
                    self.started = false;
                }
                return Some(true);
            }
            '`' if !self.single && !self.double && !self.bracket => self.back = !self.back,
            ')' if !self.single && !self.double && !self.back => self.bracket = !self.bracket,
            '(' if !self.single && !self.double && !self.back => {
                if self.bracket || !self.word.ends_with('$') {
                    return None;
                }
                self.bracket = true;
                self.word.push('(');
                return Some(true);
            }
            '"' if !self.single && !self.bracket => {
                self.started |= self.double;
                self.double = !self.double;
                return Some(true);
            }
            '\'' if !self.double && !self.bracket => {
                self.started |= self.single;
                self.single = !self.single;
                return Some(true);
            }
            ';' | '&' | '|' | '<' | '>' if !quoted => {
                // `2>file`: the number belongs to the operator.
                if c == '>' && self.word.starts_with(|first: char| first.is_ascii_digit()) {
                    self.started = false;
                }
                return Some(false);
            }
            _ => {}
        }
        self.add(c);
        Some(true)
    }

    fn add(&mut self, c: char) {
        self.word.push(c);
        self.started = true;
    }

    fn finish(mut self) -> Option<Vec<String>> {
        if self.started {
            self.words.push(self.word);
        }
        let open = self.escaped || self.double || self.single || self.back || self.bracket;
        if open { None } else { Some(self.words) }
    }
}

/// Bytes of a size such as `512m`, `1gb` or `1048576`; units are powers of 1024.
pub fn size_bytes(text: &str) -> Option<u64> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    let shift = match lower[digits..].trim_start() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return None,
    };
    let number = &lower[..digits];
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(1 << shift);
    }
    let number: f64 = number.parse().ok()?;
    let bytes = number * (1u64 << shift) as f64;
    if bytes < 9e18 { Some(bytes as u64) } else { None }
}

/// The canonical Kubernetes quantity of a number of bytes: the largest binary unit that needs no fraction.
pub fn quantity_of_bytes(bytes: u64) -> String {
    const UNITS: [(u32, &str); 6] = [(60, "Ei"), (50, "Pi"), (40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")];
    match UNITS.iter().find(|(shift, _)| bytes != 0 && bytes.trailing_zeros() >= *shift) {
        Some((shift, unit)) => format!("{}{unit}", bytes >> shift),
        None => bytes.to_string(),
    }
}

/// The canonical Kubernetes quantity of a number of processors such as `0.5`.
pub fn quantity_of_cpus(text: &str) -> Option<String> {
    let cpus: f64 = text.trim().parse().ok()?;
    if !(0.0..1_000_000.0).contains(&cpus) {
        return None;
    }
    let milli = (cpus * 1000.0 - 1e-6).ceil() as u64;
    Some(if milli.is_multiple_of(1000) { (milli / 1000).to_string() } else { format!("{milli}m") })
}

/// Whether Kubernetes reads `text` as a quantity that is not negative.
pub fn is_quantity(text: &str) -> bool {
    const SUFFIXES: [&str; 16] = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let exponent = suffix.strip_prefix(['e', 'E']).is_some_and(|rest| !rest.is_empty() && rest.parse::<i8>().is_ok());
    number.parse::<f64>().is_ok() && (exponent || SUFFIXES.contains(&suffix))
}

/// One port of the short syntax, ranges expanded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PortSyntax {
    /// Host address.
    pub host_ip: Option<String>,
    /// Host port.
    pub published: Option<u16>,
    /// Container port.
    pub target: u16,
    /// Transport protocol.
    pub protocol: Protocol,
}

/// Reads `[address:][host[-host]:]container[-container][/protocol]`.
///
/// # Errors
/// A clause that says what is wrong.
pub fn ports(text: &str) -> Result<Vec<PortSyntax>, String> {
    let (body, proto) = match text.split_once('/') {
        Some((body, proto)) => (body, Some(proto)),
        None => (text, None),
    };
    let protocol = protocol(proto.unwrap_or("tcp"))?;
    let (rest, target) = match body.rsplit_once(':') {
        Some((rest, target)) => (Some(rest), target),
        None => (None, body),
    };
    let (host_ip, published) = match rest {
        None => (None, None),
        Some(rest) => match rest.rsplit_once(':') {
            Some((ip, published)) => (Some(ip.trim_matches(['[', ']']).to_owned()), Some(published)),
            None => (None, Some(rest)),
        },
    };
    let published = published.filter(|published| !published.is_empty());
    expand(host_ip, published, target, protocol)
}

/// Expands host and container port ranges of equal length.
///
/// # Errors
/// A clause that says what is wrong.
pub fn expand(
    host_ip: Option<String>,
    published: Option<&str>,
    target: &str,
    protocol: Protocol,
) -> Result<Vec<PortSyntax>, String> {
    let (first, last) = range(target)?;
    let one = |published, target| PortSyntax { host_ip: host_ip.clone(), published, target, protocol };
    match published {
        None => Ok((first..=last).map(|target| one(None, target)).collect()),
        Some(published) => {
            let (from, to) = range(published)?;
            if to - from != last - first {
                return Err(format!("the ranges {published} and {target} differ in length"));
            }
            Ok((from..=to).zip(first..=last).map(|(published, target)| one(Some(published), target)).collect())
        }
    }
}

/// Reads a protocol name.
///
/// # Errors
/// A clause that names the known ones.
pub fn protocol(text: &str) -> Result<Protocol, String> {
    match text.to_ascii_lowercase().as_str() {
        "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Ok(Protocol::Sctp),
        other => Err(format!("the protocol {other} is none of tcp, udp, sctp")),
    }
}

fn range(text: &str) -> Result<(u16, u16), String> {
    let port = |text: &str| match text.trim().parse::<u16>() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("\"{text}\" is no port between 1 and 65535")),
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    if last < first {
        return Err(format!("the range {text} ends before it starts"));
    }
    if last - first >= MAX_RANGE {
        return Err(format!("the range {text} has more than {MAX_RANGE} ports"));
    }
    Ok((first, last))
}

/// What a mount source is by its first characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceSyntax {
    /// `./path`, normalised; empty for `.`.
    Relative(String),
    /// `name` or `name/path`, the path normalised.
    Named(String, String),
}

/// Reads a mount source.
///
/// # Errors
/// A clause that says why it cannot work.
pub fn mount_source(text: &str) -> Result<SourceSyntax, String> {
    let windows = text.as_bytes().get(1) == Some(&b':') || text.contains('\\');
    if text.starts_with('/') || text.starts_with('~') || windows {
        return Err(format!("\"{text}\" is a path of one machine; there is none in a cluster"));
    }
    if text.starts_with('.') {
        return Ok(SourceSyntax::Relative(sub_path(text)?));
    }
    let (name, rest) = text.split_once('/').unwrap_or((text, ""));
    Ok(SourceSyntax::Named(name.to_owned(), sub_path(rest)?))
}

/// A path inside a volume without `.` segments and doubled slashes.
///
/// # Errors
/// A clause when it climbs with `..` or holds a control character.
pub fn sub_path(text: &str) -> Result<String, String> {
    let mut segments = Vec::new();
    for segment in text.split('/') {
        match segment {
            "" | "." => {}
            ".." => return Err(format!("\"{text}\" leaves the volume with \"..\"")),
            other if other.chars().any(char::is_control) => {
                return Err("a path may not hold control characters".to_owned());
            }
            other => segments.push(other),
        }
    }
    Ok(segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_and_sizes() {
        for (text, seconds) in
            [("30s", 30), ("1m30s", 90), ("500ms", 1), ("1.5h", 5400), ("0", 0), ("0s", 0), ("1h0m1s", 3601)]
        {
            assert_eq!(duration_seconds(text), Some(seconds), "{text}");
        }
        for text in ["", "10", "s", "1x", "-1s", "1m30"] {
            assert_eq!(duration_seconds(text), None, "{text}");
        }
        for (text, bytes) in [("64m", 64 << 20), ("1gb", 1 << 30), ("1024", 1024), ("0.5k", 512), ("2 GiB", 2 << 30)] {
            assert_eq!(size_bytes(text), Some(bytes), "{text}");
        }
        assert_eq!(size_bytes("many"), None);
        assert_eq!(quantity_of_bytes(10 << 30), "10Gi");
        assert_eq!(quantity_of_bytes(1536 << 20), "1536Mi");
        assert_eq!(quantity_of_bytes(1_000_000), "1000000");
        assert_eq!(quantity_of_cpus("0.5").as_deref(), Some("500m"));
        assert_eq!(quantity_of_cpus("2").as_deref(), Some("2"));
        assert_eq!(quantity_of_cpus("-1"), None);
        assert!(["1", "500m", "1.5Gi", "1e3", "128974848"].iter().all(|text| is_quantity(text)));
        assert!(["", "x", "1 Gi", "-1", "1gi"].iter().all(|text| !is_quantity(text)));
    }

    #[test]
    fn command_words() {
        let split = |text| words(text).map(|words| words.join("|"));
        assert_eq!(split("a 'b c' \"d \\\"e\\n\" f\\ g ''").as_deref(), Some("a|b c|d \"en|f g|"));
        assert_eq!(split("run #not-a-comment && more\n").as_deref(), Some("run|#not-a-comment"));
        assert!(is_cut("a && b") && !is_cut("sh -c 'a && b'"));
        assert_eq!(split("a 2>b").as_deref(), Some("a"));
        assert_eq!(split("a $(b c)").as_deref(), Some("a|$(b c)"));
        assert_eq!(split("--a='x y'\"z\"").as_deref(), Some("--a=x yz"));
        assert_eq!(split("  ").as_deref(), Some(""));
        assert!(words("a 'b").is_none() && words("a \"b").is_none() && words("a\\").is_none());
        assert!(words("a (b)").is_none() && words("`a").is_none());
    }

    #[test]
    fn port_forms() {
        let one = |ip: Option<&str>, published, target, protocol| PortSyntax {
            host_ip: ip.map(str::to_owned),
            published,
            target,
            protocol,
        };
        assert_eq!(ports("3000:80").unwrap(), [one(None, Some(3000), 80, Protocol::Tcp)]);
        assert_eq!(ports("80").unwrap(), [one(None, None, 80, Protocol::Tcp)]);
        assert_eq!(ports("127.0.0.1:53:53/udp").unwrap(), [one(Some("127.0.0.1"), Some(53), 53, Protocol::Udp)]);
        assert_eq!(ports("[::1]:8080:80").unwrap(), [one(Some("::1"), Some(8080), 80, Protocol::Tcp)]);
        assert_eq!(ports("127.0.0.1::80").unwrap(), [one(Some("127.0.0.1"), None, 80, Protocol::Tcp)]);
        assert_eq!(ports("9090-9091:8080-8081").unwrap()[1], one(None, Some(9091), 8081, Protocol::Tcp));
        for text in ["", "0:80", "a:80", "1-3:1-2", "80/icmp", "1-9000:1-9000", "3-1"] {
            assert!(ports(text).is_err(), "{text}");
        }
    }

    #[test]
    fn mount_sources() {
        assert_eq!(mount_source("./data//gitea/").unwrap(), SourceSyntax::Relative("data/gitea".into()));
        assert_eq!(mount_source(".").unwrap(), SourceSyntax::Relative(String::new()));
        assert_eq!(mount_source("db/data").unwrap(), SourceSyntax::Named("db".into(), "data".into()));
        for text in ["/abs", "~/x", "../x", "./a/../b", "db/../x", "C:\\x"] {
            assert!(mount_source(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn plain_words_come_back(list in proptest::collection::vec("[a-z #&|]{0,6}", 0..6)) {
            let quoted: Vec<String> = list.iter().map(|word| format!("'{word}'")).collect();
            prop_assert_eq!(words(&quoted.join(" ")), Some(list));
        }

        #[test]
        fn never_panics(text in "[\\PC0-9:./-]{0,40}") {
            let _ = (duration_seconds(&text), size_bytes(&text), ports(&text).is_ok(), mount_source(&text).is_ok());
            let _ = (quantity_of_cpus(&text), is_quantity(&text));
        }
    }
}
