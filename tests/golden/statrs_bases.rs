//! Densities of bases that are put together, by those that statrs has of their parts.

use normalizing_flows::burn::tensor::{DType, FloatDType, Tensor, TensorData};
use normalizing_flows::distribution::{
    DiagonalNormalConfig, LocationScaleConfig, MixtureConfig, PartlyPeriodicConfig, ProductConfig,
    ResampledConfig, StandardNormalConfig,
};
use normalizing_flows::testing::assert_close;
use normalizing_flows::{Distribution, FlowConfig, cast};
use statrs::distribution::{Continuous, Laplace, Normal};

use super::common::{cpu, rng};

const TOLERANCE: f64 = 1e-10;

/// Two features, from the middle to far tails.
fn rows() -> Vec<[f64; 2]> {
    (0..40).map(|i| 0.37 * f64::from(i) - 7.0).map(|x| [x, 3.0 * x.sin() + 0.2 * x]).collect()
}

fn compare(what: &str, base: impl Distribution, expected: impl Fn([f64; 2]) -> f64) {
    let rows = rows();
    let options = (&cpu(), DType::F64);
    let x = Tensor::from_data(TensorData::new(rows.concat(), [rows.len(), 2]), options);
    let expected: Vec<f64> = rows.iter().map(|row| expected(*row)).collect();
    let expected = Tensor::<1>::from_data(TensorData::new(expected, [rows.len()]), options);
    let base = cast(base, FloatDType::F64);
    assert_close(what, &base.log_prob(x), &expected, TOLERANCE);
}

fn normal(mean: f64, scale: f64) -> impl Fn(f64) -> f64 {
    let normal = Normal::new(mean, scale).expect("the scale is above 0");
    move |x| normal.ln_pdf(x)
}

#[test]
fn normals_and_what_is_made_of_them_are_reproduced() {
    let (device, rng) = (&cpu(), &mut rng(0));
    let standard = normal(0.0, 1.0);
    let base = StandardNormalConfig::new(2).init(device, rng);
    compare("standard normal", base, |[x, y]| standard(x) + standard(y));
    let (first, second) = (normal(0.5, 2.0), normal(-1.0, 0.25));
    let diagonal = DiagonalNormalConfig::new(vec![0.5, -1.0], vec![2.0, 0.25]);
    let base = diagonal.init(device, rng);
    compare("diagonal normal", base, |[x, y]| first(x) + second(y));

    let laplace = Laplace::new(0.0, 1.0).expect("the scale is above 0");
    let parts = vec![LocationScaleConfig::laplace(1).into(), StandardNormalConfig::new(1).into()];
    let base = ProductConfig::new(parts).init(device, rng);
    compare("product", base, |[x, y]| laplace.ln_pdf(x) + standard(y));
    let base = PartlyPeriodicConfig::new(vec![true, false]).init(device, rng);
    compare("an angle and a normal", base, |[_, y]| standard(y) - std::f64::consts::TAU.ln());

    let parts = [diagonal.into(), StandardNormalConfig::new(2).into()];
    let components = parts.map(|base| FlowConfig::new(base, vec![])).into();
    let base = MixtureConfig::new(components).init(device, rng);
    compare("mixture", base, |[x, y]| {
        let densities = [first(x) + second(y), standard(x) + standard(y)];
        let largest = densities[0].max(densities[1]);
        largest + (0.5 * densities.map(|log| (log - largest).exp()).iter().sum::<f64>()).ln()
    });
    // A new one accepts half of all, wherever they are.
    let base = ResampledConfig::new(2).init(device, rng);
    compare("resampled", base, |[x, y]| standard(x) + standard(y));
}
