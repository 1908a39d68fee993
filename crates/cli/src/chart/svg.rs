//! A chart as SVG. Drawn in pixels on plotters' SVG backend; text is set in whatever sans-serif the viewer has, so no
//! font is needed to write one.

use std::io;

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind};
use plotters::prelude::{
    Circle, Color, IntoDrawingArea, IntoFont, PathElement, Polygon, RGBColor, Rectangle, SVGBackend,
    ShapeStyle, Text,
};
use plotters::style::TextStyle;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use scupper_casebook::report::curve::MarkKind;
use scupper_detect::Verdict;
use scupper_model::printable;

use super::scale::View;
use super::{Chart, Point};
use crate::output::figures;

const WIDTH: u32 = 1000;
const HEIGHT: u32 = 460;
/// Left, top, right and bottom edge of the plot in its panel.
const FRAME: (i32, i32, i32, i32) = (88, 96, 976, 364);
const MOST_MARKS: (usize, usize) = (9, 6);

const INK: RGBColor = RGBColor(0x22, 0x2b, 0x36);
const FAINT: RGBColor = RGBColor(0x6b, 0x76, 0x85);
const GRID: RGBColor = RGBColor(0xe4, 0xe8, 0xed);
const SAMPLES: RGBColor = RGBColor(0x9f, 0xb6, 0xd0);
const FLOOR: RGBColor = RGBColor(0x1f, 0x5f, 0xa8);
const FIT: RGBColor = RGBColor(0xd9, 0x6b, 0x0b);
const LIMIT: RGBColor = RGBColor(0xb0, 0x1e, 0x2e);
const STEP: RGBColor = RGBColor(0x7a, 0x4f, 0xb5);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Writing into a string does not fail; what is drawn might be refused.
pub(crate) type DrawError = DrawingAreaErrorKind<io::Error>;
type Drawn = Result<(), DrawError>;
type Pixel = (i32, i32);

/// The charts below each other in one picture.
pub(crate) fn svg(charts: &[Chart]) -> Result<String, DrawError> {
    let mut text = String::new();
    {
        let panels = u32::try_from(charts.len()).unwrap_or(1).max(1);
        let root =
            SVGBackend::with_string(&mut text, (WIDTH, HEIGHT.saturating_mul(panels))).into_drawing_area();
        root.fill(&plotters::style::WHITE)?;
        for (chart, area) in charts.iter().zip(root.split_evenly((charts.len().max(1), 1))) {
            Panel { area: &area, chart, view: View::of(chart, MOST_MARKS) }.draw()?;
        }
        root.present()?;
    }
    Ok(text)
}

fn colour(verdict: Verdict) -> RGBColor {
    match verdict {
        Verdict::Stable => RGBColor(0x3c, 0x9a, 0x5f),
        Verdict::WarmingUp => RGBColor(0x5b, 0xa4, 0xcf),
        Verdict::Step => STEP,
        Verdict::Unknown => RGBColor(0xb4, 0xbc, 0xc6),
        Verdict::Growing => RGBColor(0xe0, 0x8e, 0x1b),
        Verdict::Leaking => LIMIT,
    }
}

const fn mark_colour(kind: MarkKind) -> RGBColor {
    match kind {
        MarkKind::Limit => LIMIT,
        MarkKind::Contained => STEP,
        MarkKind::Death => INK,
        MarkKind::Start => RGBColor(0x3c, 0x9a, 0x5f),
    }
}

