//! The rational quadratic spline where others break: beyond the interval, on the knots, with huge
//! and tiny parameters; in value and gradient, both directions, by the kernels and by tensor
//! operations.

#![cfg(any(feature = "flex", feature = "ndarray"))]

#[path = "../common/mod.rs"]
mod common;
mod interval;
mod rows;

use common::{cpu, host, rng};
use normalizing_flows::burn::module::Param;
use normalizing_flows::burn::tensor::{FloatDType, Tensor, TensorData};
use normalizing_flows::univariate::{BoundarySlopes, RationalQuadraticSplineConfig, Univariate};
use normalizing_flows::{ElementwiseConfig, Flow};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use rand::seq::IndexedRandom;
use rand_distr::{Distribution, StandardNormal};
use rows::{Row, Spline, WEIGHTS};

const ENDS: [BoundarySlopes; 3] =
    [BoundarySlopes::One, BoundarySlopes::Free, BoundarySlopes::Periodic];

const DTYPES: [FloatDType; 2] = [FloatDType::F32, FloatDType::F64];

fn n_parameters(spline: &RationalQuadraticSplineConfig) -> usize {
    spline.init(&cpu(), &mut rng(0)).n_parameters()
}

fn normals(n: usize, scale: f64, rng: &mut ChaCha8Rng) -> Vec<f64> {
    StandardNormal.sample_iter(rng).take(n).map(|normal: f64| normal * scale).collect()
}

/// A value and parameters, each of a kind that has broken a spline somewhere.
fn adversarial(config: &RationalQuadraticSplineConfig, rng: &mut ChaCha8Rng) -> (f64, Vec<f64>) {
    let [low, high] = config.interval.map(|end| end as f32);
    let n = n_parameters(config);
    // Of the order of 1, and far beyond; f32 ends at 3.4e38.
    let scale =
        *[0.0, 1e-30, 0.3, 1.0, 3.0, 30.0, 1e3, 1e10, 1e30, 5e37].choose(rng).expect("some");
    let mut parameters = normals(n, scale, rng);
    match rng.random_range(0..5) {
        // All but one bin nearly alike, and the last one as small as can be: whatever the sum of
        // the others was rounded to is where the last knot lies.
        4 => {
            parameters.fill(0.0);
            parameters[config.n_bins - 1] = -30.0;
            parameters[2 * config.n_bins - 1] = -30.0;
        }
        // One that overrules the others, either way.
        0 => parameters[rng.random_range(0..n)] = 1e38,
        1 => parameters[rng.random_range(0..n)] = -1e38,
        // All of a group alike.
        2 => parameters[..config.n_bins].fill(scale),
        _ => {}
    }
    let bin = (high - low) / config.n_bins as f32;
    let knot = low + bin * rng.random_range(0..=config.n_bins) as f32;
    let x = match rng.random_range(0..8) {
        0 => f64::from(knot),
        1 => f64::from(*[knot.next_up(), knot.next_down()].choose(rng).expect("some")),
        2 => f64::from(*[low, high].choose(rng).expect("some")),
        3 => {
            let ends = [low.next_down(), low.next_up(), high.next_down(), high.next_up()];
            f64::from(*ends.choose(rng).expect("some"))
        }
        4 => *[0.0, -0.0, 1e-45, -1e-38, 1e-30].choose(rng).expect("some"),
        // A straight tail of slope 1000 takes it to 1e33, and its gradient to 1e36.
        5 if config.boundary_slopes == BoundarySlopes::Free => {
            *[1e3, -1e9, 1e20, -1e30].choose(rng).expect("some")
        }
        5 => f64::from(*[1e3, -1e9, f32::MAX, f32::MIN].choose(rng).expect("some")),
        _ => rng.random_range(1.2 * f64::from(low)..1.2 * f64::from(high)),
    };
    (x, parameters)
}

