// Measures by a program of the user's, in any language: docs/process_protocol.md.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <memory>
#include <mutex>
#include <string>

#include "plugins/shared/program/failure.h"
#include "plugins/shared/program/fields.h"
#include "plugins/shared/program/pool.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace {

using namespace espalier;

constexpr const char* kPlugin = "metric.process";

// Names stand in reports, in files and on the command line.
bool is_name(const std::string& text) {
  return !text.empty() && text.size() <= 100 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '.'; });
}

// {"scalars": {"overall": 0.71, "counting": 0.54}}
Findings findings_of(const program::Reply& reply, const Subject& about) {
  const auto* scalars = reply.header.find("scalars");
  if (scalars == nullptr || !scalars->is_map() || scalars->as_map().empty()) {
    throw program::Failure("answered `findings` without numbers; \"scalars\" is a table of them by name");
  }
  Findings findings;
  for (const auto& [name, value] : scalars->as_map()) {
    if (!is_name(name)) {
      throw program::Failure(
          fmt::format("found a scalar of the name {}; a name has 1 to 100 letters, digits, _, - and .", program::quote(name)));
    }
    if (!value.is_number() || !std::isfinite(value.as_number())) {
      throw program::Failure(fmt::format("found '{}' = {}; a scalar is a finite number", name, program::quote(to_json(value))));
    }
    findings.scalars.push_back(to_scalar(name, value.as_number(), about));
  }
  return findings;
}

class Process final : public Metric {
 public:
  void inputs(Inputs& in) override { in.trajectories("samples", "The samples to measure."); }

  void options(Schema& schema) override {
    settings_.declare(schema);
    schema.integer("batch_size", batch_size_, "Most samples of one message.").at_least(1).at_most(1e6).operational();
  }

  void check() const override { settings_.check(kPlugin); }

  std::vector<OptionProblem> check_domain(const Domain& domain) const override {
    return program::Fields(kPlugin, settings_.send, &domain, domain.codec(nullptr)).problems();
  }

  Findings measure(const MetricInput& input) const override {
    const auto& view = input.samples.at(0);
    if (view.size() == 0) throw StageError(fmt::format("{}: '{}' has no samples", kPlugin, view.tag()));
    const auto& domain = *input.domain;
    const program::Fields fields(kPlugin, settings_.send, &domain, domain.codec(nullptr));
    const auto pool = opened(domain.sample_kind());
    pool->open(input.context);
    Findings findings;
    pool->use(input.context, [&](program::Program& program) {
      for (std::int64_t first = 0; first < view.size(); first += batch_size_) {
        send(program, view, View::range(first, std::min(batch_size_, view.size() - first)), fields, input.context);
      }
      const program::Outgoing message(Value::Map{{"type", "measure"}, {"count", view.size()}});
      findings = findings_of(program.call(message, {"findings"}, input.context), {.stage = view.tag()});
    });
    return findings;
  }

 private:
  static void send(program::Program& program, const View& view, const View::Rows& rows, const program::Fields& fields,
                   const StageContext& stage) {
    const auto sample = view.decoded(rows);
    const auto conditions = view.conditions(rows);
    std::vector<std::int64_t> index;
    for (const auto row : rows) index.push_back(view.index().at(static_cast<std::size_t>(row)));
    const auto packed = fields.pack(sample, std::ssize(rows));
    const auto header = program::samples_header("samples", {index, conditions.text, conditions.metadata}, packed);
    program.give(program::Outgoing(header, packed.payload), stage);
  }

  // Held from the first measurement to the end of the run, so that other stages find the programs loaded.
  std::shared_ptr<program::Pool> opened(const std::string& sample_kind) const {
    const std::lock_guard lock(mutex_);
    if (!pool_) pool_ = program::shared_pool(kPlugin, settings_, {"metric", sample_kind});
    return pool_;
  }

  program::Settings settings_;
  std::int64_t batch_size_ = 64;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<program::Pool> pool_;
};

}  // namespace

ESPALIER_PLUGIN(plugin) {
  plugin.metric<Process>("process", /*numerics_version=*/1, "Numbers that a program of your own finds of samples, over a pipe.");
}
