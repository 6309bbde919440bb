#pragma once

#include <string>
#include <vector>

namespace espalier {

// What a stage gives to the stages that name it.
enum class ResultKind { trajectories, scores, selection, model, findings };
const char* result_name(ResultKind kind);  // also the folder of its entries in the cache

// An input a kind of stage takes: `inputs = { <name> = "<tag>" }`, a list of tags where `many`. The tag "domain" is the domain's
// own model folder, and the names of [models] are further ones.
struct Port {
  std::string name;
  ResultKind takes;
  bool required = true;
  bool many = false;
};

struct KindInfo {
  std::string kind;
  ResultKind gives;
  std::vector<Port> ports;
};

// The stage kinds. Of the optional ports a plugin may need some and refuse others (Plugin::ports).
const std::vector<KindInfo>& stage_kinds();
class Plugin;
std::vector<Port> ports_of(const KindInfo& kind, const Plugin& plugin);  // without the refused ones
const KindInfo* find_kind(const std::string& kind);

}  // namespace espalier
