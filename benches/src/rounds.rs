//! Groups of contenders, rounds, medians and quartiles.

use serde_json::{Value, json};
use std::fmt;

/// How a contender's figure is held against the base of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ratio {
    /// How many times as fast: the base's time by the contender's.
    Speed,
    /// How many times as long: the contender's time by the base's.
    Time,
}

/// What a contender is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// Nothing: it is there to be compared with.
    None,
    /// A ratio of at least so much.
    AtLeast(f64),
    /// A ratio of at most so much.
    AtMost(f64),
    /// At most so many nanoseconds.
    Nanoseconds(f64),
}

/// One of those that are compared.
#[derive(Clone, Debug)]
pub struct Contender {
    /// Name in the table.
    pub name: &'static str,
    /// What it is to reach.
    pub aim: Aim,
}

impl Contender {
    /// One without an aim.
    pub fn new(name: &'static str) -> Self {
        Self { name, aim: Aim::None }
    }

    /// The same with an aim.
    pub fn aim(self, aim: Aim) -> Self {
        Self { aim, ..self }
    }
}

/// Contenders for the same work, the first of which is the base.
pub struct Group<'w> {
    /// Short name, for `--only`.
    pub name: &'static str,
    /// What is done.
    pub about: &'static str,
    /// How figures are held against the base.
    pub ratio: Ratio,
    /// Those compared.
    pub contenders: Vec<Contender>,
    /// Nanoseconds per item of the contender of that index, measured now.
    pub measure: Box<dyn FnMut(usize) -> f64 + 'w>,
}

/// Median and quartiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// A quarter is below.
    pub lower: f64,
    /// Half is below.
    pub median: f64,
    /// Three quarters are below.
    pub upper: f64,
}

impl Spread {
    /// Of these values, between which it interpolates.
    ///
    /// # Panics
    /// When there is none.
    pub fn of(values: &[f64]) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (sorted.len() - 1) as f64;
            let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Self { lower: at(0.25), median: at(0.5), upper: at(0.75) }
    }

    fn json(self) -> Value {
        json!({ "lower": self.lower, "median": self.median, "upper": self.upper })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.median < 10.0 {
            2
        } else if self.median < 1000.0 {
            1
        } else {
            0
        };
        write!(f, "{:.digits$} [{:.digits$}-{:.digits$}]", self.median, self.lower, self.upper)
    }
}

/// What the rounds of one group have shown.
pub struct Samples {
    /// Nanoseconds per item, by contender and round.
    nanoseconds: Vec<Vec<f64>>,
}

impl Samples {
    fn new(group: &Group<'_>) -> Self {
        Self { nanoseconds: vec![Vec::new(); group.contenders.len()] }
    }

    /// Times of one contender.
    pub fn times(&self, contender: usize) -> Spread {
        Spread::of(&self.nanoseconds[contender])
    }

    /// Ratios of one contender, each within its round.
    pub fn ratios(&self, contender: usize, ratio: Ratio) -> Spread {
        let pairs = self.nanoseconds[0].iter().zip(&self.nanoseconds[contender]);
        let ratios: Vec<f64> = pairs
            .map(|(base, own)| match ratio {
                Ratio::Speed => base / own,
                Ratio::Time => own / base,
            })
            .collect();
        Spread::of(&ratios)
    }
}

