// The log-probability of DDIM's steps against trl's, which DDPO is known by.
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/base/files.h"
#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

// Written by plugins/trainer/ddpo/make_trl.py, from trl's scheduler_step.
constexpr const char* kGolden = ESPALIER_SOURCE_DIR "/plugins/sampler/ddim/trl.json";

at::Tensor tensor_of(const Value& numbers, at::ScalarType dtype) {
  std::vector<double> values;
  for (const auto& number : numbers.as_list()) values.push_back(number.as_number());
  return at::tensor(values, dtype);
}

State state_of(const Value& numbers, at::ScalarType dtype) { return {{"sample", tensor_of(numbers, dtype).view({2, -1})}}; }

struct Chain {
  explicit Chain(const Value& entry)
      : sampler(
            make<Sampler>(plugin("sampler.ddim"), {{"num_inference_steps", entry.at("num_inference_steps")}, {"eta", entry.at("eta")}})) {
    ModelInfo info;
    info.process = entry.at("process");
    info.process["_class_name"] = "DDIMScheduler";
    process = diffusion::make_process(info.process, "the test");
    info.process = process->config();
    phase = sampler->phases({info}, nullptr).front();
  }
  std::optional<at::Tensor> log_prob(const Value& entry, std::size_t step, at::ScalarType dtype) const {
    const auto n = phase.grid.num_steps() - static_cast<std::int64_t>(step);
    const auto& states = entry.at("states").as_list();
    const auto prediction = state_of(entry.at("predictions").as_list()[step], dtype);
    return sampler->solver(phase)->log_prob(state_of(states[step], dtype), prediction, state_of(states[step + 1], dtype),
                                            {*process, phase.grid.at(n), phase.grid.at(n - 1)});
  }
  std::unique_ptr<Sampler> sampler;
  std::shared_ptr<const diffusion::NoiseProcess> process;
  Phase phase;
};

// Returns the largest difference to trl's numbers, of tensors of this dtype.
double largest_difference(at::ScalarType dtype) {
  const auto golden = parse_json(read_file(kGolden), kGolden);
  std::int64_t compared = 0, without = 0;
  double largest = 0.0;
  for (const auto& entry : golden.as_list()) {
    SCOPED_TRACE(to_json(entry.at("process")) + ", eta " + to_json(entry.at("eta")));
    const Chain chain(entry);
    const auto& wanted = entry.at("log_probs").as_list();
    for (std::size_t step = 0; step < wanted.size(); ++step) {
      const auto found = chain.log_prob(entry, step, dtype);
      // The last step ends at the sample itself and has no density. trl clamps the previous timestep to 0 and so ends at abar_0 whatever
      // set_alpha_to_one is.
      const bool last = step + 1 == wanted.size() && entry.at("process").at("set_alpha_to_one").as_bool();
      EXPECT_EQ(found.has_value(), !last) << "step " << step;
      without += last;
      if (!found) continue;
      largest = std::max(largest, (*found - tensor_of(wanted[step], at::kDouble)).abs().max().item<double>());
      ++compared;
    }
  }
  EXPECT_GT(compared, 100);
  EXPECT_EQ(without, 12);
  return largest;
}

// The file is trl's in float64 from its own float32 table of alpha_bar. trl's float32 differs from that by up to 4.7e-6.
TEST(DdimLogProb, IsThatOfTrl) {
  EXPECT_LE(largest_difference(at::kDouble), 1e-6);
  EXPECT_LE(largest_difference(at::kFloat), 1e-5);
}

}  // namespace
}  // namespace espalier::conformance
