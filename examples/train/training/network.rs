//! A network of fully connected layers: tanh inside, softmax at the end, cross-entropy for its loss, learnt by stochastic
//! gradient descent with momentum.

use std::ops::{AddAssign, Range};

use super::Example;
use super::random::Random;

/// Share of the last step that the next one keeps.
const MOMENTUM: f32 = 0.9;
/// A gradient longer than this is cut to it: one odd batch must not throw the weights far off.
const LONGEST_GRADIENT: f32 = 5.0;

/// A network: its weights, layer after layer, each unit's weights followed by its bias.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Network {
    layers: Vec<usize>,
    weights: Vec<f32>,
    velocity: Vec<f32>,
}

/// How well a network did on examples it had not seen before.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Score {
    /// Their number.
    pub(super) examples: u32,
    loss: f64,
    right: u32,
}

impl Score {
    /// Mean cross-entropy, in nats.
    pub(super) fn mean_loss(&self) -> f64 {
        self.loss / f64::from(self.examples.max(1))
    }

    /// The share it put into the right class.
    pub(super) fn accuracy(&self) -> f64 {
        f64::from(self.right) / f64::from(self.examples.max(1))
    }
}

impl AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.examples = self.examples.saturating_add(other.examples);
        self.loss += other.loss;
        self.right = self.right.saturating_add(other.right);
    }
}

impl Network {
    /// A network that knows nothing. Weights begin as Glorot and Bengio (2010) advise: wide layers with small ones.
    pub(super) fn new(layers: &[usize], random: &mut Random) -> Self {
        let mut weights = Vec::with_capacity(count_of(layers));
        for pair in layers.windows(2) {
            let (inputs, outputs) = (pair[0], pair[1]);
            let deviation = (2.0 / (inputs + outputs) as f32).sqrt();
            for _ in 0..outputs {
                weights.extend((0..inputs).map(|_| random.normal() * deviation));
                weights.push(0.0);
            }
        }
        let velocity = vec![0.0; weights.len()];
        Self { layers: layers.to_vec(), weights, velocity }
    }

    /// A network that was left in a checkpoint.
    pub(super) fn of(layers: &[usize], weights: Vec<f32>, velocity: Vec<f32>) -> Result<Self, String> {
        let count = count_of(layers);
        if weights.len() != count || velocity.len() != count {
            return Err(format!("it holds {} weights where {count} are wanted", weights.len()));
        }
        if !weights.iter().chain(&velocity).all(|value| value.is_finite()) {
            return Err("it holds weights that are no numbers".to_owned());
        }
        Ok(Self { layers: layers.to_vec(), weights, velocity })
    }

    pub(super) fn weights(&self) -> &[f32] {
        &self.weights
    }

    pub(super) fn velocity(&self) -> &[f32] {
        &self.velocity
    }

    /// One step down the gradient of the mean loss of `examples`; the score is that before the step.
    pub(super) fn learn(&mut self, examples: &[Example], rate: f32) -> Score {
        let (score, mut gradient) = self.gradient(examples);
        let length = gradient.iter().map(|value| value * value).sum::<f32>().sqrt();
        if LONGEST_GRADIENT < length {
            for value in &mut gradient {
                *value *= LONGEST_GRADIENT / length;
            }
        }
        for ((weight, velocity), slope) in self.weights.iter_mut().zip(&mut self.velocity).zip(gradient) {
            *velocity = MOMENTUM * *velocity - rate * slope;
            *weight += *velocity;
        }
        score
    }

    /// The score on `examples` and the gradient of their mean loss, by backpropagation.
    pub(super) fn gradient(&self, examples: &[Example]) -> (Score, Vec<f32>) {
        let mut gradient = vec![0.0; self.weights.len()];
        let mut score = Score::default();
        let share = 1.0 / examples.len() as f32;
        for Example { input, class } in examples {
            let values = self.forward(input);
            let probabilities = values.last().expect("a network has an output layer");
            score += Score {
                examples: 1,
                loss: -f64::from(probabilities[*class].max(f32::MIN_POSITIVE)).ln(),
                right: u32::from(largest(probabilities) == *class),
            };
            // The slope of softmax and cross-entropy together: what was said minus what is so.
            let mut slopes = probabilities.clone();
            slopes[*class] -= 1.0;
            for layer in (0..self.layers.len() - 1).rev() {
                slopes = self.backward(layer, &values[layer], &slopes, share, &mut gradient);
            }
        }
        (score, gradient)
    }

    /// The values of all layers, the input first and the probabilities of the classes last.
    fn forward(&self, input: &[f32]) -> Vec<Vec<f32>> {
        let mut values = vec![input.to_vec()];
        let last = self.layers.len() - 2;
        for layer in 0..=last {
            let inputs = &values[layer];
            let sums = self.units(layer).map(|unit| {
                let (bias, weights) = self.weights[unit].split_last().expect("a unit has a bias");
                bias + weights.iter().zip(inputs).map(|(weight, value)| weight * value).sum::<f32>()
            });
            values.push(if layer == last { softmax(sums.collect()) } else { sums.map(f32::tanh).collect() });
        }
        values
    }

    /// Adds a layer's part to the gradient, and gives back the slopes of what goes into the layer.
    fn backward(&self, layer: usize, inputs: &[f32], slopes: &[f32], share: f32, gradient: &mut [f32]) -> Vec<f32> {
        let mut slopes_before = vec![0.0; inputs.len()];
        for (unit, slope) in self.units(layer).zip(slopes) {
            let weights = &self.weights[unit.clone()];
            let gradient = &mut gradient[unit];
            for (index, input) in inputs.iter().enumerate() {
                gradient[index] += share * slope * input;
                slopes_before[index] += slope * weights[index];
            }
            gradient[inputs.len()] += share * slope;
        }
        // The inputs of all layers but the first went through tanh, whose slope is 1 - tanh^2.
        if 0 < layer {
            for (slope, input) in slopes_before.iter_mut().zip(inputs) {
                *slope *= 1.0 - input * input;
            }
        }
        slopes_before
    }

    /// Where the weights of each unit of a layer lie, its bias last.
    fn units(&self, layer: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let first = count_of(&self.layers[..=layer]);
        let (width, units) = (self.layers[layer] + 1, self.layers[layer + 1]);
        (0..units).map(move |unit| first + unit * width..first + (unit + 1) * width)
    }

    /// The same network with one weight changed, to measure what backpropagation computes.
    #[cfg(test)]
    pub(super) fn nudged(&self, weight: usize, by: f32) -> Self {
        let mut nudged = self.clone();
        nudged.weights[weight] += by;
        nudged
    }
}

/// How many weights there are between these layers.
fn count_of(layers: &[usize]) -> usize {
    layers.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum()
}

fn softmax(mut sums: Vec<f32>) -> Vec<f32> {
    let highest = sums.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for value in &mut sums {
        *value = (*value - highest).exp();
    }
    let total: f32 = sums.iter().sum();
    for value in &mut sums {
        *value /= total;
    }
    sums
}

fn largest(values: &[f32]) -> usize {
    (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b])).unwrap_or(0)
}
