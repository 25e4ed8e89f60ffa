//! A linear layer on a tile, and its gradients.
//!
//! With the weight `W` (`d_input × d_output`, as burn keeps it), the bias `b`, a tile `X` of inputs
//! and `G` of gradients of the outputs `Y`:
//!
//! 1. `Y = Wᵀ X + b`
//! 2. `dX = W G`
//! 3. `dW = X Gᵀ`
//! 4. `db = Σ_rows G`
//!
//! The order in which products are summed depends on the sizes and the machine, never on threads.
//! The error of a sum of `n` products is below `n ε Σ |x y|`, whatever the order.

use std::ops::Range;

use super::Loop;
use super::activation::Activation;
use super::product::{self, Matrix, Order, product, product_in_part};
use super::real::Real;

/// A linear layer with the activation that follows it.
#[derive(Clone)]
pub(crate) struct Linear<'a, R> {
    /// `d_input × d_output`, row after row.
    pub weight: &'a [R],
    /// The same numbers column after column, if they were put so: the product reads a large weight
    /// faster this way, and a single row goes back by it.
    pub columns: Option<&'a [R]>,
    pub bias: Option<&'a [R]>,
    pub d_input: usize,
    pub d_output: usize,
    pub activation: Activation<R>,
    /// All outputs in parts, where the weights beyond the inputs of each are zero: products leave them
    /// out, and their gradients are left as they are. None for a layer whose weights all count.
    pub parts: Vec<Part>,
}

/// A part of a linear layer: some of the outputs, of which the first inputs make all.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub n_inputs: usize,
    pub outputs: Range<usize>,
}

