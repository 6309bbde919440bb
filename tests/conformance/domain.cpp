#include <algorithm>
#include <filesystem>
#include <set>
#include <thread>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>

#include "runtime/base/files.h"
#include "runtime/diffusion/interleaved.h"
#include "runtime/sdk/check.h"
#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

std::unique_ptr<Domain> opened(const PluginEntry& entry, const Options& options) {
  auto domain = make<Domain>(entry, options);
  domain->open({.seed = 3});
  return domain;
}

void check_splits(const Domain& domain, const Domain& again, bool disjoint) {
  const auto splits = domain.splits();
  std::set<std::string> texts, digests;
  for (const auto& split : splits) {
    const auto conditions = domain.conditions(split);
    if (!expect_accepted([&] { check_conditions("the domain", split, conditions); })) return;
    EXPECT_EQ(conditions.digest(), again.conditions(split).digest()) << "the conditions of '" << split << "' are not stable";
    EXPECT_EQ(domain.examples(split)->digest(), again.examples(split)->digest()) << "the examples of '" << split << "' are not stable";
    EXPECT_TRUE(digests.insert(domain.examples(split)->digest()).second) << "two splits have the same examples";
    if (!disjoint) continue;
    for (const auto& text : std::set<std::string>(conditions.text.begin(), conditions.text.end())) {
      EXPECT_TRUE(texts.insert(text).second) << "'" << text << "' is in two splits";
    }
  }
  try {
    domain.conditions("no such split");
    ADD_FAILURE() << "an unknown split was accepted";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find(splits.front()), std::string::npos) << "the message names no split: " << error.what();
  }
}

void expect_rows(const TensorMap& whole, const TensorMap& part, std::int64_t first) {
  ASSERT_EQ(whole.size(), part.size());
  for (const auto& [name, tensor] : part) {
    EXPECT_TRUE(at::equal(tensor, whole.at(name).narrow(0, first, tensor.size(0)))) << "'" << name << "' depends on its batch";
  }
}

void check_examples(const Domain& domain, const std::string& split) {
  SCOPED_TRACE("examples of split '" + split + "'");
  const auto examples = domain.examples(split);
  const std::uint64_t last = examples->size() == 0 ? 1'000'000'000'000 : static_cast<std::uint64_t>(examples->size()) - 1;
  const std::vector<std::uint64_t> positions{0, 1, last};
  const auto whole = examples->at(positions);
  if (!expect_accepted([&] { espalier::check_examples("the domain", whole, domain.state_spec(), 3); })) return;
  const auto conditions = domain.conditions(split);
  ASSERT_EQ(whole.condition.size(), conditions.tensors.size());
  for (const auto& [name, tensor] : whole.condition) EXPECT_TRUE(conditions.tensors.contains(name)) << name;
  for (std::int64_t row = 0; row < 3; ++row) {
    const auto alone = examples->at({positions[static_cast<std::size_t>(row)]});
    expect_rows(whole.state, alone.state, row);
    expect_rows(whole.condition, alone.condition, row);
    EXPECT_EQ(alone.metadata.front(), whole.metadata[static_cast<std::size_t>(row)]);
  }
  Hex digests[2];
  std::thread threads[2];
  for (int i = 0; i < 2; ++i) {
    threads[i] = std::thread([&, i] { digests[i] = digest_weights(examples->at(positions).state); });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& digest : digests) EXPECT_EQ(digest, digest_weights(whole.state)) << "read from two threads at once";
}

