//! [`UnivariateLaws`]: the checks of a univariate map.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Device, Tensor};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

use super::compare::{assert_close, host};
use super::flow_laws::Laws;
use super::list::{list_of_laws, settings_of_laws};
use crate::direction::Direction;
use crate::flow::Flow;
use crate::parameters::cast;
use crate::univariate::Univariate;

/// Features of the case: that of one must not see the parameters of the other.
const D_FEATURES: usize = 2;

/// The invariants of a univariate map, each checked by a method that panics when the map does not
/// satisfy it.
///
/// They are those of a flow whose context are the parameters, and with them a few of their own.
///
/// # Example
///
/// ```
/// use normalizing_flows::{testing::UnivariateLaws, univariate::AffineConfig};
/// use normalizing_flows::burn::tensor::Device;
///
/// UnivariateLaws::new(|device, rng| AffineConfig::new().init(device, rng))
///     .check_all(&Device::default());
/// ```
pub struct UnivariateLaws<U: Univariate> {
    laws: Laws<MapOfContext<U>>,
}

list_of_laws! {
    $ UnivariateLaws<U: Univariate>, univariate_laws;
    round_trips
    log_slopes_cancel
    log_slope_is_that_of_the_derivative
    gradients_match_finite_differences
    rows_are_independent
    non_finite_rows_affect_only_their_own_outputs
    stays_finite
    is_the_identity_at_zero
    is_monotone
    saves_and_loads
}

settings_of_laws!(UnivariateLaws<U: Univariate>);

impl<U: Univariate> UnivariateLaws<U> {
    /// A case: the map that `build` makes.
    pub fn new(build: impl Fn(&Device, &mut ChaCha8Rng) -> U + 'static) -> Self {
        let build =
            move |device: &Device, rng: &mut ChaCha8Rng| MapOfContext { map: build(device, rng) };
        Self { laws: Laws::new(D_FEATURES, build) }
    }

    /// What `forward` gives at parameters of zero; the default is the identity. Say why beside the
    /// call.
    #[must_use]
    pub fn with_start(self, start: impl Fn(Tensor<2>) -> (Tensor<2>, Tensor<1>) + 'static) -> Self {
        Self { laws: self.laws.with_start(start) }
    }

    /// Lets the map at parameters of zero differ from its start by so many roundings of 1.
    #[must_use]
    pub fn with_rounded_start(self, roundings: u32) -> Self {
        Self { laws: self.laws.with_rounded_start(roundings) }
    }

    /// As [`Laws::with_start_at_origin`].
    #[must_use]
    pub fn with_start_at_origin(self) -> Self {
        Self { laws: self.laws.with_start_at_origin() }
    }

    /// `inverse` undoes `forward`, and the other way round.
    pub fn round_trips(&self, device: &Device) {
        self.laws.round_trips(device);
    }

    /// The log-slopes of the two directions add to zero.
    pub fn log_slopes_cancel(&self, device: &Device) {
        self.laws.log_dets_cancel(device);
    }

    /// The log-slope is the logarithm of the derivative that autodiff finds, and no feature depends
    /// on another.
    pub fn log_slope_is_that_of_the_derivative(&self, device: &Device) {
        self.laws.log_det_is_that_of_the_jacobian(device);
    }

    /// The gradients of inputs, parameters and the map's own weights match central differences.
    pub fn gradients_match_finite_differences(&self, device: &Device) {
        self.laws.gradients_match_finite_differences(device);
    }

    /// A row is mapped the same whatever the other rows hold, and however many they are.
    pub fn rows_are_independent(&self, device: &Device) {
        self.laws.rows_are_independent(device);
    }

    /// A NaN or an infinity shows in the outputs of its own row, and in those of no other.
    pub fn non_finite_rows_affect_only_their_own_outputs(&self, device: &Device) {
        self.laws.non_finite_rows_affect_only_their_own_outputs(device);
    }

