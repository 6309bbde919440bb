// Images without a condition: a generated set, a folder of PNG and JPEG files, or IDX files.
#include <fmt/format.h>

#include <optional>
#include <utility>

#include "plugins/domain/unconditional/examples.h"
#include "plugins/domain/unconditional/generated_source.h"
#include "plugins/domain/unconditional/model_folder.h"
#include "plugins/domain/unconditional/source.h"
#include "plugins/shared/folder/data.h"
#include "plugins/shared/images/image.h"
#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/sdk/notes.h"
#include "runtime/sdk/plugin.h"

namespace {

namespace fs = std::filesystem;
using namespace espalier;
using namespace espalier::unconditional;

constexpr const char* kPlugin = "domain.unconditional";

class Unconditional final : public Domain, public Noted {
 public:
  void options(Schema& schema) override {
    schema.choice("source", source_name_, {"generated", "folder", "idx"},
                  "Where images come from: the built-in generated set, a folder of PNG and JPEG files, or IDX files.");
    schema.path("data", data_, "The folder of images or of IDX files, or the name of a data set that ESPALIER_DATA holds.").operational();
    schema.text("train_images", files_.train_images, "Of idx: file in `data`, with or without .gz.").operational();
    schema.text("test_images", files_.test_images, "Of idx: file of the held-out images; empty for none.").operational();
    schema.strings("class_names", files_.class_names, "Of idx: the names of label 0, 1, ..., for classifiers; empty reads no labels.");
    schema.text("train_labels", files_.train_labels, "Of idx with class_names: file in `data`, with or without .gz.").operational();
    schema.text("test_labels", files_.test_labels, "Of idx with class_names: file of the held-out labels.").operational();
    schema.integer("resolution", resolution_, "Width and height of a state in pixels; 0 keeps the images' own (generated: 16).")
        .at_least(0)
        .at_most(8192);
    schema
        .number("held_out_fraction", held_out_.fraction, "Of folder, and of idx without test_images: share of images kept out of training.")
        .at_least(0)
        .below(1);
    schema.integer("split_seed", held_out_.seed, "With held_out_fraction: another number holds out other images.").at_least(0);
    schema.flag("random_flip", random_flip_, "Follow the training images by their mirror images, left and right exchanged.");
    schema.path("model", model_, "A model folder in the diffusers layout.").operational();
    schema.flag("initialize_weights", initialize_weights_, "Draw from the run's seed the weights that a model folder lacks.");
  }

  void open(const DomainContext& context) override {
    check_options();
    seed_ = context.seed;
    if (source_name_ == "generated") {
      source_ = make_generated_source(resolution_);
    } else if (source_name_ == "folder") {
      source_ = make_folder_source(folder::find_data(data_, kPlugin), held_out_, resolution_, context.digests);
    } else {
      IdxFiles files = files_;
      files.folder = folder::find_data(data_, kPlugin);
      source_ = make_idx_source(files, held_out_, resolution_, context.digests);
    }
    for (const std::string& line : source_->notes()) folder::print_note(kPlugin, line);
    if (!model_.empty() && !fs::is_directory(model_)) {
      throw DataError(fmt::format("{}: model = \"{}\": no such folder", kPlugin, model_));
    }
  }

  std::vector<std::string> notes() const override { return source_->notes(); }
  std::string sample_kind() const override { return "image"; }
  StateSpec state_spec() const override { return {{"sample", {{source_->channels(), source_->height(), source_->width()}, at::kFloat}}}; }
  std::vector<std::string> splits() const override { return source_->splits(); }

  // One, without tensors: nothing to tell the network. Its metadata name the classes of the examples' labels.
  Conditions conditions(const std::string& split) const override {
    check_split(split);
    Value metadata = Value::Map{};
    const std::vector<std::string> names = source_->class_names();
    if (!names.empty()) metadata["class_names"] = Value::List(names.begin(), names.end());
    return {{}, {}, {""}, {std::move(metadata)}};
  }

