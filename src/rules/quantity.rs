//! Kubernetes quantities (`500m`, `10Gi`, `2000e-3`): the only reader of them, so that what is valid in a manifest is
//! valid in a compose file, compares equal, and is what the API server and the sandbox make of it.
//!
//! The grammar is that of apimachinery (`pkg/api/resource/quantity.go`, `ParseQuantity` and the comment on `Quantity`):
//! a signed number with or without a fraction, and a suffix that is decimal (`n` to `E`), binary (`Ki` to `Ei`) or an
//! exponent with or without a sign. Amounts finer than a billionth are rounded away from zero. A text without any digit
//! (`Gi`, `.`), which that function reads as nothing by accident, is no quantity here.

use thiserror::Error;

/// Why a text is no usable quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// It does not have the form number and suffix.
    #[error("not a quantity: a number with an optional suffix such as Ki, Mi, Gi, Ti, k, M, G or m")]
    Syntax,
    /// It is below zero.
    #[error("a quantity here cannot be negative")]
    Negative,
    /// It does not fit.
    #[error("the quantity is too large")]
    TooLarge,
}

/// How a quantity was written, which decides how it is written again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `k`, `M`, or no suffix.
    Decimal,
    /// `Ki`, `Mi`.
    Binary,
    /// `e3`.
    Exponent,
}

/// An amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantity {
    nano: i128,
    format: Format,
    /// Whether the API server keeps the text as it is (see [`canonical`]).
    kept: bool,
}

const NANO_DIGITS: i64 = 9;
/// The largest binary amount: what is above becomes this.
const MAX_BINARY: i128 = i64::MAX as i128 * 1_000_000_000;
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];

impl Quantity {
    /// Reads a quantity, a negative one too.
    ///
    /// # Errors
    /// It is none, or it is beyond what is counted with: 10^29.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(QuantityError::Syntax);
        }
        let (format, exponent) = scale(suffix).ok_or(QuantityError::Syntax)?;
        let whole = whole.trim_start_matches('0');
        let kept = is_kept(whole, fraction, format, exponent);
        let magnitude = match format {
            Format::Binary => binary(whole, fraction, exponent)?,
            Format::Decimal | Format::Exponent => {
                decimal(&format!("{whole}{fraction}"), exponent.saturating_sub(length(fraction)?))?
            }
        };
        Ok(Self { nano: if negative { -magnitude } else { magnitude }, format, kept })
    }

    /// The amount in billionths.
    pub fn nano(self) -> i128 {
        self.nano
    }

    /// The amount in thousandths, rounded away from zero as Kubernetes does.
    pub fn milli(self) -> i128 {
        round(self.nano, 1_000_000)
    }

    /// The canonical text (`CanonicalizeBytes`): no fraction, the largest suffix of its family that loses nothing.
    pub fn canonical(self) -> String {
        const UNIT: i128 = 1_000_000_000;
        let mut format = self.format;
        let mut nano = self.nano;
        if nano == 0 {
            return "0".to_owned();
        }
        if format == Format::Binary {
            nano = nano.clamp(-MAX_BINARY, MAX_BINARY);
            // What would be rounded, and what is less than the smallest unit, is written in decimal.
            if nano % UNIT != 0 || nano.abs() < 1024 * UNIT {
                format = Format::Decimal;
            }
        }
        if format == Format::Binary {
            let (mut amount, mut power) = (nano / UNIT, 0);
            while amount % 1024 == 0 && power + 1 < BINARY.len() {
                amount /= 1024;
                power += 1;
            }
            return format!("{amount}{}", BINARY[power]);
        }
        let (mut amount, mut power) = (nano, 0);
        while amount % 1000 == 0 && (format == Format::Exponent || power + 1 < DECIMAL.len()) {
            amount /= 1000;
            power += 1;
        }
        match format {
            Format::Exponent => match power as i64 * 3 - NANO_DIGITS {
                0 => amount.to_string(),
                exponent => format!("{amount}e{exponent}"),
            },
            _ => format!("{amount}{}", DECIMAL[power]),
        }
    }
}

/// The form in which the API server stores `text`; `None` when it is no quantity. A text that is canonical but for its
/// sign or its zeros stays as it is, which is how `ParseQuantity` saves itself work.
pub fn canonical(text: &str) -> Option<String> {
    let quantity = Quantity::parse(text).ok()?;
    Some(if quantity.kept { text.to_owned() } else { quantity.canonical() })
}

