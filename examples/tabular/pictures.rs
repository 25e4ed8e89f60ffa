//! Pictures of data against samples: every column by itself, and columns in pairs.

use std::error::Error;
use std::path::Path;

use normalizing_flows::table::{Kind, Schema, Support, Table};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

use crate::is_drawn;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;
type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

const FONT: &str = "sans-serif";
const DATA: RGBColor = RGBColor(30, 90, 160);
const SAMPLES: RGBColor = RGBColor(190, 70, 30);
/// More panels than these nobody looks at.
const MAX_MARGINALS: usize = 12;
const MAX_PAIRED: usize = 4;
const N_BINS: usize = 30;
const N_POINTS: usize = 1000;
const PANEL: u32 = 300;

/// A column of the data and of the samples, and the range that holds 99 % of the data.
struct Drawn<'t> {
    name: &'t str,
    data: &'t [f64],
    samples: &'t [f64],
    range: [f64; 2],
    n_bins: usize,
}

/// Draws `marginals.png` and `pairs.png` into a folder.
pub fn draw_all(out: &Path, data: &Table, samples: &Table, schema: &Schema) -> Result {
    register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| "the font of the pictures cannot be read")?;
    let mut drawn = Vec::new();
    for column in schema.columns() {
        let Kind::Numbers(support) = &column.kind else { continue };
        if is_drawn(&column.role, support) {
            let (data, samples) = (data.numbers(&column.name)?, samples.numbers(&column.name)?);
            let (range, n_bins) = bins(data, matches!(support, Support::Integer { .. }));
            drawn.push(Drawn { name: &column.name, data, samples, range, n_bins });
        }
    }
    marginals(&out.join("marginals.png"), &drawn)?;
    pairs(&out.join("pairs.png"), &drawn[..drawn.len().min(MAX_PAIRED)])
}

/// The range of a histogram and the number of its bins; whole numbers have the same number of them
/// in each bin.
fn bins(values: &[f64], is_integer: bool) -> ([f64; 2], usize) {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let quantile = |p: f64| sorted[((sorted.len() - 1) as f64 * p).round() as usize];
    let (low, high) = (quantile(0.005), quantile(0.995));
    if is_integer {
        let width = ((high - low + 1.0) / N_BINS as f64).ceil();
        let n_bins = ((high - low + 1.0) / width).ceil() + 2.0;
        let low = low - 0.5 - width;
        return ([low, low + n_bins * width], n_bins as usize);
    }
    let margin = if high > low { 0.08 * (high - low) } else { 1.0 };
    ([low - margin, high + margin], N_BINS)
}

/// The share of the values in each of some equal bins of a range.
fn histogram(values: &[f64], [low, high]: [f64; 2], n_bins: usize) -> Vec<f64> {
    let mut shares = vec![0.0; n_bins];
    for &x in values {
        let bin = (x - low) / (high - low) * n_bins as f64;
        if bin >= 0.0 && bin < n_bins as f64 {
            shares[bin as usize] += 1.0 / values.len() as f64;
        }
    }
    shares
}

fn marginals(file: &Path, drawn: &[Drawn<'_>]) -> Result {
    let drawn = &drawn[..drawn.len().min(MAX_MARGINALS)];
    let columns = drawn.len().min(4);
    let rows = drawn.len().div_ceil(columns);
    let size = ((columns as u32 * PANEL).max(2 * PANEL), rows as u32 * PANEL + 30);
    let root = BitMapBackend::new(file, size).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled("data (filled) and samples (line)", (FONT, 18))?;
    for (area, column) in root.split_evenly((rows, columns)).iter().zip(drawn) {
        let [low, high] = column.range;
        let shares = [column.data, column.samples]
            .map(|values| histogram(values, column.range, column.n_bins));
        let most = shares.iter().flatten().copied().fold(0.0, f64::max);
        let mut chart = ChartBuilder::on(area)
            .caption(column.name, (FONT, 18))
            .margin(8)
            .x_label_area_size(26)
            .build_cartesian_2d(low..high, 0.0..1.1 * most)?;
        chart.configure_mesh().disable_mesh().disable_y_axis().x_labels(4).draw()?;
        let width = (high - low) / column.n_bins as f64;
        let left = |bin: usize| low + width * bin as f64;
        let [data, samples] = &shares;
        let bars = data.iter().enumerate().map(|(bin, &share)| {
            Rectangle::new([(left(bin), 0.0), (left(bin + 1), share)], DATA.mix(0.45).filled())
        });
        chart.draw_series(bars)?;
        let outline = samples
            .iter()
            .enumerate()
            .flat_map(|(bin, &share)| [(left(bin), share), (left(bin + 1), share)]);
        chart.draw_series(LineSeries::new(outline, SAMPLES.stroke_width(2)))?;
    }
    root.present()?;
    Ok(())
}

/// Data below the diagonal, samples above it.
fn pairs(file: &Path, drawn: &[Drawn<'_>]) -> Result {
    let n = drawn.len();
    let size = n as u32 * PANEL;
    let root = BitMapBackend::new(file, (size, size)).into_drawing_area();
    root.fill(&WHITE)?;
    let areas = root.split_evenly((n, n));
    for (index, area) in areas.iter().enumerate() {
        let (row, column) = (index / n, index % n);
        let (x, y) = (&drawn[column], &drawn[row]);
        if row == column {
            histograms_of(area, x)?;
            continue;
        }
        let (xs, ys, what, colour) = if row > column {
            (x.data, y.data, "data", DATA)
        } else {
            (x.samples, y.samples, "samples", SAMPLES)
        };
        let caption = format!("{what}: {} by {}", y.name, x.name);
        let mut chart = ChartBuilder::on(area)
            .caption(caption, (FONT, 14))
            .margin(6)
            .x_label_area_size(24)
            .y_label_area_size(44)
            .build_cartesian_2d(x.range[0]..x.range[1], y.range[0]..y.range[1])?;
        chart.configure_mesh().disable_mesh().x_labels(3).y_labels(3).draw()?;
        let step = xs.len().div_ceil(N_POINTS).max(1);
        let holds = |range: [f64; 2], value: f64| range[0] <= value && value <= range[1];
        let points = xs.iter().zip(ys).step_by(step);
        let points = points.filter(|(a, b)| holds(x.range, **a) && holds(y.range, **b));
        let circle = |(&a, &b)| Circle::new((a, b), 2, colour.mix(0.5).filled());
        chart.draw_series(points.map(circle))?;
    }
    root.present()?;
    Ok(())
}

fn histograms_of(area: &Area<'_>, column: &Drawn<'_>) -> Result {
    let [low, high] = column.range;
    let shares =
        [column.data, column.samples].map(|values| histogram(values, column.range, column.n_bins));
    let most = shares.iter().flatten().copied().fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .caption(column.name, (FONT, 14))
        .margin(6)
        .x_label_area_size(24)
        .y_label_area_size(44)
        .build_cartesian_2d(low..high, 0.0..1.1 * most)?;
    chart.configure_mesh().disable_mesh().x_labels(3).y_labels(3).draw()?;
    let width = (high - low) / column.n_bins as f64;
    for (shares, colour) in shares.iter().zip([DATA, SAMPLES]) {
        let outline = shares.iter().enumerate().flat_map(|(bin, &share)| {
            let left = low + width * bin as f64;
            [(left, share), (left + width, share)]
        });
        chart.draw_series(LineSeries::new(outline, colour.stroke_width(2)))?;
    }
    Ok(())
}
