//! Group commit: one flush at a time, for all who wait.
//!
//! A flush closes the open block if somebody waits for a record in it, writes all closed blocks, waits for
//! the writes to end, syncs once for each container touched, publishes the new LSN and wakes everybody. What
//! is appended meanwhile makes the next flush. No thread belongs to it: it goes on where the storage's
//! completions run.

use super::block::{self, Header, Link};
use super::container::Container;
use super::core::Core;
use super::error::{LogError, LogStatus};
use super::lsn::{Lsn, SECTOR};
use super::planted;
use super::state::{Stage, State};
use crate::fabric::storage::{Buffer, Done, Join, StorageError};
use crate::sync::Ordering;
use std::collections::BTreeMap;
use std::future::Future;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

/// A flush that was asked for; done when all records up to its LSN are stable.
///
/// Await it, or [`wait`](Self::wait) for it. It gives the oldest LSN that is *not* stable, which is above the
/// one asked for; with everything stable it is the one that the next record will have (LOG-4). Dropped, the
/// flush goes on, and nobody is told.
///
/// # Errors
/// LOG_APPENDED_FLUSH_FAILED where a write or sync failed; what is not stable stays in memory, see
/// [`MarshallingArea::rewrite`](super::MarshallingArea::rewrite).
#[must_use = "a flush has not ended before this says so"]
#[derive(Debug)]
pub struct Flush {
    core: Arc<Core>,
    call: &'static str,
    form: Form,
}

#[derive(Debug)]
enum Form {
    /// Refused.
    Refused(LogError),
    /// Done when this record is stable; `None`: there was nothing to do.
    Record(Option<Lsn>, Option<u64>),
}

impl Flush {
    pub(super) fn refused(core: &Arc<Core>, call: &'static str, why: LogError) -> Self {
        Self { core: Arc::clone(core), call, form: Form::Refused(why) }
    }

    pub(super) fn new(core: &Arc<Core>, call: &'static str, record: Option<Lsn>) -> Self {
        Self { core: Arc::clone(core), call, form: Form::Record(record, None) }
    }

    /// Blocks until it is done.
    ///
    /// Not in a callback of storage.
    ///
    /// # Errors
    /// Those of the flush.
    pub fn wait(mut self) -> Result<Lsn, LogError> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        loop {
            match Pin::new(&mut self).poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(result) => return result,
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Future for Flush {
    type Output = Result<Lsn, LogError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        match &mut this.form {
            Form::Refused(why) => Poll::Ready(Err(why.clone())),
            Form::Record(record, id) => this.core.poll_flush(this.call, *record, id, context.waker()),
        }
    }
}

/// A block that this flush writes, with its image if it was sealed before.
struct Closed {
    lsn: Lsn,
    records: Arc<Vec<u8>>,
    count: u32,
    image: Option<Buffer>,
}

/// What a flush has to do at first.
struct Batch {
    blocks: Vec<Closed>,
    identity: (u128, u64),
    sealed: Link,
    usn: u8,
}

impl State {
    /// Takes what is to be written, if a flush is due and none runs.
    fn take_batch(&mut self) -> Option<Batch> {
        if self.running || self.failed.is_some() {
            return None;
        }
        if let (Some(wanted), Some(open)) = (self.wanted, &self.open) {
            if wanted >= open.lsn {
                self.close_open();
            }
        }
        let to_sync = self.sync_wanted();
        let to_write = to_sync || self.writing_wanted;
        self.writing_wanted = false;
        let closed = self.unstable.iter_mut().filter(|block| to_write && block.stage == Stage::Closed);
        let blocks: Vec<_> = closed
            .map(|block| {
                block.stage = Stage::Writing;
                let (records, image) = (Arc::clone(&block.records), block.image.clone());
                Closed { lsn: block.lsn, records, count: block.count, image }
            })
            .collect();
        if blocks.is_empty() && !to_sync {
            return None;
        }
        self.running = true;
        Some(Batch { blocks, identity: self.identity, sealed: self.sealed, usn: self.usn })
    }

    /// Something that is wanted is not stable yet.
    fn sync_wanted(&self) -> bool {
        self.wanted.is_some_and(|wanted| wanted >= self.flushed) && !self.unstable.is_empty()
    }

