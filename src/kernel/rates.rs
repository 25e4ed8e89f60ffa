//! [`AdamRates`]: the numbers of a step of Adam.

/// What Adam does in one step: with `g` the gradient of `p`, and `m` and `v` its moments,
///
/// ```text
/// m ← m decay[0] + g share[0]
/// v ← v decay[1] + g² share[1]
/// p ← p keep - m correction[0] / (√(v correction[1]) + epsilon) · learning_rate
/// ```
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdamRates {
    pub decay: [f64; 2],
    pub share: [f64; 2],
    pub correction: [f64; 2],
    pub epsilon: f64,
    pub keep: f64,
    pub learning_rate: f64,
}
