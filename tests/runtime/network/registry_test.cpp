#include "runtime/network/registry.h"

#include <gmock/gmock.h>

#include "runtime/base/errors.h"
#include "runtime/sdk/plugin.h"

namespace espalier::network {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

std::shared_ptr<const Network> none(const ComponentConfigs&, const NetworkSettings&) { return nullptr; }
NetworkEntry mine(const std::string& library) { return {"Mine", "unet", {}, none, library}; }

TEST(Registry, FindsWhatIsAdded) {
  auto registry = engine_networks();
  EXPECT_THAT(registry.class_names(), ElementsAre("ElementTransformer", "UNet2DConditionModel"));
  registry.add(mine("a.so"));
  EXPECT_THAT(registry.class_names(), ElementsAre("ElementTransformer", "Mine", "UNet2DConditionModel"));
  ASSERT_NE(registry.find("Mine"), nullptr);
  EXPECT_EQ(registry.find("Mine")->library, "a.so");
  EXPECT_EQ(registry.find("mine"), nullptr);
}

TEST(Registry, RefusesAClassNameTwice) {
  auto registry = engine_networks();
  registry.add(mine("a.so"));
  EXPECT_THAT([&] { registry.add(mine("b.so")); },
              ThrowsMessage<PluginError>(AllOf(HasSubstr("b.so: registers the network 'Mine'"), HasSubstr("which a.so registers too"))));
  EXPECT_EQ(registry.find("Mine")->library, "a.so") << "the first stays";
  auto unet = mine("b.so");
  unet.class_name = "UNet2DConditionModel";
  EXPECT_THAT([&] { registry.add(unet); }, ThrowsMessage<PluginError>(HasSubstr("which the engine registers too")));
}

TEST(Registry, RefusesWhatCannotBeOpened) {
  Registry registry;
  for (const auto& entry : {NetworkEntry{"", "unet", {}, none, "a.so"}, NetworkEntry{"Mine", "", {}, none, "a.so"},
                            NetworkEntry{"Mine", "unet", {}, {}, "a.so"}}) {
    EXPECT_THAT([&] { registry.add(entry); }, ThrowsMessage<PluginError>(HasSubstr("a.so: registers a network without")));
  }
  EXPECT_TRUE(registry.entries().empty());
}

TEST(Registrar, GivesANetworkItsOwnComponentsConfig) {
  Registrar registrar;
  std::string seen;
  registrar.network("Mine", "scaler", [&seen](const Value& config, const std::string& origin) -> std::shared_ptr<const Network> {
    seen = config.at("size").as_string() + " of " + origin;
    return nullptr;
  });
  ASSERT_EQ(registrar.networks().size(), 1u);
  const auto& entry = registrar.networks().front();
  EXPECT_EQ(entry.class_name, "Mine");
  EXPECT_EQ(entry.component, "scaler");
  entry.make({{"scaler", {Value::Map{{"size", "large"}}, "scaler/config.json"}}, {"other", {Value(), "other/config.json"}}}, {});
  EXPECT_EQ(seen, "large of scaler/config.json");
}

}  // namespace
}  // namespace espalier::network
