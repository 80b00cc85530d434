//! fal's uploads, the way of its JavaScript client: whole, or in parts where the file is large.

use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use super::{Fal, KEY};
use crate::http;
use crate::provider::{CallError, Placed, Upload};

/// Files above this are sent in parts, in bytes.
const WHOLE: usize = 90 << 20;
/// The size of a part, in bytes.
const PART: usize = 10 << 20;

impl Fal {
    /// Uploads a file. The media host gets no key.
    pub(super) async fn upload(&self, upload: &Upload) -> Result<Placed, CallError> {
        let bytes = upload.read().await?;
        let parts = bytes.len() > WHOLE;
        let places = self.initiate(if parts { "initiate-multipart" } else { "initiate" }, upload).await?;
        let place = |key: &str| places[key].as_str().map(str::to_owned);
        let (Some(to), Some(address)) = (place("upload_url"), place("file_url")) else {
            return Err(CallError::transient("upload: the answer names no address"));
        };
        let to = http::api(&to).map_err(|error| CallError::lasting(format!("upload: {error}")))?;
        if parts {
            self.put_parts(&to, bytes).await?
        } else {
            self.put(to.clone(), upload, bytes).await?
        }
        Ok(Placed { address, host: http::host(&to) })
    }

    async fn initiate(&self, way: &str, upload: &Upload) -> Result<Value, CallError> {
        let mut url = self.rest.clone();
        url.set_path(&format!("{}storage/upload/{way}", self.rest.path()));
        url.set_query(Some("storage_type=fal-cdn-v3"));
        let about = json!({ "content_type": upload.content_type, "file_name": upload.file_name });
        let answer = http::call(self.request(Method::POST, url).json(&about)).await?;
        answer.json().filter(|_| answer.status == 200).ok_or_else(|| answer.error("upload", KEY))
    }

    async fn put(&self, to: Url, upload: &Upload, bytes: Vec<u8>) -> Result<(), CallError> {
        let time = http::upload_time(bytes.len());
        let put = self.uploader.put(to).timeout(time).header("content-type", &upload.content_type).body(bytes);
        let answer = http::call(put).await?;
        if answer.status / 100 == 2 { Ok(()) } else { Err(answer.error("upload", KEY)) }
    }

    /// Sends a file in parts, numbered from 1, and says at the end that they are all there.
    async fn put_parts(&self, to: &Url, bytes: Vec<u8>) -> Result<(), CallError> {
        let beside = |name: &str| {
            let mut url = to.clone();
            url.set_path(&format!("{}/{name}", to.path().trim_end_matches('/')));
            url
        };
        let mut parts = Vec::new();
        for (number, part) in (1..).zip(bytes.chunks(PART)) {
            let put = self.uploader.put(beside(&number.to_string())).timeout(http::upload_time(part.len()));
            let answer = http::call(put.body(part.to_vec())).await?;
            let etag = answer.header("etag").filter(|_| answer.status / 100 == 2);
            let etag = etag.ok_or_else(|| answer.error("upload of a part", KEY))?;
            parts.push(json!({ "partNumber": number, "etag": etag }));
        }
        let all = self.uploader.post(beside("complete")).timeout(http::CALL).json(&json!({ "parts": parts }));
        let answer = http::call(all).await?;
        if answer.status / 100 == 2 { Ok(()) } else { Err(answer.error("upload", KEY)) }
    }
}