    /// Values, log-slopes and gradients are finite for tiny, huge and mixed inputs and parameters.
    pub fn stays_finite(&self, device: &Device) {
        self.laws.stays_finite(device);
    }

    /// With all parameters at zero the map is the identity, or what the case declares by
    /// [`with_start`](Self::with_start): so a new conditioner, which gives zeros, makes a new flow
    /// the identity.
    pub fn is_the_identity_at_zero(&self, device: &Device) {
        let (_, z, _) = self.laws.plain(device);
        let z = self.laws.start_points(z);
        let flow = (self.laws.build)(device, &mut ChaCha8Rng::seed_from_u64(1));
        let flow = cast(flow, self.laws.dtype);
        let zeros = Tensor::zeros([z.dims()[0], flow.d_context()], (&z.device(), z.dtype()));
        let (x, log_det) = match &self.laws.start {
            Some(start) => start(z.clone()),
            None => (z.clone(), Tensor::zeros([z.dims()[0]], (&z.device(), z.dtype()))),
        };
        let tolerance = self.laws.start_tolerance();
        let (found, log_det_found) = flow.forward(z, Some(&zeros));
        assert_close("output at parameters of zero", &found, &x, tolerance);
        assert_close("log-slope at parameters of zero", &log_det_found, &log_det, tolerance);
    }

    /// Larger inputs give larger outputs, or all give smaller ones, whatever the parameters.
    pub fn is_monotone(&self, device: &Device) {
        let (flow, _, context) = self.laws.plain(device);
        let context = context.expect("a map has parameters");
        let n: usize = 201;
        let points = (0..n).flat_map(|i| [(i as f64 - 100.0) / 12.5; D_FEATURES]).collect();
        let z = self.laws.tensor(points, [n, D_FEATURES], device);
        for row in 0..context.dims()[0] {
            let parameters = context.clone().narrow(0, row, 1).repeat_dim(0, n);
            for direction in [Direction::Forward, Direction::Inverse] {
                let (x, _) =
                    super::flow_laws::apply(&flow, direction, z.clone(), Some(&parameters));
                let x = host(&x);
                for feature in 0..D_FEATURES {
                    let values: Vec<f64> =
                        x.iter().skip(feature).step_by(D_FEATURES).copied().collect();
                    let steps = values.windows(2).map(|pair| pair[1] - pair[0]);
                    let (rising, falling) = steps.fold((true, true), |(up, down), step| {
                        (up && step > 0.0, down && step < 0.0)
                    });
                    assert!(
                        rising || falling,
                        "{direction:?}: the map must be strictly monotone, found {values:?}"
                    );
                }
            }
        }
    }

    /// Saving and loading, into a map built from another seed, gives the same bits.
    pub fn saves_and_loads(&self, device: &Device) {
        self.laws.saves_and_loads(device);
    }
}

/// A map as a flow whose context are the parameters of each row.
#[derive(Module, Debug)]
struct MapOfContext<U: Univariate> {
    map: U,
}

impl<U: Univariate> MapOfContext<U> {
    fn parameters(&self, batch: usize, context: Option<&Tensor<2>>) -> Tensor<3> {
        let context = context.expect("the parameters are the context").clone();
        context.reshape([batch, self.map.n_parameters(), D_FEATURES])
    }
}

fn summed((value, log_slope): (Tensor<2>, Tensor<2>)) -> (Tensor<2>, Tensor<1>) {
    (value, log_slope.sum_dim(1).squeeze_dim(1))
}

impl<U: Univariate + ModuleDisplay> Flow for MapOfContext<U> {
    fn forward(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let parameters = self.parameters(z.dims()[0], context);
        summed(self.map.forward(z, parameters))
    }

    fn inverse(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let parameters = self.parameters(x.dims()[0], context);
        summed(self.map.inverse(x, parameters))
    }

    fn d_features(&self) -> Option<usize> {
        Some(D_FEATURES)
    }

    fn d_context(&self) -> usize {
        D_FEATURES * self.map.n_parameters()
    }
}
