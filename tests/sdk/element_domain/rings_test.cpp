#include <ATen/ops/equal.h>
#include <gmock/gmock.h>

#include <cmath>
#include <numbers>

#include "runtime/modelfile/folder.h"
#include "runtime/random/draws.h"
#include "tests/conformance/conformance.h"

namespace espalier::conformance {
namespace {

const std::string kModel = ESPALIER_SOURCE_DIR "/tests/sdk/element_domain/model";

std::unique_ptr<Domain> opened() {
  auto domain = make<Domain>(plugin("domain.rings"));
  domain->open({.seed = 3});
  return domain;
}

TEST(Rings, Conforms) {
  const auto model = modelfile::load(kModel, network::engine_networks(), {.initialize_weights = 3});
  check_domain(plugin("domain.rings"), {}, {.disjoint_splits = false, .model = &model});
}

TEST(Rings, TakesItsModelAndNoOther) {
  auto info = modelfile::info(kModel, network::engine_networks(), {.initialize_weights = 3});
  EXPECT_EQ(opened()->codec(&info)->spec().size(), 4U);
  info.architecture["transformer"]["max_elements"] = 7;
  EXPECT_THAT([&] { opened()->codec(&info); },
              ::testing::ThrowsMessage<DataError>(::testing::HasSubstr("max_elements is 7, but the domain's states have 6")));
}

TEST(Rings, StatesHoldTheRing) {
  const auto domain = opened();
  const auto state = domain->codec(nullptr)->encode(domain->data().examples("train")->at({5}).sample, {});
  random::Draws draws({0, random::Purpose::data}, {5});
  const auto planets = 3 + draws.integers({}, 3).item<std::int64_t>();
  const auto turn = 2.0 * std::numbers::pi * draws.uniforms({}).item<double>();
  EXPECT_EQ(state.at("present").sum().item<std::int64_t>(), planets + 1);
  for (std::int64_t i = 0; i < 6; ++i) {
    const bool planet = i > 0 && i <= planets;
    const auto angle = turn + 2.0 * std::numbers::pi * static_cast<double>(i - 1) / static_cast<double>(planets);
    EXPECT_EQ(state.at("token")[0][i].item<std::int64_t>(), planet ? 1 : 0);
    EXPECT_EQ(state.at("vector")[0][i][0].item<float>(), planet ? static_cast<float>(std::cos(angle)) : 0.0F);
    EXPECT_EQ(state.at("vector")[0][i][1].item<float>(), planet ? static_cast<float>(std::sin(angle)) : 0.0F);
  }
}

TEST(Rings, EncodingADecodedStateGivesItBack) {
  const auto domain = opened();
  const auto codec = domain->codec(nullptr);
  const auto state = codec->encode(domain->data().examples("train")->at({0, 1, 2, 3}).sample, {});
  const auto again = codec->encode(codec->decode(state, {}), {});
  for (const auto& [name, tensor] : state) EXPECT_TRUE(at::equal(tensor, again.at(name))) << name;
}

}  // namespace
}  // namespace espalier::conformance
