//! Single trees by hand, then any tree in any order on several threads.

use super::*;
use crate::device::tests::diary::Diary;
use proptest::prelude::*;
use std::sync::mpsc;
use std::thread;

fn close(life: &Arc<Life>, callback: Option<Task>) {
    let mut outbox = Outbox::new();
    assert!(life.begin_close(callback, &mut outbox));
    assert!(life.is_closing());
    outbox.emit();
}

#[test]
fn close_1_of_a_free_object_completes_at_once() {
    let diary = Diary::default();
    let life = Life::new([]);
    let note = diary.clone();
    life.set_teardown(move || note.note("teardown"));
    assert!(!life.is_closing());
    close(&life, diary.callback("closed"));
    assert!(life.is_closed());
    assert_eq!(diary.lines(), ["teardown", "closed"]);
    assert!(life.try_hold().is_none());
    assert_eq!(life.wait_closed(), Ok(()));
}

#[test]
fn close_begins_once() {
    let diary = Diary::default();
    let life = Life::new([]);
    let hold = life.hold();
    close(&life, diary.callback("first"));
    assert!(!life.begin_close(diary.callback("second"), &mut Outbox::new()));
    drop(hold);
    assert!(!life.begin_close(diary.callback("third"), &mut Outbox::new()));
    assert_eq!(diary.lines(), ["first"]);
}

#[test]
fn close_3_antecedents_complete_after_their_last_successor() {
    let diary = Diary::default();
    let cq = Life::new([]);
    let (one, two) = (Life::new([cq.hold()]), Life::new([cq.hold()]));
    close(&cq, diary.callback("cq"));
    close(&one, diary.callback("one"));
    assert_eq!(diary.lines(), ["one"]);
    close(&two, diary.callback("two"));
    assert_eq!(diary.lines(), ["two", "cq"]);
}

#[test]
fn close_4_an_antecedent_is_open_while_its_successor_calls_back() {
    let diary = Diary::default();
    let pd = Life::new([]);
    let mr = Life::new([pd.hold()]);
    close(&pd, diary.callback("pd"));
    let (seen, of_pd) = (diary.clone(), pd.clone());
    let callback = move || {
        assert!(of_pd.try_hold().is_some());
        seen.note("mr");
        drop(callbacks::guard());
        assert!(!of_pd.is_closed());
    };
    close(&mr, Some(Box::new(callback)));
    assert_eq!(diary.lines(), ["mr", "pd"]);
    assert!(pd.is_closed());
}

#[test]
fn close_6_and_11_closing_inside_its_own_callback_pends_until_that_returns() {
    let diary = Diary::default();
    let life = Life::new([]);
    let hold = life.hold();
    let (note, of_life) = (diary.clone(), life.clone());
    callbacks::call(move || {
        close(&of_life, note.callback("closed"));
        assert!(of_life.is_closing() && !of_life.is_closed());
        note.note("event returns");
        drop(hold);
    });
    assert_eq!(diary.lines(), ["event returns", "closed"]);
}

#[test]
fn close_13_a_tie_made_after_creation_counts_and_can_end() {
    let diary = Diary::default();
    let (first, second) = (Life::new([]), Life::new([]));
    let connector = Life::new([]);
    connector.tie(first.hold());
    close(&first, diary.callback("first"));
    assert!(!first.is_closed());
    drop(connector.untie(&first));
    assert!(connector.untie(&first).is_none());
    connector.tie(second.hold());
    close(&second, diary.callback("second"));
    assert_eq!(diary.lines(), ["first"]);
    close(&connector, diary.callback("connector"));
    assert_eq!(diary.lines(), ["connector", "second"]);
    let late = Life::new([]);
    connector.tie(late.hold());
    close(&late, None);
    assert!(late.is_closed());
}

#[test]
fn nothing_completes_below_a_guard() {
    let diary = Diary::default();
    let life = Life::new([]);
    let hold = life.hold();
    close(&life, diary.callback("closed"));
    let guard = callbacks::guard();
    drop(hold);
    assert!(diary.lines().is_empty() && !life.is_closed());
    drop(guard);
    assert_eq!(diary.lines(), ["closed"]);
}

#[test]
fn a_panicking_callback_lets_its_antecedents_go() {
    let diary = Diary::default();
    let pd = Life::new([]);
    let mr = Life::new([pd.hold()]);
    close(&pd, diary.callback("pd"));
    let unwound = catch_unwind(AssertUnwindSafe(|| close(&mr, Some(Box::new(|| panic!("mine"))))));
    assert_eq!(*unwound.unwrap_err().downcast_ref::<&str>().unwrap(), "mine");
    assert!(mr.is_closed());
    assert_eq!(diary.lines(), ["pd"]);
}

#[test]
fn close_10_wait_closed_returns_after_the_last_callback() {
    let diary = Diary::default();
    let adapter = Life::new([]);
    let qp = Life::new([adapter.hold()]);
    let (begin, begun) = mpsc::channel();
    let note = diary.clone();
    let closer = thread::spawn(move || {
        begun.recv().unwrap();
        close(&qp, note.callback("qp"));
    });
    close(&adapter, diary.callback("adapter"));
    let refused = adapter.clone();
    callbacks::call(move || assert_eq!(refused.wait_closed(), Err(InCallback)));
    begin.send(()).unwrap();
    assert_eq!(adapter.wait_closed(), Ok(()));
    assert_eq!(diary.lines(), ["qp", "adapter"]);
    closer.join().unwrap();
}

