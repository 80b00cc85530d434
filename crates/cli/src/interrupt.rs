//! Ctrl-C: the first one ends a run between two steps, the second one the program; while clips are finished, the first
//! one ends the program, since nothing paid is at stake and files are whole or absent.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::output::{Exit, Failure, note};

static FINISHING: AtomicBool = AtomicBool::new(false);

/// Listens from now on, whatever else the program does; the answer becomes true at the first Ctrl-C or SIGTERM.
pub(crate) fn watch() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    // A thread of its own: the runtime of the network ends before clips are finished.
    thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async {
            let Ok(mut ends) = Ends::listen() else { return };
            loop {
                ends.next().await;
                if sender.send_replace(true) || FINISHING.load(Ordering::SeqCst) {
                    std::process::exit(i32::from(Exit::Stopped as u8));
                }
                note("stopping: paid jobs go on at the provider; run the same command again to fetch them");
            }
        });
    });
    receiver
}

static STOPPED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// Lets the first Ctrl-C or SIGTERM end long work on this machine between two files, so that nothing is left behind; the
/// second ends the program.
pub(crate) fn stoppable() -> Result<(), Failure> {
    let stopped = i32::from(Exit::Stopped as u8);
    // The handlers themselves set the flag: it stands before anything else notices that the worker ended too.
    let hear = |signal| {
        flag::register_conditional_shutdown(signal, stopped, Arc::clone(&STOPPED))?;
        flag::register(signal, Arc::clone(&STOPPED))
    };
    [SIGINT, SIGTERM]
        .into_iter()
        .try_for_each(|signal| hear(signal).map(|_| ()))
        .map_err(|error| Failure::new(Exit::Internal, format!("failed to listen for Ctrl-C: {error}"), ""))
}

/// Ends the work where the user asked for it. To be called between files, and before a failure is told, since Ctrl-C ends
/// the media worker too.
pub(crate) fn check() -> Result<(), Failure> {
    if STOPPED.load(Ordering::SeqCst) {
        return Err(Failure::new(Exit::Stopped, "stopped", "run the same command again; nothing was left half done"));
    }
    Ok(())
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
