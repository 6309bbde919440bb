#pragma once

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <memory>
#include <string>
#include <vector>

#include "plugins/shared/layout/generator.h"
#include "plugins/shared/layout/page.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/domain.h"

// A small layout domain for tests: generated pages, the state of an element-set domain, no model.
namespace espalier::layout {

inline constexpr std::int64_t kTestSlots = 12;

class TestCodec final : public Codec {
 public:
  StateSpec spec() const override {
    return {{"token", {{kTestSlots}, at::kLong}},
            {"vector", {{kTestSlots, 4}, at::kFloat}},
            {"present", {{kTestSlots}, at::kBool}},
            {"frozen", {{kTestSlots, 2}, at::kBool}}};
  }
  Value key() const override { return Value("test 1"); }
  State encode(const Sample& sample, const CodecContext& = {}) const override {
    const auto& which = sample.tensors.at("class");
    const auto present = which.ge(0);
    const auto vector = (sample.tensors.at("box") * 2.0 - 1.0) * present.unsqueeze(-1);
    return {{"token", which.clamp_min(0)},
            {"vector", vector},
            {"present", present},
            {"frozen", at::zeros({which.size(0), which.size(1), 2}, at::kBool)}};
  }
  Sample decode(const State& state, const CodecContext& = {}) const override {
    const auto present = state.at("present");
    const auto which = at::where(present, state.at("token"), at::full({}, -1, at::kLong));
    const auto box = (state.at("vector") * 0.5 + 0.5) * present.unsqueeze(-1);
    return {"layout", {{"class", which}, {"box", box}}, {}};
  }
  std::vector<Image> draw(const Sample&) const override { return {}; }
};

class TestExamples final : public Examples {
 public:
  TestExamples(std::uint64_t seed, std::int64_t size) : seed_(seed), size_(size) {}
  std::int64_t size() const override { return size_; }
  Hex digest() const override { return sha256("test pages " + std::to_string(seed_)); }
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    std::vector<Page> pages;
    for (const auto position : positions) pages.push_back(generate_page(seed_, position, kTestSlots));
    const auto count = positions.size();
    return {sample_of(pages, kTestSlots), {{}, {}, std::vector<std::string>(count), std::vector<Value>(count)}};
  }

 private:
  std::uint64_t seed_;
  std::int64_t size_;
};

class TestData final : public Dataset {
 public:
  explicit TestData(std::int64_t size) : size_(size) {}
  std::vector<std::string> splits() const override { return {"train", "held_out"}; }
  Conditions conditions(const std::string&) const override { return {{}, {}, {""}, {Value()}}; }
  std::unique_ptr<Examples> examples(const std::string& split) const override {
    if (split != "train" && split != "held_out") throw ConfigError("no split '" + split + "'; known: train, held_out");
    return std::make_unique<TestExamples>(split == "train" ? 1 : 2, size_);
  }

 private:
  std::int64_t size_;
};

class TestDomain final : public Domain {
 public:
  explicit TestDomain(std::int64_t size = 0, std::string kind = "layout") : data_(size), kind_(std::move(kind)) {}
  void open(const DomainContext&) override {}
  std::string sample_kind() const override { return kind_; }
  const Dataset& data() const override { return data_; }
  std::shared_ptr<const Codec> codec(const ModelInfo*) const override { return std::make_shared<TestCodec>(); }

 private:
  TestData data_;
  std::string kind_;
};

}  // namespace espalier::layout
