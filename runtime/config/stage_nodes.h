#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/config/node.h"
#include "runtime/config/spec.h"

// The [[stage]] tables of a document while expand() copies them.
namespace espalier::config {

struct StageNode {
  Node node;
  StageOrigin origin;
  bool has_seed = false;  // in the file
};

// The string at `key`; "" if there is none.
std::string text_of(const Node& node, const std::string& key);
std::string tag_of(const StageNode& stage);
bool is_metric(const StageNode& stage);
bool is_sampler(const StageNode& stage);
bool is_held_out(const Node& root, const StageNode& stage);  // a sampler with noise = "held_out", of its own or by [defaults]

Node text_node(const std::string& text, const SourceSpan& where);
Node integer_node(std::int64_t number, const SourceSpan& where);
Node list_node(const std::vector<std::string>& texts, const SourceSpan& where);

// The tags that an input names; none if it is neither a string nor a list of strings, which read_inputs() reports.
std::vector<std::string> named_tags(const Node& input);
std::vector<Field>* inputs_of(Node& stage);  // that may be changed; null: none
const std::vector<Field>& inputs_of(const Node& stage);

// The two parts of expand(), whose header says what they do. Both add problems.
std::vector<StageNode> make_rounds(const Node& root, const Node& table, const std::vector<StageNode>& stages, Problems& problems);
std::vector<StageNode> make_sweep(const Node& root, const Node& table, const std::vector<StageNode>& stages, Problems& problems);

}  // namespace espalier::config
