//! [`FixedMaps`]: a map of each feature that is chosen, not learnt.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Int, Tensor, assert_shape};
use rand::Rng;

use crate::direction::Direction;
use crate::error::{Error, ensure, or_panic};
use crate::flow::run::directions_by_transform;
use crate::flow::{Flow, zero_log_det};
use crate::kernel::{Operation, Program};
use crate::parameters::{Settings, int_parameter};
use crate::univariate::FixedMap;

/// Configuration of a [`FixedMaps`] layer.
#[derive(Config, Debug)]
pub struct FixedMapsConfig {
    /// The map of each feature.
    pub maps: Vec<FixedMap>,
}

impl FixedMapsConfig {
    /// The same map for so many features.
    pub fn of_all(d_features: usize, map: FixedMap) -> Self {
        Self { maps: vec![map; d_features] }
    }

    /// Builds the layer on a device.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, _: &mut R) -> FixedMaps {
        or_panic(self.validate());
        let mut distinct: Vec<FixedMap> = Vec::new();
        for map in &self.maps {
            if !distinct.contains(map) {
                distinct.push(*map);
            }
        }
        let features_of = |map: &FixedMap| -> Vec<usize> {
            (0..self.maps.len()).filter(|&feature| self.maps[feature] == *map).collect()
        };
        // Group after group, and where each feature is then.
        let grouped: Vec<usize> = distinct.iter().flat_map(features_of).collect();
        let mut places = vec![0; grouped.len()];
        grouped.iter().enumerate().for_each(|(place, &feature)| places[feature] = place);
        let groups = distinct
            .iter()
            .map(|map| Group { features: int_parameter(&features_of(map), device), map: *map });
        FixedMaps {
            groups: groups.collect(),
            places: int_parameter(&places, device),
            maps: self.maps.clone(),
            settings: Settings::new([format!("maps = {:?}", self.maps)], device),
        }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there is no map, or a value of one is out of its range.
    pub fn validate(&self) -> Result<(), Error> {
        ensure!(!self.maps.is_empty(), "`maps` must have a map for at least 1 feature, got none");
        self.maps.iter().try_for_each(FixedMap::validate)
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> Option<usize> {
        Some(self.maps.len())
    }

    /// The number of context features: none.
    pub(crate) fn d_context(&self) -> usize {
        0
    }
}

/// Transforms each feature by a [`FixedMap`] of its own, such as from the real line to the interval or
/// half-line on which the feature lives.
///
/// ```text
/// x_i = f_i(z_i)        log |det ∂x/∂z| = Σ_i log |f_i'(z_i)|
/// ```
///
/// A row with a value that its map does not take has a log-determinant of minus infinity. From data to
/// latent its log-density is so minus infinity; other rows, and their gradients, do not notice. A latent
/// that a map does not take (`Power` takes numbers above 0) has no image: give such a layer a base, or
/// layers before it, that have none. Each direction costs
/// `O(d_features)`, and the kernels compute it.
///
/// # Shapes
///
/// As for [`Flow`].
///
/// # Panics
///
/// If the input has the wrong number of features.
///
/// # Example
///
/// ```
/// use normalizing_flows::Flow;
/// use normalizing_flows::elementwise::FixedMapsConfig;
/// use normalizing_flows::univariate::FixedMap;
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let maps = vec![FixedMap::Exp, FixedMap::Sigmoid { low: 0.0, high: 10.0 }];
/// let layer = FixedMapsConfig::new(maps).init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let (x, _) = layer.forward(Tensor::zeros([1, 2], &device), None);
/// assert_eq!(x.into_data().try_into_vec::<f32>().unwrap(), [1.0, 5.0]);
/// // No number maps to minus one.
/// let (_, log_det) = layer.inverse(Tensor::from_data([[-1.0, 5.0]], &device), None);
/// assert_eq!(log_det.into_scalar::<f32>(), f32::NEG_INFINITY);
/// ```
///
/// # References
///
/// Sinh-arcsinh: Jones, Pewsey: *Sinh-arcsinh distributions*, Biometrika 96, 2009.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct FixedMaps {
    groups: Vec<Group>,
    /// Where each feature is when the groups stand one after another.
    places: Param<Tensor<1, Int>>,
    /// That of each feature.
    #[module(skip)]
    maps: Vec<FixedMap>,
    settings: Settings,
}

/// Features of the same map.
#[derive(Module, Debug)]
struct Group {
    features: Param<Tensor<1, Int>>,
    #[module(skip)]
    map: FixedMap,
}

impl FixedMaps {
    fn transform(
        &self,
        direction: Direction,
        input: Tensor<2>,
        _: Option<&Tensor<2>>,
    ) -> (Tensor<2>, Tensor<1>) {
        let [d_features] = self.places.dims();
        assert_shape!(input, [_, d_features]);
        if input.dims()[0] == 0 {
            let log_det = zero_log_det(&input);
            return (input, log_det);
        }
        if let [Group { map, .. }] = &self.groups[..] {
            let (output, log_slope) = map.apply(direction, input);
            return (output, log_slope.sum_dim(1).squeeze_dim(1));
        }
        let of_group = |Group { features, map }: &Group| {
            map.apply(direction, input.clone().select(1, features.val()))
        };
        let (outputs, log_slopes): (Vec<_>, Vec<_>) = self.groups.iter().map(of_group).unzip();
        let output = Tensor::cat(outputs, 1).select(1, self.places.val());
        (output, Tensor::cat(log_slopes, 1).sum_dim(1).squeeze_dim(1))
    }
}

