//! ArviZ's Pareto-smoothed importance weights.

use normalizing_flows::target::pareto_smoothed;
use serde_json::Value;

use super::file::numbers;

/// The smoothed weights are quantiles, whose arithmetic differs in order: roundings of some tens of operations.
#[test]
fn smoothed_weights_and_shapes_are_reproduced() {
    let file: Value = serde_json::from_str(include_str!("arviz_pareto.json")).expect("it is JSON");
    for case in file["cases"].as_array().expect("a list") {
        let raw = numbers(&case["log_weights"]);
        let smoothed = pareto_smoothed(&raw);
        let shape = case["shape"].as_f64().expect("a number");
        let found = smoothed.shape.expect("the tail is long enough");
        assert!((found - shape).abs() < 1e-10, "{}: {found}, not {shape}", case["name"]);
        let largest = smoothed.log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = smoothed.log_weights.iter().map(|log| (log - largest).exp()).sum();
        let expected = numbers(&case["smoothed"]);
        for (found, expected) in smoothed.log_weights.iter().zip(expected) {
            let found = found - largest - sum.ln();
            assert!((found - expected).abs() < 1e-9, "{}: {found}, not {expected}", case["name"]);
        }
    }
}
