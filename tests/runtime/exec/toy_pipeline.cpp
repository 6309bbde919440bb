#include "toy_pipeline.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/isfinite.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <mutex>

#include "runtime/base/errors.h"
#include "runtime/config/resolve.h"
#include "runtime/modelfile/folder.h"
#include "tests/conformance/broken.h"

namespace espalier::exec {
namespace {

namespace fs = std::filesystem;

std::mutex decoding;

// Counts what it decodes, and has a text file of the samples.
class CountingCodec final : public conformance::ForwardingCodec {
 public:
  using ForwardingCodec::ForwardingCodec;
  Sample decode(const State& state, const CodecContext& context) const override {
    const std::lock_guard lock(decoding);
    decodings().rows += state.at("sample").size(0);
    if (!at::isfinite(state.at("sample")).all().item<bool>()) decodings().nonfinite = true;
    return ForwardingCodec::decode(state, context);
  }
  std::map<std::string, std::string> records(const Sample& sample) const override {
    return {{"samples.txt", std::string(static_cast<std::size_t>(sample.tensors.at("image").size(0)), 'x')}};
  }
};

// The domain with a flaw; it has 24 examples.
class CountingDomain final : public conformance::ForwardingDomain {
 public:
  explicit CountingDomain(const std::string& flaw) : ForwardingDomain(domain_of(flaw)) {}
  std::unique_ptr<Examples> examples(const std::string& split) const override {
    class Finite final : public Examples {
     public:
      explicit Finite(std::unique_ptr<Examples> endless) : endless_(std::move(endless)) {}
      std::int64_t size() const override { return 24; }
      Hex digest() const override { return endless_->digest(); }
      Batch at(const std::vector<std::uint64_t>& positions) const override { return endless_->at(positions); }

     private:
      std::unique_ptr<Examples> endless_;
    };
    return std::make_unique<Finite>(ForwardingDomain::examples(split));
  }
  std::shared_ptr<const Codec> codec(const ModelInfo* model) const override {
    auto codec = ForwardingDomain::codec(model);
    return codec == nullptr ? nullptr : std::make_shared<CountingCodec>(std::move(codec));
  }

 private:
  static std::shared_ptr<Domain> domain_of(const std::string& flaw) {
    return std::dynamic_pointer_cast<Domain>(std::shared_ptr<Plugin>(conformance::domain_with(flaw).make()));
  }
};

// How many samples there are and the sum of their x_0, which is not finite where one of them is not.
class Count final : public Metric {
 public:
  void inputs(Inputs& in) override { in.trajectories("samples", "Counted.").many(); }
  Findings measure(const MetricInput& input) const override {
    const auto& samples = input.samples.front();
    const auto x = samples.states(0, samples.all()).at("sample");
    return {.scalars = {to_scalar("count", static_cast<double>(samples.size())), to_scalar("sum", x.sum().item<double>())}};
  }
};

class Keeper final : public Progress {
 public:
  explicit Keeper(std::string& said) : said_(said) {}
  void begin(const std::string&, std::int64_t, const std::string&, std::int64_t) override {}
  void advance(std::int64_t, const std::string&) override {}
  void end() override {}
  void say(const std::string& line) override { said_ += line + "\n"; }

