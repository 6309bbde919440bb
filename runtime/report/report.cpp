#include "runtime/report/report.h"

#include "runtime/base/errors.h"
#include "runtime/base/files.h"
#include "runtime/report/files.h"
#include "runtime/report/images.h"
#include "runtime/report/json.h"
#include "runtime/report/page.h"
#include "runtime/report/samples.h"
#include "runtime/report/tensorboard.h"

namespace espalier::report {

std::filesystem::path write(const exec::Record& record, const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder)) {
    throw StageError(folder.string() + ": the report's folder exists already; a report is never written over another");
  }
  make_folders(folder);
  write_samples(record, folder / "samples");
  write_images(record, folder);
  write_tensorboard(record, folder / "tensorboard");
  write_file(folder / "report.json", report_json(record));
  const auto html = folder / "report.html";
  write_file(html, page(record));  // last: where it is, all is
  return html;
}

}  // namespace espalier::report
