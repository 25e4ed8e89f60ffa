//! Rows through a spline and back, by the kernels and by tensor operations.

use normalizing_flows::burn::tensor::{Device, FloatDType, Tensor, TensorData};
use normalizing_flows::conditioner::Network;
use normalizing_flows::univariate::{RationalQuadraticSplineConfig, UnivariateMap};
use normalizing_flows::{Flow, MaskedCoupling};

use super::common::{Opaque, cpu, host, map_of_its_context};
use super::n_parameters;

/// A spline as a flow whose context is its parameters.
pub struct Spline {
    /// By the kernels, where there are any.
    fused: MaskedCoupling,
    composed: MaskedCoupling<Opaque<Network>, UnivariateMap>,
    n_parameters: usize,
    dtype: FloatDType,
    device: Device,
}

/// What comes out of a row, and what goes back.
#[derive(Clone, Debug)]
pub struct Row {
    pub value: f64,
    pub log_slope: f64,
    pub gradient: f64,
    pub parameter_gradients: Vec<f64>,
}

impl Row {
    pub fn numbers(&self) -> Vec<f64> {
        [&[self.value, self.log_slope, self.gradient], &self.parameter_gradients[..]].concat()
    }

    pub fn is_finite(&self) -> bool {
        self.numbers().iter().all(|number| number.is_finite())
    }
}

/// The weights of a value and of its log-slope in the loss that gradients are taken of.
pub const WEIGHTS: [f64; 2] = [1.3, -0.7];

impl Spline {
    pub fn new(config: &RationalQuadraticSplineConfig, dtype: FloatDType) -> Self {
        let device = cpu().autodiff();
        let n_parameters = n_parameters(config);
        let (fused, composed) =
            map_of_its_context(config.clone().into(), n_parameters, dtype, &device);
        Self { fused, composed, n_parameters, dtype, device }
    }

    fn tensor(&self, values: Vec<f64>, columns: usize) -> Tensor<2> {
        let rows = values.len() / columns;
        let data = TensorData::new(values, [rows, columns]);
        Tensor::from_data(data, (&self.device, self.dtype.into())).require_grad()
    }

    /// Rows of a value and its parameters, each through the spline and back.
    pub fn run(&self, inverse: bool, fused: bool, rows: &[(f64, Vec<f64>)]) -> Vec<Row> {
        self.run_weighted(inverse, fused, rows, WEIGHTS)
    }

    /// The same with other weights in the loss.
    pub fn run_weighted(
        &self,
        inverse: bool,
        fused: bool,
        rows: &[(f64, Vec<f64>)],
        weights: [f64; 2],
    ) -> Vec<Row> {
        let x = self.tensor(rows.iter().flat_map(|(x, _)| [0.5, *x]).collect(), 2);
        let parameters = rows.iter().flat_map(|(_, parameters)| parameters.clone()).collect();
        let context = self.tensor(parameters, self.n_parameters);
        let (y, log_slope) = match (inverse, fused) {
            (false, true) => self.fused.forward(x.clone(), Some(&context)),
            (false, false) => self.composed.forward(x.clone(), Some(&context)),
            (true, true) => self.fused.inverse(x.clone(), Some(&context)),
            (true, false) => self.composed.inverse(x.clone(), Some(&context)),
        };
        let y = y.narrow(1, 1, 1);
        let loss = (y.clone() * weights[0]).sum() + (log_slope.clone() * weights[1]).sum();
        let gradients = loss.backward();
        let gradient = host(x.grad(&gradients).expect("a gradient of the value"));
        let of_parameters = host(context.grad(&gradients).expect("a gradient of the parameters"));
        let (y, log_slope) = (host(y), host(log_slope));
        (0..rows.len())
            .map(|i| Row {
                value: y[i],
                log_slope: log_slope[i],
                gradient: gradient[2 * i + 1],
                parameter_gradients: of_parameters[i * self.n_parameters..][..self.n_parameters]
                    .to_vec(),
            })
            .collect()
    }

    /// The rows by both ways, in both directions.
    pub fn all_ways(&self, rows: &[(f64, Vec<f64>)]) -> Vec<(String, Vec<Row>)> {
        let ways = [(false, true), (false, false), (true, true), (true, false)];
        let named = ways.map(|(inverse, fused)| {
            let direction = if inverse { "inverse" } else { "forward" };
            let way = if fused { "kernels" } else { "tensor operations" };
            (format!("{direction} by {way}"), self.run(inverse, fused, rows))
        });
        named.into()
    }
}
