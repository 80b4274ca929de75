//! The groups that are compared, with the aim of each of qpair's contenders.

use qpair_benches::pairs::{self, Buffers, Request, World};
use qpair_benches::rings::{
    self, Completions, Peer, PlainWork, QuietCompletions, ReceiveWork, Rtrb, SharedArray, WIDE_DEPTH,
};
use qpair_benches::rounds::{Aim, Contender, Group, Ratio, Spread};
use qpair_benches::{file, floor, log, timing};
use std::cell::RefCell;
use std::error::Error;
use std::rc::Rc;
use std::time::Duration;

/// Runs work of so many items.
type Run<'w> = Box<dyn FnMut(u64) -> Duration + 'w>;

/// Every group that is wanted, its peers checked by a short run; one measurement takes about `milliseconds`.
pub fn all(wanted: &dyn Fn(&str) -> bool, milliseconds: f64) -> Vec<Group<'static>> {
    let makers: [fn(&'static str) -> Vec<Made>; 8] = [
        ring_groups,
        ping_pong_groups,
        write_groups,
        post_to_poll_groups,
        many_groups,
        log_groups,
        remote_log_groups,
        file_groups,
    ];
    let names = ["rings", "ping-pong", "write", "post-to-poll", "many", "log", "remote-log", "file"];
    let named = makers.into_iter().zip(names).filter(|(_, name)| wanted(name));
    let made = named.flat_map(|(make, name)| make(name));
    made.map(|made| made.group(milliseconds)).collect()
}

/// A group, its contenders each with what runs it.
struct Made {
    name: &'static str,
    about: &'static str,
    ratio: Ratio,
    contenders: Vec<(Contender, Run<'static>)>,
}

impl Made {
    fn group(self, milliseconds: f64) -> Group<'static> {
        let (contenders, mut runs): (Vec<_>, Vec<_>) = self.contenders.into_iter().unzip();
        let counts: Vec<u64> =
            runs.iter_mut().map(|run| count_for(run, milliseconds / SLICES as f64)).collect();
        let measure = move |contender: usize| measure(&mut runs[contender], counts[contender], milliseconds);
        Group {
            name: self.name,
            about: self.about,
            ratio: self.ratio,
            contenders,
            measure: Box::new(measure),
        }
    }
}

/// Slices of one measurement, the median of which is its figure: one in which a core was away does not count.
const SLICES: usize = 11;
/// A measurement on a machine that has other things to do ends when it took so many times as long as it
/// should.
const PATIENCE: f64 = 4.0;

/// Nanoseconds per item now.
fn measure(run: &mut Run<'_>, count: u64, milliseconds: f64) -> f64 {
    let (mut slices, mut spent) = (Vec::new(), 0.0);
    while slices.len() < SLICES && (slices.is_empty() || spent < PATIENCE * milliseconds * 1e6) {
        let nanoseconds = timing::nanoseconds(run(count));
        spent += nanoseconds;
        slices.push(nanoseconds / count as f64);
    }
    Spread::of(&slices).median
}

/// How many items take so long; finding out is also the check of a peer before it is timed.
fn count_for(run: &mut Run<'_>, milliseconds: f64) -> u64 {
    let mut count = 64;
    loop {
        let took = run(count).as_secs_f64() * 1e3;
        if took * 4.0 > milliseconds {
            return ((count as f64 * milliseconds / took) as u64).max(16);
        }
        count *= 2;
    }
}

fn contender(
    name: &'static str,
    aim: Aim,
    run: impl FnMut(u64) -> Duration + 'static,
) -> (Contender, Run<'static>) {
    (Contender::new(name).aim(aim), Box::new(run))
}

fn one_to_one<P: Peer>(batch: usize, aim: Aim) -> (Contender, Run<'static>) {
    contender(P::NAME, aim, move |items| {
        let mut ring = P::new();
        let (push, pop) = ring.ends();
        rings::one_to_one(push, pop, batch, items)
    })
}

/// What could be made, or nothing, and why.
fn had<T>(name: &str, made: Result<T, Box<dyn Error>>) -> Option<Rc<T>> {
    made.map(Rc::new).map_err(|error| eprintln!("{name}: left out: {error}")).ok()
}

