#include "runtime/config/stage_nodes.h"

#include "runtime/config/checks.h"

namespace espalier::config {

std::string text_of(const Node& node, const std::string& key) {
  const Field* field = node.find(key);
  return field != nullptr && field->value.is_string() ? field->value.scalar.as_string() : "";
}

std::string tag_of(const StageNode& stage) { return text_of(stage.node, "tag"); }
bool is_metric(const StageNode& stage) { return TypeName(text_of(stage.node, "type")).kind == "metric"; }
bool is_sampler(const StageNode& stage) { return TypeName(text_of(stage.node, "type")).kind == "sampler"; }

Node text_node(const std::string& text, const SourceSpan& where) {
  Node node;
  node.where = where;
  node.shape = Node::Shape::scalar;
  node.scalar = text;
  return node;
}

Node integer_node(std::int64_t number, const SourceSpan& where) {
  Node node = text_node("", where);
  node.scalar = number;
  return node;
}

Node list_node(const std::vector<std::string>& texts, const SourceSpan& where) {
  Node node;
  node.where = where;
  node.shape = Node::Shape::list;
  for (const auto& text : texts) node.list.push_back(text_node(text, where));
  return node;
}

std::vector<std::string> named_tags(const Node& input) {
  if (input.is_string()) return {input.scalar.as_string()};
  std::vector<std::string> tags;
  for (const Node& one : input.list) {
    if (!one.is_string()) return {};
    tags.push_back(one.scalar.as_string());
  }
  return tags;
}

std::vector<Field>* inputs_of(Node& stage) {
  for (Field& field : stage.fields) {
    if (field.key == "inputs" && field.value.is_table()) return &field.value.fields;
  }
  return nullptr;
}

const std::vector<Field>& inputs_of(const Node& stage) {
  static const std::vector<Field> none;
  const Field* field = stage.find("inputs");
  return field == nullptr ? none : field->value.fields;
}

namespace {

// The option as a stage has it: its own, or that of [defaults] for its type; "" if it is no string.
std::string option_text(const Node& root, const StageNode& stage, const std::string& option) {
  if (const Field* own = stage.node.find("options"); own != nullptr && own->value.find(option) != nullptr)
    return text_of(own->value, option);
  const Field* defaults = root.find("defaults");
  const Field* preset = defaults == nullptr ? nullptr : defaults->value.find(text_of(stage.node, "type"));
  return preset == nullptr ? "" : text_of(preset->value, option);
}

}  // namespace

bool is_held_out(const Node& root, const StageNode& stage) { return is_sampler(stage) && option_text(root, stage, "noise") == "held_out"; }

}  // namespace espalier::config
