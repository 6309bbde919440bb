// Images without a condition: a generated set, a folder of PNG and JPEG files, or IDX files.
#include <fmt/format.h>

#include <utility>

#include "plugins/domain/unconditional/examples.h"
#include "plugins/shared/folder/data.h"
#include "plugins/shared/image_sources/generated_source.h"
#include "plugins/shared/image_sources/idx_source.h"
#include "plugins/shared/image_sources/plain_folder.h"
#include "plugins/shared/images/image_codec.h"
#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/sdk/notes.h"
#include "runtime/sdk/plugin.h"

namespace {

using namespace espalier;
using namespace espalier::unconditional;

constexpr const char* kPlugin = "domain.unconditional";

class Unconditional final : public Domain, public Dataset, public Noted {
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
    schema.integer("resolution", resolution_, "Width and height of the images in pixels; 0 keeps the images' own (generated: 16).")
        .at_least(0)
        .at_most(8192);
    schema
        .number("held_out_fraction", held_out_.fraction, "Of folder, and of idx without test_images: share of images kept out of training.")
        .at_least(0)
        .below(1);
    schema.integer("split_seed", held_out_.seed, "With held_out_fraction: another number holds out other images.").at_least(0);
    schema.flag("random_flip", random_flip_, "Follow the training images by their mirror images, left and right exchanged.");
  }

  void open(const DomainContext& context) override {
    check_options();
    if (source_name_ == "generated") {
      source_ = images::make_generated_source(resolution_);
    } else if (source_name_ == "folder") {
      source_ = images::make_plain_folder_source(kPlugin, folder::find_data(data_, kPlugin), held_out_, resolution_, context.digests);
    } else {
      images::IdxFiles files = files_;
      files.folder = folder::find_data(data_, kPlugin);
      source_ = images::make_idx_source(kPlugin, files, held_out_, resolution_, context.digests);
    }
    for (const std::string& line : source_->notes()) folder::print_note(kPlugin, line);
  }

  std::vector<std::string> notes() const override { return source_->notes(); }
  std::string sample_kind() const override { return "image"; }
  const Dataset& data() const override { return *this; }
  std::shared_ptr<const Codec> codec(const ModelInfo* model) const override {
    const images::ImageSize size{source_->channels(), source_->height(), source_->width()};
    return images::make_image_codec(size, images::Conditioning::none, model);
  }

  std::vector<std::string> splits() const override { return source_->splits(); }

  // One, without tensors: nothing to tell the network. Its metadata name the classes of the examples' labels.
  Conditions conditions(const std::string& split) const override {
    check_split(split);
    Value metadata = Value::Map{};
    const std::vector<std::string> names = class_names();
    if (!names.empty()) metadata["class_names"] = Value::List(names.begin(), names.end());
    return {{}, {}, {""}, {std::move(metadata)}};
  }

  std::unique_ptr<Examples> examples(const std::string& split) const override {
    check_split(split);
    return make_examples(source_->images(split), class_names(), random_flip_ && split == "train");
  }

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

  // The same in every split; empty where there are no labels.
  std::vector<std::string> class_names() const { return source_->captions("train").text; }

  void check_split(const std::string& split) const {
    const std::vector<std::string> known = source_->splits();
    for (const std::string& name : known) {
      if (name == split) return;
    }
    throw ConfigError(fmt::format("{}: no split '{}' of source = \"{}\"{}", kPlugin, split, source_name_, did_you_mean(split, known)));
  }

  std::string source_name_ = "generated";
  std::string data_;
  images::IdxFiles files_{"", "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", {}};
  std::int64_t resolution_ = 0;
  folder::HeldOut held_out_;
  bool random_flip_ = false;

  std::unique_ptr<images::Source> source_;
};

}  // namespace

ESPALIER_PLUGIN(registrar) {
  registrar.domain<Unconditional>("unconditional", /*numerics_version=*/1,
                                  "Images without a condition: a generated set, a folder of PNG and JPEG files, or IDX files.");
}
