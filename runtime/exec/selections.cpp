// Filtering: makes a selection from scores in the cache, and perhaps samples and an earlier selection, and publishes it.
#include "runtime/base/files.h"
#include "runtime/exec/choice.h"
#include "runtime/exec/context.h"

namespace espalier::exec {
namespace {

constexpr const char* kSelectionFile = "selection.json";

Value::List integers(const std::vector<std::int64_t>& numbers) { return {numbers.begin(), numbers.end()}; }
Value::List floats(const std::vector<double>& numbers) { return {numbers.begin(), numbers.end()}; }

Value law_value(const Law& law) {
  return Value::Map{{"acceptance_rate", law.acceptance_rate},
                    {"kl_nats", law.kl_nats},
                    {"kl_interval", floats({law.kl_interval.low, law.kl_interval.high})},
                    {"kl_bias", law.kl_bias},
                    {"expected_quantile", law.expected_quantile},
                    {"quantile_interval", floats({law.quantile_interval.low, law.quantile_interval.high})},
                    {"quantile_bias", law.quantile_bias},
                    {"effective_sample_size", law.effective_sample_size},
                    {"quantile", floats(law.quantile)},
                    {"density", floats(law.density)},
                    {"reshaped_reward", floats(law.reshaped_reward())},
                    {"formula", law.formula}};
}

}  // namespace

std::vector<std::int64_t> view_conditions(const Context& context, const config::StageSpec& stage, std::int64_t count) {
  const auto conditions = context.spec.conditions(plan::samples_stage(context.spec, stage)).size();
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < count; ++i) rows.push_back(i % conditions);
  return rows;
}

void publish(Context& context, const plan::StagePlan& plan, Value info, const std::string& file, const Value& content) {
  info["made_by"] = plan::maker_of(context.spec, *plan.stage).to_value();
  const auto folder = context.store.new_folder();
  write_durable(folder / file, to_json(content, 1) + "\n");
  require_unchanged_models(context, *plan.stage);
  context.store.publish_result(result_name(plan.stage->kind->gives), plan.key, plan.request, info, folder);
}

void compute_selection(Context& context, const plan::StagePlan& plan) {
  Choices choices(context);
  const auto& choice = choices.of(*plan.stage);
  const Value info = Value::Map{{"accepted", std::ssize(choice.accepted.index)},
                                {"total", choice.total},
                                {"invalid", choice.invalid},
                                {"law", law_value(choice.law)}};
  const auto& scores = context.results.at(plan.stage->input("scores")->tags.front());
  const Value content =
      Value::Map{{"set", scores.set_id}, {"index", integers(choice.accepted.index)}, {"weight", floats(choice.accepted.weight)}};
  publish(context, plan, info, kSelectionFile, content);
}

Selection read_selection(Context& context, const plan::Result& selection) {
  std::vector<cache::Damage> damage;
  const auto bytes = context.store.read_result("selection", selection.key, kSelectionFile, &damage);
  if (!bytes) throw_quarantined(damage, "a selection");
  const auto content = parse_json(*bytes, kSelectionFile);
  Selection read;
  for (const auto& index : content.at("index").as_list()) read.index.push_back(index.as_integer());
  for (const auto& weight : content.at("weight").as_list()) read.weight.push_back(weight.as_number());
  return read;
}

}  // namespace espalier::exec
