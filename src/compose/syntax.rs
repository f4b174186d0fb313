//! The small languages inside compose values: durations, sizes, ports, mounts, quantities. Pure text to value.

/// A finite number; `_` may stand between digits.
pub fn number(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let separates = |(at, b): (usize, &u8)| *b != b'_' || (digit(at.checked_sub(1)) && digit(at.checked_add(1)));
    if !bytes.iter().enumerate().all(separates) {
        return None;
    }
    text.replace('_', "").parse().ok().filter(|number: &f64| number.is_finite())
}

/// Nanoseconds of `[+-]` and parts such as `1w2d3h4m5.5s6ms7us8ns`.
pub fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let whole = digits(rest);
        let number: i64 = if whole == 0 { 0 } else { rest[..whole].parse().ok()? };
        rest = &rest[whole..];
        let mut fraction = "";
        if let Some(after) = rest.strip_prefix('.') {
            let length = digits(after);
            fraction = &after[..length];
            rest = &after[length..];
        }
        if whole == 0 && fraction.is_empty() {
            return None;
        }
        let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        let unit: i64 = match &rest[..end] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 86_400_000_000_000,
            "w" => 604_800_000_000_000,
            _ => return None,
        };
        rest = &rest[end..];
        let mut part = number.checked_mul(unit)?;
        if !fraction.is_empty() {
            // Digits beyond what fits add nothing.
            let kept = &fraction[..fraction.len().min(18)];
            let scale = 10f64.powi(i32::try_from(kept.len()).unwrap_or(18));
            let value: i64 = kept.parse().ok()?;
            part = part.checked_add((value as f64 * (unit as f64 / scale)) as i64)?;
        }
        total = total.checked_add(part)?;
    }
    Some(if negative { -total } else { total })
}

/// A duration as Go prints it: `1m30s`, `500ms`, `0s`.
pub fn print_duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let all = nanos.unsigned_abs();
    let fraction = |value: u64, digits: usize| {
        if value == 0 { String::new() } else { format!(".{value:0digits$}").trim_end_matches('0').to_owned() }
    };
    match all {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{all}ns"),
        1_000..1_000_000 => format!("{sign}{}{}µs", all / 1_000, fraction(all % 1_000, 3)),
        1_000_000..1_000_000_000 => format!("{sign}{}{}ms", all / 1_000_000, fraction(all % 1_000_000, 6)),
        _ => {
            let seconds = all / 1_000_000_000;
            let rest = fraction(all % 1_000_000_000, 9);
            let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{seconds}{rest}s"),
                (0, _) => format!("{sign}{minutes}m{seconds}{rest}s"),
                _ => format!("{sign}{hours}h{minutes}m{seconds}{rest}s"),
            }
        }
    }
}

/// Bytes of a size such as `512m`, `1gb`, `2 GiB`, `-1` or `1048576`; units are powers of 1024.
pub fn bytes(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(number);
    }
    let last = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')?;
    let (number, suffix) = (&text[..=last], &text[last + 1..]);
    let number = number.strip_suffix(' ').unwrap_or(number);
    if number.starts_with("in") || number.starts_with("na") {
        return None;
    }
    let size: f64 = number.parse().ok().filter(|size: &f64| size.is_finite() && *size >= 0.0)?;
    let suffix = suffix.to_lowercase();
    let power = match suffix.as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        "p" | "pb" | "pib" => 5,
        _ => return None,
    };
    Some((size * 1024f64.powi(power)) as i64)
}

/// Whole seconds of a duration in nanoseconds, rounded up; Kubernetes counts no shorter ones.
pub fn whole_seconds(nanos: i64) -> i64 {
    let second = 1_000_000_000;
    nanos.div_euclid(second) + i64::from(nanos.rem_euclid(second) > 0)
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

/// Transport protocols of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// The default.
    Tcp,
    /// Datagrams.
    Udp,
    /// Stream control.
    Sctp,
}

