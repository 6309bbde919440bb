#include <algorithm>
#include <set>
#include <thread>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/isfinite.h>

#include "runtime/diffusion/interleaved.h"
#include "runtime/random/draws.h"
#include "runtime/sdk/check.h"
#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

std::unique_ptr<Domain> opened(const PluginEntry& entry, const Options& options) {
  auto domain = make<Domain>(entry, options);
  domain->open({.seed = 3});
  return domain;
}

// Adds the digest of this split's examples to `digests`, those of earlier splits. A dataset without examples must refuse a request for
// examples.
void check_digests(const std::string& split, const Dataset& domain, const Dataset& again, std::set<std::string>& digests) {
  if (!domain.has_examples()) {
    EXPECT_THROW(domain.examples(split), ConfigError) << "has_examples() is false, but '" << split << "' has some";
    return;
  }
  const auto digest = domain.examples(split)->digest();
  EXPECT_EQ(digest, again.examples(split)->digest()) << "the examples of '" << split << "' are not stable";
  EXPECT_TRUE(digests.insert(digest).second) << "two splits have the same examples";
}

void check_splits(const Dataset& domain, const Dataset& again, bool disjoint) {
  const auto splits = domain.splits();
  std::set<std::string> texts, digests;
  for (const auto& split : splits) {
    const auto conditions = domain.conditions(split);
    if (!expect_accepted([&] { check_conditions("the domain", split, conditions); })) return;
    EXPECT_EQ(conditions.digest(), again.conditions(split).digest()) << "the conditions of '" << split << "' are not stable";
    check_digests(split, domain, again, digests);
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

// Returns the expected model, or one without a tokenizer, which takes conditions unchanged.
const Model& model_of(const DomainExpectations& expectations) {
  static const Model kNone;
  return expectations.model == nullptr ? kNone : *expectations.model;
}

std::shared_ptr<const Codec> codec_of(const Domain& domain, const DomainExpectations& expectations) {
  return domain.codec(expectations.model == nullptr ? nullptr : &expectations.model->info);
}

std::shared_ptr<const EncodedExamples> encoded_by(const Domain& domain, const std::string& split, const DomainExpectations& expectations) {
  return encode_examples(domain.data().examples(split), codec_of(domain, expectations), model_of(expectations), 7);
}

void check_examples(const Domain& domain, const std::string& split, const DomainExpectations& expectations) {
  SCOPED_TRACE("examples of split '" + split + "'");
  const auto codec = codec_of(domain, expectations);
  const auto examples = encoded_by(domain, split, expectations);
  const std::uint64_t last = examples->size() == 0 ? 1'000'000'000'000 : static_cast<std::uint64_t>(examples->size()) - 1;
  const std::vector<std::uint64_t> positions{0, 1, last};
  const auto whole = examples->at(positions);
  if (!expect_accepted([&] { espalier::check_examples("the domain", whole, codec->spec(), 3); })) return;
  const auto conditions = encode_conditions(domain.data().conditions(split), model_of(expectations));
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

// Returns four states between -1 and 1, for a domain without examples.
State drawn_states(const StateSpec& spec) {
  random::Draws draws({3, random::Purpose::evaluation}, {0, 1, 2, 3});
  draws.begin(0);
  State state;
  for (const auto& [name, field] : spec) state[name] = draws.uniforms(field.shape).mul(2.0).sub(1.0).to(field.dtype);
  return state;
}

void check_decoding(const Domain& domain, const DomainExpectations& expectations) {
  const auto codec = codec_of(domain, expectations);
  const CodecContext context{expectations.model, at::kCPU};
  const auto state = domain.data().has_examples() ? encoded_by(domain, domain.data().splits().front(), expectations)->at({0, 1, 2, 3}).state
                                                  : drawn_states(codec->spec());
  const auto whole = codec->decode(state, context);
  if (!expect_accepted([&] { check_decoded("the domain", whole, domain.sample_kind(), 4); })) return;
  State second;
  for (const auto& [name, tensor] : state) second[name] = tensor.narrow(0, 1, 1).contiguous();
  const auto alone = codec->decode(second, context);
  for (const auto& [name, tensor] : whole.tensors) {
    ASSERT_TRUE(alone.tensors.contains(name)) << name;
    EXPECT_TRUE(at::allclose(alone.tensors.at(name), tensor.narrow(0, 1, 1), expectations.decode_tolerance, expectations.decode_tolerance))
        << "decoded '" << name << "' depends on its batch";
  }
  for (const auto& [name, tensor] : codec->encode(whole, context)) {
    EXPECT_TRUE(at::allclose(tensor.to(at::kDouble), state.at(name).to(at::kDouble), 1e-5, 1e-5))
        << "'" << name << "' of an encoded sample differs from that of the state it was decoded from";
  }
  if (whole.kind == "image") {
    const auto& image = whole.tensors.at("image");
    ASSERT_EQ(image.dim(), 4);
    EXPECT_TRUE(image.size(1) == 3 || image.size(1) == 1) << "image is [B, 3 or 1, H, W]";
    EXPECT_TRUE(image.min().item<double>() >= 0.0 && image.max().item<double>() <= 1.0) << "image is in [0, 1]";
  }
  expect_accepted([&] { check_images("the domain", codec->draw(whole), 4); });
  if (codec->has_canonical_keys()) expect_accepted([&] { check_canonical_keys("the domain", codec->canonical_keys(whole), 4); });
}

constexpr double kTimestep = 100.0;

// Returns the network's input at the first step, counted from the sample, at which the process evaluates it: if parts of a state are given,
// a process may skip steps.
State network_input(const Model& model, const State& state) {
  constexpr std::int64_t kMostSteps = 256;
  for (std::int64_t steps = 1; steps <= kMostSteps; ++steps) {
    const auto query = model.process->query(state, {.steps_remaining = steps, .timestep = kTimestep, .level = {}});
    if (query) return query->input;
  }
  ADD_FAILURE() << "the process evaluates the network at no step for these examples";
  return state;
}

// Checks that the network predicts from the domain's encoded examples.
void check_model(const Domain& domain, const DomainExpectations& expectations) {
  if (expectations.model == nullptr || !domain.data().has_examples()) return;
  const auto& model = *expectations.model;
  ASSERT_TRUE(model.network && model.process);
  const at::NoGradGuard no_grad;
  const auto batch = encoded_by(domain, domain.data().splits().front(), expectations)->at({0, 1});
  const auto timestep = at::full({2}, kTimestep, at::kFloat);
  const auto embedded = model.network->embed(model.weights, batch.condition);
  const auto predicted = model.network->predict(model.weights, network_input(model, batch.state), timestep, embedded);
  for (const auto& [name, tensor] : predicted) {
    ASSERT_TRUE(batch.state.contains(name)) << "the network predicts '" << name << "', which is no field of the state";
    EXPECT_EQ(tensor.size(0), 2) << name;
    EXPECT_TRUE(at::isfinite(tensor).all().item<bool>()) << name;
  }
}

}  // namespace

void check_domain(const PluginEntry& entry, const Options& options, const DomainExpectations& expectations) {
  check_options(entry);
  SCOPED_TRACE("conformance of " + entry.kind + "." + entry.name);
  const auto domain = opened(entry, options);
  const auto again = opened(entry, options);
  if (!expect_accepted([&] { espalier::check_domain("the domain", *domain); })) return;
  EXPECT_EQ(codec_of(*domain, expectations)->key(), codec_of(*again, expectations)->key());
  check_splits(domain->data(), again->data(), expectations.disjoint_splits);
  if (domain->data().has_examples()) {
    for (const auto& split : domain->data().splits()) check_examples(*domain, split, expectations);
  }
  check_decoding(*domain, expectations);
  check_model(*domain, expectations);
}

}  // namespace espalier::conformance
