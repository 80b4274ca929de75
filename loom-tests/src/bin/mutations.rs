//! Weakens each named place of `qpair::ring` and demands that a model fails.
//!
//! `mutations [--short] [--record] [--filter TEXT] [--bound 1|2] [--jobs N] [--json] [--markdown] [--list]`
//!
//! - Without flags: each mutation against all models, bound 1, then the survivors at bound 2 and 3, up to
//!   the first catch; then each model that caught nothing yet against all mutations.
//! - `--short`: only what `catches.txt` records, which takes minutes; and that nothing lacks an entry.
//! - `--record`: the full run, and writes `catches.txt` and the table of the README.
//!
//! Exits with 1 when a mutation is caught by nothing and not listed in `equivalents.txt`, when a listed one
//! is caught, when a model catches nothing, or when what is committed is out of date.

#[cfg(not(qpair_loom))]
fn main() -> std::process::ExitCode {
    eprintln!("{}", qpair_loom_tests::NEEDS_FLAG);
    std::process::ExitCode::FAILURE
}

#[cfg(qpair_loom)]
fn main() -> std::process::ExitCode {
    match with_models::main() {
        Ok(true) => std::process::ExitCode::SUCCESS,
        Ok(false) => std::process::ExitCode::FAILURE,
        Err(what) => {
            eprintln!("{what}");
            std::process::ExitCode::from(2)
        }
    }
}

#[cfg(qpair_loom)]
mod with_models {
    use qpair_loom_tests::catalogue::{self, Catch, Equivalent};
    use qpair_loom_tests::models::{self, Model};
    use qpair_loom_tests::process::{self, Verdict};
    use qpair_loom_tests::scan::{self, Mutation};
    use std::path::PathBuf;
    use std::sync::{Mutex, PoisonError};
    use std::time::Duration;

    /// Bounds of the full run, and how long one run of each may take.
    const BOUNDS: [(usize, Duration); 3] =
        [(1, Duration::from_secs(30)), (2, Duration::from_secs(120)), (3, Duration::from_secs(120))];

    fn limit_of(bound: usize) -> Duration {
        BOUNDS.iter().find(|(known, _)| *known == bound).map_or(Duration::MAX, |(_, limit)| *limit)
    }

    #[derive(Default)]
    struct Options {
        short: bool,
        record: bool,
        json: bool,
        markdown: bool,
        list: bool,
        filter: String,
        jobs: usize,
        bound: usize,
    }

