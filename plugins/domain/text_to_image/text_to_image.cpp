// Images from prompts: the built-in shapes world, a folder of captioned PNG and JPEG files, or IDX files with class names.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "plugins/domain/text_to_image/folder_source.h"
#include "plugins/domain/text_to_image/idx_source.h"
#include "plugins/domain/text_to_image/model_folder.h"
#include "plugins/domain/text_to_image/prompt_ids.h"
#include "plugins/domain/text_to_image/prompted_examples.h"
#include "plugins/domain/text_to_image/shapes_source.h"
#include "plugins/shared/folder/data.h"
#include "plugins/shared/images/image.h"
#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/sdk/notes.h"
#include "runtime/sdk/plugin.h"

namespace {

namespace fs = std::filesystem;
using namespace espalier;
using namespace espalier::text_to_image;

constexpr const char* kPlugin = "domain.text_to_image";

class TextToImage final : public Domain, public Noted {
 public:
  void options(Schema& schema) override {
    schema.choice("prompts", prompts_, {"shapes", "folder", "idx"},
                  "Where prompts and images come from: the built-in shapes world, a folder with metadata.jsonl, or IDX files.");
    schema.path("data", data_, "The folder of images or of IDX files, or the name of a data set that ESPALIER_DATA holds.").operational();
    schema.strings("class_names", files_.class_names, "Of idx: the prompt of label 0, 1, ...");
    schema.text("train_images", files_.train_images, "Of idx: file in `data`, with or without .gz.").operational();
    schema.text("train_labels", files_.train_labels, "Of idx: file in `data`, with or without .gz.").operational();
    schema.text("test_images", files_.test_images, "Of idx: file of the held-out images; empty for none.").operational();
    schema.text("test_labels", files_.test_labels, "Of idx: file of the held-out labels; empty for none.").operational();
    schema.integer("resolution", resolution_, "Width and height of a state in pixels; 0 keeps the images' own (shapes: 16).")
        .at_least(0)
        .at_most(8192);
    schema.number("held_out_fraction", held_out_fraction_, "Of folder: the share of captions kept out of training.").at_least(0).below(1);
    schema.number("caption_relation_noise", noise_.relation, "Of shapes: share of training images that show another relation.")
        .at_least(0)
        .at_most(1);
    schema.number("caption_binding_noise", noise_.binding, "Of shapes: share of training images that swap the two colours.")
        .at_least(0)
        .at_most(1);
    schema.path("model", model_, "A model folder in the diffusers layout.").operational();
    schema.flag("initialize_weights", initialize_weights_, "Draw from the run's seed the weights that the model folder lacks.");
    schema
        .choice("on_prompt_overflow", on_prompt_overflow_, {"truncate", "error"},
                "A prompt of more tokens than the model's tokenizer takes: cut, and counted in a note, or refused.")
        .operational();
  }

  void open(const DomainContext& context) override {
    check_options();
    seed_ = context.seed;
    if (prompts_ == "shapes") {
      source_ = make_shapes_source(resolution_, noise_, seed_);
    } else if (prompts_ == "folder") {
      source_ = make_folder_source(folder::find_data(data_, kPlugin), held_out_fraction_, resolution_, context.digests);
    } else {
      IdxFiles files = files_;
      files.folder = folder::find_data(data_, kPlugin);
      source_ = make_idx_source(std::move(files), resolution_, context.digests);
    }
    notes_ = source_->notes();
    std::optional<PromptIds> ids;
    if (!model_.empty()) {
      if (!fs::is_directory(model_)) throw DataError("domain.text_to_image: model = \"" + model_ + "\": no such folder");
      ids = prompt_ids(fs::path(model_) / "tokenizer");
      std::ranges::copy(ids->notes(), std::back_inserter(notes_));
    }
    for (const std::string& note : notes_) folder::print_note(kPlugin, note);
    for (const std::string& split : source_->splits()) conditions_.emplace(split, make_conditions(split, ids ? &*ids : nullptr));
  }

  std::vector<std::string> notes() const override { return notes_; }

