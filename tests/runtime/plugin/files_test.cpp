// Files that must be refused before any of their code runs.
#include <elf.h>
#include <gmock/gmock.h>

#include <cstddef>
#include <cstring>
#include <functional>
#include <random>
#include <utility>

#include "plugin_folder.h"
#include "runtime/plugin/elf.h"

namespace espalier::plugin {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

template <class T>
std::string put(std::string bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
  return bytes;
}

std::string replace(std::string bytes, const std::string& from, const std::string& to) {
  const std::size_t at = bytes.find(from);
  if (at == std::string::npos || from.size() != to.size()) throw std::logic_error("the canary has no '" + from + "'");
  for (std::size_t next = at; next != std::string::npos; next = bytes.find(from, next + 1)) bytes.replace(next, to.size(), to);
  return bytes;
}

// Where the header of the stamp's note begins.
std::size_t note_at(const std::string& bytes) {
  const std::size_t owner = bytes.find(std::string("espalier\0\0\0\0abi=", 16));
  if (owner == std::string::npos) throw std::logic_error("the canary has no note");
  return owner - sizeof(Elf64_Nhdr);
}

std::size_t section_header(const std::string& bytes, const std::string& name) {
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  const auto section = [&](std::size_t index) {
    Elf64_Shdr entry;
    std::memcpy(&entry, bytes.data() + header.e_shoff + index * sizeof entry, sizeof entry);
    return entry;
  };
  const auto names = section(header.e_shstrndx);
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    if (name == bytes.c_str() + names.sh_offset + section(i).sh_name) return header.e_shoff + i * sizeof(Elf64_Shdr);
  }
  throw std::logic_error("the canary has no section " + name);
}

struct Spoilt {
  const char* name;
  const char* message;  // part of the message
  std::function<std::string(const std::string&)> spoil;
};
void PrintTo(const Spoilt& spoilt, std::ostream* out) { *out << spoilt.name; }