#[test]
fn ten_thousand_adversarial_cases_are_finite_in_value_and_gradient() {
    let configs: Vec<_> = ENDS
        .into_iter()
        .flat_map(|ends| {
            [2, 8, 31].map(|n_bins| {
                RationalQuadraticSplineConfig::new().with_boundary_slopes(ends).with_n_bins(n_bins)
            })
        })
        .chain([
            // An interval of another width and place.
            RationalQuadraticSplineConfig::new().with_interval([1000.0, 1001.0]),
        ])
        // The smallest floors that are allowed.
        .chain([4, 8, 71, 200, 500].map(|n_bins| {
            let least = 2.5e-7 * n_bins.max(4) as f64;
            RationalQuadraticSplineConfig::new()
                .with_n_bins(n_bins)
                .with_min_bin_width(least)
                .with_min_bin_height(least)
                .with_min_slope(1e-6)
        }))
        // The same over the narrowest and the widest interval.
        .chain([[-4e-19, 7e-19], [-4e17, 6e17]].map(|interval| {
            RationalQuadraticSplineConfig::new()
                .with_interval(interval)
                .with_min_bin_width(2e-6)
                .with_min_bin_height(2e-6)
                .with_min_slope(1e-6)
        }))
        .collect();
    let mut rng = rng(1);
    let per_config = 10_000_usize.div_ceil(configs.len());
    for config in &configs {
        let spline = Spline::new(config, FloatDType::F32);
        let rows: Vec<_> = (0..per_config).map(|_| adversarial(config, &mut rng)).collect();
        for (way, results) in spline.all_ways(&rows) {
            for (row, result) in rows.iter().zip(results) {
                assert!(result.is_finite(), "{config:?}, {way}: {row:?} gives {result:?}");
            }
        }
    }
}

/// There, back and there again. What comes back is rounded, and so may be where the curve is flat
/// by much; but the curve is nowhere steeper than twice the steepest bin or slope.
#[test]
fn adversarial_cases_come_back() {
    const STEEPEST: f64 = 2e3;
    let mut rng = rng(2);
    for (ends, dtype) in ENDS.into_iter().flat_map(|e| DTYPES.map(|dtype| (e, dtype))) {
        let config = RationalQuadraticSplineConfig::new().with_boundary_slopes(ends);
        let spline = Spline::new(&config, dtype);
        let rows: Vec<_> = (0..2000).map(|_| adversarial(&config, &mut rng)).collect();
        let parameters = rows.iter().map(|(_, parameters)| parameters);
        let next = |values: &[Row]| -> Vec<(f64, Vec<f64>)> {
            values.iter().zip(parameters.clone()).map(|(y, p)| (y.value, p.clone())).collect()
        };
        for fused in [true, false] {
            for inverse in [true, false] {
                let there = spline.run(inverse, fused, &rows);
                let back = spline.run(!inverse, fused, &next(&there));
                let again = spline.run(inverse, fused, &next(&back));
                for (i, (there, again)) in there.iter().zip(&again).enumerate() {
                    let size = back[i].value.abs().max(there.value.abs()).max(5.0);
                    let epsilon = if dtype == FloatDType::F64 { f64::EPSILON } else { 1.2e-7 };
                    assert!(
                        (again.value - there.value).abs() <= 8.0 * epsilon * size * STEEPEST,
                        "{ends:?}, {dtype:?}, inverse {inverse}, fused {fused}: {:?} gives \
                         {there:?}, then {:?}, then {again:?}",
                        rows[i],
                        back[i]
                    );
                }
            }
        }
    }
}

/// A spline whose knots are exact in every float type: at whole numbers, if all raw widths and
/// heights are alike.
fn exact_knots(ends: BoundarySlopes) -> RationalQuadraticSplineConfig {
    RationalQuadraticSplineConfig::new()
        .with_interval([-4.0, 4.0])
        .with_min_bin_width(1.0 / 1024.0)
        .with_min_bin_height(1.0 / 1024.0)
        .with_boundary_slopes(ends)
}

fn whole_knots(config: &RationalQuadraticSplineConfig, rng: &mut ChaCha8Rng) -> Vec<f64> {
    let n_slopes = n_parameters(config) - 2 * config.n_bins;
    [vec![0.3; 2 * config.n_bins], normals(n_slopes, 1.0, rng)].concat()
}

