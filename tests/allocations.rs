//! Without gradients the fused kernels allocate their results, and beyond that only what does not
//! grow with the batch.

#![cfg(feature = "flex")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use normalizing_flows::burn::tensor::{Device, Tensor};
use normalizing_flows::conditioner::{MlpConfig, ResidualMlpConfig};
use normalizing_flows::{
    Distribution, Flow, NormalizingFlow, NsfConfig, RealNvpConfig, StandardNormal,
};

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
    let (d, h) = (4, 384);
    let mut rng = common::rng(0);
    let affine = RealNvpConfig::new(d)
        .with_n_layers(2)
        .with_conditioner(MlpConfig::new().with_d_hidden(vec![h, h]).into())
        .init(&device, &mut rng);
    let splines = NsfConfig::new(d)
        .with_n_layers(2)
        .with_conditioner(ResidualMlpConfig::new().with_d_hidden(h).into())
        .init(&device, &mut rng);
    only_results_of(&affine, d, &device);
    only_results_of(&splines, d, &device);
}

fn only_results_of<F: Flow>(model: &NormalizingFlow<StandardNormal, F>, d: usize, device: &Device) {
    let bytes = |rows: usize| {
        let x = Tensor::<2>::zeros([rows, d], device);
        let run = || {
            drop(model.log_prob(x.clone()));
            drop(model.flow.forward(x.clone()));
        };
        // A thread's scratch grows in the first call in which the thread takes part.
        (0..10).map(|_| allocated(run)).min().expect("ten calls")
    };
    let (few, many) = (bytes(1024), bytes(8192));
    // The results are a log-density, and a row with its log-determinant; and there is some
    // bookkeeping for each tile of 128 rows. The activations of one hidden layer would be 384 times 4
    // bytes a row.
    let results = (1 + d + 1) * size_of::<f32>();
    let grown = (many - few) / (8192 - 1024);
    assert!(grown <= 2 * results, "{grown} bytes a row, of which {results} are results");
    assert!(few < 1024 * results + (1 << 18), "{few} bytes for 1024 rows");
}
