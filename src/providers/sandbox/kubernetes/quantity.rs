//! Quantities (`resource.Quantity`): reading and the canonical form the API server writes.

/// A quantity in thousandths, with the family of suffixes it was written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    /// The amount in thousandths.
    pub milli: i128,
    binary: bool,
    exponent: bool,
}

const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: [(&str, i128); 8] = [
    ("m", 1),
    ("", 1_000),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
];

impl Quantity {
    /// Reads a quantity; `None` when it is none. Amounts finer than a thousandth are rounded up.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '+' || c == '-')).unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (negative, digits) = match number.as_bytes().first()? {
            b'-' => (true, &number[1..]),
            b'+' => (false, &number[1..]),
            _ => (false, number),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || whole.len() + fraction.len() == 0 {
            return None;
        }
        if whole.len() > 20 || fraction.len() > 9 {
            return None;
        }
        let mut exponent = false;
        let mut binary = false;
        let scale = if let Some(power) = BINARY.iter().skip(1).position(|s| *s == suffix) {
            binary = true;
            1_000 << (10 * (power + 1))
        } else if let Some((_, scale)) = DECIMAL.iter().find(|(s, _)| *s == suffix) {
            *scale
        } else {
            let power: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok().filter(|p| *p <= 18)?;
            exponent = true;
            1_000 * 10_i128.pow(power)
        };
        let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
        let divisor = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
        let product = mantissa.checked_mul(scale)?;
        let milli = product / divisor + i128::from(product % divisor != 0);
        Some(Self { milli: if negative { -milli } else { milli }, binary, exponent })
    }

    /// The canonical text: no fraction, the largest suffix of its family that loses nothing.
    #[must_use]
    pub fn canonical(&self) -> String {
        if self.milli == 0 {
            return "0".to_owned();
        }
        if self.binary && self.milli % 1_000 == 0 {
            let mut amount = self.milli / 1_000;
            let mut power = 0;
            while amount % 1_024 == 0 && power + 1 < BINARY.len() {
                amount /= 1_024;
                power += 1;
            }
            // Amounts below one of the smallest binary unit are written in decimal.
            if amount.abs() >= 1_024 || power > 0 {
                return format!("{amount}{}", BINARY[power]);
            }
        }
        if self.exponent && self.milli % 1_000 == 0 {
            let mut amount = self.milli / 1_000;
            let mut power = 0;
            while amount % 1_000 == 0 {
                amount /= 1_000;
                power += 3;
            }
            return if power == 0 { amount.to_string() } else { format!("{amount}e{power}") };
        }
        let (suffix, scale) =
            DECIMAL.iter().rev().find(|(_, scale)| self.milli % scale == 0).copied().unwrap_or(DECIMAL[0]);
        format!("{}{suffix}", self.milli / scale)
    }
}

/// The canonical form of `text`; `None` when it is no quantity.
#[must_use]
pub fn canonical(text: &str) -> Option<String> {
    Quantity::parse(text).map(|q| q.canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_become_canonical() {
        let cases = [
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("1000m", "1"),
            ("1000", "1k"),
            ("1024", "1024"),
            ("100Mi", "100Mi"),
            ("0", "0"),
            ("1e3", "1e3"),
            ("0.1m", "1m"),
            ("64Gi", "64Gi"),
            ("-250m", "-250m"),
            ("1.5k", "1500"),
        ];
        for (given, expected) in cases {
            assert_eq!(canonical(given).as_deref(), Some(expected), "{given}");
        }
        for bad in ["", "Gi", "1gi", "1.2.3", "a", "1 Gi", "--1"] {
            assert_eq!(canonical(bad), None, "{bad}");
        }
    }
}
