//! Integrals of densities over one or two features, on grids.

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};

/// The coarsest and the finest grid, in cells per feature.
const MIN_CELLS: usize = 128;
const MAX_CELLS: [usize; 2] = [1 << 16, 1 << 11];

/// The probability of each cell of a grid over `[low, high]` in every feature, the last feature
/// fastest.
pub(super) struct Grid {
    cells: usize,
    d_features: usize,
    region: [f64; 2],
    mass: Vec<f64>,
}

impl Grid {
    /// The midpoint rule on a grid that is refined until two grids agree on the total within
    /// `tolerance`: a ridge that is narrower than a cell would move it.
    ///
    /// # Panics
    ///
    /// If there are not 1 or 2 features, or if the finest grid still moves the total.
    pub(super) fn refined(
        d_features: usize,
        [low, high]: [f64; 2],
        tolerance: f64,
        (device, dtype): (&Device, FloatDType),
        log_density: impl Fn(Tensor<2>) -> Vec<f64>,
    ) -> Self {
        assert!(
            (1..=2).contains(&d_features),
            "densities are integrated over 1 or 2 features, got {d_features}"
        );
        let at = |cells: usize| {
            let width = (high - low) / cells as f64;
            let center = |i: usize| low + (i as f64 + 0.5) * width;
            let n = cells.pow(d_features as u32);
            let points: Vec<f64> = match d_features {
                1 => (0..cells).map(center).collect(),
                _ => (0..n).flat_map(|i| [center(i / cells), center(i % cells)]).collect(),
            };
            let options = (device, DType::from(dtype));
            let points = Tensor::from_data(TensorData::new(points, [n, d_features]), options);
            let volume = width.powi(d_features as i32);
            let mass = log_density(points).into_iter().map(|log| log.exp() * volume).collect();
            Self { cells, d_features, region: [low, high], mass }
        };
        let mut grid = at(MIN_CELLS);
        loop {
            let finer = at(2 * grid.cells);
            let (before, after) = (grid.total(), finer.total());
            if (after - before).abs() <= tolerance {
                return finer;
            }
            grid = finer;
            assert!(
                2 * grid.cells <= MAX_CELLS[d_features - 1],
                "the integral still moves from {before} to {after} at {} cells per feature: take a \
                 smaller region or a smoother density",
                grid.cells
            );
        }
    }

    pub(super) fn total(&self) -> f64 {
        self.mass.iter().sum()
    }

    /// The distribution functions of each feature, and with two features of their sum, which sees
    /// how they depend on each other: points, and the probability of being below each.
    pub(super) fn distribution_functions(&self) -> Vec<Vec<(f64, f64)>> {
        let width = (self.region[1] - self.region[0]) / self.cells as f64;
        let of_feature = |cell: &dyn Fn(usize) -> usize| {
            let mut masses = vec![0.0; self.cells];
            for (i, mass) in self.mass.iter().enumerate() {
                masses[cell(i)] += mass;
            }
            let mut below = 0.0;
            let end = |cell: usize| self.region[0] + width * (cell + 1) as f64;
            masses
                .into_iter()
                .enumerate()
                .map(|(cell, mass)| {
                    below += mass;
                    (end(cell), below)
                })
                .collect()
        };
        if self.d_features == 1 {
            return vec![of_feature(&|i| i)];
        }
        let mut diagonals = vec![0.0; 2 * self.cells - 1];
        for (i, mass) in self.mass.iter().enumerate() {
            diagonals[i / self.cells + i % self.cells] += mass;
        }
        let mut below = 0.0;
        let of_sum = diagonals.into_iter().enumerate().map(|(diagonal, mass)| {
            // A diagonal of cells lies with one half on each side of the line through its corners.
            let at = below + 0.5 * mass;
            below += mass;
            (2.0 * self.region[0] + width * (diagonal + 1) as f64, at)
        });
        vec![of_feature(&|i| i / self.cells), of_feature(&|i| i % self.cells), of_sum.collect()]
    }
}
