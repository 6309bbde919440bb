#include "runtime/network/settings.h"

#include "runtime/base/typed_table.h"
#include "runtime/network/config_keys.h"

namespace espalier::network {
namespace {

void read_pair(const TypedTable& table, const char* key, std::vector<std::int64_t>& target, double least) {
  table.integers(key, target, {.at_least = least, .at_most = kMostExtent});
  if (table.has(key) && target.size() != 2) table.refuse(key, "two integers, height and width");
}

Value list_of(const std::vector<std::int64_t>& numbers) { return Value::List(numbers.begin(), numbers.end()); }

}  // namespace

void NetworkSettings::read(const Value& given, const std::string& origin) {
  const TypedTable table(given, origin);
  table.refuse_unknown("a network's settings", {"clip_skip", "force_zeros_for_empty_prompt", "sample_mode", "vae_tiling", "original_size",
                                                "crops_coords_top_left", "target_size"});
  table.integer("clip_skip", clip_skip, {.at_least = 0, .at_most = kMostExtent});
  table.flag("force_zeros_for_empty_prompt", force_zeros_for_empty_prompt);
  table.text("sample_mode", sample_mode);
  if (sample_mode != "argmax" && sample_mode != "sample") table.refuse("sample_mode", "\"argmax\" or \"sample\"");
  table.flag("vae_tiling", vae_tiling);
  read_pair(table, "original_size", original_size, 1);
  read_pair(table, "crops_coords_top_left", crops_coords_top_left, 0);
  read_pair(table, "target_size", target_size, 1);
}

Value NetworkSettings::to_value() const {
  const NetworkSettings none;
  Value value = Value::Map{};
  if (clip_skip != none.clip_skip) value["clip_skip"] = clip_skip;
  if (force_zeros_for_empty_prompt) value["force_zeros_for_empty_prompt"] = true;
  if (sample_mode != none.sample_mode) value["sample_mode"] = sample_mode;
  if (vae_tiling) value["vae_tiling"] = true;
  if (original_size != none.original_size) value["original_size"] = list_of(original_size);
  if (crops_coords_top_left != none.crops_coords_top_left) value["crops_coords_top_left"] = list_of(crops_coords_top_left);
  if (target_size != none.target_size) value["target_size"] = list_of(target_size);
  return value;
}

}  // namespace espalier::network
