//! Pictures of the trained model.

use std::error::Error;
use std::path::Path;

use normalizing_flows::burn::tensor::{Tensor, TensorData};
use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
use normalizing_flows::{Direction, Distribution, NormalizingFlow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use rand::Rng;
use rand_distr::StandardNormal;

use crate::report::{device_of, grid, host};
use crate::train::Epoch;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;
type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
type Points = Vec<(f64, f64)>;

const FONT: &str = "sans-serif";
const N_POINTS: usize = 3000;

/// A part of the plane.
#[derive(Clone, Copy)]
struct Frame {
    x: [f64; 2],
    y: [f64; 2],
}

impl Frame {
    /// A square around the middle of the points that holds 99.5 % of them.
    fn around(points: &[(f64, f64)]) -> Self {
        let quantile = |mut values: Vec<f64>, share: f64| {
            values.sort_by(f64::total_cmp);
            values[((values.len() - 1) as f64 * share).round() as usize]
        };
        let range = |values: Vec<f64>| [quantile(values.clone(), 0.0025), quantile(values, 0.9975)];
        let x = range(points.iter().map(|point| point.0).collect());
        let y = range(points.iter().map(|point| point.1).collect());
        let half = 0.56 * (x[1] - x[0]).max(y[1] - y[0]);
        let square = |[low, high]: [f64; 2]| [(low + high) / 2.0 - half, (low + high) / 2.0 + half];
        Self { x: square(x), y: square(y) }
    }

    fn holds(&self, &(x, y): &(f64, f64)) -> bool {
        (self.x[0]..self.x[1]).contains(&x) && (self.y[0]..self.y[1]).contains(&y)
    }
}

/// What is drawn, and where to.
pub struct Pictures<'a> {
    /// The folder.
    pub out: &'a Path,
    /// The trained model.
    pub model: &'a NormalizingFlow,
    /// The noise on the moons.
    pub noise: f64,
}

impl Pictures<'_> {
    /// Draws every picture into the folder.
    pub fn draw_all(&self, moons: &TwoMoons, history: &[Epoch], rng: &mut impl Rng) -> Result {
        register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
            .map_err(|_| "the font of the pictures cannot be read")?;
        let device = device_of(self.model);
        let data = points(moons.sample(N_POINTS, &device, rng));
        let samples = points(self.model.sample(N_POINTS, rng));
        let states = self.states(rng);
        let entropy = moons.entropy().expect("the noise is above 0");
        self.data_and_samples(&data, &samples)?;
        self.log_density()?;
        loss_curve(&self.out.join("loss.png"), history, entropy)?;
        evolution(&self.out.join("evolution.png"), &states)?;
        animation(&self.out.join("evolution.gif"), &states)
    }

    /// The part of the plane that holds the data: the arcs fill [-1, 2] × [-0.5, 1].
    fn data_frame(&self) -> Frame {
        let margin = 0.35 + 4.0 * self.noise;
        Frame { x: [-1.0 - margin, 2.0 + margin], y: [-0.5 - margin, 1.0 + margin] }
    }

    /// Points of the latent Gaussian and their images after each layer, in the same order.
    fn states(&self, rng: &mut impl Rng) -> Vec<Points> {
        let z = rand_distr::Distribution::sample_iter(StandardNormal, rng);
        let z = TensorData::new(z.take(2 * N_POINTS).collect::<Vec<f64>>(), [N_POINTS, 2]);
        let z = Tensor::from_data(z, &device_of(self.model));
        let states = self.model.flow.trace(Direction::Forward, z, None);
        states.into_iter().map(|(state, _)| points(state)).collect()
    }

    fn data_and_samples(&self, data: &Points, samples: &Points) -> Result {
        let file = self.out.join("samples.png");
        let root = BitMapBackend::new(&file, (1100, 460)).into_drawing_area();
        root.fill(&WHITE)?;
        let (left, right) = root.split_horizontally(550);
        let frame = self.data_frame();
        for (area, title, points, colour) in [
            (left, "data", data, RGBColor(30, 90, 160)),
            (right, "samples of the flow", samples, RGBColor(190, 70, 30)),
        ] {
            let outside = points.iter().filter(|point| !frame.holds(point)).count();
            let title = match outside {
                0 => title.to_string(),
                n => format!("{title} ({n} of {N_POINTS} outside)"),
            };
            scatter(&area, &title, frame, points.iter().map(|&point| (point, colour)), true)?;
        }
        root.present()?;
        Ok(())
    }

    /// The learned log-density, from 1e-6 of its peak (the darkest) to the peak.
    fn log_density(&self) -> Result {
        let frame = self.data_frame();
        let [width, height] = [frame.x[1] - frame.x[0], frame.y[1] - frame.y[0]];
        let columns = 450;
        let rows = (columns as f64 * height / width).round() as usize;
        let values = self.mean_log_density(frame, [columns, rows]);
        let peak = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let floor = peak - 1e6f64.ln();
        let colour = |value: f64| {
            ViridisRGB.get_color_normalized(value.max(floor) as f32, floor as f32, peak as f32)
        };

        let file = self.out.join("density.png");
        // The map is 900 pixels wide; labels, margins and key come on top.
        let size = (900 + 60 + 130, (900.0 * height / width) as u32 + 90);
        let root = BitMapBackend::new(&file, size).into_drawing_area();
        root.fill(&WHITE)?;
        let (map, key) = root.split_horizontally(960);
        let mut chart = ChartBuilder::on(&map)
            .caption("learned log-density, nats", (FONT, 24))
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(40)
            .build_cartesian_2d(frame.x[0]..frame.x[1], frame.y[0]..frame.y[1])?;
        chart.configure_mesh().disable_mesh().label_style((FONT, 15)).draw()?;
        let step = [width / columns as f64, height / rows as f64];
        chart.draw_series(values.iter().enumerate().map(|(k, &value)| {
            let x = frame.x[0] + step[0] * (k % columns) as f64;
            let y = frame.y[0] + step[1] * (k / columns) as f64;
            Rectangle::new([(x, y), (x + step[0], y + step[1])], colour(value).filled())
        }))?;

        let mut chart = ChartBuilder::on(&key)
            .margin(10)
            .margin_top(44)
            .margin_right(25)
            .x_label_area_size(30)
            .y_label_area_size(50)
            .build_cartesian_2d(0.0..1.0, floor..peak)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .disable_x_axis()
            .label_style((FONT, 15))
            .y_label_formatter(&|value| format!("{value:.0}"))
            .draw()?;
        let step = (peak - floor) / 200.0;
        chart.draw_series((0..200).map(|i| {
            let value = floor + step * f64::from(i);
            Rectangle::new([(0.0, value), (1.0, value + step)], colour(value).filled())
        }))?;
        root.present()?;
        Ok(())
    }

    /// The logarithm of the mean density of each cell, over 2 × 2 points, so that thin ridges do
    /// not break up.
    fn mean_log_density(&self, frame: Frame, [columns, rows]: [usize; 2]) -> Vec<f64> {
        let fine = grid(frame.x, frame.y, [2 * columns, 2 * rows], &device_of(self.model));
        let fine = host(self.model.log_prob(fine));
        let density = |row: usize, column: usize| fine[row * 2 * columns + column].exp();
        (0..rows * columns)
            .map(|k| {
                let (row, column) = (2 * (k / columns), 2 * (k % columns));
                let corners = [(0, 0), (0, 1), (1, 0), (1, 1)];
                let sum: f64 = corners.iter().map(|(i, j)| density(row + i, column + j)).sum();
                (sum / 4.0).ln()
            })
            .collect()
    }
}

