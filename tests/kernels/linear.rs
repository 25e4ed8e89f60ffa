//! Layers that are a matrix, against their definitions.

use super::*;
use normalizing_flows::Order;
use normalizing_flows::linear::{LuLinear, LuLinearConfig, Permutation, PermutationConfig};

/// The same layer by the definition: products with the two factors, and substitutions column after
/// column.
#[derive(Module, Debug)]
struct BySubstitution {
    layer: LuLinear,
}

impl BySubstitution {
    /// The rows of the factor below or above the diagonal, without the diagonal.
    fn row(&self, index: usize) -> Tensor<2> {
        self.layer.factors.val().narrow(0, index, 1)
    }

    fn log_scale(&self, index: usize) -> Tensor<2> {
        ScaleBound::default().log_scale(self.row(index).narrow(1, index, 1))
    }

    fn log_det(&self, rows: usize, sign: f64) -> Tensor<1> {
        let d = self.layer.shift.dims()[0];
        let sum = (0..d).map(|index| self.log_scale(index)).reduce(|a, b| a + b);
        (sum.expect("features") * sign).expand([rows, 1]).squeeze_dim(1)
    }
}

/// `Σ_j columns[j] row[first + j]`.
fn combination(columns: &[Tensor<2>], row: &Tensor<2>, first: usize) -> Option<Tensor<2>> {
    let terms = columns.iter().enumerate();
    let terms = terms.map(|(j, column)| column.clone() * row.clone().narrow(1, first + j, 1));
    terms.reduce(|a, b| a + b)
}

impl Flow for BySubstitution {
    fn forward(&self, z: Tensor<2>, _: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let [rows, d] = z.dims();
        let shifted = z - self.layer.shift.val().unsqueeze();
        // y = L⁻¹ (z - b)
        let mut y: Vec<Tensor<2>> = Vec::new();
        for index in 0..d {
            let own = shifted.clone().narrow(1, index, 1);
            let next = match combination(&y, &self.row(index), 0) {
                Some(others) => own - others,
                None => own,
            };
            y.push(next);
        }
        // x = U⁻¹ y, the last first.
        let mut x: Vec<Tensor<2>> = Vec::new();
        for index in (0..d).rev() {
            let own = y[index].clone();
            let difference = match combination(&x, &self.row(index), index + 1) {
                Some(others) => own - others,
                None => own,
            };
            x.insert(0, difference / self.log_scale(index).exp());
        }
        (Tensor::cat(x, 1), self.log_det(rows, -1.0))
    }

    fn inverse(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        let [rows, d] = x.dims();
        let columns: Vec<Tensor<2>> = (0..d).map(|i| x.clone().narrow(1, i, 1)).collect();
        let product = |index: usize| {
            let own = columns[index].clone() * self.log_scale(index).exp();
            match combination(&columns[index + 1..], &self.row(index), index + 1) {
                Some(others) => own + others,
                None => own,
            }
        };
        let y: Vec<Tensor<2>> = (0..d).map(product).collect();
        let z = (0..d).map(|index| match combination(&y[..index], &self.row(index), 0) {
            Some(others) => y[index].clone() + others,
            None => y[index].clone(),
        });
        let z = Tensor::cat(z.collect::<Vec<_>>(), 1) + self.layer.shift.val().unsqueeze();
        (z, self.log_det(rows, 1.0))
    }

    fn d_features(&self) -> Option<usize> {
        Some(self.layer.shift.dims()[0])
    }
}

/// The features in another order, written by hand.
#[derive(Module, Debug)]
struct ByColumns {
    layer: Permutation,
}

impl ByColumns {
    fn columns(x: &Tensor<2>, order: &Order) -> (Tensor<2>, Tensor<1>) {
        let columns = order.features().iter().map(|&feature| x.clone().narrow(1, feature, 1));
        let log_det = x.clone().narrow(1, 0, 1).squeeze_dim(1).zeros_like();
        (Tensor::cat(columns.collect(), 1), log_det)
    }
}

impl Flow for ByColumns {
    fn forward(&self, z: Tensor<2>, _: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        Self::columns(&z, &self.layer.order())
    }

    fn inverse(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
        Self::columns(&x, &self.layer.order().inverse())
    }

    fn d_features(&self) -> Option<usize> {
        self.layer.d_features()
    }
}

fn permutation(order: Order, device: &Device) -> [Permutation; 2] {
    let layer = PermutationConfig::new(order).init(device, &mut rng(0));
    [layer.clone(), layer]
}

