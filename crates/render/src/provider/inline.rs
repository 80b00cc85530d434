//! Files that are sent within a request, as data addresses (RFC 2397).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{CallError, Placed, Upload};

/// Makes the data address of an image or sound, whose prefix tells what the bytes are.
pub(super) async fn place(upload: &Upload, host: &str) -> Result<Placed, CallError> {
    let kind = upload.content_type.as_str();
    if !kind.starts_with("image/") && !kind.starts_with("audio/") {
        let message = format!("{} is {kind}: this provider reads videos from an address only", upload.file_name);
        return Err(CallError::lasting(message));
    }
    let bytes = upload.read().await?;
    Ok(Placed { address: format!("data:{kind};base64,{}", STANDARD.encode(bytes)), host: host.to_owned() })
}