  std::unique_ptr<Examples> examples(const std::string& split) const override {
    check_split(split);
    return make_examples(source_->images(split), source_->class_names(), random_flip_ && split == "train");
  }

  // Pixels need no decoder: [-1, 1] becomes [0, 1].
  Value decoder() const override { return Value::Map{{"type", "pixels"}, {"range", Value::List{-1.0, 1.0}}}; }
  Sample decode(const State& state) const override {
    return {"image", {{"image", state.at("sample").to(at::kFloat).add(1.0).div(2.0).clamp(0.0, 1.0)}}, {}};
  }
  std::vector<Image> draw(const Sample& sample) const override { return images::draw_images(sample.tensors.at("image")); }
  bool has_canonical_keys() const override { return true; }
  std::vector<std::string> canonical_keys(const Sample& sample) const override { return images::image_keys(sample.tensors.at("image")); }

  fs::path model_folder() const override { return model_; }
  ModelInfo model_info(const fs::path& folder) const override { return load_model(folder).info; }
  Model load_model(const fs::path& folder) const override {
    images::ModelRules rules{source_->channels(), source_->height(), source_->width(), std::nullopt};
    if (initialize_weights_) rules.fresh_weights = seed_;
    return read_model(folder, rules);
  }
  void save_model(const Model& model, const fs::path& folder) const override { write_model(model, folder); }

 private:
  // An option that the chosen source does not read was meant for another one.
  void check_options() const {
    const Unconditional fresh;
    const auto refuse = [this](bool given, const std::string& name, const std::string& use) {
      if (given) throw ConfigError(fmt::format("{}: option '{}' is for {}; here source = \"{}\"", kPlugin, name, use, source_name_));
    };
    const bool idx = source_name_ == "idx", generated = source_name_ == "generated";
    refuse(!idx && files_.train_images != fresh.files_.train_images, "train_images", "source = \"idx\"");
    refuse(!idx && files_.test_images != fresh.files_.test_images, "test_images", "source = \"idx\"");
    refuse(!idx && !files_.class_names.empty(), "class_names", "source = \"idx\"");
    const bool labels = idx && !files_.class_names.empty();
    refuse(!labels && files_.train_labels != fresh.files_.train_labels, "train_labels", "source = \"idx\" with class_names");
    refuse(!labels && files_.test_labels != fresh.files_.test_labels, "test_labels", "source = \"idx\" with class_names");
    const bool has_test_file = idx && !files_.test_images.empty();
    refuse((generated || has_test_file) && held_out_.fraction != 0.0, "held_out_fraction",
           "source = \"folder\", and for \"idx\" with test_images = \"\"");
    refuse(held_out_.fraction == 0.0 && held_out_.seed != 0, "split_seed", "held_out_fraction above 0");
    refuse(generated && !data_.empty(), "data", "source = \"folder\" or \"idx\"");
    if (!generated && data_.empty()) {
      throw ConfigError(fmt::format("{}: source = \"{}\" needs the option 'data', a folder", kPlugin, source_name_));
    }
  }

  void check_split(const std::string& split) const {
    const std::vector<std::string> known = source_->splits();
    for (const std::string& name : known) {
      if (name == split) return;
    }
    throw ConfigError(fmt::format("{}: no split '{}' of source = \"{}\"{}", kPlugin, split, source_name_, did_you_mean(split, known)));
  }

  std::string source_name_ = "generated";
  std::string data_;
  IdxFiles files_{"", "train-images-idx3-ubyte", "t10k-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte", {}};
  std::int64_t resolution_ = 0;
  HeldOut held_out_;
  bool random_flip_ = false;
  std::string model_;
  bool initialize_weights_ = false;

  std::uint64_t seed_ = 0;
  std::unique_ptr<Source> source_;
};

}  // namespace

ESPALIER_PLUGIN(registrar) {
  registrar.domain<Unconditional>("unconditional", /*numerics_version=*/1,
                                  "Images without a condition: a generated set, a folder of PNG and JPEG files, or IDX files.");
}