 private:
  std::string& said_;
};

const std::map<std::string, std::string>& stage_texts() {
  static const std::map<std::string, std::string> texts{
      {"samples",
       "type = \"sampler.example\"\ninputs = { model = \"base\" }\noptions = { num_inference_steps = 4, samples_per_condition = 4, "
       "block_size = 8, micro_batch = 4 }"},
      {"broken_samples", "type = \"sampler.example\"\ninputs = { model = \"broken\" }"},
      {"scores", "type = \"reward.example\"\ninputs = { samples = \"samples\" }"},
      {"best", "type = \"filter.example\"\ninputs = { scores = \"scores\" }"},
      {"best_of_best", "type = \"filter.example\"\ninputs = { scores = \"scores\", selection = \"best\" }"},
      {"tuned", "type = \"trainer.example\"\ninputs = { model = \"base\", selection = \"best\" }"},
      {"tuned_again", "type = \"trainer.example\"\ninputs = { model = \"tuned\", selection = \"best\" }"},
      {"summary", "type = \"metric.example\"\ninputs = { scores = \"scores\" }"},
      {"counted", "type = \"metric.count\"\ninputs = { samples = \"samples\" }"},
      {"inversions", "type = \"noise_corrector.example\"\ninputs = { model = \"flow\" }\noptions = { block_size = 8, micro_batch = 4 }"},
  };
  return texts;
}

constexpr const char* kModels[] = {"base", "broken", "flow"};

void write_model(const std::string& name, const fs::path& folder) {
  auto model = conformance::toy_model(1, name == "flow" ? "rectified_flow" : "variance_preserving");
  if (name == "broken") model.weights.at("unet.bias")[2] = std::nan("");
  fs::create_directory(folder);
  modelfile::save(model, folder);
}

std::string pipeline(const std::vector<std::string>& tags, const fs::path& models) {
  std::string text = "name = \"toy\"\nseed = 7\n[domain]\ntype = \"domain.example\"\n[models]\n";
  for (const std::string name : kModels) text += name + " = \"" + (models / name).string() + "\"\n";
  for (const auto& tag : tags) text += "[[stage]]\ntag = \"" + tag + "\"\n" + stage_texts().at(tag) + "\n";
  return text;
}

}  // namespace

Decodings& decodings() {
  static Decodings all;
  return all;
}

ToyPipeline::ToyPipeline(const std::map<std::string, std::string>& flaws, std::vector<PluginEntry> instead,
                         const network::NetworkEntry& network) {
  for (const char* name : kModels) write_model(name, model(name));
  const auto flaw = [&](const std::string& kind) { return flaws.contains(kind) ? flaws.at(kind) : std::string(); };
  auto domain = conformance::domain_with("");
  domain.make = [flaw = flaw("domain")] { return std::make_unique<CountingDomain>(flaw); };
  std::vector<PluginEntry> entries{domain,
                                   conformance::sampler_with(flaw("sampler")),
                                   conformance::reward_with(flaw("reward")),
                                   conformance::filter_with(flaw("filter")),
                                   conformance::trainer_with(flaw("trainer")),
                                   conformance::noise_corrector_with(flaw("noise_corrector")),
                                   conformance::metric_with(flaw("metric"))};
  Registrar registrar;
  registrar.metric<Count>("count", 1, "Counts samples.");
  entries.push_back(registrar.entries().front());
  for (auto& other : instead) {
    std::erase_if(entries, [&](const PluginEntry& entry) { return entry.kind == other.kind && entry.name == other.name; });
    entries.push_back(std::move(other));
  }
  for (auto& entry : entries) entry.library = ESPALIER_SOURCE_DIR "/LICENSE";  // a run records the digest of this file
  catalog_.add(entries, {network});
}

std::unique_ptr<cache::Store> ToyPipeline::store() const { return cache::Store::open(folder_.path() / "cache"); }

Record ToyPipeline::run(const std::vector<std::string>& tags, const std::vector<std::string>& overrides) {
  said_.clear();
  const auto spec = config::resolve(config::Document::parse(pipeline(tags, folder_.path()), "toy.toml", overrides), catalog_);
  const auto cache = store();
  Keeper progress(said_);
  RunOptions options;
  options.workers = workers;
  return exec::run(spec, catalog_, *cache, progress, NeverStop(), options);
}

std::pair<int, std::string> ToyPipeline::error(const std::vector<std::string>& tags, const std::vector<std::string>& overrides) {
  try {
    run(tags, overrides);
  } catch (const Error& error) {
    return {static_cast<int>(error.code()), error.what()};
  }
  return {0, ""};
}

}  // namespace espalier::exec
