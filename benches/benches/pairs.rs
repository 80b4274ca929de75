//! Time per request of queue pairs, for comparing two commits on one quiet machine.

use criterion::{BenchmarkId, Criterion, Throughput};
use qpair_benches::pairs::{self, Buffers, Request, World};
use qpair_benches::{floor, timing};

fn ping_pong(criterion: &mut Criterion) {
    timing::choose_cores(timing::first_and_last_core());
    let mut group = criterion.benchmark_group("ping-pong");
    let world = World::new("ping-pong", 1);
    group.bench_function("floor: cache line", |bencher| bencher.iter_custom(floor::line_ping_pong));
    group.bench_function("SEND", |bencher| bencher.iter_custom(|n| pairs::send_ping_pong(&world, n)));
    group.bench_function("WRITE", |bencher| bencher.iter_custom(|n| pairs::write_ping_pong(&world, n)));
}

fn post_to_poll(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("post to poll");
    let world = World::new("post-to-poll", 1);
    for request in [Request::EmptyWrite, Request::InlineWrite, Request::Write, Request::Send] {
        group.bench_function(format!("{request:?}"), |bencher| {
            bencher.iter_custom(|count| pairs::post_to_poll(&world, request, count));
        });
    }
}

fn write(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    let world = World::new("write", 1);
    for length in [64, 4096, 1 << 20] {
        let mut buffers = Buffers::new(length);
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::new("memcpy", length), |bencher| {
            bencher.iter_custom(|count| buffers.memcpy(count));
        });
        group.bench_function(BenchmarkId::new("WRITE", length), |bencher| {
            bencher.iter_custom(|count| buffers.writes(&world, count));
        });
    }
}

fn many(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("message among pairs");
    for count in [1, 100, 10_000] {
        let world = World::new(&format!("many-{count}"), count as usize);
        let order = pairs::shuffled(count);
        group.bench_function(BenchmarkId::new("one busy", count), |bencher| {
            bencher.iter_custom(|messages| pairs::messages(&world, &order[..1], messages));
        });
        group.bench_function(BenchmarkId::new("all busy", count), |bencher| {
            bencher.iter_custom(|messages| pairs::messages(&world, &order, messages));
        });
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    ping_pong(&mut criterion);
    post_to_poll(&mut criterion);
    write(&mut criterion);
    many(&mut criterion);
    criterion.final_summary();
}
