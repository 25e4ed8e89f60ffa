//! The checked view: errors in the place of panics, and the same numbers where there is none.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use common::{cpu, host, rng};
use normalizing_flows::burn;
use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::nn::PReluConfig;
use normalizing_flows::burn::tensor::{Tensor, TensorData};
use normalizing_flows::conditioner::MlpConfig;
use normalizing_flows::distribution::{Checked, Mixture};
use normalizing_flows::testing::perturb;
use normalizing_flows::univariate::{Univariate, forward_by_root};
use normalizing_flows::{
    Distribution, Elementwise, Error, Flow, NormalizingFlow, RealNvpConfig, Sequential,
    StandardNormal,
};

fn model(d_context: usize) -> NormalizingFlow {
    RealNvpConfig::new(2).with_d_context(d_context).init(&cpu(), &mut rng(0))
}

fn ones(rows: usize, columns: usize) -> Tensor<2> {
    Tensor::ones([rows, columns], &cpu())
}

/// The errors of every verb that takes an input, and of every one that takes none.
fn errors(model: &NormalizingFlow, x: &Tensor<2>, context: Option<&Tensor<2>>) -> [Vec<Error>; 2] {
    let checked = Checked::new(model, context);
    let of_input = vec![
        checked.log_prob(x.clone()).err(),
        checked.to_latent(x.clone()).err(),
        checked.from_latent(x.clone()).err(),
        checked.calibrate(x.clone()).err(),
    ];
    let of_none = vec![
        checked.sample(3, &mut rng(0)).err(),
        checked.sample_with_log_prob(3, &mut rng(0)).err(),
        checked.rsample(3, &mut rng(0)).err(),
        checked.rsample_with_log_prob(3, &mut rng(0)).err(),
    ];
    [of_input, of_none].map(|errors| errors.into_iter().flatten().collect())
}

#[test]
fn wrong_columns_are_errors_of_what_takes_an_input() {
    let error = Error::Columns { what: "input", expected: 2, found: 3 };
    assert_eq!(errors(&model(0), &ones(4, 3), None), [vec![error; 4], vec![]]);
}

#[test]
fn missing_unwanted_and_unfitting_contexts_are_errors_of_every_verb() {
    let (x, context) = (ones(4, 2), ones(4, 3));
    let missing = Error::MissingContext { d_context: 3 };
    assert_eq!(errors(&model(3), &x, None), [vec![missing.clone(); 4], vec![missing; 4]]);
    let unwanted = vec![Error::UnwantedContext; 4];
    assert_eq!(errors(&model(0), &x, Some(&context)), [unwanted.clone(), unwanted]);
    let columns = Error::Columns { what: "context", expected: 3, found: 2 };
    assert_eq!(errors(&model(3), &x, Some(&x)), [vec![columns.clone(); 4], vec![columns; 4]]);
    let rows = Error::ContextRows { expected: 4, found: 5 };
    assert_eq!(errors(&model(3), &x, Some(&ones(5, 3))), [vec![rows; 4], vec![]]);
    assert_eq!(errors(&model(3), &x, Some(&ones(1, 3))), [vec![], vec![]]);
}

#[test]
fn where_all_fits_the_numbers_are_those_of_the_model() {
    let (model, context) = (perturb(model(3), 0.3, &mut rng(2)), ones(1, 3));
    let checked = Checked::new(&model, Some(&context));
    let x = checked.sample(5, &mut rng(1)).unwrap();
    assert_eq!(x.dims(), [5, 2]);
    // The context of one row is that of every row.
    let repeated = ones(5, 3);
    let expected = model.log_density(x.clone(), Some(&repeated));
    assert_eq!(checked.log_prob(x.clone()).unwrap().into_data(), expected.into_data());
    let (z, _) = model.flow.inverse(x.clone(), Some(&repeated));
    assert_eq!(checked.to_latent(x).unwrap().into_data(), z.into_data());
}

