// Sums of one to three sine waves at 32 points; the condition is the number of waves.
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/full.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_linear1d.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <cmath>
#include <numbers>

#include "runtime/base/errors.h"
#include "runtime/random/draws.h"
#include "runtime/sdk/plugin.h"
#include "signals_network.h"

namespace {

using namespace espalier;

constexpr std::int64_t kPoints = 32;
constexpr std::int64_t kMostWaves = 3;
constexpr std::int64_t kHighest = 8;  // frequency, in periods a signal

// Of labels, [B] int64: the number of waves - 1.
Conditions conditions_of(const at::Tensor& label) {
  Conditions conditions{{{"label", label}}, {{"label", at::full({1}, kMostWaves, at::kLong)}}, {}, {}};
  for (std::int64_t b = 0; b < label.size(0); ++b) {
    const auto waves = label[b].item<std::int64_t>() + 1;
    conditions.text.push_back(std::to_string(waves) + (waves == 1 ? " wave" : " waves"));
    conditions.metadata.push_back(Value::Map{{"waves", waves}});
  }
  return conditions;
}

class SignalsExamples final : public Examples {
 public:
  explicit SignalsExamples(std::string split) : split_(std::move(split)) {}
  std::int64_t size() const override { return 0; }  // without end
  Hex digest() const override { return espalier::digest(Value::Map{{"signals", 1}, {"split", split_}}); }

  // Example p of a split is always the same one: sqrt(2 / W) sum_w sin(2 pi (f_w i / 32 + phase_w)), of mean square 1 where all f_w differ.
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    random::Draws draws({split_ == "train" ? 0U : 1U, random::Purpose::data}, positions);
    const auto label = draws.integers({}, kMostWaves);                    // [B]
    const auto frequency = draws.integers({kMostWaves}, kHighest) + 1;    // [B, W]
    const auto phase = draws.uniforms({kMostWaves});                      // [B, W]
    const auto signal = at::zeros({draws.batch(), kPoints}, at::kFloat);  // [B, P]
    for (std::int64_t b = 0; b < draws.batch(); ++b) {
      const auto waves = label[b].item<std::int64_t>() + 1;
      for (std::int64_t i = 0; i < kPoints; ++i) {
        double sum = 0.0;
        for (std::int64_t w = 0; w < waves; ++w) {
          const auto f = static_cast<double>(frequency.const_data_ptr<std::int64_t>()[kMostWaves * b + w]);
          const auto turns = f * static_cast<double>(i) / kPoints + phase.const_data_ptr<double>()[kMostWaves * b + w];
          sum += std::sin(2.0 * std::numbers::pi * turns);
        }
        signal.mutable_data_ptr<float>()[kPoints * b + i] = static_cast<float>(std::sqrt(2.0 / static_cast<double>(waves)) * sum);
      }
    }
    return {{"signal", {{"signal", signal}}, {}}, conditions_of(label)};
  }

 private:
  std::string split_;
};

class SignalsData final : public Dataset {
 public:
  std::vector<std::string> splits() const override { return {"train", "held_out"}; }
  std::unique_ptr<Examples> examples(const std::string& split) const override {
    check(split);
    return std::make_unique<SignalsExamples>(split);
  }
  Conditions conditions(const std::string& split) const override {
    check(split);
    return conditions_of(at::arange(kMostWaves));
  }

 private:
  static void check(const std::string& split) {
    if (split != "train" && split != "held_out") throw ConfigError("domain.signals: no split '" + split + "'; known: train, held_out");
  }
};

// A model's state is the signal as it is.
class SignalsCodec final : public Codec {
 public:
  explicit SignalsCodec(const ModelInfo* model) {
    if (model == nullptr) return;
    const auto* config = model->architecture.find("denoiser");
    for (const auto& [key, wanted] : {std::pair{"num_points", kPoints}, {"num_classes", kMostWaves}}) {
      const auto* found = config == nullptr ? nullptr : config->find(key);
      if (found != nullptr && *found == Value(wanted)) continue;
      throw DataError(std::string("domain.signals: the model's ") + key + " is " + (found == nullptr ? "missing" : to_json(*found)) +
                      "; it must be " + std::to_string(wanted));
    }
  }

