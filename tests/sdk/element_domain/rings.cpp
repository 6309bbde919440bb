// Rings: one sun (class 0) in the middle and 3 to 5 planets (class 1) evenly around it, turned at random.
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <numbers>

#include "plugins/shared/elements/set_domain.h"
#include "runtime/base/errors.h"
#include "runtime/random/draws.h"

namespace {

using namespace espalier;

constexpr std::int64_t kMost = 6;  // a sun and five planets

// Writes example p of a split, always the same one, into its row of a sample: `kind` [M], `point` [M, 2]. Gives the number of planets.
std::int64_t draw_ring(const std::string& split, std::uint64_t p, std::int64_t* kind, double* point) {
  random::Draws draws({split == "train" ? 0U : 1U, random::Purpose::data}, {p});
  const auto planets = 3 + draws.integers({}, 3).item<std::int64_t>();
  const auto turn = 2.0 * std::numbers::pi * draws.uniforms({}).item<double>();
  kind[0] = 0;
  for (std::int64_t i = 1; i <= planets; ++i) {
    const auto angle = turn + 2.0 * std::numbers::pi * static_cast<double>(i - 1) / static_cast<double>(planets);
    kind[i] = 1;
    point[2 * i] = std::cos(angle);
    point[2 * i + 1] = std::sin(angle);
  }
  return planets;
}

// The class is the token, the point the vector.
State encode_rings(const Sample& sample) { return elements::pack(sample.tensors.at("class"), sample.tensors.at("point")); }

class RingExamples final : public Examples {
 public:
  explicit RingExamples(std::string split) : split_(std::move(split)) {}
  std::int64_t size() const override { return 0; }  // without end
  Hex digest() const override { return espalier::digest(Value::Map{{"rings", 1}, {"split", split_}}); }
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    const auto count = static_cast<std::int64_t>(positions.size());
    const auto kind = at::full({count, kMost}, -1, at::kLong);     // [B, M], -1: nothing
    const auto point = at::zeros({count, kMost, 2}, at::kDouble);  // [B, M, 2]
    Batch batch;
    for (std::int64_t b = 0; b < count; ++b) {
      const auto planets = draw_ring(split_, positions[static_cast<std::size_t>(b)], kind.mutable_data_ptr<std::int64_t>() + kMost * b,
                                     point.mutable_data_ptr<double>() + 2 * kMost * b);
      batch.condition.text.push_back(std::to_string(planets) + " planets");
      batch.condition.metadata.push_back(Value::Map{{"planets", planets}});
    }
    batch.sample = {"rings", {{"class", kind}, {"point", point}}, {}};
    batch.condition.tensors = encode_rings(batch.sample);
    return batch;
  }

 private:
  std::string split_;
};

class RingData final : public Dataset {
 public:
  std::vector<std::string> splits() const override { return {"train", "held_out"}; }
  std::unique_ptr<Examples> examples(const std::string& split) const override {
    check(split);
    return std::make_unique<RingExamples>(split);
  }

  // A condition is how many elements there are, and what of them is given: here nothing.
  Conditions conditions(const std::string& split) const override {
    check(split);
    const std::vector<std::int64_t> sizes = {4, 5, 6};  // a sun and its planets
    std::vector<std::string> text;
    std::vector<Value> metadata;
    for (const auto size : sizes) {
      text.push_back(std::to_string(size - 1) + " planets");
      metadata.push_back(Value::Map{{"planets", size - 1}});
    }
    return elements::conditions(elements::pack_sizes(sizes, kMost, 2), text, metadata);
  }

 private:
  static void check(const std::string& split) {
    if (split != "train" && split != "held_out") throw ConfigError("domain.rings: no split '" + split + "'; there are train and held_out");
  }
};

class RingCodec final : public elements::SetCodec {
 public:
  explicit RingCodec(const ModelInfo* model) : SetCodec({kMost, /*num_classes=*/2, /*vector_dim=*/2}, model) {}

  Value key() const override { return Value::Map{{"type", "rings"}, {"version", 1}}; }
  State encode(const Sample& sample, const CodecContext&) const override { return encode_rings(sample); }
  Sample decode(const State& state, const CodecContext&) const override {
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
};

class Rings final : public elements::SetDomain {
 public:
  void open(const DomainContext&) override {}
  std::string sample_kind() const override { return "rings"; }
  const Dataset& data() const override { return data_; }
  std::shared_ptr<const Codec> codec(const ModelInfo* model) const override { return std::make_shared<const RingCodec>(model); }

 private:
  RingData data_;
};

}  // namespace

ESPALIER_PLUGIN(plugin) { plugin.domain<Rings>("rings", /*numerics_version=*/1, "A sun and its planets: sets of up to six points."); }