/// On a knot the second derivative jumps: the gradient is that of the bin to the right, and at the
/// right end of the interval that of the last bin.
#[test]
fn values_exactly_on_knots_have_the_gradient_of_one_side() {
    let step = 1e-5;
    for ends in ENDS {
        let config = exact_knots(ends);
        let parameters = whole_knots(&config, &mut rng(3));
        let rows: Vec<_> = (-4..=4).map(|x| (f64::from(x), parameters.clone())).collect();
        for dtype in DTYPES {
            let spline = Spline::new(&config, dtype);
            let exact = Spline::new(&config, FloatDType::F64);
            for (inverse, fused) in [(false, true), (false, false), (true, true), (true, false)] {
                let what = format!("{ends:?}, {dtype:?}, inverse {inverse}, fused {fused}");
                let found = spline.run(inverse, fused, &rows);
                // A knot is mapped to its own.
                for (row, found) in rows.iter().zip(&found) {
                    let rounding = if dtype == FloatDType::F64 { 1e-14 } else { 1e-6 };
                    assert!((found.value - row.0).abs() <= rounding, "{what}: {found:?}");
                }
                // By values at two steps away from the knot, to the square of the step.
                let loss = |steps: f64| -> Vec<f64> {
                    let moved: Vec<_> = rows
                        .iter()
                        .map(|(x, p)| {
                            // The knot at the end of a circle is the one at its start.
                            let inward = *x == 4.0 && ends != BoundarySlopes::Periodic;
                            let side = if inward { -1.0 } else { 1.0 };
                            (x + side * steps * step, p.clone())
                        })
                        .collect();
                    let results = exact.run(inverse, false, &moved);
                    results
                        .iter()
                        .map(|row| WEIGHTS[0] * row.value + WEIGHTS[1] * row.log_slope)
                        .collect()
                };
                let (at, near, far) = (loss(0.0), loss(1.0), loss(2.0));
                for (i, found) in found.iter().enumerate() {
                    let inward = rows[i].0 == 4.0 && ends != BoundarySlopes::Periodic;
                    let side = if inward { -1.0 } else { 1.0 };
                    let expected = side * (-3.0 * at[i] + 4.0 * near[i] - far[i]) / (2.0 * step);
                    let tolerance = if dtype == FloatDType::F64 { 1e-7 } else { 1e-5 };
                    let error = (found.gradient - expected).abs() / expected.abs().max(1.0);
                    assert!(error < tolerance, "{what}: {found:?}, by differences {expected}");
                }
            }
        }
    }
}

/// Also where the formulas of the inverse change sides: in the middle of a bin of a new spline.
#[test]
fn both_ways_agree_where_formulas_change() {
    for ends in ENDS {
        let config = exact_knots(ends);
        let bent = whole_knots(&config, &mut rng(3));
        let straight = vec![0.0; bent.len()];
        let rows: Vec<_> = (-8..=8)
            .map(|i| f64::from(i) / 2.0)
            .flat_map(|x| [(x, bent.clone()), (x, straight.clone())])
            .collect();
        let spline = Spline::new(&config, FloatDType::F64);
        for inverse in [false, true] {
            let fused = spline.run(inverse, true, &rows);
            for (fused, composed) in fused.iter().zip(spline.run(inverse, false, &rows)) {
                for (a, b) in fused.numbers().iter().zip(composed.numbers()) {
                    assert!((a - b).abs() <= 1e-12 * a.abs().max(1.0), "{fused:?}, {composed:?}");
                }
            }
        }
    }
}

/// A diverged network must not look like a sound one: a single parameter that is not finite shows,
/// be it a width, a height or a slope at the value's own bin.
#[test]
fn a_parameter_that_is_not_finite_shows() {
    for ends in ENDS {
        let config = RationalQuadraticSplineConfig::new().with_boundary_slopes(ends);
        let mut finite = normals(n_parameters(&config), 1.0, &mut rng(11));
        // Bins of equal size: 0.7 is in the fifth of eight, after the knot in the middle.
        finite[..2 * config.n_bins].fill(0.0);
        let inner = if ends == BoundarySlopes::One { 3 } else { 4 };
        let slopes = [inner, inner + 1].map(|slope| 2 * config.n_bins + slope);
        for (parameter, bad) in (0..2 * config.n_bins)
            .flat_map(|parameter| [(parameter, f64::NAN), (parameter, f64::INFINITY)])
            .chain(slopes.map(|slope| (slope, f64::NAN)))
        {
            let mut parameters = finite.clone();
            parameters[parameter] = bad;
            for (way, [value, log_slope]) in shared(&config, 0.7, parameters) {
                let what = format!("{ends:?}, {way}, parameter {parameter} is {bad}");
                assert!(
                    !value.is_finite() && !log_slope.is_finite(),
                    "{what}: {value}, {log_slope}"
                );
            }
        }
        for (way, numbers) in shared(&config, 0.7, finite) {
            assert!(numbers.iter().all(|number| number.is_finite()), "{way}: {numbers:?}");
        }
    }
}

