"""Rewards and metrics in Python for Espalier's `reward.process` and `metric.process`.

    from espalier_reward import serve

    def score(samples, prompts, metadata):
        return [image.mean() for image in samples["image"]]

    if __name__ == "__main__":
        serve(score, identity="brightness 1")

Espalier starts this program, sends it samples and reads the scores. Load models before `serve` is called, at the top of the file; the
time that this takes counts into the stage's `timeout_seconds`. A program that several workers run can take a GPU each by `worker()`.

When Espalier started the program, importing this module takes its standard input and output: from then on print(), C libraries and child
processes write to standard error, which is Espalier's log of the program, and standard input is empty. So import it before what may print.

How the two exchange messages: docs/process_protocol.md of Espalier, version 1.
"""
import io
import json
import math
import numbers
import os
import stat
import struct
import sys

import numpy as np

__version__ = "1.0"
__all__ = ["Samples", "serve", "serve_metric", "worker"]

PROTOCOL = 1
_MAGIC = b"ESPL"
_PREFIX = struct.Struct("<4sIQ")  # magic, bytes of the header, bytes of the payload
_DTYPES = {"float32": "<f4", "float64": "<f8", "uint8": "u1", "int64": "<i8", "bool": "?"}
_PIPE_BYTES = 1 << 20
_SET_PIPE_SIZE = 1031  # Linux's F_SETPIPE_SZ, which Python's fcntl names from 3.10 on


class Samples:
    """The samples of one call.

    samples["image"]           a tensor field: a numpy array [B, ...] as it was sent (images are [B, C, H, W] in [0, 1])
    samples["smiles"]          a field of strings: a list of str
    samples["molecules.sdf"]   a field of files: a list of str, one file a sample ("" where the domain writes none); "png" is a list of bytes
    samples.images()           the samples as PIL images, RGB
    samples.fields             the names of the fields; the stage's option `send` says which there are
    samples.index              the samples' numbers in their set, a list of int
    len(samples)               B
    samples[a:b]               some of them, as Samples

    For tests of a reward, make one from a dictionary: Samples({"image": array}) or Samples({"smiles": ["CCO", "C"]}).
    """

    def __init__(self, fields, index=None):
        lengths = {name: len(values) for name, values in fields.items()}
        count = len(index) if index is not None else next(iter(lengths.values()), 0)
        for name, length in lengths.items():
            if length != count:
                raise ValueError(f"the field '{name}' has {length} rows for {count} samples")
        self._fields = dict(fields)
        self.index = list(range(count)) if index is None else list(index)

    @property
    def fields(self):
        return list(self._fields)

    def __len__(self):
        return len(self.index)

    def __contains__(self, name):
        return name in self._fields

    def __getitem__(self, what):
        if isinstance(what, slice):
            return Samples({name: values[what] for name, values in self._fields.items()}, self.index[what])
        if what in self._fields:
            return self._fields[what]
        if isinstance(what, str):
            raise KeyError(f"the field '{what}' was not sent; sent: {', '.join(self._fields) or 'none'}; the stage's option send names what is")
        raise TypeError(f"samples take a field's name or a slice, not {what!r}")

    def images(self):
        """A list of PIL images, RGB, 8 bits: of the field "png" where it was sent, otherwise of "image", whose values are rounded."""
        from PIL import Image

        if "png" in self:
            return [Image.open(io.BytesIO(file)).convert("RGB") for file in self["png"]]
        return [Image.fromarray(pixels) for pixels in _to_bytes(self["image"])]


def _to_bytes(image):
    """[B, 3 or 1, H, W] in [0, 1] to [B, H, W, 3] uint8, by the rule by which Espalier draws images."""
    image = np.asarray(image)
    if image.ndim != 4 or image.shape[1] not in (1, 3):
        raise ValueError(f"the field 'image' has the shape {list(image.shape)}; images have [B, 3 or 1, H, W]")
    if np.isnan(image).any():
        raise ValueError("the field 'image' has a NaN, which no image shows")
    levels = np.rint(np.clip(image, 0, 1) * np.asarray(255, image.dtype)).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(levels, (len(image), 3, *image.shape[2:])).transpose(0, 2, 3, 1))


