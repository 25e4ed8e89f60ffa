//! [`Checked`]: a distribution whose calls return errors in the place of panics.

use burn::tensor::Tensor;
use rand::Rng;

use super::interface::Distribution;
use super::noise::Noise;
use super::normalizing_flow::NormalizingFlow;
use crate::error::Error;
use crate::flow::Flow;
use crate::parameters::Place;
use crate::solver::{self, Unsolved};

/// A view of a distribution, perhaps given a context, whose verbs return an [`Error`] for a wrong
/// shape, float type, device or context in the place of a panic, and for a row of which a numerical inverse was not
/// found in the place of NaN: for servers, and wherever inputs come from outside.
///
/// The verbs are those of [`Distribution`] and [`NormalizingFlow`].
///
/// # Example
///
/// ```
/// use normalizing_flows::{Error, RealNvpConfig, distribution::Checked};
/// use normalizing_flows::burn::tensor::{Device, Tensor};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let device = Device::default();
/// let model = RealNvpConfig::new(2).init(&device, &mut ChaCha8Rng::seed_from_u64(0));
/// let checked = Checked::new(&model, None);
/// assert_eq!(checked.log_prob(Tensor::zeros([4, 2], &device)).unwrap().dims(), [4]);
/// assert_eq!(
///     checked.log_prob(Tensor::zeros([4, 3], &device)).unwrap_err(),
///     Error::Columns { what: "input", expected: 2, found: 3 }
/// );
/// ```
#[derive(Debug)]
pub struct Checked<'a, D: Distribution> {
    distribution: &'a D,
    context: Option<&'a Tensor<2>>,
    /// Whether a row of which a numerical inverse is not found is an error, or NaN.
    refuses_unsolved: bool,
}

impl<'a, D: Distribution> Checked<'a, D> {
    /// A view of a distribution, given a context of shape `[rows, d_context]` if it takes one.
    pub fn new(distribution: &'a D, context: Option<&'a Tensor<2>>) -> Self {
        Self { distribution, context, refuses_unsolved: true }
    }

    /// The same for calls that are to give NaN where a numerical inverse is not found: the plain ones.
    pub(crate) fn plain(distribution: &'a D, context: Option<&'a Tensor<2>>) -> Self {
        Self { refuses_unsolved: false, ..Self::new(distribution, context) }
    }

    /// What a call gives, unless an inverse was not found and that is an error.
    fn solved<T>(&self, call: impl FnOnce() -> T) -> Result<T, Error> {
        if !self.refuses_unsolved {
            return Ok(call());
        }
        let (value, unsolved) = solver::watched(call);
        match unsolved.first() {
            Some(&Unsolved { row, residual, steps }) => {
                Err(Error::Unsolved { row, residual, steps })
            }
            None => Ok(value),
        }
    }

    /// The log-density of each row of `x`, in nats, given the same row of the context; a context of
    /// one row is shared by all rows.
    ///
    /// # Errors
    ///
    /// All of [`Error`] but [`Error::Config`] and [`Error::NotReparameterized`].
    pub fn log_prob(&self, x: Tensor<2>) -> Result<Tensor<1>, Error> {
        let context = self.context_for(&x)?;
        self.solved(|| self.distribution.log_density(x, context.as_ref()))
    }

    /// Draws `n` rows, or `n` rows for each row of the context: rows `i * n` to `(i + 1) * n`
    /// belong to row `i` of the context. Without a graph.
    ///
    /// # Errors
    ///
    /// Those about the context, and [`Error::Unsolved`].
    pub fn sample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Result<Tensor<2>, Error> {
        let (n, context) = self.repeated_context(n)?;
        let context = context.map(Tensor::without_autodiff);
        let plain = self.distribution.valid();
        let noise = &mut Noise::new(&plain.place().unwrap_or_default(), rng);
        self.solved(|| plain.draw(n, context.as_ref(), noise))
    }

    /// [`sample`](Self::sample) with the log-density of each row.
    ///
    /// # Errors
    ///
    /// Those about the context, and [`Error::Unsolved`].
    pub fn sample_with_log_prob<R: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut R,
    ) -> Result<(Tensor<2>, Tensor<1>), Error> {
        let (n, context) = self.repeated_context(n)?;
        let context = context.map(Tensor::without_autodiff);
        let plain = self.distribution.valid();
        let noise = &mut Noise::new(&plain.place().unwrap_or_default(), rng);
        self.solved(|| plain.draw_with_log_density(n, context.as_ref(), noise))
    }

    /// The context for the rows of an input, after all checks; one of one row repeated.
    fn context_for(&self, input: &Tensor<2>) -> Result<Option<Tensor<2>>, Error> {
        self.check_calibrated()?;
        self.context_of(input)
    }

    fn check_calibrated(&self) -> Result<(), Error> {
        if self.distribution.is_calibrated() { Ok(()) } else { Err(Error::Uncalibrated) }
    }

    /// The same for one that calibrates: nothing may be set yet.
    pub(crate) fn context_of(&self, input: &Tensor<2>) -> Result<Option<Tensor<2>>, Error> {
        let d_features = self.distribution.d_features();
        let [batch, d_input] = input.dims();
        check_columns("input", d_features, d_input)?;
        let place = self.distribution.place();
        check_place(place.as_ref(), "input", input)?;
        let Some(context) = self.wanted_context(place.as_ref())? else { return Ok(None) };
        match context.dims()[0] {
            1 => Ok(Some(repeat_rows(context.clone(), batch))),
            rows if rows == batch => Ok(Some(context.clone())),
            found => Err(Error::ContextRows { expected: batch, found }),
        }
    }

    /// The rows to draw and the context of each, `n` for each row of the context.
    fn repeated_context(&self, n: usize) -> Result<(usize, Option<Tensor<2>>), Error> {
        self.check_calibrated()?;
        let place = self.context.and_then(|_| self.distribution.place());
        Ok(match self.wanted_context(place.as_ref())? {
            Some(context) => (n * context.dims()[0], Some(repeat_rows(context.clone(), n))),
            None => (n, None),
        })
    }

    fn wanted_context(&self, place: Option<&Place>) -> Result<Option<&'a Tensor<2>>, Error> {
        match (self.context, self.distribution.d_context()) {
            (None, 0) => Ok(None),
            (None, d_context) => Err(Error::MissingContext { d_context }),
            (Some(_), 0) => Err(Error::UnwantedContext),
            (Some(context), d_context) => {
                check_columns("context", d_context, context.dims()[1])?;
                check_place(place, "context", context)?;
                Ok(Some(context))
            }
        }
    }
}

