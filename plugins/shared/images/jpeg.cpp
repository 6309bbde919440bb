#include "plugins/shared/images/jpeg.h"

#include <array>
#include <csetjmp>
#include <cstdio>  // before jpeglib.h, which needs it

#include <jpeglib.h>

#include "runtime/base/errors.h"

namespace espalier::images {
namespace {

constexpr unsigned kMaxSide = 8192;

// libjpeg calls these instead of printing and exit(). A warning is damage too: libjpeg would make up the pixels and go on.
struct Failure {
  jpeg_error_mgr manager{};  // first: libjpeg gives its address back
  std::jmp_buf back{};
  std::array<char, JMSG_LENGTH_MAX> message{};
};

[[noreturn]] void fail(j_common_ptr state) {
  auto* failure = reinterpret_cast<Failure*>(state->err);
  failure->manager.format_message(state, failure->message.data());
  std::longjmp(failure->back, 1);  // the only way out of libjpeg; begin and read_rows have no destructors to run
}

void emit(j_common_ptr state, int level) {
  if (level < 0) fail(state);
}

struct Reading {
  jpeg_decompress_struct state{};
  Failure failure;
  Image* image = nullptr;
};

// Everything between setjmp and longjmp: no local here has a destructor. False when libjpeg failed; what it says is in failure.message.
bool begin(Reading& reading, std::string_view bytes) {
  if (setjmp(reading.failure.back) != 0) return false;
  jpeg_create_decompress(&reading.state);
  jpeg_mem_src(&reading.state, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&reading.state, TRUE);
  return true;
}

bool read_rows(Reading& reading) {
  if (setjmp(reading.failure.back) != 0) return false;
  jpeg_start_decompress(&reading.state);
  const std::size_t row_bytes = 3 * static_cast<std::size_t>(reading.state.output_width);
  while (reading.state.output_scanline < reading.state.output_height) {
    JSAMPROW row = reading.image->rgb.data() + row_bytes * reading.state.output_scanline;
    jpeg_read_scanlines(&reading.state, &row, 1);
  }
  jpeg_finish_decompress(&reading.state);
  return true;
}

struct Release {
  explicit Release(jpeg_decompress_struct& state) : state_(state) {}
  ~Release() { jpeg_destroy_decompress(&state_); }
  Release(const Release&) = delete;
  Release& operator=(const Release&) = delete;

 private:
  jpeg_decompress_struct& state_;
};

}  // namespace

Image decode_jpeg(std::string_view bytes, const std::string& origin) {
  Image image;
  Reading reading;
  reading.image = &image;
  reading.state.err = jpeg_std_error(&reading.failure.manager);
  reading.failure.manager.error_exit = fail;
  reading.failure.manager.emit_message = emit;
  const Release release(reading.state);
  const auto refuse = [&](const std::string& what) { throw DataError(origin + ": " + what); };
  const auto damaged = [&] { refuse(std::string("a damaged JPEG, or one of a kind that is not read: ") + reading.failure.message.data()); };
  if (!begin(reading, bytes)) damaged();
  jpeg_decompress_struct& state = reading.state;
  const std::string size = std::to_string(state.image_width) + " x " + std::to_string(state.image_height);
  if (state.image_width > kMaxSide || state.image_height > kMaxSide) refuse("the image is " + size + "; at most 8192 x 8192 is read");
  if (state.num_components != 1 && state.num_components != 3) {
    refuse("a JPEG of " + std::to_string(state.num_components) + " colours (CMYK?); convert it to RGB");
  }
  state.out_color_space = JCS_RGB;
  image = {state.image_width, state.image_height, std::vector<std::uint8_t>(std::size_t{3} * state.image_width * state.image_height)};
  if (!read_rows(reading)) damaged();
  return image;
}

std::string jpeg_version() {
#ifdef LIBJPEG_TURBO_VERSION_NUMBER
  return "libjpeg-turbo " + std::to_string(LIBJPEG_TURBO_VERSION_NUMBER);
#else
  return "libjpeg " + std::to_string(JPEG_LIB_VERSION);
#endif
}

}  // namespace espalier::images
