#pragma once

#include <string>
#include <vector>

#include "runtime/sdk/plugin_base.h"

namespace espalier {

// A plugin that also derives from this has notes on its data, such as what it left out. `validate --json` and the report show a domain's
// notes. No part of the kinds' interfaces: a plugin that was built without it still fits.
class Noted {
 public:
  virtual ~Noted();
  virtual std::vector<std::string> notes() const = 0;  // lines for a person, of an opened plugin
};

// Those of `plugin`, as UTF-8; none when it is not Noted.
std::vector<std::string> notes_of(const Plugin& plugin);

}  // namespace espalier
