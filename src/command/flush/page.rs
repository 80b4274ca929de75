//! A tale as one page that stands alone: plain SVG and CSS, nothing from elsewhere.
//!
//! The picture has a row for each step at which something was counted, and a column for each place: bars
//! shrink where a flush takes from, and grow where it brings to. Scales are those of the columns.

use super::tale::{Kept, Part, Step, Tale};
use crate::command::output::Nanoseconds;
use std::cmp::Ordering;

/// Pixels of the picture: a row, the space left of the bars, a column, and the longest bar in it.
const ROW: usize = 34;
const LEFT: usize = 300;
const COLUMN: usize = 190;
const BAR: u64 = 130;
const HEAD: usize = 30;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;\
color:#1a1a1a;background:#fff}svg{max-width:100%;height:auto;font-size:12px}h1{font-size:1.5em}\
h2{font-size:1.15em;margin-top:1.8em}code{font-family:ui-monospace,monospace}\
li{margin:.5em 0}li.flush{background:#fff4dc}dl{margin:.2em 0 0 1em;display:grid;\
grid-template-columns:max-content 1fr;gap:0 1.2em}dt{color:#555}dd{margin:0}\
.kept{color:#14602a}.broken{color:#a11212}.row{fill:#f6f6f6}.row.flush{fill:#fff4dc}\
.bar{fill:#3b6ea5}.bar.first{fill:#c8711d}";

/// The whole page.
pub fn page(tale: &Tale) -> String {
    let title = format!("{} ({}), step by step", tale.flush, tale.kind);
    let steps: String = tale.steps.iter().map(|step| item(step, &tale.lanes)).collect();
    let verdict = if tale.is_as_promised() {
        format!("<p class=\"kept\">As promised: {} promises were looked at, and kept.</p>\n", tale.promises)
    } else {
        let broken = tale.broken_promises.iter().map(|broken| format!("<li>{}</li>\n", escaped(broken)));
        format!(
            "<p class=\"broken\">Not as promised:</p>\n<ul class=\"broken\">\n{}</ul>\n",
            broken.collect::<String>()
        )
    };
    let means = list("Completion means that", &tale.means);
    let denied = list("Completion does not mean that", &tale.does_not_mean);
    let open = tale.not_seen.iter().map(|what| format!("<p>Not seen here: {}.</p>\n", escaped(what)));
    let open: String = open.collect();
    let picture = picture(tale);
    let title = escaped(&title);
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{verdict}{picture}{means}{denied}{open}\
         <h2>The steps</h2>\n<ol>\n{steps}</ol>\n</body>\n</html>\n"
    )
}

fn list(head: &str, kept: &[Kept]) -> String {
    if kept.is_empty() {
        return String::new();
    }
    let items = kept.iter().map(|kept| format!("<li>{} (step {})</li>\n", escaped(&kept.text), kept.step));
    format!("<h2>{head}</h2>\n<ul>\n{}</ul>\n", items.collect::<String>())
}

fn item(step: &Step, lanes: &[&str]) -> String {
    let amounts =
        lanes.iter().zip(&step.amounts).map(|(lane, amount)| ((*lane).to_owned(), amount.to_string()));
    let seen = step.seen.iter().map(|seen| (seen.what.clone(), seen.is.clone()));
    let rows =
        amounts.chain(seen).map(|(what, is)| format!("<dt>{}</dt><dd>{}</dd>", escaped(&what), escaped(&is)));
    let (call, result) = (escaped(&step.call), escaped(&step.result));
    let (class, rows) = (class(step), rows.collect::<String>());
    format!("<li{class}><code>{call}</code>: {result}{}<dl>{rows}</dl></li>\n", returned(step))
}

fn class(step: &Step) -> &'static str {
    if step.part == Part::Flush { " class=\"flush\"" } else { "" }
}

/// When a flush returned.
fn returned(step: &Step) -> String {
    step.took_ns.map_or_else(String::new, |took| format!(", returned after {}", Nanoseconds(took as f64)))
}

fn picture(tale: &Tale) -> String {
    let counted: Vec<&Step> =
        tale.steps.iter().filter(|step| !step.amounts.is_empty() || step.part == Part::Flush).collect();
    let (width, height) = (LEFT + tale.lanes.len() * COLUMN, HEAD + counted.len() * ROW);
    let heads = tale.lanes.iter().enumerate().map(|(n, lane)| {
        format!("<text x=\"{}\" y=\"18\" font-weight=\"bold\">{}</text>\n", LEFT + n * COLUMN, escaped(lane))
    });
    let heads: String = heads.collect();
    let most: Vec<u64> = (0..tale.lanes.len())
        .map(|n| counted.iter().filter_map(|step| step.amounts.get(n).copied()).max().unwrap_or(0).max(1))
        .collect();
    let mut rows = String::new();
    let mut before: &[u64] = &[];
    for (n, step) in counted.iter().enumerate() {
        rows += &row(step, before, HEAD + n * ROW, width, &most);
        before = if step.amounts.is_empty() { before } else { &step.amounts };
    }
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"What was held back and what the flush \
         moved, step by step\">\n{heads}{rows}</svg>\n"
    )
}

