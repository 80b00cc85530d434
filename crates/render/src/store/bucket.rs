//! How objects are sent to a bucket, and what its errors mean.

use object_store::path::Path as Key;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutMode, WriteMultipart};
use tokio::io::AsyncRead;

use super::source::Source;
use super::{Put, Store, StoreError};

/// What is sent in one request; larger files go in parts of so many bytes.
pub(super) const PART: usize = 8 << 20;
/// How many parts of a file are on their way at once, and one more is being read.
const AT_ONCE: usize = 2;
/// The largest file that is sent, in bytes: S3 takes 10,000 parts.
const MAX_BYTES: u64 = 10_000 * PART as u64;

impl Store {
    pub(super) async fn send(
        &self,
        key: &Key,
        from: &mut Source<'_, impl AsyncRead + Unpin>,
    ) -> Result<Put, StoreError> {
        match from.length {
            length if length > MAX_BYTES => Err(self.too_large(key, length, MAX_BYTES)),
            length if length > PART as u64 => self.parts(key, from).await,
            _ => self.whole(key, from).await,
        }
    }

    /// Sends a small object in one request.
    async fn whole(&self, key: &Key, from: &mut Source<'_, impl AsyncRead + Unpin>) -> Result<Put, StoreError> {
        let mut bytes = Vec::new();
        while let Some(piece) = from.next().await? {
            bytes.extend_from_slice(piece);
        }
        let sent = self.objects.put_opts(key, bytes.into(), PutMode::Create.into()).await;
        self.answered(key, sent)
    }

    /// Sends an object in parts, which stands under its key when the last one has come: see `line` for the condition.
    pub(super) async fn parts(
        &self,
        key: &Key,
        from: &mut Source<'_, impl AsyncRead + Unpin>,
    ) -> Result<Put, StoreError> {
        let upload = self.objects.put_multipart(key).await.map_err(|error| self.failed(key, &error))?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        if let Err(error) = self.feed(key, from, &mut upload).await {
            // What it failed of says more than what became of the parts.
            let _ = upload.abort().await;
            return Err(error);
        }
        let sent = upload.finish().await;
        self.answered(key, sent)
    }

    async fn feed(
        &self,
        key: &Key,
        from: &mut Source<'_, impl AsyncRead + Unpin>,
        upload: &mut WriteMultipart,
    ) -> Result<(), StoreError> {
        while let Some(piece) = from.next().await? {
            upload.wait_for_capacity(AT_ONCE).await.map_err(|error| self.failed(key, &error))?;
            upload.write(piece);
        }
        Ok(())
    }

    fn answered<T>(&self, key: &Key, sent: object_store::Result<T>) -> Result<Put, StoreError> {
        use object_store::Error::{AlreadyExists, Precondition};
        match sent {
            Ok(_) => Ok(Put::Made),
            Err(AlreadyExists { .. } | Precondition { .. }) => Ok(Put::There),
            Err(error) => Err(self.failed(key, &error)),
        }
    }
}

/// Why a request failed, without its address: what the store says, or the cause beneath all others.
pub(super) fn reason(error: &object_store::Error) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(inner) = deepest.source() {
        deepest = inner;
    }
    let text = deepest.to_string();
    let told = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(told, _)| told.to_owned())
    };
    let words = match (told("Code"), told("Message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code,
        _ => text.replace("Server returned non-2xx status code:", "HTTP"),
    };
    let words: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    words.trim().trim_end_matches([':', '.']).to_owned()
}