impl Protocol {
    /// The name that Kubernetes uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
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

/// Reads `first[-last]`; 0 is for the caller to judge.
///
/// # Errors
/// A clause that says what is wrong.
pub fn port_range(text: &str) -> Result<(u16, u16), String> {
    let port = |part: &str| {
        let digits = part.bytes().all(|b| b.is_ascii_digit());
        let number = if digits { part.parse::<u16>().ok() } else { None };
        number.ok_or_else(|| format!("\"{part}\" is no port between 0 and 65535"))
    };
    let mut parts = text.split('-');
    let first = port(parts.next().unwrap_or_default())?;
    let last = match parts.next() {
        Some(last) => port(last)?,
        None => first,
    };
    if last < first { Err(format!("the range {text} ends before it starts")) } else { Ok((first, last)) }
}

/// Whether Kubernetes mounts something there.
pub fn is_target(target: &str) -> bool {
    target.len() > 1 && target.starts_with('/') && !target.contains(':') && !target.chars().any(char::is_control)
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
    fn quantities() {
        assert_eq!(quantity_of_bytes(10 << 30), "10Gi");
        assert_eq!(quantity_of_bytes(1536 << 20), "1536Mi");
        assert_eq!(quantity_of_bytes(1_000_000), "1000000");
        assert_eq!(quantity_of_cpus("0.5").as_deref(), Some("500m"));
        assert_eq!(quantity_of_cpus("2").as_deref(), Some("2"));
        assert_eq!(quantity_of_cpus("-1"), None);
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
    fn durations() {
        for (text, printed) in [
            ("90s", "1m30s"),
            ("1d", "24h0m0s"),
            ("1.5h", "1h30m0s"),
            ("10ms", "10ms"),
            ("1500us", "1.5ms"),
            ("1.5s", "1.5s"),
            ("0", "0s"),
            ("-2m", "-2m0s"),
            ("1w", "168h0m0s"),
            ("7ns", "7ns"),
        ] {
            assert_eq!(duration(text).map(print_duration).as_deref(), Some(printed), "{text}");
        }
        for text in ["", "10", "s", "1x", "1m30", "."] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, size) in [
            ("64m", 64 << 20),
            ("1gb", 1 << 30),
            ("1024", 1024),
            ("0.5k", 512),
            ("2 GiB", 2 << 30),
            ("-1", -1),
            ("1b", 1),
        ] {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for text in ["many", "1x", "-1m", "1kx", ""] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }

    #[test]
    fn seconds_are_rounded_up() {
        for (nanos, seconds) in [(0, 0), (1, 1), (500_000_000, 1), (1_000_000_000, 1), (1_000_000_001, 2), (-1, 0)] {
            assert_eq!(whole_seconds(nanos), seconds, "{nanos}");
        }
    }

    #[test]
    fn port_ranges() {
        assert_eq!((port_range("80"), port_range("8000-8010")), (Ok((80, 80)), Ok((8000, 8010))));
        for text in ["", "a", "3-1", "70000", "-", "+1"] {
            assert!(port_range(text).is_err(), "{text}");
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
        fn what_is_printed_reads_back(nanos in any::<i64>()) {
            prop_assume!(nanos != i64::MIN);
            let printed = print_duration(nanos);
            // Fractions go through a float, as in the reference.
            let read = duration(&printed).unwrap();
            prop_assert!((read - nanos).abs() <= 1, "{printed}");
        }

        #[test]
        fn plain_words_come_back(list in proptest::collection::vec("[a-z #&|]{0,6}", 0..6)) {
            let quoted: Vec<String> = list.iter().map(|word| format!("'{word}'")).collect();
            prop_assert_eq!(words(&quoted.join(" ")), Some(list));
        }

        #[test]
        fn never_panics(text in "[\\PC0-9:./-]{0,40}") {
            let _ = (duration(&text).map(whole_seconds), bytes(&text), port_range(&text), mount_source(&text).is_ok());
            let _ = quantity_of_cpus(&text);
        }
    }
}
