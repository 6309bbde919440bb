#pragma once

#include <cstdlib>
#include <optional>
#include <string>

// For the tests of domains that read folders.
namespace espalier::folder {

// Sets ESPALIER_DATA, or unsets it (null), for as long as it lives.
class DataVariable {
 public:
  explicit DataVariable(const char* value) {
    if (const char* before = std::getenv(kName)) before_ = before;
    set(value);
  }
  ~DataVariable() { set(before_ ? before_->c_str() : nullptr); }
  DataVariable(const DataVariable&) = delete;
  DataVariable& operator=(const DataVariable&) = delete;

 private:
  static constexpr const char* kName = "ESPALIER_DATA";
  static void set(const char* value) { value == nullptr ? ::unsetenv(kName) : ::setenv(kName, value, 1); }
  std::optional<std::string> before_;
};

}  // namespace espalier::folder
