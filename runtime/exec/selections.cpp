// Filtering: makes a selection from scores in the cache, and perhaps samples and an earlier selection, and publishes it.
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/exec/context.h"
#include "runtime/exec/excluded.h"
#include "runtime/exec/views.h"
#include "runtime/random/streams.h"
#include "runtime/sdk/check.h"
#include "runtime/selection/chain.h"

namespace espalier::exec {
namespace {

constexpr const char* kSelectionFile = "selection.json";

Value::List integers(const std::vector<std::int64_t>& numbers) { return {numbers.begin(), numbers.end()}; }
Value::List floats(const std::vector<double>& numbers) { return {numbers.begin(), numbers.end()}; }

Value law_value(const Law& law) {
  return Value::Map{
      {"acceptance_rate", law.acceptance_rate}, {"kl_nats", law.kl_nats},         {"expected_quantile", law.expected_quantile},
      {"quantile", floats(law.quantile)},       {"density", floats(law.density)}, {"formula", law.formula}};
}

// Returns the canonical key of each sample of a view, decoded block by block; "" for an excluded sample.
std::vector<std::string> read_keys(Context& context, const plan::Result& scores) {
  const auto& samples = context.results.at(scores.samples);
  const auto block_size = context.spec.find(scores.samples)->sampler.block_size;
  std::vector<std::vector<std::string>> blocks(static_cast<std::size_t>((scores.count + block_size - 1) / block_size));
  for_each_parallel(blocks.size(), context.workers(), [&](std::size_t i) {
    context.check_stop();
    const at::NoGradGuard no_grad;
    blocks[i].resize(static_cast<std::size_t>(block_size));
    const auto decoded = decoded_block(context, samples, i);
    const auto& [rows, sample] = *decoded;
    if (rows.empty()) return;
    auto keys = samples.codec->canonical_keys(sample);
    check_canonical_keys(context.spec.domain_type, keys, static_cast<std::int64_t>(rows.size()));
    for (std::size_t row = 0; row < rows.size(); ++row) blocks[i][static_cast<std::size_t>(rows[row])] = std::move(keys[row]);
  });
  std::vector<std::string> keys;
  for (auto& block : blocks) std::move(block.begin(), block.end(), std::back_inserter(keys));
  keys.resize(static_cast<std::size_t>(scores.count));
  return keys;
}

// Returns all trajectories of a view that are not excluded, with weight 1.
Selection all_but(const std::vector<std::int64_t>& excluded, std::int64_t count) {
  Selection all;
  for (std::int64_t i = 0; i < count; ++i) {
    if (!std::binary_search(excluded.begin(), excluded.end(), i)) all.index.push_back(i);
  }
  all.weight.assign(all.index.size(), 1.0);
  return all;
}

// Returns the filters from the first to this stage's, each with its input for the whole view.
std::vector<selection::Link> chain_of(Context& context, const config::StageSpec& stage) {
  std::vector<const config::StageSpec*> stages{&stage};
  while (const auto* before = stages.back()->input("selection")) stages.push_back(context.spec.find(before->tags.front()));
  std::reverse(stages.begin(), stages.end());
  std::vector<selection::Link> chain;
  std::vector<std::string> keys;  // read once, because all filters choose among the same samples
  for (const auto* one : stages) {
    auto& filter = one->plugin.get<Filter>();
    filter.open(context.stage_context());
    const auto& tag = one->input("scores")->tags.front();
    const auto& scores = context.results.at(tag);
    FilterInput input;
    input.score = read_view_scores(context, tag);
    input.condition = view_conditions(context, *one, scores.count);
    for (std::int64_t i = 0; i < scores.count; ++i) input.index.push_back(i);
    if (filter.needs_keys() && keys.empty()) keys = read_keys(context, scores);
    if (filter.needs_keys()) input.canonical_key = keys;
    input.key = random::streams::ties(one->seed, static_cast<std::uint32_t>(chain.size()));
    const auto select = [&filter, type = one->type](const FilterInput& among) {
      auto selection = filter.select(among);
      check_selection(type, selection, among);
      return selection;
    };
    const auto whole = all_but(excluded_samples(context, scores.samples), scores.count);
    chain.push_back({one->type, select, filter.by_condition(), selection::offered(input, whole)});
  }
  return chain;
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
  const auto chain = chain_of(context, *plan.stage);
  const auto& last = chain.back();
  const auto* before = plan.stage->input("selection");
  const auto accepted = before == nullptr ? last.select(last.whole)
                                          : selection::accept(last, read_selection(context, context.results.at(before->tags.front())));
  const auto law = before == nullptr ? law_of(last.type, plan.stage->plugin.get<Filter>(), last.whole) : selection::chain_law(chain);
  std::int64_t invalid = 0;
  for (const auto score : last.whole.score) invalid += !std::isfinite(score);
  const Value info = Value::Map{{"accepted", static_cast<std::int64_t>(accepted.index.size())},
                                {"total", static_cast<std::int64_t>(last.whole.index.size())},
                                {"invalid", invalid},
                                {"law", law_value(law)}};
  const auto& scores = context.results.at(plan.stage->input("scores")->tags.front());
  const Value content = Value::Map{{"set", scores.set_id}, {"index", integers(accepted.index)}, {"weight", floats(accepted.weight)}};
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
