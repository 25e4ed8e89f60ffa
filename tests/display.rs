//! What models print.

#![cfg(any(feature = "flex", feature = "ndarray"))]

mod common;

use common::{Opaque, cpu, rng};
use normalizing_flows::conditioner::{ConditionerShape, MlpConfig};
use normalizing_flows::coupling::Mask;
use normalizing_flows::univariate::{AdditiveConfig, RationalQuadraticSplineConfig};
use normalizing_flows::{
    Inverse, MaskedCoupling, MaskedCouplingConfig, NiceConfig, NormalizingFlow, Sequential,
    StandardNormal,
};
#[cfg(feature = "flex")]
use normalizing_flows::{
    RealNvpConfig,
    burn::nn::{PReluConfig, activation::ActivationConfig},
};

#[test]
fn a_layer_says_what_it_is() {
    let layer = MaskedCouplingConfig::new(Mask::alternating(8))
        .with_univariate(RationalQuadraticSplineConfig::new().into());
    assert_eq!(
        layer.init(&cpu(), &mut rng(0)).to_string(),
        "coupling, 4 kept, 4 transformed, MLP 64-64, Relu, rational quadratic spline, 8 bins in \
         [-5.0, 5.0], One ends"
    );
}

#[test]
fn a_model_prints_its_layers_their_parameters_and_by_what_they_run() {
    let model = NiceConfig::new(3)
        .with_n_layers(2)
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![4]).into())
        .init(&cpu(), &mut rng(0));
    let runs_by = match cfg!(feature = "flex") {
        true => "kernels",
        false => "tensor operations: not on the flex backend",
    };
    let printed = model.to_string();
    let lines: Vec<&str> = printed.lines().collect();
    let head =
        ["normalizing flow, 3 features, 41 parameters", "base: standard normal, 0 parameters"];
    assert_eq!(lines[..2], head);
    assert_eq!(lines.len(), 6, "{printed}");
    assert!(lines[3].starts_with("elementwise, 3 features, affine"), "{printed}");
    assert!(lines[4].starts_with("coupling, 2 kept, 1 transformed, MLP 4, Relu, additive"));
    assert!(lines[5].starts_with("coupling, 1 kept, 2 transformed, MLP 4, Relu, additive"));
    for (line, n) in lines[3..].iter().zip(["6", "17", "18"]) {
        assert!(line.ends_with(&format!(" {n}  {runs_by}")), "{printed}");
    }
}

#[test]
fn a_model_says_why_a_layer_does_not_run_by_the_kernels() {
    let (device, mut rng) = (cpu(), rng(0));
    let mask = Mask::half(2);
    let shape = ConditionerShape { d_input: 1, d_context: 0, d_output: 1, n_parameters: 1 };
    let network = Opaque { inner: MlpConfig::new().init(shape, &device, &mut rng) };
    let map = AdditiveConfig::new().init(&device, &mut rng);
    let layer = MaskedCoupling::new(&mask, network, map, &device);
    let model = NormalizingFlow::new(StandardNormal::new(2, &device), Inverse::new(layer));
    let printed = model.to_string();
    let last = printed.lines().last().unwrap();
    assert!(last.starts_with("inverse of coupling, 1 kept, 1 transformed, Opaque"), "{printed}");
    assert!(last.ends_with("tensor operations: a conditioner without a kernel"), "{printed}");
}

/// One column says which layers are applied in one pass: an unknown layer ends a run, and so do more
/// weights than an operation may have.
#[test]
#[cfg(feature = "flex")]
fn a_stack_says_which_layers_run_together() {
    let runs_by = |printed: String| -> Vec<String> {
        let lines = printed.lines().filter(|line| line.starts_with("coupling"));
        lines.map(|line| line.rsplit("  ").next().unwrap().to_string()).collect()
    };
    let (device, mut rng) = (cpu(), rng(0));
    let mut layer = |activation| {
        MaskedCouplingConfig::new(Mask::half(2))
            .with_conditioner(MlpConfig::new().with_activation(activation).into())
            .init(&device, &mut rng)
    };
    let layers = vec![
        layer(ActivationConfig::Relu),
        layer(ActivationConfig::PRelu(PReluConfig::new())),
        layer(ActivationConfig::Relu),
        layer(ActivationConfig::Tanh),
    ];
    let unknown = "tensor operations: an activation without a kernel";
    assert_eq!(
        runs_by(Sequential::new(layers).to_string()),
        ["kernels, run 1", unknown, "kernels, run 2", "kernels, run 2"]
    );
    // Six weights and biases per layer.
    let deep = RealNvpConfig::new(2)
        .with_n_layers(171)
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![2, 2]).into())
        .init(&device, &mut rng);
    let runs = runs_by(deep.to_string());
    assert_eq!((&*runs[169], &*runs[170]), ("kernels, run 1", "kernels, run 2"));
}

#[test]
fn an_inverse_of_several_layers_prints_them_in_its_own_order() {
    let (device, mut rng) = (cpu(), rng(0));
    let layer = |mask: Mask, rng: &mut _| MaskedCouplingConfig::new(mask).init(&device, rng);
    let layers = vec![layer(Mask::half(3), &mut rng), layer(Mask::half(3).complement(), &mut rng)];
    let printed = Inverse::new(Sequential::new(layers)).to_string();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 3, "{printed}");
    assert!(lines[0].starts_with("layer "), "{printed}");
    assert!(lines[1].starts_with("inverse of coupling, 1 kept, 2 transformed"), "{printed}");
    assert!(lines[2].starts_with("inverse of coupling, 2 kept, 1 transformed"), "{printed}");
}
