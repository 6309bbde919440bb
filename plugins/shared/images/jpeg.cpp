#include "plugins/shared/images/jpeg.h"

#include <array>
#include <csetjmp>
#include <cstdio>  // before jpeglib.h, which needs it
#include <new>
#include <utility>

#include <jpeglib.h>

#include <jerror.h>  // after jpeglib.h

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

void report_to(Failure& failure, jpeg_error_mgr*& manager) {
  manager = jpeg_std_error(&failure.manager);
  failure.manager.error_exit = fail;
  failure.manager.emit_message = emit;
}

struct Writing {
  jpeg_compress_struct state{};
  Failure failure;
  jpeg_destination_mgr destination{};
  std::array<JOCTET, 1 << 14> buffer{};
  std::string bytes;
};

void begin_buffer(j_compress_ptr state) {
  auto& writing = *static_cast<Writing*>(state->client_data);
  writing.destination.next_output_byte = writing.buffer.data();
  writing.destination.free_in_buffer = writing.buffer.size();
}

void append(j_compress_ptr state, std::size_t count) {
  auto& writing = *static_cast<Writing*>(state->client_data);
  bool full = false;
  try {
    writing.bytes.append(reinterpret_cast<const char*>(writing.buffer.data()), count);
  } catch (const std::bad_alloc&) {
    full = true;  // an exception must not pass libjpeg's frames
  }
  if (!full) return;
  state->err->msg_code = JERR_OUT_OF_MEMORY;
  fail(reinterpret_cast<j_common_ptr>(state));
}

boolean full_buffer(j_compress_ptr state) {
  append(state, static_cast<Writing*>(state->client_data)->buffer.size());  // libjpeg.txt: the whole buffer, whatever free_in_buffer is
  begin_buffer(state);
  return TRUE;
}

void end_buffer(j_compress_ptr state) {
  const auto& writing = *static_cast<Writing*>(state->client_data);
  append(state, writing.buffer.size() - writing.destination.free_in_buffer);
}

// As begin() and read_rows(): no local here has a destructor.
bool write_rows(Writing& writing, const Image& image, int quality) {
  if (setjmp(writing.failure.back) != 0) return false;
  jpeg_compress_struct& state = writing.state;
  jpeg_create_compress(&state);
  writing.destination.init_destination = begin_buffer;
  writing.destination.empty_output_buffer = full_buffer;
  writing.destination.term_destination = end_buffer;
  state.client_data = &writing;
  state.dest = &writing.destination;
  state.image_width = static_cast<JDIMENSION>(image.width);
  state.image_height = static_cast<JDIMENSION>(image.height);
  state.input_components = 3;
  state.in_color_space = JCS_RGB;
  jpeg_set_defaults(&state);
  jpeg_set_quality(&state, quality, TRUE);
  jpeg_start_compress(&state, TRUE);
  const std::size_t row_bytes = 3 * static_cast<std::size_t>(image.width);
  while (state.next_scanline < state.image_height) {
    auto* row = const_cast<JSAMPROW>(image.rgb.data() + row_bytes * state.next_scanline);  // libjpeg's signature; it only reads
    jpeg_write_scanlines(&state, &row, 1);
  }
  jpeg_finish_compress(&state);
  return true;
}

template <class State>
struct Release {
  explicit Release(State& state) : state_(state) {}
  ~Release() { jpeg_destroy(reinterpret_cast<j_common_ptr>(&state_)); }
  Release(const Release&) = delete;
  Release& operator=(const Release&) = delete;

 private:
  State& state_;
};

}  // namespace

Image decode_jpeg(std::string_view bytes, const std::string& origin) {
  Image image;
  Reading reading;
  reading.image = &image;
  report_to(reading.failure, reading.state.err);
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

std::string encode_jpeg(const Image& image, int quality) {
  if (image.width < 1 || image.height < 1 || image.width > kMaxSide || image.height > kMaxSide) {
    throw StageError("a JPEG has 1 x 1 to 8192 x 8192 pixels; the image has " + std::to_string(image.width) + " x " +
                     std::to_string(image.height));
  }
  Writing writing;
  report_to(writing.failure, writing.state.err);
  const Release release(writing.state);
  if (!write_rows(writing, image, quality))
    throw StageError(std::string("an image cannot be written as a JPEG: ") + writing.failure.message.data());
  return std::move(writing.bytes);
}

std::string jpeg_version() {
#ifdef LIBJPEG_TURBO_VERSION_NUMBER
  return "libjpeg-turbo " + std::to_string(LIBJPEG_TURBO_VERSION_NUMBER);
#else
  return "libjpeg " + std::to_string(JPEG_LIB_VERSION);
#endif
}

}  // namespace espalier::images
