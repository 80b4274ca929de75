//! Time per entry of qpair's rings and their peers, for comparing two commits on one quiet machine.

use criterion::{BenchmarkId, Criterion, Throughput};
use qpair_benches::rings::{
    self, Completions, Peer, PlainWork, QuietCompletions, ReceiveWork, Rtrb, SharedArray,
};
use qpair_benches::{floor, timing};

fn one_to_one<P: Peer>(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("one producer, one consumer");
    group.throughput(Throughput::Elements(1));
    for batch in [1, rings::BATCH_MAX] {
        group.bench_function(BenchmarkId::new(P::NAME, batch), |bencher| {
            bencher.iter_custom(|items| {
                let mut ring = P::new();
                let (push, pop) = ring.ends();
                rings::one_to_one(push, pop, batch, items)
            });
        });
    }
}

fn all(criterion: &mut Criterion) {
    timing::choose_cores(timing::first_and_last_core());
    criterion
        .bench_function("floor: cache line to and fro", |bencher| bencher.iter_custom(floor::line_ping_pong));
    one_to_one::<Rtrb>(criterion);
    one_to_one::<SharedArray>(criterion);
    one_to_one::<PlainWork>(criterion);
    one_to_one::<ReceiveWork>(criterion);
    one_to_one::<QuietCompletions>(criterion);
    one_to_one::<Completions>(criterion);
    criterion.bench_function("rings alone: post to poll", |bencher| bencher.iter_custom(rings::post_to_poll));
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    all(&mut criterion);
    criterion.final_summary();
}
