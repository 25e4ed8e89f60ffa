//! Pictures of the trained model.

use std::error::Error;
use std::path::Path;

use normalizing_flows::Distribution;
use normalizing_flows::burn::tensor::{Tensor, TensorData};
use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
use normalizing_flows::preset::RealNvp;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use rand::Rng;

use crate::report::{device_of, grid, host};
use crate::train::Epoch;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;
type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

const FONT: &str = "sans-serif";
const DATA_X: [f64; 2] = [-1.75, 2.75];
const DATA_Y: [f64; 2] = [-1.5, 2.0];
const N_POINTS: usize = 3000;

/// Draws every picture into the folder.
pub fn draw_all(
    out: &Path,
    model: &RealNvp,
    moons: &TwoMoons,
    history: &[Epoch],
    entropy: f64,
    rng: &mut impl Rng,
) -> Result {
    register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| "the font of the pictures cannot be read")?;
    let data = points(moons.sample(N_POINTS, &device_of(model), rng));
    let samples = points(model.sample(N_POINTS, rng));
    let states = states(model, rng);
    data_and_samples(&out.join("samples.png"), &data, &samples)?;
    log_density(&out.join("density.png"), model)?;
    loss_curve(&out.join("loss.png"), history, entropy)?;
    evolution(&out.join("evolution.png"), &states)?;
    animation(&out.join("evolution.gif"), &states)
}

fn points(tensor: Tensor<2>) -> Vec<(f64, f64)> {
    host(tensor).chunks_exact(2).map(|point| (point[0], point[1])).collect()
}

/// Points of the latent Gaussian and their images after each layer, each set in the order of the first.
fn states(model: &RealNvp, rng: &mut impl Rng) -> Vec<Vec<(f64, f64)>> {
    let normal = || rand_distr::StandardNormal;
    let z: Vec<f64> =
        rand_distr::Distribution::sample_iter(normal(), rng).take(2 * N_POINTS).collect();
    let z = Tensor::from_data(TensorData::new(z, [N_POINTS, 2]), &device_of(model));
    model.flow.forward_trace(z).into_iter().map(|(state, _)| points(state)).collect()
}

/// A colour for each latent point: its hue is its direction from the centre, so that neighbours stay
/// neighbours for the eye; far points are paler.
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

/// A box around the origin that holds 99.8 % of all coordinates of all states.
fn travel_box(states: &[Vec<(f64, f64)>]) -> [f64; 2] {
    let mut far: Vec<f64> = states.iter().flatten().flat_map(|p| [p.0.abs(), p.1.abs()]).collect();
    far.sort_by(f64::total_cmp);
    let limit = far[far.len() - 1 - far.len() / 500];
    [-1.05 * limit, 1.05 * limit]
}

fn scatter(
    area: &Area,
    title: &str,
    (x, y): ([f64; 2], [f64; 2]),
    points: impl Iterator<Item = ((f64, f64), RGBColor)>,
    size: u32,
) -> Result {
    let mut chart = ChartBuilder::on(area)
        .caption(title, (FONT, 22))
        .margin(8)
        .build_cartesian_2d(x[0]..x[1], y[0]..y[1])?;
    chart.draw_series(
        points
            .filter(|((px, py), _)| (x[0]..x[1]).contains(px) && (y[0]..y[1]).contains(py))
            .map(|(point, colour)| Circle::new(point, size, colour.mix(0.6).filled())),
    )?;
    Ok(())
}

fn data_and_samples(file: &Path, data: &[(f64, f64)], samples: &[(f64, f64)]) -> Result {
    let root = BitMapBackend::new(file, (1000, 430)).into_drawing_area();
    root.fill(&WHITE)?;
    let (left, right) = root.split_horizontally(500);
    let plain = |points: &[(f64, f64)], colour: RGBColor| {
        points.iter().map(move |&point| (point, colour)).collect::<Vec<_>>()
    };
    let data = plain(data, RGBColor(30, 90, 160));
    let samples = plain(samples, RGBColor(190, 70, 30));
    scatter(&left, "data", (DATA_X, DATA_Y), data.into_iter(), 2)?;
    scatter(&right, "samples of the flow", (DATA_X, DATA_Y), samples.into_iter(), 2)?;
    root.present()?;
    Ok(())
}

