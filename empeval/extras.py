"""Packages that only a part of empeval needs, and the sentence that says how to install them.

``pip install empeval`` brings the core. Whatever else is imported belongs to an extra of
``pyproject.toml``; when it is not there, the sentence with the install line comes from here, at
the moment it is needed.
"""

from __future__ import annotations

import importlib.util

from empeval.errors import UsageError

EXTRAS = {
    "scorers": ("torch", "transformers", "peft", "gguf", "safetensors", "tokenizers"),
    "hf": ("accelerate",),
    "openai": ("httpx2",),
    "report": ("matplotlib",),
    "export": ("openpyxl",),
    "parquet": ("pyarrow",),
    "pandas": ("pandas",),
    "completion": ("argcomplete",),
    "inspect": ("inspect_ai",),
    "mlflow": ("mlflow",),
    "trackio": ("trackio",),
    "train": ("empeval_training", "datasets", "sklearn", "trl"),
    "quantized": ("bitsandbytes",),
    "vllm": ("vllm",),
    "openvino": ("openvino_genai", "openvino"),
    "ray": ("ray",),
}
"""Extra -> the packages, by the name that is imported, for which it is named when one is missing.

A package of several extras stands at the smallest.
"""
VERBS = {"train": ("empeval_training", "train")}
"""Verb of a distribution of its own -> its package, and the extra that brings it."""


class MissingPackageError(UsageError):
    """A package of an extra is not installed; the message ends with the line that installs it.

    Args:
        who: needs it, as a sentence begins.
        package: as it is imported.
        extra: of empeval, that brings it; ``install`` is the line for it.
    """

    code = "missing-package"
    objects = ("package", "extra", "install")

    def __init__(self, who: str, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        self.install = install_line(extra)
        said = f"{who} needs {package}, which is not installed: {self.install}"
        super().__init__(said, hint=self.install)


def install_line(extra: str) -> str:
    """What to type for an extra."""
    return f"pip install 'empeval[{extra}]'"


def is_installed(package: str) -> bool:
    """Whether a package can be found, without importing it."""
    try:
        return importlib.util.find_spec(package) is not None
    except ValueError:  # a module that somebody made up and put into sys.modules
        return True


def require(who: str, *packages: str, extra: str | None = None) -> None:
    """Make sure that packages are installed, without importing them.

    Args:
        who: needs them, as a sentence begins: ``"'hf:'"``.
        packages: names as they are imported.
        extra: which to name; by default the smallest that has the package.

    Raises:
        MissingPackageError: naming the first that is not.
    """
    for package in packages:
        if not is_installed(package):
            named = extra or _extra_of(package)
            if named is None:
                raise UsageError(f"{who} needs {package}, which is not installed.")
            raise MissingPackageError(who, package, named)


def missing_package(error: BaseException, who: str = "This") -> MissingPackageError | None:
    """What to say in the place of an import that failed, if a package of an extra is not there.

    ``None`` for every other error, and for one of a package that is installed but broken: then
    the error itself is the better sentence.
    """
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    package = error.name.partition(".")[0]
    extra = _extra_of(package)
    if extra is None or is_installed(package):
        return None
    return MissingPackageError(f"{who[:1].upper()}{who[1:]}", package, extra)


def _extra_of(package: str) -> str | None:
    return next((extra for extra, names in EXTRAS.items() if package in names), None)