impl<R: Real> Linear<'_, R> {
    /// The weight, and the bias if there is one.
    pub(crate) fn n_weights(&self) -> usize {
        1 + usize::from(self.bias.is_some())
    }

    /// Whether the products of a row are summed alike in all tiles of at least 16 rows, also if they are made of
    /// some inputs and outputs at a time, `in_parts`.
    pub(crate) fn keeps_bits_in_any_tile(&self, in_parts: bool) -> bool {
        let fewest = |n: usize| if in_parts || !self.parts.is_empty() { 0 } else { n };
        let sizes = [(self.d_output, self.d_input), (self.d_input, self.d_output)];
        sizes.into_iter().all(|(n, k)| !product::depends_on_rows([fewest(n), k]))
    }

    /// `output = activation(Wᵀ input + b)`. Into `slope`, where there is one, goes the derivative
    /// of the activation.
    pub(crate) fn forward(
        &self,
        input: &[R],
        output: &mut [R],
        slope: Option<&mut [R]>,
        rows: usize,
    ) {
        self.products(input, output, rows, false);
        self.activation.forward(self.bias, output, slope, rows);
    }

    /// `sum += Wᵀ input + b`, for a layer without an activation.
    pub(crate) fn add_to(&self, sum: &mut [R], input: &[R], rows: usize) {
        debug_assert_eq!(self.activation, Activation::Identity);
        self.products(input, sum, rows, true);
        self.activation.forward(self.bias, sum, None, rows);
    }

    /// `output = Wᵀ input`, or `output += Wᵀ input` to accumulate.
    fn products(&self, input: &[R], output: &mut [R], rows: usize, accumulate: bool) {
        if rows == 1 {
            if !accumulate {
                output.fill(R::ZERO);
            }
            OneRow { weight: self.weight, input, output }.run();
        } else if !self.parts.is_empty() {
            for part in &self.parts {
                let input = &input[..part.n_inputs * rows];
                let output = &mut output[part.outputs.start * rows..part.outputs.end * rows];
                self.part_products(part, input, output, rows, accumulate);
            }
        } else {
            let weight = match self.columns {
                Some(data) => Matrix::new(data, Order::Columns),
                None => Matrix::new(self.weight, Order::Rows),
            };
            let input = Matrix::new(input, Order::Columns);
            product([rows, self.d_output, self.d_input], output, input, weight, accumulate);
        }
    }

    /// The gradient of the inputs, from that of the outputs before the activation.
    pub(crate) fn input_gradient(
        &self,
        gradient: &[R],
        input_gradient: &mut [R],
        rows: usize,
        accumulate: bool,
    ) {
        // In parts an infinite gradient does not reach inputs that have no say, times zero.
        if let (1, true, Some(columns)) = (rows, self.parts.is_empty(), self.columns) {
            if !accumulate {
                input_gradient.fill(R::ZERO);
            }
            return OneRow { weight: columns, input: gradient, output: input_gradient }.run();
        }
        // The last part sees most.
        let Some((last, others)) = self.parts.split_last() else {
            return product(
                [rows, self.d_input, self.d_output],
                input_gradient,
                Matrix::new(gradient, Order::Columns),
                Matrix::new(self.weight, Order::Columns),
                accumulate,
            );
        };
        let of_part = |part: &Part| &gradient[part.outputs.start * rows..part.outputs.end * rows];
        let (seen, unseen) = input_gradient.split_at_mut(last.n_inputs * rows);
        if !accumulate {
            unseen.fill(R::ZERO);
        }
        self.part_input_gradient(last, of_part(last), seen, rows, accumulate);
        for part in others {
            let seen = &mut seen[..part.n_inputs * rows];
            self.part_input_gradient(part, of_part(part), seen, rows, true);
        }
    }

    /// As [`forward`](Self::forward) for a part of the layer; `input`, `output` and `slope` are those of
    /// the part.
    pub(crate) fn forward_part(
        &self,
        part: Part,
        input: &[R],
        output: &mut [R],
        slope: Option<&mut [R]>,
        rows: usize,
    ) {
        self.part_products(&part, input, output, rows, false);
        let bias = self.bias.map(|bias| &bias[part.outputs]);
        self.activation.forward(bias, output, slope, rows);
    }

    /// As [`add_to`](Self::add_to) for a part of the layer.
    pub(crate) fn add_part_to(&self, part: Part, sum: &mut [R], input: &[R], rows: usize) {
        debug_assert_eq!(self.activation, Activation::Identity);
        self.part_products(&part, input, sum, rows, true);
        self.activation.forward(self.bias.map(|bias| &bias[part.outputs]), sum, None, rows);
    }

    fn part_products(
        &self,
        part: &Part,
        input: &[R],
        output: &mut [R],
        rows: usize,
        accumulate: bool,
    ) {
        let sizes = [rows, part.outputs.len(), part.n_inputs];
        if sizes.contains(&0) {
            if !accumulate {
                output.fill(R::ZERO);
            }
            return;
        }
        let first = part.outputs.start;
        let weight = match self.columns {
            Some(columns) => {
                Matrix::part(&columns[first * self.d_input..], Order::Columns, self.d_input)
            }
            None => Matrix::part(&self.weight[first..], Order::Rows, self.d_output),
        };
        product(sizes, output, Matrix::new(input, Order::Columns), weight, accumulate);
    }

    /// Adds to the gradient of the inputs of a part, from that of its outputs before the activation.
    pub(crate) fn add_part_input_gradient(
        &self,
        part: &Part,
        gradient: &[R],
        input_gradient: &mut [R],
        rows: usize,
    ) {
        self.part_input_gradient(part, gradient, input_gradient, rows, true);
    }

    fn part_input_gradient(
        &self,
        part: &Part,
        gradient: &[R],
        input_gradient: &mut [R],
        rows: usize,
        accumulate: bool,
    ) {
        let sizes = [rows, part.n_inputs, part.outputs.len()];
        if sizes.contains(&0) {
            if !accumulate {
                input_gradient.fill(R::ZERO);
            }
            return;
        }
        let weight =
            Matrix::part(&self.weight[part.outputs.start..], Order::Columns, self.d_output);
        let gradient = Matrix::new(gradient, Order::Columns);
        product(sizes, input_gradient, gradient, weight, accumulate);
    }

    /// The gradient of the weight, from the inputs and the gradient of the outputs before the
    /// activation.
    pub(crate) fn weight_gradient(
        &self,
        input: &[R],
        gradient: &[R],
        weight_gradient: &mut [R],
        rows: usize,
        accumulate: bool,
    ) {
        let sizes = [self.d_input, self.d_output];
        self::weight_gradient(
            sizes,
            &self.parts,
            input,
            gradient,
            weight_gradient,
            rows,
            accumulate,
        );
    }
}

