//! [`NetworkMasks`]: which weights of a network connect, so that its outputs depend on the inputs that an
//! adjacency allows.
//!
//! Every unit has a set of inputs that it may see, one of those that the outputs have; a unit may see
//! another whose set is within its own. Units and inputs have a *pass*: in which step of the slow
//! direction they are known.

use burn::tensor::{Tensor, TensorData};

use crate::adjacency::Adjacency;

/// The masks of all linear layers of a network.
#[derive(Debug)]
pub struct NetworkMasks {
    pub(crate) adjacency: Adjacency,
    /// Of the hidden layers, the first of which reads the features and, after them, the context.
    pub(crate) hidden: Vec<WeightMask>,
    /// Of the linear layers of the residual blocks, and of their gates, which read the context.
    pub(crate) block: WeightMask,
    pub(crate) gate: WeightMask,
    /// Of the output layer: the first parameter of all features, then the second.
    pub(crate) output: WeightMask,
}

/// Which weights of a linear layer connect.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "flex"),
    expect(dead_code, reason = "the order of the passes is for kernels, and no backend has any")
)]
pub struct WeightMask {
    /// `[d_input, d_output]`, row after row.
    pub(crate) connects: Vec<bool>,
    /// The inputs and the outputs by their passes.
    pub(crate) inputs: Sorted,
    pub(crate) outputs: Sorted,
}

/// Inputs or outputs of a layer in the order of their passes.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "flex"),
    expect(dead_code, reason = "the order of the passes is for kernels, and no backend has any")
)]
pub struct Sorted {
    pub(crate) order: Vec<usize>,
    /// In that order.
    passes: Vec<usize>,
}

/// A unit: its set among the sets, and its pass.
#[derive(Clone, Copy)]
struct Unit {
    set: usize,
    pass: usize,
}

impl NetworkMasks {
    /// For a network of hidden layers of these widths, after which residual blocks may come.
    pub(super) fn new(
        adjacency: &Adjacency,
        d_context: usize,
        n_parameters: usize,
        widths: &[usize],
    ) -> Self {
        let (sets, passes) = (Sets::new(adjacency, d_context), adjacency.passes());
        let d_features = passes.len();
        let input_passes: Vec<usize> =
            passes.iter().map(|pass| pass + 1).chain(vec![0; d_context]).collect();
        let mut layers: Vec<Vec<Unit>> = Vec::with_capacity(widths.len());
        for &width in widths {
            let units = sets.units(layers.last().map(Vec::as_slice), width);
            layers.push(units);
        }
        let outputs: Vec<Unit> = (0..n_parameters * d_features)
            .map(|i| i % d_features)
            .map(|feature| Unit { set: sets.of_feature[feature], pass: passes[feature] })
            .collect();
        let of_inputs = |first: usize, to: &[Unit]| {
            WeightMask::new(&input_passes[first..], to, |input, set| sets.rows[set][first + input])
        };
        let of_units = |from: &[Unit], to: &[Unit]| {
            let passes: Vec<usize> = from.iter().map(|unit| unit.pass).collect();
            WeightMask::new(&passes, to, |input, set| sets.hold(set, from[input].set))
        };
        let hidden = layers.iter().enumerate().map(|(i, units)| match i.checked_sub(1) {
            Some(before) => of_units(&layers[before], units),
            None => of_inputs(0, units),
        });
        let hidden = hidden.collect();
        let last = layers.last().map_or(&[][..], Vec::as_slice);
        Self {
            adjacency: adjacency.clone(),
            hidden,
            block: of_units(last, last),
            gate: of_inputs(d_features, last),
            output: if layers.is_empty() {
                of_inputs(0, &outputs)
            } else {
                of_units(last, &outputs)
            },
        }
    }

    /// How many units a hidden layer needs, so that all dependences have a way through: one for each set
    /// that has an input.
    pub(super) fn least_width(adjacency: &Adjacency, d_context: usize) -> usize {
        let sets = Sets::new(adjacency, d_context);
        sets.rows.iter().filter(|row| row.contains(&true)).count()
    }

