"""empeval measures how emotionally intelligent a language model is.

``import empeval`` is cheap: names are resolved on first use. A plugin author needs
``from empeval import Item, Message, Score, Scorer, ScorerCard, ValueCard ...`` and nothing
private.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from empeval.__about__ import __version__

_HOMES = {
    "empeval.answering": "ask open_model",
    "empeval.api": "run",
    "empeval.cards": "TaskCard ModelCard ScorerCard ValueCard",
    "empeval.comparing.two": "compare",
    "empeval.data": "data_directory load_rows read_rows require_columns rows_fingerprint",
    "empeval.formats": "ExportFormat",
    "empeval.functions": "scorer task",
    "empeval.rescoring": "score",
    "empeval.runspec": "RunSpec",
    "empeval.contained": "ContainedError",
    "empeval.errors": "EmpevalError UsageError UnknownNameError NotComparableError DataError "
    "RunFolderError IncompleteRunError ChangedRunError OtherRunSpecError HubError StorageError "
    "SeveralError",
    "empeval.extras": "MissingPackageError",
    "empeval.kinds": "PluginError",
    "empeval.spending": "LimitReachedError",
    "empeval.workers": "WorkerKind",
    "empeval.workspace": "BusyError",
    "empeval.hooks": "hookimpl",
    "empeval.interfaces": "Task Generator Scorer Preview INTERFACE_VERSION",
    "empeval.likelihood": "loglikelihood probabilities",
    "empeval.metrics": "Mean cluster_mean cluster_share mean_metric mean_metrics",
    "empeval.models": "packaged_model",
    "empeval.exporting": "export",
    "empeval.records": "Message Item Response Score Sample Scored Metric Sampling ResponseLine "
    "MetricsFile Sheet Source Turn Blank Continuations LogLikelihood",
    "empeval.runs": "Run document_path item_hash response_of",
    "empeval.spreadsheets": "export_place",
}
_HOME = {name: home for home, names in _HOMES.items() for name in names.split()}

__all__ = [
    "INTERFACE_VERSION",
    "Blank",
    "BusyError",
    "ChangedRunError",
    "ContainedError",
    "Continuations",
    "DataError",
    "EmpevalError",
    "ExportFormat",
    "Generator",
    "HubError",
    "IncompleteRunError",
    "Item",
    "LimitReachedError",
    "LogLikelihood",
    "Mean",
    "Message",
    "Metric",
    "MetricsFile",
    "MissingPackageError",
    "ModelCard",
    "NotComparableError",
    "OtherRunSpecError",
    "PluginError",
    "Preview",
    "Response",
    "ResponseLine",
    "Run",
    "RunFolderError",
    "RunSpec",
    "Sample",
    "Sampling",
    "Score",
    "Scored",
    "Scorer",
    "ScorerCard",
    "SeveralError",
    "Sheet",
    "Source",
    "StorageError",
    "Task",
    "TaskCard",
    "Turn",
    "UnknownNameError",
    "UsageError",
    "ValueCard",
    "WorkerKind",
    "__version__",
    "ask",
    "cluster_mean",
    "cluster_share",
    "compare",
    "data_directory",
    "document_path",
    "export",
    "export_place",
    "hookimpl",
    "item_hash",
    "load_rows",
    "loglikelihood",
    "mean_metric",
    "mean_metrics",
    "open_model",
    "packaged_model",
    "probabilities",
    "read_rows",
    "require_columns",
    "response_of",
    "rows_fingerprint",
    "run",
    "score",
    "scorer",
    "task",
]

if TYPE_CHECKING:
    from empeval.answering import ask, open_model
    from empeval.api import run
    from empeval.cards import ModelCard, ScorerCard, TaskCard, ValueCard
    from empeval.comparing.two import compare
    from empeval.contained import ContainedError
    from empeval.data import (
        data_directory,
        load_rows,
        read_rows,
        require_columns,
        rows_fingerprint,
    )
    from empeval.errors import (
        ChangedRunError,
        DataError,
        EmpevalError,
        HubError,
        IncompleteRunError,
        NotComparableError,
        OtherRunSpecError,
        RunFolderError,
        SeveralError,
        StorageError,
        UnknownNameError,
        UsageError,
    )
    from empeval.exporting import export
    from empeval.extras import MissingPackageError
    from empeval.formats import ExportFormat
    from empeval.functions import scorer, task
    from empeval.hooks import hookimpl
    from empeval.interfaces import INTERFACE_VERSION, Generator, Preview, Scorer, Task
    from empeval.kinds import PluginError
    from empeval.likelihood import loglikelihood, probabilities
    from empeval.metrics import Mean, cluster_mean, cluster_share, mean_metric, mean_metrics
    from empeval.models import packaged_model
    from empeval.records import (
        Blank,
        Continuations,
        Item,
        LogLikelihood,
        Message,
        Metric,
        MetricsFile,
        Response,
        ResponseLine,
        Sample,
        Sampling,
        Score,
        Scored,
        Sheet,
        Source,
        Turn,
    )
    from empeval.rescoring import score
    from empeval.runs import Run, document_path, item_hash, response_of
    from empeval.runspec import RunSpec
    from empeval.spending import LimitReachedError
    from empeval.spreadsheets import export_place
    from empeval.workers import WorkerKind
    from empeval.workspace import BusyError


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'empeval' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