def serve(score, *, identity):
    """Scores until Espalier has no more samples, then returns.

    score(samples, prompts, metadata) returns a number for each sample, in their order: a list, a numpy array or a tensor [B].
    `samples` is a Samples; `prompts` a list of str; `metadata` a list of what the domain knows of each prompt. NaN marks a sample that has
    no score. An exception ends the program; Espalier then tries the batch once more in a new one, and if that fails too, ends the stage.
    Never catch one to return a number in its place.

    `identity` states what the numbers are of ("aesthetic 2.5, ViT-L/14") and must equal the stage's option of that name. Change it whenever
    the numbers change: Espalier keeps scores by it.
    """
    channel = _greeted("reward", identity)
    while (message := channel.read()) is not None:
        header, payload = _expect(message, "score")
        samples = _samples(header, payload)
        found = _numbers(score(samples, header["prompts"], header["metadata"]), samples)
        channel.write({"type": "scores", "batch": header["batch"], "count": len(samples)}, found)


def serve_metric(measure, *, identity):
    """Measures until Espalier has no more samples, then returns.

    measure(samples, prompts, metadata) is called once with all samples and returns finite numbers by name: {"overall": 0.71}. Names have
    letters, digits, "_", "-" and ".". All else is as `serve` has it. All samples are in memory at once: for large images let the stage send
    "png", and take samples[a:b].images() piece by piece.
    """
    channel = _greeted("metric", identity)
    parts = []
    while (message := channel.read()) is not None:
        header, payload = _expect(message, "samples", "measure")
        if header["type"] == "samples":
            parts.append((_samples(header, payload), header["prompts"], header["metadata"]))
            continue
        samples, prompts, metadata = _joined(parts)
        if len(samples) != header["count"]:
            raise RuntimeError(f"Espalier counts {header['count']} samples, but sent {len(samples)}")
        parts = []
        channel.write({"type": "findings", "scalars": _scalars(measure(samples, prompts, metadata))})


def worker():
    """The number of this program among those of its stage that run at the same time, from 0.

    To spread workers over GPUs: torch.cuda.set_device(worker() % torch.cuda.device_count()).
    """
    return _Channel.of_this_program().hello()["worker"]


def _numbers(found, samples):
    """What score() returned as the bytes of float64; anything but a real number for each sample raises."""
    values = found.tolist() if hasattr(found, "tolist") else found
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"score() returned {type(found).__name__}; a list of {len(samples)} numbers is right")
    if len(values) != len(samples):
        raise ValueError(f"score() returned {len(values)} numbers for {len(samples)} samples")
    reals = []
    for value, index in zip(values, samples.index):
        real = value.item() if hasattr(value, "item") else value
        if not isinstance(real, numbers.Real):
            raise TypeError(f"score() returned {value!r} for sample {index}; a real number is right, or NaN where there is no score")
        reals.append(float(real))
    return np.array(reals, "<f8").tobytes()


def _scalars(found):
    if not isinstance(found, dict) or not found:
        raise TypeError(f"measure() returned {found!r}; a dictionary of numbers by name is right")
    scalars = {}
    for name, value in found.items():
        real = value.item() if hasattr(value, "item") else value
        if not isinstance(name, str) or not isinstance(real, numbers.Real) or not math.isfinite(real):
            raise TypeError(f"measure() returned {value!r} for {name!r}; a finite number for a name is right")
        scalars[name] = float(real)
    return scalars


def _samples(header, payload):
    """The Samples of a message. Tensors lie in its payload; only those that are not aligned there are copied."""
    fields, place, count = {}, 0, header["count"]
    for field in header["fields"]:
        name, size = field["name"], field.get("bytes", 0)
        part = payload[place:place + size]
        place += size
        if len(part) != size:
            raise RuntimeError(f"the payload ends within the field '{name}'")
        if field["format"] == "tensor":
            if math.prod(field["shape"]) * np.dtype(_DTYPES[field["dtype"]]).itemsize != size:
                raise RuntimeError(f"the field '{name}' has {size} bytes, which its shape {field['shape']} does not fill")
            tensor = np.ndarray(field["shape"], _DTYPES[field["dtype"]], part)
            fields[name] = tensor if tensor.flags.aligned else tensor.copy()
        elif field["format"] == "files":
            ends = np.cumsum(field["sizes"], dtype=np.int64).tolist()
            files = [bytes(part[end - size:end]) for end, size in zip(ends, field["sizes"])]
            fields[name] = files if name == "png" else [file.decode() for file in files]  # all other files of domains are texts
        else:
            fields[name] = field["values"]
    if place != len(payload):
        raise RuntimeError(f"the payload has {len(payload)} bytes, its fields {place}")
    for name in ("index", "prompts", "metadata"):
        if len(header[name]) != count:
            raise RuntimeError(f"the message has {len(header[name])} of '{name}' for {count} samples")
    return Samples(fields, header["index"])