/// The gradient of a weight of `d_input × d_output`, as [`Linear::weight_gradient`]; also of some inputs of a
/// layer that is not in parts.
pub(crate) fn weight_gradient<R: Real>(
    [d_input, d_output]: [usize; 2],
    parts: &[Part],
    input: &[R],
    gradient: &[R],
    weight_gradient: &mut [R],
    rows: usize,
    accumulate: bool,
) {
    if parts.is_empty() {
        return product(
            [d_output, d_input, rows],
            weight_gradient,
            Matrix::new(gradient, Order::Rows),
            Matrix::new(input, Order::Columns),
            accumulate,
        );
    }
    for part in parts.iter().filter(|part| part.n_inputs > 0) {
        let gradient = &gradient[part.outputs.start * rows..part.outputs.end * rows];
        product_in_part(
            [part.outputs.len(), part.n_inputs, rows],
            &mut weight_gradient[part.outputs.start..],
            d_output,
            Matrix::new(gradient, Order::Rows),
            Matrix::new(&input[..part.n_inputs * rows], Order::Columns),
            accumulate,
        );
    }
}

/// Whether a tile of so many rows takes longer with a weight of this shape as it lies than with one that lies
/// column after column.
pub(crate) fn prefers_columns<R: Real>([d_input, d_output]: [usize; 2], rows: usize) -> bool {
    product::prefers_columns::<R>([rows, d_output, d_input])
}

/// Writes a matrix of `rows` rows column after column.
pub(crate) fn transpose<R: Real>(matrix: &[R], rows: usize, transposed: &mut [R]) {
    Transpose { matrix, rows, transposed }.run();
}

struct Transpose<'a, R> {
    matrix: &'a [R],
    rows: usize,
    transposed: &'a mut [R],
}

impl<R: Real> Loop for Transpose<'_, R> {
    #[inline(always)]
    fn body(self) {
        /// The side of a block that is read row by row, and written column by column.
        const SIDE: usize = 16;
        let Self { matrix, rows, transposed } = self;
        let columns = matrix.len() / rows;
        let (whole_rows, whole_columns) = (rows / SIDE * SIDE, columns / SIDE * SIDE);
        for row in (0..whole_rows).step_by(SIDE) {
            for column in (0..whole_columns).step_by(SIDE) {
                let mut block = [[R::ZERO; SIDE]; SIDE];
                for (i, values) in block.iter_mut().enumerate() {
                    values.copy_from_slice(&matrix[(row + i) * columns + column..][..SIDE]);
                }
                for j in 0..SIDE {
                    let to = &mut transposed[(column + j) * rows + row..][..SIDE];
                    to.iter_mut().zip(&block).for_each(|(to, values)| *to = values[j]);
                }
            }
        }
        // What is beside and below the blocks.
        for row in 0..rows {
            let first = if row < whole_rows { whole_columns } else { 0 };
            for column in first..columns {
                transposed[column * rows + row] = matrix[row * columns + column];
            }
        }
    }
}

/// `output += Wᵀ x` for a single row `x`: as fast as the weights can be read, once and in order.
struct OneRow<'a, R> {
    weight: &'a [R],
    input: &'a [R],
    output: &'a mut [R],
}

impl<R: Real> Loop for OneRow<'_, R> {
    #[inline(always)]
    fn body(self) {
        /// Rows of the weight that are added at once, so that the sums are read and written less
        /// often.
        const AT_ONCE: usize = 4;
        let Self { weight, input, output } = self;
        let d_output = output.len();
        let blocks = weight.chunks_exact(AT_ONCE * d_output);
        let values = input.chunks_exact(AT_ONCE);
        let (last_weights, last_values) = (blocks.remainder(), values.remainder());
        for (weights, x) in blocks.zip(values) {
            let (w0, weights) = weights.split_at(d_output);
            let (w1, weights) = weights.split_at(d_output);
            let (w2, w3) = weights.split_at(d_output);
            let weights = w0.iter().zip(w1).zip(w2.iter().zip(w3));
            for (sum, ((&w0, &w1), (&w2, &w3))) in output.iter_mut().zip(weights) {
                *sum += (w0 * x[0] + w1 * x[1]) + (w2 * x[2] + w3 * x[3]);
            }
        }
        for (weights, &x) in last_weights.chunks_exact(d_output).zip(last_values) {
            output.iter_mut().zip(weights).for_each(|(sum, &weight)| *sum += weight * x);
        }
    }
}

/// The sum over the rows of each feature of a tile.
pub(crate) fn sum_rows<R: Real>(tile: &[R], sums: &mut [R], rows: usize, accumulate: bool) {
    SumRows { tile, sums, rows, accumulate }.run();
}

