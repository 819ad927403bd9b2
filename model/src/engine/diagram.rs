//! Sequence diagrams: a behaviour drawn as SVG. The model chooses the lanes, the texts and the marks; this file only
//! draws.

use std::fmt::Write;

/// A behaviour to be drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// Headline.
    pub title: String,
    /// One lane for each part of the model, from left to right.
    pub lanes: Vec<String>,
    /// The steps, from top to bottom.
    pub rows: Vec<Row>,
}

/// One step of the behaviour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The lane in which it happens: an index into [`Chart::lanes`].
    pub lane: usize,
    /// The lane that it reaches, if that is another one: drawn as an arrow.
    pub to: Option<usize>,
    /// The step in words.
    pub text: String,
    /// The changes of the step, a line each, drawn smaller.
    pub notes: Vec<String>,
    /// The colour of the step.
    pub mark: Mark,
}

/// The kind of a step, drawn as a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// A step of the model.
    Step,
    /// A fault of the environment.
    Fault,
    /// The step that breaks the property.
    Broken,
}

const LANE_WIDTH: usize = 360;
const MARGIN: usize = 24;
const LINE: usize = 16;
const WRAP: usize = 54;

/// Draws a chart as a complete SVG document.
pub fn svg(chart: &Chart) -> String {
    let wrapped: Vec<Vec<(String, bool)>> = chart.rows.iter().map(lines).collect();
    let heights: Vec<usize> = wrapped.iter().map(|lines| lines.len() * LINE + 14).collect();
    let top = 72;
    let height = top + heights.iter().sum::<usize>() + MARGIN;
    let width = 2 * MARGIN + 32 + chart.lanes.len() * LANE_WIDTH;
    let middle = |lane: usize| MARGIN + 32 + lane * LANE_WIDTH + 12;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <defs><marker id=\"tip\" markerWidth=\"8\" markerHeight=\"8\" refX=\"7\" refY=\"4\" orient=\"auto\">\
         <path d=\"M0,0 L8,4 L0,8 z\" fill=\"#555\"/></marker></defs>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    text(&mut out, MARGIN, 24, "font-size=\"15\" font-weight=\"bold\"", &chart.title);
    for (lane, name) in chart.lanes.iter().enumerate() {
        let x = middle(lane);
        text(&mut out, x, 52, "font-weight=\"bold\"", name);
        let _ = writeln!(out, "<line x1=\"{x}\" y1=\"60\" x2=\"{x}\" y2=\"{}\" stroke=\"#bbb\"/>", height - MARGIN);
    }
    let mut y = top;
    for (number, ((row, lines), height)) in chart.rows.iter().zip(&wrapped).zip(&heights).enumerate() {
        let (x, at) = (middle(row.lane), y + LINE / 2);
        let colour = match row.mark {
            Mark::Step => "#2a6fb0",
            Mark::Fault => "#c77700",
            Mark::Broken => "#c62828",
        };
        text(&mut out, MARGIN, at + 4, "fill=\"#888\"", &(number + 1).to_string());
        if let Some(to) = row.to.filter(|to| *to != row.lane) {
            let _ = writeln!(
                out,
                "<line x1=\"{x}\" y1=\"{at}\" x2=\"{}\" y2=\"{at}\" stroke=\"#555\" stroke-dasharray=\"4 3\" \
                 marker-end=\"url(#tip)\"/>",
                middle(to)
            );
        }
        let _ = writeln!(out, "<circle cx=\"{x}\" cy=\"{at}\" r=\"5\" fill=\"{colour}\"/>");
        for (line, (words, note)) in lines.iter().enumerate() {
            let style = if *note { "fill=\"#777\" font-size=\"11\"".to_owned() } else { format!("fill=\"{colour}\"") };
            text(&mut out, x + 12, at + 4 + line * LINE, &style, words);
        }
        y += height;
    }
    out + "</svg>\n"
}

/// The lines of a row, wrapped, each with a flag that is true for a note.
fn lines(row: &Row) -> Vec<(String, bool)> {
    let mut lines: Vec<_> = wrap(&row.text).into_iter().map(|line| (line, false)).collect();
    lines.extend(row.notes.iter().flat_map(|note| wrap(note)).map(|line| (line, true)));
    lines
}

/// Breaks a text at blanks so that each line fits into a lane.
fn wrap(words: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in words.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WRAP {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

fn text(out: &mut String, x: usize, y: usize, style: &str, words: &str) {
    let escaped = words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let _ = writeln!(out, "<text x=\"{x}\" y=\"{y}\" {style}>{escaped}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_escaped_and_wrapped() {
        let row = Row {
            lane: 0,
            to: Some(1),
            text: "a < b & c ".to_owned() + &"word ".repeat(20),
            notes: vec!["x → y".into()],
            mark: Mark::Broken,
        };
        let drawn = svg(&Chart { title: "t".into(), lanes: vec!["n1".into(), "etcd".into()], rows: vec![row] });
        assert!(drawn.contains("a &lt; b &amp; c word"));
        assert_eq!(drawn.matches("<circle").count(), 1);
        assert_eq!(drawn.matches("marker-end").count(), 1);
        assert!(drawn.matches("<text").count() >= 7, "{drawn}");
    }
}
