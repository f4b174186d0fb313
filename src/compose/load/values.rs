//! Durations and sizes as the reference reads and prints them.

/// A finite number; `_` may stand between digits.
pub(super) fn number(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    let digit = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_digit);
    let separates = |(at, b): (usize, &u8)| *b != b'_' || (digit(at.checked_sub(1)) && digit(at.checked_add(1)));
    if !bytes.iter().enumerate().all(separates) {
        return None;
    }
    text.replace('_', "").parse().ok().filter(|number: &f64| number.is_finite())
}

/// Nanoseconds of `[+-]` and parts such as `1w2d3h4m5.5s6ms7us8ns`.
pub(super) fn duration(text: &str) -> Option<i64> {
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
pub(super) fn print_duration(nanos: i64) -> String {
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
pub(super) fn bytes(text: &str) -> Option<i64> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        fn never_panics(text in "\\PC{0,20}") {
            let _ = (duration(&text), bytes(&text));
        }
    }
}
