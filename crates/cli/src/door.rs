//! The providers' doors, opened with this machine's keys.

use std::path::{Path, PathBuf};
use std::time::Duration;

use seedpost_core::job::{Plan, PollPace};
use seedpost_core::shot::ProviderName;
use seedpost_render::Secret;
use seedpost_render::ledger::Room;
use seedpost_render::provider::ark::Ark;
use seedpost_render::provider::fal::Fal;
use seedpost_render::provider::proxy::Proxy;
use seedpost_render::provider::{Provider, SetupError};
use seedpost_render::slots::Slots;
use seedpost_simulator::{Config, Simulator};

use crate::keys::Environment;
use crate::output::{Exit, Failure};
use crate::project::{Project, worker_program};

/// How jobs are asked after: what runs on this machine is near, providers take a minute or more.
const NEAR: PollPace = PollPace { least_ms: 50, most_ms: 1000 };
const FAR: PollPace = PollPace { least_ms: 2000, most_ms: 15_000 };
/// How many jobs a key may have under way, unless `SEEDPOST_KEY_LIMIT` says that the account has more.
pub(crate) const KEY_LIMIT: u16 = 3;

/// Which door: the provider, and its region where it has any.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Way {
    pub(crate) provider: ProviderName,
    pub(crate) region: Option<String>,
}

impl Way {
    /// The door that a take was, or is to be, sent through.
    pub(crate) fn of(plan: &Plan) -> Way {
        Way { provider: plan.provider, region: plan.region.clone() }
    }
}

/// A provider, and the simulator behind it where this program runs one.
pub(crate) struct Door {
    pub(crate) provider: Box<dyn Provider>,
    pub(crate) pace: PollPace,
    /// Room under the key; none is counted where no money is spent.
    pub(crate) slots: Option<Slots>,
    /// The same, as programs of one ledger share it.
    pub(crate) room: Option<Room>,
    _simulator: Option<Simulator>,
}

/// Opens a door.
///
/// # Errors
/// A key or address is missing or unusable, or the simulator cannot be started.
pub(crate) async fn open_for(project: &Project, way: &Way) -> Result<Door, Failure> {
    open(Some(project), &Environment::read(&project.root), way).await
}

/// Opens a door for whoever has no project, and so no webhooks and no simulator inside.
///
/// # Errors
/// As [`open_for`].
pub(crate) async fn open(project: Option<&Project>, environment: &Environment, way: &Way) -> Result<Door, Failure> {
    if let Some(seconds) = number(environment, "SEEDPOST_TIMEOUT", "how many seconds an answer is waited for")? {
        seedpost_render::set_patience(Duration::from_secs(seconds.into()));
    }
    if way.provider == ProviderName::Simulator {
        return open_simulator(project, environment).await;
    }
    let (key_name, address_name) = names(way.provider);
    let missing = |name: &str| {
        let fix = "set it in the environment or in `.env` beside the shot list, or use --provider simulator";
        Failure::new(Exit::Usage, format!("{name} is not set"), fix)
    };
    let key = Secret::new(environment.get(key_name).ok_or_else(|| missing(key_name))?);
    let address = environment.address(address_name, key_name);
    let near = address.as_deref().is_some_and(is_near);
    let limit = key_limit(environment)?;
    let slots = Slots::new(slots_folder(), way.provider.as_str(), &key, limit);
    let room = Room::new(way.provider.as_str(), &key, limit.into());
    // An address on this machine means nothing to a provider elsewhere.
    let hooks = project.and_then(crate::webhook::webhook_urls).filter(|hooks| near || !is_near(&hooks.fal));
    let provider: Box<dyn Provider> = match way.provider {
        ProviderName::Ark => {
            let base = address.unwrap_or_else(|| Ark::base(way.region.as_deref().unwrap_or_default()).to_owned());
            Box::new(usable(Ark::at(&base, key))?.with_callback(hooks.map(|hooks| hooks.ark)))
        }
        ProviderName::Openai => {
            let base = address.ok_or_else(|| missing(address_name))?;
            Box::new(usable(Proxy::at(&base, key))?)
        }
        _ => {
            let fal = match address {
                Some(url) => Fal::at(&url, key, false),
                None => Fal::new(key),
            };
            Box::new(usable(fal)?.with_webhook(hooks.map(|hooks| hooks.fal)))
        }
    };
    Ok(Door { provider, pace: if near { NEAR } else { FAR }, slots: Some(slots), room: Some(room), _simulator: None })
}

