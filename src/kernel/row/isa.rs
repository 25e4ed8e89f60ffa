//! [`Isa`]: the instruction set that loops and products are computed with.
//!
//! That is the best that the processor has, unless the environment variable
//! `NORMALIZING_FLOWS_MAX_ISA` caps it, so that one machine can test what others run:
//!
//! - `avx512`: no cap
//! - `avx2`: AVX2 and FMA at most
//! - `baseline`: what the crate was compiled for, which is SSE2 by default
//!
//! It is read once in a process, by the first kernel that runs. A cap above what the processor has
//! changes nothing, and other processors than those of x86-64 have nothing to cap. burn's own loops
//! and products, which tensor operations are made of, choose for themselves and are not capped.

use std::env;
use std::sync::OnceLock;

const VARIABLE: &str = "NORMALIZING_FLOWS_MAX_ISA";

/// An instruction set, the least first. On other processors than those of x86-64 there is one, the
/// baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Isa {
    Baseline,
    Avx2,
    Avx512,
}

/// What this process computes with.
#[derive(Clone, Copy, Debug)]
pub(super) struct InUse {
    pub isa: Isa,
    /// The same as `pulp` names it.
    pub arch: pulp::Arch,
    /// Whether the processor has more.
    pub is_capped: bool,
}

/// What this process computes with.
///
/// # Panics
///
/// If the variable has a value that is no cap.
#[inline]
pub(super) fn in_use() -> InUse {
    static IN_USE: OnceLock<InUse> = OnceLock::new();
    *IN_USE.get_or_init(|| {
        let value = env::var_os(VARIABLE);
        InUse::below(value.map_or(Isa::Avx512, |value| cap(&value.to_string_lossy())))
    })
}

fn cap(value: &str) -> Isa {
    match value {
        "avx512" => Isa::Avx512,
        "avx2" => Isa::Avx2,
        "baseline" => Isa::Baseline,
        _ => panic!("`{VARIABLE}` must be `avx512`, `avx2` or `baseline`, got `{value}`"),
    }
}

impl InUse {
    /// The best that there is up to a cap.
    #[cfg(target_arch = "x86_64")]
    fn below(cap: Isa) -> Self {
        use pulp::Arch;
        use pulp::x86::{V3, V4};

        let avx512 = V4::try_new().map(|simd| (Isa::Avx512, Arch::V4(simd)));
        let avx2 = V3::try_new().map(|simd| (Isa::Avx2, Arch::V3(simd)));
        let available = [avx512, avx2, Some((Isa::Baseline, Arch::Scalar))];
        let mut available = available.into_iter().flatten();
        let best = available.clone().next();
        let (isa, arch) =
            available.find(|(isa, _)| *isa <= cap).expect("the baseline is below every cap");
        Self { isa, arch, is_capped: best.is_some_and(|(best, _)| isa < best) }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn below(_: Isa) -> Self {
        Self { isa: Isa::Baseline, arch: pulp::Arch::new(), is_capped: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caps_are_read_by_name() {
        let caps = ["baseline", "avx2", "avx512"].map(cap);
        assert_eq!(caps, [Isa::Baseline, Isa::Avx2, Isa::Avx512]);
    }

    #[test]
    #[should_panic(
        expected = "`NORMALIZING_FLOWS_MAX_ISA` must be `avx512`, `avx2` or `baseline`, got `sse9`"
    )]
    fn an_unknown_cap_is_refused() {
        cap("sse9");
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_cap_is_kept_and_takes_nothing_else_away() {
        use pulp::Arch;

        let best = InUse::below(Isa::Avx512);
        assert!(!best.is_capped);
        for cap in [Isa::Baseline, Isa::Avx2, Isa::Avx512] {
            let InUse { isa, arch, is_capped } = InUse::below(cap);
            assert_eq!(isa, cap.min(best.isa));
            assert_eq!(is_capped, isa < best.isa);
            let of_arch = match arch {
                Arch::V4(_) => Isa::Avx512,
                Arch::V3(_) => Isa::Avx2,
                _ => Isa::Baseline,
            };
            assert_eq!(of_arch, isa);
        }
    }
}