/// The quantity in whole units (bytes for a size, cores for cpu), rounded up as Kubernetes does.
///
/// # Errors
/// When it is no quantity, negative or beyond 64 bits.
pub fn parse_units(text: &str) -> Result<u64, QuantityError> {
    Ok(parse_milli(text)?.div_ceil(1000)).and_then(|units| u64::try_from(units).map_err(|_| QuantityError::TooLarge))
}

/// The quantity in thousandths, rounded up.
///
/// # Errors
/// When it is no quantity, negative or beyond 64 bits of whole units.
pub fn parse_milli(text: &str) -> Result<u128, QuantityError> {
    let milli = Quantity::parse(text)?.milli();
    let milli = u128::try_from(milli).map_err(|_| QuantityError::Negative)?;
    if milli > u128::from(u64::MAX) * 1000 { Err(QuantityError::TooLarge) } else { Ok(milli) }
}

fn length(digits: &str) -> Result<i64, QuantityError> {
    i64::try_from(digits.len()).map_err(|_| QuantityError::TooLarge)
}

fn round(amount: i128, unit: i128) -> i128 {
    amount / unit + (amount % unit).signum()
}

/// `digits` times ten to `exponent`, in billionths.
fn decimal(digits: &str, exponent: i64) -> Result<i128, QuantityError> {
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Ok(0);
    }
    let power = exponent.saturating_add(NANO_DIGITS);
    // What is finer than a billionth counts as one more.
    let finer = usize::try_from(power.saturating_neg()).unwrap_or(0).min(digits.len());
    let (digits, rest) = digits.split_at(digits.len() - finer);
    let up = i128::from(rest.bytes().any(|digit| digit != b'0') || power < -length(rest)?);
    let amount: i128 = if digits.is_empty() { 0 } else { digits.parse().map_err(|_| QuantityError::TooLarge)? };
    let factor = u32::try_from(power.max(0)).ok().and_then(|power| 10_i128.checked_pow(power));
    let scaled = factor.and_then(|factor| amount.checked_mul(factor)).ok_or(QuantityError::TooLarge)?;
    scaled.checked_add(up).ok_or(QuantityError::TooLarge)
}

/// A number times two to `exponent`, in billionths.
fn binary(whole: &str, fraction: &str, exponent: i64) -> Result<i128, QuantityError> {
    let two =
        u32::try_from(exponent).ok().and_then(|power| 1_i128.checked_shl(power)).ok_or(QuantityError::TooLarge)?;
    let units = if whole.is_empty() { 0 } else { whole.parse::<i128>().map_err(|_| QuantityError::TooLarge)? };
    let units =
        units.checked_mul(two).and_then(|units| units.checked_mul(1_000_000_000)).ok_or(QuantityError::TooLarge)?;
    // More digits than these are less than a billionth of the largest suffix, and only round.
    const PRECISE: usize = 10;
    let fraction = fraction.trim_end_matches('0');
    let (precise, rest) = fraction.split_at(fraction.len().min(PRECISE));
    let ten = 10_i128.pow(precise.len() as u32);
    let part = if precise.is_empty() { 0 } else { precise.parse::<i128>().map_err(|_| QuantityError::TooLarge)? };
    let part = part * two;
    let part = part
        .checked_mul(1_000_000_000)
        .map_or_else(|| round(part, ten).saturating_mul(1_000_000_000), |part| round(part, ten));
    units.checked_add(part).and_then(|sum| sum.checked_add(i128::from(!rest.is_empty()))).ok_or(QuantityError::TooLarge)
}

/// Whether `ParseQuantity` keeps the text: on its fast path, where the number fits 64 bits for sure.
fn is_kept(whole: &str, fraction: &str, format: Format, exponent: i64) -> bool {
    let number = if whole.is_empty() { "0" } else { whole };
    let shifted = format!("{number}{fraction}");
    match format {
        Format::Binary => {
            let precision = 15 - number.len() as i64 - exponent * 3 / 10 - 1;
            let low = shifted.parse::<i64>().map_or(0, |value| value & 7);
            fraction.is_empty() && precision >= 0 && low != 0
        }
        Format::Decimal | Format::Exponent => {
            let scale = exponent.saturating_sub(fraction.len() as i64);
            let fast = shifted.len() <= 18 && scale >= -NANO_DIGITS;
            fast && scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0')
        }
    }
}

