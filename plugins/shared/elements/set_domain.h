#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/shared/elements/sets.h"
#include "runtime/sdk/notes.h"
#include "runtime/sdk/plugin.h"

namespace espalier::elements {

struct SetShape {
  std::int64_t num_elements = 0;  // M, the most that a set has
  std::int64_t num_classes = 0;   // K
  std::int64_t vector_dim = 0;    // D
};

// What every codec of element sets does alike: the states, and which models have such states. A codec that derives from it says what an
// element is: key, encode (pack() of sets.h), decode, draw.
class SetCodec : public Codec {
 public:
  // `model`: an ElementTransformer of an InterleavedScheduler with these numbers; null is any. Throws DataError, naming the config's key.
  SetCodec(const SetShape& shape, const ModelInfo* model);
  StateSpec spec() const override { return state_spec(shape_.num_elements, shape_.vector_dim); }

 private:
  SetShape shape_;
};

// A domain of element sets that keeps what it left out of its data.
class SetDomain : public Domain, public Noted {
 public:
  std::vector<std::string> notes() const override { return notes_; }

 protected:
  void note(const std::string& plugin, const std::string& line);  // printed on stderr now, and kept for the report

 private:
  std::vector<std::string> notes_;
};

}  // namespace espalier::elements
