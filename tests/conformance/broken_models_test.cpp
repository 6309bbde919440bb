#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include "runtime/base/errors.h"
#include "runtime/sampling/stitch.h"
#include "runtime/sampling/transition.h"
#include "tests/conformance/broken.h"
#include "tests/conformance/toy.h"

namespace espalier::conformance {
namespace {

constexpr const char* kProcess = "variance_preserving";

class DdimSolver final : public Solver {
 public:
  DdimSolver(std::string flaw, int& calls) : flaw_(std::move(flaw)), calls_(calls) {}
  State step(const State& x, const State& prediction, const SolverStep& step) override {
    auto next = sampling::ddim_transition(x, prediction, step, 1.0).draw(step.draws);
    auto& sample = next.at("sample");
    if (flaw_ == "batch") sample = sample + sample.mean() * 1e-3;
    if (flaw_ == "twice") sample = sample + static_cast<double>(++calls_) * 1e-3;
    if (flaw_ == "double") sample = sample.to(at::kDouble);
    if (flaw_ == "field" && step.to.steps_remaining == 0) next["extra"] = sample;
    return next;
  }
  std::optional<at::Tensor> log_prob(const State& x, const State& prediction, const State& next, const StepEnds& ends) const override {
    return sampling::ddim_transition(x, prediction, ends, flaw_ == "law" ? 0.0 : 1.0).log_prob(next);
  }

 private:
  std::string flaw_;
  int& calls_;
};

class Ddim final : public Sampler {
 public:
  explicit Ddim(std::string flaw) : flaw_(std::move(flaw)) {}
  void inputs(Inputs& in) override { in.model("model").process(kProcess); }
  void options(Schema& schema) override {
    schema.integer("num_inference_steps", num_inference_steps_, "Steps from noise to the sample.").at_least(1).at_most(1e5);
  }
  std::vector<Phase> phases(const std::vector<ModelInfo>& models, const ModelInfo*) const override {
    const auto process = flaw_ == "foreign"   ? toy_model().process
                         : flaw_ == "process" ? diffusion::make_process(models.at(0).process, "the first model")
                                              : sampling::process_of(models.at(0), "sampler.example", kProcess);
    auto segments =
        flaw_ == "stitch" ? std::vector<Segment>{{models.back(), num_inference_steps_, 0}} : sampling::stitch(models, num_inference_steps_);
    for (auto& segment : segments) segment.guidance.scale = 2.0;
    if (flaw_ == "no phase") return {};
    Phase phase{"noise", process->config(), process->grid(num_inference_steps_), std::move(segments)};
    if (flaw_ == "start") phase.start = "nowhere";
    if (flaw_ == "gap") phase.segments.front().first -= 1;
    if (flaw_ == "end") phase.segments.back().last += 1;
    if (flaw_ == "grid") phase.grid.points.pop_back();
    if (flaw_ == "stranger") phase.segments.front().model.digest = "0123456789abcdef";
    return {phase};
  }
  std::int64_t predictions(const Phase&, const Segment& segment) const override {
    if (flaw_ == "negative") return -1;
    return (segment.first - segment.last) * (flaw_ == "evaluations" ? 2 : 1);
  }
  std::unique_ptr<Solver> solver(const Phase&) const override { return std::make_unique<DdimSolver>(flaw_, calls_); }
  std::string no_transition_law() const override { return ""; }

 private:
  std::string flaw_;
  std::int64_t num_inference_steps_ = 4;
  mutable int calls_ = 0;
};

class Sgd final : public Trainer {
 public:
  explicit Sgd(std::string flaw) : flaw_(std::move(flaw)) {}
  void options(Schema& schema) override {
    schema.integer("max_train_steps", max_train_steps_, "Optimizer steps.").at_least(1).at_most(1e9);
  }
  std::int64_t max_train_steps() const override { return max_train_steps_; }
  void inputs(Inputs& in) override { in.selection("selection", "Trained on; else the examples.").optional(); }

  TrainedModel train(const TrainerInput& input) const override {
    Model out = input.model;
    for (auto& [name, tensor] : out.weights) tensor = flaw_ == "in place" ? tensor : tensor.clone();
    auto& scale = out.weights["unet.scale"];
    auto momentum = at::zeros_like(scale);
    const auto examples = input.encoded("train");
    std::int64_t step = 0;
    if (const auto checkpoint = input.checkpoints.newest()) {
      step = checkpoint->step;
      scale.copy_(checkpoint->tensors.at("model").at("scale"));
      if (flaw_ != "momentum") momentum.copy_(checkpoint->tensors.at("model").at("momentum"));
    }
    for (; step < max_train_steps_; ++step) {
      if (flaw_ != "stop" && step > 0 && input.context.stop_requested()) {
        input.checkpoints.save({step, {{"model", {{"scale", scale}, {"momentum", momentum}}}}, Value()});
        throw Stopped("saved");
      }
      const auto x = input.selection ? input.selection->view.states(flaw_ == "announce" ? 3 : 0, input.selection->view.all())
                                     : examples->at({static_cast<std::uint64_t>(step)}).state;
      momentum = 0.9 * momentum + x.at("sample").mean();
      scale.sub_(0.1 * momentum);
      input.curves.scalar(flaw_ == "curve" ? "error" : "loss", step, 0.5);
    }
    if (flaw_ == "lacks") out.weights.erase("unet.bias");
    if (flaw_ == "more") out.weights.emplace("unet.more", at::zeros_like(scale));
    if (flaw_ == "tensor shape") out.weights["unet.bias"] = out.weights["unet.bias"].narrow(0, 0, 2);
    if (flaw_ == "tensor dtype") out.weights["unet.bias"] = out.weights["unet.bias"].to(at::kDouble);
    if (flaw_ == "not finite") out.weights["unet.bias"][1] = std::nan("");
    if (flaw_ == "no network") out.network = nullptr;
    if (flaw_ == "info") out.info.last_step = Step(0.5);
    if (flaw_ != "digest") out.info.digest = digest_weights(out.weights);
    return {out};
  }
  std::optional<ModelInfo> trained_info(const ModelInfo& start, const diffusion::Grid*,
                                        const std::optional<CorrectedSampling>&) const override {
    return start;
  }

