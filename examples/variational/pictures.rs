//! What is drawn.

use std::error::Error;
use std::path::Path;

use normalizing_flows::Distribution;
use normalizing_flows::NormalizingFlow;
use normalizing_flows::burn::tensor::{Device, Tensor, TensorData};
use normalizing_flows::data::target::KnownTarget;
use normalizing_flows::target::WeightedSample;
use normalizing_flows::train::TargetReport;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use rand::Rng;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;
type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

const FONT: &str = "sans-serif";
const N_POINTS: usize = 3000;
/// Of a panel, in pixels.
const SIDE: u32 = 460;
const TARGET: RGBColor = RGBColor(60, 60, 60);
const FLOW: RGBColor = RGBColor(190, 70, 30);
const WEIGHTED: RGBColor = RGBColor(30, 90, 160);

/// What is drawn, and where to.
pub struct Pictures<'a> {
    /// The folder.
    pub out: &'a Path,
    /// The trained flow.
    pub model: &'a NormalizingFlow,
    /// What it was trained towards.
    pub target: &'a dyn KnownTarget,
}

impl Pictures<'_> {
    /// Draws every picture into the folder.
    pub fn draw(
        &self,
        report: &TargetReport,
        sample: &WeightedSample,
        rng: &mut impl Rng,
    ) -> Result {
        register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
            .map_err(|_| "the font of the pictures cannot be read")?;
        self.samples(&self.out.join("samples.png"), sample, rng)?;
        weights(&self.out.join("weights.png"), sample)?;
        history(&self.out.join("history.png"), report, self.target.log_normalizer())
    }

    /// The target, samples of the flow, and the same drawn anew by their weights, in the first two features.
    fn samples(&self, path: &Path, sample: &WeightedSample, rng: &mut impl Rng) -> Result {
        let flow = points(&self.model.sample(N_POINTS, rng));
        let weighted = points(&sample.resample(N_POINTS, rng));
        let truth = self.target.sample(N_POINTS, &Device::default(), rng);
        let truth = truth.map(|truth| points(&truth));
        let frame = Frame::around(truth.as_ref().unwrap_or(&weighted));
        let root = BitMapBackend::new(path, (3 * SIDE, SIDE)).into_drawing_area();
        root.fill(&WHITE)?;
        let panels = root.split_evenly((1, 3));
        if self.target.d_features() == 2 {
            self.density(&panels[0], frame)?;
        } else {
            let shown = truth.as_ref().unwrap_or(&weighted);
            let title = if truth.is_some() { "samples of the target" } else { "no samples known" };
            let shown = if truth.is_some() { &shown[..] } else { &[] };
            scatter(&panels[0], title, frame, shown, TARGET)?;
        }
        scatter(&panels[1], "samples of the flow", frame, &flow, FLOW)?;
        scatter(&panels[2], "drawn anew by their weights", frame, &weighted, WEIGHTED)?;
        root.present()?;
        Ok(())
    }

    /// The density of the target in the plane, from 1e-4 of its peak to the peak.
    fn density(&self, area: &Area, frame: Frame) -> Result {
        const CELLS: usize = 200;
        let steps = [frame.x, frame.y].map(|[low, high]| (high - low) / CELLS as f64);
        let cells: Vec<[f64; 2]> = (0..CELLS * CELLS)
            .map(|cell| {
                [
                    frame.x[0] + ((cell % CELLS) as f64 + 0.5) * steps[0],
                    frame.y[0] + ((cell / CELLS) as f64 + 0.5) * steps[1],
                ]
            })
            .collect();
        let grid = TensorData::new(cells.concat(), [cells.len(), 2]);
        let grid = Tensor::from_data(grid, &Device::default());
        let values: Vec<f64> = self.target.log_density(grid).into_data().iter().collect();
        let peak = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let floor = peak - 1e4_f64.ln();
        let mut chart = chart(area, "density of the target", frame)?;
        chart.draw_series(cells.iter().zip(values).map(|([x, y], value)| {
            let share = ((value.max(floor) - floor) / (peak - floor)) as f32;
            let colour = ViridisRGB.get_color_normalized(share, 0.0, 1.0);
            let half = steps.map(|step| step / 2.0);
            let corners = [(x - half[0], y - half[1]), (x + half[0], y + half[1])];
            Rectangle::new(corners, colour.filled())
        }))?;
        Ok(())
    }
}

/// A part of the plane.
#[derive(Clone, Copy)]
struct Frame {
    x: [f64; 2],
    y: [f64; 2],
}

impl Frame {
    /// A rectangle around nearly all of the points.
    fn around(points: &[(f64, f64)]) -> Self {
        let range = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            let quantile = |share: f64| values[((values.len() - 1) as f64 * share) as usize];
            let (low, high) = (quantile(0.005), quantile(0.995));
            let margin = 0.15 * (high - low);
            [low - margin, high + margin]
        };
        Self {
            x: range(points.iter().map(|point| point.0).collect()),
            y: range(points.iter().map(|point| point.1).collect()),
        }
    }

    fn holds(&self, (x, y): (f64, f64)) -> bool {
        (self.x[0]..self.x[1]).contains(&x) && (self.y[0]..self.y[1]).contains(&y)
    }
}

