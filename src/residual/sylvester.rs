//! [`Sylvester`]: moves along several directions.

use burn::config::Config;
use burn::module::{Content, Module, ModuleDisplay};
use burn::tensor::{Device, Tensor, assert_shape};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::bounded::{MIN_SLOPE, log_slope};
use super::layer_parameters::LayerParameters;
use crate::conditioner::NetworkConfig;
use crate::error::{Error, ensure, or_panic};
use crate::flow::{Flow, zero_log_det};
use crate::solver::{implicit_root, of_rows};

/// Configuration of a [`Sylvester`] layer.
#[derive(Config, Debug)]
pub struct SylvesterConfig {
    /// The number of features, at least 1.
    pub d_features: usize,
    /// The number of context features; 0 for none.
    #[config(default = 0)]
    pub d_context: usize,
    /// The directions that points are moved along, at least 1; by default, and at most, as many as there are features.
    pub n_directions: Option<usize>,
    /// The Householder reflections that make the directions, at least 1; by default as many as directions.
    pub n_reflections: Option<usize>,
    /// The network of the context, if there is one.
    #[config(default = "NetworkConfig::default()")]
    pub conditioner: NetworkConfig,
}

impl SylvesterConfig {
    /// Builds the layer on a device, its reflections drawn from `rng`.
    ///
    /// # Panics
    ///
    /// With the sentence of [`validate`](Self::validate).
    pub fn init<R: Rng + ?Sized>(&self, device: &Device, rng: &mut R) -> Sylvester {
        or_panic(self.validate());
        let d = self.d_features;
        let m = self.n_directions.unwrap_or(d);
        let n = self.n_reflections.unwrap_or(m);
        let reflections: Vec<f64> = StandardNormal.sample_iter(&mut *rng).take(n * d).collect();
        let others = std::iter::repeat_n(0.0, 2 * m * m + m);
        let values = reflections.into_iter().chain(others).collect();
        let (d_context, conditioner) = (self.d_context, &self.conditioner);
        let parameters = LayerParameters::new(values, d_context, conditioner, device, rng);
        Sylvester { parameters, sizes: [d, m, n] }
    }

    /// Whether every value is in its range.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] with a sentence that names the value and the rule.
    pub fn validate(&self) -> Result<(), Error> {
        let Self { d_features, n_directions, n_reflections, .. } = *self;
        ensure!(d_features > 0, "`d_features` must be at least 1, got 0");
        ensure!(
            n_directions.is_none_or(|m| (1..=d_features).contains(&m)),
            "`n_directions` must be at least 1 and at most `d_features`, {d_features}, got \
             {n_directions:?}"
        );
        ensure!(
            n_reflections.is_none_or(|n| n > 0),
            "`n_reflections` must be at least 1, got {n_reflections:?}"
        );
        self.conditioner.validate()
    }

    /// The number of features.
    pub(crate) fn d_features(&self) -> Option<usize> {
        Some(self.d_features)
    }

    /// The number of context features; 0 for none.
    pub(crate) fn d_context(&self) -> usize {
        self.d_context
    }
}