void check_decoding(const Domain& domain, const DomainExpectations& expectations) {
  const auto state = domain.examples(domain.splits().front())->at({0, 1, 2, 3}).state;
  const auto whole = domain.decode(state);
  if (!expect_accepted([&] { check_decoded("the domain", whole, domain.sample_kind(), 4); })) return;
  State second;
  for (const auto& [name, tensor] : state) second[name] = tensor.narrow(0, 1, 1).contiguous();
  const auto alone = domain.decode(second);
  for (const auto& [name, tensor] : whole.tensors) {
    ASSERT_TRUE(alone.tensors.contains(name)) << name;
    EXPECT_TRUE(at::allclose(alone.tensors.at(name), tensor.narrow(0, 1, 1), expectations.decode_tolerance, expectations.decode_tolerance))
        << "decoded '" << name << "' depends on its batch";
  }
  if (whole.kind == "image") {
    const auto& image = whole.tensors.at("image");
    ASSERT_EQ(image.dim(), 4);
    EXPECT_TRUE(image.size(1) == 3 || image.size(1) == 1) << "image is [B, 3 or 1, H, W]";
    EXPECT_TRUE(image.min().item<double>() >= 0.0 && image.max().item<double>() <= 1.0) << "image is in [0, 1]";
  }
  expect_accepted([&] { check_images("the domain", domain.draw(whole), 4); });
  if (domain.has_canonical_keys()) expect_accepted([&] { check_canonical_keys("the domain", domain.canonical_keys(whole), 4); });
}

constexpr double kTimestep = 100.0;

// What the process gives its network at the last step at which there is something to ask: parts of a state may be given.
State network_input(const Model& model, const State& state) {
  constexpr std::int64_t kMostSteps = 256;
  for (std::int64_t steps = 1; steps <= kMostSteps; ++steps) {
    const auto query = model.process->query(state, {.steps_remaining = steps, .timestep = kTimestep, .level = {}});
    if (query) return query->input;
  }
  ADD_FAILURE() << "the process has nothing to ask for these examples";
  return state;
}

State predicted(const Domain& domain, const Model& model) {
  const at::NoGradGuard no_grad;
  const auto batch = domain.examples(domain.splits().front())->at({0, 1});
  const auto timestep = at::full({2}, kTimestep, at::kFloat);
  return model.network->predict(model.weights, network_input(model, batch.state), timestep,
                                model.network->embed(model.weights, batch.condition));
}

void check_model_folder(const Domain& domain) {
  const auto folder = domain.model_folder();
  if (folder.empty()) return;
  const auto info = domain.model_info(folder);
  const auto model = domain.load_model(folder);
  EXPECT_EQ(info.digest, digest_weights(model.weights)) << "model_info()'s digest is not that of the weights";
  EXPECT_EQ(info.to_value(), model.info.to_value());
  ASSERT_TRUE(model.network && model.process);
  expect_accepted([&] { check_loaded("the domain", model); });
  EXPECT_EQ(model.network->architecture(), info.architecture);
  EXPECT_EQ(model.process->config(), info.process);
  const auto copy = std::filesystem::temp_directory_path() / ("espalier-" + unique_name());
  std::filesystem::create_directory(copy);
  domain.save_model(model, copy);
  const auto again = domain.load_model(copy);
  EXPECT_EQ(domain.model_info(copy).to_value(), info.to_value()) << "written and read again, the model has other properties";
  const auto before = predicted(domain, model), after = predicted(domain, again);
  for (const auto& [name, tensor] : before) EXPECT_TRUE(at::equal(tensor, after.at(name))) << "predicted '" << name << "' differs";
  std::filesystem::remove_all(copy);
}

}  // namespace

void check_domain(const PluginEntry& entry, const Options& options, const DomainExpectations& expectations) {
  check_options(entry);
  SCOPED_TRACE("conformance of " + entry.kind + "." + entry.name);
  const auto domain = opened(entry, options);
  const auto again = opened(entry, options);
  if (!expect_accepted([&] { espalier::check_domain("the domain", *domain); })) return;
  EXPECT_EQ(domain->decoder(), again->decoder());
  check_splits(*domain, *again, expectations.disjoint_splits);
  for (const auto& split : domain->splits()) check_examples(*domain, split);
  check_decoding(*domain, expectations);
  check_model_folder(*domain);
}

}  // namespace espalier::conformance