/// One step of the picture, from `top` downwards; `before` was counted at the one above.
fn row(step: &Step, before: &[u64], top: usize, width: usize, most: &[u64]) -> String {
    let flush = step.part == Part::Flush;
    let class = if flush { "row flush" } else { "row" };
    let mut row = format!(
        "<rect class=\"{class}\" x=\"0\" y=\"{}\" width=\"{width}\" height=\"{}\"/>\n\
         <text x=\"6\" y=\"{}\">{}. {}</text>\n",
        top + 1,
        ROW - 2,
        top + 14,
        step.step,
        escaped(&shortened(&step.call)),
    );
    let took = step.took_ns.map(|took| format!("returned after {}: ", Nanoseconds(took as f64)));
    let below = took.unwrap_or_default() + &step.result;
    row +=
        &format!("<text x=\"20\" y=\"{}\" fill=\"#555\">{}</text>\n", top + 28, escaped(&shortened(&below)));
    for (n, (amount, most)) in step.amounts.iter().zip(most).enumerate() {
        let (x, length) = (LEFT + n * COLUMN, amount * BAR / most);
        let class = if n == 0 { "bar first" } else { "bar" };
        let change = before.get(n).filter(|_| flush).map_or_else(String::new, |was| changed(*was, *amount));
        row += &format!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{}\" width=\"{length}\" height=\"14\"/>\n\
             <text x=\"{}\" y=\"{}\">{amount}{change}</text>\n",
            top + 10,
            x + length as usize + 6,
            top + 22,
        );
    }
    row
}

/// What a flush has taken from a place, or brought there.
fn changed(was: u64, is: u64) -> String {
    match is.cmp(&was) {
        Ordering::Less => format!(" (−{} →)", was - is),
        Ordering::Equal => String::new(),
        Ordering::Greater => format!(" (→ +{})", is - was),
    }
}

/// As much of a line as has room beside the bars; the whole line is in the list below.
fn shortened(line: &str) -> String {
    const ROOM: usize = 46;
    if line.chars().count() <= ROOM {
        line.to_owned()
    } else {
        line.chars().take(ROOM - 1).chain(['…']).collect()
    }
}

/// As text of HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::clock::Duration;

    #[test]
    fn a_page_has_every_step_and_promise_and_nothing_from_elsewhere() {
        let mut tale = Tale::new("mmio", "mmioFlush", &["held", "there"]);
        tale.step(Part::Before, "write \"<12>\" & wait", "12 bytes").amounts(&[12, 0]);
        tale.step(Part::Flush, "mmioFlush", "0").took(Duration::from_micros(3)).amounts(&[0, 12]);
        tale.means(true, "all was written", "unseen");
        tale.holds(false, "it was quick", "it took 3 µs");
        let page = page(&tale);
        assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
        assert!(page.contains("write &quot;&lt;12&gt;&quot; &amp; wait"), "{page}");
        assert!(page.contains("<li>all was written (step 2)</li>"), "{page}");
        assert!(page.contains("Not as promised") && page.contains("it was quick; it took 3 µs"), "{page}");
        assert!(page.contains("0, returned after 3.00 µs"), "{page}");
        // 12 of 12 is the longest bar, in either column.
        assert_eq!(page.matches("width=\"130\" height=\"14\"").count(), 2, "{page}");
        assert!(page.contains(">0 (−12 →)<") && page.contains(">12 (→ +12)<"), "{page}");
        assert!(page.contains(">returned after 3.00 µs: 0<"), "{page}");
        assert!(!page.contains("src=") && !page.contains("href=") && !page.contains("url("));
    }
}
