//! Entries that come at the same time go to the disk together: one synchronisation serves them all.
//!
//! Whoever finds the pen free writes for everybody who waits. Each group of entries succeeds or fails by itself, and
//! nobody hears of success before all of it is on disk.

use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

use super::database::{Held, Pool, within};
use super::page::{Entered, Entry, Page};
use super::{Ledger, LedgerError, words};
use crate::cut;

/// The most groups of one transaction.
const MOST: usize = 256;

/// What a group of entries comes to.
type Written = Result<Vec<Entered>, LedgerError>;

#[derive(Debug)]
struct Waiting {
    group: Vec<Entry>,
    answer: oneshot::Sender<Written>,
}

/// Entries that wait, and the pen.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Vec<Waiting>>,
    pen: tokio::sync::Mutex<()>,
}

impl Queue {
    fn push(&self, waiting: Waiting) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(waiting);
    }

    fn take(&self) -> (Vec<Vec<Entry>>, Vec<oneshot::Sender<Written>>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(MOST);
        waiting.drain(..count).map(|waiting| (waiting.group, waiting.answer)).unzip()
    }
}

impl Ledger {
    /// Writes a group of entries, all or none, together with what others have waiting; it is on disk when this
    /// returns.
    pub(super) async fn write(&self, group: Vec<Entry>) -> Written {
        self.writable()?;
        let (answer, mut own) = oneshot::channel();
        self.queue.push(Waiting { group, answer });
        loop {
            let _pen = self.queue.pen.lock().await;
            match own.try_recv() {
                Ok(written) => return written,
                // Whoever wrote for us was dropped in the middle: nobody can say what is on disk.
                Err(oneshot::error::TryRecvError::Closed) => return Err(self.lost("the writing was broken off")),
                Err(oneshot::error::TryRecvError::Empty) => self.write_waiting().await,
            }
        }
    }

    /// After a failure of the database nothing counts, and the connection is closed: SQLite may have rolled back by
    /// itself, and what the pool believes of the connection would be wrong. A server that does not answer is a failure
    /// too; what it has written after all is found by whoever reads next.
    async fn write_waiting(&self) {
        let (groups, answers) = self.queue.take();
        // A task of its own: nobody who stops waiting breaks it off, and leaves a connection in a state that nobody knows.
        let written = tokio::spawn(write(self.pool.clone(), groups)).await;
        let written = written.unwrap_or_else(|error| Err(sqlx::Error::Protocol(error.to_string())));
        let all: Vec<Written> = match written {
            Ok(written) => written,
            Err(error) => answers.iter().map(|_| Err(self.lost(&words(&error)))).collect(),
        };
        for (answer, written) in answers.into_iter().zip(all) {
            // Nobody may be waiting any more.
            let _ = answer.send(written);
        }
    }

    fn lost(&self, what: &str) -> LedgerError {
        self.failed(sqlx::Error::Protocol(what.to_owned()))
    }
}

async fn write(pool: Pool, groups: Vec<Vec<Entry>>) -> Result<Vec<Written>, sqlx::Error> {
    let mut held = pool.acquire().await?;
    let written = within(write_in(&mut held, groups)).await;
    if written.is_err() {
        held.close().await;
    }
    written
}

async fn write_in(held: &mut Held, groups: Vec<Vec<Entry>>) -> Result<Vec<Written>, sqlx::Error> {
    let mut open = held.begin().await?;
    let entries: Vec<&Entry> = groups.iter().flatten().collect();
    let mut page = Page::read(&mut open, &entries).await?;
    let written = groups.into_iter().map(|group| page.add_all(group)).collect();
    page.write(&mut open).await?;
    cut::here("before_commit");
    open.commit().await?;
    cut::here("after_commit");
    Ok(written)
}