#[test]
fn a_configuration_out_of_its_range_is_an_error_and_the_panic_of_init() {
    let config = RealNvpConfig::new(2).with_n_layers(0);
    let error = config.validate().unwrap_err();
    assert_eq!(error.to_string(), "`n_layers` must be at least 1, got 0");
    let init = std::panic::AssertUnwindSafe(|| config.init(&cpu(), &mut rng(0)));
    let panic = std::panic::catch_unwind(init).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>(), Some(&error.to_string()));
    let prelu = |num_parameters| {
        let prelu = PReluConfig::new().with_num_parameters(num_parameters);
        let mlp = MlpConfig::new().with_d_hidden(vec![3, 3]).with_activation(prelu.into());
        RealNvpConfig::new(2).with_conditioner(mlp.into())
    };
    assert!(prelu(1).validate().is_ok());
    assert!(prelu(3).validate().is_ok());
    let error = prelu(2).validate().unwrap_err().to_string();
    assert!(error.contains("a `PRelu` must have 1 parameter"), "{error}");
    assert!(RealNvpConfig::new(1).validate().is_err());
    assert!(RealNvpConfig::new(2).validate().is_ok());
}

#[test]
fn a_mixture_of_weights_that_are_no_numbers_samples_none() {
    let mut mixture = Mixture::new((0..2).map(|_| model(0)).collect());
    mixture.logits = mixture.logits.map(|logits| logits * f32::NAN);
    let checked = Checked::new(&mixture, None);
    let samples = checked.sample(3, &mut rng(0)).expect("of the right shape");
    assert_eq!(samples.dims(), [3, 2]);
    assert!(samples.into_data().iter::<f32>().all(f32::is_nan));
}

/// `z = tanh(x)` and a shift, which takes only some numbers.
#[derive(Module, Debug)]
struct Bounded;

impl Univariate for Bounded {
    fn n_parameters(&self) -> usize {
        1
    }

    fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        forward_by_root(self, z, parameters)
    }

    fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let z = x.tanh();
        let log_slope = (z.clone().square().neg() + 1.0).log();
        (z + parameters.squeeze_dim::<2>(1), log_slope)
    }
}

/// More rows than go through a model at once.
const N_ROWS: usize = 20_000;

#[test]
fn an_inverse_that_is_not_found_is_nan_in_its_row_and_an_error_of_the_checked_view() {
    let flow = Sequential::new(vec![Elementwise::new(1, Bounded, &cpu())]);
    let model = NormalizingFlow::new(StandardNormal::new(1, &cpu()), flow);
    let mut latents = vec![0.5; N_ROWS];
    latents[17_003] = -2.0;
    latents[19_000] = 1.5;
    let z = Tensor::from_data(TensorData::new(latents, [N_ROWS, 1]), &cpu());

    let x = host(model.from_latent(z.clone()));
    let missing: Vec<usize> = (0..N_ROWS).filter(|&row| x[row].is_nan()).collect();
    assert_eq!(missing, [17_003, 19_000]);
    assert!((x[0] - 0.5_f64.atanh()).abs() < 1e-6);

    let checked = Checked::new(&model, None);
    let Err(Error::Unsolved { row: 17_003, residual, steps }) = checked.from_latent(z.clone())
    else {
        panic!("it must be an error");
    };
    assert!((residual - 1.0).abs() < 1e-5 && steps > 1, "{residual} after {steps}");
    let sentence = checked.from_latent(z.clone()).unwrap_err().to_string();
    assert!(sentence.starts_with("the inverse of row 17003 (from 0) was not found"), "{sentence}");
    // The other direction is a formula.
    assert!(checked.to_latent(z).is_ok());
    // Of a standard normal about a third is out of reach.
    assert!(matches!(checked.sample(100, &mut rng(0)), Err(Error::Unsolved { .. })));
    let (x, log_prob) = model.sample_with_log_prob(100, &mut rng(0));
    let (x, log_prob) = (host(x), host(log_prob));
    let n_missing = x.iter().filter(|x| x.is_nan()).count();
    assert!((10..60).contains(&n_missing), "{n_missing}");
    assert!(x.iter().zip(&log_prob).all(|(x, log_prob)| x.is_nan() != log_prob.is_finite()));
}
