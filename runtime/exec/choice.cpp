#include "runtime/exec/choice.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "runtime/exec/excluded.h"
#include "runtime/exec/views.h"
#include "runtime/random/streams.h"
#include "runtime/sdk/check.h"
#include "runtime/selection/mix.h"

namespace espalier::exec {
namespace {

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

selection::Normalization normalization_of(const config::FilterView& view) {
  if (view.normalization == "z_score") return selection::Normalization::z_score;
  return view.normalization == "rank" ? selection::Normalization::rank : selection::Normalization::none;
}

}  // namespace

const std::vector<double>& Choices::scores_of(const std::string& reward) {
  const auto known = rewards_.find(reward);
  return known != rewards_.end() ? known->second : rewards_.emplace(reward, read_view_scores(context_, reward)).first->second;
}

const std::vector<double>& Choices::scores(const config::StageSpec& filter) {
  const auto& tags = filter.input("scores")->tags;
  if (tags.size() == 1) return scores_of(tags.front());
  if (const auto known = mixed_.find(filter.tag); known != mixed_.end()) return known->second;
  std::vector<std::vector<double>> all;
  for (const auto& tag : tags) all.push_back(scores_of(tag));
  const auto count = std::ssize(all.front());
  const bool by_condition = filter.filter.normalize_over == "condition";
  const auto group =
      by_condition ? view_conditions(context_, filter, count) : std::vector<std::int64_t>(static_cast<std::size_t>(count), 0);
  const auto weights = filter.filter.weights.empty() ? std::vector<double>(tags.size(), 1.0) : filter.filter.weights;
  return mixed_.emplace(filter.tag, selection::mixed(all, weights, normalization_of(filter.filter), group)).first->second;
}

std::vector<selection::Link> Choices::chain_of(const config::StageSpec& stage) {
  std::vector<const config::StageSpec*> stages{&stage};
  while (const auto* before = stages.back()->input("selection")) stages.push_back(context_.spec.find(before->tags.front()));
  std::reverse(stages.begin(), stages.end());
  std::vector<selection::Link> chain;
  std::vector<std::string> keys;  // read once, because all filters choose among the same samples
  for (const auto* one : stages) {
    auto& filter = one->plugin.get<Filter>();
    filter.open(context_.stage_context());
    const auto& scored = context_.results.at(one->input("scores")->tags.front());
    FilterInput input;
    input.score = scores(*one);
    input.condition = view_conditions(context_, *one, scored.count);
    for (std::int64_t i = 0; i < scored.count; ++i) input.index.push_back(i);
    if (filter.needs_keys() && keys.empty()) keys = read_keys(context_, scored);
    if (filter.needs_keys()) input.canonical_key = keys;
    input.key = random::streams::ties(one->seed, static_cast<std::uint32_t>(chain.size()));
    const auto select = [&filter, type = one->type](const FilterInput& among) {
      auto selection = filter.select(among);
      check_selection(type, selection, among);
      return selection;
    };
    const auto whole = all_but(excluded_samples(context_, scored.samples), scored.count);
    chain.push_back({one->type, select, filter.by_condition(), selection::offered(input, whole)});
  }
  return chain;
}

const Choice& Choices::of(const config::StageSpec& stage) {
  if (const auto known = choices_.find(stage.tag); known != choices_.end()) return known->second;
  const auto chain = chain_of(stage);
  const auto& last = chain.back();
  Choice choice;
  if (const auto* before = stage.input("selection")) {
    const auto& tag = before->tags.front();
    const auto published = context_.results.find(tag);
    const auto accepted =
        published != context_.results.end() ? read_selection(context_, published->second) : of(*context_.spec.find(tag)).accepted;
    choice.accepted = selection::accept(last, accepted);
    choice.law = selection::chain_law(chain);
  } else {
    choice.accepted = last.select(last.whole);
    choice.law = law_of(last.type, stage.plugin.get<Filter>(), last.whole);
  }
  choice.total = std::ssize(last.whole.index);
  choice.invalid = std::ranges::count_if(last.whole.score, [](double score) { return !std::isfinite(score); });
  return choices_.emplace(stage.tag, std::move(choice)).first->second;
}

}  // namespace espalier::exec
