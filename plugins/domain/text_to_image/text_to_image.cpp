// Images from prompts: the built-in shapes world, a folder of captioned PNG and JPEG files, IDX files with class names, or prompts alone.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "plugins/domain/text_to_image/prompt_file.h"
#include "plugins/domain/text_to_image/prompt_source.h"
#include "plugins/domain/text_to_image/prompted_examples.h"
#include "plugins/domain/text_to_image/published_prompts.h"
#include "plugins/shared/folder/data.h"
#include "plugins/shared/image_sources/captioned_folder.h"
#include "plugins/shared/image_sources/idx_source.h"
#include "plugins/shared/image_sources/shapes_source.h"
#include "plugins/shared/images/image_codec.h"
#include "runtime/base/errors.h"
#include "runtime/base/suggest.h"
#include "runtime/sdk/notes.h"
#include "runtime/sdk/plugin.h"

namespace {

using namespace espalier;
using namespace espalier::text_to_image;

constexpr const char* kPlugin = "domain.text_to_image";

class TextToImage final : public Domain, public Dataset, public Noted {
 public:
  void options(Schema& schema) override {
    std::vector<std::string> sources{"shapes", "folder", "idx", "files"};
    std::ranges::copy(published_names(), std::back_inserter(sources));
    schema.choice(
        "prompts", prompts_, sources,
        "Where prompts and images come from: the built-in shapes world, a folder with metadata.jsonl, or IDX files. Prompts without "
        "images: files of prompts, or a published set by its name.");
    schema.path("data", data_, "The folder of images or of IDX files, or the name of a data set that ESPALIER_DATA holds.").operational();
    schema.strings("class_names", files_.class_names, "Of idx: the prompt of label 0, 1, ...");
    schema.text("train_images", files_.train_images, "Of idx: file in `data`, with or without .gz.").operational();
    schema.text("train_labels", files_.train_labels, "Of idx: file in `data`, with or without .gz.").operational();
    schema.text("test_images", files_.test_images, "Of idx: file of the held-out images; empty for none.").operational();
    schema.text("test_labels", files_.test_labels, "Of idx: file of the held-out labels; empty for none.").operational();
    schema
        .integer("resolution", resolution_,
                 "Width and height of the images in pixels; 0 keeps the images' own (shapes: 16; prompts without images: 512).")
        .at_least(0)
        .at_most(8192);
    schema.number("held_out_fraction", held_out_fraction_, "Of folder: the share of captions kept out of training.").at_least(0).below(1);
    schema.number("caption_relation_noise", noise_.relation, "Of shapes: share of training images that show another relation.")
        .at_least(0)
        .at_most(1);
    schema.number("caption_binding_noise", noise_.binding, "Of shapes: share of training images that swap the two colours.")
        .at_least(0)
        .at_most(1);
    schema.strings("train", lists_.train, "Of files: the lists of training prompts, each a file or the name of a published set.")
        .operational();
    schema.strings("held_out", lists_.held_out, "Of files: the lists of held-out prompts, likewise.").operational();
    schema.text("prompt_column", lists_.column, "Of files: the column or key of the prompt in .csv, .tsv and .jsonl files.").operational();
    schema
        .choice("on_overlap", on_overlap_, {"error", "note"},
                "Of prompts without images: whether a prompt that is both in train and in held_out is an error, or counted in a note.")
        .operational();
  }

  void open(const DomainContext& context) override {
    check_options();
    if (prompts_ == "shapes") {
      source_ = images::make_shapes_source(resolution_, noise_, context.seed);
    } else if (prompts_ == "folder") {
      source_ = images::make_captioned_folder_source(folder::find_data(data_, kPlugin), held_out_fraction_, resolution_, context.digests);
    } else if (without_images()) {
      source_ = make_prompt_source(lists(), resolution_);
    } else {
      images::IdxFiles files = files_;
      files.folder = folder::find_data(data_, kPlugin);
      source_ = images::make_idx_source(kPlugin, files, {}, resolution_, context.digests);
    }
    for (const std::string& note : source_->notes()) folder::print_note(kPlugin, note);
    for (const std::string& split : source_->splits()) {
      images::Captions prompts = source_->captions(split);
      conditions_.emplace(split, Conditions{{}, {}, std::move(prompts.text), std::move(prompts.metadata)});
    }
  }