    /// The mask of the layer that reads the input.
    #[cfg(feature = "flex")]
    pub(crate) fn first(&self) -> &WeightMask {
        self.hidden.first().unwrap_or(&self.output)
    }
}

impl WeightMask {
    fn new(
        input_passes: &[usize],
        outputs: &[Unit],
        connects: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let connects = (0..input_passes.len())
            .flat_map(|input| outputs.iter().map(move |output| (input, output.set)))
            .map(|(input, set)| connects(input, set))
            .collect();
        let output_passes: Vec<usize> = outputs.iter().map(|unit| unit.pass).collect();
        Self { connects, inputs: Sorted::new(input_passes), outputs: Sorted::new(&output_passes) }
    }

    /// The weight with zeros where it does not connect.
    pub(super) fn apply(&self, weight: Tensor<2>) -> Tensor<2> {
        let shape = weight.dims();
        let others: Vec<bool> = self.connects.iter().map(|connects| !connects).collect();
        let others = Tensor::from_data(TensorData::new(others, shape), &weight.device());
        weight.mask_fill(others, 0.0)
    }
}

impl Sorted {
    fn new(passes: &[usize]) -> Self {
        let mut order: Vec<usize> = (0..passes.len()).collect();
        order.sort_by_key(|&place| passes[place]);
        let passes = order.iter().map(|&place| passes[place]).collect();
        Self { order, passes }
    }

    /// The pass of the one at a place in the order.
    #[cfg(feature = "flex")]
    pub(crate) fn pass(&self, place: usize) -> usize {
        self.passes[place]
    }

    /// How many are known before so many passes are over.
    #[cfg(feature = "flex")]
    pub(crate) fn before(&self, pass: usize) -> usize {
        self.passes.partition_point(|&of_one| of_one < pass)
    }
}

/// The sets of inputs that outputs may see, each once, in the order of zuko (that of `torch.unique`).
struct Sets {
    /// Whether a set has an input.
    rows: Vec<Vec<bool>>,
    /// The same, 64 inputs in a number.
    bits: Vec<Vec<u64>>,
    passes: Vec<usize>,
    of_feature: Vec<usize>,
}

impl Sets {
    fn new(adjacency: &Adjacency, d_context: usize) -> Self {
        let d_features = adjacency.d_features();
        let of_features: Vec<Vec<bool>> = (0..d_features)
            .map(|feature| {
                let features = (0..d_features).map(|other| adjacency.allows(feature, other));
                let context = (0..d_context).map(|x| adjacency.allows_context(feature, x));
                features.chain(context).collect()
            })
            .collect();
        let mut rows = of_features.clone();
        rows.sort();
        rows.dedup();
        let bits_of = |row: &Vec<bool>| {
            let of_chunk = |chunk: &[bool]| {
                chunk.iter().enumerate().map(|(bit, &is_in)| u64::from(is_in) << bit).sum()
            };
            row.chunks(64).map(of_chunk).collect()
        };
        let pass_of = |row: &Vec<bool>| {
            let seen = row.iter().zip(adjacency.passes()).filter(|(is_in, _)| **is_in);
            seen.map(|(_, pass)| pass + 1).max().unwrap_or(0)
        };
        let place = |row: &Vec<bool>| rows.binary_search(row).expect("it is among them");
        Self {
            of_feature: of_features.iter().map(place).collect(),
            bits: rows.iter().map(bits_of).collect(),
            passes: rows.iter().map(pass_of).collect(),
            rows,
        }
    }

    /// Whether a set has all inputs of another.
    fn hold(&self, set: usize, other: usize) -> bool {
        self.bits[set].iter().zip(&self.bits[other]).all(|(set, other)| set & other == *other)
    }

