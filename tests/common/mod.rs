//! What the test files share.

use normalizing_flows::burn::tensor::Device;

/// The CPU device of the enabled features, also when a GPU backend is enabled beside it.
#[cfg_attr(
    all(feature = "ndarray", not(feature = "flex")),
    expect(deprecated, reason = "the feature is offered for as long as burn has it")
)]
pub fn cpu() -> Device {
    #[cfg(feature = "flex")]
    return Device::flex();
    #[cfg(all(feature = "ndarray", not(feature = "flex")))]
    return Device::ndarray();
}
