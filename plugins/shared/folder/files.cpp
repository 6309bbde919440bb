#include "plugins/shared/folder/files.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <utility>

#include "runtime/base/errors.h"

namespace espalier::folder {
namespace {

namespace fs = std::filesystem;

using Identity = std::pair<dev_t, ino_t>;

Identity identity_of(const fs::path& folder) {
  struct stat status{};
  if (::stat(folder.c_str(), &status) != 0) throw DataError(folder.string() + ": cannot be read");
  return {status.st_dev, status.st_ino};
}

std::string what_it_is(const fs::file_status& status) {
  switch (status.type()) {
    case fs::file_type::fifo:
      return "a pipe";
    case fs::file_type::socket:
      return "a socket";
    case fs::file_type::block:
    case fs::file_type::character:
      return "a device";
    default:
      return "no file";
  }
}

class Lister {
 public:
  explicit Lister(const fs::path& folder) { list_.folder = folder; }

  FileList list() {
    for (fs::path outer = fs::canonical(list_.folder); outer != outer.root_path();) {
      outer = outer.parent_path();
      entered_.insert(identity_of(outer));  // a link to it leads to other data, and to this folder again
    }
    enter("");
    // Links wait until every folder that really lies here is known: a link to one of them is the repetition, not the folder.
    for (std::size_t k = 0; k < links_.size(); ++k) {
      const fs::path link = links_[k];  // enter() appends to links_
      if (!enter(link)) list_.repeated.push_back(link);
    }
    for (auto* paths : {&list_.files, &list_.hidden, &list_.repeated}) std::ranges::sort(*paths);
    if (!file_links_.empty()) find_files_read_again();
    return std::move(list_);
  }

 private:
  void find_files_read_again() {
    std::set<Identity> read;
    for (const fs::path& file : list_.files) {
      if (!file_links_.contains(file)) read.insert(identity_of(list_.folder / file));
    }
    for (const fs::path& link : file_links_) {
      if (!read.insert(identity_of(list_.folder / link)).second) list_.read_again.push_back(link);
    }
  }

  // False for a folder that was entered before.
  bool enter(const fs::path& below) {
    const fs::path folder = below.empty() ? list_.folder : list_.folder / below;
    if (!entered_.insert(identity_of(folder)).second) return false;
    std::error_code error;
    std::vector<fs::directory_entry> entries;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) entries.push_back(*at);
    if (error) throw DataError(folder.string() + ": cannot be read: " + error.message());
    std::ranges::sort(entries);
    for (const fs::directory_entry& entry : entries) take(entry, below / entry.path().filename());
    return true;
  }

  void take(const fs::directory_entry& entry, const fs::path& relative) {
    if (relative.filename().string().starts_with('.')) {
      list_.hidden.push_back(relative);
      return;
    }
    std::error_code error;
    const fs::file_status status = entry.status(error);  // of a link's target
    if (entry.is_symlink() && (error || status.type() == fs::file_type::not_found)) {
      throw DataError(fmt::format("{}: a link to '{}', which is not there; mend it or remove it", entry.path().string(),
                                  fs::read_symlink(entry.path(), error).string()));
    }
    if (fs::is_regular_file(status)) {
      list_.files.push_back(relative);
      if (entry.is_symlink()) file_links_.insert(relative);
    } else if (!fs::is_directory(status)) {
      throw DataError(fmt::format("{}: is {}; a folder of data holds files and folders alone", entry.path().string(), what_it_is(status)));
    } else if (entry.is_symlink()) {
      links_.push_back(relative);
    } else if (!enter(relative)) {
      list_.repeated.push_back(relative);
    }
  }

  FileList list_;
  std::set<Identity> entered_;
  std::vector<fs::path> links_;    // to folders
  std::set<fs::path> file_links_;  // of list_.files
};

void append(std::string& text, const std::vector<fs::path>& paths, const char* one, const char* several) {
  constexpr std::size_t kShown = 3;
  if (paths.empty()) return;
  text += fmt::format("{}{} {} (", text.empty() ? "" : " and ", paths.size(), paths.size() == 1 ? one : several);
  for (std::size_t i = 0; i < std::min(kShown, paths.size()); ++i) text += (i == 0 ? "" : "; ") + paths[i].string();
  text += paths.size() > kShown ? "; ...)" : ")";
}

}  // namespace

std::string FileList::note() const {
  std::string text;
  append(text, hidden, "hidden file or folder", "hidden files or folders");
  append(text, repeated, "folder that is read already or contains this one", "folders that are read already or contain this one");
  if (!text.empty()) text = "passed over " + text;
  std::string again;
  append(again, read_again, "link to a file that is read already", "links to files that are read already");
  if (!again.empty()) text += (text.empty() ? "read again " : "; read again ") + again;
  return text.empty() ? "" : fmt::format("{}: {}", folder.string(), text);
}

FileList list_files(const fs::path& folder) { return Lister(folder).list(); }

std::uint64_t unpacked_limit(std::uint64_t packed_size) {
  constexpr std::uint64_t kAnyway = std::uint64_t{256} << 20, kMostExpansion = 256;
  return std::max(kAnyway, kMostExpansion * packed_size);
}

std::string lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

}  // namespace espalier::folder