fn points(rows: &Tensor<2>) -> Vec<(f64, f64)> {
    let d = rows.dims()[1];
    let values: Vec<f64> = rows.clone().into_data().iter().collect();
    values.chunks_exact(d).map(|row| (row[0], row[1])).collect()
}

type Chart<'a, 'b> = ChartContext<
    'a,
    BitMapBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

fn chart<'a, 'b>(area: &'a Area<'b>, title: &str, frame: Frame) -> Result<Chart<'a, 'b>> {
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 22))
        .margin(10)
        .margin_right(25)
        .x_label_area_size(28)
        .y_label_area_size(50)
        .build_cartesian_2d(frame.x[0]..frame.x[1], frame.y[0]..frame.y[1])?;
    // Zero is sometimes minus zero.
    let label = |value: &f64| format!("{}", (value * 1e4).round() / 1e4 + 0.0);
    chart
        .configure_mesh()
        .disable_mesh()
        .label_style((FONT, 14))
        .x_label_formatter(&label)
        .y_label_formatter(&label)
        .draw()?;
    Ok(chart)
}

fn scatter(
    area: &Area,
    title: &str,
    frame: Frame,
    points: &[(f64, f64)],
    colour: RGBColor,
) -> Result {
    let outside = points.iter().filter(|point| !frame.holds(**point)).count();
    let title = match outside {
        0 => title.to_string(),
        n => format!("{title} ({n} of {} outside)", points.len()),
    };
    let mut chart = chart(area, &title, frame)?;
    let inside = points.iter().copied().filter(|point| frame.holds(*point));
    chart.draw_series(inside.map(|point| Circle::new(point, 2, colour.mix(0.5).filled())))?;
    Ok(())
}

/// How the log-weights, less their logarithmic mean, spread: all 0 where the flow is the target.
fn weights(path: &Path, sample: &WeightedSample) -> Result {
    const BINS: usize = 80;
    const RANGE: f64 = 4.0;
    let log_mean = sample.log_normalizer().value;
    let mut counts = vec![0_usize; BINS];
    let width = 2.0 * RANGE / BINS as f64;
    for log_weight in sample.log_weights() {
        let place = (log_weight - log_mean).clamp(-RANGE, RANGE - 1e-9) + RANGE;
        counts[(place / width) as usize] += 1;
    }
    let n = sample.log_weights().len() as f64;
    let shares: Vec<f64> = counts.iter().map(|count| *count as f64 / n).collect();
    let highest = shares.iter().copied().fold(0.0, f64::max);
    let root = BitMapBackend::new(path, (700, SIDE)).into_drawing_area();
    root.fill(&WHITE)?;
    let frame = Frame { x: [-RANGE, RANGE], y: [0.0, 1.05 * highest] };
    let title = "log-weights in nats around the normalising constant, the first with all below";
    let mut chart = chart(&root, title, frame)?;
    chart.draw_series(shares.iter().enumerate().map(|(bin, share)| {
        let left = width * bin as f64 - RANGE;
        Rectangle::new([(left, 0.0), (left + width, *share)], WEIGHTED.mix(0.7).filled())
    }))?;
    root.present()?;
    Ok(())
}

/// Bound and log normalising constant after each part of the training, and the truth.
fn history(path: &Path, report: &TargetReport, truth: Option<f64>) -> Result {
    let bounds = report.history.iter().map(|epoch| (epoch.step as f64, epoch.bound.value));
    let constants =
        report.history.iter().map(|epoch| (epoch.step as f64, epoch.log_normalizer.value));
    // The start is far off: the frame is for what comes after the first tenth.
    let late = bounds.clone().chain(constants.clone()).skip(report.history.len() / 10);
    let late: Vec<f64> = late.map(|point| point.1).chain(truth).collect();
    let highest = late.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sorted = late;
    sorted.sort_by(f64::total_cmp);
    let lowest = sorted[sorted.len() / 5];
    let margin = 0.3 * (highest - lowest).max(1e-3);
    let end = report.history.last().map_or(1.0, |epoch| epoch.step as f64);
    let root = BitMapBackend::new(path, (700, SIDE)).into_drawing_area();
    root.fill(&WHITE)?;
    let frame = Frame { x: [0.0, end], y: [lowest - margin, highest + margin] };
    let mut chart = chart(&root, "bound and log normalising constant, in nats", frame)?;
    let visible = |point: &(f64, f64)| point.1 >= frame.y[0];
    for (name, line, colour) in [
        ("bound", bounds.filter(visible).collect::<Vec<_>>(), FLOW),
        ("by importance weights", constants.filter(visible).collect(), WEIGHTED),
        ("truth", truth.map(|truth| vec![(0.0, truth), (end, truth)]).unwrap_or_default(), TARGET),
    ] {
        if line.is_empty() {
            continue;
        }
        chart
            .draw_series(LineSeries::new(line, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .label_font((FONT, 16))
        .draw()?;
    root.present()?;
    Ok(())
}
