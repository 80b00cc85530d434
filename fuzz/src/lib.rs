//! What all targets share: their bodies, a limit on memory, and which panics count.

pub mod bodies;

pub mod recut;

pub mod shot_list;

use std::alloc::System;

use cap::Cap;

/// All that lives at once may take 256 MiB; who asks for more is ended, and that is a find.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, 256 << 20);

/// Ends the process at a panic, but for those that the program turns into an error about the file.
/// Called first by each target, since libFuzzer's own hook ends it at any.
pub fn begin() {
    std::panic::set_hook(Box::new(|panic| {
        if !seedpost_media::decode::is_guarded() {
            eprintln!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
            std::process::abort();
        }
    }));
}
