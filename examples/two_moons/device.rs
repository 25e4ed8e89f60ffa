//! The one place that knows of backends.

use normalizing_flows::burn::tensor::Device;

/// The device that the enabled features ask for, and its name.
#[cfg(feature = "wgpu")]
pub fn pick() -> Result<(Device, String), String> {
    let (device, setup) = Device::wgpu_options().init_with_setup().map_err(|error| {
        // The details name every driver that was tried; the first line says what is wrong.
        let error = error.to_string();
        format!(
            "no usable GPU was found ({}); to run on the CPU, leave out `--features wgpu`",
            error.lines().next().unwrap_or_default()
        )
    })?;
    let adapter = setup.adapter.get_info();
    Ok((device, format!("wgpu: {} ({})", adapter.name, adapter.backend)))
}

/// The device that the enabled features ask for, and its name.
#[cfg(not(feature = "wgpu"))]
pub fn pick() -> Result<(Device, String), String> {
    let device = Device::default();
    let name = format!("{device:?}");
    let name = name.trim_start_matches("Device<").trim_end_matches('>');
    Ok((device, name.to_string()))
}
