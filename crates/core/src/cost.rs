//! Money in whole micro-dollars: price, budget, and the reservation without which nothing is sent.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Rounding;

/// An amount of US dollars, in whole millionths; never negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Usd(u64);

impl Usd {
    /// Nothing.
    pub const ZERO: Usd = Usd(0);

    /// Makes an amount of so many millionths of a dollar.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Usd {
        Usd(micros)
    }

    /// The amount in millionths of a dollar.
    #[must_use]
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The sum; stays at the largest amount instead of overflowing, so that a budget refuses it.
    #[must_use]
    pub const fn plus(self, other: Usd) -> Usd {
        Usd(self.0.saturating_add(other.0))
    }

    /// What is left after paying `other`; nothing where that is more.
    #[must_use]
    pub const fn minus(self, other: Usd) -> Usd {
        Usd(self.0.saturating_sub(other.0))
    }
}

impl std::iter::Sum for Usd {
    fn sum<I: Iterator<Item = Usd>>(amounts: I) -> Usd {
        amounts.fold(Usd::ZERO, Usd::plus)
    }
}

impl FromStr for Usd {
    type Err = ();

    /// Reads dollars with up to six decimals: `25`, `25.00`, `0.3024`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (whole, decimals) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(decimals) || decimals.len() > 6 {
            return Err(());
        }
        let dollars: u64 = whole.parse().map_err(|_| ())?;
        let micros: u64 = format!("{decimals:0<6}").parse().map_err(|_| ())?;
        dollars.checked_mul(1_000_000).and_then(|amount| amount.checked_add(micros)).map(Usd).ok_or(())
    }
}

impl fmt::Display for Usd {
    /// Writes `$1.2096`: at least two decimals, and as many more as are not zero.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = format!("{:06}", self.0 % 1_000_000);
        let shown = decimals.trim_end_matches('0').len().max(2);
        f.pad(&format!("${}.{}", self.0 / 1_000_000, &decimals[..shown]))
    }
}

/// The number of tokens of a clip: height × width × seconds × 24 ÷ 1024, rounded up.
#[must_use]
pub fn tokens(width: u32, height: u32, seconds: u32) -> u64 {
    let product = u128::from(width) * u128::from(height) * u128::from(seconds) * 24;
    Rounding::Up.divide(product, 1024).unwrap_or(u64::MAX)
}

/// The price of so many tokens at a price for a thousand, rounded up to the millionth of a dollar.
#[must_use]
pub fn price(tokens: u64, per_thousand: Usd) -> Usd {
    let product = u128::from(tokens) * u128::from(per_thousand.micros());
    Usd(Rounding::Up.divide(product, 1000).unwrap_or(u64::MAX))
}

/// A price as a provider's own price list tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToldPrice {
    /// Billionths of a dollar for one unit.
    pub nanos: u64,
    /// What is counted.
    pub unit: Unit,
}

/// What a price counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// So many tokens.
    Tokens(u64),
    /// A second of the clip.
    Second,
    /// A clip.
    Clip,
}

impl Unit {
    /// Reads the words of a price list, such as `1000 tokens`, `1m tokens`, `second` or `videos`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Unit> {
        let text = text.trim().to_ascii_lowercase();
        let (count, word) = text.split_once(' ').unwrap_or(("1", &text));
        let count = match count {
            "1k" | "thousand" => 1000,
            "1m" | "million" => 1_000_000,
            other => other.replace([',', '_'], "").parse().ok().filter(|count| *count > 0)?,
        };
        match (count, word.trim_end_matches('s')) {
            (count, "token") => Some(Unit::Tokens(count)),
            (1, "second") => Some(Unit::Second),
            (1, "video" | "clip" | "request") => Some(Unit::Clip),
            _ => None,
        }
    }
}

impl ToldPrice {
    /// The charge for a clip of so many tokens and seconds, rounded up to the millionth of a dollar.
    #[must_use]
    pub fn charge(self, tokens: u64, seconds: u32) -> Usd {
        let (count, of) = match self.unit {
            Unit::Tokens(of) => (tokens, of),
            Unit::Second => (seconds.into(), 1),
            Unit::Clip => (1, 1),
        };
        let product = u128::from(self.nanos) * u128::from(count);
        Usd(Rounding::Up.divide(product, u128::from(of) * 1000).unwrap_or(u64::MAX))
    }
}

