#include "plugins/domain/layout/examples.h"

#include <algorithm>
#include <utility>

#include "plugins/domain/layout/codec.h"
#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"

namespace espalier::layout {
namespace {

constexpr std::int64_t kBoxNumbers = 4;
constexpr std::uint64_t kTaskSeed = 0;  // what is given of a page is the page's own, in every run

Value class_list(const Page& page, const std::vector<std::string>& names) {
  Value::List list;
  for (const auto index : page.class_index) list.emplace_back(names.at(static_cast<std::size_t>(index)));
  return Value(std::move(list));
}

Value num_boxes(std::size_t boxes) { return Value(static_cast<std::int64_t>(boxes)); }

class PageExamples final : public Examples {
 public:
  PageExamples(const PageSource& source, TaskMix mix) : source_(source), mix_(std::move(mix)) {}

  std::int64_t size() const override { return distinct() * static_cast<std::int64_t>(mix_.tasks.size()); }
  std::int64_t distinct() const override { return static_cast<std::int64_t>(source_.pages.size()); }

  Hex digest() const override {
    Value::List tasks;
    for (const auto task : mix_.tasks) tasks.emplace_back(static_cast<std::int64_t>(task));
    const PageSet set{source_.class_names, source_.pages, 0, {}, {}};
    return espalier::digest(Value::Map{{"pages", set.digest()}, {"tasks", Value(std::move(tasks))}, {"share", mix_.share}});
  }

  Batch at(const std::vector<std::uint64_t>& positions) const override {
    const auto count = static_cast<std::uint64_t>(source_.pages.size());
    std::vector<TaskPage> pages;
    Batch batch;
    for (const auto position : positions) {
      if (position >= static_cast<std::uint64_t>(size())) throw InternalError("page " + std::to_string(position) + " was asked for");
      const auto& page = source_.pages[position % count];
      const auto task = mix_.tasks[position / count];
      pages.push_back(given_by(page, task, mix_.share, kTaskSeed, position % count));
      batch.condition.text.push_back(describe(pages.back(), task, source_.class_names));
      batch.condition.metadata.push_back(Value::Map{{"boxes", num_boxes(page.size())}, {"classes", class_list(page, source_.class_names)}});
    }
    const bool gives = std::ranges::any_of(mix_.tasks, [](Task task) { return task != Task::unconditional; });
    batch.sample = sample_of(pages, source_.max_boxes, gives);
    batch.condition.tensors = encode_pages(batch.sample);
    return batch;
  }

 private:
  PageSource source_;
  TaskMix mix_;
};

}  // namespace

std::unique_ptr<Examples> make_examples(const PageSource& source, const TaskMix& mix) {
  return std::make_unique<PageExamples>(source, mix);
}

Conditions make_conditions(const PageSource& source, const Asked& asked) {
  std::vector<std::string> text;
  std::vector<Value> metadata;
  if (asked.task == Task::unconditional) {
    std::vector<std::int64_t> sizes;
    for (const auto& page : source.pages) sizes.push_back(static_cast<std::int64_t>(page.size()));
    sizes = elements::spread_sizes(std::move(sizes), asked.count, kTaskSeed);
    for (const auto size : sizes) {
      text.push_back(boxes_in_words(static_cast<std::size_t>(size)));
      metadata.push_back(Value::Map{{"boxes", size}});
    }
    return elements::conditions(elements::pack_sizes(sizes, source.max_boxes, kBoxNumbers), std::move(text), std::move(metadata));
  }
  std::vector<TaskPage> pages;
  for (std::size_t i = 0; i < std::min(source.pages.size(), static_cast<std::size_t>(asked.count)); ++i) {
    pages.push_back(given_by(source.pages[i], asked.task, asked.share, kTaskSeed, i));
    const auto& page = pages.back();
    text.push_back(describe(page, asked.task, source.class_names));
    auto& fact = metadata.emplace_back(Value::Map{{"boxes", num_boxes(page.page.size())}});
    if (asked.task == Task::class_conditioned) fact["classes"] = class_list(page.page, source.class_names);
  }
  return elements::conditions(encode_pages(sample_of(pages, source.max_boxes, true)), std::move(text), std::move(metadata));
}

LayoutData::LayoutData(std::map<std::string, PageSource> sources, TaskMix mix, const Asked& asked)
    : sources_(std::move(sources)), mix_(std::move(mix)), asked_(asked) {}

std::vector<std::string> LayoutData::splits() const {
  std::vector<std::string> names = {"train"};
  if (sources_.contains("held_out")) names.emplace_back("held_out");
  return names;
}

const PageSource& LayoutData::source(const std::string& split) const {
  const auto found = sources_.find(split);
  if (found == sources_.end()) throw ConfigError("domain.layout: no split '" + split + "'" + did_you_mean(split, splits()));
  return found->second;
}

}  // namespace espalier::layout
