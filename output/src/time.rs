//! Simulated time as people read it.

/// Milliseconds with three decimals and their unit, `20.125 ms`; rounded down to the microsecond.
pub fn milliseconds(ns: u64) -> String {
    format!("{}.{:03} ms", ns / 1_000_000, ns / 1_000 % 1_000)
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn milliseconds_keep_three_decimals_and_never_round_up() {
        let texts = [0, 1_999, 20_125_000, u64::MAX].map(milliseconds);
        assert_eq!(texts, ["0.000 ms", "0.001 ms", "20.125 ms", "18446744073709.551 ms"]);
    }
}
