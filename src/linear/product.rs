//! [`Product`]: a matrix applied to rows, and the flow that a layer is by its products.

use burn::tensor::{Int, Tensor};

use super::substitution::identity;
use crate::kernel::Operation;

/// A matrix applied to rows: `x W + b`.
pub(super) struct Product {
    /// `[d, d]`
    pub weight: Tensor<2>,
    /// `[d]`
    pub bias: Tensor<1>,
    /// `[1]`
    pub log_det: Tensor<1>,
}

impl Product {
    /// The rows, and the log-determinant of each.
    pub fn apply(self, rows: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let Self { weight, bias, log_det } = self;
        let [batch, _] = rows.dims();
        (rows.matmul(weight) + bias.unsqueeze(), log_det.expand([batch]))
    }

    /// What the kernels apply.
    pub fn operation(self) -> Operation<'static> {
        let Self { weight, bias, log_det } = self;
        Operation::Matrix { weight, bias, log_det }
    }

    /// The way back of `z = x W + b`, by the inverse of `W`: `x = z W⁻¹ - b W⁻¹`.
    pub fn back(inverse: Tensor<2>, shift: Tensor<1>, log_det: Tensor<1>) -> Self {
        let bias = shift.unsqueeze::<2>().neg().matmul(inverse.clone()).squeeze_dim(0);
        Self { weight: inverse, bias, log_det }
    }

    /// The same on rows of more features, which come out as they are, in the order that `places` says.
    pub fn embedded(self, places: Tensor<1, Int>) -> Self {
        let Self { weight, bias, log_det } = self;
        let ([d], [n_mixed]) = (places.dims(), bias.dims());
        let n_kept = d - n_mixed;
        let like = weight.clone();
        let zeros =
            |rows, columns| Tensor::<2>::zeros([rows, columns], (&like.device(), like.dtype()));
        let of_mixed = Tensor::cat(vec![weight, zeros(n_mixed, n_kept)], 1);
        let of_kept = Tensor::cat(vec![zeros(n_kept, n_mixed), identity(n_kept, &like)], 1);
        let weight = Tensor::cat(vec![of_mixed, of_kept], 0);
        let bias = Tensor::cat(vec![bias, zeros(1, n_kept).squeeze_dim(0)], 0);
        Self {
            weight: weight.select(0, places.clone()).select(1, places.clone()),
            bias: bias.select(0, places),
            log_det,
        }
    }
}

/// Implements [`Flow`](crate::Flow) for a layer that has `n_features(&self)` and
/// `product(&self, direction)`.
macro_rules! flow_by_product {
    ($layer:ty) => {
        impl $layer {
            fn transform(
                &self,
                direction: crate::Direction,
                input: burn::tensor::Tensor<2>,
                _: Option<&burn::tensor::Tensor<2>>,
            ) -> (burn::tensor::Tensor<2>, burn::tensor::Tensor<1>) {
                let d_features = self.n_features();
                burn::tensor::assert_shape!(input, [_, d_features]);
                let [batch, _] = input.dims();
                if batch == 0 {
                    let log_det = crate::flow::zero_log_det(&input);
                    return (input, log_det);
                }
                self.product(direction).apply(input)
            }
        }

        impl crate::Flow for $layer {
            crate::flow::run::directions_by_transform!();

            fn d_features(&self) -> Option<usize> {
                Some(self.n_features())
            }

            fn pull_back(
                &self,
                x: burn::tensor::Tensor<2>,
                gradient: burn::tensor::Tensor<2>,
                _: Option<&burn::tensor::Tensor<2>>,
            ) -> Option<crate::PulledBack> {
                crate::flow::check_shapes(&x, &gradient, self.n_features());
                let [batch, _] = x.dims();
                if batch == 0 {
                    return Some(crate::PulledBack::of_no_rows(x, gradient));
                }
                let (z, _) = self.product(crate::Direction::Inverse).apply(x);
                let forward = self.product(crate::Direction::Forward);
                Some(crate::PulledBack {
                    z,
                    gradient: gradient.matmul(forward.weight.transpose()),
                    log_det: forward.log_det.expand([batch]),
                })
            }

            fn lower<'a>(&'a self, program: &mut crate::kernel::Program<'a>) {
                let product = self.product(program.direction());
                program.add_layer(self, Ok(product.operation()));
            }
        }
    };
}
pub(super) use flow_by_product;