/// Moves every point along several directions at once, which stand at right angles: the Sylvester flow, in its
/// Householder form.
///
/// With the first `m` columns `Q` of a product of reflections, two upper triangular matrices `R` and `S` and a shift `b`,
///
/// ```text
/// x = z + Q R tanh(S Qᵀz + b)        log |det ∂x/∂z| = Σ_i log(1 + R_ii S_ii (1 - tanh²(…)_i))
/// ```
///
/// The diagonals are hyperbolic tangents, times 0.999 for `R`, of which the products are above -1: then the map is
/// invertible. From data to latent the projections are found numerically, one after the other from the last to the
/// first, and gradients are those of the implicit function: so the layer can be trained by likelihood too.
///
/// The parameters are learnt; a network adds to them a function of the context, if there is one. The raw diagonal of `S`
/// is one more than the parameter, and a new layer, whose `R` is zero, is the identity. The cheap direction costs
/// `O(d n + m²)` with `n` reflections, the other `m` roots more.
///
/// # Shapes
///
/// As for [`Flow`].
///
/// # Panics
///
/// If the input has the wrong number of features, or if the layer was built with a context and there is none, or one
/// of another shape.
///
/// # Example
///
/// ```
/// use normalizing_flows::{Flow, residual::SylvesterConfig, testing::perturb};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let config = SylvesterConfig::new(3).with_n_directions(Some(2));
/// let layer = perturb(config.init(&Device::default(), &mut rng), 1.0, &mut rng);
/// let z = Tensor::<2>::from_data([[0.3, -2.0, 1.0]], &Device::default());
/// let (x, _) = layer.forward(z.clone(), None);
/// let (back, _) = layer.inverse(x, None);
/// assert!((back - z).abs().max().into_scalar::<f32>() < 1e-5);
/// ```
///
/// # References
///
/// van den Berg, Hasenclever, Tomczak, Welling: *Sylvester Normalizing Flows for Variational Inference*, 2018,
/// arXiv:1803.05649.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct Sylvester {
    /// The vectors of the reflections, then `R`, `S` and `b`, row by row.
    pub parameters: LayerParameters,
    /// Features, directions, reflections.
    sizes: [usize; 3],
}

/// The parameters of some rows, `[rows or 1, …]`.
struct Parts {
    /// `[_, n, d]`.
    reflections: Tensor<3>,
    /// Above its diagonal, `[_, m, m]`, and the diagonal, `[_, m]`.
    r: (Tensor<3>, Tensor<2>),
    s: (Tensor<3>, Tensor<2>),
    b: Tensor<2>,
}

impl Sylvester {
    fn parts(&self, input: &Tensor<2>, context: Option<&Tensor<2>>) -> Parts {
        let [d, m, n] = self.sizes;
        assert_shape!(input, [_, d]);
        let parameters = self.parameters.of("Sylvester", input, context);
        let [rows, _] = parameters.dims();
        let part = |first: usize, n: usize| parameters.clone().narrow(1, first, n);
        let matrix = |first: usize| part(first, m * m).reshape([rows, m, m]);
        let diagonal = |matrix: &Tensor<3>| {
            let entries: Vec<i64> = (0..m).map(|i| (i * (m + 1)) as i64).collect();
            let entries = Tensor::from_data(entries.as_slice(), &matrix.device());
            matrix.clone().reshape([rows, m * m]).select(1, entries)
        };
        let (r, s) = (matrix(n * d), matrix(n * d + m * m));
        let of_r = diagonal(&r).tanh() * (1.0 - MIN_SLOPE);
        let of_s = (diagonal(&s) + 1.0).tanh();
        Parts {
            reflections: part(0, n * d).reshape([rows, n, d]),
            r: (r.triu(1), of_r),
            s: (s.triu(1), of_s),
            b: part(n * d + 2 * m * m, m),
        }
    }
}

impl Parts {
    /// `H v` or `Hᵀ v`: the reflections from the last to the first, or from the first to the last.
    fn reflect(&self, mut v: Tensor<2>, transposed: bool) -> Tensor<2> {
        let [_, n, _] = self.reflections.dims();
        let reflect = |v: Tensor<2>, k: usize| {
            let normal = self.reflections.clone().narrow(1, k, 1).squeeze_dim::<2>(1);
            let size = normal.clone().square().sum_dim(1);
            let along = (v.clone() * normal.clone()).sum_dim(1);
            v - normal * (along * 2.0 / size)
        };
        for k in 0..n {
            v = reflect(v, if transposed { k } else { n - 1 - k });
        }
        v
    }

    /// `Q R h`, of `[batch, m]` numbers.
    fn moved(&self, h: &Tensor<2>, d: usize) -> Tensor<2> {
        let [batch, m] = h.dims();
        let v = product(&self.r, h);
        let zeros = Tensor::zeros([batch, d - m], (&v.device(), v.dtype()));
        self.reflect(if d == m { v } else { Tensor::cat(vec![v, zeros], 1) }, false)
    }
}