def _joined(parts):
    fields, index, prompts, metadata = {}, [], [], []
    for samples, texts, values in parts:
        index += samples.index
        prompts += texts
        metadata += values
    for name in parts[0][0].fields if parts else ():
        pieces = [samples[name] for samples, _, _ in parts]
        fields[name] = np.concatenate(pieces) if isinstance(pieces[0], np.ndarray) else [one for piece in pieces for one in piece]
    return Samples(fields, index), prompts, metadata


def _expect(message, *types):
    header, payload = message
    if header.get("type") not in types:
        raise RuntimeError(f"Espalier sent a message of the type {header.get('type')!r} where `{'` or `'.join(types)}` was expected")
    return header, payload


def _greeted(task, identity):
    """The channel, after hello and ready."""
    if not isinstance(identity, str) or not identity:
        raise TypeError(f"identity is {identity!r}; a text that names what the numbers are of is right")
    channel = _Channel.of_this_program()
    wanted = channel.hello()["task"]
    if wanted != task:
        _refuse(f"this program serves a {task}, but Espalier wants a {wanted}: use {'serve' if wanted == 'reward' else 'serve_metric'}()", 1)
    channel.write({"type": "ready", "protocol": PROTOCOL, "identity": identity})
    return channel


def _refuse(reason, code):
    print(f"espalier_reward: {reason}", file=sys.stderr)
    sys.exit(code)


def _refuse_by_hand():
    _refuse(f"{os.path.basename(sys.argv[0]) or 'this program'} is started by Espalier, as the command of a stage (reward.process or "
            "metric.process): run the pipeline. By hand there is nothing to do; to import it in a test, call serve() under "
            'if __name__ == "__main__":', 2)


def _is_pipe(descriptor):
    mode = os.fstat(descriptor).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class _Channel:
    """Messages on the program's standard input and output, which are its own from then on."""

    _one = None

    @classmethod
    def of_this_program(cls):
        if cls._one is None:
            if os.isatty(0):
                _refuse_by_hand()
            cls._one = cls()
        return cls._one

    def __init__(self):
        self._input, self._output = os.dup(0), os.dup(1)  # not inherited by child processes
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        sys.stdout.flush()  # what was printed before goes to standard error too
        sys.stdout = sys.stderr
        self._hello = None
        for descriptor in (self._input, self._output):
            _widen(descriptor)

    def hello(self):
        if self._hello is None:
            message = self.read()
            if message is None:
                if not _is_pipe(self._input):
                    _refuse_by_hand()  # or a test that imports the program would end here without a word
                sys.exit(0)  # Espalier has ended
            header, _ = _expect(message, "hello")
            if header.get("protocol") != PROTOCOL:
                _refuse(f"Espalier speaks version {header.get('protocol')!r} of the protocol, this package version {PROTOCOL}; "
                        "install the espalier_reward that came with your Espalier", 1)
            self._hello = header
        return self._hello

    def read(self):
        """(header, payload), the latter a writable memoryview; None where the input has ended."""
        prefix = self._fill(_PREFIX.size, may_end=True)
        if prefix is None:
            return None
        magic, header_bytes, payload_bytes = _PREFIX.unpack(prefix)
        if magic != _MAGIC:
            raise RuntimeError(f"standard input carries {bytes(prefix)!r}, not a message of Espalier")
        header = json.loads(bytes(self._fill(header_bytes)))
        return header, self._fill(payload_bytes)

    def write(self, header, payload=b""):
        head = json.dumps(header).encode()
        message = memoryview(_PREFIX.pack(_MAGIC, len(head), len(payload)) + head + payload)
        try:
            while message:
                message = message[os.write(self._output, message):]
        except BrokenPipeError:
            _refuse("Espalier has ended", 1)

    def _fill(self, size, may_end=False):
        buffer = memoryview(np.empty(size, np.uint8))  # not cleared first, and aligned for every dtype
        done = 0
        while done < size:
            count = os.readv(self._input, [buffer[done:]])
            if count == 0:
                if may_end and done == 0:
                    return None
                raise EOFError(f"standard input ended after {done} of {size} bytes of a message")
            done += count
        return buffer


def _widen(descriptor):
    """A pipe holds 64 KiB unless more is requested; 1 MiB makes large payloads a few times faster."""
    try:
        import fcntl

        fcntl.fcntl(descriptor, _SET_PIPE_SIZE, _PIPE_BYTES)
    except (ImportError, OSError):
        pass  # no pipe, or not Linux: slower, and nothing else


def _started_by_espalier():
    """Whether standard input and output both are pipes or sockets: so Espalier and sshd start programs, and so a shell seldom does."""
    try:
        return _is_pipe(0) and _is_pipe(1)
    except OSError:
        return False


if _started_by_espalier():
    _Channel.of_this_program()