/// Text of strangers as XML may hold it, cut to what fits.
fn clean(text: &str, most: usize) -> String {
    printable(text.as_bytes(), most).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn thick(colour: RGBColor, width: u32) -> ShapeStyle {
    colour.stroke_width(width)
}

struct Panel<'p, 'b> {
    area: &'p Area<'b>,
    chart: &'p Chart,
    view: View,
}

impl Panel<'_, '_> {
    fn draw(&self) -> Drawn {
        self.text(&clean(&self.chart.title, 100), (FRAME.0, 22), &style(17, INK, HPos::Left))?;
        self.text(&clean(&self.chart.subtitle, 150), (FRAME.0, 44), &style(13, FAINT, HPos::Left))?;
        self.grid()?;
        self.cone()?;
        self.samples()?;
        self.fit()?;
        self.steps()?;
        self.changes()?;
        self.marks()?;
        self.limit()?;
        self.legend()
    }

    fn text(&self, text: &str, at: Pixel, style: &TextStyle<'_>) -> Drawn {
        // Without a letter there is nothing to draw, and an empty element is no use to anybody.
        if text.is_empty() { Ok(()) } else { self.area.draw(&Text::new(text.to_owned(), at, style.clone())) }
    }

    fn line(&self, points: Vec<Pixel>, style: ShapeStyle) -> Drawn {
        if points.len() < 2 { Ok(()) } else { self.area.draw(&PathElement::new(points, style)) }
    }

    /// A straight line in pieces.
    fn dashes(&self, from: Pixel, to: Pixel, piece: f64, style: ShapeStyle) -> Drawn {
        let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
        let length = dx.hypot(dy);
        let at = |distance: f64| {
            let share = (distance / length).min(1.0);
            (from.0 + pixels(dx * share), from.1 + pixels(dy * share))
        };
        let mut distance = 0.0;
        while distance < length {
            self.line(vec![at(distance), at(distance + piece)], style)?;
            distance += piece * 1.8;
        }
        Ok(())
    }

    fn x(&self, seconds: f64) -> i32 {
        FRAME.0 + pixels(self.view.time.share(seconds).clamp(0.0, 1.0) * f64::from(FRAME.2 - FRAME.0))
    }

    fn y(&self, value: f64) -> i32 {
        FRAME.3 - pixels(self.view.value.share(value).clamp(0.0, 1.0) * f64::from(FRAME.3 - FRAME.1))
    }

    fn at(&self, point: Point) -> Pixel {
        (self.x(point.0.as_secs_f64()), self.y(point.1))
    }

    fn grid(&self) -> Drawn {
        for (value, label) in &self.view.value.marks {
            let y = self.y(*value);
            self.line(vec![(FRAME.0, y), (FRAME.2, y)], thick(GRID, 1))?;
            self.text(label, (FRAME.0 - 10, y), &style(12, FAINT, HPos::Right))?;
        }
        for (at, label) in &self.view.time.marks {
            let x = self.x(*at);
            self.line(vec![(x, FRAME.3), (x, FRAME.3 + 5)], thick(FAINT, 1))?;
            self.text(label, (x, FRAME.3 + 16), &style(12, FAINT, HPos::Center))?;
        }
        let caption = match self.chart.start {
            Some(start) => format!("time since {start}"),
            None => "time since the first sample".to_owned(),
        };
        self.text(&caption, (FRAME.2, FRAME.3 + 38), &style(12, FAINT, HPos::Right))?;
        self.line(vec![(FRAME.0, FRAME.3), (FRAME.2, FRAME.3)], thick(FAINT, 1))
    }

    fn samples(&self) -> Drawn {
        let points: Vec<Pixel> = self.chart.points.iter().map(|point| self.at(*point)).collect();
        if let [only] = points[..] {
            self.area.draw(&Circle::new(only, 3, SAMPLES.filled()))?;
        }
        self.line(points, thick(SAMPLES, 1))?;
        self.line(self.chart.floor.iter().map(|point| self.at(*point)).collect(), thick(FLOOR, 2))
    }

    fn fit(&self) -> Drawn {
        match self.chart.fit {
            Some(ends) => self.line(ends.map(|point| self.at(point)).to_vec(), thick(FIT, 3)),
            None => Ok(()),
        }
    }

    fn cone(&self) -> Drawn {
        let Some(rays) = self.view.cone else { return Ok(()) };
        let of = |(seconds, value): (f64, f64)| (self.x(seconds), self.y(value));
        let (from, likely) = (of(rays.from), of(rays.likely));
        let (earliest, latest) = (of(rays.earliest), of(rays.latest));
        // Between the two rays, and below the limit where the first has reached it and the last has not.
        let corner = (latest.0, earliest.1);
        self.area.draw(&Polygon::new(vec![from, earliest, corner, latest], FIT.mix(0.15).filled()))?;
        self.dashes(from, likely, 7.0, thick(FIT, 2))
    }

    /// A diamond at each jump of the level, with its size.
    fn steps(&self) -> Drawn {
        const MOST: usize = 20;
        for (at, from, to) in self.chart.steps.iter().take(MOST) {
            let (x, low) = self.at((*at, *from));
            let high = self.y(*to);
            self.line(vec![(x, low), (x, high)], thick(STEP, 2))?;
            let diamond = vec![(x, high - 6), (x + 5, high), (x, high + 6), (x - 5, high)];
            self.area.draw(&Polygon::new(diamond, STEP.filled()))?;
        }
        Ok(())
    }

    fn limit(&self) -> Drawn {
        let Some(limit) = self.chart.limit.filter(|_| self.view.shows_limit) else { return Ok(()) };
        let y = self.y(limit);
        self.dashes((FRAME.0, y), (FRAME.2, y), 10.0, thick(LIMIT, 2))?;
        let label = format!("limit {}", figures::amount(self.chart.quantity, limit));
        // On white, since the lines of the verdicts cross there.
        let width = 7 * i32::try_from(label.chars().count()).unwrap_or(0) + 8;
        let corners = [(FRAME.0 + 4, y + 3), (FRAME.0 + 4 + width, y + 19)];
        self.area.draw(&Rectangle::new(corners, plotters::style::WHITE.filled()))?;
        self.text(&label, (FRAME.0 + 8, y + 11), &style(12, LIMIT, HPos::Left))
    }

    /// The verdicts as a ribbon above the plot; the changes marked down to the axis, and named where there is room.
    fn changes(&self) -> Drawn {
        const RIBBON: i32 = 6;
        const MOST_LINES: usize = 24;
        const LEAST: i32 = 12;
        let mut lines = 0;
        let changes = &self.chart.changes;
        let end = self.x(self.chart.end().as_secs_f64());
        // Names stand in rows, each in the first one that is free there.
        let mut free = [FRAME.0; 2];
        for (n, (at, verdict)) in changes.iter().enumerate() {
            let x = self.x(at.as_secs_f64());
            let next = changes.get(n + 1).map_or(end, |(next, _)| self.x(next.as_secs_f64()));
            let colour = colour(*verdict);
            if next > x {
                let ribbon = [(x, FRAME.1 - RIBBON), (next, FRAME.1)];
                self.area.draw(&Rectangle::new(ribbon, colour.filled()))?;
            }
            // Of what held for a moment only the ribbon tells, but for a leak.
            if next - x < LEAST && *verdict != Verdict::Leaking {
                continue;
            }
            if n > 0 && lines < MOST_LINES {
                lines += 1;
                self.dashes((x, FRAME.1), (x, FRAME.3), 4.0, thick(colour, 1))?;
            }
            let width = 12 + 7 * i32::try_from(verdict.name().len()).unwrap_or(0);
            let row = free.iter().position(|free| x >= *free).filter(|_| x + width <= FRAME.2);
            if let Some(row) = row {
                let y = FRAME.1 - RIBBON - 9 - 15 * i32::try_from(row).unwrap_or(0);
                self.text(&verdict.name().replace('_', " "), (x + 5, y), &style(12, colour, HPos::Left))?;
                free[row] = x + width;
            }
        }
        Ok(())
    }

    /// A triangle on the axis for each thing that happened, and its words beside it where there is room.
    fn marks(&self) -> Drawn {
        const MOST: usize = 60;
        const ROWS: usize = 4;
        let mut free = [FRAME.0; ROWS];
        for (at, kind, label) in self.chart.marks.iter().take(MOST) {
            let (x, colour) = (self.x(at.as_secs_f64()), mark_colour(*kind));
            let triangle = vec![(x - 5, FRAME.3), (x + 5, FRAME.3), (x, FRAME.3 - 9)];
            self.area.draw(&Polygon::new(triangle, colour.filled()))?;
            let label = clean(label, 40);
            let width = 12 + 7 * i32::try_from(label.chars().count()).unwrap_or(0);
            // To the left of it where the picture ends.
            let (left, from, anchor) =
                if x + width > FRAME.2 { (x - width, x - 8, HPos::Right) } else { (x, x + 8, HPos::Left) };
            let Some((n, row)) = free.iter_mut().enumerate().find(|(_, free)| left >= **free) else {
                continue;
            };
            *row = left + width;
            let y = FRAME.3 - 16 - 15 * i32::try_from(n).unwrap_or(0);
            self.dashes((x, FRAME.3 - 9), (x, y), 3.0, thick(colour, 1))?;
            self.text(&label, (from, y), &style(12, colour, anchor))?;
        }
        Ok(())
    }

    fn legend(&self) -> Drawn {
        let chart = self.chart;
        let y = FRAME.3 + 64;
        let mut x = FRAME.0;
        let quantity = chart.quantity;
        let limit = chart.limit.map(|limit| {
            if self.view.shows_limit {
                "limit".to_owned()
            } else {
                format!("limit {}, far above", figures::amount(quantity, limit))
            }
        });
        let entries = [
            (!chart.points.is_empty(), "samples".to_owned(), SAMPLES, 2),
            (!chart.floor.is_empty(), "floor".to_owned(), FLOOR, 3),
            (chart.fit.is_some(), "fit".to_owned(), FIT, 3),
            (self.view.cone.is_some(), "forecast, 95 %".to_owned(), FIT, 0),
            (!chart.steps.is_empty(), "jump of the level".to_owned(), STEP, 3),
            (limit.is_some(), limit.unwrap_or_default(), LIMIT, 2),
        ];
        for (_, name, colour, width) in entries.into_iter().filter(|(is_there, ..)| *is_there) {
            if width == 0 {
                let corners = [(x, y - 6), (x + 24, y + 6)];
                self.area.draw(&Rectangle::new(corners, colour.mix(0.15).filled()))?;
                self.dashes((x, y), (x + 24, y), 6.0, thick(colour, 2))?;
            } else {
                self.line(vec![(x, y), (x + 24, y)], thick(colour, width))?;
            }
            self.text(&name, (x + 31, y), &style(12, INK, HPos::Left))?;
            x += 31 + 8 * i32::try_from(name.chars().count()).unwrap_or(0) + 22;
        }
        Ok(())
    }
}

/// Text of so many pixels.
fn style(size: i32, colour: RGBColor, anchor: HPos) -> TextStyle<'static> {
    // The backend writes sizes divided by this.
    let font = ("sans-serif", f64::from(size) * 1.24).into_font();
    let pos = Pos::new(anchor, VPos::Center);
    TextStyle { color: colour.to_backend_color(), pos, ..TextStyle::from(font) }
}