  StateSpec spec() const override { return {{"signal", {{kPoints}, at::kFloat}}}; }
  Value key() const override { return Value::Map{{"type", "signals"}, {"version", 1}}; }
  State encode(const Sample& sample, const CodecContext& context) const override {
    return {{"signal", sample.tensors.at("signal").to(context.device)}};
  }
  Sample decode(const State& state, const CodecContext&) const override { return {"signal", {{"signal", state.at("signal")}}, {}}; }

  // A blue line on white, from -3 at the bottom to 3 at the top.
  std::vector<Image> draw(const Sample& sample) const override {
    constexpr std::int64_t kWidth = 4 * kPoints, kHeight = 64;
    const auto value = at::upsample_linear1d(sample.tensors.at("signal").to(at::kCPU).unsqueeze(1), {kWidth}, true);  // [B, 1, W]
    const auto row = ((3.0 - value) / 6.0 * (kHeight - 1)).round().clamp(0, kHeight - 1);
    const auto before = at::cat({row.narrow(2, 0, 1), row.narrow(2, 0, kWidth - 1)}, 2);  // the row in the column before
    const auto y = at::arange(kHeight).view({1, kHeight, 1});
    const auto line = y.ge(at::minimum(row, before)).logical_and(y.le(at::maximum(row, before))).unsqueeze(3);  // [B, H, W, 1]
    const auto rgb = at::where(line, at::tensor({30, 90, 255}), at::full({3}, 255, at::kInt)).to(at::kByte).contiguous();
    std::vector<Image> images;
    for (const auto& image : rgb.split(1)) {
      const auto* first = image.const_data_ptr<std::uint8_t>();
      images.push_back({kWidth, kHeight, {first, first + image.numel()}});
    }
    return images;
  }

  // A line a signal, its points separated by commas.
  std::map<std::string, std::string> records(const Sample& sample) const override {
    std::string text;
    for (const auto& signal : sample.tensors.at("signal").to(at::kCPU, at::kDouble).contiguous().split(1)) {
      const auto* value = signal.const_data_ptr<double>();
      for (std::int64_t i = 0; i < kPoints; ++i) text += std::to_string(value[i]) + (i + 1 < kPoints ? "," : "\n");
    }
    return {{"signals.csv", text}};
  }
};

class Signals final : public Domain {
 public:
  void open(const DomainContext&) override {}
  std::string sample_kind() const override { return "signal"; }
  const Dataset& data() const override { return data_; }
  std::shared_ptr<const Codec> codec(const ModelInfo* model) const override { return std::make_shared<const SignalsCodec>(model); }

 private:
  SignalsData data_;
};

// The share of a signal's energy (without its mean) at low frequencies, in [0, 1]; NaN of a constant signal.
class SignalsLowBand final : public Reward {
 public:
  void inputs(Inputs& in) override { in.trajectories("samples").of("signal"); }
  void options(Schema& schema) override {
    schema.integer("highest", highest_, "The highest frequency that counts, in periods a signal.").at_least(1).at_most(0.5 * kPoints);
  }
  at::Tensor score(const RewardInput& input) const override {
    const auto power = at::fft_rfft(input.sample.tensors.at("signal").to(at::kDouble)).abs().square();  // [B, P/2 + 1]
    return power.narrow(1, 1, highest_).sum(1) / power.narrow(1, 1, kPoints / 2).sum(1);
  }

 private:
  std::int64_t highest_ = 3;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.domain<Signals>("signals", /*numerics_version=*/1, "Sums of one to three sine waves at 32 points.");
  plugin.network("SignalsNetwork", "denoiser", make_signals_network, /*numerics_version=*/1);
  plugin.reward<SignalsLowBand>("signals_low_band", /*numerics_version=*/1, "Prefers low frequencies.");
}
