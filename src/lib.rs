//! Normalizing flows on [burn]: exact densities and samplers that train on a CPU or a GPU.
//!
//! A normalizing flow turns a simple density (a Gaussian) into a complex one by an invertible map
//! whose Jacobian determinant is cheap, so that the likelihood of data is exact. [`guide`] explains
//! how, for newcomers.
//!
//! # Quick start
//!
//! Fit a density to two moons, evaluate it and draw from it:
//!
//! ```
//! use normalizing_flows::burn::module::Module;
//! use normalizing_flows::burn::optim::{AdamConfig, GradientsParams};
//! use normalizing_flows::burn::tensor::Device;
//! use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
//! use normalizing_flows::{Distribution, RealNvpConfig};
//! use rand::{SeedableRng, rngs::ChaCha8Rng};
//!
//! let device = Device::default(); // the CPU, or the GPU with `--features wgpu`
//! let mut rng = ChaCha8Rng::seed_from_u64(0);
//! let mut model = RealNvpConfig::new(2).init(&device.clone().autodiff(), &mut rng);
//! let mut adam = AdamConfig::new().init();
//! # let (steps, batch) = (3, 32);
//! # /*
//! let (steps, batch) = (2000, 512);
//! # */
//! for _ in 0..steps {
//!     let x = TwoMoons::new(0.1).sample(batch, &device, &mut rng);
//!     let loss = -model.log_prob(x).mean();
//!     let gradients = GradientsParams::from_grads(loss.backward(), &model);
//!     model = adam.step(2e-3, model, gradients);
//! }
//! let model = model.valid(); // without autodiff
//! let (x, log_prob) = model.sample_with_log_prob(1000, &mut rng);
//! # assert_eq!((x.dims(), log_prob.dims()), ([1000, 2], [1000]));
//! ```
//!
//! # Directions
//!
//! **`forward` maps latent to data, `inverse` maps data to latent.** Each returns the mapped tensor
//! and the log-determinant of the map that it applied, one number a row, in nats. So
//! `log_prob(x) = base.log_prob(z) + log_det` with `(z, log_det) = flow.inverse(x)`.
//!
//! # The rooms
//!
//! | where | what |
//! |---|---|
//! | [`Flow`], [`Sequential`], [`Inverse`], [`Layer`] | the trait, and how flows compose |
//! | [`coupling`] | masks and the coupling layer, over any conditioner and any univariate map |
//! | [`elementwise`] | layers that transform each feature by itself |
//! | [`conditioner`] | the networks: perceptrons, residual ones |
//! | [`univariate`] | the monotone scalar maps: affine, additive, rational quadratic splines |
//! | [`distribution`] | base distributions, and [`NormalizingFlow`]: base and flow |
//! | [`preset`] | RealNVP, NICE and neural spline flows in one line |
//! | [`data`] | toy densities with their entropies |
//! | [`testing`] | the laws that every flow obeys, to check yours with |
//!
//! # Backends
//!
//! A burn tensor carries its backend in its device, so nothing in this crate depends on one.
//! Features choose what is compiled in:
//!
//! | feature | backend |
//! |---|---|
//! | `flex` (default) | CPU, pure Rust, SIMD and threads, fused kernels |
//! | `ndarray` | CPU; deprecated by burn |
//! | `wgpu` | GPU by whichever graphics API there is |
//! | `vulkan`, `metal` | the same, pinned to one API |
//! | `cuda`, `rocm` | GPU by NVIDIA's or AMD's own stack |
//!
//! A dependant that wants one backend says `default-features = false` and picks. With several
//! enabled, `Device::default()` prefers GPUs. burn is re-exported as [`burn`], in the version that
//! fits.
//!
//! Models are `f32` unless [`cast`]; `f64` works on the CPU backends.

pub use burn;

mod cast;
mod closed_enum;
pub mod conditioner;
pub mod coupling;
pub mod data;
mod direction;
pub mod distribution;
pub mod elementwise;
mod flow;
mod kernel;
mod layer;
pub mod preset;
mod sequential;
pub mod testing;
pub mod univariate;

#[doc = include_str!("../docs/guide.md")]
pub mod guide {}

pub use cast::cast;
pub use coupling::{MaskedCoupling, MaskedCouplingConfig};
pub use distribution::{Distribution, NormalizingFlow, Reparameterized, StandardNormal};
pub use elementwise::{Elementwise, ElementwiseConfig};
pub use flow::{Flow, Inverse};
pub use layer::Layer;
pub use preset::{NiceConfig, NsfConfig, RealNvpConfig};
pub use sequential::Sequential;

/// The README's snippets, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