/// Whole pixels.
#[expect(clippy::cast_possible_truncation, reason = "inside the picture")]
fn pixels(length: f64) -> i32 {
    length.round() as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::fixture;

    fn texts(svg: &str) -> Vec<String> {
        let document = roxmltree::Document::parse(svg).unwrap();
        let texts = document.descendants().filter(|node| node.has_tag_name("text"));
        texts.map(|node| node.text().unwrap_or_default().trim().to_owned()).collect()
    }

    #[test]
    fn everything_of_a_leak_is_in_the_picture() {
        let svg = svg(&[fixture::leaking(), fixture::leaking()]).unwrap();
        let texts = texts(&svg);
        for text in [
            "rss_bytes",
            "limit 600 MiB",
            "200 MiB",
            "2 h",
            "time since 2026-01-02T03:04:05.000Z",
            "warming up",
            "leaking",
            "samples",
            "floor",
            "fit",
            "forecast, 95 %",
            "jump of the level",
            "soft limit of memory",
            "died: OOM killer",
        ] {
            assert_eq!(texts.iter().filter(|found| *found == text).count(), 2, "{text}: {texts:?}");
        }
        // For looking at: SCUPPER_KEEP_PICTURE=leak.svg cargo nextest run everything_of_a_leak
        if let Some(path) = std::env::var_os("SCUPPER_KEEP_PICTURE") {
            std::fs::write(path, svg).unwrap();
        }
    }

    #[test]
    fn what_is_odd_is_drawn_inside_the_picture() {
        for (name, chart) in fixture::odd() {
            let svg = svg(&[chart]).unwrap();
            assert!(svg.len() < 200_000, "{name}: {}", svg.len());
            let document = roxmltree::Document::parse(&svg).unwrap_or_else(|e| panic!("{name}: {e}\n{svg}"));
            for node in document.descendants() {
                for key in ["x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "width", "height"] {
                    let Some(value) = node.attribute(key) else { continue };
                    let value: i32 = value.parse().unwrap();
                    assert!((-10..=1010).contains(&value), "{name}: {key}={value}");
                }
            }
        }
    }
}