impl<D: Distribution> Checked<'_, D> {
    fn check_reparameterized(&self) -> Result<(), Error> {
        if self.distribution.is_reparameterized() { Ok(()) } else { Err(Error::NotReparameterized) }
    }

    /// [`sample`](Self::sample) through which gradients flow to the parameters and the context.
    ///
    /// # Errors
    ///
    /// [`Error::NotReparameterized`], [`Error::Unsolved`], and those about the context.
    pub fn rsample<R: Rng + ?Sized>(&self, n: usize, rng: &mut R) -> Result<Tensor<2>, Error> {
        self.check_reparameterized()?;
        let (n, context) = self.repeated_context(n)?;
        let noise = &mut Noise::new(&self.distribution.place().unwrap_or_default(), rng);
        self.solved(|| self.distribution.draw(n, context.as_ref(), noise))
    }

    /// [`rsample`](Self::rsample) with the log-density of each row.
    ///
    /// # Errors
    ///
    /// As [`rsample`](Self::rsample).
    pub fn rsample_with_log_prob<R: Rng + ?Sized>(
        &self,
        n: usize,
        rng: &mut R,
    ) -> Result<(Tensor<2>, Tensor<1>), Error> {
        self.check_reparameterized()?;
        let (n, context) = self.repeated_context(n)?;
        let noise = &mut Noise::new(&self.distribution.place().unwrap_or_default(), rng);
        self.solved(|| self.distribution.draw_with_log_density(n, context.as_ref(), noise))
    }
}

impl<B: Distribution, F: Flow> Checked<'_, NormalizingFlow<B, F>> {
    /// The latent of each row: `z = f⁻¹(x)`.
    ///
    /// # Errors
    ///
    /// All of [`Error`] but [`Error::Config`] and [`Error::NotReparameterized`].
    pub fn to_latent(&self, x: Tensor<2>) -> Result<Tensor<2>, Error> {
        let context = self.context_for(&x)?;
        self.solved(|| self.distribution.latent(x, context.as_ref()).0)
    }

    /// The data of each latent row: `x = f(z)`.
    ///
    /// # Errors
    ///
    /// All of [`Error`] but [`Error::Config`] and [`Error::NotReparameterized`].
    pub fn from_latent(&self, z: Tensor<2>) -> Result<Tensor<2>, Error> {
        let context = self.context_for(&z)?;
        self.solved(|| self.distribution.data(z, context.as_ref()).0)
    }

    /// The same model with the layers that initialise themselves by data set from the batch `x`.
    ///
    /// # Errors
    ///
    /// All of [`Error`] but [`Error::Config`] and [`Error::NotReparameterized`].
    pub fn calibrate(&self, x: Tensor<2>) -> Result<NormalizingFlow<B, F>, Error> {
        let context = self.context_of(&x)?;
        self.solved(|| self.distribution.clone().calibrated(x, context.as_ref()))
    }
}

fn check_place(place: Option<&Place>, what: &'static str, tensor: &Tensor<2>) -> Result<(), Error> {
    let Some(place) = place else { return Ok(()) };
    place.check_float_type(what, tensor)?;
    place.check_device(what, tensor)
}

fn check_columns(what: &'static str, expected: usize, found: usize) -> Result<(), Error> {
    if expected == found { Ok(()) } else { Err(Error::Columns { what, expected, found }) }
}

/// Each row `n` times in a row: `[rows, d]` to `[rows * n, d]`.
fn repeat_rows(rows: Tensor<2>, n: usize) -> Tensor<2> {
    let [n_rows, d] = rows.dims();
    match (n_rows, n) {
        (_, 1) => rows,
        // burn's `expand` takes no zeros.
        (0, _) | (_, 0) => Tensor::zeros([0, d], (&rows.device(), rows.dtype())),
        _ => rows.unsqueeze_dim::<3>(1).expand([n_rows, n, d]).reshape([n_rows * n, d]),
    }
}
