"""Exports, read as the programs that they are for read them; their results imported again, and selected by."""
import array
import csv
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import driver

HOME = pathlib.Path(os.environ.get("ESPALIER_HOME", pathlib.Path.home() / ".cache/espalier"))
PEERS = HOME / "peers/bin/python"
MANIFEST = "espalier_export.json"
PIPELINE = """name = "exported"
seed = 7
[domain]
type = "domain.text_to_image"
[domain.options]
prompts = "files"
train = ["prompts.jsonl"]
[models]
base = "datasets/models/shapes-base"
[[stage]]
tag = "samples"
type = "sampler.ddim"
inputs = {{ model = "base" }}
[stage.options]
samples_per_condition = 10
num_inference_steps = 2
block_size = 16
{rest}"""
SELECTION = """[[stage]]
tag = "judged"
type = "reward.imported"
inputs = { samples = "samples" }
[stage.options]
file = "scores.json"
[[stage]]
tag = "best"
type = "filter.top_k"
inputs = { scores = "judged" }
[stage.options]
k = 1
group_by = "condition"
"""
OWN_SELECTION = SELECTION.replace("reward.imported", "reward.jpeg_compressibility").replace('[stage.options]\nfile = "scores.json"\n', "")
TRAINING = """[[stage]]
tag = "tuned"
type = "trainer.sft"
inputs = { model = "base", selection = "best" }
[stage.options]
max_train_steps = 1
[[stage]]
tag = "tuned_samples"
type = "sampler.ddim"
inputs = { model = "tuned" }
[stage.options]
num_inference_steps = 2
"""
MOLECULES = driver.ROOT / "plugins/domain/molecule/example.toml"
LAYOUTS = pathlib.Path(__file__).parent / "mini.toml"


def prompts():
    """Three prompts in the words of the shapes world, with the metadata of GenEval's file and a category."""
    for colour, category in (("red", "color"), ("green", "color"), ("purple", "spatial")):
        include = [{"class": "circle", "count": 1, "color": colour}, {"class": "square", "count": 1, "position": ["above", 0]}]
        yield {"prompt": f"a {colour} circle above a blue square", "tag": "position", "include": include, "category": category}


def geneval_folder(folder):
    """As GenEval's evaluator walks: (path, metadata) of each image that it judges."""
    for name in os.listdir(folder):
        place = os.path.join(folder, name)
        if not os.path.isdir(place) or not name.isdigit():
            continue
        with open(os.path.join(place, "metadata.jsonl")) as file:
            metadata = json.load(file)
        for image in os.listdir(os.path.join(place, "samples")):
            if os.path.isfile(os.path.join(place, "samples", image)) and re.match(r"\d+\.png", image):
                yield os.path.join(place, "samples", image), metadata


def compbench_folder(folder):
    """As T2I-CompBench's scripts read a category: (number, prompt, path), by the number in the name."""
    names = sorted(os.listdir(os.path.join(folder, "samples")), key=lambda name: int(name.split("_")[-1].split(".")[0]))
    for rank, name in enumerate(names):
        yield rank, name.split("_")[0], os.path.join(folder, "samples", name)


def compare_pixels(blocks, folder, records):
    """In the peers' Python: the largest difference of the PNGs' pixels from the states in the cache, rounded here. Prints it."""
    import h5py
    import numpy
    from PIL import Image

    states = {}
    for block in blocks:
        with h5py.File(block) as file:
            states.update(zip(file["index"][:].tolist(), file["state/sample/0"][:].astype(numpy.float64), strict=True))
    worst = 0
    for record in records:
        image = Image.open(pathlib.Path(folder) / record["file"])
        assert (image.format, image.mode) == ("PNG", "RGB"), (image.format, image.mode)
        wanted = numpy.rint(numpy.clip((states[record["index"]] + 1) / 2, 0, 1) * 255).transpose(1, 2, 0)
        worst = max(worst, int(numpy.abs(numpy.asarray(image).astype(int) - wanted.astype(int)).max()))
    print(json.dumps({"worst": worst, "images": len(records)}))


def finite_samples(blocks):
    """In the peers' Python: the indices of the samples that are finite in the cache. Prints them."""
    import h5py
    import numpy

    finite = []
    for block in blocks:
        with h5py.File(block) as file:
            rows = numpy.isfinite(file["state/sample/0"][:]).all((1, 2, 3))
            finite += file["index"][:][rows].tolist()
    print(json.dumps(sorted(finite)))


