//! The fused kernels allocate their results, the gradients of all weights among them, and beyond that only what
//! does not grow with the batch.

#![cfg(feature = "flex")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use normalizing_flows::burn::module::Module;
use normalizing_flows::burn::optim::GradientsParams;
use normalizing_flows::burn::tensor::{Device, FloatDType, Tensor};
use normalizing_flows::conditioner::{MlpConfig, ResidualMlpConfig};
use normalizing_flows::optim::AdamConfig;
use normalizing_flows::preset::Mixing;
use normalizing_flows::{Distribution, Flow, NormalizingFlow, NsfConfig, RealNvpConfig, cast};

/// The system's allocator, counting.
struct Counting;

/// Bytes that were allocated, on all threads.
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator is unsafe by its trait")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the promises that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the promises that `System` asks for.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocated(f: impl FnOnce()) -> usize {
    let before = ALLOCATED.load(Ordering::Relaxed);
    f();
    ALLOCATED.load(Ordering::Relaxed) - before
}

/// One test, so that no other allocates meanwhile.
#[test]
fn only_results_grow_with_the_batch() {
    let device = Device::flex();
    let (d, h) = (4, 288);
    let mut rng = common::rng(0);
    let affine = RealNvpConfig::new(d)
        .with_n_layers(2)
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![h, h]).into())
        .with_mixing(Mixing::Off)
        .init(&device, &mut rng);
    let splines = NsfConfig::new(d)
        .with_n_layers(2)
        .with_conditioner(ResidualMlpConfig::new().with_d_hidden(h).into())
        .with_mixing(Mixing::Off)
        .init(&device, &mut rng);
    for dtype in [FloatDType::F32, FloatDType::F64] {
        only_results_of(&cast(affine.clone(), dtype), d, dtype, &device);
    }
    only_results_of(&splines, d, FloatDType::F32, &device);
    for dtype in [FloatDType::F32, FloatDType::F64] {
        only_gradients_of(cast(affine.clone(), dtype), d, dtype);
    }
    only_gradients_of(splines, d, FloatDType::F32);
}

/// Training steps after the first.
fn only_gradients_of(model: NormalizingFlow, d: usize, dtype: FloatDType) {
    let training = Device::flex().autodiff();
    let number = if dtype == FloatDType::F64 { size_of::<f64>() } else { size_of::<f32>() };
    let gradients = model.num_params() * number;
    let mut model = Some(model.to_device(&training).train());
    let mut adam = AdamConfig::new().init();
    let mut bytes = |rows: usize| {
        let x = Tensor::<2>::zeros([rows, d], (&training, dtype.into()));
        let mut step = || {
            let before = model.take().expect("each step gives it back");
            let loss = -before.log_prob(x.clone()).mean();
            let gradients = GradientsParams::from_grads(loss.backward(), &before);
            model = Some(adam.step(1e-3, before, gradients));
        };
        // The scratch of a thread and the state of Adam are allocated once.
        (0..6).map(|_| allocated(&mut step)).min().expect("six steps")
    };
    let few = [256, 1024].map(&mut bytes);
    for (rows, bytes) in [256, 1024].into_iter().zip(few) {
        // A tape, or an activation, would be thousands of bytes per row.
        assert!(
            bytes < gradients + (1 << 18),
            "{dtype:?}: {bytes} bytes for {rows} rows, of which {gradients} are gradients"
        );
    }
    let grown = (bytes(2048) - few[1]) / (2048 - 1024);
    // The log-density, its gradient and what the loss makes of it.
    assert!(grown <= 6 * number, "{dtype:?}: {grown} bytes per row of a training step");
}

fn only_results_of(model: &NormalizingFlow, d: usize, dtype: FloatDType, device: &Device) {
    let bytes = |rows: usize| {
        let x = Tensor::<2>::zeros([rows, d], (device, dtype.into()));
        let run = || {
            drop(model.log_prob(x.clone()));
            drop(model.flow.forward(x.clone(), None));
        };
        // A thread's scratch grows in the first call in which the thread takes part.
        (0..6).map(|_| allocated(run)).min().expect("six calls")
    };
    // The results are a log-density, and a row with its log-determinant; and there is some
    // bookkeeping for each tile of 128 rows. The activations of one hidden layer would be 288
    // numbers per row.
    let number = if dtype == FloatDType::F64 { size_of::<f64>() } else { size_of::<f32>() };
    let results = (1 + d + 1) * number;
    // Tiles of 64 rows, and of 128. A copy of one weight would be more than what is allowed.
    let few = [256, 1024].map(bytes);
    for (rows, bytes) in [256, 1024].into_iter().zip(few) {
        assert!(bytes < rows * results + (1 << 18), "{dtype:?}: {bytes} bytes for {rows} rows");
    }
    let grown = (bytes(2048) - few[1]) / (2048 - 1024);
    assert!(
        grown <= 2 * results,
        "{dtype:?}: {grown} bytes per row, of which {results} are results"
    );
}
