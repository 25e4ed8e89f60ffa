//! A layer, a conditioner, a univariate map and a base of one's own, trained and saved.

// What burn's derives look for.
use normalizing_flows::burn;
use normalizing_flows::burn::module::{Module, Param};
use normalizing_flows::burn::nn::{Linear, LinearConfig};
use normalizing_flows::burn::optim::{AdamConfig, GradientsParams};
use normalizing_flows::burn::tensor::{Device, Tensor};
use normalizing_flows::conditioner::Conditioner;
use normalizing_flows::coupling::Mask;
use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
use normalizing_flows::distribution::Noise;
use normalizing_flows::testing::{DistributionLaws, Laws, UnivariateLaws};
use normalizing_flows::univariate::Univariate;
use normalizing_flows::{Distribution, Flow, MaskedCoupling, NormalizingFlow};
use rand::{Rng, SeedableRng, rngs::ChaCha8Rng};

/// `x = z + b`.
#[derive(Module, Debug)]
struct Shift {
    b: Param<Tensor<1>>,
}

impl Flow for Shift {
    fn forward(&self, z: Tensor<2>, _: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let log_det = z.clone().sum_dim(1).squeeze_dim(1).zeros_like();
        (z + self.b.val().unsqueeze(), log_det)
    }

    fn inverse(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let log_det = x.clone().sum_dim(1).squeeze_dim(1).zeros_like();
        (x - self.b.val().unsqueeze(), log_det)
    }

    fn d_features(&self) -> Option<usize> {
        Some(self.b.dims()[0])
    }
}

/// Parameters as linear functions of the kept features.
#[derive(Module, Debug)]
struct LinearConditioner {
    linear: Linear,
}

impl Conditioner for LinearConditioner {
    fn forward(&self, input: Tensor<2>, _: Option<&Tensor<2>>) -> Tensor<2> {
        self.linear.forward(input)
    }
}

/// `x = z exp(tanh a)`.
#[derive(Module, Debug, Default)]
struct Scale;

impl Univariate for Scale {
    fn n_parameters(&self) -> usize {
        1
    }

    fn forward(&self, z: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let log_scale: Tensor<2> = parameters.squeeze_dim::<2>(1).tanh();
        (z * log_scale.clone().exp(), log_scale)
    }

    fn inverse(&self, x: Tensor<2>, parameters: Tensor<3>) -> (Tensor<2>, Tensor<2>) {
        let log_slope = -parameters.squeeze_dim::<2>(1).tanh();
        (x * log_slope.clone().exp(), log_slope)
    }
}

/// A normal distribution with a learnt location.
#[derive(Module, Debug)]
struct Located {
    loc: Param<Tensor<1>>,
}

impl Distribution for Located {
    fn d_features(&self) -> usize {
        self.loc.dims()[0]
    }

    fn is_reparameterized(&self) -> bool {
        true
    }

    fn log_density(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> Tensor<1> {
        let squares = (x - self.loc.val().unsqueeze()).square().sum_dim(1).squeeze_dim(1);
        squares * -0.5 - 0.5 * self.d_features() as f64 * std::f64::consts::TAU.ln()
    }

    fn draw<R: Rng + ?Sized>(
        &self,
        n: usize,
        _: Option<&Tensor<2>>,
        noise: &mut Noise<'_, R>,
    ) -> Tensor<2> {
        noise.standard_normal([n, self.d_features()]) + self.loc.val().unsqueeze()
    }
}

type Model = NormalizingFlow<Located, (MaskedCoupling<LinearConditioner, Scale>, Shift)>;

fn located(device: &Device) -> Located {
    Located { loc: Param::from_data([0.0, 0.0], device) }
}

fn model(device: &Device) -> Model {
    let conditioner = LinearConditioner { linear: LinearConfig::new(1, 1).init(device) };
    let coupling = MaskedCoupling::new(&Mask::half(2), conditioner, Scale, device);
    let shift = Shift { b: Param::from_data([0.0, 0.0], device) };
    NormalizingFlow::new(located(device), (coupling, shift))
}

fn main() {
    let device = Device::default();
    Laws::new(2, |device, _| Shift { b: Param::from_data([0.0, 0.0], device) }).check_all(&device);
    UnivariateLaws::new(|_, _| Scale).check_all(&device);
    DistributionLaws::new(2, |device, _| located(device)).check_all(&device);

    let (training, mut rng) = (device.clone().autodiff(), ChaCha8Rng::seed_from_u64(0));
    let mut trained = model(&training);
    println!("{trained}");
    let mut adam = AdamConfig::new().init();
    let mut losses = Vec::new();
    for _ in 0..200 {
        let x = TwoMoons::new(0.1).sample(256, &device, &mut rng);
        let loss = -trained.log_prob(x).mean();
        losses.push(loss.clone().into_scalar::<f32>());
        let gradients = GradientsParams::from_grads(loss.backward(), &trained);
        trained = adam.step(1e-2, trained, gradients);
    }
    let (first, last) = (losses[0], losses[199]);
    assert!(last < first - 0.2, "the loss went from {first} to {last}");

    let file = std::env::temp_dir().join(format!("dependant-{}.bpk", std::process::id()));
    let trained = trained.valid();
    trained.clone().save_file(&file).expect("the model can be saved");
    let loaded = model(&device).try_load_file(&file).expect("the model can be loaded");
    let x = trained.sample(100, &mut rng);
    assert_eq!(loaded.log_prob(x.clone()).into_data(), trained.log_prob(x).into_data());
    // Not before: burn reads the values of a file when they are needed.
    std::fs::remove_file(&file).expect("the file is there");
    println!("trained from {first:.3} to {last:.3} nats, saved and loaded");
}