const LONG: usize = 100_000;

/// Lives of which each relies on the one before.
fn chain() -> Vec<Arc<Life>> {
    let mut lives = vec![Life::new([])];
    for n in 1..LONG {
        lives.push(Life::new([lives[n - 1].hold()]));
    }
    lives
}

#[test]
fn a_long_chain_closes_without_recursion() {
    let lives = chain();
    let order = Arc::new(Mutex::new(Vec::new()));
    for (n, life) in lives.iter().enumerate() {
        assert!(order.lock().unwrap().is_empty());
        let order = order.clone();
        close(life, Some(Box::new(move || order.lock().unwrap().push(n))));
    }
    assert!(order.lock().unwrap().iter().copied().eq((0..LONG).rev()));
}

#[test]
fn a_long_chain_that_nobody_closes_is_dropped_without_recursion() {
    let mut lives = chain();
    let last = lives.pop();
    let first = lives[0].clone();
    drop(lives);
    drop(last);
    close(&first, None);
    assert!(first.is_closed());
}

/// One object of the property: on which earlier ones it relies, and who else holds it.
#[derive(Clone, Debug)]
struct Plan {
    /// A bit for each earlier object.
    antecedents: u16,
    /// For each hold besides: by which thread it is released.
    holders: Vec<usize>,
    /// By which thread the object is closed, and when among that thread's acts.
    closer: (usize, u32),
    /// The thread that closes it does so below a guard.
    guarded: bool,
}

const THREADS: usize = 3;

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let plan =
        (any::<u16>(), prop::collection::vec(0..THREADS, 0..3), (0..THREADS, any::<u32>()), any::<bool>());
    let plan = plan.prop_map(|(antecedents, holders, closer, guarded)| Plan {
        antecedents,
        holders,
        closer,
        guarded,
    });
    prop::collection::vec(plan, 1..12)
}

/// The antecedents of object `n`.
fn relies_on(plans: &[Plan], n: usize) -> impl Iterator<Item = usize> + '_ {
    (0..n).filter(move |&m| plans[n].antecedents >> m & 1 == 1)
}

enum Act {
    Close(Arc<Life>, Task, bool),
    Release(Hold),
}

impl Act {
    fn perform(self) {
        match self {
            Act::Close(life, callback, guarded) => {
                let _guard = guarded.then(callbacks::guard);
                close(&life, Some(callback));
            }
            Act::Release(hold) => drop(hold),
        }
    }
}

/// What each thread will do, by the plans.
fn acts(plans: &[Plan], diary: &Diary) -> (Vec<Arc<Life>>, Vec<Vec<Act>>) {
    let mut lives: Vec<Arc<Life>> = Vec::new();
    let mut acts: Vec<Vec<(u32, Act)>> = (0..THREADS).map(|_| Vec::new()).collect();
    for (n, plan) in plans.iter().enumerate() {
        let life = Life::new(relies_on(plans, n).map(|m| lives[m].hold()));
        let begins_and_returns = diary.clone();
        let callback = Box::new(move || {
            begins_and_returns.note(format!("{n} begins"));
            begins_and_returns.note(format!("{n} returns"));
        });
        let (thread, when) = plan.closer;
        acts[thread].push((when, Act::Close(life.clone(), callback, plan.guarded)));
        for (turn, &thread) in plan.holders.iter().enumerate() {
            let when = when.rotate_left(7 + turn as u32);
            acts[thread].push((when, Act::Release(life.hold())));
        }
        lives.push(life);
    }
    let in_order = |mut acts: Vec<(u32, Act)>| {
        acts.sort_by_key(|(when, _)| *when);
        acts.into_iter().map(|(_, act)| act).collect()
    };
    (lives, acts.into_iter().map(in_order).collect())
}

fn place(lines: &[String], line: &str) -> usize {
    let mut places = lines.iter().enumerate().filter(|(_, l)| *l == line).map(|(place, _)| place);
    let place = places.next().expect(line);
    assert!(places.next().is_none(), "{line} twice");
    place
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    /// CLOSE-2 to CLOSE-5: any tree, any order of closes and releases, on several threads.
    #[test]
    fn each_callback_runs_once_and_after_those_of_its_successors(plans in plans()) {
        let diary = Diary::default();
        let (lives, acts) = acts(&plans, &diary);
        thread::scope(|scope| {
            for of_thread in acts {
                scope.spawn(move || of_thread.into_iter().for_each(Act::perform));
            }
        });
        let lines = diary.lines();
        prop_assert_eq!(lines.len(), 2 * plans.len());
        for (n, life) in lives.iter().enumerate() {
            prop_assert!(life.is_closed());
            let returned = place(&lines, &format!("{n} returns"));
            for m in relies_on(&plans, n) {
                let begins = place(&lines, &format!("{m} begins"));
                prop_assert!(begins > returned);
            }
        }
    }
}
