//! A canvas with a time axis, drawn as SVG.
//!
//! Lanes draw on it by moments of the run, and know nothing of pixels.

use std::fmt::Write;

use crate::untrusted::escape::markup;

/// Left edge of the axis.
pub const LEFT: f64 = 110.0;
/// Length of the axis.
const WIDTH: f64 = 1180.0;
/// Right margin.
const RIGHT: f64 = 24.0;
/// Width of a character, about, at the size that labels have.
const CHARACTER: f64 = 6.0;
/// The same in bold.
const BOLD: f64 = 7.0;

/// An SVG whose horizontal axis is time.
pub struct Canvas {
    out: String,
    from: u64,
    to: u64,
}

impl Canvas {
    /// A drawing of the time from `from` to `to`, nanoseconds.
    pub fn new(from: u64, to: u64) -> Canvas {
        Canvas { out: String::new(), from, to: to.max(from + 1) }
    }

    /// The whole drawing, `height` high.
    pub fn finish(self, height: f64) -> String {
        let width = LEFT + WIDTH + RIGHT;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" \
             font-family=\"DejaVu Sans, Verdana, sans-serif\" font-size=\"10\">\n\
             <defs><pattern id=\"unseen\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\">\
             <rect width=\"2\" height=\"6\" fill=\"#9e9e9e\"/></pattern>\
             <clipPath id=\"axis\"><rect x=\"{LEFT}\" y=\"0\" width=\"{WIDTH}\" \
             height=\"{height:.0}\"/></clipPath></defs>\n\
             <rect width=\"{width:.0}\" height=\"{height:.0}\" fill=\"#ffffff\"/>\n{}</svg>\n",
            self.out
        )
    }

    /// The place of a moment; moments outside lie at the edges.
    pub fn x(&self, at: u64) -> f64 {
        let at = at.clamp(self.from, self.to);
        LEFT + (at - self.from) as f64 / (self.to - self.from) as f64 * WIDTH
    }

    /// Right edge of the axis.
    pub fn right(&self) -> f64 {
        LEFT + WIDTH
    }

    /// Some of that time is drawn.
    pub fn shows(&self, at: [u64; 2]) -> bool {
        at[1] >= self.from && at[0] <= self.to
    }

    /// A bar over that time, at least a hair wide.
    pub fn bar(&mut self, at: [u64; 2], y: f64, height: f64, style: &str) {
        if self.shows(at) {
            let (x, end) = (self.x(at[0]), self.x(at[1]));
            self.rectangle(x, y, (end - x).max(0.8), height, style);
        }
    }

    /// A rectangle anywhere.
    pub fn rectangle(&mut self, x: f64, y: f64, width: f64, height: f64, style: &str) {
        let _ =
            writeln!(self.out, "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" {style}/>");
    }

    /// A line.
    pub fn line(&mut self, [x, y]: [f64; 2], [end_x, end_y]: [f64; 2], style: &str) {
        let _ = writeln!(self.out, "<line x1=\"{x:.1}\" y1=\"{y:.1}\" x2=\"{end_x:.1}\" y2=\"{end_y:.1}\" {style}/>");
    }

    /// A flash of lightning whose tip is at this point.
    pub fn bolt(&mut self, x: f64, y: f64, colour: &str) {
        let _ = writeln!(
            self.out,
            "<path d=\"M{x:.1},{y:.1} l-5,-9 l4,0 l-3,-7 l7,0 l-2,5 l4,0 z\" \
             fill=\"{colour}\" stroke=\"#4a2500\" stroke-width=\"0.6\"/>"
        );
    }

    /// Words.
    pub fn text(&mut self, x: f64, y: f64, style: &str, words: &str) {
        let words = markup(words);
        let _ = writeln!(self.out, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{words}</text>");
    }

    /// The axis below the lanes, with grid lines through them.
    pub fn axis(&mut self, top: f64, bottom: f64) {
        let step = step(self.to - self.from);
        let mut at = self.from.div_ceil(step) * step;
        while at <= self.to {
            let x = self.x(at);
            self.line([x, top], [x, bottom], "stroke=\"#e4e4e4\"");
            let seconds = at as f64 / 1e9;
            let digits = usize::from(step < 1_000_000_000) + usize::from(step < 100_000_000);
            self.text(x, bottom + 13.0, "fill=\"#555\" text-anchor=\"middle\"", &format!("{seconds:.digits$} s"));
            at += step;
        }
        self.line([LEFT, bottom], [self.right(), bottom], "stroke=\"#888\"");
    }
}

/// Time between two ticks: ten to twenty-five of them.
fn step(span: u64) -> u64 {
    let steps = [1, 2, 5].into_iter().cycle();
    let scales = (6..13).flat_map(|power| [10_u64.pow(power); 3]);
    let mut steps = steps.zip(scales).map(|(step, scale)| step * scale);
    steps.find(|step| span / step <= 20).unwrap_or(span.max(1))
}

/// Labels that do not cover each other: each goes to the first row where there is room.
#[derive(Default)]
pub struct Labels {
    rows: Vec<f64>,
    placed: Vec<(f64, usize, String, String)>,
}

impl Labels {
    /// A label at `x`; it moves left where it would leave the drawing.
    pub fn add(&mut self, canvas: &Canvas, x: f64, style: &str, words: &str) {
        let character = if style.contains("bold") { BOLD } else { CHARACTER };
        let width = words.chars().count() as f64 * character;
        let x = x.min(canvas.right() - width).max(LEFT);
        let row = self.rows.iter().position(|end| *end + 6.0 <= x).unwrap_or(self.rows.len());
        if row == self.rows.len() {
            self.rows.push(0.0);
        }
        self.rows[row] = x + width;
        self.placed.push((x, row, style.to_owned(), words.to_owned()));
    }

    /// Height of all rows.
    pub fn height(&self) -> f64 {
        self.rows.len() as f64 * 12.0
    }

    /// Draws them below `y`.
    pub fn draw(&self, canvas: &mut Canvas, y: f64) {
        for (x, row, style, words) in &self.placed {
            canvas.text(*x, y + 9.0 + *row as f64 * 12.0, style, words);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(step(20_000_000_000), 1_000_000_000);
        assert_eq!(step(9_000_000_000), 500_000_000);
        assert_eq!(step(300_000_000_000), 20_000_000_000);
    }

    #[test]
    fn labels_give_way_to_each_other() {
        let canvas = Canvas::new(0, 1000);
        let mut labels = Labels::default();
        labels.add(&canvas, 200.0, "", "first");
        labels.add(&canvas, 205.0, "", "second");
        labels.add(&canvas, 400.0, "", "third");
        assert_eq!(labels.height(), 24.0);
        // It would not end within the drawing.
        labels.add(&canvas, canvas.right(), "", "at the very end");
        assert!(labels.placed[3].0 < canvas.right() - 70.0);
    }
}