/// A value and its log-slope by parameters that no product touches, by all ways.
fn shared(
    config: &RationalQuadraticSplineConfig,
    x: f64,
    parameters: Vec<f64>,
) -> Vec<(&'static str, [f64; 2])> {
    let (device, n) = (cpu(), parameters.len());
    let spline = config.init(&device, &mut rng(0));
    let layer = ElementwiseConfig::new(1).with_univariate(config.clone().into());
    let mut layer = layer.init(&device, &mut rng(0));
    layer.parameters = Param::from_data(TensorData::new(parameters, [n, 1]), &device);
    let x = Tensor::<2>::from_data([[x]], &device);
    let of_row = layer.parameters.val().unsqueeze_dim::<3>(0);
    let number = |tensor: Tensor<2>| host(tensor)[0];
    let of_layer = |(y, log_det): (Tensor<2>, Tensor<1>)| [number(y), host(log_det)[0]];
    let of_map = |(y, log_slope): (Tensor<2>, Tensor<2>)| [number(y), number(log_slope)];
    vec![
        ("forward by kernels", of_layer(layer.forward(x.clone(), None))),
        ("inverse by kernels", of_layer(layer.inverse(x.clone(), None))),
        ("forward by tensor operations", of_map(spline.forward(x.clone(), of_row.clone()))),
        ("inverse by tensor operations", of_map(spline.inverse(x, of_row))),
    ]
}

/// Rows all within the interval, all beyond it, and one beyond: with linear tails what is outside
/// passes as it is and moves no parameter, and what is inside does not notice.
#[test]
fn rows_inside_and_outside_of_the_interval_do_not_affect_each_other() {
    let config = RationalQuadraticSplineConfig::new();
    let mut rng = rng(4);
    let parameters: Vec<_> =
        (0..40).map(|_| normals(n_parameters(&config), 2.0, &mut rng)).collect();
    let with = |x: &dyn Fn(usize) -> f64| -> Vec<(f64, Vec<f64>)> {
        parameters.iter().enumerate().map(|(i, p)| (x(i), p.clone())).collect()
    };
    let inside = |i: usize| -4.9 + 9.8 * i as f64 / 39.0;
    let outside =
        |i: usize| if i.is_multiple_of(2) { 5.5 + i as f64 } else { -1e6 * (1.0 + i as f64) };
    for dtype in DTYPES {
        let spline = Spline::new(&config, dtype);
        let all_in = spline.all_ways(&with(&inside));
        let one_out = spline.all_ways(&with(&|i| if i == 7 { outside(i) } else { inside(i) }));
        for ((way, all_in), (_, one_out)) in all_in.iter().zip(one_out) {
            for (i, (alone, beside)) in all_in.iter().zip(&one_out).enumerate() {
                assert!(alone.is_finite(), "{way}: {alone:?}");
                assert!(alone.parameter_gradients.iter().any(|g| *g != 0.0), "{way}: {alone:?}");
                if i != 7 {
                    assert_eq!(format!("{alone:?}"), format!("{beside:?}"), "{way}");
                }
            }
        }
        let rows = with(&outside);
        for (way, all_out) in spline.all_ways(&rows) {
            for (row, found) in rows.iter().zip(all_out) {
                assert_eq!((found.value, found.log_slope), (row.0, 0.0), "{way}");
                assert!((found.gradient - WEIGHTS[0]).abs() < 1e-7, "{way}: {found:?}");
                assert!(found.parameter_gradients.iter().all(|g| *g == 0.0), "{way}: {found:?}");
            }
        }
    }
}

