//! The way from an export to the media.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands before relative paths of media: nothing where a timeline lies at the top of its package or export,
/// `../` where it lies in a folder of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Links<'a>(pub &'a str);

impl Links<'_> {
    /// A file's path, as file systems write it: absolute where the model's is.
    #[must_use]
    pub fn path(self, file: &str) -> String {
        if file.starts_with('/') { file.to_owned() } else { format!("{}{file}", self.0) }
    }

    /// A file's address (RFC 3986, RFC 8089): `file:///…` where the model's path is absolute, else relative.
    #[must_use]
    pub fn url(self, file: &str) -> String {
        if file.starts_with('/') { absolute(file, "file://") } else { format!("{}{}", self.0, encoded(file)) }
    }

    /// The same with the host that xmeml writes: `file://localhost/…`.
    #[must_use]
    pub fn url_with_host(self, file: &str) -> String {
        if file.starts_with('/') { absolute(file, "file://localhost") } else { self.url(file) }
    }
}

fn absolute(file: &str, scheme: &str) -> String {
    format!("{scheme}/{}", encoded(file.trim_start_matches('/')))
}

/// What stands in an address as it is: the unreserved characters of RFC 3986, 2.3, and what parts paths.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A path with everything else percent-encoded; its parts stay what they are.
fn encoded(file: &str) -> String {
    utf8_percent_encode(file, PLAIN).to_string()
}

/// The last part of a path.
#[must_use]
pub fn base_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_encoded_and_paths_are_not() {
        let links = Links("../");
        assert_eq!(links.url("audio/a b#1%.wav"), "../audio/a%20b%231%25.wav");
        assert_eq!(links.url("/tmp/a b/ü?.wav"), "file:///tmp/a%20b/%C3%BC%3F.wav");
        assert_eq!(links.url_with_host("/tmp/x.mov"), "file://localhost/tmp/x.mov");
        assert_eq!(links.url("../a\tb/./c.wav"), "../../a%09b/./c.wav");
        assert_eq!(links.path("audio/a b.wav"), "../audio/a b.wav");
        assert_eq!(links.path("/tmp/a b.wav"), "/tmp/a b.wav");
    }
}
