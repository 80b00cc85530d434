//! Entries that come at the same time go to the disk together: one synchronisation serves them all.
//!
//! Whoever finds the pen free writes for everybody who waits. Each entry succeeds or fails by itself (a savepoint
//! each), and nobody hears of success before all of it is on disk.

use std::sync::{Mutex, PoisonError};

use seedpost_core::cost::{Reservation, Usd};
use seedpost_core::job::{Event, Take};
use seedpost_core::shot::TakeId;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::oneshot;

use super::{Ledger, LedgerError, read_budget};

/// The most entries of one transaction.
const MOST: usize = 256;

/// What an entry comes to.
type Written = Result<(Take, Option<Reservation>), LedgerError>;

/// What is to be written.
#[derive(Debug)]
pub(super) enum Entry {
    /// An event that costs nothing.
    Event(Event),
    /// The intent to send a request of this price.
    Intent { body: serde_json::Value, price: Usd },
}

#[derive(Debug)]
struct Waiting {
    id: TakeId,
    seq: u64,
    entry: Entry,
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

    fn take(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(MOST);
        waiting.drain(..count).collect()
    }
}

fn answer(to: oneshot::Sender<Written>, written: Written) {
    // Nobody may be waiting any more.
    let _ = to.send(written);
}

impl Ledger {
    /// Writes an entry, together with what others have waiting; it is on disk when this returns.
    pub(super) async fn write(&self, id: &TakeId, seq: u64, entry: Entry) -> Written {
        let (answer, mut own) = oneshot::channel();
        self.queue.push(Waiting { id: id.clone(), seq, entry, answer });
        loop {
            let _pen = self.queue.pen.lock().await;
            match own.try_recv() {
                Ok(written) => return written,
                // Whoever wrote for us was dropped in the middle: nobody can say what is on disk.
                Err(oneshot::error::TryRecvError::Closed) => return Err(self.lost("the writing was broken off")),
                Err(oneshot::error::TryRecvError::Empty) => self.write_all(self.queue.take()).await,
            }
        }
    }

    /// After a failure of the database nothing of the batch counts, and the connection is closed: SQLite may have
    /// rolled back by itself, and what the pool believes of the connection would be wrong.
    async fn write_all(&self, waiting: Vec<Waiting>) {
        let mut waiting = waiting.into_iter();
        let mut written = Vec::with_capacity(waiting.len());
        let trouble = match self.pool.acquire().await {
            Err(error) => Some(error.to_string()),
            Ok(mut connection) => {
                let trouble = self.write_on(&mut connection, &mut waiting, &mut written).await.err();
                if trouble.is_some() {
                    let _ = connection.close().await;
                }
                trouble.map(|error| error.to_string())
            }
        };
        let Some(trouble) = trouble else {
            written.into_iter().for_each(|(to, written)| answer(to, written));
            return;
        };
        let rest = waiting.map(|waiting| waiting.answer);
        written.into_iter().map(|(to, _)| to).chain(rest).for_each(|to| answer(to, Err(self.lost(&trouble))));
    }

    /// Writes entries in one transaction; an error of one of them alone goes to it alone.
    async fn write_on(
        &self,
        connection: &mut SqliteConnection,
        waiting: &mut impl Iterator<Item = Waiting>,
        written: &mut Vec<(oneshot::Sender<Written>, Written)>,
    ) -> Result<(), LedgerError> {
        let begun = connection.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(|error| self.failed(error))?;
        for Waiting { id, seq, entry, answer } in waiting {
            let one = self.write_one(&mut transaction, &id, seq, entry).await;
            let broken = matches!(one, Err(LedgerError::Database { .. }));
            written.push((answer, one));
            if broken {
                return Err(self.lost("an entry could not be written"));
            }
        }
        transaction.commit().await.map_err(|error| self.failed(error))
    }

    async fn write_one(&self, connection: &mut SqliteConnection, id: &TakeId, seq: u64, entry: Entry) -> Written {
        let mut savepoint = connection.begin().await.map_err(|error| self.failed(error))?;
        let (event, reservation) = match entry {
            Entry::Event(event) => (event, None),
            Entry::Intent { body, price } => {
                let mut budget = read_budget(&mut savepoint).await.map_err(|error| self.failed(error))?;
                let reservation = budget.reserve(price)?;
                (Event::SubmitIntended { body, reserved: reservation.amount() }, Some(reservation))
            }
        };
        let take = self.append_in(&mut savepoint, id, seq, event).await?;
        savepoint.commit().await.map_err(|error| self.failed(error))?;
        Ok((take, reservation))
    }

    fn lost(&self, what: &str) -> LedgerError {
        self.failed(sqlx::Error::Protocol(what.to_owned()))
    }
}
