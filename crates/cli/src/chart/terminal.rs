//! A chart for a terminal: eight dots a character where it knows Unicode, else a letter each. Nothing is coloured.

use std::fmt::Write as _;

use super::Chart;
use super::scale::{View, float, index};
use crate::output::figures;

/// What a terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Charset {
    /// Dots and lines.
    Unicode,
    /// Letters.
    Ascii,
}

impl Charset {
    /// Dots a character: across and down.
    const fn dots(self) -> (usize, usize) {
        match self {
            Self::Unicode => (2, 4),
            Self::Ascii => (1, 1),
        }
    }
}

/// What a dot is of. The later ones are told apart where letters are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Limit,
    Forecast,
    Samples,
    Floor,
}

/// Columns left of the plot: the longest label, a space, the axis.
const MARGIN: usize = 14;

/// The chart in so many columns and rows, its axes included.
pub(crate) fn terminal(chart: &Chart, columns: usize, rows: usize, charset: Charset) -> String {
    let (width, height) = (columns.clamp(40, 200) - MARGIN, rows.clamp(8, 60) - 3);
    let view = View::of(chart, (width / 12, height / 3));
    let mut canvas = Canvas::new(width, height, charset);
    canvas.draw(chart, &view);

    let vertical = if charset == Charset::Unicode { '\u{2502}' } else { '|' };
    let (corner, horizontal) =
        if charset == Charset::Unicode { ('\u{2514}', "\u{2500}") } else { ('+', "-") };
    let mut out = String::new();
    for row in 0..height {
        let label = view.value.marks.iter().find(|(value, _)| canvas.row_of(view.value.share(*value)) == row);
        let label = label.map_or("", |(_, label)| label.as_str());
        let line = format!("{label:>width$} {vertical}{}", canvas.row(row), width = MARGIN - 2);
        let _ = writeln!(out, "{}", line.trim_end());
    }
    let _ = writeln!(out, "{:>width$} {corner}{}", "", horizontal.repeat(width), width = MARGIN - 2);
    let _ = writeln!(out, "{}", time_labels(&view, width));
    let legend = legend(chart, &view, charset, width);
    if !legend.is_empty() {
        let _ = writeln!(out, "{legend}");
    }
    out
}

fn time_labels(view: &View, width: usize) -> String {
    let mut line = String::new();
    for (at, label) in &view.time.marks {
        let column = MARGIN + index(view.time.share(*at).clamp(0.0, 1.0) * float(width - 1));
        let start = column.saturating_sub(label.len() / 2);
        if (line.is_empty() || start > line.len()) && start + label.len() <= MARGIN + width {
            let _ = write!(line, "{}{label}", " ".repeat(start - line.len()));
        }
    }
    line
}

fn legend(chart: &Chart, view: &View, charset: Charset, width: usize) -> String {
    let limit = chart.limit.map(|limit| figures::amount(chart.quantity, limit));
    let limit = limit.map(|limit| if view.shows_limit { limit } else { format!("{limit}, far above") });
    let mut parts = Vec::new();
    if charset == Charset::Ascii {
        parts.push("* samples".to_owned());
        if !chart.floor.is_empty() {
            parts.push("# floor".to_owned());
        }
        if view.cone.is_some() {
            parts.push(". forecast".to_owned());
        }
    }
    let sign = if charset == Charset::Ascii && view.shows_limit { "- " } else { "" };
    parts.extend(limit.map(|limit| format!("{sign}limit {limit}")));
    parts.extend(chart.start.map(|start| format!("from {start}")));
    if parts.join(", ").len() > width {
        // The last one can be missed first.
        parts.pop();
    }
    let text: String = parts.join(", ").chars().take(width).collect();
    format!("{:MARGIN$}{text}", "").trim_end().to_owned()
}

/// Dots, each with the layer that is seen.
struct Canvas {
    charset: Charset,
    /// In dots.
    width: usize,
    height: usize,
    dots: Vec<Option<Layer>>,
}

impl Canvas {
    fn new(columns: usize, rows: usize, charset: Charset) -> Self {
        let (across, down) = charset.dots();
        let (width, height) = (columns * across, rows * down);
        Self { charset, width, height, dots: vec![None; width * height] }
    }

