//! Ctrl-C: the first one ends a run between two steps, the second one the program; while clips are finished, the first
//! one ends the program, since nothing paid is at stake and files are whole or absent.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::output::{Exit, note};

static FINISHING: AtomicBool = AtomicBool::new(false);

/// Listens from now on, whatever else the program does; the answer becomes true at the first Ctrl-C.
pub(crate) fn watch() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    // A thread of its own: the runtime of the network ends before clips are finished.
    thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if sender.send_replace(true) || FINISHING.load(Ordering::SeqCst) {
                    std::process::exit(i32::from(Exit::Stopped as u8));
                }
                note("stopping: paid jobs go on at the provider; run the same command again to fetch them");
            }
        });
    });
    receiver
}

/// Says that everything paid is fetched.
pub(crate) fn finishing() {
    FINISHING.store(true, Ordering::SeqCst);
}

/// Requests to end, by Ctrl-C or SIGTERM, for programs that run until then.
pub(crate) struct Ends {
    terminated: Signal,
    interrupted: Signal,
}

impl Ends {
    /// Hears of them from now on.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn listen() -> io::Result<Ends> {
        Ok(Ends { terminated: signal(SignalKind::terminate())?, interrupted: signal(SignalKind::interrupt())? })
    }

    /// Waits for one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminated.recv() => {}
            _ = self.interrupted.recv() => {}
        }
    }
}
