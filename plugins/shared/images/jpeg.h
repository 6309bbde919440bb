#pragma once

#include <string>
#include <string_view>

#include "runtime/sdk/image.h"

namespace espalier::images {

// A JPEG, baseline or progressive, grey or in colours, as 8-bit RGB: libjpeg's slow integer transform and smooth upsampling, as Pillow
// decodes it; a rotation in its EXIF data is not applied, as Pillow's open() applies none. Throws DataError naming `origin`: damaged or cut
// off, four colours (CMYK), 12 bits a colour, or over 8192 x 8192.
Image decode_jpeg(std::string_view bytes, const std::string& origin);

// The image as Pillow's save(format="JPEG", quality=quality) writes it: baseline, YCbCr with 4:2:0 subsampling, libjpeg's slow integer
// transform, its own Huffman tables, no resolution and no EXIF. `quality` is 1 to 100. Throws StageError for an image of no pixels or of
// over 8192 x 8192.
std::string encode_jpeg(const Image& image, int quality);

// The version of the library that decodes and encodes: another one may round otherwise.
std::string jpeg_version();

}  // namespace espalier::images
