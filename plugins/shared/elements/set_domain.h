#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "plugins/shared/elements/sets.h"
#include "runtime/sdk/notes.h"
#include "runtime/sdk/plugin.h"

namespace espalier::elements {

// What every domain of element sets does alike: the state, and its models. A domain that derives from it says its shape, calls
// model_options() in options() and open_model() in open(), and adds what its elements are: splits, conditions, examples, decode, draw.
class SetDomain : public Domain, public Noted {
 public:
  std::vector<std::string> notes() const override { return notes_; }
  StateSpec state_spec() const override;
  std::filesystem::path model_folder() const override { return model_; }
  ModelInfo model_info(const std::filesystem::path& folder) const override;
  Model load_model(const std::filesystem::path& folder) const override;
  void save_model(const Model& model, const std::filesystem::path& folder) const override;

 protected:
  struct Shape {
    std::int64_t num_elements = 0;  // M, the most that a set has
    std::int64_t num_classes = 0;   // K
    std::int64_t vector_dim = 0;    // D
  };
  virtual Shape shape() const = 0;

  void model_options(Schema& schema);
  void open_model(const DomainContext& context, const std::string& plugin);  // DataError, naming the plugin, where there is no such folder
  void note(const std::string& plugin, const std::string& line);             // printed on stderr now, and kept for the report

 private:
  std::string model_;
  bool initialize_weights_ = false;
  std::uint64_t seed_ = 0;
  std::vector<std::string> notes_;
};

}  // namespace espalier::elements
