//! Tuples of flows are flows: stacks whose layers are known when the program is written.

use burn::tensor::Tensor;

use super::interface::{Flow, add_log_det, common_d_context, common_d_features};
use super::run::run;
use crate::direction::Direction;
use crate::error::or_panic;
use crate::kernel::Program;

/// A tuple applies its flows first to last in `forward`, last to first in `inverse`.
macro_rules! impl_flow_for_tuple {
    ([$($flow:ident $index:tt),+] [$($reverse:tt),+]) => {
        impl<$($flow: Flow),+> Flow for ($($flow,)+) {
            fn forward(&self, z: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
                run(self, Direction::Forward, z, context, |z| {
                    let (x, log_det) = (z, None);
                    $(let (x, log_det) =
                        add_log_det(self.$index.forward(x, context), log_det);)+
                    (x, log_det.expect("a tuple of flows is not empty"))
                })
            }

            fn inverse(&self, x: Tensor<2>, context: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
                run(self, Direction::Inverse, x, context, |x| {
                    let (z, log_det) = (x, None);
                    $(let (z, log_det) =
                        add_log_det(self.$reverse.inverse(z, context), log_det);)+
                    (z, log_det.expect("a tuple of flows is not empty"))
                })
            }

            fn d_features(&self) -> Option<usize> {
                or_panic(common_d_features([$(self.$index.d_features()),+]))
            }

            fn d_context(&self) -> usize {
                or_panic(common_d_context([$(self.$index.d_context()),+]))
            }

            fn is_calibrated(&self) -> bool {
                $(self.$index.is_calibrated())&&+
            }

            fn lower<'a>(&'a self, program: &mut Program<'a>) {
                $(self.$index.lower(program);)+
            }

            fn calibrate(
                mut self,
                input: Tensor<2>,
                context: Option<&Tensor<2>>,
                direction: Direction,
            ) -> Self {
                // Without autodiff: a graph that is never run backward is never freed.
                let state = input.without_autodiff();
                let context = context.map(|context| context.clone().without_autodiff());
                let context = context.as_ref();
                match direction {
                    Direction::Forward => {
                        $(
                            self.$index = self.$index.calibrate(state.clone(), context, direction);
                            let (state, _) = self.$index.valid().forward(state, context);
                        )+
                        drop(state);
                    }
                    Direction::Inverse => {
                        $(
                            self.$reverse =
                                self.$reverse.calibrate(state.clone(), context, direction);
                            let (state, _) = self.$reverse.valid().inverse(state, context);
                        )+
                        drop(state);
                    }
                }
                self
            }
        }
    };
}

impl_flow_for_tuple!([A 0, B 1] [1, 0]);
impl_flow_for_tuple!([A 0, B 1, C 2] [2, 1, 0]);
impl_flow_for_tuple!([A 0, B 1, C 2, D 3] [3, 2, 1, 0]);
impl_flow_for_tuple!([A 0, B 1, C 2, D 3, E 4] [4, 3, 2, 1, 0]);
impl_flow_for_tuple!([A 0, B 1, C 2, D 3, E 4, G 5] [5, 4, 3, 2, 1, 0]);
impl_flow_for_tuple!([A 0, B 1, C 2, D 3, E 4, G 5, H 6] [6, 5, 4, 3, 2, 1, 0]);
impl_flow_for_tuple!([A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7] [7, 6, 5, 4, 3, 2, 1, 0]);
impl_flow_for_tuple!([A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8] [8, 7, 6, 5, 4, 3, 2, 1, 0]);
impl_flow_for_tuple!(
    [A 0, B 1, C 2, D 3, E 4, G 5, H 6, I 7, J 8, K 9] [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
);
