//! A history as swim lanes: the holder of the leader key, the processes and roles of each node, the clients' writes,
//! the faults.
//!
//! The picture is drawn around the event at which a failure shows. Intervals are drawn as intervals, since no
//! observation is an instant.

mod canvas;
mod lane;

use pghaspec_model::vocabulary::event::{Event, Kind, Phase};

use crate::history::describe;
use crate::history::{History, seconds};
use crate::judge::Judgement;
use crate::judge::facts::lock::spans;
use crate::judge::verdict::Verdict;
use canvas::{Canvas, LEFT, Labels};

const SECOND: u64 = 1_000_000_000;
/// Longest time that is drawn.
const LONGEST: u64 = 90 * SECOND;
/// Longest headline and label, characters.
const HEADLINE: usize = 195;

/// Colours of the holders of the leader key, by the order of the nodes.
const HOLDERS: [&str; 6] = ["#5c6bc0", "#26a69a", "#d4a017", "#ab47bc", "#8d6e63", "#78909c"];

/// Draws what was judged: the seconds around the event at which the worst check shows, or from the faults to the end
/// where there is none.
pub fn picture(history: &History, judgement: &Judgement) -> String {
    let worst = judgement.checks.iter().filter(|check| check.verdict >= Verdict::Fail);
    // The model's refutation comes first: it is the first event that cannot be, not one of its consequences.
    let shows = worst.clone().filter_map(|check| check.event);
    let by_model = worst.clone().filter(|check| check.refutation.is_some()).find_map(|check| check.event);
    let focus = by_model.or_else(|| shows.min()).and_then(|seq| history.events.get(usize::try_from(seq).ok()?));
    let [from, to] = window(history, focus);
    let mut canvas = Canvas::new(from, to);

    let run = &history.run;
    let headline = format!("{} {}, {}: {}", run.agent, run.version, run.scenario, judgement.verdict.text());
    canvas.text(12.0, 22.0, "font-size=\"15\" font-weight=\"bold\"", &headline);
    let mut y = 40.0;
    for check in worst {
        let why = check.why.lines().next().unwrap_or_default();
        canvas.text(12.0, y, "fill=\"#b71c1c\" font-size=\"11\"", &short(&format!("{}: {why}", check.id), HEADLINE));
        y += 15.0;
        // The events that came before are drawn.
        let refutation =
            check.refutation.iter().flat_map(|refuted| [&refuted.allowed].into_iter().chain(&refuted.rules));
        for line in refutation {
            canvas.text(28.0, y, "fill=\"#333\" font-size=\"11\"", &short(line, HEADLINE));
            y += 15.0;
        }
    }
    // Room for the names of phases, which may follow close on each other, and for the words on what is highlighted.
    let phases_at = y + 26.0;
    let top = phases_at + 14.0;

    // The grid goes below everything, and its height is known only when all lanes are: they are laid out first.
    let lanes: Vec<lane::Lane> = run.nodes.iter().map(|node| lane::Lane::of(history, node, &canvas)).collect();
    let key_height = 34.0;
    let bottom = top + key_height + lanes.iter().map(lane::Lane::height).sum::<f64>();
    canvas.axis(top, bottom);
    let mut phases = Labels::default();
    for event in &history.events {
        if let Kind::Phase { phase } = event.kind
            && canvas.shows(event.at)
            && phase != Phase::Bootstrap
        {
            let x = canvas.x(event.at[0]);
            canvas.line([x, phases_at], [x, bottom], "stroke=\"#888\" stroke-dasharray=\"2 3\"");
            phases.add(&canvas, x + 3.0, "fill=\"#777\" font-style=\"italic\"", describe::phase(phase));
        }
    }
    phases.draw(&mut canvas, phases_at - phases.height());
    leader_key(history, &mut canvas, top);
    let mut y = top + key_height;
    for lane in &lanes {
        lane.draw(&mut canvas, y);
        y += lane.height();
    }
    if let Some(event) = focus {
        highlight(&mut canvas, event, top, bottom);
    }
    legend(&mut canvas, bottom + 30.0);
    canvas.finish(bottom + 56.0)
}

/// The seconds that are drawn.
fn window(history: &History, focus: Option<&Event>) -> [u64; 2] {
    let last = history.events.iter().map(|event| event.at[1]).max().unwrap_or(0);
    let faults: Vec<u64> = history
        .events
        .iter()
        .filter(|event| matches!(event.kind, Kind::Fault { .. } | Kind::Disturbance { .. }))
        .map(|event| event.at[0])
        .collect();
    let [from, to] = match focus {
        Some(event) => {
            let fault = faults.iter().filter(|fault| **fault <= event.at[1]).max().copied().unwrap_or(event.at[0]);
            let from = fault.clamp(event.at[0].saturating_sub(15 * SECOND), event.at[0].saturating_sub(3 * SECOND));
            [from.saturating_sub(SECOND), event.at[1] + 4 * SECOND]
        }
        None => {
            let first = faults.iter().min().copied().or(history.phase(Phase::Ready)).unwrap_or(0);
            [first.saturating_sub(2 * SECOND), last]
        }
    };
    [from, to.min(from + LONGEST).min(last.max(from + SECOND))]
}

