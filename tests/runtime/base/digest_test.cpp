#include "runtime/base/digest.h"

#include <gtest/gtest.h>

#include <fstream>

#include "runtime/base/errors.h"
#include "tests/runtime/base/folder.h"

namespace espalier {
namespace {

TEST(Sha256, GivesTheStandardsAnswers) {
  // FIPS 180-2, appendix B.
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256, DoesNotDependOnHowBytesArrive) {
  Sha256 hash;
  for (const char byte : std::string("abc")) hash.update(&byte, 1);
  EXPECT_EQ(hash.finish_hex(), sha256("abc"));
}

TEST(Sha256, OfAFileIsThatOfItsBytes) {
  const TemporaryFolder folder;
  const std::string bytes(3'000'001, 'x');  // more than one read
  std::ofstream(folder.path() / "file") << bytes;
  EXPECT_EQ(digest_file(folder.path() / "file"), sha256(bytes));
  EXPECT_THROW(digest_file(folder.path() / "absent"), DataError);
  EXPECT_THROW(digest_file(folder.path()), DataError);
}

TEST(Crc32c, GivesTheStandardsAnswers) {
  // RFC 3720, appendix B.4; "123456789" is the check value of CRC-32/ISCSI.
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(crc32c(""), 0u);
}

}  // namespace
}  // namespace espalier
