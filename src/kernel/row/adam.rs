//! A step of Adam on slices.

use super::super::AdamRates;
use super::Loop;
use super::real::Real;

/// Moves the parameters and their moments by the gradients.
pub(crate) fn adam<R: Real>(
    rates: &AdamRates,
    parameters: &mut [R],
    gradients: &[R],
    moments: [&mut [R]; 2],
) {
    let [means, squares] = &moments;
    debug_assert!(
        [gradients.len(), means.len(), squares.len()].iter().all(|&len| len == parameters.len())
    );
    Step { rates, parameters, gradients, moments }.run();
}

struct Step<'a, R> {
    rates: &'a AdamRates,
    parameters: &'a mut [R],
    gradients: &'a [R],
    moments: [&'a mut [R]; 2],
}

impl<R: Real> Loop for Step<'_, R> {
    #[inline(always)]
    fn body(self) {
        let Self { rates, parameters, gradients, moments: [means, squares] } = self;
        let [decay, share] = [rates.decay, rates.share].map(|both| both.map(R::from_f64));
        let (penalty, taken) = (R::from_f64(rates.penalty), R::from_f64(rates.taken));
        let correction = R::from_f64(rates.correction);
        let epsilon = R::from_f64(rates.epsilon);
        let learning_rate = R::from_f64(rates.learning_rate);
        let moments = means.iter_mut().zip(squares);
        for ((parameter, &gradient), (mean, square)) in
            parameters.iter_mut().zip(gradients).zip(moments)
        {
            let gradient = *parameter * penalty + gradient;
            *mean = *mean * decay[0] + gradient * share[0];
            *square = *square * decay[1] + gradient * gradient * share[1];
            let direction = *mean * correction / (square.sqrt() + epsilon);
            *parameter = *parameter - (*parameter * taken + direction * learning_rate);
        }
    }
}