    fn options() -> Result<Options, String> {
        let mut options = Options { jobs: 2, bound: BOUNDS[2].0, ..Options::default() };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--short" => options.short = true,
                "--record" => options.record = true,
                "--json" => options.json = true,
                "--markdown" => options.markdown = true,
                "--list" => options.list = true,
                "--filter" => options.filter = value()?,
                "--jobs" => {
                    let jobs = value()?;
                    options.jobs = jobs.parse().map_err(|_| format!("--jobs {jobs}: a number"))?;
                }
                "--bound" => {
                    let bound = value()?;
                    options.bound = bound.parse().map_err(|_| format!("--bound {bound}: a number"))?;
                }
                other => return Err(format!("unknown argument {other}; see the head of {}", file!())),
            }
        }
        if options.record && (options.short || !options.filter.is_empty() || options.bound < BOUNDS[2].0) {
            return Err("--record needs the full run: drop --short, --filter and --bound".to_owned());
        }
        Ok(options)
    }

    /// True when each mutation is caught or argued, and nothing committed is out of date.
    pub fn main() -> Result<bool, String> {
        if models::asked_to_run()? {
            return Ok(true);
        }
        let options = options()?;
        let all = scan::mutations()?;
        let chosen: Vec<Mutation> =
            all.iter().filter(|mutation| mutation.to_string().contains(&options.filter)).cloned().collect();
        if chosen.is_empty() {
            return Err(format!("no mutation has {} in its name; --list names them", options.filter));
        }
        if options.list {
            for mutation in &chosen {
                println!("{mutation:40} {:14} {}", mutation.file, mutation.what);
            }
            return Ok(true);
        }
        let equivalents = catalogue::equivalents()?;
        if options.markdown {
            print!("{}", catalogue::table(&chosen, &catalogue::catches()?, &equivalents));
            return Ok(true);
        }
        let bench = Bench {
            program: std::env::current_exe().map_err(|error| error.to_string())?,
            jobs: options.jobs,
            bound: options.bound,
            json: options.json,
        };
        let mut complaints = stale(&all, &equivalents);
        if options.short {
            complaints.extend(bench.short(&chosen, &equivalents, options.filter.is_empty())?);
        } else {
            let (catches, more) = bench.full(&chosen, &equivalents, options.filter.is_empty())?;
            complaints.extend(more);
            if options.record {
                catalogue::record(&all, &catches)?;
            }
        }
        for complaint in &complaints {
            eprintln!("{complaint}");
        }
        Ok(complaints.is_empty())
    }

    /// What is listed as equivalent and no longer exists.
    fn stale(all: &[Mutation], equivalents: &[Equivalent]) -> Vec<String> {
        let known = |name: &str| all.iter().any(|mutation| mutation.to_string() == name);
        let gone = equivalents.iter().filter(|equivalent| !known(&equivalent.mutation));
        gone.map(|equivalent| {
            format!("{}: listed as equivalent, but there is no such mutation", equivalent.mutation)
        })
        .collect()
    }

    struct Bench {
        program: PathBuf,
        jobs: usize,
        bound: usize,
        json: bool,
    }

    impl Bench {
        /// Whether `model` fails with `mutation`: after how many schedules.
        fn fails(
            &self,
            model: &str,
            mutation: &str,
            bound: usize,
            limit: Duration,
        ) -> Result<Option<usize>, String> {
            let run = process::run(&self.program, model, Some(bound), Some(mutation), limit)?;
            Ok(matches!(run.verdict, Verdict::Fails(_)).then_some(run.schedules))
        }

        fn say(&self, mutation: &str, catch: Option<&Catch>, argued: bool) {
            let (model, bound, schedules) =
                catch.map_or(("", 0, 0), |catch| (catch.model.as_str(), catch.bound, catch.schedules));
            if self.json {
                println!(
                    "{{\"mutation\":{mutation:?},\"caught\":{},\"equivalent\":{argued},\"model\":{model:?},\"bound\":{bound},\"schedules\":{schedules}}}",
                    catch.is_some()
                );
            } else if catch.is_some() {
                println!("{mutation:40} caught by {model} at bound {bound} after {schedules} schedules");
            } else {
                println!("{mutation:40} {}", if argued { "equivalent, as argued" } else { "SURVIVES" });
            }
        }

        /// The recorded catches again; what is missing or does not hold any more.
        fn short(
            &self,
            chosen: &[Mutation],
            equivalents: &[Equivalent],
            whole: bool,
        ) -> Result<Vec<String>, String> {
            let recorded = catalogue::catches()?;
            let mut complaints = Vec::new();
            for mutation in chosen.iter().map(Mutation::to_string) {
                let argued = equivalents.iter().any(|equivalent| equivalent.mutation == mutation);
                let caught = recorded.iter().any(|catch| catch.mutation == mutation);
                if argued == caught {
                    complaints
                        .push(format!("{mutation}: neither or both of caught and equivalent; run --record"));
                }
            }
            if whole {
                let silent =
                    models::all().into_iter().filter(|m| !recorded.iter().any(|c| c.model == m.name));
                complaints.extend(
                    silent.map(|model| format!("{}: no mutation is recorded for this model", model.name)),
                );
                if !catalogue::readme_is_current(chosen, &recorded)? {
                    complaints.push("README.md: its table is out of date; run --record".to_owned());
                }
            }
            let wanted: Vec<Catch> = recorded
                .into_iter()
                .filter(|catch| chosen.iter().any(|mutation| mutation.to_string() == catch.mutation))
                .collect();
            let results = in_parallel(self.jobs, &wanted, |catch| {
                let limit = limit_of(catch.bound);
                let found = self.fails(&catch.model, &catch.mutation, catch.bound, limit)?;
                self.say(&catch.mutation, found.map(|_| catch), false);
                Ok(found.is_some())
            })?;
            let lost = wanted.iter().zip(results).filter(|(_, holds)| !holds);
            complaints.extend(lost.map(|(catch, _)| {
                format!(
                    "{}: {} does not catch it any more at bound {}",
                    catch.mutation, catch.model, catch.bound
                )
            }));
            Ok(complaints)
        }

        /// Each mutation against every model up to the first catch, and each silent model against every
        /// mutation.
        fn full(
            &self,
            chosen: &[Mutation],
            equivalents: &[Equivalent],
            whole: bool,
        ) -> Result<(Vec<Catch>, Vec<String>), String> {
            let models = models::all();
            let recorded = catalogue::catches()?;
            let found = in_parallel(self.jobs, chosen, |mutation| {
                let name = mutation.to_string();
                let catch = self.first_catch(&name, &by_likelihood(&models, &name, &recorded))?;
                self.say(&name, catch.as_ref(), equivalents.iter().any(|e| e.mutation == name));
                Ok(catch)
            })?;
            let mut complaints = Vec::new();
            for (mutation, catch) in chosen.iter().map(Mutation::to_string).zip(&found) {
                match (catch, equivalents.iter().any(|equivalent| equivalent.mutation == mutation)) {
                    (None, false) => complaints.push(format!("{mutation}: no model catches it; write one, weaken the source, or argue it in equivalents.txt")),
                    (Some(catch), true) => complaints.push(format!("{mutation}: listed as equivalent, but {} catches it", catch.model)),
                    _ => {}
                }
            }
            let mut catches: Vec<Catch> = found.into_iter().flatten().collect();
            if whole {
                let silent: Vec<Model> = models
                    .into_iter()
                    .filter(|model| !catches.iter().any(|catch| catch.model == model.name))
                    .collect();
                let caught: Vec<String> = catches.iter().map(|catch| catch.mutation.clone()).collect();
                let more = in_parallel(self.jobs, &silent, |model| self.first_caught(model, &caught))?;
                complaints.extend(silent.iter().zip(&more).filter(|(_, catch)| catch.is_none()).map(
                    |(model, _)| {
                        format!("{}: this model catches no mutation; it proves nothing new", model.name)
                    },
                ));
                catches.extend(more.into_iter().flatten());
            }
            catches.sort();
            Ok((catches, complaints))
        }

        fn first_catch(&self, mutation: &str, models: &[Model]) -> Result<Option<Catch>, String> {
            for (bound, limit) in BOUNDS.into_iter().filter(|(bound, _)| *bound <= self.bound) {
                for model in models.iter().filter(|model| explores(model, bound)) {
                    if let Some(schedules) = self.fails(model.name, mutation, bound, limit)? {
                        let (mutation, model) = (mutation.to_owned(), model.name.to_owned());
                        return Ok(Some(Catch { mutation, model, bound, schedules }));
                    }
                }
            }
            Ok(None)
        }

        fn first_caught(&self, model: &Model, mutations: &[String]) -> Result<Option<Catch>, String> {
            for (bound, limit) in BOUNDS.into_iter().filter(|(bound, _)| *bound <= self.bound) {
                for mutation in mutations {
                    if let Some(schedules) = self.fails(model.name, mutation, bound, limit)? {
                        let (mutation, model) = (mutation.clone(), model.name.to_owned());
                        return Ok(Some(Catch { mutation, model, bound, schedules }));
                    }
                }
            }
            Ok(None)
        }
    }

    /// Bounds above 2 are for models that go so far in the full batch.
    fn explores(model: &Model, bound: usize) -> bool {
        bound <= 2 || model.full.is_none_or(|full| full >= bound)
    }

    /// Who caught it the last time first, models of many schedules last.
    fn by_likelihood(models: &[Model], mutation: &str, recorded: &[Catch]) -> Vec<Model> {
        let mut ordered = models.to_vec();
        let caught = |model: &Model| recorded.iter().any(|c| c.mutation == mutation && c.model == model.name);
        ordered.sort_by_key(|model| (!caught(model), model.short == 1));
        ordered
    }

    /// `work` on each item, `jobs` at a time; the results in order, or the first error.
    fn in_parallel<T: Sync, R: Send>(
        jobs: usize,
        items: &[T],
        work: impl Fn(&T) -> Result<R, String> + Sync,
    ) -> Result<Vec<R>, String> {
        let next = Mutex::new(items.iter().enumerate());
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..jobs.max(1) {
                scope.spawn(|| {
                    loop {
                        let item = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some((index, item)) = item else { return };
                        let result = work(item);
                        done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(index, _)| *index);
        done.into_iter().map(|(_, result)| result).collect()
    }
}
