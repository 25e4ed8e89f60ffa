//! What is drawn.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use normalizing_flows::{Distribution, NormalizingFlow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use rand::Rng;
use statrs::distribution::{Binomial, DiscreteCDF};

use crate::calibration::{Calibration, N_BINS};
use crate::simulators::{PARAMETERS, draw, of_angle, rows};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;
type Panels<'a> = Vec<DrawingArea<BitMapBackend<'a>, Shift>>;

const FONT: &str = "sans-serif";
/// Of a panel, in pixels.
const SIDE: u32 = 420;

pub fn register() -> Result {
    register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT)
        .map_err(|_| "the font of the pictures cannot be read".into())
}

fn panels(path: &Path, n: usize) -> Result<Panels<'_>> {
    let root = BitMapBackend::new(path, (SIDE * n as u32, SIDE)).into_drawing_area();
    root.fill(&WHITE)?;
    Ok(root.split_evenly((1, n)))
}

/// The log-density for four angles, from 1e-4 of the peak of each to the peak.
pub fn turned_moons(path: &Path, model: &NormalizingFlow) -> Result {
    const CELLS: usize = 160;
    let (low, high) = (-2.2, 2.2);
    let side = (high - low) / CELLS as f64;
    let centre = |cell: usize| low + (cell as f64 + 0.5) * side;
    let cells: Vec<[f64; 2]> =
        (0..CELLS * CELLS).map(|i| [centre(i % CELLS), centre(i / CELLS)]).collect();
    for (panel, eighths) in panels(path, 4)?.into_iter().zip([0, 2, 4, 6]) {
        let angle = f64::from(eighths) * std::f64::consts::PI / 8.0;
        let context = rows(&[of_angle(angle)]);
        let log_density = model.given(&context).log_prob(rows(&cells));
        let log_density: Vec<f64> = log_density.into_data().iter::<f64>().collect();
        let peak = log_density.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let floor = peak - 1e4_f64.ln();
        let title = format!("turned by {:.0}°", angle.to_degrees());
        let mut chart = ChartBuilder::on(&panel)
            .caption(title, (FONT, 22))
            .margin(10)
            .x_label_area_size(28)
            .y_label_area_size(34)
            .build_cartesian_2d(low..high, low..high)?;
        chart.configure_mesh().disable_mesh().label_style((FONT, 14)).draw()?;
        chart.draw_series(cells.iter().zip(&log_density).map(|(&[x, y], &value)| {
            let value = value.max(floor);
            let colour = ViridisRGB.get_color_normalized(value as f32, floor as f32, peak as f32);
            let half = side / 2.0;
            Rectangle::new([(x - half, y - half), (x + half, y + half)], colour.filled())
        }))?;
        panel.present()?;
    }
    Ok(())
}

/// Samples of the posterior for four simulations, each in a window of its own, and what their readings were
/// made with.
pub fn posteriors(path: &Path, model: &NormalizingFlow, rng: &mut impl Rng) -> Result {
    for (panel, simulation) in panels(path, 4)?.into_iter().zip(1..) {
        let (truth, readings) = draw(rng);
        let samples = model.given(&rows(&[readings])).sample(1500, rng);
        let samples: Vec<f64> = samples.into_data().iter::<f64>().collect();
        let points: Vec<[f64; 2]> =
            samples.chunks_exact(2).map(|point| [point[0], point[1]]).collect();
        let [x, y] = [0, 1].map(|parameter| window(&points, parameter, truth[parameter]));
        let mut chart = ChartBuilder::on(&panel)
            .caption(format!("simulation {simulation}: posterior and truth"), (FONT, 20))
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(48)
            .build_cartesian_2d(x.clone(), y.clone())?;
        chart
            .configure_mesh()
            .disable_mesh()
            .label_style((FONT, 14))
            .x_desc(PARAMETERS[0])
            .y_desc(PARAMETERS[1])
            .draw()?;
        let blue = RGBColor(30, 90, 160).mix(0.35);
        let inside = points.iter().filter(|[a, b]| x.contains(a) && y.contains(b));
        chart.draw_series(inside.map(|&[a, b]| Circle::new((a, b), 2, blue.filled())))?;
        chart.draw_series([Cross::new((truth[0], truth[1]), 8, RED.stroke_width(3))])?;
        panel.present()?;
    }
    Ok(())
}

/// The middle 99 % of a parameter's samples with a margin, and the truth.
fn window(points: &[[f64; 2]], parameter: usize, truth: f64) -> Range<f64> {
    let mut values: Vec<f64> = points.iter().map(|point| point[parameter]).collect();
    values.sort_by(f64::total_cmp);
    let [low, high] = [0.005, 0.995].map(|share| values[(share * values.len() as f64) as usize]);
    let (low, high) = (low.min(truth), high.max(truth));
    let margin = 0.3 * (high - low);
    low - margin..high + margin
}

/// The ranks of each parameter, and the band that holds a bin of uniform ones in 99 of 100 cases.
pub fn ranks(path: &Path, calibration: &Calibration) -> Result {
    let n = (Calibration::expected() * N_BINS as f64) as u64;
    let of_bin = Binomial::new(1.0 / N_BINS as f64, n)?;
    let band = [0.005, 0.995].map(|share| of_bin.inverse_cdf(share) as f64);
    let columns = panels(path, 2)?.into_iter().zip(PARAMETERS).zip(calibration.counts);
    for ((panel, name), counts) in columns {
        let most = counts.iter().max().map_or(0.0, |&most| most as f64).max(band[1]);
        let mut chart = ChartBuilder::on(&panel)
            .caption(format!("ranks of the {name}"), (FONT, 20))
            .margin(14)
            .x_label_area_size(40)
            .y_label_area_size(40)
            .build_cartesian_2d(0.0..100.0, 0.0..1.15 * most)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .label_style((FONT, 14))
            .x_label_formatter(&|rank| format!("{rank:.0}"))
            .y_label_formatter(&|count| format!("{count:.0}"))
            .x_desc("rank among 99 samples of the posterior")
            .draw()?;
        let width = 100.0 / N_BINS as f64;
        chart.draw_series(counts.iter().enumerate().map(|(bin, &count)| {
            let (left, right) = (bin as f64 * width, (bin + 1) as f64 * width);
            Rectangle::new(
                [(left, 0.0), (right - 0.4, count as f64)],
                RGBColor(30, 90, 160).filled(),
            )
        }))?;
        let grey = RGBColor(120, 120, 120).mix(0.35);
        chart.draw_series([Rectangle::new([(0.0, band[0]), (100.0, band[1])], grey.filled())])?;
        panel.present()?;
    }
    Ok(())
}
