//! The checks of CQ-27 to CQ-30 and CQ-32 to CQ-35: resize and interrupt moderation.

use super::prelude::*;
use crate::conformance::time::Time;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;
use std::time::Duration;

/// MAXULONG: no bound from this side.
const NO_BOUND: u32 = u32::MAX;

/// The adapter can resize completion queues.
fn can_resize(adapter: &Adapter) -> Outcome {
    if adapter.info().adapter_flags.contains(AdapterFlags::CQ_RESIZE_SUPPORTED) {
        return Ok(());
    }
    lacks("CQ_RESIZE_SUPPORTED")
}

pub(super) fn cq_27(bench: &Bench) -> Outcome {
    let adapter = bench.adapter()?;
    can_resize(&adapter)?;
    let (cq, limit) = (cq(&adapter, 4)?, adapter.info().max_cq_depth);
    for depth in [limit.saturating_add(1), u32::MAX] {
        let what = format!("a resize to {depth}, the limit being {limit}");
        cq.resize(depth).fails(Status::INVALID_PARAMETER, &what)?;
    }
    cq.resize(limit).done("a resize to the limit")
}

/// Receives of one queue pair, `EACH` in all, of which at most a window is pending.
fn produce(qp: &Qp, granted: &mpsc::Receiver<()>, each: u64) -> Outcome {
    for context in 0..each {
        if granted.recv_timeout(PATIENCE).is_err() {
            return wrong("completions stopped coming");
        }
        qp.receive(context, &[])?;
        qp.flush();
    }
    Ok(())
}

pub(super) fn cq_28(bench: &Bench) -> Outcome {
    const PRODUCERS: u64 = 4;
    const EACH: u64 = 1000;
    const WINDOW: u64 = 16;
    let adapter = bench.adapter()?;
    can_resize(&adapter)?;
    let pd = adapter.create_pd().done("NdkCreatePd")?;
    let cq = adapter.create_cq(64, CqNotify::None).done("NdkCreateCq")?;
    let qps: Vec<Qp> = (0..PRODUCERS)
        .map(|qp| pd.create_qp(QpDescription::new(&cq).context(qp)).done("NdkCreateQp"))
        .collect::<Outcome<_>>()?;
    let mut seen: Vec<Vec<u64>> = vec![Vec::new(); PRODUCERS as usize];
    let (cq, (goes_on, over)) = (&cq, mpsc::channel::<()>());
    thread::scope(|scope| -> Outcome {
        let (mut windows, mut threads) = (Vec::new(), Vec::new());
        for qp in &qps {
            let (grant, granted) = mpsc::channel();
            let _room = (0..WINDOW).try_for_each(|_| grant.send(()));
            threads.push(scope.spawn(move || produce(qp, &granted, EACH)));
            windows.push(grant);
        }
        // Room for all that can be in it is left at any time.
        threads.push(scope.spawn(move || -> Outcome {
            for depth in [64, 256, 65, 1000, 100, 5000, 64].into_iter().cycle() {
                if over.try_recv() == Err(TryRecvError::Disconnected) {
                    break;
                }
                cq.resize(depth).done("a resize under traffic")?;
            }
            Ok(())
        }));
        let polled = poll_all(bench, cq, &windows, &mut seen, PRODUCERS * EACH);
        drop((goes_on, windows));
        threads.into_iter().try_for_each(joined)?;
        polled
    })?;
    for (qp, contexts) in seen.iter().enumerate() {
        ensure!(contexts.iter().copied().eq(0..EACH), "queue pair {qp}: not each once and in order");
    }
    bench.quiet(cq, "after every completion")
}

/// Polls that many completions, granting each queue pair another request for each of its own.
fn poll_all(
    bench: &Bench,
    cq: &Cq,
    windows: &[mpsc::Sender<()>],
    seen: &mut [Vec<u64>],
    count: u64,
) -> Outcome {
    let (mut polled, mut empty) = (0, 0_u64);
    let mut place = [Completion::default()];
    while polled < count {
        if cq.poll(&mut place) == 0 {
            empty += 1;
            ensure!(empty < 200_000_000 && !cq.has_overrun(), "{polled} of {count} came");
            bench.settle();
            continue;
        }
        (polled, empty) = (polled + 1, 0);
        let qp = place[0].qp_context as usize;
        seen[qp].push(place[0].request_context);
        let _all_sent = windows[qp].send(());
    }
    Ok(())
}

