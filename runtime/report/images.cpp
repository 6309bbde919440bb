#include "runtime/report/images.h"

#include "runtime/report/files.h"

namespace espalier::report {

std::string image_file(const std::string& stage, std::size_t i) {
  return "images/" + folder_name(stage) + "/" + std::to_string(i) + ".png";
}

void write_images(const exec::Record& record, const std::filesystem::path& folder) {
  for (const auto& [stage, findings, time] : record.findings) {
    if (findings.images.empty()) continue;
    make_folder(folder / "images");
    make_folder(folder / "images" / folder_name(stage));
    for (std::size_t i = 0; i < findings.images.size(); ++i) {
      write_file(folder / image_file(stage, i), encode_png(findings.images[i].image));
    }
  }
}

}  // namespace espalier::report