/// Before and after layers of every kind, so that each finds its features where they are.
#[test]
fn permutations_among_other_layers_agree_in_one_pass() {
    let (device, dtype) = (Device::flex().autodiff(), FloatDType::F64);
    let orders = [Order::rotated(5, 2), Order::random(5, &mut rng(7)), Order::reversed(5)];
    let [[a, a_ref], [b, b_ref], [c, c_ref]] = orders.map(|order| permutation(order, &device));
    let of_hand = |layer: Permutation| ByColumns { layer };
    let configs: Vec<_> =
        alternating(5, 2, &relu(&[8])).into_iter().map(|config| config.with_d_context(2)).collect();
    let Pair { fused, composed } = pair(&configs, dtype, &device);
    let [first, second] = [&fused.layers[0], &fused.layers[1]].map(Clone::clone);
    let [first_composed, second_composed] =
        [&composed.layers[0], &composed.layers[1]].map(Clone::clone);
    let matrix = lu(5, dtype, &device);
    let elementwise = || {
        let config = ElementwiseConfig::new(5);
        cast(perturb(config.init(&device, &mut rng(3)), 0.3, &mut rng(3)), dtype)
    };
    let [shifts, shifts_ref] = {
        let layer = elementwise();
        [layer.clone(), layer]
    };
    let reference = (
        (of_hand(a_ref.clone()), first_composed, of_hand(b_ref.clone())),
        Inverse::new((
            shifts_ref,
            of_hand(c_ref.clone()),
            BySubstitution { layer: matrix.clone() },
        )),
        (of_hand(c_ref), second_composed, of_hand(b_ref), of_hand(a_ref)),
    );
    let flow = (
        (a.clone(), first, b.clone()),
        Inverse::new((shifts, c.clone(), matrix)),
        (c, second, b, a),
    );
    let text = Sequential::new(vec![flow.clone()]);
    assert_eq!(runs_by_kernels(&text), [true; 10], "{text}");
    for batch in [1, 2, 70, 300, 1025] {
        let x = noise([batch, 5], dtype, &device, &mut rng(1)).require_grad();
        let context = noise([batch, 2], dtype, &device, &mut rng(2)).require_grad();
        let what = format!("batch {batch}");
        compare(&what, (&flow, &reference), &x, Some(&context), tolerance(dtype));
    }
}

/// Nothing but permutations, of which two may undo each other.
#[test]
fn permutations_alone_agree() {
    let device = Device::flex().autodiff();
    for dtype in [FloatDType::F32, FloatDType::F64] {
        let [a, a_ref] = permutation(Order::random(4, &mut rng(5)), &device);
        let [b, b_ref] = permutation(Order::rotated(4, 1), &device);
        let [a_ref, b_ref] = [a_ref, b_ref].map(|layer| ByColumns { layer });
        for batch in [1, 70, 300] {
            let x = noise([batch, 4], dtype, &device, &mut rng(1)).require_grad();
            let what = format!("{dtype:?}, batch {batch}");
            compare(&what, (&a, &a_ref), &x, None, tolerance(dtype));
            let both = (a.clone(), b.clone());
            let both_ref = (a_ref.clone(), b_ref.clone());
            compare(&what, (&both, &both_ref), &x, None, tolerance(dtype));
            let undone = (a.clone(), Inverse::new(a.clone()));
            let undone_ref = (a_ref.clone(), Inverse::new(a_ref.clone()));
            compare(&what, (&undone, &undone_ref), &x, None, tolerance(dtype));
        }
    }
}

fn lu(d: usize, dtype: FloatDType, device: &Device) -> LuLinear {
    let layer = LuLinearConfig::new(d).init(device, &mut rng(0));
    // So that no inverse is large, whatever the size.
    cast(perturb(layer, 0.5 / (d as f64).sqrt(), &mut rng(4)), dtype)
}

#[test]
fn lu_alone_agrees() {
    let device = Device::flex().autodiff();
    for dtype in [FloatDType::F32, FloatDType::F64] {
        for d in [1, 2, 3, 8, 33] {
            let fused = lu(d, dtype, &device);
            let composed = BySubstitution { layer: fused.clone() };
            for batch in [1, 2, 65, 300, 1025] {
                let x = noise([batch, d], dtype, &device, &mut rng(1)).require_grad();
                let what = format!("LU, {dtype:?}, d {d}, batch {batch}");
                compare(&what, (&fused, &composed), &x, None, tolerance(dtype));
            }
        }
    }
}