/// Billionths from a decimal number as JSON writes it (`0.014`, `1.4e-5`), rounded up; `None` where it is
/// negative, no number, or too large.
#[must_use]
pub fn nanos(decimal: &str) -> Option<u64> {
    let (digits, exponent) = decimal.split_once(['e', 'E']).unwrap_or((decimal, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all: String = [whole, fraction].concat();
    if all.is_empty() || all.len() > 30 || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u128 = all.parse().ok()?;
    let shift = exponent.checked_add(9)?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    match u32::try_from(shift) {
        Ok(shift) => u64::try_from(number.checked_mul(10_u128.checked_pow(shift)?)?).ok(),
        Err(_) => {
            let divisor = 10_u128.checked_pow(shift.unsigned_abs()).unwrap_or(u128::MAX);
            Rounding::Up.divide(number, divisor)
        }
    }
}

/// What may be spent, and how much of it is committed: charged, reserved, or unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The most that may be spent; no limit where absent.
    pub limit: Option<Usd>,
    /// What is charged, reserved, or perhaps charged.
    pub committed: Usd,
}

/// Says that a request would cost more than is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it costs {asked}, but only {left} of {limit} is left")]
pub struct OverBudget {
    /// What the request costs.
    pub asked: Usd,
    /// What is left.
    pub left: Usd,
    /// What the budget was.
    pub limit: Usd,
}

/// Leave to send one request that costs money.
///
/// Only [`Budget::reserve`] makes one, and sending consumes it: no budget, no request.
#[derive(Debug, PartialEq, Eq)]
pub struct Reservation {
    amount: Usd,
}

impl Reservation {
    /// How much was set aside.
    #[must_use]
    pub fn amount(&self) -> Usd {
        self.amount
    }
}

impl Budget {
    /// Sets `amount` aside.
    ///
    /// # Errors
    /// Says by how much the budget falls short; then nothing is set aside.
    pub fn reserve(&mut self, amount: Usd) -> Result<Reservation, OverBudget> {
        let after = self.committed.plus(amount);
        if let Some(limit) = self.limit.filter(|limit| after > *limit) {
            return Err(OverBudget { asked: amount, left: limit.minus(self.committed), limit });
        }
        self.committed = after;
        Ok(Reservation { amount })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// fal's page gives $0.3024 for a second of 720p 16:9, and $0.2419 for the fast tier.
    #[test]
    fn a_second_of_720p_costs_what_the_price_page_says() {
        let tokens = tokens(1280, 720, 1);
        assert_eq!(tokens, 21_600);
        assert_eq!(price(tokens, Usd::from_micros(14_000)).to_string(), "$0.3024");
        assert_eq!(price(tokens, Usd::from_micros(11_200)).to_string(), "$0.24192");
    }

    #[test]
    fn amounts_are_read_exactly() {
        assert_eq!("25.00".parse(), Ok(Usd::from_micros(25_000_000)));
        assert_eq!("0.3024".parse(), Ok(Usd::from_micros(302_400)));
        for text in ["", "-1", "1.", ".5", "1e3", "1.0000001", "$5", "99999999999999999999"] {
            assert_eq!(text.parse::<Usd>(), Err(()), "{text}");
        }
    }

    #[test]
    fn a_told_price_is_read_exactly() {
        for (text, expected) in [
            ("0.014", Some(14_000_000)),
            ("1.4e-5", Some(14_000)),
            ("14", Some(14_000_000_000)),
            ("1E2", Some(100_000_000_000)),
            ("0.0000000011", Some(2)),
            ("-1", None),
            ("1e99", None),
            ("1e-99", Some(1)),
            ("", None),
            ("NaN", None),
        ] {
            assert_eq!(nanos(text), expected, "{text}");
        }
        // 108,000 tokens, at $0.014 for a thousand, or at $0.3024 a second.
        for (nanos, unit) in
            [(14_000_000, "1000 tokens"), (14_000, "token"), (14_000_000_000, "1m tokens"), (302_400_000, "seconds")]
        {
            let told = ToldPrice { nanos, unit: Unit::parse(unit).expect("a unit") };
            assert_eq!(told.charge(108_000, 5).to_string(), "$1.512", "{unit}");
        }
        assert_eq!(Unit::parse("megapixels"), None);
    }

    #[test]
    fn the_last_dollar_is_spent_once() {
        let mut budget = Budget { limit: Some(Usd::from_micros(3)), committed: Usd::from_micros(1) };
        assert_eq!(budget.reserve(Usd::from_micros(2)).map(|r| r.amount()), Ok(Usd::from_micros(2)));
        assert!(budget.reserve(Usd::from_micros(1)).is_err());
    }

    proptest! {
        #[test]
        fn amounts_survive_their_text(micros: u64) {
            let text = Usd::from_micros(micros).to_string();
            prop_assert_eq!(text[1..].parse(), Ok(Usd::from_micros(micros)));
        }

        #[test]
        fn a_budget_is_never_exceeded(limit: u64, amounts: Vec<u64>) {
            let mut budget = Budget { limit: Some(Usd::from_micros(limit)), committed: Usd::ZERO };
            for amount in amounts {
                let _ = budget.reserve(Usd::from_micros(amount));
                prop_assert!(budget.committed <= Usd::from_micros(limit));
            }
        }
    }
}
