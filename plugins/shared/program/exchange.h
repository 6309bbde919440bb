#pragma once

#include <cstdint>
#include <string>

#include "plugins/shared/program/child.h"
#include "plugins/shared/program/message.h"
#include "runtime/sdk/stage_context.h"

namespace espalier::program {

// The answer that a message has.
struct Due {
  std::string type;
  std::uint64_t payload_bytes = 0;
};

// Sends, and waits for the answer, `timeout_seconds` at most for both. Throws Failure; and Stopped, which leaves the program in the middle
// of a message: it is of no further use.
Reply exchange(Child& child, const Outgoing& message, const Due& due, double timeout_seconds, const StageContext& stage);

// Sends a message without an answer.
void send(Child& child, const Outgoing& message, double timeout_seconds, const StageContext& stage);

}  // namespace espalier::program
