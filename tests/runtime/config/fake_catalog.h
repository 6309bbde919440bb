#pragma once

#include "runtime/plugin/catalog.h"

namespace espalier::config {

// Plugins that do nothing, for pipelines that are only read:
//   domain.toy      samples "image", without canonical keys; splits train and held_out; options prompts = "shapes" (its lines are the
//                   prompts of every split; "broken" cannot be opened), size = 16 (> 0)
//   sampler.fake    options num_inference_steps = 10 (> 0), eta = 0.0 (0 to 1)
//   reward.fake     takes "image"; options palette = "warm" (warm or cold, which needs examples), workers = 1 (operational)
//   reward.atoms    takes "molecule"; the option scale must be given
//   filter.fake     option k = 1 (> 0)
//   filter.keyed    needs canonical keys
//   trainer.fake    options max_train_steps = 10, intermediate_step = 0
//   metric.fake     no options; scores, baseline, samples and model, all optional
//   metric.noises   takes inversions
//   metric.atoms    takes "molecule"
//   noise_corrector.fake
plugin::Catalog fake_catalog();

// How often a domain of fake_catalog() was opened, and the seed it was opened with last.
int domain_openings();
std::uint64_t domain_seed();

}  // namespace espalier::config
