//! [`AdamRates`]: the numbers of a step of Adam.

/// What Adam does in one step: with `g` the gradient of `p`, and `m` and `v` its moments,
///
/// ```text
/// g ← p penalty + g
/// m ← m decay[0] + g share[0]
/// v ← v decay[1] + g² share[1]
/// p ← p - (p taken + m correction / (√v + epsilon) · learning_rate)
/// ```
///
/// What is taken is added to the step first: alone it is often less than a rounding of `p`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamRates {
    pub penalty: f64,
    pub decay: [f64; 2],
    pub share: [f64; 2],
    pub correction: f64,
    pub epsilon: f64,
    pub taken: f64,
    pub learning_rate: f64,
}
