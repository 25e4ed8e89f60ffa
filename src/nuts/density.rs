//! [`TransformedDensity`]: a target as `nuts-rs` sees it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use nuts_rs::{CpuLogpFunc, CpuMathError, HasDims};
use rand::Rng;

use super::error::DensityError;
use super::training::{Draws, train};
use super::transformation::{Diagonal, FEWEST, Transformation, TransformationConfig};
use crate::error::or_panic;
use crate::flow::{Layer, Sequential};
use crate::target::PointTarget;

/// A [`PointTarget`] for the samplers of `nuts-rs`, with a flow that is learnt during warm-up where they ask for one
/// (`FlowNutsSettings`). [`NutsConfig`](super::NutsConfig) puts all together.
///
/// # Example
///
/// A sampler of `nuts-rs` by itself:
///
/// ```
/// use normalizing_flows::data::target::Funnel;
/// use normalizing_flows::nuts::{TransformationConfig, TransformedDensity};
/// use normalizing_flows::rand::{SeedableRng, rngs::ChaCha8Rng};
/// use normalizing_flows::nuts::nuts_rs::{Chain, CpuMath, FlowNutsSettings, Settings};
///
/// let density = TransformedDensity::new(Funnel::new(3), TransformationConfig::new());
/// let settings = FlowNutsSettings { num_tune: 50, ..Default::default() };
/// let mut rng = ChaCha8Rng::seed_from_u64(0);
/// let mut chain = settings.new_chain(0, CpuMath::new(density), &mut rng)?;
/// chain.set_position(&[0.1; 3])?;
/// let (draw, progress) = chain.draw()?;
/// assert_eq!((draw.len(), progress.draw), (3, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct TransformedDensity<T> {
    target: T,
    config: TransformationConfig,
    n_gradients: Arc<AtomicU64>,
    refused: Arc<Mutex<Refused>>,
    flow: Arc<Mutex<Option<Sequential<Layer>>>>,
}

/// The points that a chain did not enter.
#[derive(Debug, Default, Clone)]
pub(super) struct Refused {
    pub n: u64,
    pub first: Option<DensityError>,
}

impl<T: PointTarget> TransformedDensity<T> {
    /// A target, and how its transformation is learnt.
    ///
    /// # Panics
    ///
    /// If it has no features, and with the sentence of [`TransformationConfig::validate`].
    pub fn new(target: T, config: TransformationConfig) -> Self {
        assert!(target.d_features() > 0, "a target must have at least 1 feature, got 0");
        or_panic(config.validate());
        Self {
            target,
            config,
            n_gradients: Arc::default(),
            refused: Arc::default(),
            flow: Arc::default(),
        }
    }

    /// The flow as the last update left it, from the space in which the sampler moves to that of the target, in f64; of
    /// clones too. `None` before the first.
    pub fn flow(&self) -> Arc<Mutex<Option<Sequential<Layer>>>> {
        self.flow.clone()
    }

    /// Counts the gradients of the target, those of clones too.
    pub fn gradient_counter(&self) -> Arc<AtomicU64> {
        self.n_gradients.clone()
    }

    /// Counts the points at which the target has no finite value, those of clones too.
    pub(super) fn refused(&self) -> Arc<Mutex<Refused>> {
        self.refused.clone()
    }

    fn evaluate(&self, x: &[f64], gradient: &mut [f64]) -> Result<f64, DensityError> {
        self.n_gradients.fetch_add(1, Ordering::Relaxed);
        let log_density = self.target.evaluate(x, gradient);
        if log_density.is_finite() && gradient.iter().all(|slope| slope.is_finite()) {
            Ok(log_density)
        } else {
            let error = DensityError::NonFinite { log_density, point: x.to_vec() };
            let mut refused = self.refused.lock().expect("nothing panics while it holds this");
            refused.n += 1;
            refused.first.get_or_insert_with(|| error.clone());
            Err(error)
        }
    }
}

impl<T: PointTarget> HasDims for TransformedDensity<T> {
    fn dim_sizes(&self) -> HashMap<String, u64> {
        let d = self.target.d_features() as u64;
        ["unconstrained_parameter", "dim"].map(|name| (name.to_owned(), d)).into()
    }
}

impl<T: PointTarget> CpuLogpFunc for TransformedDensity<T> {
    type LogpError = DensityError;
    type FlowParameters = RefCell<Transformation>;
    type ExpandedVector = Vec<f64>;

    fn dim(&self) -> usize {
        self.target.d_features()
    }

    fn logp(&mut self, position: &[f64], gradient: &mut [f64]) -> Result<f64, DensityError> {
        self.evaluate(position, gradient)
    }

    fn expand_vector<R: Rng + ?Sized>(
        &mut self,
        _: &mut R,
        array: &[f64],
    ) -> Result<Vec<f64>, CpuMathError> {
        Ok(array.to_vec())
    }

    fn inv_transform_normalize(
        &mut self,
        transformation: &Self::FlowParameters,
        x: &[f64],
        gradient: &[f64],
        z: &mut [f64],
        z_gradient: &mut [f64],
    ) -> Result<f64, DensityError> {
        let point = &mut transformation.borrow_mut().point;
        point.inverse(x, z);
        let mut again = vec![0.0; x.len()];
        let (log_det, ()) = point.forward_and_back(z, &mut again, z_gradient, |_, slopes| {
            slopes.copy_from_slice(gradient);
        });
        Ok(log_det)
    }

