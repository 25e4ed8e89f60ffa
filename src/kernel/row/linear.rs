//! A linear layer on a tile, and its gradients.
//!
//! With the weight `W` (`d_input × d_output`, as burn keeps it), the bias `b`, a tile `X` of inputs
//! and `G` of gradients of the outputs `Y`:
//!
//! 1. `Y = Wᵀ X + b`
//! 2. `dX = W G`
//! 3. `dW = X Gᵀ`
//! 4. `db = Σ_rows G`
//!
//! Products are summed by fused multiply-adds in the order of the summed index, in blocks that
//! depend on the sizes alone. The error of one sum of `n` products is below `n ε Σ |x y|`.

use super::activation::Activation;
use super::product::{Matrix, Order, product};
use super::real::Real;
use super::vectorized;

/// A linear layer with the activation that follows it.
#[derive(Clone, Copy)]
pub(crate) struct Linear<'a, R> {
    /// `d_input × d_output`, row after row.
    pub weight: &'a [R],
    pub bias: Option<&'a [R]>,
    pub d_input: usize,
    pub d_output: usize,
    pub activation: Activation<R>,
}

impl<R: Real> Linear<'_, R> {
    /// `output = activation(Wᵀ input + b)`. Into `slope`, where there is one, goes the derivative of
    /// the activation.
    pub(crate) fn forward(
        &self,
        input: &[R],
        output: &mut [R],
        slope: Option<&mut [R]>,
        rows: usize,
    ) {
        if rows == 1 {
            self.product_of_one_row(input, output);
        } else {
            product(
                [rows, self.d_output, self.d_input],
                output,
                Matrix { data: input, order: Order::Columns },
                Matrix { data: self.weight, order: Order::Rows },
                false,
            );
        }
        self.activation.forward(self.bias, output, slope, rows);
    }

    /// `Wᵀ input` for a single row: as fast as the weights can be read, once and in order.
    fn product_of_one_row(&self, input: &[R], output: &mut [R]) {
        const AT_ONCE: usize = 8;
        vectorized(|| {
            output.fill(R::ZERO);
            let d_output = self.d_output;
            let blocks = self.weight.chunks_exact(AT_ONCE * d_output);
            let rest = blocks.remainder();
            let values = input.chunks_exact(AT_ONCE);
            let last_values = values.remainder();
            for (weights, values) in blocks.zip(values) {
                let (w0, weights) = weights.split_at(d_output);
                let (w1, weights) = weights.split_at(d_output);
                let (w2, weights) = weights.split_at(d_output);
                let (w3, weights) = weights.split_at(d_output);
                let (w4, weights) = weights.split_at(d_output);
                let (w5, weights) = weights.split_at(d_output);
                let (w6, w7) = weights.split_at(d_output);
                for j in 0..d_output {
                    let even = (w0[j] * values[0] + w2[j] * values[2])
                        + (w4[j] * values[4] + w6[j] * values[6]);
                    let odd = (w1[j] * values[1] + w3[j] * values[3])
                        + (w5[j] * values[5] + w7[j] * values[7]);
                    output[j] += even + odd;
                }
            }
            for (weights, &value) in rest.chunks_exact(d_output).zip(last_values) {
                for (sum, &weight) in output.iter_mut().zip(weights) {
                    *sum += weight * value;
                }
            }
        });
    }

    /// The gradient of the inputs, from that of the outputs before the activation.
    pub(crate) fn input_gradient(
        &self,
        gradient: &[R],
        input_gradient: &mut [R],
        rows: usize,
        accumulate: bool,
    ) {
        product(
            [rows, self.d_input, self.d_output],
            input_gradient,
            Matrix { data: gradient, order: Order::Columns },
            Matrix { data: self.weight, order: Order::Columns },
            accumulate,
        );
    }

    /// The gradient of the weight, from the inputs and the gradient of the outputs before the
    /// activation.
    pub(crate) fn weight_gradient(
        &self,
        input: &[R],
        gradient: &[R],
        weight_gradient: &mut [R],
        rows: usize,
        accumulate: bool,
    ) {
        product(
            [self.d_output, self.d_input, rows],
            weight_gradient,
            Matrix { data: gradient, order: Order::Rows },
            Matrix { data: input, order: Order::Columns },
            accumulate,
        );
    }
}

/// The sum over the rows of each feature of a tile.
pub(crate) fn sum_rows<R: Real>(tile: &[R], sums: &mut [R], rows: usize, accumulate: bool) {
    /// Partial sums side by side: a single running sum would be one long chain.
    const LANES: usize = 32;
    vectorized(|| {
        for (values, sum) in tile.chunks_exact(rows).zip(sums) {
            let mut lanes = [R::ZERO; LANES];
            let chunks = values.chunks_exact(LANES);
            let rest = chunks.remainder();
            for chunk in chunks {
                for (lane, &value) in lanes.iter_mut().zip(chunk) {
                    *lane += value;
                }
            }
            let total = lanes.into_iter().sum::<R>() + rest.iter().copied().sum::<R>();
            *sum = if accumulate { *sum + total } else { total };
        }
    });
}