/// A triangular matrix times a vector.
fn product((above, diagonal): &(Tensor<3>, Tensor<2>), v: &Tensor<2>) -> Tensor<2> {
    let rest = (above.clone() * v.clone().unsqueeze_dim::<3>(1)).sum_dim(2).squeeze_dim::<2>(2);
    diagonal.clone() * v.clone() + rest
}

impl Flow for Sylvester {
    fn forward(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let [d, m, _] = self.sizes;
        let parts = self.parts(&z, context);
        if z.dims()[0] == 0 {
            let log_det = zero_log_det(&z);
            return (z, log_det);
        }
        let y = parts.reflect(z.clone(), true).narrow(1, 0, m);
        let h = (product(&parts.s, &y) + parts.b.clone()).tanh();
        let x = z + parts.moved(&h, d);
        let factors = parts.r.1 * parts.s.1;
        (x, log_slope(factors, h).sum_dim(1).squeeze_dim(1))
    }

    fn inverse(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let [d, m, _] = self.sizes;
        let parts = self.parts(&x, context);
        if x.dims()[0] == 0 {
            let log_det = zero_log_det(&x);
            return (x, log_det);
        }
        let v = parts.reflect(x.clone(), true).narrow(1, 0, m);
        let column = |tensor: &Tensor<2>, i: usize| tensor.clone().narrow(1, i, 1);
        // What the numbers after `i` add in row `i` of a matrix.
        let after = |matrix: &Tensor<3>, i: usize, known: &Option<Tensor<2>>| {
            known.as_ref().map(|known| {
                let row = matrix.clone().narrow(1, i, 1).squeeze_dim::<2>(1);
                (row.narrow(1, i + 1, m - 1 - i) * known.clone()).sum_dim(1)
            })
        };
        let (mut y, mut h): (Option<Tensor<2>>, Option<Tensor<2>>) = (None, None);
        for i in (0..m).rev() {
            // `y + r tanh(s y + c) = target`.
            let mut c = column(&parts.b, i);
            let mut target = column(&v, i);
            if let Some(more) = after(&parts.s.0, i, &y) {
                c = c + more;
            }
            if let Some(more) = after(&parts.r.0, i, &h) {
                target = target - more;
            }
            let coefficients = [column(&parts.r.1, i), column(&parts.s.1, i), c.clone()];
            let function = |y: Tensor<2>, [r, s, c]: [Tensor<2>; 3]| {
                let tanh = (s.clone() * y.clone() + c).tanh();
                (y + r.clone() * tanh.clone(), log_slope(r * s, tanh))
            };
            let plain = coefficients.clone().map(Tensor::without_autodiff);
            let root = implicit_root(
                &target,
                target.is_autodiff(),
                |y, rows| {
                    function(y, plain.each_ref().map(|coefficient| of_rows(coefficient, rows)))
                },
                |y| function(y, coefficients.clone()),
            );
            let tanh = (root.clone() * coefficients[1].clone() + c).tanh();
            let before = |first: Tensor<2>, rest: Option<Tensor<2>>| match rest {
                Some(rest) => Tensor::cat(vec![first, rest], 1),
                None => first,
            };
            (y, h) = (Some(before(root, y)), Some(before(tanh, h)));
        }
        let h = h.expect("there is a direction");
        let z = x - parts.moved(&h, d);
        let factors = parts.r.1 * parts.s.1;
        (z, log_slope(factors, h).sum_dim(1).squeeze_dim::<1>(1).neg())
    }

    fn d_features(&self) -> Option<usize> {
        Some(self.sizes[0])
    }

    fn d_context(&self) -> usize {
        self.parameters.d_context()
    }
}

/// As "Sylvester, 3 features, 2 directions".
impl ModuleDisplay for Sylvester {
    fn custom_content(&self, content: Content) -> Option<Content> {
        let [d, m, _] = self.sizes;
        content.add_formatted(&format!("Sylvester, {d} features, {m} directions")).optional()
    }
}
