// Scores by a program of the user's, in any language: docs/process_protocol.md.
#include <ATen/ops/empty.h>

#include <cstring>
#include <memory>

#include "plugins/shared/program/fields.h"
#include "plugins/shared/program/pool.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace {

using namespace espalier;

constexpr const char* kPlugin = "reward.process";

class Process final : public Reward {
 public:
  void options(Schema& schema) override {
    settings_.declare(schema);
    schema.integer("batch_size", batch_size_, "Most samples of one message; 0: those of a block.").at_least(0).at_most(1e6).operational();
    schema.integer("workers", settings_.workers, "Programs that score at the same time.").at_least(1).at_most(1024).operational();
  }

  void check() const override { settings_.check(kPlugin); }

  std::vector<OptionProblem> check_domain(const Domain& domain) const override {
    return program::Fields(kPlugin, settings_.send, &domain, domain.codec(nullptr)).problems();
  }

  // The numbers are the program's, whose rounding may differ between devices; identity() says when they are others.
  double probe_tolerance() const override { return 1e-3; }

  int own_threads() const override { return static_cast<int>(settings_.workers); }
  std::int64_t batch_size() const override { return batch_size_; }

  void open(const RewardContext& context) override {
    stage_ = context.stage;
    fields_ = std::make_unique<program::Fields>(kPlugin, settings_.send, &context.domain, context.domain.codec(nullptr));
    pool_ = program::shared_pool(kPlugin, settings_, {"reward", context.domain.sample_kind()});
    pool_->open(stage_);
  }

  at::Tensor score(const RewardInput& input) const override {
    const auto count = static_cast<std::int64_t>(input.text.size());
    const auto packed = fields_->pack(input.sample, count);
    auto header = program::samples_header("score", {input.index, input.text, input.metadata}, packed);
    const auto batch = pool_->next_batch();
    header["batch"] = batch;
    const program::Outgoing message(header, packed.payload);
    at::Tensor scores = at::empty({count}, at::kDouble);
    pool_->use(stage_, [&](program::Program& program) {
      const auto reply = program.call(message, {"scores", scores.nbytes()}, stage_);
      program::expect_integer(reply, "batch", batch);
      program::expect_integer(reply, "count", count);
      std::memcpy(scores.mutable_data_ptr<double>(), reply.payload.data(), scores.nbytes());
    });
    return scores;
  }

 private:
  program::Settings settings_;
  std::int64_t batch_size_ = 0;
  StageContext stage_;
  std::unique_ptr<program::Fields> fields_;
  std::shared_ptr<program::Pool> pool_;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.reward<Process>("process", /*numerics_version=*/1, "Scores by a program of your own, in any language, over a pipe.");
}
