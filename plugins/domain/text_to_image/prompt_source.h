#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "plugins/shared/image_sources/source.h"

namespace espalier::text_to_image {

// The lists of a source of prompts: files (prompt_file.h), as they are written or in a folder of data sets, or names of published sets.
struct PromptLists {
  std::vector<std::string> train, held_out;  // one of the two may be empty: there is no such split then
  std::string column;                        // of the files' prompts
  bool may_overlap = false;                  // a prompt of both splits is a note, not an error
};

// Prompts without images. Of equal prompts in one split the first stays. Two prompts that differ in case, white space or a full stop at the
// end alone are one prompt where the splits are compared. `resolution`: of what models without a size of their own draw; 0: 512. Throws
// DataError for files that cannot be read and for splits that overlap, ConfigError for names that are none.
std::unique_ptr<images::Source> make_prompt_source(const PromptLists& lists, std::int64_t resolution);

}  // namespace espalier::text_to_image
