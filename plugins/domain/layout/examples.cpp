#include "plugins/domain/layout/examples.h"

#include <algorithm>
#include <utility>

#include "runtime/base/errors.h"

namespace espalier::layout {
namespace {

constexpr std::int64_t kBoxNumbers = 4;
constexpr std::uint64_t kTaskSeed = 0;  // what is given of a page is the page's own, in every run

Value::List class_list(const std::vector<std::int64_t>& tokens, const std::vector<std::string>& names) {
  Value::List list;
  for (const auto token : tokens) list.emplace_back(names.at(static_cast<std::size_t>(token)));
  return list;
}

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
    const auto pages = static_cast<std::uint64_t>(source_.pages.size());
    std::vector<elements::ElementSet> sets;
    Batch batch;
    for (const auto position : positions) {
      if (position >= static_cast<std::uint64_t>(size())) throw InternalError("page " + std::to_string(position) + " was asked for");
      const auto& page = source_.pages[position % pages];
      sets.push_back(given_by(page, mix_.tasks[position / pages], mix_.share, kTaskSeed, position % pages));
      const auto& set = sets.back();
      batch.metadata.push_back(Value::Map{{"boxes", set.size()}, {"classes", Value(class_list(set.token, source_.class_names))}});
    }
    batch.state = elements::pack(sets, source_.max_boxes, kBoxNumbers);
    batch.condition = batch.state;
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

Conditions make_conditions(const PageSource& source, Task task, double share, std::int64_t count) {
  std::vector<elements::ElementSet> sets;
  if (task == Task::unconditional) {
    std::vector<std::int64_t> sizes;
    for (const auto& page : source.pages) sizes.push_back(static_cast<std::int64_t>(page.size()));
    for (const auto size : elements::spread_sizes(sizes, count, kTaskSeed)) {
      const auto boxes = static_cast<std::size_t>(size);
      sets.push_back({std::vector<std::int64_t>(boxes), std::vector<float>(kBoxNumbers * boxes), {}, {}});
    }
  } else {
    for (std::size_t i = 0; i < std::min(source.pages.size(), static_cast<std::size_t>(count)); ++i) {
      sets.push_back(given_by(source.pages[i], task, share, kTaskSeed, i));
    }
  }
  std::vector<std::string> text;
  std::vector<Value> metadata;
  for (const auto& set : sets) {
    text.push_back(describe(set, task, source.class_names));
    Value fact = Value::Map{{"boxes", set.size()}};
    if (task == Task::class_conditioned) fact["classes"] = Value(class_list(set.token, source.class_names));
    metadata.push_back(std::move(fact));
  }
  return elements::conditions(sets, std::move(text), std::move(metadata), source.max_boxes, kBoxNumbers);
}

}  // namespace espalier::layout
