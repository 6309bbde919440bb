#include "runtime/exchange/formats.h"

#include <algorithm>

#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"

namespace espalier::exchange {

const std::vector<FormatInfo>& formats() {
  static const std::vector<FormatInfo> table = {
      {"imagefolder", ""}, {"geneval", "image"}, {"t2i_compbench", "image"}, {"sdf", "molecule"}, {"coco", "layout"}};
  return table;
}

const FormatInfo& find_format(const std::string& name) {
  const auto found = std::ranges::find(formats(), name, &FormatInfo::name);
  if (found != formats().end()) return *found;
  std::vector<std::string> names;
  for (const auto& format : formats()) names.push_back(format.name);
  throw ConfigError("--format: unknown format '" + name + "'" + did_you_mean(name, names));
}

std::vector<std::vector<std::size_t>> by_condition(const SampleList& list) {
  std::vector<std::vector<std::size_t>> positions(list.text.size());
  for (std::size_t i = 0; i < list.index.size(); ++i) positions.at(static_cast<std::size_t>(list.condition[i])).push_back(i);
  return positions;
}

}  // namespace espalier::exchange
