#include "runtime/exchange/export.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/base/errors.h"

namespace espalier::exchange {
namespace {

constexpr std::int64_t kAtOnce = 16;  // samples in memory beside the block that they are of

using Use = std::function<void(std::size_t position, const Sample& one)>;

void for_each_sample(const View& view, const std::function<void(std::int64_t)>& done, const Use& use) {
  for (std::int64_t first = 0; first < view.size(); first += kAtOnce) {
    const auto count = std::min(kAtOnce, view.size() - first);
    const auto samples = view.decoded(View::range(first, count));
    for (std::int64_t i = 0; i < count; ++i) use(static_cast<std::size_t>(first + i), rows_of(samples, {i}));
    done(count);
  }
}

Image drawn(const View& view, const Sample& one) {
  auto images = view.codec().draw(one);
  if (images.size() != 1 || images.front().rgb.empty()) throw PluginError("draw() of one sample gave no image of it");
  return std::move(images.front());
}

SampleList listed(const View& view, const Conditions& conditions, const Manifest& manifest) {
  return {view.index(), view.condition(), conditions.text, conditions.metadata, manifest.id()};
}

ExportedSample recorded(const SampleList& list, std::size_t position, const std::string& file) {
  return {list.index[position], file, list.text.at(static_cast<std::size_t>(list.condition[position]))};
}

std::vector<ExportedSample> write_images(ImageExport exported, const View& view, AsideFolder& folder,
                                         const std::function<void(std::int64_t)>& done) {
  for_each_sample(view, done, [&](std::size_t position, const Sample& one) {
    folder.write(exported.samples[position].file, encode_png(drawn(view, one)));
  });
  for (const auto& [file, text] : exported.texts) folder.write(file, text);
  return std::move(exported.samples);
}

std::vector<ExportedSample> write_sdf(const View& view, const SampleList& list, AsideFolder& folder,
                                      const std::function<void(std::int64_t)>& done) {
  static constexpr const char* kFile = "molecules.sdf";
  std::vector<ExportedSample> samples;
  std::string text;
  for_each_sample(view, done, [&](std::size_t position, const Sample& one) {
    const auto record = sdf_record(view.codec().records(one), list.index[position]);
    if (record.empty()) return;
    text += record;
    samples.push_back(recorded(list, position, kFile));
  });
  if (samples.empty()) throw StageError("sdf: none of the molecules is one that an SD file can hold");
  folder.write(kFile, text);
  return samples;
}

std::vector<ExportedSample> write_coco(const View& view, const SampleList& list, AsideFolder& folder,
                                       const std::function<void(std::int64_t)>& done) {
  std::vector<ExportedSample> samples;
  CocoBoxes boxes;
  for_each_sample(view, done, [&](std::size_t position, const Sample& one) {
    const auto page = drawn(view, one);
    samples.push_back(recorded(list, position, fmt::format("images/{:06}.png", list.index[position])));
    boxes.add(samples.back(), view.codec().records(one), page);
    folder.write(samples.back().file, encode_png(page));
  });
  folder.write("layouts.json", boxes.to_text());
  return samples;
}

}  // namespace

std::vector<ExportedSample> export_samples(const Manifest& manifest, const View& view, const Conditions& conditions, AsideFolder& folder,
                                           const std::function<void(std::int64_t)>& done) {
  const auto& format = manifest.kind;
  const auto list = listed(view, conditions, manifest);
  if (list.index.empty()) throw StageError("none of its samples is finite: there is nothing to export");
  if (format == "imagefolder") return write_images(imagefolder(list), view, folder, done);
  if (format == "geneval") return write_images(geneval(list), view, folder, done);
  if (format == "t2i_compbench") return write_images(t2i_compbench(list), view, folder, done);
  if (format == "sdf") return write_sdf(view, list, folder, done);
  if (format == "coco") return write_coco(view, list, folder, done);
  throw InternalError("no export is written as '" + format + "'");
}

}  // namespace espalier::exchange