    /// Notes the images of blocks that were sealed, and gives the writes by container.
    fn writes(&mut self, images: Vec<(Lsn, Buffer)>, sealed: Link, usn: u8) -> Vec<Writes> {
        (self.sealed, self.usn) = (sealed, usn);
        let mut writes: BTreeMap<u32, Vec<(u64, Buffer)>> = BTreeMap::new();
        for (lsn, image) in images {
            let offset = u64::from(lsn.block_offset());
            writes.entry(lsn.container()).or_default().push((offset, Arc::clone(&image)));
            if let Some(block) = self.unstable.iter_mut().find(|block| block.lsn == lsn) {
                block.image = Some(image);
            }
        }
        writes.into_iter().map(|(number, writes)| (self.container(number), writes)).collect()
    }

    /// The ranges that a sync must cover, and the LSN below which all is stable then.
    fn syncs(&mut self) -> (Vec<Sync>, Option<(Lsn, Link)>) {
        let mut ranges: BTreeMap<u32, Range<u64>> = BTreeMap::new();
        let mut end = None;
        for block in self.unstable.iter_mut().take_while(|block| block.stage != Stage::Closed) {
            block.stage = Stage::Written;
            let begin = u64::from(block.lsn.block_offset());
            let length = block::sectors(block.records.len()) * SECTOR;
            let range = ranges.entry(block.lsn.container()).or_insert(begin..begin);
            range.end = range.end.max(begin + length);
            let crc = block.image.as_deref().map_or(0, |image| block::crc_of(image));
            end = Some((block.end, Link { lsn: block.lsn, crc }));
        }
        (ranges.into_iter().map(|(number, range)| (self.container(number), range)).collect(), end)
    }
}

type Writes = (Arc<dyn Container>, Vec<(u64, Buffer)>);
type Sync = (Arc<dyn Container>, Range<u64>);

impl Core {
    /// Asks for all records up to that one, and starts a flush if none runs.
    pub(super) fn want(self: &Arc<Self>, record: Lsn) {
        {
            let mut state = self.state();
            state.wanted = state.wanted.max(Some(record));
        }
        self.begin();
    }

    /// Starts a flush if one is due and none runs.
    pub(super) fn begin(self: &Arc<Self>) {
        let Some(batch) = self.state().take_batch() else { return };
        let Batch { blocks, identity, mut sealed, mut usn } = batch;
        let seal = |Closed { lsn, records, count, image }: Closed| {
            if let Some(image) = image {
                return (lsn, image); // once more, as it was
            }
            let (log, incarnation) = identity;
            let header = Header { log, incarnation, lsn, records: count, usn, before: sealed };
            let (image, crc) = block::seal(&header, &records);
            (sealed, usn) = (Link { lsn, crc }, usn.wrapping_add(1));
            (lsn, Arc::new(image))
        };
        let images = blocks.into_iter().map(seal).collect();
        let writes = self.state().writes(images, sealed, usn);
        let core = Arc::clone(self);
        let join = Join::new(Done::new(move |result| core.written(result)));
        writes.into_iter().for_each(|(container, writes)| container.write(writes, join.one()));
    }

    /// All writes have ended, so a sync that begins now covers them.
    fn written(self: &Arc<Self>, result: Result<(), StorageError>) {
        if let Err(error) = result {
            return self.fail(error);
        }
        let (syncs, end) = {
            let mut state = self.state();
            let (syncs, end) = state.syncs();
            if !state.sync_wanted() {
                state.running = false;
                drop(state);
                return self.begin();
            }
            (syncs, end)
        };
        if planted!(FlushReturnsEarly, "a flush tells success when the blocks are written, before any sync") {
            return self.synced(Ok(()), end);
        }
        let core = Arc::clone(self);
        let join = Join::new(Done::new(move |result| core.synced(result, end)));
        syncs.into_iter().for_each(|(container, range)| container.sync(range, join.one()));
    }

    fn synced(self: &Arc<Self>, result: Result<(), StorageError>, end: Option<(Lsn, Link)>) {
        if let Err(error) = result {
            return self.fail(error);
        }
        let wakers = {
            let mut state = self.state();
            if let Some((flushed, stable)) = end {
                while state.unstable.front().is_some_and(|block| block.end <= flushed) {
                    state.unstable.pop_front();
                }
                (state.flushed, state.stable) = (flushed, stable);
            }
            if planted!(FlushCoversLateComers, "a flush acknowledges what was appended while it ran") {
                state.flushed = state.next();
            }
            state.running = false;
            self.publish(&state);
            state.waiters_done()
        };
        self.begin(); // before those who waited are woken, so that the disk has no pause
        wake_all(wakers);
    }