/// Measures every contender of every group in each round; `floor` is measured first in each.
///
/// The contender that begins is another one in each round, so that none always comes after the same.
pub fn run(
    groups: &mut [Group<'_>],
    rounds: usize,
    mut floor: impl FnMut() -> f64,
    mut progress: impl FnMut(usize),
) -> (Vec<f64>, Vec<Samples>) {
    let mut floors = Vec::new();
    let mut samples: Vec<Samples> = groups.iter().map(Samples::new).collect();
    for round in 0..rounds {
        progress(round);
        floors.push(floor());
        for (group, samples) in groups.iter_mut().zip(&mut samples) {
            let count = group.contenders.len();
            for turn in 0..count {
                let contender = (round + turn) % count;
                let nanoseconds = (group.measure)(contender);
                samples.nanoseconds[contender].push(nanoseconds);
            }
        }
    }
    (floors, samples)
}

/// Whether the aim is reached, in words; empty without an aim.
pub fn verdict(aim: Aim, ratio: Spread, time: Spread) -> String {
    let said = |reached: bool, aim: String| format!("{aim}: {}", if reached { "reached" } else { "missed" });
    match aim {
        Aim::None => String::new(),
        Aim::AtLeast(least) => said(ratio.median >= least, format!("at least {least}")),
        Aim::AtMost(most) => said(ratio.median <= most, format!("at most {most}")),
        Aim::Nanoseconds(most) => said(time.median <= most, format!("at most {most} ns")),
    }
}

/// The table of one group.
pub fn table(group: &Group<'_>, samples: &Samples) -> String {
    let base = group.contenders[0].name;
    let unit = match group.ratio {
        Ratio::Speed => format!("x speed of {base}"),
        Ratio::Time => format!("x time of {base}"),
    };
    let mut out = format!("\n{}: {}\n", group.name, group.about);
    out += &format!("  {:<38} {:>24}  {unit}\n", "", "ns per item");
    for (index, contender) in group.contenders.iter().enumerate() {
        let (time, ratio) = (samples.times(index), samples.ratios(index, group.ratio));
        let verdict = verdict(contender.aim, ratio, time);
        let ratio = if index == 0 { "1".to_owned() } else { ratio.to_string() };
        let line = format!("  {:<38} {:>24}  {ratio:<20} {verdict}", contender.name, time.to_string());
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// The same for programs, with the figures of every round.
pub fn to_json(group: &Group<'_>, samples: &Samples) -> Value {
    let contenders: Vec<Value> = (group.contenders.iter().enumerate())
        .map(|(index, contender)| {
            let (time, ratio) = (samples.times(index), samples.ratios(index, group.ratio));
            json!({
                "name": contender.name,
                "nanoseconds": time.json(),
                "ratio": ratio.json(),
                "verdict": verdict(contender.aim, ratio, time),
                "rounds": samples.nanoseconds[index],
            })
        })
        .collect();
    let ratio = match group.ratio {
        Ratio::Speed => "speed",
        Ratio::Time => "time",
    };
    json!({ "name": group.name, "about": group.about, "ratio": ratio, "contenders": contenders })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_the_values() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]);
        assert_eq!(spread, Spread { lower: 1.75, median: 2.5, upper: 3.25 });
        assert_eq!(Spread::of(&[7.0]), Spread { lower: 7.0, median: 7.0, upper: 7.0 });
    }

    #[test]
    fn ratios_are_of_one_round_each() {
        let mut group = Group {
            name: "g",
            about: "a",
            ratio: Ratio::Speed,
            contenders: vec![Contender::new("base"), Contender::new("own").aim(Aim::AtLeast(2.0))],
            measure: Box::new({
                let mut calls = 0.0;
                move |contender| {
                    calls += 1.0;
                    if contender == 0 { 100.0 * calls } else { 10.0 }
                }
            }),
        };
        // Round 0: base 100, own 10. Round 1 begins with the other one: own 10, base 400.
        let (floors, samples) = run(std::slice::from_mut(&mut group), 2, || 70.0, |_| ());
        assert_eq!(floors, [70.0, 70.0]);
        let ratios = samples[0].ratios(1, Ratio::Speed);
        assert_eq!((ratios.median, samples[0].times(1).median), (25.0, 10.0));
        assert!(table(&group, &samples[0]).contains("at least 2: reached"));
        assert_eq!(to_json(&group, &samples[0])["contenders"][1]["rounds"], json!([10.0, 10.0]));
    }
}
