#include "runtime/cache/sealed.h"

#include <gtest/gtest.h>

#include "runtime/base/digest.h"
#include "runtime/base/errors.h"

namespace espalier::cache {
namespace {

const Value kTable = Value::Map{{"block", 12}, {"name", "b12-00.h5"}, {"seconds", 0.25}, {"steps", Value::List{10, 0}}};

TEST(Sealed, IsJsonWhoseLastFieldIsTheChecksumOfWhatPrecedes) {
  const auto text = seal(kTable);
  const auto comma = text.rfind(",\n  \"crc32c\"");
  ASSERT_NE(comma, std::string::npos);
  const auto field = parse_json(text, "test").at("crc32c").as_string();
  EXPECT_EQ(std::stoul(field, nullptr, 16), crc32c(text.substr(0, comma)));
  EXPECT_EQ(unseal(text, "test"), kTable);
}

TEST(Sealed, EveryFlippedBitIsNoticed) {
  const auto text = seal(kTable);
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    auto damaged = text;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_THROW(unseal(damaged, "test"), DataError) << bit;
  }
}

TEST(Sealed, EveryTruncationAndAdditionIsNoticed) {
  const auto text = seal(kTable);
  for (std::size_t size = 0; size < text.size(); ++size) EXPECT_THROW(unseal(text.substr(0, size), "test"), DataError) << size;
  EXPECT_THROW(unseal(text + "\n", "test"), DataError);
}

}  // namespace
}  // namespace espalier::cache