/// Logits so large that all but one bin have the least size, and slopes at both of their ends.
#[test]
fn huge_and_tiny_logits_give_the_extremes() {
    let config = RationalQuadraticSplineConfig::new().with_n_bins(4).with_interval([-1.0, 1.0]);
    // The first bin as wide and the last one as high as can be: a flat piece and a steep one.
    for huge in [1e3, 1e30, 3e38] {
        let parameters =
            [[huge, 0.0, 0.0, -huge, -huge, 0.0, 0.0, huge].as_slice(), &[-huge, huge, 0.0]]
                .concat();
        // The knots along x are at 1 - 3, 2 and 1 least widths of 2e-3; along y at -1 + 1, 2 and 3.
        let knots =
            [(1.0 - 6e-3, -1.0 + 2e-3), (1.0 - 4e-3, -1.0 + 4e-3), (1.0 - 2e-3, -1.0 + 6e-3)];
        let slopes = [1e-3, 1e3, 1.0];
        let spline = Spline::new(&config, FloatDType::F64);
        for fused in [true, false] {
            let at = |x: f64, inverse: bool| spline.run(inverse, fused, &[(x, parameters.clone())]);
            for ((x, y), slope) in knots.into_iter().zip(slopes) {
                let (there, back) = (at(x, false).remove(0), at(y, true).remove(0));
                // Roundings of the knots of 1e-16, times slopes that change by 1e6 within 2e-3.
                assert!((there.value - y).abs() < 1e-11, "{there:?}, expected {y}");
                assert!((back.value - x).abs() < 1e-11, "{back:?}, expected {x}");
                assert!((there.log_slope - f64::ln(slope)).abs() < 1e-6, "{there:?}");
                assert!((back.log_slope + f64::ln(slope)).abs() < 1e-6, "{back:?}");
            }
        }
    }
}

/// There the gradients of both ways, which have little in common, are the same.
#[test]
fn huge_and_tiny_logits_have_the_same_gradients_both_ways() {
    let mut rng = rng(8);
    for ends in ENDS {
        let config = RationalQuadraticSplineConfig::new().with_boundary_slopes(ends);
        let n = n_parameters(&config);
        let scales = [0.0, 1e-30, 1e-8, 1.0, 10.0, 30.0, 1e3, 1e30];
        let rows: Vec<_> = scales
            .into_iter()
            .flat_map(|scale| (0..25).map(move |i| (scale, -6.0 + 0.5 * f64::from(i))))
            .map(|(scale, x)| (x + 0.01, normals(n, scale, &mut rng)))
            .collect();
        let spline = Spline::new(&config, FloatDType::F64);
        for inverse in [false, true] {
            let fused = spline.run(inverse, true, &rows);
            let composed = spline.run(inverse, false, &rows);
            for ((row, fused), composed) in rows.iter().zip(&fused).zip(&composed) {
                let numbers = [fused.numbers(), composed.numbers()];
                let largest = numbers[1].iter().fold(1.0_f64, |most, x| most.max(x.abs()));
                for (a, b) in numbers[0].iter().zip(&numbers[1]) {
                    // Roundings of knots of 1e-16, amplified by slopes that change by up to 1e6
                    // within a thousandth of the interval; the largest number says how much.
                    let tolerance = 1e-9 * largest;
                    assert!(
                        (a - b).abs() <= tolerance,
                        "{ends:?}, {row:?}: {fused:?}, {composed:?}"
                    );
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "`n_bins` must be at least 2 and at most 1999, got 1")]
fn one_bin_is_refused() {
    RationalQuadraticSplineConfig::new().with_n_bins(1).init(&cpu(), &mut rng(0));
}

#[test]
#[should_panic(
    expected = "`interval` must be ascending and of a width from 1e-18 to 1e18, got [3, -3]"
)]
fn an_interval_upside_down_is_refused() {
    RationalQuadraticSplineConfig::new().with_interval([3.0, -3.0]).init(&cpu(), &mut rng(0));
}

#[test]
#[should_panic(expected = "with 8 bins it must be at least 2e-6 and below 1.25e-1, got 0.125")]
fn bins_that_do_not_fit_are_refused() {
    RationalQuadraticSplineConfig::new().with_min_bin_height(0.125).init(&cpu(), &mut rng(0));
}

#[test]
#[should_panic(expected = "`min_slope` must be at least 1e-6 and below 1, got 0")]
fn slopes_down_to_zero_are_refused() {
    RationalQuadraticSplineConfig::new().with_min_slope(0.0).init(&cpu(), &mut rng(0));
}

#[test]
fn a_spline_shows_what_it_is() {
    let text = RationalQuadraticSplineConfig::new().init(&cpu(), &mut rng(0)).to_string();
    assert!(text.contains('8') && text.contains("[-5.0, 5.0]") && text.contains("One"), "{text}");
}