  std::vector<std::string> notes() const override { return source_->notes(); }

  std::string sample_kind() const override { return "image"; }
  const Dataset& data() const override { return *this; }
  std::shared_ptr<const Codec> codec(const ModelInfo* model) const override {
    const images::ImageSize size{source_->channels(), source_->height(), source_->width()};
    return images::make_image_codec(size, images::Conditioning::texts, model);
  }

  std::vector<std::string> splits() const override { return source_->splits(); }
  Conditions conditions(const std::string& split) const override { return of(split); }
  bool has_examples() const override { return source_->has_images(); }
  std::unique_ptr<Examples> examples(const std::string& split) const override {
    return make_prompted_examples(of(split), source_->images(split));
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
    refuse(!lists_.train.empty(), "train", "files");
    refuse(!lists_.held_out.empty(), "held_out", "files");
    refuse(lists_.column != fresh.lists_.column, "prompt_column", "files");
    check_data();
  }

  void check_data() const {
    if (prompts_ == "shapes" && !data_.empty()) {
      throw ConfigError("domain.text_to_image: option 'data' is for prompts = \"folder\" or \"idx\"; the shapes world draws its own");
    }
    if (without_images()) {
      if (!data_.empty()) {
        throw ConfigError("domain.text_to_image: option 'data' is for prompts = \"folder\" or \"idx\"; prompts = \"" + prompts_ +
                          "\" has no images");
      }
      if (prompts_ == "files") check_lists();
      return;
    }
    if (on_overlap_ != "error") {
      throw ConfigError("domain.text_to_image: option 'on_overlap' is for prompts without images; here prompts = \"" + prompts_ + "\"");
    }
    if (prompts_ != "shapes" && data_.empty()) {
      throw ConfigError("domain.text_to_image: prompts = \"" + prompts_ + "\" needs the option 'data', a folder");
    }
    if (prompts_ == "idx" && files_.test_images.empty() != files_.test_labels.empty()) {
      throw ConfigError("domain.text_to_image: test_images and test_labels go together; leave both empty for no held-out images");
    }
    if (prompts_ == "idx" && files_.class_names.empty()) {
      throw ConfigError("domain.text_to_image: prompts = \"idx\" needs class_names = [...], the name of label 0, 1, ...");
    }
  }

  void check_lists() const {
    if (lists_.train.empty() && lists_.held_out.empty()) {
      throw ConfigError("domain.text_to_image: prompts = \"files\" needs the option 'train', 'held_out' or both, lists of prompts");
    }
    const auto takes_column = [](const std::string& entry) { return !is_published(entry) && has_columns(entry); };
    if (lists_.column != kPromptColumn && std::ranges::none_of(lists_.train, takes_column) &&
        std::ranges::none_of(lists_.held_out, takes_column)) {
      throw ConfigError("domain.text_to_image: option 'prompt_column' is for .csv, .tsv and .jsonl files, and no list is one");
    }
  }

  bool without_images() const { return prompts_ == "files" || is_published(prompts_); }

  // A published set stands for its own lists.
  PromptLists lists() const {
    PromptLists lists = lists_;
    lists.may_overlap = on_overlap_ == "note";
    if (prompts_ == "files") return lists;
    for (const std::string& split : published_splits(prompts_)) (split == "train" ? lists.train : lists.held_out) = {prompts_};
    return lists;
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
  images::IdxFiles files_{"", "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", {}};
  std::int64_t resolution_ = 0;
  double held_out_fraction_ = 0.0;
  images::CaptionNoise noise_;
  PromptLists lists_{{}, {}, kPromptColumn};
  std::string on_overlap_ = "error";

  std::unique_ptr<images::Source> source_;
  std::map<std::string, Conditions> conditions_;  // by split
};

}  // namespace

ESPALIER_PLUGIN(registrar) {
  registrar.domain<TextToImage>(
      "text_to_image", /*numerics_version=*/1,
      "Images from prompts: the shapes world, captioned PNG and JPEG files, IDX files with class names, or prompts alone.");
}
