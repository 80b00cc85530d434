//! Where a test ends the program as a power cut would: only in builds for development.
//!
//! `SEEDPOST_CUT=after_commit:7` ends it, by SIGKILL, the seventh time that it comes to the place of that name.

/// A place where the program may be ended.
#[cfg(debug_assertions)]
pub(crate) fn here(place: &str) {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static CUT: LazyLock<Option<(String, u64)>> = LazyLock::new(|| {
        let wanted = std::env::var("SEEDPOST_CUT").ok()?;
        let (place, time) = wanted.split_once(':')?;
        Some((place.to_owned(), time.parse().ok()?))
    });
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let Some((wanted, time)) = CUT.as_ref() else { return };
    if wanted == place && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *time {
        let own = rustix::process::getpid();
        let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    }
}

/// A place where the program may be ended: never in a released build.
#[cfg(not(debug_assertions))]
pub(crate) fn here(_place: &str) {}