/// The holders of the leader key. Where a change lies within an interval, both holders are drawn in it.
fn leader_key(history: &History, canvas: &mut Canvas, top: f64) {
    canvas.text(12.0, top + 20.0, "font-weight=\"bold\" font-size=\"12\"", "leader key");
    let end = history.events.iter().map(|event| event.at[1]).max().unwrap_or(0);
    let spans = spans(history);
    let last = |index: usize| spans.get(index + 1).map_or(end, |next| next.1);
    for (index, (holder, possible_from, possible_to)) in spans.iter().enumerate() {
        let Some(holder) = holder else { continue };
        let number = history.run.nodes.iter().position(|node| node == holder).unwrap_or(HOLDERS.len() - 1);
        let colour = HOLDERS[number % HOLDERS.len()];
        let certain_from = index.checked_sub(1).map_or(*possible_from, |before| spans[before].2);
        let possible = [*possible_from, (*possible_to).min(end)];
        canvas.bar(possible, top + 8.0, 16.0, &format!("fill=\"{colour}\" fill-opacity=\"0.3\""));
        let certain = [certain_from, last(index)];
        if certain[0] < certain[1] {
            canvas.bar(certain, top + 8.0, 16.0, &format!("fill=\"{colour}\""));
        }
        if canvas.shows(possible) {
            let x = canvas.x(possible[0]) + 4.0;
            let (style, y) = match canvas.x(possible[1]) - x > 20.0 {
                true => ("fill=\"#fff\" font-weight=\"bold\"", top + 20.0),
                false => ("fill=\"#333\"", top + 33.0),
            };
            canvas.text(x, y, style, holder);
        }
    }
    canvas.line([LEFT, top + 16.0], [canvas.right(), top + 16.0], "stroke=\"#999\" stroke-dasharray=\"1 4\"");
}

fn highlight(canvas: &mut Canvas, event: &Event, top: f64, bottom: f64) {
    let style = "fill=\"#e53935\" fill-opacity=\"0.22\"";
    canvas.bar(event.at, top - 4.0, bottom - top + 4.0, style);
    let x = canvas.x(event.at[1]);
    canvas.line([x, top - 4.0], [x, bottom], "stroke=\"#e53935\" stroke-width=\"1.6\"");
    let node = event.node.as_ref().map_or(String::new(), |node| format!("{node}: "));
    let words = format!("event {} at {}: {node}{}", event.seq, seconds(event.at[1]), describe::what(event));
    let mut labels = Labels::default();
    let style = "fill=\"#b71c1c\" font-weight=\"bold\" stroke=\"#fff\" stroke-width=\"3\" paint-order=\"stroke\"";
    labels.add(canvas, x + 5.0, style, &short(&words, HEADLINE));
    labels.draw(canvas, top - 14.0);
}

fn legend(canvas: &mut Canvas, y: f64) {
    let mut x = LEFT;
    let entries = [
        (lane::PRIMARY, "primary"),
        (lane::STANDBY, "standby"),
        (lane::STARTING, "postmaster, role not seen"),
        (lane::SINGLE_USER, "postgres --single"),
        (lane::PG_REWIND, "pg_rewind"),
        (lane::PG_BASEBACKUP, "pg_basebackup"),
        (lane::AGENT, "agent"),
        (lane::ACKNOWLEDGED, "write acknowledged"),
        (lane::REFUSED, "refused"),
        (lane::INDETERMINATE, "answer lost"),
        (lane::STARVED, "no CPU"),
        ("url(#unseen)", "not observed"),
    ];
    for (colour, words) in entries {
        canvas.rectangle(x, y - 9.0, 12.0, 10.0, &format!("fill=\"{colour}\""));
        canvas.text(x + 16.0, y, "fill=\"#444\"", words);
        x += 24.0 + words.chars().count() as f64 * 6.2;
    }
    canvas.bolt(x + 6.0, y + 2.0, lane::BOLT);
    canvas.text(x + 16.0, y, "fill=\"#444\"", "fault");
}

/// Cut to so many characters.
fn short(words: &str, limit: usize) -> String {
    match words.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &words[..end]),
        None => words.to_owned(),
    }
}
