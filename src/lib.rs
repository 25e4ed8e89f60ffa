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
//! use normalizing_flows::burn::optim::GradientsParams;
//! use normalizing_flows::burn::tensor::Device;
//! use normalizing_flows::data::toy::{ToyDensity, TwoMoons};
//! use normalizing_flows::optim::AdamConfig;
//! use normalizing_flows::{Distribution, RealNvpConfig};
//! use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
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
//! and the log-determinant of the map that it applied, one number per row, in nats. So
//! `log_prob(x) = base.log_prob(z) + log_det` with `(z, log_det) = flow.inverse(x, context)`.
//!
//! # Contexts
//!
//! Every flow, conditioner and density takes a context, on which the density depends. Flows take it
//! as an `Option<&Tensor<2>>`; densities have the plain calls, and
//! [`model.given(&context)`](Distribution::given) with the same verbs.
//!
//! # The modules
//!
//! | where | what |
//! |---|---|
//! | [`Flow`], [`Sequential`], [`Inverse`], [`Layer`] | the trait, and how flows compose |
//! | [`coupling`] | masks and the coupling layer, over any conditioner and any univariate map |
//! | [`autoregressive`] | the layer that gives each feature those before it |
//! | [`elementwise`] | layers that transform each feature by itself: learnt, by a context, fixed |
//! | [`linear`] | layers that put the features in another order, or mix them by a matrix |
//! | [`residual`] | layers that add a function of the features to them: planar, radial, Sylvester |
//! | [`normalization`] | layers that standardise features, by the first batch or by each |
//! | [`conditioner`] | the networks: perceptrons, residual ones, masked ones |
//! | [`univariate`] | the monotone scalar maps: affine, additive, splines, polynomials, mixtures, networks, fixed ones |
//! | [`distribution`] | bases, [`NormalizingFlow`] (base and flow), mixtures, ensembles, a checked view |
//! | [`preset`] | RealNVP, NICE, Glow, MAF, IAF, neural spline, NAF, UNAF, polynomial and Gaussianization flows in one line |
//! | [`optim`] | fused Adam and AdamW, a bound on the norm of all gradients |
//! | [`target`] | densities known up to a constant: objectives, importance weights, annealed samplers |
//! | `nuts` | the no-U-turn sampler through a flow, by the feature of that name |
//! | [`train`] | training in one call, to data or to a target, with a report and checkpoints |
//! | [`io`] | a model in one file |
//! | [`table`] | a density of named columns in one call: CSV files, supports, scales, tails |
//! | [`data`] | rows to train on, and toy densities with their entropies |
//! | [`testing`] | checks of the invariants of every part, for yours too |
//!
//! Models that are known only at run time are a [`FlowConfig`]: a base and layers, of the crate's
//! own. Every preset is one, and all have one type.
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
//! Two more add what they are named after: `parquet` (files of tables) and `nuts` (a sampler, the module `nuts`).
//!
//! A dependant that wants one backend says `default-features = false` and picks. With several
//! enabled, `Device::default()` prefers GPUs. burn and rand are re-exported as [`burn`] and
//! [`rand`], in the versions that fit; a module that derives burn's `Module` without a dependency
//! on burn says `use normalizing_flows::burn;`.
//!
//! On the CPU the fused kernels take the best instruction set that the processor has. The
//! environment variable `NORMALIZING_FLOWS_MAX_ISA` (`avx512`, `avx2` or `baseline`), read once,
//! caps that, to test on one machine what others run. burn's own operations are not capped.
//!
//! Models are `f32` unless [`cast`]; `f64` works on the CPU backends.
//!
//! burn differentiates once: the score, the gradient of a log-density by its input, works, and
//! training by it (score matching) does not. Its `AdamConfig` has an epsilon of 1e-5, where PyTorch
//! has 1e-8, and its gradient clipping takes each tensor by itself, not the global norm: [`optim`] has
//! both as PyTorch.

pub use burn;
pub use rand;

mod adjacency;
pub mod autoregressive;
mod closed_enum;
pub mod conditioner;
pub mod coupling;
pub mod data;
mod direction;
pub mod distribution;
pub mod elementwise;
mod error;
mod flow;
pub mod io;
mod kernel;
pub mod linear;
pub mod normalization;
#[cfg(feature = "nuts")]
pub mod nuts;
pub mod optim;
mod order;
mod parameters;
pub mod preset;
pub mod residual;
mod solver;
pub mod table;
pub mod target;
pub mod testing;
pub mod train;
pub mod univariate;

#[doc = include_str!("../docs/guide.md")]
pub mod guide {}

pub use adjacency::Adjacency;
pub use autoregressive::{MaskedAutoregressive, MaskedAutoregressiveConfig};
pub use coupling::{MaskedCoupling, MaskedCouplingConfig};
pub use direction::Direction;
pub use distribution::{
    Base, BaseConfig, Distribution, FlowConfig, NormalizingFlow, StandardNormal,
};
pub use elementwise::{Elementwise, ElementwiseConfig};
pub use error::Error;
pub use flow::{
    Flow, Inverse, InverseConfig, Layer, LayerConfig, PulledBack, Sequential, SequentialConfig,
};
pub use kernel::{Program, release_buffers};
pub use order::Order;
pub use parameters::{Settings, cast, with_fresh_ids};
pub use preset::{
    BernsteinConfig, GaussianizationConfig, GlowConfig, IafConfig, MafConfig, NafConfig,
    NiceConfig, NsfConfig, RealNvpConfig, SosConfig, UnafConfig,
};

/// The README's snippets, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
