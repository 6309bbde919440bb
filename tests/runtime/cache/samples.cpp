#include "tests/runtime/cache/samples.h"

#include <ATen/ops/empty.h>

#include <cstring>

namespace espalier::cache::testing {
namespace {

// SplitMix64: any well-mixed function of the arguments will do.
std::uint64_t mixed(std::uint64_t state) {
  state += 0x9e3779b97f4a7c15u;
  state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9u;
  state = (state ^ (state >> 27)) * 0x94d049bb133111ebu;
  return state ^ (state >> 31);
}

at::Tensor filled(const std::vector<std::int64_t>& shape, at::ScalarType dtype, std::uint64_t seed) {
  auto tensor = at::empty(shape, at::TensorOptions().dtype(dtype));
  auto* bytes = static_cast<std::uint8_t*>(tensor.data_ptr());
  for (std::size_t i = 0; i < tensor.nbytes(); ++i) bytes[i] = static_cast<std::uint8_t>(mixed(seed + i));  // NaNs and all
  return tensor;
}

bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && std::memcmp(a.data_ptr(), b.data_ptr(), a.nbytes()) == 0;
}

}  // namespace

Value recipe(std::int64_t seed) {
  const auto grid = Value::Map{{"step", Value::List{50, 25, 0}}, {"timestep", Value::List{999.0, 499.0, -1.0}}};
  const auto segment = Value::Map{{"weights", "9f86d081"}, {"first", 50}, {"last", 0}};
  const auto phase = Value::Map{{"start", "noise"}, {"grid", grid}, {"segments", Value::List{segment}}};
  return Value::Map{
      {"format", 1},
      {"random", "philox4x32-10/1"},
      {"seed", seed},
      {"sampler", Value::Map{{"type", "sampler.ddim"}, {"numerics_version", 1}, {"options", Value::Map{{"eta", 1.0}, {"clip", true}}}}},
      {"phases", Value::List{phase}},
      {"conditions", "60303ae2"},
      {"condition_count", 480},
      {"block_size", kSamples},
      {"micro_batch", 16},
  };
}

Block block(std::uint64_t number, const std::vector<std::int64_t>& steps, std::uint64_t variant, std::int64_t samples) {
  Block out;
  out.number = number;
  for (std::int64_t i = 0; i < samples; ++i) {
    out.index.push_back(number * static_cast<std::uint64_t>(samples) + static_cast<std::uint64_t>(i));
    out.condition.push_back(out.index.back() % 3);
  }
  for (const auto step : steps) {
    const auto seed = mixed(mixed(number * 1000 + static_cast<std::uint64_t>(step)) + variant);
    const double part = static_cast<double>(step) / 50.0;
    out.steps.push_back({step,
                         1000.0 * part,
                         1.0 - part,
                         part,
                         {{"x", filled({samples, 3, 5}, at::kFloat, seed)}, {"code", filled({samples, 6}, at::kBFloat16, ~seed)}}});
  }
  return out;
}

std::vector<double> scores(std::uint64_t number) {
  std::vector<double> out;
  for (std::int64_t i = 0; i < kSamples; ++i)
    out.push_back(static_cast<double>(mixed(number * 77 + static_cast<std::uint64_t>(i)) % 1000) / 7.0);
  return out;
}

Provenance provenance() { return {{Value::Map{{"sampler.x", "digest"}}, Value::Map{{"cpu", "test"}}}, 1.5, 2000}; }

Block only(const Block& block, const std::set<std::int64_t>& steps) {
  auto out = block;
  std::erase_if(out.steps, [&](const Block::Recorded& recorded) { return !steps.contains(recorded.step); });
  return out;
}

std::string difference(const Block& a, const Block& b) {
  if (a.number != b.number) return "number";
  if (a.index != b.index) return "index";
  if (a.condition != b.condition) return "condition";
  if (a.steps.size() != b.steps.size()) return "number of steps";
  for (std::size_t k = 0; k < a.steps.size(); ++k) {
    const auto& left = a.steps[k];
    const auto& right = b.steps[k];
    const auto at = " at step " + std::to_string(left.step);
    if (left.step != right.step) return "steps" + at;
    if (left.timestep != right.timestep || left.alpha != right.alpha || left.sigma != right.sigma) return "schedule" + at;
    if (left.state.size() != right.state.size()) return "fields" + at;
    for (const auto& [name, tensor] : left.state) {
      if (!right.state.contains(name) || !same_bits(tensor, right.state.at(name))) return name + at;
    }
  }
  return "";
}

}  // namespace espalier::cache::testing
