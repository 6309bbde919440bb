#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

// What a plugin and the host must share: written into each plugin as an ELF note, compared by the host before dlopen.
#define ESPALIER_ABI "12"

#define ESPALIER_STAMP_QUOTED(x) #x
#define ESPALIER_STAMP_QUOTE(x) ESPALIER_STAMP_QUOTED(x)

// Debugging containers have another layout.
#ifdef _GLIBCXX_DEBUG
#define ESPALIER_STAMP_DEBUG "1"
#else
#define ESPALIER_STAMP_DEBUG "0"
#endif

// One key=value line each; equal text means that objects, exceptions and tensors may cross.
#define ESPALIER_STAMP_TEXT \
  "abi=" ESPALIER_ABI "\n"                                                \
  "compiler=" __VERSION__ "\n"                                            \
  "cxx11_abi=" ESPALIER_STAMP_QUOTE(_GLIBCXX_USE_CXX11_ABI) "\n"          \
  "glibcxx_debug=" ESPALIER_STAMP_DEBUG "\n"                              \
  "libtorch=" ESPALIER_TORCH_VERSION "\n"                                 \
  "sanitize=" ESPALIER_SANITIZE "\n"

namespace espalier {

// An ELF note as it lies in the section ".note.espalier": the standard header (little-endian u32 each), the owner "espalier" with its zero,
// padded to a multiple of 4, then the text, without a zero, padded likewise.
template <std::size_t length>
struct StampNote {
  std::uint32_t owner_size = 9;
  std::uint32_t descriptor_size = length;
  std::uint32_t note_type = 1;
  char owner[12] = "espalier";
  char text[(length + 3) / 4 * 4] = {};
};

template <std::size_t size>
consteval StampNote<size - 1> stamp_note(const char (&text)[size]) {
  StampNote<size - 1> note;
  for (std::size_t i = 0; i + 1 < size; ++i) note.text[i] = text[i];
  return note;
}

// The stamp of this libespalier.so, as ESPALIER_STAMP_TEXT.
std::string host_stamp();

}  // namespace espalier

// Constant data: the host reads it from the file, so no code of the plugin has to run.
#define ESPALIER_PLUGIN_STAMP                                                                          \
  [[gnu::used, gnu::section(".note.espalier")]] alignas(4) static constexpr auto espalier_stamp_note = \
      ::espalier::stamp_note(ESPALIER_STAMP_TEXT);
