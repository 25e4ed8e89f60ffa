//! Sums, and products with the gate of a gated linear unit.

use super::Loop;
use super::real::Real;

/// `sum += terms`.
pub(crate) fn add<R: Real>(sum: &mut [R], terms: &[R]) {
    Add { sum, terms }.run();
}

/// `sum += values ⊙ gate`.
pub(crate) fn add_gated<R: Real>(sum: &mut [R], values: &[R], gate: &[R]) {
    AddGated { sum, values, gate }.run();
}

/// The gradients of [`add_gated`] from that of the sum: `of_values = gradient ⊙ gate`, and
/// `of_gate = gradient ⊙ values ⊙ slope`, that of what the gate with this slope was made of.
pub(crate) struct GatedGradient<'a, R> {
    pub gradient: &'a [R],
    pub values: &'a [R],
    pub gate: &'a [R],
    pub slope: &'a [R],
    pub of_values: &'a mut [R],
    pub of_gate: &'a mut [R],
}

impl<R: Real> GatedGradient<'_, R> {
    pub(crate) fn compute(self) {
        self.run();
    }
}

struct Add<'a, R> {
    sum: &'a mut [R],
    terms: &'a [R],
}

impl<R: Real> Loop for Add<'_, R> {
    #[inline(always)]
    fn body(self) {
        self.sum.iter_mut().zip(self.terms).for_each(|(sum, &term)| *sum += term);
    }
}

struct AddGated<'a, R> {
    sum: &'a mut [R],
    values: &'a [R],
    gate: &'a [R],
}

impl<R: Real> Loop for AddGated<'_, R> {
    #[inline(always)]
    fn body(self) {
        let terms = self.values.iter().zip(self.gate);
        self.sum.iter_mut().zip(terms).for_each(|(sum, (&value, &gate))| *sum += value * gate);
    }
}

impl<R: Real> Loop for GatedGradient<'_, R> {
    #[inline(always)]
    fn body(self) {
        let Self { gradient, values, gate, slope, of_values, of_gate } = self;
        let outputs = of_values.iter_mut().zip(of_gate);
        let inputs = gradient.iter().zip(values).zip(gate.iter().zip(slope));
        for ((of_value, of_gate), ((&g, &value), (&gate, &slope))) in outputs.zip(inputs) {
            *of_value = g * gate;
            *of_gate = g * value * slope;
        }
    }
}