    /// So many units that read the input or other units: they take turns in the sets of which they see
    /// something.
    fn units(&self, before: Option<&[Unit]>, width: usize) -> Vec<Unit> {
        let sees = |&set: &usize| match before {
            Some(units) => units.iter().any(|unit| self.hold(set, unit.set)),
            None => self.rows[set].contains(&true),
        };
        let mut reached: Vec<usize> = (0..self.rows.len()).filter(sees).collect();
        if reached.is_empty() {
            // Of a single feature, or of one pass, nothing depends on anything.
            reached = (0..self.rows.len()).collect();
        }
        let unit = |i: usize| {
            let set = reached[i % reached.len()];
            Unit { set, pass: self.passes[set] }
        };
        (0..width).map(unit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Order;

    /// The features that the parameters of each feature can see along the weights that connect.
    fn seen(masks: &NetworkMasks, d_input: usize) -> Vec<Vec<bool>> {
        let through = |seen: Vec<Vec<bool>>, mask: &WeightMask| -> Vec<Vec<bool>> {
            let n = mask.outputs.order.len();
            let of_output = |output: usize| {
                let mut all = vec![false; d_input];
                for (input, seen) in seen.iter().enumerate() {
                    if mask.connects[input * n + output] {
                        all.iter_mut().zip(seen).for_each(|(all, seen)| *all |= seen);
                    }
                }
                all
            };
            (0..n).map(of_output).collect()
        };
        let inputs: Vec<Vec<bool>> =
            (0..d_input).map(|i| (0..d_input).map(|j| i == j).collect()).collect();
        through(masks.hidden.iter().fold(inputs, through), &masks.output)
    }

    #[test]
    fn outputs_see_what_the_adjacency_allows_and_nothing_else() {
        let tree = ["00001", "10000", "10001", "01001"];
        let tree = tree.map(|row| row.chars().map(|x| x == '1').collect()).to_vec();
        let adjacencies = [
            (Adjacency::autoregressive(&Order::custom(vec![2, 0, 3, 1])), 0),
            (Adjacency::autoregressive(&Order::natural(4)), 1),
            (Adjacency::in_passes(&Order::reversed(5), 2), 2),
            (Adjacency::in_passes(&Order::natural(5), 3), 0),
            (Adjacency::in_passes(&Order::natural(3), 1), 0),
            (Adjacency::autoregressive(&Order::natural(1)), 0),
            (Adjacency::custom(tree), 1),
        ];
        for (adjacency, d_context) in adjacencies {
            let d = adjacency.d_features();
            let least = NetworkMasks::least_width(&adjacency, d_context);
            for widths in [&[][..], &[9], &[7, 12, 8], &[least.max(1); 3]] {
                let masks = NetworkMasks::new(&adjacency, d_context, 2, widths);
                for (output, seen) in seen(&masks, d + d_context).into_iter().enumerate() {
                    let feature = output % d;
                    let allowed = (0..d).map(|other| adjacency.allows(feature, other));
                    let context = (0..d_context).map(|x| adjacency.allows_context(feature, x));
                    let allowed: Vec<bool> = allowed.chain(context).collect();
                    assert_eq!(seen, allowed, "{adjacency:?}, {widths:?}, feature {feature}");
                }
            }
        }
    }

    #[test]
    #[cfg(feature = "flex")]
    fn what_connects_is_known_in_time() {
        let adjacency = Adjacency::in_passes(&Order::custom(vec![2, 0, 3, 1]), 3);
        let masks = NetworkMasks::new(&adjacency, 2, 2, &[6, 5]);
        for mask in masks.hidden.iter().chain([&masks.block, &masks.gate, &masks.output]) {
            let passes = |sorted: &Sorted| {
                let mut passes = vec![0; sorted.order.len()];
                let pairs = sorted.order.iter().zip(&sorted.passes);
                pairs.for_each(|(&place, &pass)| passes[place] = pass);
                passes
            };
            let (inputs, outputs) = (passes(&mask.inputs), passes(&mask.outputs));
            for (i, connects) in mask.connects.iter().enumerate() {
                let (input, output) = (inputs[i / outputs.len()], outputs[i % outputs.len()]);
                assert!(!connects || input <= output);
            }
        }
        assert_eq!(masks.hidden[0].inputs.order, [4, 5, 0, 2, 1, 3]);
        assert_eq!(masks.hidden[0].inputs.before(1), 2);
        assert_eq!(masks.hidden[0].inputs.before(2), 4);
    }
}
