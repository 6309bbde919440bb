#include "tests/runtime/cache/folder.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace espalier::cache::testing {

namespace fs = std::filesystem;

TempFolder::TempFolder(bool in_memory) {
  const fs::path memory = "/dev/shm";
  const auto parent = in_memory && ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
  auto name = (parent / "espalier-cache-XXXXXX").string();
  if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp " + name);
  path_ = name;
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  if (!fs::exists(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string slurp(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + path.string());
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void overwrite(const fs::path& path, std::string_view bytes) {
  if (fs::exists(path)) fs::permissions(path, fs::perms::owner_write, fs::perm_options::add);
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
}

Tree read_tree(const fs::path& folder) {
  Tree tree;
  for (const auto& path : files_in(folder)) tree[path.lexically_relative(folder).string()] = slurp(path);
  return tree;
}

void write_tree(const fs::path& folder, const Tree& tree) {
  fs::remove_all(folder);
  for (const auto& [name, bytes] : tree) {
    fs::create_directories((folder / name).parent_path());
    overwrite(folder / name, bytes);
  }
}

}  // namespace espalier::cache::testing