pub(super) fn cq_29(bench: &Bench) -> Outcome {
    let noted = Noted::new(bench, 8)?;
    can_resize(&noted.adapter)?;
    (0..3).try_for_each(|context| noted.entry(context))?;
    noted.fills(3, "three entries")?;
    noted.cq.resize(2).fails(Status::BUFFER_OVERFLOW, "a resize to 2 with 3 entries")?;
    (3..8).try_for_each(|context| noted.entry(context))?;
    noted.brings(&[0, 1, 2, 3, 4, 5, 6, 7], "eight entries in what is still a queue of eight")?;
    (0..3).try_for_each(|context| noted.entry(context))?;
    noted.fills(3, "three entries again")?;
    noted.cq.resize(3).done("a resize to 3 with 3 entries")?;
    noted.brings(&[0, 1, 2], "the entries afterwards")
}

pub(super) fn cq_30(bench: &Bench) -> Outcome {
    let noted = Noted::new(bench, 2)?;
    can_resize(&noted.adapter)?;
    for depth in [64, 2] {
        noted.cq.arm(NotifyType::Any);
        noted.cq.resize(depth).done("a resize of an armed queue")?;
        noted.calls.none(bench, "the resize by itself")?;
        noted.entry(1)?;
        noted.calls.exactly(1, bench, "an entry after the resize")?;
        ensure_eq!(noted.poll(4), [1], "the entry");
    }
    Ok(())
}

/// An adapter with moderation, and its time.
fn moderating(bench: &Bench) -> Outcome<(Noted, Time)> {
    let flags = bench.adapter()?.info().adapter_flags;
    if !flags.contains(AdapterFlags::CQ_INTERRUPT_MODERATION_SUPPORTED) {
        return lacks("CQ_INTERRUPT_MODERATION_SUPPORTED");
    }
    let (adapter, time) = bench.timed(|options| options)?;
    Ok((Noted::on(adapter, 8)?, time))
}

pub(super) fn cq_32(bench: &Bench) -> Outcome {
    let flags = bench.adapter()?.info().adapter_flags;
    let without = AdapterFlags(flags.0 & !AdapterFlags::CQ_INTERRUPT_MODERATION_SUPPORTED.0);
    let adapter = bench.adapter_with(|options| options.flags(without))?;
    let cq = cq(&adapter, 8)?;
    let call = cq.control_interrupt_moderation(10, 2);
    failed(call, Status::NOT_SUPPORTED, "moderation without the adapter flag")?;
    Ok(())
}

pub(super) fn cq_33(bench: &Bench) -> Outcome {
    let (noted, _time) = moderating(bench)?;
    for count in [NO_BOUND, 9] {
        let call = noted.cq.control_interrupt_moderation(NO_BOUND, count);
        let what = format!("interval MAXULONG and count {count}, of a queue of 8");
        failed(call, Status::INVALID_PARAMETER_MIX, &what)?;
    }
    noted.cq.control_interrupt_moderation(NO_BOUND, 8)?;
    Ok(noted.cq.control_interrupt_moderation(100, NO_BOUND)?)
}

pub(super) fn cq_34(bench: &Bench) -> Outcome {
    let (noted, _time) = moderating(bench)?;
    noted.cq.control_interrupt_moderation(1000, 8)?;
    noted.cq.control_interrupt_moderation(0, 8)?;
    for context in 0..3 {
        noted.cq.arm(NotifyType::Any);
        noted.entry(context)?;
        noted.calls.exactly(1, bench, "an entry with interval 0, on a clock that stands still")?;
        ensure_eq!(noted.poll(8), [context], "the entry");
    }
    Ok(())
}

pub(super) fn cq_35(bench: &Bench) -> Outcome {
    let (noted, time) = moderating(bench)?;
    let interval = Duration::from_secs(1);
    noted.cq.control_interrupt_moderation(1_000_000, 3)?;
    noted.cq.arm(NotifyType::Any);
    (0..2).try_for_each(|context| noted.entry(context))?;
    noted.fills(2, "two entries")?;
    noted.calls.none(bench, "two entries, of a count of three")?;
    noted.entry(2)?;
    noted.calls.exactly(1, bench, "the third entry")?;
    ensure_eq!(noted.poll(8), [0, 1, 2], "the entries");
    noted.cq.arm(NotifyType::Any);
    noted.entry(3)?;
    noted.fills(1, "the entry")?; // with which the interval begins
    time.nearly(bench, interval);
    noted.calls.none(bench, "just before the interval is over")?;
    time.over();
    noted.calls.exactly(1, bench, "the end of the interval")?;
    ensure_eq!(noted.poll(8), [3], "the entry");
    Ok(())
}
