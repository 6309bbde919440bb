// Faulty pipelines, each with its full message.
#include <gtest/gtest.h>

#include "fake_catalog.h"
#include "runtime/base/errors.h"
#include "runtime/config/resolve.h"

namespace espalier::config {
namespace {

// A good head (4 lines) and a good stage 's' (from line 5, 4 lines). The model 'base' is a folder that is there.
const std::string kHead = "name = 'x'\nmodels.base = '.'\n[domain]\ntype = 'domain.toy'\n";
const std::string kSampler = "[[stage]]\ntag = 's'\ntype = 'sampler.fake'\ninputs = { model = 'base' }\n";
const std::string kGood = kHead + kSampler;
const std::string kReward = "[[stage]]\ntag = 'r'\ntype = 'reward.fake'\ninputs = { samples = 's' }\n";  // lines 9 to 12

struct Faulty {
  const char* name;
  std::string text;
  std::string message;
  std::vector<std::string> overrides = {};
};
void PrintTo(const Faulty& faulty, std::ostream* out) { *out << faulty.name; }

class FaultyPipeline : public ::testing::TestWithParam<Faulty> {};

TEST_P(FaultyPipeline, ReportsThePlaceTheFindingAndWhatIsAllowed) {
  std::string found;
  try {
    resolve(Document::parse(GetParam().text, "p.toml", GetParam().overrides), fake_catalog());
  } catch (const ConfigError& error) {
    found = error.what();
  }
  EXPECT_EQ(found, GetParam().message);
}

#define FAULTY_TABLE(table)                                                      \
  INSTANTIATE_TEST_SUITE_P(table, FaultyPipeline, ::testing::ValuesIn(k##table), \
                           [](const auto& param) { return std::string(param.param.name); })

const std::vector<Faulty> kTop = {
    {"Nothing", "",
     "p.toml:1:1: the pipeline: 'name' is missing\n"
     "p.toml:1:1: the pipeline: [domain] is missing: it names what a sample is, type = \"domain.<name>\"\n"
     "p.toml:1:1: a pipeline has at least one [[stage]]"},
    {"UnknownKey", "sead = 3\n" + kGood, "p.toml:1:1: unknown key 'sead'; did you mean 'seed'?"},
    {"UnknownTable", kGood + "[grid]\nseed = [1, 2]\n",
     "p.toml:9:2: unknown table 'grid'; known: name, seed, domain, defaults, stage, cache, device, models, sweep, rounds"},
    {"SweepIsNoTable", "sweep = 3\n" + kGood, "p.toml:1:1: 'sweep' is a table, [sweep]; found the integer 3"},
    {"NameOfAnotherType", "name = 3\n" + kGood.substr(11), "p.toml:1:1: the pipeline: 'name' is a string; found the integer 3"},
    {"NameWithASlash", "name = '../x'\n" + kGood.substr(11),
     "p.toml:1:1: the pipeline: a name has 1 to 100 letters, digits, '-' and '_'; found \"../x\""},
    {"SeedBelowZero", "seed = -1\n" + kGood, "p.toml:1:1: the pipeline: 'seed' is an integer of at least 0; found the integer -1"},
    {"SeedOfAnotherType", "seed = 1.0\n" + kGood, "p.toml:1:1: the pipeline: 'seed' is an integer of at least 0; found the float 1.0"},
    {"ADate", "seed = 2020-01-01\n" + kGood, "p.toml:1:8: found a date or time; a pipeline has none: put it in quotes"},
    {"CacheIsNoTable", "cache = 'x'\n" + kGood, "p.toml:1:1: 'cache' is a table, [cache]; found the string \"x\""},
    {"CacheKey", kGood + "[cache]\npaht = 'x'\n", "p.toml:10:1: [cache]: unknown key 'paht'; did you mean 'path'?"},
    {"CachePathEmpty", kGood + "[cache]\npath = ''\n", "p.toml:10:1: [cache]: 'path' is a folder; found \"\""},
    {"Device", kGood + "[device]\ntype = 'gpu'\n", "p.toml:10:1: [device]: 'type' is one of: cpu, cuda; found 'gpu'"},
};
FAULTY_TABLE(Top);

const std::vector<Faulty> kDomain = {
    {"WithoutType", "name = 'x'\nmodels.base = '.'\n[domain]\n" + kSampler, "p.toml:3:1: [domain]: 'type' is missing"},
    {"UnknownKey", kHead + "option = 3\n" + kSampler, "p.toml:5:1: [domain]: unknown key 'option'; did you mean 'options'?"},
    {"UnknownType", "name = 'x'\nmodels.base = '.'\n[domain]\ntype = 'domain.tox'\n" + kSampler,
     "p.toml:4:1: [domain]: no plugin 'domain.tox'; did you mean 'domain.toy'?"},
    {"TypeOfAStage", "name = 'x'\nmodels.base = '.'\n[domain]\ntype = 'reward.fake'\n" + kSampler,
     "p.toml:4:1: [domain]: a domain's type is domain.<name>; found 'reward.fake'; known: domain.toy"},
    {"UnknownOption", kHead + "options = { sise = 3 }\n" + kSampler,
     "p.toml:5:13: [domain]: domain.toy has no option 'sise'; did you mean 'size'?"},
    {"OptionOutOfBounds", kHead + "options.size = 0\n" + kSampler,
     "p.toml:5:9: [domain]: domain.toy takes the option 'size' > 0; found the integer 0"},
    {"CannotBeOpened", kHead + "options.prompts = 'broken'\n" + kSampler,
     "p.toml:3:1: [domain]: domain.toy cannot be opened: prompts/broken: no such file"},
    {"DomainWithoutExamples",
     kGood + "[[stage]]\ntag = 't'\ntype = 'trainer.fake'\ninputs = { model = 'base' }\n" +
         "[[stage]]\ntag = 'i'\ntype = 'noise_corrector.fake'\ninputs = { model = 'base' }\n" +
         "[[stage]]\ntag = 'm'\ntype = 'metric.real'\ninputs = { samples = 's' }\n" +
         "[[stage]]\ntag = 'u'\ntype = 'trainer.fake'\ninputs = { model = 'base', examples = 's' }\n",
     "p.toml:9:1: stage 't': domain.toy: its prompts have no images\n"
     "p.toml:13:1: stage 'i': domain.toy: its prompts have no images\n"
     "p.toml:17:1: stage 'm': domain.toy: its prompts have no images",
     {"domain.prompts=alone"}},
    {"RewardOfAnotherKind", kGood + "[[stage]]\ntag = 'r'\ntype = 'reward.atoms'\ninputs = { samples = 's' }\noptions = { scale = 2 }\n",
     "p.toml:12:12: stage 'r': the input 'samples' takes samples of kind 'molecule', but domain.toy gives 'image'"},
    {"OptionThatTheDomainContradicts",
     kGood + kReward + "options = { workers = 2, palette = 'cold' }\n",
     "p.toml:13:26: stage 'r': reward.fake takes 'cold' from the examples, of which the domain has none",
     {"domain.prompts=alone"}},
    {"UnknownSplit", kGood + "options = { split = 'heldout' }\n",
     "p.toml:9:13: stage 's': domain.toy has no split 'heldout'; did you mean 'held_out'?"},
};
FAULTY_TABLE(Domain);

const char* const kNewForm = "and inputs = { model = \"base\" } in the stages that took \"domain\"";
std::string with_models(const std::string& models) { return "name = 'x'\n" + models + "\n[domain]\ntype = 'domain.toy'\n" + kSampler; }
const std::vector<Faulty> kModels = {
    {"NoTable", with_models("models = 3"),
     "p.toml:2:1: 'models' is a table, [models]; found the integer 3\n"
     "p.toml:8:12: stage 's': the input 'model' names 'base', which is no stage; no stage gives model"},
    {"EntryOfAnotherType", with_models("models.base = 3"),
     "p.toml:2:8: [models]: base is a folder, or a table with the key 'folder'; found the integer 3"},
    {"TableWithoutFolder", with_models("models.base = { initialize_weights = true }"), "p.toml:2:15: [models]: base: 'folder' is missing"},
    {"UnknownKey", with_models("models.base = { folder = '.', initialise_weights = true }"),
     "p.toml:2:31: [models]: base: unknown key 'initialise_weights'; did you mean 'initialize_weights'?"},
    {"FlagOfAnotherType", with_models("models.base = { folder = '.', initialize_weights = 1 }"),
     "p.toml:2:31: [models]: base: 'initialize_weights' is true or false; found the integer 1"},
    {"OverflowOfNoKind", with_models("models.base = { folder = '.', on_prompt_overflow = 'cut' }"),
     "p.toml:2:31: [models]: base: 'on_prompt_overflow' is one of: truncate, error; found 'cut'"},
    {"NameWithAPoint", with_models("models = { base = '.', 'a.b' = '.' }"),
     "p.toml:2:24: [models]: a name has 1 to 100 letters, digits, '-' and '_'; found \"a.b\""},
    {"FolderThatIsNotThere", with_models("models.base = 'nowhere'"), "p.toml:2:8: [models]: base: nowhere: no such model folder"},
    {"TagOfAModel",
     with_models("models = { base = '.', other = '.' }") + "[[stage]]\ntag = 'other'\ntype = 'sampler.fake'\ninputs = { model = 'base' }\n",
     "p.toml:9:1: stage 'other': the tag is a name of [models] too; choose another"},
    {"OfTheDomainAsAnEarlierVersionHadIt", kHead + "[[stage]]\ntag = 's'\ntype = 'sampler.fake'\ninputs = { model = 'domain' }\n",
     "p.toml:8:12: stage 's': the input 'model' names 'domain', which was the model of the domain's options; models have names now: write\n"
     "  [models]\n  base = \"<the folder>\"\nand inputs = { model = \"base\" }"},
    {"OptionOfTheDomainAsAnEarlierVersionHadIt", kHead + "options.model = 'mine/folder'\n" + kSampler,
     std::string(
         "p.toml:5:9: [domain]: the option 'model' is gone: pipelines name models in [models], and stages take them by name; write\n"
         "  [models]\n  base = \"mine/folder\"\n") +
         kNewForm},
    {"OptionsOfFreshWeightsAsAnEarlierVersionHadThem", kHead + "options = { initialize_weights = true, model = 'blank' }\n" + kSampler,
     std::string(
         "p.toml:5:40: [domain]: the option 'model' is gone: pipelines name models in [models], and stages take them by name; write\n"
         "  [models]\n  base = { folder = \"blank\", initialize_weights = true }\n") +
         kNewForm},
};
FAULTY_TABLE(Models);

const std::vector<Faulty> kDefaults = {
    {"NotQuoted", kGood + "[defaults.sampler.fake]\neta = 1\n",
     "p.toml:9:11: defaults: 'sampler' is no type; put the whole type in quotes, [defaults.\"sampler.name\"]"},
    {"UnknownType", kGood + "[defaults.'sampler.fak']\neta = 1\n",
     "p.toml:9:11: defaults: unknown type 'sampler.fak'; did you mean 'sampler.fake'?"},
    {"OfADomain", kGood + "[defaults.'domain.toy']\nsize = 1\n",
     "p.toml:9:11: defaults are for stages; the domain's options stand in [domain.options]"},
    {"UnknownOption", kGood + "[defaults.'sampler.fake']\netta = 1\n",
     "p.toml:10:1: defaults: sampler.fake has no option 'etta'; did you mean 'eta'?"},
    {"ToldOnceForAllStages", kGood + kSampler.substr(0, 10) + "tag = 't'\n" + kSampler.substr(20) + "[defaults.'sampler.fake']\neta = 2\n",
     "p.toml:14:1: defaults: sampler.fake takes the option 'eta' 0 to 1; found the integer 2"},
    {"OfATypeNoStageHas", kGood + "[defaults.'reward.atoms']\nscale = 0\n",
     "p.toml:10:1: defaults: reward.atoms takes the option 'scale' > 0; found the integer 0"},
};

FAULTY_TABLE(Defaults);

const std::vector<Faulty> kStage = {
    {"IsOneTable", kHead + "[stage]\ntag = 's'\n", "p.toml:5:2: stages are written [[stage]]; found a table"},
    {"IsAListOfStrings", "stage = ['s']\n" + kHead, "p.toml:1:10: a stage is a table, [[stage]]; found the string \"s\""},
    {"WithoutTagAndType", kHead + "[[stage]]\n",
     "p.toml:5:1: stage number 1: 'tag' is missing\np.toml:5:1: stage number 1: 'type' is missing"},
    {"TagWithAPoint", kHead + "[[stage]]\ntag = 'a.b'\n" + kSampler.substr(20),
     "p.toml:6:1: stage number 1: a tag has 1 to 100 letters, digits, '-' and '_'; found \"a.b\""},
    {"TagOfTheDomain", kHead + "[[stage]]\ntag = 'domain'\n" + kSampler.substr(20),
     "p.toml:6:1: stage 'domain': the tag 'domain' is reserved; choose another"},
    {"TagTwice", kGood + kSampler, "p.toml:10:1: stage 's': the tag is taken by the stage at p.toml:5:1; tags are unique"},
    {"UnknownKey", kGood + "input = {}\n", "p.toml:9:1: stage 's': unknown key 'input'; did you mean 'inputs'?"},
    {"UnknownName", kHead + "[[stage]]\ntag = 's'\ntype = 'sampler.fakke'\n",
     "p.toml:5:1: stage 's': the input 'model' is missing: inputs = { model = \"<tag>\" } with a tag that gives model; allowed: base\n"
     "p.toml:7:1: stage 's': no plugin 'sampler.fakke'; did you mean 'sampler.fake'?"},
    {"UnknownKind", kHead + "[[stage]]\ntag = 's'\ntype = 'samplar.fake'\n",
     "p.toml:7:1: stage 's': 'samplar.fake' is no type: a type is kind.name with a kind of: sampler, reward, filter, trainer, "
     "noise_corrector, metric; did "
     "you mean "
     "'sampler.fake'?"},
    {"TypeWithoutPoint", kHead + "[[stage]]\ntag = 's'\ntype = 'fake'\n",
     "p.toml:7:1: stage 's': 'fake' is no type: a type is kind.name with a kind of: sampler, reward, filter, trainer, noise_corrector, "
     "metric"},
    {"TypeOfADomain", kHead + "[[stage]]\ntag = 's'\ntype = 'domain.toy'\n",
     "p.toml:7:1: stage 's': 'domain.toy' is a domain, which stands in [domain]; a stage is one of: sampler, reward, filter, trainer, "
     "noise_corrector, metric"},
    {"OptionsAreNoTable", kGood + "options = 3\n", "p.toml:9:1: stage 's': 'options' is a table, [stage.options]; found the integer 3"},
    {"UnknownOption", kGood + kReward + "[stage.options]\npalete = 'warm'\n",
     "p.toml:14:1: stage 'r': reward.fake has no option 'palete'; did you mean 'palette'?"},
    {"OptionOfAnotherType", kGood + "[stage.options]\neta = 'x'\n",
     "p.toml:10:1: stage 's': sampler.fake takes the option 'eta' as a number; found the string \"x\""},
    {"OptionOutOfBounds", kGood + "[stage.options]\nsamples_per_condition = 0\n",
     "p.toml:10:1: stage 's': sampler.fake takes the option 'samples_per_condition' >= 1; found the integer 0"},
    {"OptionOfAChoice", kGood + kReward + "options = { palette = 'worm' }\n",
     "p.toml:13:13: stage 'r': reward.fake takes the option 'palette' as warm or cold; found the string \"worm\"; did you mean 'warm'?"},
    {"OptionMissing", kGood + "[[stage]]\ntag = 'r'\ntype = 'reward.atoms'\ninputs = { samples = 's' }\n",
     "p.toml:9:1: stage 'r': reward.atoms needs the option 'scale' (number): In angstrom."},
    {"BlocksAndMicroBatches", kGood + "[stage.options]\nblock_size = 24\nmicro_batch = 16\n",
     "p.toml:10:1: stage 's': block_size is a multiple of micro_batch; found block_size 24 and micro_batch 16"},
};
FAULTY_TABLE(Stage);

const std::vector<Faulty> kInputs = {
    {"AreNoTable", kGood.substr(0, kGood.find("inputs")) + "inputs = 'base'\n",
     "p.toml:8:1: stage 's': 'inputs' is a table, inputs = { name = \"tag\" }; found the string \"base\""},
    {"UnknownPort", kGood.substr(0, kGood.find("inputs")) + "inputs = { model = 'base', modle = 'base' }\n",
     "p.toml:8:28: stage 's': sampler.fake has no input 'modle'; did you mean 'model'?"},
    {"MissingPort", kGood + "[[stage]]\ntag = 'r'\ntype = 'reward.fake'\ninputs = { }\n",
     "p.toml:12:10: stage 'r': the input 'samples' is missing: inputs = { samples = \"<tag>\" } with a tag that gives trajectories; "
     "allowed: s"},
    {"UnknownTag", kGood + "[[stage]]\ntag = 'r'\ntype = 'reward.fake'\ninputs = { samples = 'ss' }\n",
     "p.toml:12:12: stage 'r': the input 'samples' names 'ss', which is no stage; did you mean 's'?"},
    {"UnknownTagNothingNear", kGood + "[[stage]]\ntag = 'f'\ntype = 'filter.fake'\ninputs = { scores = 'alignment' }\n",
     "p.toml:12:12: stage 'f': the input 'scores' names 'alignment', which is no stage; no stage gives scores"},
    {"WrongResult", kGood + kReward + "[[stage]]\ntag = 'f'\ntype = 'filter.fake'\ninputs = { scores = 's' }\n",
     "p.toml:16:12: stage 'f': the input 'scores' takes scores, but stage 's' (sampler.fake) gives trajectories; allowed: r"},
    {"ModelIsNoSamples", kGood + "[[stage]]\ntag = 'r'\ntype = 'reward.fake'\ninputs = { samples = 'base' }\n",
     "p.toml:12:12: stage 'r': the input 'samples' takes trajectories, but 'base' of [models] gives a model; allowed: s"},
    {"ManyWhereOneIsMeant", kGood + "[[stage]]\ntag = 'r'\ntype = 'reward.fake'\ninputs = { samples = ['s', 's'] }\n",
     "p.toml:12:12: stage 'r': the input 'samples' is one tag; found a list"},
    {"NumberForATag", kGood.substr(0, kGood.find("inputs")) + "inputs = { model = ['base', 3] }\n",
     "p.toml:8:12: stage 's': the input 'model' is a tag or a list of tags; found a list"},
    {"EmptyList", kGood.substr(0, kGood.find("inputs")) + "inputs = { model = [] }\n",
     "p.toml:8:12: stage 's': the input 'model' is a tag or a list of tags; found an empty list"},
    {"SameTagTwice", kGood.substr(0, kGood.find("inputs")) + "inputs = { model = ['base', 'base'] }\n",
     "p.toml:8:12: stage 's': the input 'model' names 'base' twice"},
    {"SelectionAndExamples",
     kGood + kReward +
         "[[stage]]\ntag = 'f'\ntype = 'filter.fake'\ninputs = { scores = 'r' }\n"
         "[[stage]]\ntag = 't'\ntype = 'trainer.fake'\ninputs = { model = 'base', selection = 'f', examples = 's' }\n",
     "p.toml:17:1: stage 't': has both inputs 'selection' and 'examples'; trainer.fake takes one of them"},
    {"RewardOfInversions", kHead + "[[stage]]\ntag = 's'\ntype = 'noise_corrector.fake'\ninputs = { model = 'base' }\n" + kReward,
     "p.toml:12:12: stage 'r': the input 'samples' names 's' (noise_corrector.fake), whose trajectories are inversions; it takes those of "
     "a "
     "sampler"},
    {"MetricOfInversionsWithSamples", kGood + "[[stage]]\ntag = 'm'\ntype = 'metric.noises'\ninputs = { samples = 's' }\n",
     "p.toml:12:12: stage 'm': the input 'samples' names 's' (sampler.fake), whose trajectories are sampled; it takes those of a noise "
     "corrector"},
    {"MetricOfAnotherKindOfSample", kGood + "[[stage]]\ntag = 'm'\ntype = 'metric.atoms'\ninputs = { samples = 's' }\n",
     "p.toml:12:12: stage 'm': the input 'samples' takes samples of kind 'molecule', but domain.toy gives 'image'"},
    {"ExamplesOfACorrectorsNoise",
     kHead + "[[stage]]\ntag = 's'\ntype = 'sampler.fake'\ninputs = { model = 'base', prior = 'base' }\n" +
         "[[stage]]\ntag = 't'\ntype = 'trainer.fake'\ninputs = { model = 'base', examples = 's' }\n",
     "p.toml:12:28: stage 't': the input 'examples' names 's' (sampler.fake), which begins with a noise corrector's noise; name the "
     "inversions "
     "that the corrector learned from"},
    {"Itself", kHead + "[[stage]]\ntag = 't'\ntype = 'trainer.fake'\ninputs = { model = 't' }\n",
     "p.toml:5:1: stage 't': its inputs form a cycle: 't' needs 't'"},
    {"Cycle",
     kHead + "[[stage]]\ntag = 's'\ntype = 'sampler.fake'\ninputs = { model = 't' }\n" + kReward +
         "[[stage]]\ntag = 'f'\ntype = 'filter.fake'\ninputs = { scores = 'r' }\n"
         "[[stage]]\ntag = 't'\ntype = 'trainer.fake'\ninputs = { model = 'base', selection = 'f' }\n",
     "p.toml:5:1: stage 's': its inputs form a cycle: 's' needs 't' needs 'f' needs 'r' needs 's'"},
    {"StageBehindACycleIsNotBlamed",
     kHead + "[[stage]]\ntag = 's'\ntype = 'sampler.fake'\ninputs = { model = 't' }\n"
             "[[stage]]\ntag = 't'\ntype = 'trainer.fake'\ninputs = { model = 'u' }\n"
             "[[stage]]\ntag = 'u'\ntype = 'trainer.fake'\ninputs = { model = 't' }\n",
     "p.toml:9:1: stage 't': its inputs form a cycle: 't' needs 'u' needs 't'"},
};
FAULTY_TABLE(Inputs);

// A filter 'f' of the reward 'r', from line 13; its 'inputs' stand on line 16.
const std::string kScored = kGood + kReward + "[[stage]]\ntag = 'f'\ntype = 'filter.fake'\n";
const std::vector<Faulty> kChains = {
    {"UnknownSelection", kScored + "inputs = { scores = 'r', selection = 'best' }\n",
     "p.toml:16:26: stage 'f': the input 'selection' names 'best', which is no stage; no stage gives selection"},
    {"UnknownSelectionNearOne",
     kScored + "inputs = { scores = 'r' }\n[[stage]]\ntag = 'g'\ntype = 'filter.fake'\ninputs = { scores = 'r', selection = 'ff' }\n",
     "p.toml:20:26: stage 'g': the input 'selection' names 'ff', which is no stage; did you mean 'f'?"},
    {"ScoresAreNoSelection", kScored + "inputs = { scores = 'r', selection = 'r' }\n",
     "p.toml:16:26: stage 'f': the input 'selection' takes selection, but stage 'r' (reward.fake) gives scores; no stage gives selection"},
    {"SelectionOfOtherSamples",
     kScored + "inputs = { scores = 'r' }\n[[stage]]\ntag = 't'\ntype = 'sampler.fake'\ninputs = { model = 'base' }\n" +
         "[[stage]]\ntag = 'rt'\ntype = 'reward.fake'\ninputs = { samples = 't' }\n" +
         "[[stage]]\ntag = 'g'\ntype = 'filter.fake'\ninputs = { scores = 'rt', selection = 'f' }\n",
     "p.toml:28:27: stage 'g': the input 'selection' names 'f', which chooses among the samples of 's', but the input 'scores' is of those "
     "of 't'; both are of one stage's samples"},
    {"OfItself", kScored + "inputs = { scores = 'r', selection = 'f' }\n",
     "p.toml:13:1: stage 'f': its inputs form a cycle: 'f' needs 'f'"},
    {"KeysThatTheDomainLacks", kGood + kReward + "[[stage]]\ntag = 'f'\ntype = 'filter.keyed'\ninputs = { scores = 'r' }\n",
     "p.toml:15:1: stage 'f': filter.keyed compares samples by their canonical keys, but domain.toy gives none"},
};
FAULTY_TABLE(Chains);

const std::string kSecondReward = "[[stage]]\ntag = 'r2'\ntype = 'reward.fake'\ninputs = { samples = 's' }\n";
const std::vector<Faulty> kMixes = {
    {"WeightsOfOneReward", kScored + "inputs = { scores = 'r' }\noptions = { weights = [2.0] }\n",
     "p.toml:13:1: stage 'f': weights and normalization are of several scores; the input 'scores' names one"},
    {"OtherNumberOfWeights", kScored + "inputs = { scores = ['r', 'r2'] }\noptions = { weights = [2.0] }\n" + kSecondReward,
     "p.toml:13:1: stage 'f': weights has 1 numbers for 2 scores"},
    {"OfOtherSamples",
     kScored + "inputs = { scores = ['r', 'r2'] }\n[[stage]]\ntag = 't'\ntype = 'sampler.fake'\ninputs = { model = 'base' }\n" +
         "[[stage]]\ntag = 'r2'\ntype = 'reward.fake'\ninputs = { samples = 't' }\n",
     "p.toml:16:12: stage 'f': the input 'scores' names 'r', of the samples of 's', and 'r2', of those of 't'; all are of one stage's "
     "samples"},
    {"UnknownNormalization", kScored + "inputs = { scores = ['r', 'r2'] }\noptions = { normalization = 'z' }\n" + kSecondReward,
     "p.toml:17:13: stage 'f': filter.fake takes the option 'normalization' as none, z_score or rank; found the string \"z\""},
};
FAULTY_TABLE(Mixes);

// A stage 'c' that continues the trajectories of 's', from line 9.
const std::string kContinued = kGood + "[[stage]]\ntag = 'c'\ntype = 'sampler.fake'\ninputs = { model = 'base', start = 's' }\n";
const std::vector<Faulty> kStarts = {
    {"WithoutAStep", kContinued,
     "p.toml:9:1: stage 'c': has the input 'start' and begins at the option start_step, an index or a fraction of N above 0; found none"},
    {"AtTheSample", kContinued + "options = { start_step = 0 }\n",
     "p.toml:9:1: stage 'c': has the input 'start' and begins at the option start_step, an index or a fraction of N above 0; found 0"},
    {"WithASplitOfItsOwn", kContinued + "options = { start_step = 1, split = 'train' }\n",
     "p.toml:13:29: stage 'c': has the input 'start', so that its 'split' is that of the stage 's'; leave it out"},
    {"StepWithoutAStart", kGood + "options = { start_step = 1 }\n",
     "p.toml:9:13: stage 's': 'start_step' is of a stage with the input 'start'"},
    {"OfScores",
     kGood + kReward +
         "[[stage]]\ntag = 'c'\ntype = 'sampler.fake'\ninputs = { model = 'base', start = 'r' }\noptions = { start_step = 1 }\n",
     "p.toml:16:28: stage 'c': the input 'start' takes trajectories, but stage 'r' (reward.fake) gives scores; allowed: s"},
};
FAULTY_TABLE(Starts);

const std::string kLaw = "[[stage]]\ntag = 'm'\ntype = 'metric.law'\ninputs = ";
const std::vector<Faulty> kLaws = {
    {"OfADeterministicSampler", kGood + kLaw + "{ samples = 's' }\n",
     "p.toml:12:12: stage 'm': the input 'samples' needs the law of each step given the state that it leaves; stage 's' (sampler.fake): "
     "eta = 0 gives no density"},
    {"OfTheSamplesOfScores", kGood + kReward + kLaw + "{ scores = 'r' }\n",
     "p.toml:16:12: stage 'm': the input 'scores' needs the law of each step given the state that it leaves; stage 's' (sampler.fake): "
     "eta = 0 gives no density"},
    {"OfInversions",
     kGood + "[[stage]]\ntag = 'c'\ntype = 'noise_corrector.fake'\ninputs = { model = 'base' }\n" + kLaw + "{ samples = 'c' }\n",
     "p.toml:16:12: stage 'm': the input 'samples' needs the law of each step given the state that it leaves; stage 'c' "
     "(noise_corrector.fake): its steps have no density"},
};
FAULTY_TABLE(Laws);

TEST(Law, OfAStochasticSamplerIsRight) {
  const std::string text = kGood + "options = { eta = 0.5 }\n" + kLaw + "{ samples = 's' }\n";
  EXPECT_NO_THROW(resolve(Document::parse(text, "p.toml", {}), fake_catalog()));
}

TEST(Starts, ATrajectorySetGivesItsConditionsAndBlocksToWhatContinuesIt) {
  const std::string text = kGood + "options = { samples_per_condition = 3, noise = 'held_out', block_size = 32 }\n" +
                           "[[stage]]\ntag = 'c'\ntype = 'sampler.fake'\ninputs = { model = 'base', start = 's' }\n"
                           "options = { start_step = 0.5, branch = 2 }\n";
  const auto spec = resolve(Document::parse(text, "p.toml", {}), fake_catalog());
  const auto& view = spec.find("c")->sampler;
  EXPECT_EQ(view.samples_per_condition, 3);
  EXPECT_EQ(view.noise, "held_out");
  EXPECT_EQ(view.block_size, 32);
  EXPECT_EQ(spec.find("c")->keyed.at("noise"), Value("held_out"));
  EXPECT_EQ(spec.find("c")->keyed.at("branch"), Value(2));
  EXPECT_EQ(spec.find("s")->keyed.find("branch"), nullptr);
}

TEST(Chain, OfTwoRewardsOfTheSameSamplesIsRight) {
  const std::string chain = kScored +
                            "inputs = { scores = 'r' }\n[[stage]]\ntag = 'r2'\ntype = 'reward.fake'\ninputs = { samples = 's' }\n" +
                            "[[stage]]\ntag = 'g'\ntype = 'filter.fake'\ninputs = { scores = 'r2', selection = 'f' }\n";
  const auto spec = resolve(Document::parse(chain, "p.toml", {}), fake_catalog());
  EXPECT_EQ(spec.find("g")->input("selection")->tags.at(0), "f");
}

const char* const kAllowed =
    "allowed: seed, name, cache.path, device.type, device.dtype, domain.<option>, models.<name>, models.<name>.<key>, <tag>.<option>, "
    "<tag>.seed, sweep.seed, sweep.<tag>.<option>, rounds.count";
const std::vector<Faulty> kOverrides = {
    {"NoStage", kGood, std::string("--set ss.eta=1: no stage has the tag 'ss'; did you mean 's'?; ") + kAllowed, {"ss.eta=1"}},
    {"NoOption", kGood, "--set s.etta=1: stage 's': sampler.fake has no option 'etta'; did you mean 'eta'?", {"s.etta=1"}},
    {"OutOfBounds", kGood, "--set s.eta=3: stage 's': sampler.fake takes the option 'eta' 0 to 1; found the integer 3", {"s.eta=3"}},
    {"DomainOption",
     kGood,
     "--set domain.size=big: [domain]: domain.toy takes the option 'size' as an integer; found the string \"big\"",
     {"domain.size=big"}},
    {"ModelFolder", kGood, "--set models.base=nowhere: [models]: base: nowhere: no such model folder", {"models.base=nowhere"}},
    {"ModelKey",
     kGood,
     "--set models.base.initialise_weights=true: [models]: base: unknown key 'initialise_weights'; did you mean 'initialize_weights'?",
     {"models.base.initialise_weights=true"}},
    {"ModelOfTheDomainAsAnEarlierVersionHadIt",
     kGood,
     std::string(
         "--set domain.model=mine: [domain]: the option 'model' is gone: pipelines name models in [models], and stages take them by "
         "name; write\n  [models]\n  base = \"mine\"\n") +
         kNewForm,
     {"domain.model=mine"}},
    {"Seed", kGood, "--set seed=-3: the pipeline: 'seed' is an integer of at least 0; found the integer -3", {"seed=-3"}},
    {"Device", kGood, "--set device.type=tpu: [device]: 'type' is one of: cpu, cuda; found 'tpu'", {"device.type=tpu"}},
    {"DeviceDtype",
     kGood,
     "--set device.dtype=fp16: [device]: 'dtype' is one of: float32, bfloat16, float16; found 'fp16'",
     {"device.dtype=fp16"}},
    {"DeviceKey", kGood, std::string("--set device.cores=2: there is no such key; ") + kAllowed, {"device.cores=2"}},
    {"ModelDtype",
     kGood,
     "--set models.base.dtype=half: [models]: base: 'dtype' is one of: float32, bfloat16, float16; found 'half'",
     {"models.base.dtype=half"}},
    {"ModelVariant",
     kGood,
     "--set models.base.variant=../fp16: [models]: base: a variant has 1 to 100 letters, digits, '-' and '_'; found \"../fp16\"",
     {"models.base.variant=../fp16"}},
    {"ModelPredictionType",
     kGood,
     "--set models.base.prediction_type=v: [models]: base: 'prediction_type' is one of: epsilon, v_prediction, sample; found 'v'",
     {"models.base.prediction_type=v"}},
    {"ModelHeight",
     kGood,
     "--set models.base.height=0: [models]: base: 'height' is a number of pixels, from 1; found the integer 0",
     {"models.base.height=0"}},
    {"HubId",
     kGood,
     "--set models.base=stabilityai/sd: [models]: base: stabilityai/sd: no such model folder; a model of the hub is fetched before: hf "
     "download stabilityai/sd --include \"*.json\" \"*.txt\" \"*/*.safetensors\" --local-dir models/sd, and then its folder is named, "
     "models/sd",
     {"models.base=stabilityai/sd"}},
    {"StageAlone", kGood, std::string("--set s=3: names a stage but no option of it; ") + kAllowed, {"s=3"}},
    {"CacheAlone", kGood, std::string("--set cache=x: there is no such key; ") + kAllowed, {"cache=x"}},
    {"SeedOfSomething", kGood, std::string("--set seed.x=3: there is no such key; ") + kAllowed, {"seed.x=3"}},
    {"WithoutEquals", kGood, std::string("--set s.eta: is not path=value; ") + kAllowed, {"s.eta"}},
    {"TwoLines", kGood, "--set s.eta=1\nname='y': a value has one line", {"s.eta=1\nname='y'"}},
    {"ComeAfterTheFile",
     "sead = 1\n" + kGood,
     "p.toml:1:1: unknown key 'sead'; did you mean 'seed'?\n--set s.etta=1: stage 's': sampler.fake has no option 'etta'; did you mean "
     "'eta'?",
     {"s.etta=1"}},
};
FAULTY_TABLE(Overrides);

TEST(FaultyPipelines, ReportAllProblemsInTheFilesOrder) {
  const std::string text =
      "name = 'x'\nsede = 3\nmodels.base = '.'\n[domain]\ntype = 'domain.toy'\noptions = { size = -1 }\n[[stage]]\ntag = 's'\ntype = "
      "'sampler.fake'\n"
      "inputs = { model = 'tuned' }\n[stage.options]\neta = 2\n[device]\ntype = 'tpu'\n";
  try {
    resolve(Document::parse(text, "p.toml", {}), fake_catalog());
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(),
                 "p.toml:2:1: unknown key 'sede'; did you mean 'seed'?\n"
                 "p.toml:6:13: [domain]: domain.toy takes the option 'size' > 0; found the integer -1\n"
                 "p.toml:10:12: stage 's': the input 'model' names 'tuned', which is no stage; allowed: base\n"
                 "p.toml:12:1: stage 's': sampler.fake takes the option 'eta' 0 to 1; found the integer 2\n"
                 "p.toml:14:1: [device]: 'type' is one of: cpu, cuda; found 'tpu'");
  }
}

}  // namespace
}  // namespace espalier::config