struct SumRows<'a, R> {
    tile: &'a [R],
    sums: &'a mut [R],
    rows: usize,
    accumulate: bool,
}

impl<R: Real> Loop for SumRows<'_, R> {
    #[inline(always)]
    fn body(self) {
        /// Partial sums side by side: a single running sum would be one long chain.
        const AT_ONCE: usize = 32;
        let Self { tile, sums, rows, accumulate } = self;
        for (values, sum) in tile.chunks_exact(rows).zip(sums) {
            let mut partial = [R::ZERO; AT_ONCE];
            let chunks = values.chunks_exact(AT_ONCE);
            let rest = chunks.remainder();
            for chunk in chunks {
                for (partial, &value) in partial.iter_mut().zip(chunk) {
                    *partial += value;
                }
            }
            let total = partial.into_iter().sum::<R>() + rest.iter().copied().sum::<R>();
            *sum = if accumulate { *sum + total } else { total };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers whose products and sums are exact, so that every order of summing gives the same.
    fn numbers(n: usize, modulus: usize) -> Vec<f32> {
        (0..n).map(|i| (i * 7 % modulus) as f32 - 3.0).collect()
    }

    #[test]
    fn all_ways_to_multiply_give_the_sum_of_products() {
        for (d_input, d_output) in [(1, 1), (3, 5), (4, 16), (17, 35), (40, 18)] {
            let (weight, bias) = (numbers(d_input * d_output, 11), numbers(d_output, 5));
            let mut columns = vec![0.0; weight.len()];
            transpose(&weight, d_input, &mut columns);
            // Of some the product is made in strips, of how many depends on the instruction set.
            for (rows, columns) in [1, 6, 40, 200]
                .map(|rows| (rows, None))
                .into_iter()
                .chain([1, 6].map(|rows| (rows, Some(&columns[..]))))
            {
                let activation = Activation::Identity;
                let bias = Some(&bias[..]);
                let linear = Linear {
                    weight: &weight,
                    columns,
                    bias,
                    d_input,
                    d_output,
                    activation,
                    parts: Vec::new(),
                };
                let input = numbers(d_input * rows, 13);
                let mut output = vec![f32::NAN; d_output * rows];
                linear.forward(&input, &mut output, None, rows);
                for (row, j) in (0..rows).flat_map(|row| (0..d_output).map(move |j| (row, j))) {
                    let products =
                        (0..d_input).map(|i| weight[i * d_output + j] * input[i * rows + row]);
                    let expected = products.sum::<f32>() + linear.bias.expect("a bias")[j];
                    assert_eq!(output[j * rows + row], expected, "{d_input} {d_output} {rows}");
                }
                let mut sums = numbers(d_output * rows, 7);
                let expected: Vec<_> = sums.iter().zip(&output).map(|(a, b)| a + b).collect();
                linear.add_to(&mut sums, &input, rows);
                assert_eq!(sums, expected, "{d_input} {d_output} {rows}");
            }
        }
    }

    #[test]
    fn a_part_gives_what_the_layer_gives_where_the_other_inputs_have_no_say() {
        let (d_input, d_output) = (17, 35);
        for (n_inputs, outputs) in [(0, 3..9), (5, 0..1), (9, 4..20), (17, 20..35), (17, 7..7)] {
            let mut weight = numbers(d_input * d_output, 11);
            for input in n_inputs..d_input {
                weight[input * d_output..][outputs.clone()].fill(0.0);
            }
            let bias = numbers(d_output, 5);
            let mut columns = vec![0.0; weight.len()];
            transpose(&weight, d_input, &mut columns);
            for (rows, columns) in [
                (1, None),
                (1, Some(&columns[..])),
                (6, Some(&columns[..])),
                (40, None),
                (200, None),
            ] {
                let layer = Linear {
                    weight: &weight,
                    columns,
                    bias: Some(&bias[..]),
                    d_input,
                    d_output,
                    activation: Activation::Identity,
                    parts: Vec::new(),
                };
                let part = Part { n_inputs, outputs: outputs.clone() };
                let input = numbers(d_input * rows, 13);
                let mut whole = vec![f32::NAN; d_output * rows];
                layer.forward(&input, &mut whole, None, rows);
                let whole = &whole[outputs.start * rows..outputs.end * rows];
                let seen = &input[..n_inputs * rows];
                let mut output = vec![f32::NAN; outputs.len() * rows];
                layer.forward_part(part.clone(), seen, &mut output, None, rows);
                assert_eq!(output, whole);
                let mut sum = vec![1.0; output.len()];
                layer.add_part_to(part.clone(), &mut sum, seen, rows);
                assert!(sum.iter().zip(whole).all(|(sum, whole)| *sum == whole + 1.0));

                let mut gradient = vec![0.0; d_output * rows];
                let of_part = numbers(outputs.len() * rows, 7);
                gradient[outputs.start * rows..outputs.end * rows].copy_from_slice(&of_part);
                let mut expected = vec![f32::NAN; d_input * rows];
                layer.input_gradient(&gradient, &mut expected, rows, false);
                let mut found = vec![0.0; n_inputs * rows];
                layer.add_part_input_gradient(&part, &of_part, &mut found, rows);
                assert_eq!(found, expected[..n_inputs * rows]);
            }
        }
    }

    #[test]
    fn in_parts_it_gives_what_it_gives_as_a_whole() {
        let (d_input, d_output) = (17, 35);
        let parts = [(0, 0..4), (5, 4..20), (16, 20..35)];
        let parts = parts.map(|(n_inputs, outputs)| Part { n_inputs, outputs }).to_vec();
        let mut weight = numbers(d_input * d_output, 11);
        for part in &parts {
            for input in part.n_inputs..d_input {
                weight[input * d_output..][part.outputs.clone()].fill(0.0);
            }
        }
        let bias = numbers(d_output, 5);
        let mut columns = vec![0.0; weight.len()];
        transpose(&weight, d_input, &mut columns);
        for (rows, columns) in [(1, None), (6, Some(&columns[..])), (40, None), (200, None)] {
            let (activation, bias) = (Activation::Identity, Some(&bias[..]));
            let whole = Linear {
                weight: &weight,
                columns,
                bias,
                d_input,
                d_output,
                activation,
                parts: Vec::new(),
            };
            let in_parts = Linear { parts: parts.clone(), ..whole.clone() };
            let (input, gradient) = (numbers(d_input * rows, 13), numbers(d_output * rows, 7));
            let same = |apply: &dyn Fn(&Linear<'_, f32>, &mut [f32]), before: Vec<f32>| {
                let [mut expected, mut found] = [before.clone(), before];
                apply(&whole, &mut expected);
                apply(&in_parts, &mut found);
                assert_eq!(found, expected, "{rows} rows");
            };
            let forward = |linear: &Linear<'_, f32>, output: &mut [f32]| {
                linear.forward(&input, output, None, rows);
            };
            same(&forward, vec![f32::NAN; d_output * rows]);
            same(&|linear, sum| linear.add_to(sum, &input, rows), numbers(d_output * rows, 3));
            for accumulate in [false, true] {
                let below = |linear: &Linear<'_, f32>, below: &mut [f32]| {
                    linear.input_gradient(&gradient, below, rows, accumulate);
                };
                same(&below, numbers(d_input * rows, 5));
                let mut found = numbers(d_input * d_output, 5);
                let mut expected = found.clone();
                in_parts.weight_gradient(&input, &gradient, &mut found, rows, accumulate);
                whole.weight_gradient(&input, &gradient, &mut expected, rows, accumulate);
                for part in &parts {
                    for input in part.n_inputs..d_input {
                        let unused = input * d_output + part.outputs.start..;
                        let unused = &unused.take(part.outputs.len()).collect::<Vec<_>>();
                        unused.iter().for_each(|&place| expected[place] = found[place]);
                    }
                }
                assert_eq!(found, expected, "{rows} rows");
                let left = numbers(d_input * d_output, 5);
                assert_eq!(found[16 * d_output..], left[16 * d_output..], "{rows} rows");
            }
        }
    }

    #[test]
    fn rows_are_summed_whatever_their_number() {
        for rows in [1, 31, 32, 33, 100] {
            let tile = numbers(3 * rows, 11);
            let mut sums = vec![1.0; 3];
            sum_rows(&tile, &mut sums, rows, true);
            for (feature, sum) in sums.into_iter().enumerate() {
                assert_eq!(sum, 1.0 + tile[feature * rows..][..rows].iter().sum::<f32>());
            }
        }
    }
}
