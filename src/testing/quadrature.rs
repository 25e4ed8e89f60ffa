//! Integrals of densities over one or two features, on grids.

use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};

/// The coarsest and the finest grid, in cells per feature.
const MIN_CELLS: usize = 128;
const MAX_CELLS: [usize; 2] = [1 << 16, 1 << 11];

/// The probability of each cell of a grid over `[low, high]` in every feature, the last feature fastest.
pub(super) struct Grid {
    pub cells: usize,
    pub d_features: usize,
    pub mass: Vec<f64>,
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
            Self { cells, d_features, mass }
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

    /// The cumulative probability of one feature at the end of each cell.
    pub(super) fn cumulative(&self, feature: usize) -> Vec<f64> {
        let mut sums = vec![0.0; self.cells];
        for (i, mass) in self.mass.iter().enumerate() {
            let cell = match (self.d_features, feature) {
                (2, 0) => i / self.cells,
                _ => i % self.cells,
            };
            sums[cell] += mass;
        }
        let mut total = 0.0;
        for sum in &mut sums {
            total += *sum;
            *sum = total;
        }
        sums
    }
}