fn points(tensor: Tensor<2>) -> Points {
    host(tensor).chunks_exact(2).map(|point| (point[0], point[1])).collect()
}

/// A colour for each latent point: its hue is its direction from the centre, so that neighbours
/// stay neighbours for the eye; far points are paler.
fn colours(latents: &[(f64, f64)]) -> Vec<RGBColor> {
    latents
        .iter()
        .map(|&(x, y)| {
            let hue = y.atan2(x) / std::f64::consts::TAU + 0.5;
            let lightness = 0.35 + 0.1 * x.hypot(y).min(3.0);
            let (r, g, b) = HSLColor(hue, 0.9, lightness).rgb();
            RGBColor(r, g, b)
        })
        .collect()
}

fn scatter(
    area: &Area,
    title: &str,
    frame: Frame,
    points: impl Iterator<Item = ((f64, f64), RGBColor)>,
    axes: bool,
) -> Result {
    let mut builder = ChartBuilder::on(area);
    builder.caption(title, (FONT, 22)).margin(10);
    if axes {
        builder.x_label_area_size(26).y_label_area_size(36);
    }
    let mut chart = builder.build_cartesian_2d(frame.x[0]..frame.x[1], frame.y[0]..frame.y[1])?;
    if axes {
        chart.configure_mesh().disable_mesh().label_style((FONT, 14)).draw()?;
    } else {
        let corners = [(frame.x[0], frame.y[0]), (frame.x[1], frame.y[1])];
        chart.draw_series([Rectangle::new(corners, RGBColor(215, 215, 215))])?;
    }
    chart.draw_series(
        points
            .filter(|(point, _)| frame.holds(point))
            .map(|(point, colour)| Circle::new(point, 2, colour.mix(0.6).filled())),
    )?;
    Ok(())
}