/// Before, between and after couplings, with directions swapped, and with a context.
#[test]
fn lu_among_couplings_agrees_in_one_pass() {
    let device = Device::flex().autodiff();
    let dtype = FloatDType::F64;
    for d_context in [0, 2] {
        let configs: Vec<_> = alternating(5, 2, &relu(&[8]))
            .into_iter()
            .map(|config| config.with_d_context(d_context))
            .collect();
        let Pair { fused, composed } = pair(&configs, dtype, &device);
        let [first, second] = [&fused.layers[0], &fused.layers[1]].map(Clone::clone);
        let [first_composed, second_composed] =
            [&composed.layers[0], &composed.layers[1]].map(Clone::clone);
        let layer = || lu(5, dtype, &device);
        let by_definition = |layer: &LuLinear| BySubstitution { layer: layer.clone() };
        let [a, b, c] = [layer(), layer(), layer()];
        let reference = (
            by_definition(&a),
            first_composed,
            Inverse::new((by_definition(&b), second_composed)),
            by_definition(&c),
        );
        let flow = (a, first, Inverse::new((b, second)), c);
        let text = Sequential::new(vec![flow.clone()]);
        assert_eq!(runs_by_kernels(&text), [true; 5], "{text}");
        for batch in [1, 300] {
            let x = noise([batch, 5], dtype, &device, &mut rng(1)).require_grad();
            let context = noise([batch, d_context], dtype, &device, &mut rng(2)).require_grad();
            let context = (d_context > 0).then_some(&context);
            let what = format!("batch {batch}, context {d_context}");
            compare(&what, (&flow, &reference), &x, context, tolerance(dtype));
        }
    }
}

/// Some features stay as they are: the others go through a layer of their own.
#[test]
fn lu_of_some_features_agrees() {
    /// A layer of features 0, 2 and 3 of four.
    #[derive(Module, Debug)]
    struct OfThree {
        inner: BySubstitution,
    }
    impl OfThree {
        fn apply(
            x: Tensor<2>,
            inner: impl FnOnce(Tensor<2>) -> (Tensor<2>, Tensor<1>),
        ) -> (Tensor<2>, Tensor<1>) {
            let mixed = Tensor::cat(vec![x.clone().narrow(1, 0, 1), x.clone().narrow(1, 2, 2)], 1);
            let (mixed, log_det) = inner(mixed);
            let first = mixed.clone().narrow(1, 0, 1);
            (Tensor::cat(vec![first, x.narrow(1, 1, 1), mixed.narrow(1, 1, 2)], 1), log_det)
        }
    }
    impl Flow for OfThree {
        fn forward(&self, z: Tensor<2>, _: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
            Self::apply(z, |z| self.inner.forward(z, None))
        }
        fn inverse(&self, x: Tensor<2>, _: Option<&Tensor<2>>) -> (Tensor<2>, Tensor<1>) {
            Self::apply(x, |x| self.inner.inverse(x, None))
        }
        fn d_features(&self) -> Option<usize> {
            Some(4)
        }
    }
    let device = Device::flex().autodiff();
    for dtype in [FloatDType::F32, FloatDType::F64] {
        let layer = lu(3, dtype, &device);
        let mask = Mask::custom(vec![false, true, false, false]);
        let mut fused = LuLinearConfig::new(4).with_mask(Some(mask)).init(&device, &mut rng(0));
        (fused.factors, fused.shift) = (layer.factors.clone(), layer.shift.clone());
        let composed = OfThree { inner: BySubstitution { layer } };
        for batch in [1, 70, 300] {
            let x = noise([batch, 4], dtype, &device, &mut rng(1)).require_grad();
            let what = format!("{dtype:?}, batch {batch}");
            compare(&what, (&fused, &composed), &x, None, tolerance(dtype));
        }
    }
}

#[test]
fn frozen_factors_get_no_gradient() {
    let device = Device::flex().autodiff();
    let mut fused = lu(4, FloatDType::F64, &device);
    fused.factors = fused.factors.set_require_grad(false);
    let composed = BySubstitution { layer: fused.clone() };
    let x = noise([70, 4], FloatDType::F64, &device, &mut rng(1)).require_grad();
    compare("frozen", (&fused, &composed), &x, None, tolerance(FloatDType::F64));
    let found = outcome(Loss::Mean, &fused, &x, None).parameters;
    assert!(found[0].is_none() && found[1].is_some(), "the factors come first");
}