    fn init_from_untransformed_position(
        &mut self,
        transformation: &Self::FlowParameters,
        x: &[f64],
        gradient: &mut [f64],
        z: &mut [f64],
        z_gradient: &mut [f64],
        clip: Option<f64>,
    ) -> Result<(f64, f64), DensityError> {
        let log_density = self.evaluate(x, gradient)?;
        soft_clip(gradient, clip);
        let log_det = self.inv_transform_normalize(transformation, x, gradient, z, z_gradient)?;
        Ok((log_density, log_det))
    }

    fn init_from_transformed_position(
        &mut self,
        transformation: &Self::FlowParameters,
        x: &mut [f64],
        gradient: &mut [f64],
        z: &[f64],
        z_gradient: &mut [f64],
        clip: Option<f64>,
    ) -> Result<(f64, f64), DensityError> {
        let point = &mut transformation.borrow_mut().point;
        let (log_det, log_density) = point.forward_and_back(z, x, z_gradient, |x, slopes| {
            let log_density = self.evaluate(x, gradient);
            soft_clip(gradient, clip);
            slopes.copy_from_slice(gradient);
            log_density
        });
        Ok((log_density?, log_det))
    }

    fn init_transformation<R: Rng + ?Sized>(
        &mut self,
        rng: &mut R,
        position: &[f64],
        gradient: &[f64],
        _: u64,
    ) -> Result<Self::FlowParameters, DensityError> {
        let diagonal = Diagonal::at(position, gradient);
        Ok(Transformation::new(self.diagonal_flow(&diagonal, rng), diagonal).into())
    }

    fn new_transformation<R: Rng + ?Sized>(
        &mut self,
        rng: &mut R,
        dim: usize,
        _: u64,
    ) -> Result<Self::FlowParameters, DensityError> {
        let diagonal = Diagonal { shift: vec![0.0; dim], scale: vec![1.0; dim] };
        Ok(Transformation::new(self.diagonal_flow(&diagonal, rng), diagonal).into())
    }

    fn update_transformation<'a, R: Rng + ?Sized>(
        &'a mut self,
        rng: &mut R,
        positions: impl ExactSizeIterator<Item = &'a [f64]>,
        gradients: impl ExactSizeIterator<Item = &'a [f64]>,
        _: impl ExactSizeIterator<Item = &'a f64>,
        transformation: &'a mut Self::FlowParameters,
    ) -> Result<(), DensityError> {
        let last = |rows: usize| rows.saturating_sub(self.config.window);
        let skipped = last(positions.len());
        let x: Vec<f64> = positions.skip(skipped).flatten().copied().collect();
        let gradients: Vec<f64> = gradients.skip(skipped).flatten().copied().collect();
        self.update(transformation.get_mut(), x, gradients, rng);
        Ok(())
    }

    fn transformation_id(
        &self,
        transformation: &Self::FlowParameters,
    ) -> Result<i64, DensityError> {
        Ok(transformation.borrow().id)
    }
}

impl<T: PointTarget> TransformedDensity<T> {
    /// Shifts and scales alone.
    fn diagonal_flow<R: Rng + ?Sized>(
        &self,
        diagonal: &Diagonal,
        rng: &mut R,
    ) -> Sequential<Layer> {
        let config = TransformationConfig { n_layers: Some(0), ..self.config.clone() };
        config.flow(diagonal, rng)
    }

    fn update<R: Rng + ?Sized>(
        &self,
        transformation: &mut Transformation,
        x: Vec<f64>,
        gradients: Vec<f64>,
        rng: &mut R,
    ) {
        let d = self.target.d_features();
        if x.len() < FEWEST * d {
            return;
        }
        transformation.n_updates += 1;
        let is_diagonal = transformation.flow.layers.len() == 1;
        if is_diagonal {
            transformation.diagonal = Diagonal::of(&x, &gradients, &transformation.diagonal);
        }
        let diagonal = &transformation.diagonal;
        if transformation.n_updates <= self.config.n_diagonal_updates || d < 2 {
            transformation.replace(self.diagonal_flow(diagonal, rng));
        } else {
            let flow = match is_diagonal {
                true => self.config.flow(diagonal, rng),
                false => transformation.flow.clone(),
            };
            if let Some(flow) = train(flow, &Draws::new(x, gradients, d), &self.config, rng) {
                transformation.replace(flow);
            }
        }
        let flow = Some(transformation.flow.clone());
        *self.flow.lock().expect("nothing panics while it holds this") = flow;
    }
}

/// As `nuts-rs` bounds the gradients of its own transformations: `clip asinh(g / clip)` where they are large.
fn soft_clip(gradient: &mut [f64], clip: Option<f64>) {
    let Some(clip) = clip else { return };
    for slope in gradient.iter_mut().filter(|slope| slope.abs() > 0.1 * clip) {
        *slope = clip * (*slope / clip).asinh();
    }
}