/// The end of the curve is what matters: the axis is cut above half a nat over the entropy.
fn loss_curve(file: &Path, history: &[Epoch], entropy: f64) -> Result {
    let values = || history.iter().flat_map(|epoch| [epoch.train, epoch.held_out]);
    let low = values().fold(entropy, f64::min);
    let best = values().fold(f64::INFINITY, f64::min);
    let high = values().fold(entropy, f64::max).min(best.max(entropy) + 0.5);
    let margin = 0.05 * (high - low).max(1e-3);
    let last = history.last().map_or(1, |epoch| epoch.step) as f64;

    let root = BitMapBackend::new(file, (900, 560)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("negative log-likelihood", (FONT, 24))
        .margin(12)
        .margin_right(30)
        .x_label_area_size(45)
        .y_label_area_size(65)
        .build_cartesian_2d(0.0..last, low - margin..high + margin)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("training step")
        .y_desc("nats")
        .axis_desc_style((FONT, 18))
        .label_style((FONT, 15))
        .x_label_formatter(&|value| format!("{value:.0}"))
        .draw()?;
    let mut curve = |name: &str, colour: RGBColor, values: Points| -> Result {
        // A run of one epoch has one point, which a line does not show.
        let dots = values.iter().filter(|(_, nats)| *nats <= high + margin);
        chart.draw_series(dots.map(|&point| Circle::new(point, 2, colour.filled())))?;
        chart
            .draw_series(LineSeries::new(values, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2)));
        Ok(())
    };
    let along = |value: &dyn Fn(&Epoch) -> f64| {
        history.iter().map(|epoch| (epoch.step as f64, value(epoch))).collect()
    };
    curve("train, mean of an epoch", RGBColor(120, 160, 210), along(&|epoch| epoch.train))?;
    curve("held out", RGBColor(190, 70, 30), along(&|epoch| epoch.held_out))?;
    chart
        .draw_series(LineSeries::new([(0.0, entropy), (last, entropy)], BLACK.stroke_width(1)))?
        .label(format!("entropy of the data, {entropy:.4}"))
        .legend(|(x, y)| PathElement::new([(x, y), (x + 22, y)], BLACK.stroke_width(1)));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE)
        .border_style(RGBColor(200, 200, 200))
        .label_font((FONT, 17))
        .draw()?;
    root.present()?;
    Ok(())
}

/// The latent blob and its image after each layer, one panel per layer, each in a square of its own
/// whose width stands in the title.
fn evolution(file: &Path, states: &[Points]) -> Result {
    let columns = (states.len() as f64).sqrt().ceil() as usize;
    let rows = states.len().div_ceil(columns);
    // The title takes 28 pixels of the height, so that the rest is a square.
    let size = (330 * columns as u32, 358 * rows as u32);
    let root = BitMapBackend::new(file, size).into_drawing_area();
    root.fill(&WHITE)?;
    let colours = colours(&states[0]);
    for (i, (panel, state)) in root.split_evenly((rows, columns)).iter().zip(states).enumerate() {
        let frame = Frame::around(state);
        let name = if i == 0 { "latent".to_string() } else { format!("after layer {i}") };
        let title = format!("{name}, width {:.1}", frame.x[1] - frame.x[0]);
        scatter(panel, &title, frame, state.iter().copied().zip(colours.iter().copied()), false)?;
    }
    root.present()?;
    Ok(())
}

/// The same as a film: the points, and the frame around them, glide from each state to the next.
fn animation(file: &Path, states: &[Points]) -> Result {
    const FRAMES_PER_LAYER: usize = 8;
    const FRAMES_OF_REST: usize = 12;
    let root = BitMapBackend::gif(file, (420, 448), 60)?.into_drawing_area();
    let colours = colours(&states[0]);
    let draw = |name: &str, frame: Frame, points: Points| -> Result {
        root.fill(&WHITE)?;
        let title = format!("{name}, width {:.1}", frame.x[1] - frame.x[0]);
        scatter(&root, &title, frame, points.into_iter().zip(colours.iter().copied()), false)?;
        root.present()?;
        Ok(())
    };
    let rest = |name: &str, n_frames: usize, state: &Points| -> Result {
        (0..n_frames).try_for_each(|_| draw(name, Frame::around(state), state.clone()))
    };
    rest("latent", FRAMES_OF_REST, &states[0])?;
    for (i, pair) in states.windows(2).enumerate() {
        let (from, to) = (Frame::around(&pair[0]), Frame::around(&pair[1]));
        for k in 1..=FRAMES_PER_LAYER {
            let linear = k as f64 / FRAMES_PER_LAYER as f64;
            let eased = linear * linear * (3.0 - 2.0 * linear);
            let glide = |a: f64, b: f64| a + eased * (b - a);
            let side = |a: [f64; 2], b: [f64; 2]| [glide(a[0], b[0]), glide(a[1], b[1])];
            let frame = Frame { x: side(from.x, to.x), y: side(from.y, to.y) };
            let points = pair[0].iter().zip(&pair[1]);
            let points = points.map(|(a, b)| (glide(a.0, b.0), glide(a.1, b.1))).collect();
            draw(&format!("layer {}", i + 1), frame, points)?;
        }
    }
    rest("data space", 2 * FRAMES_OF_REST, &states[states.len() - 1])
}
