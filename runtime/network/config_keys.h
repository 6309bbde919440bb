#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/base/typed_table.h"
#include "runtime/base/value.h"

namespace espalier::network {

inline constexpr const char* kDiffusersVersion = "0.42.1";  // whose layout and classes these are

// One key of a diffusers or transformers config.json.
struct ConfigKey {
  enum class Use {
    read,    // any value, checked where it is read
    fixed,   // only the default is supported
    ignored  // known, without meaning for the function: not kept
  };
  const char* name;
  Value default_value;
  Use use = Use::read;
};

// The given config with every default filled in and what is ignored left out. Throws DataError naming origin for an unknown key (with the
// nearest name) and for a value that is not supported.
Value complete_config(const Value& given, const std::vector<ConfigKey>& keys, const std::string& origin);

// Above it a number of channels, layers or heads is an error of its author: a layer of twice as many has 64 GiB of weights.
constexpr std::int64_t kMostExtent = 65536;

// Reads a complete config, whose keys are all there; each throws DataError as TypedTable does.
class ConfigReader : public TypedTable {
 public:
  ConfigReader(const Value& config, std::string origin) : TypedTable(config, std::move(origin)), config_(config) {}
  std::int64_t natural(std::string_view key, std::int64_t most = kMostExtent) const;  // an integer from 1
  double number(std::string_view key) const;                                          // an integer or a float
  bool boolean(std::string_view key) const;
  std::string text(std::string_view key, const std::vector<std::string>& allowed) const;
  std::vector<std::string> texts(std::string_view key, const std::vector<std::string>& allowed) const;
  std::vector<std::int64_t> naturals(std::string_view key) const;                     // integers from 1 to kMostExtent
  std::vector<std::int64_t> naturals(std::string_view key, std::size_t count) const;  // one for all, or a list of count

 private:
  const Value& config_;
};

}  // namespace espalier::network
