//! Prices as a provider tells them at present; else the dated table counts, and it is said which.

use std::collections::BTreeSet;
use std::time::Duration;

use seedpost_core::catalog::Catalog;
use seedpost_core::cost::{ToldPrice, Unit};
use seedpost_core::shot::ProviderName;

use crate::door::{self, Way};
use crate::keys::Environment;
use crate::output::note;
use crate::prepare::{Desk, Prepared};
use crate::project::Project;

/// How long a price list is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a provider told, and in words where the prices are from.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) prices: Vec<(String, ToldPrice)>,
    /// Why there are none, where they were asked for.
    pub(crate) trouble: Option<String>,
}

impl Told {
    /// Tells people why the table counts.
    pub(crate) fn note(&self) {
        if let Some(trouble) = &self.trouble {
            note(format_args!("fal's price list could not be read, so the dated table counts: {trouble}"));
        }
    }

    /// Where the price of a shot is from. Of a price a second the larger counts, the provider's or the table's.
    pub(crate) fn source(&self, prepared: &Prepared<'_>) -> &'static str {
        let plan = &prepared.plan;
        let table = || Catalog::built_in().estimate(&prepared.shot, prepared.decision.generate_audio, None);
        let told = self.prices.iter().find(|(endpoint, _)| *endpoint == plan.endpoint);
        let counts = |price: &ToldPrice| matches!(price.unit, Unit::Tokens(_)) || table() != Some(plan.estimate);
        if told.is_some_and(|(_, price)| counts(price)) { "provider, now" } else { "dated table" }
    }
}

/// Asks fal, the only provider that tells its prices, where there is a key.
pub(crate) async fn told(project: &Project, desk: &Desk<'_>) -> Told {
    let plans = desk.prepared.iter().map(|prepared| &prepared.plan).filter(|plan| plan.provider == ProviderName::Fal);
    let endpoints: BTreeSet<String> = plans.map(|plan| plan.endpoint.clone()).collect();
    let endpoints: Vec<String> = endpoints.into_iter().collect();
    if endpoints.is_empty() || Environment::read(&project.root).get("FAL_KEY").is_none() {
        return Told::default();
    }
    let trouble = |trouble: String| Told { prices: Vec::new(), trouble: Some(trouble) };
    let way = Way { provider: ProviderName::Fal, region: None };
    let door = match door::open_for(project, &way).await {
        Ok(door) => door,
        Err(failure) => return trouble(failure.message().to_owned()),
    };
    match tokio::time::timeout(PATIENCE, door.provider.prices(&endpoints)).await {
        Ok(Ok(prices)) if prices.is_empty() => trouble("it names no price in dollars for these endpoints".to_owned()),
        Ok(Ok(prices)) => Told { prices, trouble: None },
        Ok(Err(error)) => trouble(error.message),
        Err(_) => trouble(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}