/// What a suffix stands for: a power of two or of ten.
fn scale(suffix: &str) -> Option<(Format, i64)> {
    if let Some(power) = DECIMAL.iter().position(|known| *known == suffix) {
        return Some((Format::Decimal, power as i64 * 3 - NANO_DIGITS));
    }
    if let Some(power) = BINARY.iter().position(|known| *known == suffix) {
        return Some((Format::Binary, power as i64 * 10));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((Format::Exponent, exponent.parse().ok()?))
}

/// What every reader of quantities must make of a text: its canonical form, none if it is no quantity.
#[cfg(test)]
const TABLE: &[(&str, Option<&str>)] = &[
    ("0", Some("0")),
    ("0.5", Some("500m")),
    (".5", Some("500m")),
    ("5.", Some("5.")),
    ("1024Mi", Some("1Gi")),
    ("1.5Gi", Some("1536Mi")),
    (".5Ki", Some("512")),
    ("1000m", Some("1")),
    ("1000", Some("1k")),
    ("1024", Some("1024")),
    ("100Mi", Some("100Mi")),
    ("64Gi", Some("64Gi")),
    ("1e3", Some("1e3")),
    ("1E3", Some("1E3")),
    ("2000e-3", Some("2")),
    ("2000e-03", Some("2")),
    ("1500e-3", Some("1500e-3")),
    ("5e-1", Some("500e-3")),
    ("12e+6", Some("12e+6")),
    ("10e6", Some("10e6")),
    ("100e1", Some("1e3")),
    ("1E", Some("1E")),
    ("100n", Some("100n")),
    ("1000n", Some("1u")),
    ("0.1n", Some("1n")),
    ("0.1m", Some("100u")),
    ("-250m", Some("-250m")),
    ("-0.5", Some("-500m")),
    ("+1", Some("+1")),
    ("1.5k", Some("1500")),
    ("1.500", Some("1.500")),
    ("", None),
    ("Gi", None),
    (".", None),
    ("+", None),
    ("1gi", None),
    ("1K", None),
    ("10 Gi", None),
    (" 1", None),
    ("10GB", None),
    ("1.2.3", None),
    ("1e", None),
    ("1e+", None),
    ("1e1.5", None),
    ("--1", None),
    ("1i", None),
    ("１", None),
    ("ten", None),
    ("0x10", None),
    ("1_000", None),
    ("inf", None),
    ("NaN", None),
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_kubernetes_reads() {
        for (text, expected) in TABLE {
            assert_eq!(canonical(text).as_deref(), *expected, "{text}");
        }
        for (text, units) in [
            ("10Gi", 10 << 30),
            ("1073741824", 1 << 30),
            ("1.5Gi", 3 << 29),
            (".5Ki", 512),
            ("5.", 5),
            ("500m", 1),
            ("1e3", 1000),
            ("5e000000000", 5),
            ("5e-00001", 1),
            ("2E", 2_000_000_000_000_000_000),
            ("12e-1", 2),
            ("2000e-3", 2),
            ("+1k", 1000),
            ("0.0000000001", 1),
            ("1e-99999", 1),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_units(text), Ok(units), "{text}");
        }
        assert_eq!(parse_milli("0.5"), Ok(500));
        assert_eq!(parse_milli("500m"), Ok(500));
        assert_eq!(parse_milli("-0"), Ok(0));
    }

    #[test]
    fn refuses_what_is_negative_or_too_large() {
        assert_eq!(parse_units("ten"), Err(QuantityError::Syntax));
        assert_eq!(parse_units("-1Gi"), Err(QuantityError::Negative));
        for text in ["18446744073709551616", "16Ei", "1e999", "1e99999", "9999999999999999999999999999999999999999"] {
            assert_eq!(parse_units(text), Err(QuantityError::TooLarge), "{text}");
        }
        // Beyond 64 bits a binary amount is the largest one.
        assert_eq!(canonical("16Ei").as_deref(), Some("9223372036854775807"));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-+]?[0-9.]{0,45}([a-zA-Z]{0,3}|e[-+]?[0-9]{0,22})") {
            let _ = (parse_units(&text), canonical(&text));
        }

        #[test]
        fn the_canonical_form_is_the_same_amount(text in "-?[0-9]{1,9}(\\.[0-9]{0,6})?([numkMG]|[KMG]i|e-?[0-9]|)") {
            let (was, written) = (Quantity::parse(&text).unwrap(), canonical(&text).unwrap());
            prop_assert_eq!(Quantity::parse(&written).unwrap().nano(), was.nano(), "{} {}", text, written);
        }

        #[test]
        fn whole_numbers_and_binary_suffixes_agree(n in 0u64..1 << 20, power in 0usize..4) {
            let suffix = ["", "Ki", "Mi", "Gi"][power];
            prop_assert_eq!(parse_units(&format!("{n}{suffix}")), Ok(n << (10 * power)));
            prop_assert_eq!(parse_milli(&format!("{n}{suffix}")), Ok(u128::from(n << (10 * power)) * 1000));
        }
    }
}
