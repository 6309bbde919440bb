#pragma once

#include <cstdint>

namespace espalier::network {

// What the text of a row of conditions is: "text_role" [B] int64 beside "input_ids". Networks may embed a null condition in another way
// than a prompt (unet_network.h).
enum class TextRole : std::int64_t {
  prompt = 0,
  negative_prompt = 1,     // the null condition of a pipeline that gives one
  no_negative_prompt = 2,  // the null condition otherwise; its text is ""
};

}  // namespace espalier::network
