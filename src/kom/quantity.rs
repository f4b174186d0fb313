//! Kubernetes quantities (`500m`, `10Gi`, `1e3`), as apimachinery's `resource.ParseQuantity` reads them.

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
    /// It does not fit 64 bits.
    #[error("the quantity is too large")]
    TooLarge,
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
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(QuantityError::Syntax);
    }
    let (base, exponent) = scale(suffix).ok_or(QuantityError::Syntax)?;
    // Trailing zeros of the fraction carry no value but would cost range.
    let fraction = fraction.trim_end_matches('0');
    let digits = format!("{}{fraction}", whole.trim_start_matches('0'));
    if digits.is_empty() {
        return Ok(0);
    }
    if digits.trim_start_matches('0').is_empty() {
        return Ok(0);
    }
    if negative {
        return Err(QuantityError::Negative);
    }
    let mut numerator: u128 = digits.parse().map_err(|_| QuantityError::TooLarge)?;
    let multiply = |value: u128, base: u128, power: u32| {
        base.checked_pow(power).and_then(|factor| value.checked_mul(factor)).ok_or(QuantityError::TooLarge)
    };
    let mut decimal = 3 - i64::try_from(fraction.len()).map_err(|_| QuantityError::TooLarge)?;
    match base {
        Base::Two => numerator = multiply(numerator, 2, u32::try_from(exponent).map_err(|_| QuantityError::Syntax)?)?,
        Base::Ten => decimal = decimal.saturating_add(exponent),
    }
    let power = u32::try_from(decimal.unsigned_abs()).unwrap_or(u32::MAX);
    let milli = if decimal >= 0 {
        multiply(numerator, 10, power)?
    } else {
        // A divisor beyond 128 bits leaves less than a thousandth, which rounds up to one.
        10u128.checked_pow(power).map_or(1, |divisor| numerator.div_ceil(divisor))
    };
    if milli > u128::from(u64::MAX) * 1000 { Err(QuantityError::TooLarge) } else { Ok(milli) }
}

enum Base {
    Two,
    Ten,
}

fn scale(suffix: &str) -> Option<(Base, i64)> {
    let power = match suffix {
        "" => (Base::Ten, 0),
        "n" => (Base::Ten, -9),
        "u" => (Base::Ten, -6),
        "m" => (Base::Ten, -3),
        "k" => (Base::Ten, 3),
        "M" => (Base::Ten, 6),
        "G" => (Base::Ten, 9),
        "T" => (Base::Ten, 12),
        "P" => (Base::Ten, 15),
        "E" => (Base::Ten, 18),
        "Ki" => (Base::Two, 10),
        "Mi" => (Base::Two, 20),
        "Gi" => (Base::Two, 30),
        "Ti" => (Base::Two, 40),
        "Pi" => (Base::Two, 50),
        "Ei" => (Base::Two, 60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            // More digits than any exponent of use has; zeros in front say nothing.
            if digits.is_empty()
                || digits.trim_start_matches('0').len() > 4
                || !digits.bytes().all(|b| b.is_ascii_digit())
            {
                return None;
            }
            (Base::Ten, exponent.parse().ok()?)
        }
    };
    Some(power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_kubernetes_reads() {
        for (text, units) in [
            ("0", 0),
            ("10Gi", 10 << 30),
            ("1073741824", 1 << 30),
            ("1.5Gi", 3 << 29),
            (".5Ki", 512),
            ("5.", 5),
            ("500m", 1),
            ("1e3", 1000),
            ("1E3", 1000),
            ("5e000000000", 5),
            ("5e-00001", 1),
            ("2E", 2_000_000_000_000_000_000),
            ("12e-1", 2),
            ("+1k", 1000),
            ("0.0000000001", 1),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_units(text), Ok(units), "{text}");
        }
        assert_eq!(parse_milli("0.5"), Ok(500));
        assert_eq!(parse_milli("500m"), Ok(500));
        assert_eq!(parse_milli("-0"), Ok(0));
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", ".", "Gi", "10 Gi", "10gi", "10GB", "1.2.3", "ten", "1e", "1e+", "１", "1e99999", "--1"] {
            assert_eq!(parse_units(text), Err(QuantityError::Syntax), "{text}");
        }
        assert_eq!(parse_units("-1Gi"), Err(QuantityError::Negative));
        assert_eq!(parse_units("18446744073709551616"), Err(QuantityError::TooLarge));
        assert_eq!(parse_units("16Ei"), Err(QuantityError::TooLarge));
        assert_eq!(parse_units("1e999"), Err(QuantityError::TooLarge));
    }

    proptest! {
        #[test]
        fn never_panics(text in "[-+]?[0-9.]{0,45}([a-zA-Z]{0,3}|e[-+]?[0-9]{0,5})") {
            let _ = parse_units(&text);
        }

        #[test]
        fn whole_numbers_and_binary_suffixes_agree(n in 0u64..1 << 20, power in 0usize..4) {
            let suffix = ["", "Ki", "Mi", "Gi"][power];
            prop_assert_eq!(parse_units(&format!("{n}{suffix}")), Ok(n << (10 * power)));
            prop_assert_eq!(parse_milli(&format!("{n}{suffix}")), Ok(u128::from(n << (10 * power)) * 1000));
        }
    }
}
