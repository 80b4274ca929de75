//! Explores the models: `models [--bound N|none] [--short] [--filter TEXT] [--limit SECONDS] [--json]
//! [--list]`.
//!
//! Each model runs in a process of its own. Exits with 1 when one fails or does not finish.

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
    use qpair_loom_tests::models::{self, Model};
    use qpair_loom_tests::process::{self, Run, Verdict};
    use std::time::Duration;

    /// How far to look.
    #[derive(Clone, Copy)]
    enum Bound {
        Short,
        Full,
        Given(Option<usize>),
    }

    struct Options {
        bound: Bound,
        filter: String,
        limit: Duration,
        json: bool,
        list: bool,
    }

    fn options() -> Result<Options, String> {
        let mut options = Options {
            bound: Bound::Full,
            filter: String::new(),
            limit: Duration::from_secs(1_200),
            json: false,
            list: false,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--short" => options.bound = Bound::Short,
                "--bound" => options.bound = Bound::Given(process::parse_bound(&value()?)?),
                "--filter" => options.filter = value()?,
                "--limit" => {
                    let seconds = value()?;
                    let parsed = seconds.parse().map_err(|_| format!("--limit {seconds}: whole seconds"))?;
                    options.limit = Duration::from_secs(parsed);
                }
                "--json" => options.json = true,
                "--list" => options.list = true,
                other => return Err(format!("unknown argument {other}; see the head of {}", file!())),
            }
        }
        Ok(options)
    }

    /// True when every model holds.
    pub fn main() -> Result<bool, String> {
        if models::asked_to_run()? {
            return Ok(true);
        }
        let options = options()?;
        let chosen: Vec<Model> =
            models::all().into_iter().filter(|model| model.name.contains(&options.filter)).collect();
        if chosen.is_empty() {
            return Err(format!("no model has {} in its name; --list names them", options.filter));
        }
        if options.list {
            for model in &chosen {
                println!("{:24} {}", model.name, model.about);
            }
            return Ok(true);
        }
        let program =
            std::env::current_exe().map_err(|error| format!("the name of this program: {error}"))?;
        let mut hold = true;
        for model in &chosen {
            let bound = bound_of(model, options.bound);
            let run = process::run(&program, model.name, bound, None, options.limit)?;
            hold &= run.verdict == Verdict::Holds;
            print(model, bound, &run, options.json);
        }
        Ok(hold)
    }

    fn bound_of(model: &Model, bound: Bound) -> Option<usize> {
        match bound {
            Bound::Short => Some(model.short),
            Bound::Full => model.full,
            Bound::Given(bound) => bound,
        }
    }

    fn print(model: &Model, bound: Option<usize>, run: &Run, json: bool) {
        let (name, bound) = (model.name, process::bound_text(bound));
        let (verdict, what) = match &run.verdict {
            Verdict::Holds => ("holds", ""),
            Verdict::Fails(what) => ("FAILS", what.as_str()),
            Verdict::Unfinished => ("UNFINISHED", "the time limit passed"),
        };
        if json {
            println!(
                "{{\"model\":{name:?},\"bound\":{bound:?},\"verdict\":{verdict:?},\"schedules\":{},\"seconds\":{:.2},\"message\":{what:?}}}",
                run.schedules, run.seconds
            );
        } else {
            println!(
                "{name:24} bound {bound:4} {verdict:10} {:>9} schedules {:8.2} s  {what}",
                run.schedules, run.seconds
            );
        }
    }
}
