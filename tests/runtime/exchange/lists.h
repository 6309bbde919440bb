#pragma once

#include <string>
#include <vector>

#include "runtime/exchange/formats.h"

namespace espalier::exchange {

// `per_prompt` samples of each prompt, whose trajectories are numbered as a sampler does: i has the prompt i mod C.
inline SampleList list_of(const std::vector<std::string>& prompts, std::int64_t per_prompt, const std::vector<Value>& metadata) {
  SampleList list{{}, {}, prompts, metadata};
  const auto count = static_cast<std::int64_t>(prompts.size());
  for (std::int64_t i = 0; i < count * per_prompt; ++i) {
    list.index.push_back(i);
    list.condition.push_back(i % count);
  }
  return list;
}

inline std::vector<std::string> files_of(const std::vector<ExportedSample>& samples) {
  std::vector<std::string> files;
  for (const auto& sample : samples) files.push_back(sample.file);
  return files;
}

}  // namespace espalier::exchange
