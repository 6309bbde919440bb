#pragma once

#include <string>
#include <vector>

#include "plugins/domain/text_to_image/prompt_file.h"

// Published lists of prompts, by name: the folder "prompts" of the data sets (datasets/manifest.toml).
namespace espalier::text_to_image {

const std::vector<std::string>& published_names();
bool is_published(const std::string& name);

// The splits of a set by itself: "train", "held_out" or both.
std::vector<std::string> published_splits(const std::string& name);

// The prompts of a set. One with training and validation lists gives those of `split`; any other has one list for either. The metadata of
// each is what its file has, "prompts" (the set's name) and, where the set has categories, "category". Throws DataError where the files are
// not there.
PromptList published_prompts(const std::string& name, const std::string& split);

}  // namespace espalier::text_to_image
