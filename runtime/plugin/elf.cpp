#include "runtime/plugin/elf.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "runtime/base/errors.h"

namespace espalier::plugin {
namespace {

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#endif
constexpr std::uint64_t kMaxNote = 64 << 10;
constexpr std::uint64_t kMaxTable = 256 << 20;
constexpr std::string_view kOwner("espalier\0", 9);

// A file whose every read is checked against its size.
class File {
 public:
  explicit File(const std::filesystem::path& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    struct stat status{};
    if (descriptor_ < 0 || ::fstat(descriptor_, &status) != 0) {
      const int reason = errno;
      close();
      throw PluginError(fmt::format("cannot be read: {}", std::strerror(reason)));
    }
    size_ = S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : 0;
  }
  ~File() { close(); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  std::string read(std::uint64_t offset, std::uint64_t size, std::uint64_t limit, const char* what) const {
    if (offset > size_ || size > size_ - offset)
      throw PluginError(fmt::format("is cut short: its {} lies beyond the end of the file", what));
    if (size > limit)
      throw PluginError(fmt::format("is not a library this reader takes: its {} has {} bytes; at most {}", what, size, limit));
    std::string bytes(size, '\0');
    std::uint64_t done = 0;
    while (done < size) {
      const ssize_t count = ::pread(descriptor_, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw PluginError(fmt::format("cannot be read: {}", std::strerror(errno)));
      if (count == 0) throw PluginError("became shorter while it was read");
      done += static_cast<std::uint64_t>(count);
    }
    return bytes;
  }
  std::uint64_t size() const { return size_; }

 private:
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }
  int descriptor_;
  std::uint64_t size_ = 0;
};

template <class T>
T take(const std::string& bytes, std::uint64_t index = 0) {
  T value;
  std::memcpy(&value, bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}

// The zero-terminated name at `offset` of a string table; "" when it lies outside.
std::string_view name_at(const std::string& table, std::uint64_t offset) {
  if (offset >= table.size()) return {};
  const std::string_view rest = std::string_view(table).substr(offset);
  return rest.substr(0, rest.find('\0'));
}

Elf64_Ehdr read_header(const File& file) {
  const char* const not_elf = "is not an ELF library";
  if (file.size() < SELFMAG || file.read(0, SELFMAG, SELFMAG, "magic number") != ELFMAG) throw PluginError(not_elf);
  const auto header = take<Elf64_Ehdr>(file.read(0, sizeof(Elf64_Ehdr), sizeof(Elf64_Ehdr), "ELF header"));
  if (header.e_ident[EI_CLASS] != ELFCLASS64)
    throw PluginError("is a 32-bit library; this program takes 64-bit ones: rebuild the plugin on this machine");
  if (header.e_ident[EI_DATA] != ELFDATA2LSB) throw PluginError("is a big-endian library; this program takes little-endian ones");
  if (header.e_machine != kMachine) {
    throw PluginError(
        fmt::format("is built for another processor (ELF machine {}); this program is ELF machine {}: rebuild the plugin on this machine",
                    header.e_machine, kMachine));
  }
  if (header.e_type != ET_DYN) throw PluginError("is an ELF file but not a shared library: link the plugin with -shared");
  if (header.e_shoff == 0 || header.e_shnum == 0)
    throw PluginError("has no section table, so no stamp can be read: do not strip it with sstrip");
  if (header.e_shentsize != sizeof(Elf64_Shdr)) throw PluginError("has a damaged ELF header: its section entries have an unknown size");
  if (header.e_shstrndx >= header.e_shnum) throw PluginError("has a damaged ELF header: no section holds the names of sections");
  return header;
}

std::string note_text(const std::string& note) {
  const char* const damaged = "has a damaged stamp: rebuild the plugin";
  if (note.size() < sizeof(Elf64_Nhdr)) throw PluginError(damaged);
  const auto header = take<Elf64_Nhdr>(note);
  const std::uint64_t name_size = (std::uint64_t{header.n_namesz} + 3) & ~std::uint64_t{3};
  const std::uint64_t start = sizeof(Elf64_Nhdr) + name_size;
  if (start > note.size() || header.n_descsz > note.size() - start) throw PluginError(damaged);
  if (std::string_view(note).substr(sizeof(Elf64_Nhdr), header.n_namesz) != kOwner) throw PluginError(damaged);
  const std::string text = note.substr(start, header.n_descsz);
  return text.substr(0, text.find('\0'));
}

bool exports_entry(const std::string& symbols, const std::string& names) {
  for (std::uint64_t i = 0; i < symbols.size() / sizeof(Elf64_Sym); ++i) {
    const auto symbol = take<Elf64_Sym>(symbols, i);
    if (symbol.st_shndx != SHN_UNDEF && ELF64_ST_BIND(symbol.st_info) != STB_LOCAL && ELF64_ST_TYPE(symbol.st_info) == STT_FUNC &&
        name_at(names, symbol.st_name) == "espalier_register") {
      return true;
    }
  }
  return false;
}

}  // namespace

Stamp parse_stamp(const std::string& text) {
  Stamp stamp;
  for (std::size_t start = 0; start < text.size();) {
    const std::size_t end = std::min(text.find('\n', start), text.size());
    const std::string line = text.substr(start, end - start);
    const std::size_t equals = line.find('=');
    if (equals != std::string::npos) stamp[line.substr(0, equals)] = line.substr(equals + 1);
    start = end + 1;
  }
  return stamp;
}

Stamp read_stamp(const std::filesystem::path& library) {
  const File file(library);
  const Elf64_Ehdr header = read_header(file);
  const std::string table = file.read(header.e_shoff, std::uint64_t{header.e_shnum} * sizeof(Elf64_Shdr), kMaxTable, "section table");
  const auto section = [&](std::uint64_t index) { return take<Elf64_Shdr>(table, index); };
  const auto content = [&](const Elf64_Shdr& entry, std::uint64_t limit, const char* what) {
    return entry.sh_type == SHT_NOBITS ? std::string() : file.read(entry.sh_offset, entry.sh_size, limit, what);
  };
  const std::string section_names = content(section(header.e_shstrndx), kMaxTable, "table of section names");

  std::string note;
  bool has_entry = false;
  for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr entry = section(i);
    if (entry.sh_type != SHT_NOBITS && name_at(section_names, entry.sh_name) == ".note.espalier") {
      note = content(entry, kMaxNote, "stamp");
    } else if (entry.sh_type == SHT_DYNSYM && entry.sh_link < header.e_shnum) {
      has_entry = exports_entry(content(entry, kMaxTable, "symbol table"), content(section(entry.sh_link), kMaxTable, "symbol names"));
    }
  }
  if (note.empty()) throw PluginError("carries no Espalier stamp: it is no plugin, or was not written with ESPALIER_PLUGIN()");
  const Stamp stamp = parse_stamp(note_text(note));
  if (!has_entry) throw PluginError("does not export espalier_register: begin the plugin's entry with ESPALIER_PLUGIN(plugin) { ... }");
  return stamp;
}

}  // namespace espalier::plugin
