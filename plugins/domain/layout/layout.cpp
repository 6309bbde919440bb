// Page layouts: boxes with a class each, generated, from COCO annotations, or from JSON lines.
#include <fmt/format.h>

#include <map>
#include <memory>
#include <utility>

#include "plugins/domain/layout/codec.h"
#include "plugins/domain/layout/examples.h"
#include "plugins/shared/folder/data.h"
#include "plugins/shared/layout/generator.h"
#include "plugins/shared/layout/read.h"
#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace {

using namespace espalier;
using namespace espalier::layout;

constexpr const char* kPlugin = "domain.layout";
constexpr std::uint64_t kGeneratedSeed = 0;  // page i is always the same one, as in a set that was downloaded

class LayoutDomain final : public elements::SetDomain {
 public:
  void options(Schema& schema) override {
    schema.choice("source", source_, {"generated", "coco", "rico", "lines"},
                  "Where pages come from: the built-in generator, COCO annotations, screens as RICO's JSON lines, or pages as JSON lines.");
    schema.path("data", data_, "The file, or what ESPALIER_DATA holds by that name.").operational();
    schema.path("held_out_data", held_out_data_, "A file of held-out pages, where they are not a share of `data`.").operational();
    schema.strings("class_names", read_.class_names, "The classes in order; empty: those of the file (generated: PubLayNet's five).");
    schema.flag("top_level_only", read_.top_level_only, "Of rico: leave out elements inside others.");
    schema.choice("on_error", on_error_, {"fail", "skip"}, "Pages and boxes that are wrong: stop, or leave them out and count them.");
    schema.integer("max_boxes", max_boxes_, "The most boxes of a page: the M of the model. Pages with more are wrong.")
        .at_least(1)
        .at_most(4096);
    schema.integer("num_pages", num_pages_, "Of generated: pages, held-out ones among them.").at_least(2).at_most(1e6);
    schema.number("held_out_fraction", held_out_.fraction, "Share of pages kept out of training, without held_out_data.")
        .at_least(0)
        .below(1);
    schema.integer("split_seed", held_out_.seed, "Another number holds out other pages.").at_least(0);
    schema.choice("task", task_, task_names(),
                  "What a condition gives: the number of boxes, their classes too, or some whole boxes of a page to be completed.");
    schema.strings("train_tasks", train_tasks_, "The tasks to train for, each on every page; empty: `task`.");
    schema.number("given_share", given_share_, "Of completion: the share of a page's boxes that is given.").at_least(0).below(1);
    schema.integer("num_conditions", num_conditions_, "Conditions of a split; samples go round them.").at_least(1).at_most(1e6);
  }

  void open(const DomainContext&) override {
    check_options();
    const auto task = task_of(task_);
    TaskMix mix{{}, given_share_};
    for (const auto& name : train_tasks_) mix.tasks.push_back(task_of(name));
    if (mix.tasks.empty()) mix.tasks = {task};
    const auto all = pages();
    note_skipped(data_, all);
    std::map<std::string, PageSource> sources;
    if (held_out_data_.empty()) {
      sources = split(all);
    } else {
      sources["train"] = {all.class_names, all.pages, max_boxes_};
      auto options = read_options();
      options.class_names = all.class_names;
      const auto held_out = read(held_out_data_, options);
      note_skipped(held_out_data_, held_out);
      sources["held_out"] = {all.class_names, held_out.pages, max_boxes_};
    }
    for (const auto& [name, source] : sources) {
      if (source.pages.empty()) throw DataError(fmt::format("{}: split '{}' has no pages", kPlugin, name));
    }
    class_names_ = all.class_names;
    pages_ = std::make_unique<const LayoutData>(std::move(sources), std::move(mix), Asked{task, given_share_, num_conditions_});
  }

  std::string sample_kind() const override { return "layout"; }
  const Dataset& data() const override { return *pages_; }
  std::shared_ptr<const Codec> codec(const ModelInfo* model) const override {
    return std::make_shared<const LayoutCodec>(max_boxes_, class_names_, model);
  }

 private:
  // An option that the chosen source does not read was meant for another one.
  void check_options() const {
    const LayoutDomain fresh;
    const auto refuse = [this](bool given, const char* name, const char* use) {
      if (given) throw ConfigError(fmt::format("{}: option '{}' is for {}; here source = \"{}\"", kPlugin, name, use, source_));
    };
    const bool generated = source_ == "generated";
    refuse(generated && !data_.empty(), "data", "a source that is a file");
    refuse(generated && !held_out_data_.empty(), "held_out_data", "a source that is a file");
    refuse(generated && !read_.class_names.empty(), "class_names", "a source that is a file");
    refuse(!generated && num_pages_ != fresh.num_pages_, "num_pages", "source = \"generated\"");
    refuse(source_ != "rico" && read_.top_level_only, "top_level_only", "source = \"rico\"");
    if (!generated && data_.empty())
      throw ConfigError(fmt::format("{}: source = \"{}\" needs the option 'data', a file", kPlugin, source_));
    if (!held_out_data_.empty() && held_out_.fraction != fresh.held_out_.fraction) {
      throw ConfigError(fmt::format("{}: held_out_fraction has no use beside held_out_data; give one of them", kPlugin));
    }
  }

  ReadOptions read_options() const {
    auto options = read_;
    options.on_error = on_error_ == "skip" ? OnError::skip : OnError::fail;
    options.max_boxes = max_boxes_;
    return options;
  }

  PageSet read(const std::string& data, const ReadOptions& options) const {
    const auto path = folder::find_data(data, kPlugin, folder::DataKind::file);
    if (source_ == "coco") return read_coco(path, options);
    return source_ == "rico" ? read_rico(path, options) : read_lines(path, options);
  }

  void note_skipped(const std::string& data, const PageSet& set) {
    if (!set.skipped_pages.empty() || !set.skipped_boxes.empty()) note(kPlugin, fmt::format("{}: skipped {}", data, set.skipped()));
  }

  PageSet pages() const {
    if (source_ != "generated") return read(data_, read_options());
    PageSet set;
    set.class_names = generated_classes();
    for (std::int64_t i = 0; i < num_pages_; ++i) {
      set.pages.push_back(generate_page(kGeneratedSeed, static_cast<std::uint64_t>(i), max_boxes_));
    }
    return set;
  }

  std::map<std::string, PageSource> split(const PageSet& all) const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < all.pages.size(); ++i) names.push_back(std::to_string(i));
    std::map<std::string, PageSource> sources;
    for (const auto& [name, places] : folder::split_places(names, held_out_, kPlugin)) {
      auto& source = sources[name];
      source = {all.class_names, {}, max_boxes_};
      for (const auto place : places) source.pages.push_back(all.pages[static_cast<std::size_t>(place)]);
    }
    return sources;
  }

  std::string source_ = "generated";
  std::string data_, held_out_data_;
  ReadOptions read_;
  std::string on_error_ = "fail";
  std::int64_t max_boxes_ = 20;
  std::int64_t num_pages_ = 4096;
  folder::HeldOut held_out_{0.1, 0};
  std::string task_ = "unconditional";
  std::vector<std::string> train_tasks_;
  double given_share_ = 0.5;
  std::int64_t num_conditions_ = 256;

  std::vector<std::string> class_names_;
  std::unique_ptr<const LayoutData> pages_;
};

}  // namespace

ESPALIER_PLUGIN(registrar) {
  registrar.domain<LayoutDomain>("layout", /*numerics_version=*/1,
                                 "Page layouts: boxes with a class each, generated, from COCO annotations or from JSON lines.");
}
