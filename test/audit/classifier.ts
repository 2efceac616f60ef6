/**
 * Two classifiers that are trained on one half of the pairs and judged on the other: logistic regression over all
 * features, and the single feature that told most in training, which finds what is too weak to be seen among thousands.
 */

export interface Labelled {
  readonly features: Float32Array
  readonly same: boolean
}

/** Whether a pair is taken for one of the same origin. */
export type Classifier = (features: Float32Array) => boolean

const EPOCHS = 8
const FIRST_STEP = 0.05
const DECAY = 1e-3

/** Logistic regression by stochastic gradient descent with weight decay, over standardized features. */
export function trainLinear(training: readonly Labelled[]): Classifier {
  const count = training[0]?.features.length ?? 0
  const { mean, scale } = moments(training, count)
  const weights = new Float64Array(count)
  let bias = 0
  const score = (features: Float32Array) => {
    let sum = bias
    for (let i = 0; i < count; i++) {
      sum += (weights[i] as number) * ((features[i] as number) - (mean[i] as number)) * (scale[i] as number)
    }
    return sum
  }
  for (let epoch = 0; epoch < EPOCHS; epoch++) {
    const step = FIRST_STEP / (1 + epoch) / Math.sqrt(Math.max(1, count / 16))
    for (const { features, same } of training) {
      const error = (same ? 1 : 0) - 1 / (1 + Math.exp(-score(features)))
      bias += step * error
      for (let i = 0; i < count; i++) {
        const value = ((features[i] as number) - (mean[i] as number)) * (scale[i] as number)
        weights[i] = (weights[i] as number) * (1 - step * DECAY) + step * error * value
      }
    }
  }
  return (features) => score(features) > 0
}

/** Of all features and thresholds the one that parts the training pairs best: a decision stump. */
export function trainStump(training: readonly Labelled[]): Classifier {
  const count = training[0]?.features.length ?? 0
  let best = { at: 0, threshold: 0, above: true, right: 0 }
  for (let at = 0; at < count; at++) {
    for (const threshold of thresholds(training, at)) {
      let right = 0
      for (const { features, same } of training) if ((features[at] as number) > threshold === same) right++
      const above = right * 2 >= training.length
      const score = above ? right : training.length - right
      if (score > best.right) best = { at, threshold, above, right: score }
    }
  }
  return (features) => (features[best.at] as number) > best.threshold === best.above
}

/** Between the values of a feature: one for two-valued ones, else at eight quantiles. */
function thresholds(training: readonly Labelled[], at: number): number[] {
  const values = [...new Set(training.map(({ features }) => features[at] as number))].sort((a, b) => a - b)
  if (values.length < 2) return []
  const places = Array.from({ length: 8 }, (_, i) => Math.floor(((i + 1) * (values.length - 1)) / 9))
  return [...new Set(places)].map((place) => ((values[place] as number) + (values[place + 1] as number)) / 2)
}

function moments(training: readonly Labelled[], count: number) {
  const mean = new Float64Array(count)
  const scale = new Float64Array(count)
  for (const { features } of training)
    for (let i = 0; i < count; i++) mean[i] = (mean[i] as number) + (features[i] as number)
  for (let i = 0; i < count; i++) mean[i] = (mean[i] as number) / training.length
  for (const { features } of training) {
    for (let i = 0; i < count; i++)
      scale[i] = (scale[i] as number) + ((features[i] as number) - (mean[i] as number)) ** 2
  }
  for (let i = 0; i < count; i++) {
    const variance = (scale[i] as number) / training.length
    scale[i] = variance > 1e-12 ? 1 / Math.sqrt(variance) : 0
  }
  return { mean, scale }
}