constexpr std::uint64_t kFar = ~std::uint64_t{0} - 8;
using S = std::string;
const Spoilt kSpoilt[] = {
    {"Text", "is not an ELF library", [](const S&) { return S("hello, this is no library"); }},
    {"Empty", "is not an ELF library", [](const S&) { return S(); }},
    {"TwoBytes", "is not an ELF library", [](const S& bytes) { return bytes.substr(0, 2); }},
    {"HeaderCutShort", "is cut short: its ELF header", [](const S& bytes) { return bytes.substr(0, 40); }},
    {"SectionsCutOff", "is cut short: its section table", [](const S& bytes) { return bytes.substr(0, bytes.size() / 2); }},
    {"LastByteCutOff", "is cut short", [](const S& bytes) { return bytes.substr(0, bytes.size() - 1); }},
    {"For32Bits", "is a 32-bit library", [](const S& bytes) { return put(bytes, EI_CLASS, char{ELFCLASS32}); }},
    {"BigEndian", "is a big-endian library", [](const S& bytes) { return put(bytes, EI_DATA, char{ELFDATA2MSB}); }},
    {"ForAnotherProcessor", "another processor (ELF machine 243)",
     [](const S& bytes) { return put(bytes, offsetof(Elf64_Ehdr, e_machine), Elf64_Half{EM_RISCV}); }},
    {"AProgram", "not a shared library", [](const S& bytes) { return put(bytes, offsetof(Elf64_Ehdr, e_type), Elf64_Half{ET_EXEC}); }},
    {"AnObjectFile", "not a shared library", [](const S& bytes) { return put(bytes, offsetof(Elf64_Ehdr, e_type), Elf64_Half{ET_REL}); }},
    {"WithoutSectionTable", "has no section table", [](const S& bytes) { return put(bytes, offsetof(Elf64_Ehdr, e_shoff), Elf64_Off{0}); }},
    {"SectionTableFarAway", "is cut short", [](const S& bytes) { return put(bytes, offsetof(Elf64_Ehdr, e_shoff), Elf64_Off{kFar}); }},
    {"OddSectionSize", "damaged ELF header", [](const S& bytes) { return put(bytes, offsetof(Elf64_Ehdr, e_shentsize), Elf64_Half{8}); }},
    {"NamesOutsideTable", "damaged ELF header",
     [](const S& bytes) { return put(bytes, offsetof(Elf64_Ehdr, e_shstrndx), Elf64_Half{999}); }},
    {"WithoutNote", "carries no Espalier stamp", [](const S& bytes) { return replace(bytes, ".note.espalier", ".note.somebody"); }},
    {"NoteFarAway", "is cut short: its stamp",
     [](const S& bytes) { return put(bytes, section_header(bytes, ".note.espalier") + offsetof(Elf64_Shdr, sh_offset), kFar); }},
    {"NoteTooLarge", "at most 65536",
     [](const S& bytes) {
       S larger = bytes;
       larger.resize(bytes.size() + (1 << 20));
       return put(std::move(larger), section_header(bytes, ".note.espalier") + offsetof(Elf64_Shdr, sh_size), std::uint64_t{1 << 20});
     }},
    {"NoteOfAnotherOwner", "damaged stamp", [](const S& bytes) { return put(bytes, note_at(bytes) + sizeof(Elf64_Nhdr), 'E'); }},
    {"NoteOwnerTooLong", "damaged stamp", [](const S& bytes) { return put(bytes, note_at(bytes), ~std::uint32_t{0}); }},
    {"NoteTextTooLong", "damaged stamp", [](const S& bytes) { return put(bytes, note_at(bytes) + 4, ~std::uint32_t{0}); }},
    {"OtherAbi", "abi: the plugin has '0', this program '" ESPALIER_ABI "'): rebuild the plugin with",
     [](const S& bytes) { return replace(bytes, S("\0abi=" ESPALIER_ABI "\n", 7), S("\0abi=0\n", 7)); }},
    {"OtherCompiler", "compiler: the plugin has '9", [](const S& bytes) { return replace(bytes, "\ncompiler=1", "\ncompiler=9"); }},
    {"OtherStringLayout", "cxx11_abi: the plugin has '0', this program '1'",
     [](const S& bytes) { return replace(bytes, "\ncxx11_abi=1", "\ncxx11_abi=0"); }},
    {"OtherLibTorch", "libtorch: the plugin has '1.", [](const S& bytes) { return replace(bytes, "\nlibtorch=2.", "\nlibtorch=1."); }},
    {"OtherContainers", "glibcxx_debug: the plugin has '1', this program '0'",
     [](const S& bytes) { return replace(bytes, "\nglibcxx_debug=0", "\nglibcxx_debug=1"); }},
    {"OtherSanitizers", "sanitize: the plugin has nothing", [](const S& bytes) { return replace(bytes, "\nsanitize=", "\nsanitise="); }},
    {"WithoutEntry", "does not export espalier_register",
     [](const S& bytes) { return replace(bytes, "espalier_register", "espalier_registar"); }},
    {"LibraryItNeedsIsMissing", "cannot be loaded", [](const S& bytes) { return replace(bytes, "libstdc++.so.6", "libstdx++.so.6"); }},
};

class SpoiltFile : public PluginFolder, public ::testing::WithParamInterface<Spoilt> {};

TEST_P(SpoiltFile, IsRefusedBeforeItsCodeRuns) {
  const fs::path library = folder_ / "spoilt.so";
  write(library, GetParam().spoil(read(canary_library())));
  EXPECT_THAT(refusal(), HasSubstr(GetParam().message));
  EXPECT_THAT(refusal(), HasSubstr(library.string()));
  EXPECT_FALSE(sang());
}
INSTANTIATE_TEST_SUITE_P(Table, SpoiltFile, ::testing::ValuesIn(kSpoilt), [](const auto& param) { return param.param.name; });

// -- files in untrusted places --

struct Place {
  const char* name;
  const char* message;
  std::function<void(const fs::path& root, const fs::path& library)> arrange;
  bool needs_root = false;
};
void PrintTo(const Place& place, std::ostream* out) { *out << place.name; }