/// The learned log-density, from 1e-6 of its peak (the darkest) to the peak.
fn log_density(file: &Path, model: &RealNvp) -> Result {
    let cells = [450, 350];
    let log_prob = host(model.log_prob(grid(DATA_X, DATA_Y, cells, &device_of(model))));
    let peak = log_prob.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let floor = peak - 1e6f64.ln();
    let colour = |value: f64| {
        ViridisRGB.get_color_normalized(value.max(floor) as f32, floor as f32, peak as f32)
    };

    let root = BitMapBackend::new(file, (1080, 780)).into_drawing_area();
    root.fill(&WHITE)?;
    let (map, key) = root.split_horizontally(950);
    let mut chart = ChartBuilder::on(&map)
        .caption("learned log-density, nats", (FONT, 24))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(40)
        .build_cartesian_2d(DATA_X[0]..DATA_X[1], DATA_Y[0]..DATA_Y[1])?;
    chart.configure_mesh().disable_mesh().label_style((FONT, 15)).draw()?;
    let step =
        [(DATA_X[1] - DATA_X[0]) / cells[0] as f64, (DATA_Y[1] - DATA_Y[0]) / cells[1] as f64];
    chart.draw_series(log_prob.iter().enumerate().map(|(k, &value)| {
        let (x, y) = (
            DATA_X[0] + step[0] * (k % cells[0]) as f64,
            DATA_Y[0] + step[1] * (k / cells[0]) as f64,
        );
        Rectangle::new([(x, y), (x + step[0], y + step[1])], colour(value).filled())
    }))?;

    let mut chart = ChartBuilder::on(&key)
        .margin(10)
        .margin_top(60)
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
        let value = floor + step * i as f64;
        Rectangle::new([(0.0, value), (1.0, value + step)], colour(value).filled())
    }))?;
    root.present()?;
    Ok(())
}

fn loss_curve(file: &Path, history: &[Epoch], entropy: f64) -> Result {
    let values = || history.iter().flat_map(|epoch| [epoch.train, epoch.held_out]);
    let low = values().fold(entropy, f64::min);
    let high = values().fold(entropy, f64::max);
    let margin = 0.05 * (high - low).max(1e-3);
    let last = history.last().map_or(1, |epoch| epoch.step) as f64;

    let root = BitMapBackend::new(file, (900, 560)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("negative log-likelihood", (FONT, 24))
        .margin(12)
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
    let mut curve = |name: &str, colour: RGBColor, values: Vec<(f64, f64)>| -> Result {
        // A run of one epoch has one point, which a line does not show.
        chart.draw_series(values.iter().map(|&point| Circle::new(point, 2, colour.filled())))?;
        chart
            .draw_series(LineSeries::new(values, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(2)));
        Ok(())
    };
    let along = |value: &dyn Fn(&Epoch) -> f64| {
        history.iter().map(|epoch| (epoch.step as f64, value(epoch))).collect()
    };
    let train = along(&|epoch| epoch.train);
    let held_out = along(&|epoch| epoch.held_out);
    curve("train, mean of an epoch", RGBColor(120, 160, 210), train)?;
    curve("held out", RGBColor(190, 70, 30), held_out)?;
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

/// The latent blob and its image after each layer, one panel a layer.
fn evolution(file: &Path, states: &[Vec<(f64, f64)>]) -> Result {
    let columns = (states.len() as f64).sqrt().ceil() as usize;
    let rows = states.len().div_ceil(columns);
    let side = 330;
    let size = (side * columns as u32, side * rows as u32);
    let root = BitMapBackend::new(file, size).into_drawing_area();
    root.fill(&WHITE)?;
    let (colours, travel) = (colours(&states[0]), travel_box(states));
    for (i, (panel, state)) in root.split_evenly((rows, columns)).iter().zip(states).enumerate() {
        let title = if i == 0 { "latent".to_string() } else { format!("after layer {i}") };
        let points = state.iter().copied().zip(colours.iter().copied());
        scatter(panel, &title, (travel, travel), points, 2)?;
    }
    root.present()?;
    Ok(())
}

/// The same as a film: the points glide from each state to the next.
fn animation(file: &Path, states: &[Vec<(f64, f64)>]) -> Result {
    const FRAMES_A_LAYER: usize = 8;
    const FRAMES_OF_REST: usize = 12;
    let root = BitMapBackend::gif(file, (420, 440), 60)?.into_drawing_area();
    let (colours, travel) = (colours(&states[0]), travel_box(states));
    let frame = |title: &str, points: Vec<(f64, f64)>| -> Result {
        root.fill(&WHITE)?;
        scatter(
            &root,
            title,
            (travel, travel),
            points.into_iter().zip(colours.iter().copied()),
            2,
        )?;
        root.present()?;
        Ok(())
    };
    for _ in 0..FRAMES_OF_REST {
        frame("latent", states[0].clone())?;
    }
    for (i, pair) in states.windows(2).enumerate() {
        for k in 1..=FRAMES_A_LAYER {
            let linear = k as f64 / FRAMES_A_LAYER as f64;
            let eased = linear * linear * (3.0 - 2.0 * linear);
            let glide = |from: f64, to: f64| from + eased * (to - from);
            let points = pair[0].iter().zip(&pair[1]);
            let points = points.map(|(a, b)| (glide(a.0, b.0), glide(a.1, b.1))).collect();
            frame(&format!("layer {}", i + 1), points)?;
        }
    }
    for _ in 0..2 * FRAMES_OF_REST {
        frame("data space", states[states.len() - 1].clone())?;
    }
    Ok(())
}
