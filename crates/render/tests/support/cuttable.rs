//! A line between a program and a server that a test cuts, stalls and heals.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// How the line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Everything passes.
    Whole,
    /// Connections are made and stay, and nothing passes: as where packets get lost. It passes once it is healed.
    Stalled,
    /// Connections end, and new ones end at once.
    Cut,
}

#[derive(Debug)]
struct Line {
    state: Mutex<(State, Option<Vec<u8>>)>,
    changed: Condvar,
    connections: Mutex<Vec<TcpStream>>,
}

/// A line to a port of this machine; its threads end with the test's process.
#[derive(Debug)]
pub(crate) struct Cuttable {
    pub(crate) port: u16,
    to: u16,
    line: Arc<Line>,
}

impl Cuttable {
    /// A line to a port of this machine.
    pub(crate) fn to(port: u16) -> Cuttable {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap().port();
        let state = Mutex::new((State::Whole, None));
        let line = Arc::new(Line { state, changed: Condvar::new(), connections: Mutex::default() });
        let shared = line.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let line = shared.clone();
                std::thread::spawn(move || line.carry(near, port));
            }
        });
        Cuttable { port: own, to: port, line }
    }

    /// An address of the server, by way of this line.
    pub(crate) fn address(&self, address: &str) -> String {
        let through = address.replace(&format!(":{}", self.to), &format!(":{}", self.port));
        assert_ne!(through, address);
        through
    }

    /// Ends all connections, and lets none be made.
    pub(crate) fn cut(&self) {
        self.line.set(State::Cut);
        for connection in self.line.connections.lock().unwrap().drain(..) {
            // It may have ended by itself.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Lets nothing pass from now on, without a word to either side.
    pub(crate) fn stall(&self) {
        self.line.set(State::Stalled);
    }

    /// Lets nothing pass from the moment that a client says certain words, these included.
    pub(crate) fn stall_before(&self, words: &str) {
        self.line.state.lock().unwrap().1 = Some(words.as_bytes().to_vec());
    }

    /// Waits until the words came; answers whether they did.
    pub(crate) fn wait_until_stalled(&self) -> bool {
        let state = self.line.state.lock().unwrap();
        let whole = |(state, _): &mut (State, Option<Vec<u8>>)| *state == State::Whole;
        let (state, _) = self.line.changed.wait_timeout_while(state, Duration::from_secs(20), whole).unwrap();
        state.0 == State::Stalled
    }

    /// Lets everything pass again; what was held up goes on first.
    pub(crate) fn heal(&self) {
        self.line.set(State::Whole);
    }
}

impl Line {
    fn set(&self, state: State) {
        *self.state.lock().unwrap() = (state, None);
        self.changed.notify_all();
    }

    /// Waits until something may pass; answers whether it may.
    fn may_pass(&self, bytes: &[u8]) -> bool {
        let mut state = self.state.lock().unwrap();
        let said = |words: &Vec<u8>| bytes.windows(words.len()).any(|window| window == words);
        if state.1.as_ref().is_some_and(said) {
            *state = (State::Stalled, None);
            self.changed.notify_all();
        }
        let state = self.changed.wait_while(state, |(state, _)| *state == State::Stalled).unwrap();
        state.0 == State::Whole
    }

    fn carry(self: Arc<Line>, near: TcpStream, port: u16) {
        if !self.may_pass(&[]) {
            return;
        }
        let Ok(far) = TcpStream::connect(("127.0.0.1", port)) else { return };
        let twice = |stream: &TcpStream| stream.try_clone().unwrap();
        self.connections.lock().unwrap().extend([twice(&near), twice(&far)]);
        let (back, other) = (self.clone(), (twice(&far), twice(&near)));
        std::thread::spawn(move || back.pump(other.0, other.1));
        self.pump(near, far);
    }

    fn pump(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = from.read(&mut buffer).unwrap_or(0);
            // An end has to wait its turn like everything else.
            let passes = self.may_pass(&buffer[..count]);
            if count == 0 || !passes || to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    }
}