 private:
  std::string flaw_;
  std::int64_t max_train_steps_ = 10;
};

class FlawedExamples final : public Examples {
 public:
  FlawedExamples(std::unique_ptr<Examples> right, std::string flaw) : right_(std::move(right)), flaw_(std::move(flaw)) {}
  std::int64_t size() const override { return 0; }
  Hex digest() const override { return flaw_ == "same examples" ? "same" : right_->digest(); }
  Batch at(const std::vector<std::uint64_t>& positions) const override {
    auto batch = right_->at(positions);
    auto& x = batch.sample.tensors["image"];
    if (flaw_ == "examples batch") x = x + 0.01 * static_cast<double>(positions.size());
    if (flaw_ == "shape") x = x.narrow(3, 0, 4);
    return batch;
  }

 private:
  std::unique_ptr<Examples> right_;
  std::string flaw_;
};

class FlawedCodec final : public ForwardingCodec {
 public:
  FlawedCodec(std::shared_ptr<const Codec> right, std::string flaw) : ForwardingCodec(std::move(right)), flaw_(std::move(flaw)) {}
  std::vector<Image> draw(const Sample& sample) const override {
    auto out = ForwardingCodec::draw(sample);
    if (flaw_ == "images") out.pop_back();
    if (flaw_ == "bytes") out.back().rgb.pop_back();
    return out;
  }
  StateSpec spec() const override { return flaw_ == "spec" ? StateSpec() : ForwardingCodec::spec(); }
  Sample decode(const State& state, const CodecContext& context) const override {
    auto out = ForwardingCodec::decode(state, context);
    if (flaw_ == "decode batch") out.tensors["image"] = out.tensors["image"] / out.tensors["image"].max();
    if (flaw_ == "kind") out.kind = "molecule";
    if (flaw_ == "fewer") out.tensors["image"] = out.tensors["image"].narrow(0, 1, out.tensors["image"].size(0) - 1);
    if (flaw_ == "texts") out.strings["name"] = {"one"};
    if (flaw_ == "range") out.tensors["image"] = out.tensors["image"] * 2.0;
    return out;
  }

  State encode(const Sample& sample, const CodecContext& context) const override {
    auto out = ForwardingCodec::encode(sample, context);
    if (flaw_ == "round trip") out.at("sample") = out.at("sample") * 0.9;
    return out;
  }

 private:
  std::string flaw_;
};

class FlawedDomain final : public ForwardingDomain {
 public:
  explicit FlawedDomain(std::string flaw) : flaw_(std::move(flaw)) {}
  Conditions conditions(const std::string& split) const override {
    if (flaw_ == "any split" && split != "train") return ForwardingDomain::conditions("held_out");
    auto out = ForwardingDomain::conditions(flaw_ == "overlap" && split == "held_out" ? "train" : split);
    if (flaw_ == "null") out.null_tensors.clear();
    if (flaw_ == "null shape") out.null_tensors["label"] = at::full({2}, 2, at::kLong);
    if (flaw_ == "metadata") out.metadata.pop_back();
    if (flaw_ == "short") out.tensors["label"] = out.tensors["label"].narrow(0, 0, 4);
    if (flaw_ == "none") return {};
    if (flaw_ == "unstable") out.text[0] += std::to_string(++calls);
    return out;
  }
  std::unique_ptr<Examples> examples(const std::string& split) const override {
    return std::make_unique<FlawedExamples>(ForwardingDomain::examples(split), flaw_);
  }
  std::vector<std::string> splits() const override {
    return flaw_ == "split twice" ? std::vector<std::string>{"train", "train"} : ForwardingDomain::splits();
  }
  std::shared_ptr<const Codec> codec(const ModelInfo* model) const override {
    if (flaw_ == "codec") return nullptr;
    return std::make_shared<FlawedCodec>(ForwardingDomain::codec(model), flaw_);
  }

 private:
  static inline int calls = 0;
  std::string flaw_;
};

template <class T>
PluginEntry entry(const std::string& kind, const std::string& flaw) {
  PluginEntry out{.kind = kind, .name = "example", .doc = "An example.", .make = {}, .library = ""};
  out.make = [flaw] { return std::make_unique<T>(flaw); };
  return out;
}

}  // namespace

PluginEntry sampler_with(const std::string& flaw) { return entry<Ddim>("sampler", flaw); }
PluginEntry trainer_with(const std::string& flaw) { return entry<Sgd>("trainer", flaw); }
PluginEntry domain_with(const std::string& flaw) { return entry<FlawedDomain>("domain", flaw); }

}  // namespace espalier::conformance
