//! A program that is waited for while other things happen.

use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

pub(crate) struct Process {
    pid: Pid,
    ended: Receiver<i32>,
    code: Option<i32>,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Process {
        let mut child = command.spawn().unwrap();
        let (tell, ended) = channel();
        let pid = Pid::from_child(&child);
        std::thread::spawn(move || {
            // Nobody may be waiting any more.
            let _ = tell.send(child.wait().unwrap().code().unwrap_or(-1));
        });
        Process { pid, ended, code: None }
    }

    /// Waits for its end for so long; answers its exit code, -1 where a signal has ended it.
    pub(crate) fn wait(&mut self, longest: Duration) -> Option<i32> {
        self.code = self.code.or_else(|| self.ended.recv_timeout(longest).ok());
        self.code
    }

    /// Sends it a signal, unless it has ended.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.wait(Duration::ZERO).is_none() {
            // It may end in this moment.
            let _ = kill_process(self.pid, signal);
        }
    }

    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        assert!(self.wait(Duration::from_secs(60)).is_some(), "nothing outlives that");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.wait(Duration::from_secs(10));
    }
}