const Place kPlaces[] = {
    {"WritableFile", "the file is writable by others (mode 0666)", [](const fs::path&, const fs::path& so) { ::chmod(so.c_str(), 0666); }},
    {"WritableFolder", "is writable by others (mode 0777)",
     [](const fs::path&, const fs::path& so) { ::chmod(so.parent_path().c_str(), 0777); }},
    {"StickyFolder", "is writable by others (mode 1777)",
     [](const fs::path&, const fs::path& so) { ::chmod(so.parent_path().c_str(), 01777); }},
    {"WritableParent", "the parent folder", [](const fs::path& root, const fs::path&) { ::chmod(root.c_str(), 0777); }},
    {"LinkToAWritableFile", "the file is writable by others",
     [](const fs::path& root, const fs::path& so) {
       fs::rename(so, root / "elsewhere");
       ::chmod((root / "elsewhere").c_str(), 0777);
       fs::create_symlink(root / "elsewhere", so);
     }},
    {"LinkIntoAWritableFolder", "is writable by others (mode 0777)",
     [](const fs::path& root, const fs::path& so) {
       fs::create_directory(root / "open");
       ::chmod((root / "open").c_str(), 0777);
       fs::rename(so, root / "open" / "x");
       fs::create_symlink(root / "open" / "x", so);
     }},
    {"LinkLoop", "cannot be read: Too many levels of symbolic links",
     [](const fs::path& root, const fs::path& so) {
       fs::remove(so);
       fs::create_symlink(root / "loop", so);
       fs::create_symlink(so, root / "loop");
     }},
    {"LinkToNothing", "cannot be read: No such file",
     [](const fs::path& root, const fs::path& so) {
       fs::remove(so);
       fs::create_symlink(root / "nothing", so);
     }},
    {"AFolder", "is not a regular file",
     [](const fs::path&, const fs::path& so) {
       fs::remove(so);
       fs::create_directory(so);
     }},
    {"APipe", "is not a regular file",
     [](const fs::path&, const fs::path& so) {
       fs::remove(so);
       ::mkfifo(so.c_str(), 0600);
     }},
    {"FileOfAnotherUser", "the file belongs to user 12345",
     [](const fs::path&, const fs::path& so) { ASSERT_EQ(::chown(so.c_str(), 12345, 12345), 0); }, true},
    {"FolderOfAnotherUser", "' belongs to user 12345",
     [](const fs::path&, const fs::path& so) { ASSERT_EQ(::chown(so.parent_path().c_str(), 12345, 12345), 0); }, true},
};

class UntrustedPlace : public PluginFolder, public ::testing::WithParamInterface<Place> {};

TEST_P(UntrustedPlace, IsRefusedBeforeItsCodeRuns) {
  if (GetParam().needs_root && ::geteuid() != 0) GTEST_SKIP() << "only root can give a file to another user";
  GetParam().arrange(root_, add_canary("untrusted.so"));
  EXPECT_THAT(refusal(), HasSubstr(GetParam().message));
  EXPECT_FALSE(sang());
}
INSTANTIATE_TEST_SUITE_P(Table, UntrustedPlace, ::testing::ValuesIn(kPlaces), [](const auto& param) { return param.param.name; });

TEST_F(PluginFolder, RefusesALibraryCompiledWithDebuggingContainers) {
  add(built("debug_stamp"), "debug.so");
  EXPECT_THAT(refusal(), HasSubstr("glibcxx_debug: the plugin has '1', this program '0'"));
}

TEST_F(PluginFolder, NoDamageToTheReadPartsCrashesTheReader) {
  const std::string good = read(canary_library());
  ASSERT_EQ(read_stamp(canary_library()).at("abi"), ESPALIER_ABI);
  std::mt19937 random(1);
  const std::size_t tables = good.size() - std::size_t{64} * 40;  // most of the section table lies at the end
  int refused = 0;
  for (int round = 0; round < 400; ++round) {
    std::string bytes = good;
    for (int flip = 0; flip < 3; ++flip)
      bytes[round % 2 == 0 ? random() % 64 : tables + random() % (good.size() - tables)] = static_cast<char>(random());
    write(folder_ / "damaged", bytes);
    try {
      read_stamp(folder_ / "damaged");
    } catch (const PluginError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace espalier::plugin