def scale(source, target, name, factor):
    """Copies a .safetensors file with one tensor of float32 multiplied."""
    data = bytearray(source.read_bytes())
    size = 8 + int.from_bytes(data[:8], "little")
    begin, end = json.loads(data[8:size])[name]["data_offsets"]
    values = array.array("f", data[size + begin:size + end])
    data[size + begin:size + end] = array.array("f", [value * factor for value in values]).tobytes()
    target.write_bytes(data)


def read_sdf(path):
    """In a Python with RDKit: of each record its index and the number of its atoms. Prints them."""
    from rdkit import Chem, RDLogger

    RDLogger.DisableLog("rdApp.*")
    supplier = Chem.SDMolSupplier(path, sanitize=False, removeHs=False)
    print(json.dumps([[molecule.GetIntProp("index"), molecule.GetNumAtoms()] for molecule in supplier]))


def python_with(module, *candidates):
    for python in candidates:
        if subprocess.run([str(python), "-c", f"import {module}"], capture_output=True, check=False).returncode == 0:
            return python
    return None


class Export(driver.PipelineTest):
    def setUp(self):
        super().setUp()
        self.pipeline = self.folder / "exported.toml"
        self.out = self.folder / "out"
        self.write()

    def write(self, rest="", records=None):
        (self.folder / "prompts.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records or prompts()))
        self.pipeline.write_text(PIPELINE.format(rest=rest))

    def run_pipeline(self, *arguments, pipeline=None, code=0):
        return self.call("run", "--quiet", *arguments, pipeline=pipeline or self.pipeline, code=code)

    def export(self, format, *arguments, stage="samples", pipeline=None, out=None, code=0):
        self.call("export", stage, "--format", format, "--out", out or self.out, "--quiet", *arguments, pipeline=pipeline or self.pipeline, code=code)

    def exported(self, format, *arguments, **options):
        self.export(format, *arguments, **options)
        return json.loads((self.out / MANIFEST).read_text())

    def import_scores(self, *results, code=0, out="scores.json"):
        words = [driver.PROGRAM, "import-scores", str(self.out), "--out", out]
        done = subprocess.run([*words, *(word for result in results for word in ("--results", str(result)))], cwd=self.folder, capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.stderr = done.stderr

    def written(self, name, text):
        (self.folder / name).write_text(text)
        return name

    def in_python(self, python, function, *arguments):
        code = f"import export_test; export_test.{function}(*__import__('json').loads(__import__('sys').argv[1]))"
        done = subprocess.run([str(python), "-c", code, json.dumps(arguments)], cwd=pathlib.Path(__file__).parent, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout.splitlines()[-1])

    def accepted(self):
        """The indices that the last run's filter accepted, of those that it shows."""
        runs = sorted((self.folder / "runs/exported").iterdir(), key=lambda run: run.stat().st_mtime)
        return {json.loads(line)["index"] for line in (runs[-1] / "samples/accepted.jsonl").read_text().splitlines()}

    # -- formats --

    def test_imagefolder_has_a_line_an_image_and_the_very_pixels(self):
        self.run_pipeline()
        manifest = self.exported("imagefolder")
        lines = [json.loads(line) for line in (self.out / "metadata.jsonl").read_text().splitlines()]
        texts = [prompt["prompt"] for prompt in prompts()]
        self.assertEqual([line["file_name"] for line in lines], [f"{i:06}.png" for i in range(30)])
        self.assertEqual([line["text"] for line in lines], [texts[i % 3] for i in range(30)])
        self.assertEqual(lines[2]["category"], "spatial")
        self.assertEqual(json.loads(lines[2]["include"])[1]["position"], ["above", 0])
        self.assertEqual({path.name for path in self.out.iterdir()}, {line["file_name"] for line in lines} | {"metadata.jsonl", MANIFEST})
        if python_with("h5py, PIL", PEERS) is None:
            self.skipTest("the peers are not installed: scripts/setup --peers")
        blocks = [str(path) for path in self.cache.glob("sets/*/*/data/*.h5")]
        found = self.in_python(PEERS, "compare_pixels", blocks, str(self.out), manifest["samples"])
        self.assertEqual(found, {"worst": 0, "images": 30})

    def test_imagefolder_is_a_data_set_again(self):
        self.run_pipeline()
        self.export("imagefolder")
        again = self.written("again.toml", 'name = "again"\n[domain]\ntype = "domain.text_to_image"\n[domain.options]\nprompts = "folder"\n'
                             'data = "out"\nheld_out_fraction = 0.0\n[models]\nblank = { folder = "datasets/models/shapes-blank", initialize_weights = true }\n'
                             '[[stage]]\ntag = "samples"\ntype = "sampler.ddim"\ninputs = { model = "blank" }\n')
        self.call("validate", pipeline=again)

    def test_geneval_is_walked_as_its_evaluator_walks(self):
        self.run_pipeline()
        self.export("geneval")
        found = list(geneval_folder(self.out))
        self.assertEqual(len(found), 30)
        wanted = {prompt["prompt"]: {key: prompt[key] for key in ("tag", "include", "prompt")} for prompt in prompts()}
        self.assertEqual(len({metadata.pop("espalier_export") for _, metadata in found}), 1)
        for path, metadata in found:
            self.assertEqual(metadata, wanted[metadata["prompt"]])
            self.assertEqual(pathlib.Path(path).read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        names = {path.relative_to(self.out).as_posix() for path in self.out.rglob("*.png")}
        self.assertEqual(names, {f"{prompt:05}/samples/{k:05}.png" for prompt in range(3) for k in range(10)})

    def test_compbench_is_read_as_its_scripts_read(self):
        self.run_pipeline()
        self.export("imagefolder", out=self.folder / "plain")
        manifest = self.exported("t2i_compbench")
        texts = [prompt["prompt"] for prompt in prompts()]
        for category, of_category in (("color", texts[:2]), ("spatial", texts[2:])):
            found = list(compbench_folder(self.out / category))
            self.assertEqual([prompt for _, prompt, _ in found], [text for text in of_category for _ in range(10)])
            for rank, _, path in found:
                self.assertEqual(int(path.split("_")[-1].split(".")[0]), rank, "other scripts take the number in the name")
        for sample in manifest["samples"]:
            self.assertEqual((self.out / sample["file"]).read_bytes(), (self.folder / f"plain/{sample['index']:06}.png").read_bytes())

    def test_sdf_is_read_by_rdkit(self):
        self.run_pipeline(pipeline=MOLECULES)
        manifest = self.exported("sdf", pipeline=MOLECULES)
        python = python_with("rdkit", sys.executable, "/usr/bin/python3", PEERS)
        if python is None:
            self.skipTest("no Python with RDKit: scripts/setup --peers")
        found = self.in_python(python, "read_sdf", str(self.out / "molecules.sdf"))
        self.assertEqual([index for index, _ in found], [sample["index"] for sample in manifest["samples"]])
        written = next((self.folder / "runs").rglob("molecules.sdf")).read_text().split("$$$$\n")[:-1]
        self.assertEqual([atoms for _, atoms in found], [int(record.splitlines()[3][:3]) for record in written])

    def test_coco_holds_the_pages_that_the_run_wrote(self):
        self.run_pipeline(pipeline=LAYOUTS)
        manifest = self.exported("coco", stage="pool", pipeline=LAYOUTS)
        pages = [json.loads(line)["elements"] for path in (self.folder / "runs").rglob("pool/layouts.jsonl") for line in path.read_text().splitlines()]
        found = json.loads((self.out / "layouts.json").read_text())
        names = {category["id"]: category["name"] for category in found["categories"]}
        self.assertEqual([image["id"] for image in found["images"]], [sample["index"] for sample in manifest["samples"]])
        self.assertEqual(len(pages), len(found["images"]))
        for image, page in zip(found["images"], pages, strict=True):
            boxes = [box for box in found["annotations"] if box["image_id"] == image["id"]]
            self.assertEqual([names[box["category_id"]] for box in boxes], [element["class"] for element in page])
            for box, element in zip(boxes, page, strict=True):
                scale = [image["width"], image["height"]] * 2
                for got, share, side in zip(box["bbox"], element["box_ltwh_norm"], scale, strict=True):
                    self.assertAlmostEqual(got, share * side, places=4)
            self.assertTrue((self.out / image["file_name"]).is_file())
        self.assertEqual(len({box["id"] for box in found["annotations"]}), len(found["annotations"]))

    # -- scores --

    def test_scores_of_another_program_select(self):
        self.write(SELECTION)
        bare = self.folder / "bare.toml"
        bare.write_text(PIPELINE.format(rest=""))
        self.run_pipeline(pipeline=bare)
        manifest = self.exported("imagefolder", pipeline=bare)
        scores = {sample["index"]: (7 * sample["index"] + 3) % 31 / 31 for sample in manifest["samples"]}
        with (self.folder / "s.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["index", "score"])
            writer.writerows((index, "" if index == 4 else score) for index, score in reversed(scores.items()))
        self.import_scores("s.csv")
        report = json.loads(self.run_pipeline("--json"))
        self.assertEqual({stage["tag"]: stage["status"] for stage in report["stages"]}, {"samples": "reused", "judged": "run", "best": "run"})
        del scores[4]
        best = {max((index for index in scores if index % 3 == condition), key=scores.get) for condition in range(3)}
        self.assertEqual(self.accepted(), {index for index in best if index < 16}, "a run shows the first block's")
        law, = report["laws"]
        self.assertAlmostEqual(law["acceptance_rate"], 3 / 29, places=6)
        # Moved, the file is the same; with another score it is another.
        shutil.move(self.folder / "scores.json", self.folder / "moved.json")
        report = json.loads(self.run_pipeline("--json", "--set", "judged.file=moved.json"))
        self.assertEqual({stage["status"] for stage in report["stages"]}, {"reused"})
        self.written("moved.json", (self.folder / "moved.json").read_text().replace("null", "1.0", 1))
        report = json.loads(self.run_pipeline("--json", "--set", "judged.file=moved.json"))
        self.assertEqual([stage["status"] for stage in report["stages"]], ["reused", "run", "run"])

    def lose_some_samples(self):
        """Runs the pipeline with a model whose last layer overflows for some samples of each prompt. Gives the words that name it and the
        report's number of excluded samples."""
        model = self.folder / "lossy"
        shutil.copytree(driver.ROOT / "datasets/models/shapes-base", model)
        (model / "espalier.json").unlink()  # the digest of other weights
        words = [word for value in (f"models.base={model}", "samples.num_inference_steps=1", "samples.max_nonfinite_fraction=1.0")
                 for word in ("--set", value)]
        weights = model / "unet/diffusion_pytorch_model.safetensors"
        for size in range(36, 40):
            for factor in (1.0, 1.3, 1.8, 2.4, 3.2, 4.2, 5.6, 7.5):
                scale(driver.ROOT / "datasets/models/shapes-base" / weights.relative_to(model), weights, "conv_out.weight", factor * 10.0 ** size)
                stage = json.loads(self.run_pipeline("--json", *words))["stages"][0]
                if 6 <= stage["excluded"] <= 20:
                    return words, stage["excluded"]
        return self.fail("no scale loses some of the samples")

    def test_indices_do_not_shift_where_samples_are_excluded(self):
        words, excluded = self.lose_some_samples()
        manifest = self.exported("imagefolder", *words)
        kept = [sample["index"] for sample in manifest["samples"]]
        self.assertEqual(len(kept), 30 - excluded)
        self.assertEqual([json.loads(line)["index"] for line in (self.out / "metadata.jsonl").read_text().splitlines()], kept)
        lost = sorted(set(range(30)) - set(kept))
        self.assertLess(lost[0], kept[-1], "some sample comes after an excluded one")
        if python_with("h5py, PIL", PEERS):
            blocks = [str(path) for path in self.cache.glob("sets/*/*/data/*.h5")]
            self.assertEqual(self.in_python(PEERS, "finite_samples", blocks), kept)

        score = {index: (7 * index + 3) % 31 / 31 for index in kept}
        lines = "index,score\n" + "".join(f"{index},{score[index]!r}\n" for index in kept)
        self.import_scores(self.written("s.csv", lines + f"{lost[0]},1\n"), code=1)
        self.assertIn(f"sample {lost[0]} is none of the export's", self.stderr)
        self.import_scores(self.written("s.csv", lines))
        self.assertEqual(json.loads((self.folder / "scores.json").read_text())["scores"], [score.get(index) for index in range(30)])
        self.write(SELECTION)
        report = json.loads(self.run_pipeline("--json", *words))
        self.assertEqual([stage["status"] for stage in report["stages"]], ["reused", "run", "run"])
        best = {max(of_condition, key=score.get) for of_condition in ([i for i in kept if i % 3 == condition] for condition in range(3)) if of_condition}
        self.assertEqual(self.accepted(), {index for index in best if index < 16}, "a run shows the first block's")

        plain = self.out.rename(self.folder / "plain")
        manifest = self.exported("geneval", *words)
        for sample in manifest["samples"]:
            self.assertEqual((self.out / sample["file"]).read_bytes(), (plain / f"{sample['index']:06}.png").read_bytes())
        verdicts = [{"filename": path, "correct": pathlib.Path(path).name == "00001.png", "metadata": json.dumps(about)} for path, about in geneval_folder(self.out)]
        self.import_scores(self.written("r.jsonl", "\n".join(json.dumps(line) for line in verdicts)))
        second = {sample["index"] for sample in manifest["samples"] if sample["file"].endswith("00001.png")}
        self.assertEqual(json.loads((self.folder / "scores.json").read_text())["scores"],
                         [float(index in second) if index in score else None for index in range(30)])
        self.export("t2i_compbench", *words, out=self.folder / "ten", code=2)
        self.assertIn("excluded samples are missing here", self.stderr)

    def test_results_of_geneval_and_compbench_come_back(self):
        self.run_pipeline()
        manifest = self.exported("geneval")
        by_file = {str(self.out / sample["file"]): sample["index"] for sample in manifest["samples"]}
        verdicts = {by_file[path]: by_file[path] % 4 == 0 for path, _ in geneval_folder(self.out)}
        lines = [{"filename": path, "tag": about["tag"], "prompt": about["prompt"], "correct": verdicts[by_file[path]], "reason": "",
                  "metadata": json.dumps(about), "details": "{}"} for path, about in geneval_folder(self.out)]
        self.import_scores(self.written("results.jsonl", "\n".join(json.dumps(line) for line in lines)))
        self.assertEqual(json.loads((self.folder / "scores.json").read_text())["scores"], [float(verdicts[i]) for i in range(30)])

        shutil.rmtree(self.out)
        manifest = self.exported("t2i_compbench")
        files = []
        for category in ("color", "spatial"):
            answers = [{"question_id": rank, "answer": f"{rank / 16:.4f}"} for rank, _, _ in compbench_folder(self.out / category)]
            place = self.out / category / "annotation_blip/vqa_result.json"  # as BLIP_vqa.py --out_dir has it
            place.parent.mkdir()
            place.write_text(json.dumps(answers))
            files.append(f"{category}={place}")
        self.import_scores(*files)
        scores = json.loads((self.folder / "scores.json").read_text())["scores"]
        for sample in manifest["samples"]:
            self.assertEqual(scores[sample["index"]], sample["id"] / 16)

    def test_scores_of_another_set_are_refused_before_anything_is_sampled(self):
        self.run_pipeline()
        self.export("imagefolder")
        self.import_scores(self.written("s.csv", "index,score\n" + "".join(f"{i},0.5\n" for i in range(30))))
        self.write(SELECTION)
        blocks = self.blocks()
        for change, message in (("seed=8", "its scores are of the set "), ("samples.num_inference_steps=3", "its scores are of the set "),
                                ("samples.samples_per_condition=11", "its scores are of the first 30 samples of 'samples', which are now 33")):
            for command in ("plan", "run"):
                self.call(command, "--set", change, pipeline=self.pipeline, code=2)
                self.assertIn("stage 'judged': " + message, self.stderr)
        self.assertEqual(self.blocks(), blocks)
        self.run_pipeline("--set", "samples.samples_per_condition=5")  # a smaller view is served
        self.call("validate", "--set", "judged.file=nowhere.json", pipeline=self.pipeline, code=2)
        self.assertIn("nowhere.json", self.stderr)

    # -- refusals --

    def test_a_stage_that_is_not_complete_is_refused_with_the_command_that_makes_it(self):
        self.export("imagefolder", code=1)
        self.assertIn("stage 'samples' is not complete in the cache (there is no cache yet); this makes it: espalier run ", self.stderr)
        self.assertIn(f"{self.pipeline} --set cache.path={self.cache}", self.stderr)
        self.run_pipeline("--set", "samples.samples_per_condition=4")
        self.export("imagefolder", code=1)
        self.assertIn("(1 of 2 blocks are missing)", self.stderr)
        self.assertFalse(self.out.exists())
        self.write(OWN_SELECTION + TRAINING)
        self.export("imagefolder", stage="tuned_samples", code=1)
        self.assertIn("stage 'tuned_samples' is not complete in the cache (key pending: tuned)", self.stderr)

    def test_what_cannot_be_exported_is_refused_and_nothing_is_left(self):
        self.run_pipeline()
        before = sorted(self.folder.iterdir())
        cases = [("genevl", {}, [], 2, "unknown format 'genevl'; did you mean 'geneval'?"),
                 ("imagefolder", {"stage": "sample"}, [], 2, "no stage has the tag 'sample'; did you mean 'samples'?"),
                 ("sdf", {}, [], 2, "--format sdf: is for samples of the kind 'molecule'; domain.text_to_image has samples of the kind 'image'"),
                 ("t2i_compbench", {}, ["--set", "samples.samples_per_condition=5"], 2, "has 5 samples, and the scripts read 10 a prompt"),
                 ("imagefolder", {"out": self.folder}, [], 2, "is not empty; name an absent or empty folder")]
        for format, options, arguments, code, message in cases:
            with self.subTest(message):
                self.export(format, *arguments, code=code, **options)
                self.assertIn(message, self.stderr)
        self.assertEqual(sorted(self.folder.iterdir()), before)

    def test_prompts_that_would_be_misread_are_refused(self):
        for change, format, message in (({"tag": 3}, "geneval", "has no 'tag' in its condition metadata"),
                                        ({"include": []}, "geneval", "must be a list of tables with 'class' and 'count'"),
                                        ({"category": "a/b"}, "t2i_compbench", "which cannot be a folder's name here"),
                                        ({"file_name": "x"}, "imagefolder", "which ImageFolder would take for images")):
            with self.subTest(message):
                self.write(records=[{**prompt, **change} for prompt in prompts()])
                self.run_pipeline("--set", "samples.max_conditions=1")
                self.export(format, "--set", "samples.max_conditions=1", code=2)
                self.assertIn("stage 'samples': " + format, self.stderr)
                self.assertIn(message, self.stderr)
                self.assertFalse(self.out.exists())

    def test_only_samples_are_exported_and_damage_is_not(self):
        self.write(OWN_SELECTION)
        self.run_pipeline()
        self.export("imagefolder", stage="judged", code=2)
        self.assertIn("stage 'judged': reward.jpeg_compressibility gives no samples; stages that do: samples", self.stderr)
        block = next(self.cache.glob("sets/*/*/data/*.h5"))
        block.chmod(0o644)
        data = bytearray(block.read_bytes())
        data[len(data) // 2] ^= 1
        block.write_bytes(data)
        self.export("imagefolder", code=4)
        self.assertIn("is damaged or gone", self.stderr)
        self.assertIn(f"this computes it again: espalier run {self.pipeline}", self.stderr)
        self.assertFalse(self.out.exists())

    def test_results_that_do_not_agree_are_refused(self):
        self.run_pipeline()
        self.export("imagefolder")
        whole = "index,score\n" + "".join(f"{i},0.5\n" for i in range(30))
        for text, message in ((whole[:-7], "1 of the 30 samples of the export have no score: 29 (000029.png)"), (whole + "3,1\n", "sample 3 has a score already"),
                              (whole + "30,1\n", "sample 30 is none of the export's"), (whole.replace("7,0.5", "7,nan", 1), "the score 'nan' is no finite number")):
            self.import_scores(self.written("s.csv", text), code=1)
            self.assertIn(message, self.stderr)
        self.import_scores(self.written("r.jsonl", "{}"), code=1)
        self.assertIn("lines of verdicts (.jsonl) are read of an export of the format geneval", self.stderr)
        (self.out / MANIFEST).unlink()
        self.import_scores("s.csv", code=2)
        self.assertIn("is no export", self.stderr)
        self.assertFalse((self.folder / "scores.json").exists())


if __name__ == "__main__":
    driver.main()
