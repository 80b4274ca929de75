//! What can be changed of a completion queue that is in use: its depth, and how its notifications are
//! moderated.

use super::Cq;
use crate::backend::Refused;
use crate::device::moderation::Moderation;
use crate::ndk::{AdapterFlags, Error, Request, Status, pd};
use crate::time::Span;

const RESIZE: &str = "NdkResizeCq";
const MODERATE: &str = "NdkControlCqInterruptModeration";

/// MAXULONG: no bound from this side.
const NO_BOUND: u32 = u32::MAX;
const NANOS_PER_MICRO: u64 = 1000;

impl Cq {
    /// Changes how many completions the queue holds, under traffic (`NdkResizeCq`).
    ///
    /// No completion is lost, doubled or moved (CQ-28), and the arm stays (CQ-30). An overrun is judged by
    /// the new depth from the moment the call is done. A second resize waits until the first is through.
    /// Memory that the deepest depth so far needed is kept until the queue is closed.
    ///
    /// # Errors
    /// INVALID_PARAMETER: `depth` is 0 or above [`max_cq_depth`](crate::ndk::AdapterInfo::max_cq_depth)
    /// (CQ-27). BUFFER_OVERFLOW: more completions than that are in the queue; nothing has changed (CQ-29).
    /// NOT_SUPPORTED: the adapter was opened without [`AdapterFlags::CQ_RESIZE_SUPPORTED`].
    pub fn resize(&self, depth: u32) -> Request<()> {
        let resize = || {
            self.judge_resize(depth)?;
            self.cq.resize(depth).map_err(|error| match error {
                Refused::Crowded(crowded) => Error::new(RESIZE, Status::BUFFER_OVERFLOW)
                    .with_argument("CqDepth", depth)
                    .with_limit(format!("at least {}, the completions in it", crowded.entries))
                    .with_hint("poll some completions first, or ask for more; nothing was changed")
                    .with_source(crowded),
                other => pd::refused(RESIZE, other),
            })
        };
        self.adapter.call(RESIZE, self.cq.life(), resize)
    }

    fn judge_resize(&self, depth: u32) -> Result<(), Error> {
        self.demand(RESIZE, AdapterFlags::CQ_RESIZE_SUPPORTED, "CQ_RESIZE_SUPPORTED")?;
        let limit = self.adapter.limits().max_cq_depth;
        if depth == 0 || depth > limit {
            return Err(Error::new(RESIZE, Status::INVALID_PARAMETER)
                .with_argument("CqDepth", depth)
                .with_limit(limit)
                .with_hint("ask for at least 1 and at most MaxCqDepth entries"));
        }
        Ok(())
    }

    /// Holds notifications back until `count` completions or `interval` microseconds have come
    /// (`NdkControlCqInterruptModeration`).
    ///
    /// Completions count that are new since the last notification and in the queue when the arm is satisfied,
    /// and those that come afterwards; the interval begins with the completion that satisfies the arm, by the
    /// clock of the NET. What is reached first counts. [`u32::MAX`] in one leaves it to the other; interval
    /// 0, or count 0 or 1, is no moderation, as after creation. A count above the depth counts as the
    /// depth.
    ///
    /// A notification that is held when the call is made comes at once. Overrun and failure of the queue are
    /// told without delay, and its close drops what is held. [`wait`](Cq::wait) and
    /// [`completions`](Cq::completions) are notifications too.
    ///
    /// # Errors
    /// NOT_SUPPORTED: the adapter was opened without [`AdapterFlags::CQ_INTERRUPT_MODERATION_SUPPORTED`]
    /// (CQ-32). INVALID_PARAMETER_MIX: both are [`u32::MAX`], or the interval is and the count is above the
    /// depth, so that no notification need ever come (CQ-33).
    pub fn control_interrupt_moderation(&self, interval: u32, count: u32) -> Result<(), Error> {
        let flag = AdapterFlags::CQ_INTERRUPT_MODERATION_SUPPORTED;
        self.demand(MODERATE, flag, "CQ_INTERRUPT_MODERATION_SUPPORTED")?;
        let depth = self.depth();
        if interval == NO_BOUND && count > depth {
            return Err(Error::new(MODERATE, Status::INVALID_PARAMETER_MIX)
                .with_argument("ModerationCount", count)
                .with_limit(depth)
                .with_hint("give an interval, or a count of at most the depth"));
        }
        let nanos = u64::from(interval) * NANOS_PER_MICRO;
        self.cq.moderate(Moderation {
            interval: (interval != NO_BOUND).then(|| Span::from_nanos(nanos)),
            count: (count != NO_BOUND).then_some(count),
        });
        Ok(())
    }

    /// The adapter was opened with that flag.
    fn demand(&self, call: &'static str, flag: AdapterFlags, name: &str) -> Result<(), Error> {
        if self.adapter.flags().contains(flag) {
            return Ok(());
        }
        let hint = format!("open the adapter with AdapterFlags::{name}");
        Err(Error::new(call, Status::NOT_SUPPORTED).with_hint(hint))
    }
}
