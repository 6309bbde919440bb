#pragma once

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "runtime/sdk/plugin.h"

// Flows on the plane for tests of the whole method: the loaded plugins invert, train and sample them as a pipeline's stages would.
namespace espalier::inverse_noise {

// Equal parts N(mean_i, spread^2 I); rows are independent.
struct MixtureLaw {
  std::vector<std::array<double, 2>> means;
  double spread = 1.0;
  at::Tensor sample(std::int64_t count, std::uint64_t seed) const;  // [count, 2]
};

MixtureLaw standard_normal();
MixtureLaw ring();  // eight parts

Model mixture_flow(const MixtureLaw& law);                                           // the exact velocity of a law, nothing to train
Model perceptron_flow(std::int64_t width, std::int64_t hidden, std::uint64_t seed);  // fresh weights, `hidden` hidden layers
std::int64_t parameters_of(const Model& model);

// A state "x" [2] and no conditions; endless examples of the law.
std::unique_ptr<Domain> plane(const MixtureLaw& law);

// trainer.sft on the domain's examples.
Model train_flow(const Domain& domain, const Model& start, const Value::Map& options);

// What noise_corrector.inverse_noise finds behind `count` examples of the domain.
struct Noises {
  at::Tensor noise;            // [K, 2], of the converged ones
  CorrectedSampling corrects;  // of a model that is trained on them
  std::int64_t quarantined = 0;
};
Noises invert_examples(const Domain& domain, const Model& base, std::int64_t count, const Value::Map& options);

// trainer.sft on rows that stand in for inverted noises.
Model train_corrector(const Domain& domain, const Model& start, const at::Tensor& rows, const CorrectedSampling& corrects,
                      const Value::Map& options);

// sampler.euler in `steps` steps, from the prior where there is one: [count, 2]. Noise belongs to the row, whatever the models.
at::Tensor sample_flow(const Domain& domain, const Model& base, std::int64_t steps, std::int64_t count, const Model* prior = nullptr,
                       std::int64_t prior_steps = 10);
at::Tensor sampling_noise(std::int64_t count);  // [count, 2], what sample_flow starts from

// Energy distance, unbiased: 2 E|a - b| - E|a - a'| - E|b - b'| (Szekely and Rizzo, J. Stat. Plan. Inference 143 (2013)).
double energy_distance(const at::Tensor& a, const at::Tensor& b);

}  // namespace espalier::inverse_noise
