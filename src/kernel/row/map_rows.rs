//! What a map is handed: the rows of one feature, or some features of one row, forward and back. Below the first is
//! meant where rows are spoken of; the loops are the same.

/// The parameters of one feature, a number per row each, within those of all features: the first
/// parameter of every feature, then the second.
pub(crate) struct Parameters<'a, R> {
    pub tile: &'a mut [R],
    /// Where the first parameter is.
    pub first: usize,
    /// How far it is from one parameter to the next.
    pub stride: usize,
    pub rows: usize,
}

impl<R> Parameters<'_, R> {
    fn start(&self, parameter: usize) -> usize {
        self.first + parameter * self.stride
    }

    #[inline(always)]
    pub(super) fn get(&self, parameter: usize) -> &[R] {
        let start = self.start(parameter);
        &self.tile[start..start + self.rows]
    }

    #[inline(always)]
    pub(super) fn get_mut(&mut self, parameter: usize) -> &mut [R] {
        let start = self.start(parameter);
        &mut self.tile[start..start + self.rows]
    }

    pub(super) fn first_two(&mut self) -> (&mut [R], &mut [R]) {
        let (start, second) = (self.start(0), self.start(1));
        let (before, after) = self.tile.split_at_mut(second);
        (&mut before[start..start + self.rows], &mut after[..self.rows])
    }
}

/// The rows of one feature.
pub(crate) struct MapRows<'a, R> {
    /// In: the argument. Out: the result.
    pub value: &'a mut [R],
    /// The logarithm of the slope is added to it.
    pub log_det: &'a mut [R],
    /// In: the parameters. Out: what the gradient needs in their place.
    pub parameters: Parameters<'a, R>,
    /// Out: what else the gradient needs, [`Map::n_saved`](super::Map::n_saved) numbers per row;
    /// `None` if there will be no gradient.
    pub saved: Option<&'a mut [R]>,
}

/// The rows of one feature on the way back.
pub(crate) struct MapGradient<'a, R> {
    /// In: the gradient of the result. Out: that of the argument.
    pub value: &'a mut [R],
    /// The gradient of the log-determinant.
    pub log_det: &'a [R],
    /// In: what [`Map::apply`](super::Map::apply) left there. Out: the gradients of the parameters.
    pub parameters: Parameters<'a, R>,
    /// What [`Map::apply`](super::Map::apply) saved.
    pub saved: &'a [R],
}
