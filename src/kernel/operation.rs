//! What layers, maps and bases tell the kernels about themselves, in the crate's own terms.

use std::fmt;

use burn::tensor::{Int, Tensor};

use crate::conditioner::NetworkLayers;
use crate::univariate::{FixedMap, RationalQuadraticSplineConfig, ScaleBound};

/// What the kernels can apply in the place of a layer.
///
/// A layer that has none of these says so by a [`Reason`] and runs by tensor operations.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "one per layer, for the time of a call")]
pub enum Operation<'a> {
    /// A map of some features, whose parameters networks give from the other features and the
    /// context, if they take one. The outputs of the networks one after another are the parameters.
    Coupling {
        /// The features that the networks see, ascending.
        kept: Tensor<1, Int>,
        /// The features that the map transforms, ascending.
        transformed: Tensor<1, Int>,
        /// The networks.
        networks: Vec<NetworkLayers<'a>>,
        /// The map.
        map: KernelMap,
    },
    /// A map of every feature, whose parameters a network with masks gives from the features before it
    /// and the context, if it takes one. It sees data: what comes in in the inverse direction, and what
    /// goes out in the forward one.
    Autoregressive {
        /// The network, with its masks.
        network: NetworkLayers<'a>,
        /// The map.
        map: KernelMap,
    },
    /// A map of every feature, whose parameters, `[n_parameters, d_features]`, are the same for all
    /// rows.
    Elementwise {
        /// The parameters.
        parameters: Tensor<2>,
        /// The map.
        map: KernelMap,
    },
    /// A map of each feature that learns nothing.
    FixedMaps {
        /// That of each feature.
        maps: Vec<FixedMap>,
        /// A number for each feature, which says where the layer is.
        places: Tensor<1, Int>,
    },
    /// The features in another order.
    Permutation {
        /// In the forward direction, the feature that comes to each place.
        order: Tensor<1, Int>,
    },
    /// The product of a row and a matrix, plus a bias, in the direction that
    /// [`Program::direction`](super::Program::direction) asks for.
    Matrix {
        /// `[d_features, d_features]`: a row of it for each feature that comes in.
        weight: Tensor<2>,
        /// `[d_features]`
        bias: Tensor<1>,
        /// `[1]`, the same for all rows.
        log_det: Tensor<1>,
    },
}

/// A univariate map that has a kernel.
#[derive(Debug, Clone)]
pub enum KernelMap {
    /// `x = z exp(s) + t`.
    Affine(ScaleBound),
    /// `x = z + t`.
    Additive,
    /// A monotone spline.
    RationalQuadraticSpline(RationalQuadraticSplineConfig),
}

/// A base distribution whose log-density the kernels compute in the same pass as the flow.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum KernelBase {
    /// The standard normal.
    StandardNormal,
}

/// Why a layer runs by tensor operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It is a layer that has no kernel.
    Flow,
    /// It has a conditioner that has no kernel.
    Conditioner,
    /// It has a univariate map that has no kernel.
    Map,
    /// It has an activation that has no kernel.
    Activation,
    /// The shapes of its parameters do not fit together.
    Shapes,
    /// Its parameters are not on the Flex backend.
    Backend,
    /// Its parameters are not all of the one float type `f32` or `f64`.
    FloatType,
    /// It has more weights than an operation may have.
    Weights,
    /// It is set by data, and was not calibrated.
    Uncalibrated,
    /// It depends on the batch as a whole.
    Batch,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flow => "a layer without a kernel",
            Self::Conditioner => "a conditioner without a kernel",
            Self::Map => "a univariate map without a kernel",
            Self::Activation => "an activation without a kernel",
            Self::Shapes => "shapes that do not fit together",
            Self::Backend => "not on the flex backend",
            Self::FloatType => "neither all f32 nor all f64",
            Self::Weights => "too many weights",
            Self::Uncalibrated => "not calibrated yet",
            Self::Batch => "by the statistics of the batch",
        })
    }
}