    /// What is not stable stays in memory, in doubt; who waits for it is told.
    fn fail(self: &Arc<Self>, error: StorageError) {
        tracing::error!(target: "qpair", %error, "a flush of the log failed; it takes no records until it is rewritten");
        let wakers: Vec<Waker> = {
            let mut state = self.state();
            state.failed = Some(error);
            state.running = false;
            std::mem::take(&mut state.waiters).into_values().map(|(_, waker)| waker).collect()
        };
        wake_all(wakers);
    }

    /// Writes all blocks that are not stable to their places again; a sync alone could say success without
    /// having written, after one that failed.
    pub(super) fn rewrite(self: &Arc<Self>) -> Flush {
        const CALL: &str = "MarshallingArea::rewrite";
        if let Err(error) = self.mend(CALL) {
            return Flush::refused(self, CALL, error);
        }
        let last = {
            let mut state = self.state();
            state.failed = None;
            if !planted!(RetryWithoutRewrite, "after a failed sync the sync alone is tried again") {
                let again = state.unstable.iter_mut().filter(|block| block.stage != Stage::Closed);
                again.for_each(|block| block.stage = Stage::Closed);
            }
            state.close_open();
            state.unstable.back().map(|block| block.lsn)
        };
        if let Some(last) = last {
            self.want(last);
        }
        Flush::new(self, CALL, last)
    }

    /// Makes the medium usable again, unless somebody else has had the log meanwhile.
    fn mend(&self, call: &'static str) -> Result<(), LogError> {
        let control = self.control();
        self.medium.mend(call, &|base| control.slots.check_still_ours(call, base))
    }

    pub(super) fn publish(&self, state: &State) {
        // Release: who sees the LSN sees what the appender of its record did before.
        self.flushed.store(state.flushed.as_u64(), Ordering::Release);
    }

    fn poll_flush(
        self: &Arc<Self>,
        call: &'static str,
        record: Option<Lsn>,
        id: &mut Option<u64>,
        waker: &Waker,
    ) -> Poll<Result<Lsn, LogError>> {
        let flushed = Lsn::from_u64(self.flushed.load(Ordering::Acquire)); // pairs with `publish`
        if record.is_none_or(|record| record < flushed) {
            return Poll::Ready(Ok(flushed));
        }
        let mut state = self.state();
        let Some(record) = record.filter(|record| *record >= state.flushed) else {
            return Poll::Ready(Ok(state.flushed));
        };
        if let Some(cause) = &state.failed {
            let status = LogStatus::LOG_APPENDED_FLUSH_FAILED;
            return Poll::Ready(Err(LogError::storage(call, status, cause.clone())));
        }
        let number = *id.get_or_insert(state.next_waiter);
        state.next_waiter = state.next_waiter.max(number + 1);
        state.waiters.insert(number, (record, waker.clone()));
        Poll::Pending
    }
}

/// A waker is the user's code: one that panics keeps nobody else asleep, and its panic is told afterwards.
fn wake_all(wakers: Vec<Waker>) {
    let mut panicked = Ok(());
    for waker in wakers {
        panicked = panicked.and(catch_unwind(AssertUnwindSafe(|| waker.wake())));
    }
    panicked.unwrap_or_else(|payload| resume_unwind(payload));
}

impl State {
    fn waiters_done(&mut self) -> Vec<Waker> {
        let flushed = self.flushed;
        let (done, rest) =
            std::mem::take(&mut self.waiters).into_iter().partition(|(_, (lsn, _))| *lsn < flushed);
        self.waiters = rest;
        let done: BTreeMap<u64, (Lsn, Waker)> = done;
        done.into_values().map(|(_, waker)| waker).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    struct Counts(Mutex<u32>);

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            let mut woken = self.0.lock().unwrap();
            *woken += 1;
            let first = *woken == 1;
            drop(woken);
            assert!(!first, "the first one is woken badly");
        }
    }

    #[test]
    fn a_waker_that_panics_keeps_nobody_asleep() {
        let counts = Arc::new(Counts(Mutex::new(0)));
        let wakers = (0..3).map(|_| Waker::from(Arc::clone(&counts))).collect();
        let told = catch_unwind(AssertUnwindSafe(|| wake_all(wakers)));
        assert!(told.is_err(), "the panic is told");
        assert_eq!(*counts.0.lock().unwrap(), 3);
    }
}
