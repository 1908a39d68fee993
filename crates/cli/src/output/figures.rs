//! Numbers as a person reads them: amounts of what a series counts, and spans of time.

use std::time::Duration;

use scupper_detect::Quantity;

/// A unit, and how much one of it is.
pub(crate) type Unit = (&'static str, f64);

const BYTES: [Unit; 7] = [
    ("EiB", 1_152_921_504_606_846_976.0),
    ("PiB", 1_125_899_906_842_624.0),
    ("TiB", 1_099_511_627_776.0),
    ("GiB", 1_073_741_824.0),
    ("MiB", 1_048_576.0),
    ("KiB", 1024.0),
    ("B", 1.0),
];

/// The unit to show amounts of up to this size in.
pub(crate) fn unit(quantity: Quantity, size: f64) -> Unit {
    match quantity {
        Quantity::Bytes => BYTES.into_iter().find(|(_, one)| size.abs() >= *one).unwrap_or(("B", 1.0)),
        Quantity::Count => ("", 1.0),
        Quantity::Percent => ("%", 1.0),
    }
}

/// A number with few digits: `512`, `50.1`, `0.123`, `0.04`, `1.8e19`.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    // Rounding may reach the next power of ten: 9.96 is 10.0, and no 10.
    if size >= 1e7 {
        format!("{value:.1e}")
    } else if size >= 999.5 || value == 0.0 {
        format!("{:.0}", value.abs().copysign(if value == 0.0 { 1.0 } else { value }))
    } else if size >= 0.9995 {
        format!("{value:.1}")
    } else if size >= 0.0005 {
        // Three digits that count, and no zeros after them: a tenth of a descriptor with each operation is no 0.
        let zeros = [0.1, 0.01, 0.001].iter().filter(|power| size < **power).count();
        format!("{value:.*}", 3 + zeros).trim_end_matches('0').to_owned()
    } else {
        format!("{value:.1e}")
    }
}

/// An amount with its unit: `512 MiB`, `50.1 MiB`, `900`, `42 %`.
pub(crate) fn amount(quantity: Quantity, value: f64) -> String {
    let (unit, one) = unit(quantity, value);
    let text = number(value / one);
    // A whole number of descriptors or MiB has no fraction.
    let text = text.strip_suffix(".0").unwrap_or(&text);
    if unit.is_empty() { text.to_owned() } else { format!("{text} {unit}") }
}

/// A span of time by its two largest units: `3 h 20 min`.
pub(crate) fn span(time: Duration) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    if time < Duration::from_secs(10) && time.subsec_millis() > 0 {
        return format!("{:.1} s", time.as_secs_f64());
    }
    let seconds = time.as_secs();
    let Some(first) = UNITS.iter().position(|(_, length)| seconds >= *length) else {
        return "0 s".to_owned();
    };
    let (name, length) = UNITS[first];
    // Rounded to what is shown, so that 1 h 59 min 59 s is 2 h.
    let least = UNITS.get(first + 1).map_or(1, |(_, length)| *length);
    let rounded = seconds.saturating_add(least / 2) / least * least;
    let (whole, rest) = (rounded / length, rounded % length / least);
    match UNITS.get(first + 1) {
        Some((next, _)) if rest > 0 => format!("{whole} {name} {rest} {next}"),
        _ => format!("{whole} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_short() {
        for (quantity, value, text) in [
            (Quantity::Bytes, 0.0, "0 B"),
            (Quantity::Bytes, -0.0, "0 B"),
            (Quantity::Bytes, 536_870_912.0, "512 MiB"),
            (Quantity::Bytes, 52_533_657.0, "50.1 MiB"),
            (Quantity::Bytes, -2048.0, "-2 KiB"),
            (Quantity::Bytes, 1_073_000_000.0, "1023 MiB"),
            (Quantity::Bytes, f64::MAX, "1.6e290 EiB"),
            (Quantity::Bytes, 18_446_744_073_709_551_615.0, "16 EiB"),
            (Quantity::Count, 900.0, "900"),
            (Quantity::Count, 12_345.0, "12345"),
            (Quantity::Count, 0.021, "0.021"),
            (Quantity::Count, 0.1, "0.1"),
            (Quantity::Count, 0.063_12, "0.0631"),
            (Quantity::Count, -0.000_512_3, "-0.000512"),
            (Quantity::Count, 0.999_6, "1"),
            (Quantity::Percent, 0.1234, "0.123 %"),
            (Quantity::Count, 1e-9, "1.0e-9"),
            (Quantity::Percent, 41.96, "42 %"),
        ] {
            assert_eq!(amount(quantity, value), text);
        }
    }

    #[test]
    fn spans_have_two_units() {
        for (milliseconds, text) in [
            (0, "0 s"),
            (1500, "1.5 s"),
            (59_000, "59 s"),
            (61_000, "1 min 1 s"),
            (12_000_000, "3 h 20 min"),
            (7_199_000, "2 h"),
            (86_399_000, "24 h"),
            (90_000_000, "1 d 1 h"),
            (31_536_000_000, "365 d"),
        ] {
            assert_eq!(span(Duration::from_millis(milliseconds)), text);
        }
        assert_eq!(span(Duration::MAX), "213503982334601 d 7 h");
    }
}
