// Filtering: from scores in the cache to one small published entry.
#include <cmath>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/exec/context.h"

namespace espalier::exec {
namespace {

Value::List integers(const std::vector<std::int64_t>& numbers) { return {numbers.begin(), numbers.end()}; }
Value::List floats(const std::vector<double>& numbers) { return {numbers.begin(), numbers.end()}; }

Value law_value(const Law& law) {
  return Value::Map{{"acceptance_rate", law.acceptance_rate},
                    {"kl_nats", law.kl_nats},
                    {"kl_is_bound", law.kl_is_bound},
                    {"expected_quantile", law.expected_quantile},
                    {"quantile", floats(law.quantile)},
                    {"density", floats(law.density)},
                    {"formula", law.formula}};
}

}  // namespace

std::vector<std::int64_t> view_conditions(const Context& context, const config::StageSpec& stage, std::int64_t count) {
  const auto conditions = context.spec.conditions(plan::samples_stage(context.spec, stage)).size();
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < count; ++i) rows.push_back(i % conditions);
  return rows;
}

void publish(Context& context, const plan::StagePlan& plan, const Value& info, const std::string& file, const Value& content) {
  const auto folder = context.store.new_folder();
  write_durable(folder / file, to_json(content, 1) + "\n");
  context.store.publish_result(result_name(plan.stage->kind->gives), plan.key, plan.request, info, folder);
}

void compute_selection(Context& context, const plan::StagePlan& plan) {
  const auto& filter = dynamic_cast<const Filter&>(*plan.stage->plugin);
  const auto& tag = plan.stage->input("scores")->tags.front();
  const auto& scores = context.results.at(tag);
  FilterInput input;
  input.score = read_view_scores(context, tag);
  input.condition = view_conditions(context, *plan.stage, scores.count);
  for (std::int64_t i = 0; i < scores.count; ++i) input.index.push_back(i);
  input.key = {context.spec.seed, random::Purpose::filter, 0, 0};
  const auto selection = filter.select(input);
  std::int64_t invalid = 0;
  for (const auto score : input.score) invalid += !std::isfinite(score);
  const Value info = Value::Map{{"accepted", static_cast<std::int64_t>(selection.index.size())},
                                {"total", scores.count},
                                {"invalid", invalid},
                                {"law", law_value(filter.law(input))}};
  const Value content = Value::Map{{"set", scores.set_id}, {"index", integers(selection.index)}, {"weight", floats(selection.weight)}};
  publish(context, plan, info, "selection.json", content);
}

Selection read_selection(Context& context, const plan::Result& selection) {
  std::vector<cache::Damage> damage;
  const auto folder = context.store.verified_result("selection", selection.key, &damage);
  if (!folder) throw_set_aside(damage, "a selection");
  const auto path = *folder / "selection.json";
  const auto content = parse_json(read_file(path), path.string());
  Selection read;
  for (const auto& index : content.at("index").as_list()) read.index.push_back(index.as_integer());
  for (const auto& weight : content.at("weight").as_list()) read.weight.push_back(weight.as_number());
  return read;
}

}  // namespace espalier::exec
