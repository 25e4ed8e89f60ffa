//! What the machine can do at most, in single precision on all cores, in GFLOP/s.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// The most of multiply-adds that do not wait for each other, and read nothing. `None` where this file
/// knows no instructions for them.
pub fn arithmetic_gflops() -> Option<f64> {
    let vectors = multiply_adds()?;
    Some(median_of_all_cores(|time| {
        let (start, mut operations) = (Instant::now(), 0);
        while start.elapsed() < time {
            operations += vectors();
        }
        operations as f64 / start.elapsed().as_secs_f64() / 1e9
    }))
}

/// The fastest product of square matrices of 256 to 1,024 rows by the `gemm` crate, each core by itself.
pub fn gemm_gflops() -> f64 {
    [256, 512, 1024]
        .map(|n| median_of_all_cores(move |time| gemm(n, time)))
        .into_iter()
        .fold(0.0, f64::max)
}

#[expect(unsafe_code, reason = "the `gemm` crate takes pointers and strides")]
fn gemm(n: usize, time: Duration) -> f64 {
    let (a, b, mut c) = (vec![0.5_f32; n * n], vec![0.5_f32; n * n], vec![0.0_f32; n * n]);
    let (start, mut products) = (Instant::now(), 0);
    while start.elapsed() < time {
        // SAFETY: the three matrices are `n × n`, column after column.
        unsafe {
            gemm::gemm(
                n,
                n,
                n,
                c.as_mut_ptr(),
                n as isize,
                1,
                false,
                a.as_ptr(),
                n as isize,
                1,
                b.as_ptr(),
                n as isize,
                1,
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
        black_box(&mut c);
        products += 1;
    }
    (2 * n * n * n * products) as f64 / start.elapsed().as_secs_f64() / 1e9
}

/// The sum over all cores, each for a tenth of a second; the median of ten.
fn median_of_all_cores(of_one: impl Fn(Duration) -> f64 + Copy + Send) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let once = || -> f64 {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..cores)
                .map(|_| scope.spawn(move || of_one(Duration::from_millis(100))))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        })
    };
    let mut rates: Vec<f64> = (0..10).map(|_| once()).collect();
    rates.sort_by(f64::total_cmp);
    rates[5].round()
}

/// Chains that go on beside each other: two instructions each take four or five cycles.
#[cfg(target_arch = "x86_64")]
const N_CHAINS: usize = 12;
#[cfg(target_arch = "x86_64")]
const N_ROUNDS: usize = 10_000;

/// A loop of multiply-adds by the widest instructions that there are; it gives their number.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "instructions that not every processor has")]
fn multiply_adds() -> Option<fn() -> usize> {
    use std::arch::x86_64::{
        __m256, __m512, _mm256_fmadd_ps, _mm256_set1_ps, _mm512_fmadd_ps, _mm512_set1_ps,
    };

    #[target_feature(enable = "avx512f")]
    fn by_avx512() -> usize {
        let (factor, term) = (_mm512_set1_ps(0.5), _mm512_set1_ps(1.0));
        let mut chains: [__m512; N_CHAINS] = [term; N_CHAINS];
        for _ in 0..N_ROUNDS {
            for chain in &mut chains {
                *chain = _mm512_fmadd_ps(*chain, factor, term);
            }
        }
        black_box(chains);
        2 * 16 * N_CHAINS * N_ROUNDS
    }

    #[target_feature(enable = "avx,fma")]
    fn by_avx2() -> usize {
        let (factor, term) = (_mm256_set1_ps(0.5), _mm256_set1_ps(1.0));
        let mut chains: [__m256; N_CHAINS] = [term; N_CHAINS];
        for _ in 0..N_ROUNDS {
            for chain in &mut chains {
                *chain = _mm256_fmadd_ps(*chain, factor, term);
            }
        }
        black_box(chains);
        2 * 8 * N_CHAINS * N_ROUNDS
    }

    // SAFETY: each is called where the processor was found to have its instructions.
    if std::is_x86_feature_detected!("avx512f") {
        Some(|| unsafe { by_avx512() })
    } else if std::is_x86_feature_detected!("fma") {
        Some(|| unsafe { by_avx2() })
    } else {
        None
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn multiply_adds() -> Option<fn() -> usize> {
    None
}