/// Appends of a log against one `fdatasync` for each, in the folder that is current.
fn log_groups(name: &'static str) -> Vec<Made> {
    let made = had(name, log::Plain::new()).zip(had(name, log::Appends::local("log")));
    let Some((plain, local)) = made else { return Vec::new() };
    let mut contenders =
        vec![contender("write + fdatasync each", Aim::None, move |items| plain.one_sync_each(items))];
    for (name, appenders, aim) in [
        ("log, 1 appender", 1, Aim::None),
        ("log, 16 appenders", 16, Aim::None),
        ("log, 256 appenders", 256, Aim::AtLeast(50.0)),
    ] {
        let log = Rc::clone(&local);
        contenders.push(contender(name, aim, move |items| log.group_commit(appenders, items)));
    }
    let about = "records of 100 bytes made stable, appenders as tasks";
    vec![Made { name, about, ratio: Ratio::Speed, contenders }]
}

/// A log that lies with a peer against a local one, on the same file system.
fn remote_log_groups(name: &'static str) -> Vec<Made> {
    let made = had(name, log::Appends::local("beside-remote")).zip(had(name, log::Appends::remote()));
    let Some((local, remote)) = made else { return Vec::new() };
    let group = |about, appenders| {
        let (local, remote) = (Rc::clone(&local), Rc::clone(&remote));
        let contenders = vec![
            contender("local log", Aim::None, move |items| local.group_commit(appenders, items)),
            contender("remote log", Aim::AtMost(1.2), move |items| remote.group_commit(appenders, items)),
        ];
        Made { name, about, ratio: Ratio::Time, contenders }
    };
    vec![
        group("records of 100 bytes made stable, 1 appender", 1),
        group("records of 100 bytes made stable, 16 appenders as tasks", 16),
        group("records of 100 bytes made stable, 256 appenders as tasks", 256),
    ]
}

/// Writes through a buffer, to a file in the folder that is current and to nowhere.
fn file_groups(name: &'static str) -> Vec<Made> {
    let nowhere = Made {
        name,
        about: "writes of 100 bytes through a buffer of 8 KiB, to nowhere",
        ratio: Ratio::Speed,
        contenders: vec![
            contender("std's BufWriter", Aim::None, file::plain_to_nowhere),
            contender("ulp::file", Aim::None, file::mmio_to_nowhere),
        ],
    };
    let bench = match file::Bench::new() {
        Ok(bench) => Rc::new(RefCell::new(bench)),
        Err(error) => {
            eprintln!("file: left out: {error}");
            return vec![nowhere];
        }
    };
    let again = Rc::clone(&bench);
    let to_file = Made {
        name,
        about: "writes of 100 bytes through a buffer of 8 KiB, to a file",
        ratio: Ratio::Speed,
        contenders: vec![
            contender("std's BufWriter", Aim::None, move |n| bench.borrow_mut().plain(n)),
            contender("ulp::file", Aim::AtLeast(0.95), move |n| again.borrow_mut().mmio(n)),
        ],
    };
    vec![to_file, nowhere]
}

fn ring_groups(name: &'static str) -> Vec<Made> {
    let spsc = |about, batch, aim| Made {
        name,
        about,
        ratio: Ratio::Speed,
        contenders: vec![
            one_to_one::<Rtrb>(batch, Aim::None),
            one_to_one::<SharedArray>(batch, Aim::None),
            one_to_one::<PlainWork>(batch, aim),
            one_to_one::<ReceiveWork>(batch, aim),
            one_to_one::<QuietCompletions>(batch, aim),
            one_to_one::<Completions>(batch, aim),
        ],
    };
    let mpmc = |about, batch| Made {
        name,
        about,
        ratio: Ratio::Speed,
        contenders: vec![
            contender(SharedArray::NAME, Aim::None, move |items| {
                let ring = SharedArray::of(WIDE_DEPTH);
                rings::two_to_two(ring.end(), ring.end(), batch, items)
            }),
            contender(QuietCompletions::NAME, Aim::None, move |items| {
                let ring = QuietCompletions::of(WIDE_DEPTH);
                rings::two_to_two(ring.end(), ring.end(), batch, items)
            }),
        ],
    };
    vec![
        spsc("1 producer, 1 consumer, batch 1, 56-byte entries, 1,024 of them", 1, Aim::AtLeast(3.0)),
        spsc("1 producer, 1 consumer, batch 16", 16, Aim::AtLeast(0.9)),
        mpmc("2 producers, 2 consumers: two threads, each both in turn, batch 1", 1),
        mpmc("2 producers, 2 consumers: two threads, each both in turn, batch 16", 16),
    ]
}

