//! Reads a store's address, and for a bucket the environment.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use url::Url;

use super::line::Line;
use super::{Kind, Store, StoreError};
use crate::http;

/// What may be said of a bucket, by the names of AWS' own tools, each after what overrules it.
const VARIABLES: [&str; 17] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_VIRTUAL_HOSTED_STYLE_REQUEST",
    "AWS_REQUEST_PAYER",
    "AWS_SERVER_SIDE_ENCRYPTION",
    "AWS_SSE_KMS_KEY_ID",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    STS,
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_METADATA_ENDPOINT",
];

/// Where a role's keys come from.
const STS: &str = "AWS_ENDPOINT_URL_STS";

const SUPPORTED: &str = "a store is file:///absolute/folder or s3://bucket/prefix";

pub(super) fn open(address: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Store, StoreError> {
    match address.split_once(':') {
        Some(("file", _)) => folder(address),
        Some(("s3", rest)) => bucket(rest, variable),
        // Of an address that is not understood nothing is repeated but its scheme: it may hold a password.
        Some((scheme, _)) if is_scheme(scheme) => refuse(format!("a store cannot be {scheme}:; {SUPPORTED}")),
        _ => refuse(format!("the store's address begins with no scheme; {SUPPORTED}")),
    }
}

fn refuse<T>(words: String) -> Result<T, StoreError> {
    Err(StoreError::Address(words))
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn folder(address: &str) -> Result<Store, StoreError> {
    let url = Url::parse(address).ok().filter(|url| url.query().is_none() && url.fragment().is_none());
    let path = url.filter(|url| address.starts_with("file:///") && url.host().is_none());
    let Some(path) = path.and_then(|url| url.to_file_path().ok()) else {
        return refuse("a folder's address is file:// and its absolute path, as in file:///srv/store".to_owned());
    };
    let failed = |error: &dyn std::fmt::Display| {
        let words = format!("{}: {error}; a store is a folder that is there: make it, or mount it", path.display());
        StoreError::Address(words)
    };
    match std::fs::metadata(&path) {
        Err(error) => return Err(failed(&error)),
        Ok(facts) if !facts.is_dir() => return Err(failed(&"it is no folder")),
        Ok(_) => {}
    }
    let root = path.canonicalize().map_err(|error| failed(&error))?;
    let names = LocalFileSystem::new_with_prefix(&root).map_err(|error| failed(&error))?.with_fsync(true);
    let kind = Kind::Folder { root, names: names.clone() };
    Ok(Store { objects: Arc::new(names), kind, shown: format!("file://{}", path.display()) })
}

fn bucket(rest: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Store, StoreError> {
    let name_and_prefix = rest.strip_prefix("//").map(|rest| rest.split_once('/').unwrap_or((rest, "")));
    let is_name = |name: &str| {
        (3..=63).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    let Some((name, prefix)) = name_and_prefix.filter(|(name, _)| is_name(name)) else {
        let words =
            "a bucket's address is s3://bucket/prefix, its name 3 to 63 letters, digits, dots and hyphens; keys";
        return refuse(format!("{words} come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"));
    };
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let parsed = Key::parse(prefix).ok().filter(|parsed| parsed.as_ref() == prefix && !prefix.contains(['?', '#']));
    let Some(prefix) = parsed else {
        return refuse(format!(
            "s3://{name}: what follows the bucket is names joined by /, without . and .. among them"
        ));
    };
    let (builder, advice, host) = settings(variable)?;
    let s3 = builder.with_bucket_name(name).build().map_err(|error| StoreError::Address(format!("s3: {error}")))?;
    let shown = format!("{}{host}", format!("s3://{name}/{prefix}").trim_end_matches('/'));
    let objects: Arc<dyn ObjectStore> = match prefix.is_root() {
        true => Arc::new(s3),
        false => Arc::new(PrefixStore::new(s3, prefix)),
    };
    Ok(Store { objects, kind: Kind::Bucket { advice }, shown })
}

/// What the environment says, what to look at where a bucket refuses, and where it is if not at AWS.
fn settings(variable: &dyn Fn(&str) -> Option<String>) -> Result<(AmazonS3Builder, &'static str, String), StoreError> {
    let value = |name: &str| match variable(name).filter(|value| !value.is_empty()) {
        // They go into addresses and headers.
        Some(value) if !value.bytes().all(|byte| byte.is_ascii_graphic()) => {
            refuse(format!("{name} holds a space, a line's end or a sign that is not ASCII"))
        }
        value => Ok(value),
    };
    let plain = value("AWS_ALLOW_HTTP")?.is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1");
    let mut builder = AmazonS3Builder::new().with_disable_bulk_delete(true).with_retry(patience());
    for name in VARIABLES {
        if let Some(value) = value(name)? {
            let key: AmazonS3ConfigKey = name.to_ascii_lowercase().parse().map_err(unknown)?;
            if name == STS {
                judge(name, &value, plain)?;
            }
            builder = builder.with_config(key, value);
        }
    }
    let keys = (value("AWS_ACCESS_KEY_ID")?.is_some(), value("AWS_SECRET_ACCESS_KEY")?.is_some());
    let advice = match keys {
        (true, true) => "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL",
        (false, false) => {
            "no AWS_ACCESS_KEY_ID is set, so keys are asked of the machine's role: set it, or give it one"
        }
        (true, false) => return refuse("AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not".to_owned()),
        (false, true) => return refuse("AWS_SECRET_ACCESS_KEY is set, and AWS_ACCESS_KEY_ID is not".to_owned()),
    };
    let (name, endpoint) = match value("AWS_ENDPOINT_URL_S3")? {
        Some(endpoint) => ("AWS_ENDPOINT_URL_S3", Some(endpoint)),
        None => ("AWS_ENDPOINT_URL", value("AWS_ENDPOINT_URL")?),
    };
    let endpoint = endpoint.map(|endpoint| judge(name, &endpoint, plain)).transpose()?;
    let line = Line::new(endpoint.as_ref()).map_err(|error| StoreError::Address(http::reason(error)))?;
    let host = endpoint.as_ref().map_or_else(String::new, |url| format!(" at {}", http::host(url)));
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
    }
    Ok((builder.with_http_connector(line), advice, host))
}

fn unknown(error: object_store::Error) -> StoreError {
    StoreError::Address(error.to_string())
}

/// An endpoint that objects may go to: under TLS, or on this machine, or where plain http is allowed.
fn judge(name: &str, endpoint: &str, plain: bool) -> Result<Url, StoreError> {
    let Ok(url) = Url::parse(endpoint) else {
        return refuse(format!("{name} cannot be read; an endpoint is https://host, or http://127.0.0.1:9000"));
    };
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return refuse(format!("{name} holds more than a host: keys come from AWS_ACCESS_KEY_ID"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if plain || http::is_this_machine(&url) => Ok(url),
        "http" => {
            let host = http::host(&url);
            refuse(format!("{name}: {host} would be asked without TLS; use https, or allow it by AWS_ALLOW_HTTP=true"))
        }
        _ => refuse(format!("{name} is neither https nor http")),
    }
}

/// How often a request is tried again: all in all about half a minute after the first one.
fn patience() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(200), max_backoff: Duration::from_secs(5), base: 2.0 };
    RetryConfig { backoff, max_retries: 5, retry_timeout: Duration::from_secs(30) }
}
