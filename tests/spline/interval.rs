//! The ends of the interval and what lies beyond: intervals of other widths and places, periodic
//! extension, straight lines.

use normalizing_flows::burn::tensor::FloatDType;
use normalizing_flows::univariate::{BoundarySlopes, RationalQuadraticSplineConfig};
use rand::RngExt;

use super::common::rng;
use super::rows::{Row, Spline, WEIGHTS};
use super::{ENDS, n_parameters, normals};

/// Twice as wide an interval, twice as large values, to the bit; whatever its width.
#[test]
fn intervals_of_all_widths_have_the_same_curve() {
    for ends in ENDS {
        let config = |scale: f64| {
            RationalQuadraticSplineConfig::new()
                .with_boundary_slopes(ends)
                .with_interval([-3.0 * scale, 5.0 * scale])
        };
        let mut rng = rng(9);
        let rows: Vec<_> = (0..50)
            .map(|i| {
                (-4.0 + 0.2 * f64::from(i), normals(n_parameters(&config(1.0)), 2.0, &mut rng))
            })
            .collect();
        let one = Spline::new(&config(1.0), FloatDType::F32);
        for exponent in [-58, -20, 20, 56] {
            let scale = f64::from(exponent).exp2();
            let other = Spline::new(&config(scale), FloatDType::F32);
            let scaled: Vec<_> = rows.iter().map(|(x, p)| (x * scale, p.clone())).collect();
            for (inverse, fused) in [(false, true), (false, false), (true, true), (true, false)] {
                // Of the value alone, and of the log-slope alone: each gradient has its own unit.
                for (weights, of_argument, of_parameters) in
                    [([1.0, 0.0], 1.0, scale), ([0.0, 1.0], scale.recip(), 1.0)]
                {
                    let expected = one.run_weighted(inverse, fused, &rows, weights);
                    let found = other.run_weighted(inverse, fused, &scaled, weights);
                    for (expected, found) in expected.iter().zip(&found) {
                        let what =
                            format!("{ends:?}, 2^{exponent}, {inverse}, {fused}, {weights:?}");
                        let Row { value, log_slope, gradient, parameter_gradients } = expected;
                        assert_eq!(found.value, value * scale, "{what}");
                        assert_eq!(found.log_slope, *log_slope, "{what}");
                        assert_eq!(found.gradient, gradient * of_argument, "{what}");
                        let scaled = parameter_gradients.iter().map(|g| g * of_parameters);
                        assert_eq!(found.parameter_gradients, scaled.collect::<Vec<_>>(), "{what}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_circle_keeps_its_turns_and_the_interval_its_values() {
    let config = RationalQuadraticSplineConfig::new()
        .with_interval([-std::f64::consts::PI, std::f64::consts::PI])
        .with_boundary_slopes(BoundarySlopes::Periodic);
    let mut rng = rng(5);
    let rows: Vec<_> = (0..200)
        .map(|i| {
            let x = std::f64::consts::PI * (-1.0 + 2.0 * i as f64 / 199.0);
            (x, normals(n_parameters(&config), 2.0, &mut rng))
        })
        .collect();
    let spline = Spline::new(&config, FloatDType::F64);
    let here = spline.all_ways(&rows);
    for n in [-3.0, 1.0, 1000.0] {
        let turns = n * std::f64::consts::TAU;
        let turned: Vec<_> = rows.iter().map(|(x, p)| (x + turns, p.clone())).collect();
        for ((way, here), (_, there)) in here.iter().zip(spline.all_ways(&turned)) {
            for (i, (here, there)) in here.iter().zip(there).enumerate() {
                // The turned argument is rounded, which slopes of up to 1000 amplify.
                assert!(
                    (there.value - turns - here.value).abs() < 1e-8,
                    "{way}: {here:?} {there:?}"
                );
                assert!(
                    (there.log_slope - here.log_slope).abs() < 1e-6,
                    "{way}: {here:?} {there:?}"
                );
                if i == 0 || i == 199 {
                    // On the end of the circle, where the gradient jumps, roundings choose the
                    // side.
                    continue;
                }
                for (a, b) in there.numbers()[2..].iter().zip(&here.numbers()[2..]) {
                    assert!((a - b).abs() < 1e-5 * b.abs().max(1.0), "{way}: {here:?} {there:?}");
                }
            }
        }
    }
    for (way, here) in here {
        for row in &here {
            assert!(row.value.abs() <= std::f64::consts::PI * (1.0 + 1e-15), "{way}: {row:?}");
        }
    }
    // The slopes at the two ends of the circle are one.
    for (_, parameters) in rows.iter().take(5) {
        let ends = [-std::f64::consts::PI, std::f64::consts::PI].map(|x| (x, parameters.clone()));
        for (way, found) in spline.all_ways(&ends) {
            assert!((found[0].log_slope - found[1].log_slope).abs() < 1e-12, "{way}: {found:?}");
        }
    }
}

/// In f32 the turns of a large number are rounded: the value is then put at the end of the
/// interval, and keeps its gradient.
#[test]
fn far_turns_keep_their_gradients() {
    let config = RationalQuadraticSplineConfig::new()
        .with_interval([-1.5, 2.0])
        .with_boundary_slopes(BoundarySlopes::Periodic);
    let mut rng = rng(10);
    let rows: Vec<_> = (0..500)
        .map(|_| (rng.random_range(-3e7..3e7), normals(n_parameters(&config), 0.5, &mut rng)))
        .collect();
    let spline = Spline::new(&config, FloatDType::F32);
    for inverse in [false, true] {
        let fused = spline.run(inverse, true, &rows);
        for (fused, composed) in fused.iter().zip(spline.run(inverse, false, &rows)) {
            let scale = composed.gradient.abs().max(1.0);
            assert!(
                (fused.gradient - composed.gradient).abs() < 1e-4 * scale,
                "{fused:?} {composed:?}"
            );
            assert_ne!(fused.gradient, 0.0);
        }
    }
}

/// A straight line beyond the interval, of the slope at its end: values go on smoothly, and so do
/// gradients of both ends' slopes.
#[test]
fn free_ends_go_on_in_straight_lines() {
    let config = RationalQuadraticSplineConfig::new().with_boundary_slopes(BoundarySlopes::Free);
    let parameters = normals(n_parameters(&config), 1.5, &mut rng(6));
    let spline = Spline::new(&config, FloatDType::F64);
    for side in [-1.0, 1.0] {
        let rows: Vec<_> =
            [5.0, 6.0, 8.0].map(|distance| (side * distance, parameters.clone())).to_vec();
        for (way, found) in spline.all_ways(&rows) {
            let slope = found[0].log_slope.exp();
            assert!((found[0].value - side * 5.0).abs() < 1e-13, "{way}: {found:?}");
            for (row, distance) in found[1..].iter().zip([1.0, 3.0]) {
                let expected = side * (5.0 + distance * slope);
                assert!((row.value - expected).abs() < 1e-12, "{way}: {row:?}, {expected}");
                assert!((row.log_slope - found[0].log_slope).abs() < 1e-12, "{way}: {row:?}");
                assert!((row.gradient - WEIGHTS[0] * slope).abs() < 1e-12, "{way}: {row:?}");
                // Of all parameters only the slope at this end counts.
                let slopes = 2 * config.n_bins;
                let end = if side < 0.0 { slopes } else { slopes + config.n_bins };
                for (i, gradient) in row.parameter_gradients.iter().enumerate() {
                    assert_eq!(*gradient != 0.0, i == end, "{way}: parameter {i} of {row:?}");
                }
            }
        }
    }
}

/// An interval far away has the curve of one at the origin; only the result is rounded to where it
/// is.
#[test]
fn an_interval_far_from_the_origin_has_the_curve_of_one_at_the_origin() {
    let config = RationalQuadraticSplineConfig::new().with_interval([4095.0, 4097.0]);
    let near = RationalQuadraticSplineConfig::new().with_interval([-1.0, 1.0]);
    let mut rng = rng(7);
    let rows: Vec<_> = (0..100)
        .map(|i| (-1.0 + 2.0 * i as f64 / 128.0, normals(n_parameters(&config), 1.0, &mut rng)))
        .collect();
    let far_rows: Vec<_> = rows.iter().map(|(x, p)| (x + 4096.0, p.clone())).collect();
    let (near, far) = (Spline::new(&near, FloatDType::F32), Spline::new(&config, FloatDType::F32));
    for ((way, near), (_, far)) in near.all_ways(&rows).iter().zip(far.all_ways(&far_rows)) {
        for (near, far) in near.iter().zip(far) {
            // The result is rounded to a float near 4096; nothing else changes.
            assert!((far.value - 4096.0 - near.value).abs() <= 2.5e-4, "{way}: {near:?} {far:?}");
            assert_eq!(far.log_slope, near.log_slope, "{way}");
        }
    }
}