  std::string sample_kind() const override { return "image"; }
  StateSpec state_spec() const override { return {{"sample", {{source_->channels(), source_->height(), source_->width()}, at::kFloat}}}; }
  std::vector<std::string> splits() const override { return source_->splits(); }
  Conditions conditions(const std::string& split) const override { return of(split); }
  std::unique_ptr<Examples> examples(const std::string& split) const override {
    return make_prompted_examples(of(split), source_->images(split));
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
    ModelRules rules{source_->channels(), source_->height(), source_->width(), std::nullopt};
    if (initialize_weights_) rules.fresh_weights = seed_;
    return read_model(folder, rules);
  }
  void save_model(const Model& model, const fs::path& folder) const override {
    if (model_.empty() && model.network) throw ConfigError("domain.text_to_image: saving a model needs the tokenizer of option `model`");
    write_model(model, folder, fs::path(model_) / "tokenizer");
  }

 private:
  // An option that the chosen source does not read was meant for another one.
  void check_options() const {
    const TextToImage fresh;
    const auto refuse = [this](bool given, const std::string& name, const std::string& source) {
      if (given && prompts_ != source) {
        throw ConfigError("domain.text_to_image: option '" + name + "' is for prompts = \"" + source + "\"; here prompts = \"" + prompts_ +
                          "\"");
      }
    };
    refuse(!files_.class_names.empty(), "class_names", "idx");
    refuse(files_.train_images != fresh.files_.train_images, "train_images", "idx");
    refuse(files_.train_labels != fresh.files_.train_labels, "train_labels", "idx");
    refuse(files_.test_images != fresh.files_.test_images, "test_images", "idx");
    refuse(files_.test_labels != fresh.files_.test_labels, "test_labels", "idx");
    refuse(held_out_fraction_ != 0.0, "held_out_fraction", "folder");
    refuse(noise_.relation != 0.0, "caption_relation_noise", "shapes");
    refuse(noise_.binding != 0.0, "caption_binding_noise", "shapes");
    if (prompts_ == "shapes" && !data_.empty()) {
      throw ConfigError("domain.text_to_image: option 'data' is for prompts = \"folder\" or \"idx\"; the shapes world draws its own");
    }
    if (prompts_ != "shapes" && data_.empty()) {
      throw ConfigError("domain.text_to_image: prompts = \"" + prompts_ + "\" needs the option 'data', a folder");
    }
    if (initialize_weights_ && model_.empty()) {
      throw ConfigError("domain.text_to_image: initialize_weights needs the option 'model', a folder that says what the weights are of");
    }
  }

  // All splits at once: a held-out prompt may have become one of training.
  PromptIds prompt_ids(const fs::path& tokenizer) const {
    std::vector<std::string> prompts;
    for (const std::string& split : source_->splits()) std::ranges::copy(source_->prompts(split).text, std::back_inserter(prompts));
    return {modelfile::ClipTokenizer(tokenizer), prompts, {(tokenizer / "vocab.json").string(), on_prompt_overflow_ == "error"}};
  }

  // `ids` is null without a model.
  Conditions make_conditions(const std::string& split, const PromptIds* ids) const {
    Prompts prompts = source_->prompts(split);
    Conditions conditions;
    if (ids != nullptr) {
      conditions.tensors.emplace("input_ids", ids->rows(prompts.text));
      conditions.null_tensors.emplace("input_ids", ids->null_row());
    }
    conditions.text = std::move(prompts.text);
    conditions.metadata = std::move(prompts.metadata);
    return conditions;
  }

  const Conditions& of(const std::string& split) const {
    const auto found = conditions_.find(split);
    if (found == conditions_.end()) {
      throw ConfigError("domain.text_to_image: no split '" + split + "' with prompts = \"" + prompts_ + "\"" +
                        did_you_mean(split, source_->splits()));
    }
    return found->second;
  }

  std::string prompts_ = "shapes";
  std::string data_;
  IdxFiles files_{"", "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", {}};
  std::int64_t resolution_ = 0;
  double held_out_fraction_ = 0.0;
  CaptionNoise noise_;
  std::string model_;
  bool initialize_weights_ = false;
  std::string on_prompt_overflow_ = "truncate";

  std::uint64_t seed_ = 0;
  std::unique_ptr<Source> source_;
  std::vector<std::string> notes_;
  std::map<std::string, Conditions> conditions_;  // by split
};

}  // namespace

ESPALIER_PLUGIN(registrar) {
  registrar.domain<TextToImage>("text_to_image", /*numerics_version=*/1,
                                "Images from prompts: the shapes world, captioned PNG and JPEG files, or IDX files with class names.");
}