    fn draw(&mut self, chart: &Chart, view: &View) {
        if let Some(limit) = chart.limit.filter(|_| view.shows_limit) {
            let y = self.y(view.value.share(limit));
            for x in (0..self.width).step_by(self.charset.dots().0) {
                self.dot(x, y, Layer::Limit);
            }
        }
        if let Some(rays) = view.cone {
            let of = |(at, value): (f64, f64)| (view.time.share(at), view.value.share(value));
            for ray in [rays.earliest, rays.likely, rays.latest] {
                self.line(of(rays.from), of(ray), Layer::Forecast, 2);
            }
        }
        for (points, layer) in [(&chart.points, Layer::Samples), (&chart.floor, Layer::Floor)] {
            let places: Vec<(f64, f64)> = points.iter().map(|point| view.place(*point)).collect();
            if let [only] = places[..] {
                self.line(only, only, layer, 1);
            }
            places.windows(2).for_each(|pair| self.line(pair[0], pair[1], layer, 1));
        }
    }

    fn x(&self, share: f64) -> usize {
        index(share.clamp(0.0, 1.0) * float(self.width - 1) + 0.5)
    }

    fn y(&self, share: f64) -> usize {
        index((1.0 - share.clamp(0.0, 1.0)) * float(self.height - 1) + 0.5)
    }

    /// The row of characters that a value lies in.
    fn row_of(&self, share: f64) -> usize {
        self.y(share) / self.charset.dots().1
    }

    fn dot(&mut self, x: usize, y: usize, layer: Layer) {
        if let Some(dot) = self.dots.get_mut(y * self.width + x) {
            *dot = (*dot).max(Some(layer));
        }
    }

    /// Every `every`-th dot of a line.
    fn line(&mut self, from: (f64, f64), to: (f64, f64), layer: Layer, every: usize) {
        let (start, end) = ((self.x(from.0), self.y(from.1)), (self.x(to.0), self.y(to.1)));
        let steps = start.0.abs_diff(end.0).max(start.1.abs_diff(end.1));
        let between = |a: usize, b: usize, share: f64| index(float(a) + (float(b) - float(a)) * share + 0.5);
        for step in (0..=steps).step_by(every) {
            let share = if steps == 0 { 0.0 } else { float(step) / float(steps) };
            self.dot(between(start.0, end.0, share), between(start.1, end.1, share), layer);
        }
    }

    fn row(&self, row: usize) -> String {
        let (across, down) = self.charset.dots();
        (0..self.width / across).map(|column| self.character(column * across, row * down)).collect()
    }

    fn character(&self, x: usize, y: usize) -> char {
        // Unicode numbers the dots of a Braille cell down the left side, down the right side, then the bottom pair.
        const BITS: [(usize, usize); 8] = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
        let at = |dx: usize, dy: usize| self.dots[(y + dy) * self.width + x + dx];
        if self.charset == Charset::Ascii {
            return match at(0, 0) {
                None => ' ',
                Some(Layer::Limit) => '-',
                Some(Layer::Forecast) => '.',
                Some(Layer::Samples) => '*',
                Some(Layer::Floor) => '#',
            };
        }
        let bits = BITS.iter().enumerate().filter(|(_, (dx, dy))| at(*dx, *dy).is_some());
        let bits = bits.fold(0_u32, |bits, (bit, _)| bits | 1 << bit);
        if bits == 0 { ' ' } else { char::from_u32(0x2800 + bits).unwrap_or(' ') }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::fixture;

    #[test]
    fn a_leak_climbs_to_its_limit() {
        let drawn = terminal(&fixture::leaking(), 72, 16, Charset::Ascii);
        assert_eq!(drawn.lines().count(), 16);
        assert!(drawn.is_ascii() && drawn.lines().all(|line| line.len() <= 72), "{drawn}");
        for text in ["600 MiB |", "0 MiB", "3 h", "- limit 600 MiB", "* samples", "----"] {
            assert!(drawn.contains(text), "{text}:\n{drawn}");
        }
        let floor: Vec<usize> =
            drawn.lines().filter(|line| line.contains('|')).filter_map(|line| line.find('#')).collect();
        assert!(floor.len() >= 3 && floor.is_sorted_by(|a, b| a >= b), "{drawn}");
        let dots = terminal(&fixture::leaking(), 72, 16, Charset::Unicode);
        assert!(dots.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "{dots}");
        assert!(dots.lines().all(|line| line.chars().count() <= 72), "{dots}");
    }

    #[test]
    fn what_is_odd_is_drawn() {
        for (name, chart) in fixture::odd() {
            for (columns, rows) in [(0, 0), (80, 16), (usize::MAX, usize::MAX)] {
                let drawn = terminal(&chart, columns, rows, Charset::Unicode);
                assert!(drawn.lines().all(|line| line.chars().count() <= 200), "{name}");
            }
        }
    }
}
