#include "runtime/config/expand.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "runtime/config/stage_nodes.h"

namespace espalier::config {
namespace {

// The table `key` of the file, or null. Adds a problem if the value is no table.
const Node* table_of(const Node& root, const std::string& key, Problems& problems) {
  const Field* field = root.find(key);
  if (field == nullptr) return nullptr;
  if (field->value.is_table()) return &field->value;
  problems.add(field->where, fmt::format("'{0}' is a table, [{0}]; found {1}", key, field->value.found()));
  return nullptr;
}

}  // namespace

Expanded expand(const Node& root, Problems& problems) {
  Expanded expanded{root, {}};
  auto& fields = expanded.root.fields;
  std::erase_if(fields, [](const Field& field) { return field.key == "sweep" || field.key == "rounds"; });
  const auto section = std::ranges::find(fields, "stage", &Field::key);
  if (section == fields.end() || !section->value.is_list()) return expanded;
  std::vector<StageNode> stages;
  for (const Node& node : section->value.list)
    stages.push_back({node, {text_of(node, "tag"), Value::Map{}, 0}, node.find("seed") != nullptr});
  if (const Node* table = table_of(root, "rounds", problems)) stages = make_rounds(root, *table, stages, problems);
  if (const Node* table = table_of(root, "sweep", problems)) stages = make_sweep(root, *table, stages, problems);
  section->value.list.clear();
  for (StageNode& stage : stages) {
    if (const auto tag = tag_of(stage); !tag.empty()) expanded.origins.emplace(tag, stage.origin);
    section->value.list.push_back(std::move(stage.node));
  }
  return expanded;
}

}  // namespace espalier::config