/// Whether what answers there runs on this machine itself; other loopback addresses may be the ends of tunnels.
fn is_near(address: &str) -> bool {
    let host = url::Url::parse(address).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.is_some_and(|host| matches!(host.as_str(), "127.0.0.1" | "[::1]" | "localhost"))
}

fn usable<T>(door: Result<T, SetupError>) -> Result<T, Failure> {
    door.map_err(|error| Failure::new(Exit::Usage, error.to_string(), "correct the variable that holds the address"))
}

/// The variables that hold a provider's key, and an address in place of its own.
pub(crate) fn names(provider: ProviderName) -> (&'static str, &'static str) {
    match provider {
        ProviderName::Ark => ("ARK_API_KEY", "SEEDPOST_ARK_URL"),
        ProviderName::Openai => ("SEEDANCE_API_KEY", "SEEDANCE_API_BASE"),
        ProviderName::Fal | ProviderName::Simulator => ("FAL_KEY", "SEEDPOST_FAL_URL"),
    }
}

/// How many jobs a key may have under way at once.
///
/// # Errors
/// `SEEDPOST_KEY_LIMIT` is no number from 1 to 1000.
pub(crate) fn key_limit(environment: &Environment) -> Result<u16, Failure> {
    let limit = number(environment, "SEEDPOST_KEY_LIMIT", "how many jobs the account may have at once")?;
    Ok(limit.unwrap_or(KEY_LIMIT))
}

fn number(environment: &Environment, name: &str, what: &str) -> Result<Option<u16>, Failure> {
    let Some(text) = environment.get(name) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (1..=1000).contains(number));
    let wrong = || Failure::new(Exit::Usage, format!("{name} is {text:?}"), format!("write {what}, from 1 to 1000"));
    number.map(Some).ok_or_else(wrong)
}

/// A folder of this user's own on this machine.
fn slots_folder() -> PathBuf {
    let own = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = || own("XDG_CACHE_HOME").or_else(|| own("HOME").map(|home| home.join(".cache")));
    own("XDG_RUNTIME_DIR")
        .filter(|path| path.is_dir())
        .or_else(cache)
        .unwrap_or_else(std::env::temp_dir)
        .join("seedpost/slots")
}

async fn open_simulator(project: Option<&Project>, environment: &Environment) -> Result<Door, Failure> {
    let (url, simulator) = match (environment.get("SEEDPOST_SIMULATOR_URL"), project) {
        (Some(url), _) => (url, None),
        (None, None) => {
            let fix = "start one with `seedpost simulator`, and name it in SEEDPOST_SIMULATOR_URL";
            return Err(Failure::new(Exit::Usage, "workers need a simulator that all of them reach", fix));
        }
        (None, Some(project)) => {
            let simulator = start_simulator(&project.hidden().join("simulator")).await?;
            (simulator.url(), Some(simulator))
        }
    };
    let hooks = project.and_then(crate::webhook::webhook_urls);
    let fal = usable(Fal::at(&url, Secret::new("simulator".to_owned()), true))?;
    let provider = Box::new(fal.with_webhook(hooks.map(|hooks| hooks.fal)));
    Ok(Door { provider, pace: NEAR, slots: None, room: None, _simulator: simulator })
}

async fn start_simulator(folder: &Path) -> Result<Simulator, Failure> {
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        folder: folder.to_owned(),
        worker: worker_program(),
        parallel: 2,
        clip: None,
        queue: Duration::ZERO,
        faults: Vec::new(),
    };
    let started = tokio::time::timeout(Duration::from_secs(10), Simulator::start(config)).await;
    let started = started.map_err(std::io::Error::other).flatten();
    started.map_err(|error| {
        Failure::new(Exit::Internal, format!("failed to start the simulator: {error}"), "run `seedpost doctor`")
    })
}
