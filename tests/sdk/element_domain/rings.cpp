// Rings: one sun (class 0) in the middle and 3 to 5 planets (class 1) evenly around it, turned at random.
#include <ATen/TensorOperators.h>
#include <ATen/ops/where.h>

#include <cmath>
#include <numbers>

#include "plugins/shared/elements/set_domain.h"
#include "runtime/base/errors.h"
#include "runtime/random/draws.h"

namespace {

using namespace espalier;

constexpr std::int64_t kMost = 6;  // a sun and five planets

// Example p of a split is always the same one.
elements::ElementSet ring(const std::string& split, std::uint64_t p) {
  random::Draws draws({split == "train" ? 0U : 1U, random::Purpose::data}, {p});
  const auto planets = 3 + draws.integers({}, 3).item<std::int64_t>();
  const auto turn = 2.0 * std::numbers::pi * draws.uniforms({}).item<double>();
  elements::ElementSet set{{0}, {0.0F, 0.0F}};
  for (std::int64_t i = 0; i < planets; ++i) {
    const auto angle = turn + 2.0 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(planets);
    set.token.push_back(1);
    set.vector.push_back(static_cast<float>(std::cos(angle)));
    set.vector.push_back(static_cast<float>(std::sin(angle)));
  }
  return set;
}

class RingExamples final : public Examples {
 public:
  explicit RingExamples(std::string split) : split_(std::move(split)) {}
  std::int64_t size() const override { return 0; }  // without end
  Hex digest() const override { return espalier::digest(Value::Map{{"rings", 1}, {"split", split_}}); }
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    std::vector<elements::ElementSet> sets;
    for (const auto p : positions) sets.push_back(ring(split_, p));
    Batch batch{elements::pack(sets, kMost, 2), {}, {}};
    batch.condition = batch.state;
    for (const auto& set : sets) batch.metadata.push_back(Value::Map{{"planets", set.size() - 1}});
    return batch;
  }

 private:
  std::string split_;
};

class Rings final : public elements::SetDomain {
 public:
  void options(Schema& schema) override { model_options(schema); }
  void open(const DomainContext& context) override { open_model(context, "domain.rings"); }

  std::vector<std::string> splits() const override { return {"train", "held_out"}; }
  std::unique_ptr<Examples> examples(const std::string& split) const override {
    check(split);
    return std::make_unique<RingExamples>(split);
  }

  // A condition is how many elements there are, and what of them is given: here nothing.
  Conditions conditions(const std::string& split) const override {
    check(split);
    std::vector<elements::ElementSet> sets;
    std::vector<std::string> text;
    std::vector<Value> metadata;
    for (std::size_t planets = 3; planets <= 5; ++planets) {
      sets.push_back({std::vector<std::int64_t>(planets + 1), std::vector<float>(2 * (planets + 1))});
      text.push_back(std::to_string(planets) + " planets");
      metadata.push_back(Value::Map{{"planets", static_cast<std::int64_t>(planets)}});
    }
    return elements::conditions(sets, text, metadata, kMost, 2);
  }

  std::string sample_kind() const override { return "rings"; }
  Value decoder() const override { return Value::Map{{"type", "rings"}, {"version", 1}}; }
  Sample decode(const State& state) const override {
    return {"rings", {{"class", at::where(state.at("present"), state.at("token"), -1)}, {"point", state.at("vector")}}, {}};
  }

  // Yellow suns and blue planets on a dark ground.
  std::vector<Image> draw(const Sample& sample) const override {
    constexpr std::int64_t kSide = 48;
    std::vector<Image> images;
    for (std::int64_t b = 0; b < sample.tensors.at("class").size(0); ++b) {
      Image image{kSide, kSide, std::vector<std::uint8_t>(3 * kSide * kSide, 20)};
      for (std::int64_t e = 0; e < kMost; ++e) {
        const auto kind = sample.tensors.at("class")[b][e].item<std::int64_t>();
        const auto point = sample.tensors.at("point")[b][e].mul(15.0).add(kSide / 2).round().clamp(0, kSide - 1).to(at::kLong);
        if (kind < 0) continue;
        auto* pixel = &image.rgb[static_cast<std::size_t>(3 * (kSide * point[1].item<std::int64_t>() + point[0].item<std::int64_t>()))];
        pixel[0] = pixel[1] = kind == 0 ? 250 : 90;
        pixel[2] = kind == 0 ? 90 : 250;
      }
      images.push_back(std::move(image));
    }
    return images;
  }

 protected:
  Shape shape() const override { return {kMost, /*classes=*/2, /*numbers a vector has=*/2}; }

 private:
  void check(const std::string& split) const {
    if (split != "train" && split != "held_out") throw ConfigError("domain.rings: no split '" + split + "'; there are train and held_out");
  }
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.domain<Rings>("rings", /*numerics_version=*/1, "A sun and its planets: sets of up to six points."); }
