//! [`TransformedDensity`]: a target as `nuts-rs` sees it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nuts_rs::{CpuLogpFunc, CpuMathError, HasDims};
use rand::Rng;

use super::error::DensityError;
use super::training::{Draws, train};
use super::transformation::{Diagonal, Transformation, TransformationConfig};
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
/// chain.set_position(&[0.0; 3])?;
/// let (draw, progress) = chain.draw()?;
/// assert_eq!((draw.len(), progress.draw), (3, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct TransformedDensity<T> {
    target: T,
    config: TransformationConfig,
    n_gradients: Arc<AtomicU64>,
}

impl<T: PointTarget> TransformedDensity<T> {
    /// A target, and how its transformation is learnt.
    pub fn new(target: T, config: TransformationConfig) -> Self {
        Self { target, config, n_gradients: Arc::default() }
    }

    /// Counts the gradients of the target, those of clones too.
    pub fn gradient_counter(&self) -> Arc<AtomicU64> {
        self.n_gradients.clone()
    }

    fn evaluate(&self, x: &[f64], gradient: &mut [f64]) -> Result<f64, DensityError> {
        self.n_gradients.fetch_add(1, Ordering::Relaxed);
        let log_density = self.target.evaluate(x, gradient);
        if log_density.is_finite() && gradient.iter().all(|slope| slope.is_finite()) {
            Ok(log_density)
        } else {
            Err(DensityError::NonFinite { log_density, point: x.to_vec() })
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
    type FlowParameters = std::cell::RefCell<Transformation>;
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
        _: Option<f64>,
    ) -> Result<(f64, f64), DensityError> {
        let log_density = self.evaluate(x, gradient)?;
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
        _: Option<f64>,
    ) -> Result<(f64, f64), DensityError> {
        let point = &mut transformation.borrow_mut().point;
        let (log_det, log_density) = point.forward_and_back(z, x, z_gradient, |x, slopes| {
            let log_density = self.evaluate(x, gradient);
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
        Ok(self.diagonal(&Diagonal::at(position, gradient), rng))
    }

    fn new_transformation<R: Rng + ?Sized>(
        &mut self,
        rng: &mut R,
        dim: usize,
        _: u64,
    ) -> Result<Self::FlowParameters, DensityError> {
        let (shift, scale) = (vec![0.0; dim], vec![1.0; dim]);
        Ok(self.diagonal(&Diagonal { shift, scale }, rng))
    }

    fn update_transformation<'a, R: Rng + ?Sized>(
        &'a mut self,
        rng: &mut R,
        positions: impl ExactSizeIterator<Item = &'a [f64]>,
        gradients: impl ExactSizeIterator<Item = &'a [f64]>,
        _: impl ExactSizeIterator<Item = &'a f64>,
        transformation: &'a mut Self::FlowParameters,
    ) -> Result<(), DensityError> {
        let d = self.target.d_features();
        let last = |rows: usize| rows.saturating_sub(self.config.window);
        let skipped = last(positions.len());
        let x: Vec<f64> = positions.skip(skipped).flatten().copied().collect();
        let gradients: Vec<f64> = gradients.skip(skipped).flatten().copied().collect();
        self.update(transformation.get_mut(), x, gradients, d, rng);
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
    fn diagonal<R: Rng + ?Sized>(
        &self,
        diagonal: &Diagonal,
        rng: &mut R,
    ) -> std::cell::RefCell<Transformation> {
        let config = TransformationConfig { n_layers: Some(0), ..self.config.clone() };
        Transformation::new(config.flow(diagonal, rng)).into()
    }

    fn update<R: Rng + ?Sized>(
        &self,
        transformation: &mut Transformation,
        x: Vec<f64>,
        gradients: Vec<f64>,
        d: usize,
        rng: &mut R,
    ) {
        // Of fewer draws nothing would be held out.
        if x.len() < FEWEST * d {
            return;
        }
        transformation.n_updates += 1;
        let n_diagonal = self.config.n_diagonal_updates;
        if transformation.n_updates <= n_diagonal || d < 2 {
            let diagonal = Diagonal::of(&x, &gradients, d);
            let config = TransformationConfig { n_layers: Some(0), ..self.config.clone() };
            transformation.replace(config.flow(&diagonal, rng));
            return;
        }
        // Also after an update that was not accepted.
        let flow = if transformation.flow.layers.len() == 1 {
            self.config.flow(&Diagonal::of(&x, &gradients, d), rng)
        } else {
            transformation.flow.clone()
        };
        if let Some(flow) = train(flow, &Draws::new(x, gradients, d), &self.config, rng) {
            transformation.replace(flow);
        }
    }
}

const FEWEST: usize = 5;
