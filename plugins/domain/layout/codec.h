#pragma once

#include <map>
#include <string>
#include <vector>

#include "plugins/shared/elements/set_domain.h"

// A page as a set of elements: the class is the token, the box the vector.
namespace espalier::layout {

// A box's numbers, shares of the page, as the network sees them: about unit variance.
inline constexpr double kVectorScale = 4.0;  // vector = (box - 1/2) kVectorScale, computed in double

// Of a sample of kind "layout": what its tensor "given" says is frozen; nothing where it has none.
State encode_pages(const Sample& sample);

class LayoutCodec final : public elements::SetCodec {
 public:
  LayoutCodec(std::int64_t max_boxes, std::vector<std::string> class_names, const ModelInfo* model);

  Value key() const override;
  State encode(const Sample& sample, const CodecContext& context) const override;
  // Boxes are cut at the page's edge; "given" is what is frozen.
  Sample decode(const State& state, const CodecContext& context) const override;
  std::vector<Image> draw(const Sample& sample) const override;
  std::map<std::string, std::string> records(const Sample& sample) const override;  // JSON lines, as source = "lines" reads them

 private:
  std::vector<std::string> class_names_;
};

}  // namespace espalier::layout