impl Flow for FixedMaps {
    directions_by_transform!();

    fn d_features(&self) -> Option<usize> {
        Some(self.places.dims()[0])
    }

    fn lower<'a>(&'a self, program: &mut Program<'a>) {
        let (maps, places) = (self.maps.clone(), self.places.val());
        program.add_layer(self, Ok(Operation::FixedMaps { maps, places }));
    }
}

/// The kernels and tensor operations agree on what is outside, and on what to make of the rest.
#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use burn::tensor::{DType, TensorData};
    use rand::{SeedableRng, rngs::ChaCha8Rng};

    const MAPS: [FixedMap; 12] = [
        FixedMap::Identity,
        FixedMap::Affine { shift: 0.5, scale: -2.0 },
        FixedMap::Exp,
        FixedMap::Softplus,
        // Ends that f32 rounds up and down.
        FixedMap::Sigmoid { low: 0.1, high: 0.7 },
        FixedMap::Sigmoid { low: -0.7, high: -0.1 },
        FixedMap::Tanh,
        FixedMap::LeakyTanh { bound: 1.5 },
        FixedMap::LeakyRelu { slope: 0.2 },
        FixedMap::Power { exponent: -1.7 },
        FixedMap::Power { exponent: 2.0 },
        FixedMap::SinhArcsinh { skewness: 0.3, tail: 1.4 },
    ];

    /// Ends of intervals in both float types with what is next to them, tails, infinities and NaN.
    fn values(dtype: DType) -> Vec<f64> {
        let ends = [0.0_f64, 0.1, 0.7, 1.0];
        let of_end = |end: f64| match dtype {
            DType::F32 => {
                let end = end as f32;
                [end.next_down(), end, end.next_up()].map(f64::from)
            }
            _ => [end.next_down(), end, end.next_up()],
        };
        let near_ends = ends.into_iter().flat_map(of_end);
        let others = [0.05, 0.4, 2.5, 30.0, f64::INFINITY];
        let above: Vec<f64> = near_ends.chain(others).collect();
        let below: Vec<f64> = above.iter().map(|value| -value).collect();
        [above, below, vec![f64::NAN]].concat()
    }

    #[test]
    fn kernels_and_tensor_operations_agree_at_the_ends_too() {
        let device = Device::flex();
        // Next to an end a rounding of the value is much of its distance, and the logarithm of that
        // moves as much: tensor operations in f32 lose what the kernels, in f64 inside, keep.
        for (dtype, tolerance) in [(DType::F32, 2e-3), (DType::F64, 1e-9)] {
            let values = values(dtype);
            let data = TensorData::new(values.clone(), [values.len(), 1]);
            let input = Tensor::<2>::from_data(data, (&device, dtype));
            for map in MAPS {
                let mut rng = ChaCha8Rng::seed_from_u64(0);
                let layer = FixedMapsConfig::new(vec![map]).init(&device, &mut rng);
                for direction in [Direction::Forward, Direction::Inverse] {
                    let fused = crate::flow::run::apply(&layer, direction, input.clone(), None);
                    let composed = layer.transform(direction, input.clone(), None);
                    let host = |(output, log_det): (Tensor<2>, Tensor<1>)| -> Vec<[f64; 2]> {
                        let outputs = output.into_data().iter::<f64>().collect::<Vec<_>>();
                        outputs
                            .into_iter()
                            .zip(log_det.into_data().iter::<f64>())
                            .map(<[f64; 2]>::from)
                            .collect()
                    };
                    for (value, (fused, composed)) in
                        values.iter().zip(host(fused).into_iter().zip(host(composed)))
                    {
                        for (a, b) in fused.into_iter().zip(composed) {
                            let agree = a == b
                                || (a.is_nan() && b.is_nan())
                                || (a - b).abs() <= tolerance * (1.0 + b.abs());
                            assert!(
                                agree,
                                "{map:?} {direction:?} of {value:e} in {dtype:?}: {fused:?} and {composed:?}"
                            );
                        }
                    }
                }
            }
        }
    }
}

/// As "fixed maps, 3 features: Exp 2, Tanh 1".
impl ModuleDisplay for FixedMaps {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let groups = self.groups.iter().map(|Group { features, map }| {
            let map = format!("{map:?}");
            let name = map.split(' ').next().unwrap_or_default();
            format!("{name} {}", features.dims()[0])
        });
        let groups: Vec<String> = groups.collect();
        let [d_features] = self.places.dims();
        let text = format!("fixed maps, {d_features} features: {}", groups.join(", "));
        content.add_formatted(&text).optional()
    }
}