fn ring_ping_pong<P: Peer>() -> (Contender, Run<'static>) {
    contender(P::NAME, Aim::None, |round_trips| {
        let (mut out, mut back) = (P::new(), P::new());
        rings::ping_pong(out.ends(), back.ends(), round_trips)
    })
}

fn the_floor() -> (Contender, Run<'static>) {
    contender("cache line", Aim::None, floor::line_ping_pong)
}

fn ping_pong_groups(name: &'static str) -> Vec<Made> {
    let world = Rc::new(World::new("ping-pong", 1));
    let again = Rc::clone(&world);
    vec![Made {
        name,
        about: "round trips between two threads, 8 bytes",
        ratio: Ratio::Time,
        contenders: vec![
            the_floor(),
            ring_ping_pong::<Rtrb>(),
            ring_ping_pong::<SharedArray>(),
            ring_ping_pong::<PlainWork>(),
            ring_ping_pong::<Completions>(),
            contender("qpair SEND", Aim::AtMost(4.0), move |n| pairs::send_ping_pong(&world, n)),
            contender("qpair WRITE, polled in memory", Aim::AtMost(2.0), move |n| {
                pairs::write_ping_pong(&again, n)
            }),
        ],
    }]
}

fn write_groups(name: &'static str) -> Vec<Made> {
    let world = Rc::new(World::new("write", 1));
    let group = |about, length, aim| {
        let world = Rc::clone(&world);
        // Both go between the same two buffers: where they lie decides too.
        let buffers = Rc::new(RefCell::new(Buffers::new(length)));
        let again = Rc::clone(&buffers);
        Made {
            name,
            about,
            ratio: Ratio::Speed,
            contenders: vec![
                contender("memcpy", Aim::None, move |count| buffers.borrow_mut().memcpy(count)),
                contender("qpair WRITE, each polled", aim, move |count| {
                    again.borrow_mut().writes(&world, count)
                }),
            ],
        }
    };
    vec![
        group("64 bytes, one thread", 64, Aim::None),
        group("4 KiB, one thread", 4096, Aim::None),
        group("1 MiB, one thread", 1 << 20, Aim::AtLeast(0.97)),
    ]
}

fn post_to_poll_groups(name: &'static str) -> Vec<Made> {
    let world = Rc::new(World::new("post-to-poll", 1));
    let request = |request| {
        let world = Rc::clone(&world);
        move |count| pairs::post_to_poll(&world, request, count)
    };
    vec![Made {
        name,
        about: "one request after the other on one thread, each polled before the next",
        ratio: Ratio::Time,
        contenders: vec![
            the_floor(),
            contender("rings alone: work queue, completion ring", Aim::None, rings::post_to_poll),
            contender("WRITE of no bytes", Aim::Nanoseconds(35.0), request(Request::EmptyWrite)),
            contender("WRITE of 8 inline bytes", Aim::None, request(Request::InlineWrite)),
            contender("WRITE of 8 registered bytes", Aim::None, request(Request::Write)),
            contender("receive, silent SEND of 8 inline bytes", Aim::None, request(Request::Send)),
        ],
    }]
}

/// Worlds of so many pairs; one pair is where the busy one is among the others.
fn worlds() -> [(&'static str, Rc<World>); 3] {
    [("1 pair", 1), ("100 pairs", 100), ("10,000 pairs", 10_000)]
        .map(|(name, pairs)| (name, Rc::new(World::new(&format!("many-{pairs}"), pairs))))
}

fn many_groups(name: &'static str) -> Vec<Made> {
    let worlds = worlds();
    let idle = worlds.clone().map(|(pairs, world)| {
        let aim = if pairs == "10,000 pairs" { Aim::AtMost(1.1) } else { Aim::None };
        let order = [world.pairs.len() as u32 / 2];
        contender(pairs, aim, move |count| pairs::messages(&world, &order, count))
    });
    let busy = worlds.map(|(pairs, world)| {
        let order = pairs::shuffled(world.pairs.len() as u32);
        contender(pairs, Aim::None, move |count| pairs::messages(&world, &order, count))
    });
    let group =
        |about, contenders: [_; 3]| Made { name, about, ratio: Ratio::Time, contenders: contenders.into() };
    vec![
        group("a message of 8 bytes, one thread, all over one pair among so many", idle),
        group("a message of 8 bytes, one thread, each over another pair, in random order", busy),
    ]
}
